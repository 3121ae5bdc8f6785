//! Tests the closing handshake and failed connections: the bytes on the wire and the results of the
//! calls.

mod wire;

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tightwire::{
    Client, CloseCode, ClosedBy, Error, Limits, Message, Operation, ProtocolError, SendError,
    State, Timeouts,
};
use wire::{PATIENCE, Raw, close_body, hex, masked};

type Outcome = (Result<Option<Message>, String>, Option<tightwire::CloseStatus>);

/// Returns the results of `recv` and `close_status` at the server once the connection has ended.
fn final_outcome(ws: &mut tightwire::WebSocket) -> Outcome {
    let outcome = loop {
        match ws.recv() {
            Ok(Some(_)) => {}
            other => break other.map_err(|error| error.to_string()),
        }
    };
    assert_eq!(ws.state(), State::Closed);
    assert_eq!(ws.recv().unwrap(), None, "it stays at its end");
    assert!(matches!(ws.send("late"), Err(Error::Send(SendError::Closed))));
    (outcome, ws.close_status().cloned())
}

// proves 6455-5.5.1-9, 6455-5.5.1-10, 6455-5.5.1-11, 6455-7.1.1-4, 6455-7.1.5-1, 6455-7.1.5-2,
// 6455-5.5.1-15, 6455-5.5.1-16, 6455-7.1.1-1, 6455-7.1.1-6, 6455-7.1.2-2, 6455-7.1.4-1,
// 6455-7.4.1-10
#[test]
fn a_server_answers_close_with_the_same_code_and_ends_tcp_first() {
    let cases: [(&str, Vec<u8>, &str, u16, &str); 5] = [
        ("no body", vec![], "88 00", 1005, ""),
        ("1000", close_body(1000, ""), "88 02 03 e8", 1000, ""),
        ("1001 with a reason", close_body(1001, "bye"), "88 02 03 e9", 1001, "bye"),
        ("4000", close_body(4000, "€"), "88 02 0f a0", 4000, "€"),
        ("1010", close_body(1010, "permessage-deflate"), "88 02 03 f2", 1010, "permessage-deflate"),
    ];
    let (address, outcomes) = wire::reporting_server(wire::server(), final_outcome);
    for (case, body, answer, code, reason) in cases {
        let mut raw = Raw::upgraded(address);
        raw.send_frame(0x88, &body);
        assert_eq!(raw.read_to_end(), hex(answer), "{case}: the answer, then the end of TCP");
        drop(raw);
        let (outcome, status) = outcomes.recv_timeout(PATIENCE).unwrap();
        assert_eq!(outcome, Ok(None), "{case}");
        let status = status.unwrap();
        assert_eq!((status.code(), status.reason()), (code, reason), "{case}");
        assert_eq!(status.closed_by(), ClosedBy::Peer, "{case}");
        assert!(status.was_clean(), "{case}");
    }
}

// proves 6455-7.1.7-5, 6455-7.1.7-7, 6455-8.1-1, 6455-8.1-2, 6455-7.1.7-3, 6455-10.7-2,
// 6455-10.7-3, 6455-7.1.7-4
#[test]
fn a_server_tells_the_client_which_rule_it_broke() {
    let unmasked = hex("81 05 48 65 6c 6c 6f");
    let cases: [(&str, Vec<u8>, u16, ProtocolError); 9] = [
        ("unmasked", unmasked, 1002, ProtocolError::Unmasked),
        ("RSV1", masked(0xc1, b"x"), 1002, ProtocolError::ReservedBits),
        ("opcode 3", masked(0x83, b""), 1002, ProtocolError::ReservedOpcode(3)),
        ("continuation", masked(0x80, b""), 1002, ProtocolError::UnexpectedContinuation),
        ("ping over 125", hex("89 fe 00 7e"), 1002, ProtocolError::ControlTooLong),
        (
            "close code",
            masked(0x88, &close_body(1005, "")),
            1002,
            ProtocolError::ForbiddenCloseCode(1005),
        ),
        ("text", masked(0x81, b"\xc3\x28"), 1007, ProtocolError::InvalidUtf8),
        ("reason", masked(0x88, b"\x03\xe8\xff"), 1007, ProtocolError::InvalidUtf8),
        (
            "too big",
            hex("82 ff 00 00 00 00 7f ff ff ff"),
            1009,
            ProtocolError::FrameTooBig { limit: 16 << 20 },
        ),
    ];
    let (address, outcomes) = wire::reporting_server(wire::server(), final_outcome);
    for (case, bytes, code, error) in cases {
        let mut raw = Raw::upgraded(address);
        let mut bytes = bytes;
        bytes.extend(if bytes.len() < 10 { vec![0; 4] } else { vec![0; 0] });
        // The server ignores what follows: it delivers no message, and does not answer this Close.
        bytes.extend(masked(0x81, b"late"));
        bytes.extend(masked(0x88, &close_body(1000, "")));
        raw.send(bytes);
        let (first, body) = raw.read_frame();
        assert_eq!(first, 0x88, "{case}");
        assert_eq!(body[..2], code.to_be_bytes(), "{case}");
        assert_eq!(body[2..], *error.to_string().as_bytes(), "{case}");
        assert!(raw.read_to_end().is_empty(), "{case}: nothing but the end follows");
        drop(raw);
        let (outcome, status) = outcomes.recv_timeout(PATIENCE).unwrap();
        let expected = Error::Protocol(error).to_string();
        assert_eq!(outcome, Err(expected), "{case}");
        let status = status.unwrap();
        assert_eq!(status.code(), 1006, "{case}");
        assert!(!status.was_clean(), "{case}");
    }
}

// proves 6455-5.1-6, 6455-5.1-7, 6455-7.1.7-1, 6455-7.1.7-2, 6455-7.2.1-1, 6455-10.7-2,
// 6455-10.7-3
#[test]
fn a_client_tells_the_server_which_rule_it_broke() {
    let cases = [
        ("masked", masked(0x81, b"Hello"), 1002),
        ("RSV2", hex("a1 00"), 1002),
        ("new message inside one", hex("01 01 61 81 01 62"), 1002),
        ("text", hex("81 02 c3 28"), 1007),
        ("64 bits of length, the highest set", hex("82 7f 80 00 00 00 00 00 00 00"), 1002),
        ("announced too big", hex("82 7f 10 00 00 00 00 00 00 00"), 1009),
    ];
    for (case, bytes, code) in cases {
        let (url, server) = wire::raw_server(move |mut raw| {
            wire::answer_upgrade(&mut raw);
            raw.send(bytes);
            let frame = raw.read_frame();
            assert!(raw.read_to_end().is_empty());
            frame
        });
        let mut ws = tightwire::connect(&url).unwrap();
        assert!(matches!(ws.recv(), Err(Error::Protocol(_))), "{case}");
        assert_eq!(ws.state(), State::Closed, "{case}");
        let (first, body) = server.join().unwrap();
        assert_eq!((first, &body[..2]), (0x88, &u16::to_be_bytes(code)[..]), "{case}");
    }
}

#[test]
fn a_message_over_the_limit_fails_with_1009_and_one_at_the_limit_arrives() {
    let limits = Limits::new().max_message_len(10);
    let server = wire::server().acceptor(tightwire::Acceptor::new().limits(limits));
    let address = wire::run(server, wire::echo);
    let mut raw = Raw::upgraded(address);
    raw.send_frame(0x81, b"0123456789");
    assert_eq!(raw.read_frame().1, b"0123456789");
    raw.send([masked(0x01, b"01234"), masked(0x80, b"567890")].concat());
    let (first, body) = raw.read_frame();
    assert_eq!((first, &body[..2]), (0x88, &[0x03, 0xf1][..]));
    assert!(raw.read_to_end().is_empty());
}

// proves 6455-7.1.1-7, 6455-7.1.2-1, 6455-5.5.1-7
#[test]
fn a_client_that_closes_waits_for_the_answer_and_for_the_end_of_tcp() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        let head = raw.read(2);
        assert_eq!(head, [0x88, 0x80 | 5], "Close, masked");
        raw.read(4 + 5);
        // `close` discards messages that were in transit.
        raw.send(hex("81 01 61  89 00  88 02 03 e8"));
        assert_eq!(raw.read_frame(), (0x8a, vec![]), "a Ping is answered until a Close arrives");
        raw.end_writing();
        assert!(raw.read_to_end().is_empty());
    });
    let mut ws = tightwire::connect(&url).unwrap();
    ws.close_with(CloseCode::NORMAL, "bye").unwrap();
    let status = ws.close_status().unwrap();
    assert_eq!((status.code(), status.closed_by(), status.was_clean()), (1000, ClosedBy::Us, true));
    ws.close_with(CloseCode::GOING_AWAY, "again").unwrap();
    server.join().unwrap();
}

#[test]
fn messages_that_arrive_after_our_close_are_still_received() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        assert_eq!(raw.read_frame(), (0x88, close_body(1000, "")));
        raw.send(hex("81 01 61  88 02 03 e8"));
    });
    let mut ws = tightwire::connect(&url).unwrap();
    ws.sender().close().unwrap();
    assert_eq!(ws.state(), State::Closing);
    assert!(matches!(ws.send("late"), Err(Error::Send(SendError::Closed))));
    assert!(matches!(ws.ping(b"late"), Err(Error::Send(SendError::Closed))));
    assert_eq!(ws.recv().unwrap(), Some(Message::from("a")));
    assert_eq!(ws.recv().unwrap(), None);
    assert!(ws.close_status().unwrap().was_clean());
    server.join().unwrap();
}

#[test]
fn a_peer_that_never_answers_a_close_times_out() {
    for by_recv in [false, true] {
        let (url, server) = wire::raw_server(|mut raw| {
            wire::answer_upgrade(&mut raw);
            assert_eq!(raw.read_frame(), (0x88, close_body(1001, "")));
            raw.read_to_end();
        });
        let timeouts = Timeouts::new().close(Duration::from_millis(50));
        let mut ws = Client::new().timeouts(timeouts).connect(&url).unwrap();
        let error = if by_recv {
            ws.sender().close_with(CloseCode::GOING_AWAY, "").unwrap();
            ws.recv().unwrap_err()
        } else {
            ws.close_with(CloseCode::GOING_AWAY, "").unwrap_err()
        };
        assert!(matches!(error, Error::Timeout(Operation::Close)), "{error}");
        assert_eq!(ws.close_status().unwrap().code(), 1006);
        assert_eq!(ws.recv().unwrap(), None);
        server.join().unwrap();
    }
}

#[test]
fn an_invalid_close_frame_is_refused_and_the_connection_stays_open() {
    let mut ws = tightwire::connect(&format!("ws://{}/", wire::echo_server())).unwrap();
    let error = ws.close_with(CloseCode::NORMAL, &"x".repeat(124)).unwrap_err();
    assert!(matches!(error, Error::Send(SendError::ReasonTooLong(_))), "{error}");
    ws.send("still here").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("still here")));
    ws.close_with(CloseCode::NORMAL, &"x".repeat(123)).unwrap();
}

// proves 6455-7.1.5-3, 6455-7.2.1-2, 6455-7.1.4-2, 6455-7.4.1-13
#[test]
fn a_stream_that_ends_without_close_is_an_error_with_code_1006() {
    for bytes in ["", "81", "81 05 48 65", "01 01 61", "88"] {
        let (url, server) = wire::raw_server(move |mut raw| {
            wire::answer_upgrade(&mut raw);
            raw.send(hex(bytes));
        });
        let mut ws = tightwire::connect(&url).unwrap();
        let error = ws.recv().unwrap_err();
        assert!(wire::is_eof(&error), "{bytes}: {error}");
        let status = ws.close_status().unwrap();
        assert_eq!((status.code(), status.closed_by()), (1006, ClosedBy::Nobody));
        assert!(!status.was_clean());
        assert_eq!(ws.state(), State::Closed);
        server.join().unwrap();
    }
}

// proves 6455-7.3-3
#[test]
fn dropping_a_connection_sends_1001_and_ends_tcp() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.read_to_end()
    });
    drop(tightwire::connect(&url).unwrap());
    let frame = server.join().unwrap();
    assert_eq!((frame.len(), &frame[..2]), (8, &[0x88, 0x82][..]), "a masked Close frame");
    let code: Vec<u8> = frame[6..].iter().zip(&frame[2..6]).map(|(byte, key)| byte ^ key).collect();
    assert_eq!(code, close_body(1001, ""));
}

// proves 6455-5.5.1-12
#[test]
fn a_close_that_arrives_during_a_write_is_answered_after_the_message() {
    let message = vec![1u8; 8 << 20];
    let expected = message.clone();
    let acceptor = tightwire::Acceptor::new().fragment_len(usize::MAX);
    let server = wire::server().acceptor(acceptor);
    let (address, outcomes) = wire::reporting_server(server, move |ws| {
        let sender = ws.sender();
        let message = message.clone();
        let writer = thread::spawn(move || sender.send(&message).map_err(|e| e.to_string()));
        let outcome = final_outcome(ws);
        (writer.join().unwrap(), outcome)
    });
    let mut raw = Raw::upgraded(address);
    // These bytes show that the writer has begun. Its message does not fit into the socket buffers.
    let head = raw.read(10);
    assert_eq!(head[..2], [0x82, 127]);
    raw.send_frame(0x88, &close_body(1000, ""));
    let rest = raw.read_to_end();
    assert_eq!(rest[..expected.len()], expected);
    assert_eq!(rest[expected.len()..], hex("88 02 03 e8"));
    drop(raw);
    let (sent, (outcome, status)) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!((sent, outcome), (Ok(()), Ok(None)));
    assert!(status.unwrap().was_clean());
}

#[test]
fn a_peer_that_half_closes_with_its_close_frame_receives_everything() {
    let message = vec![1u8; 16 << 20];
    let expected = message.clone();
    let (report_sender, senders) = mpsc::channel();
    let acceptor = tightwire::Acceptor::new().fragment_len(usize::MAX);
    let server = wire::server().acceptor(acceptor);
    let (address, outcomes) = wire::reporting_server(server, move |ws| {
        let sender = ws.sender();
        report_sender.send(sender.clone()).unwrap();
        let message = message.clone();
        let writer = thread::spawn(move || sender.send(&message).map_err(|e| e.to_string()));
        let outcome = final_outcome(ws);
        (writer.join().unwrap(), outcome)
    });
    let mut raw = Raw::upgraded(address);
    assert_eq!(raw.read(10)[..2], [0x82, 127], "the writer has begun");
    raw.send_frame(0x88, &close_body(1000, ""));
    raw.end_writing();
    let sender = senders.recv_timeout(PATIENCE).unwrap();
    while sender.state() == State::Open {
        thread::yield_now();
    }
    // The server may already have read the end of the stream.
    let mut rest = Vec::new();
    let _ = raw.stream.read_to_end(&mut rest);
    assert_eq!(rest.len(), expected.len() + 4);
    assert!(rest.starts_with(&expected) && rest.ends_with(&hex("88 02 03 e8")));
    let (sent, (outcome, status)) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!((sent, outcome), (Ok(()), Ok(None)));
    assert!(status.unwrap().was_clean());
}

// proves 6455-7.1.1-2
#[test]
fn a_peer_that_keeps_sending_after_our_failure_reads_our_close_frame() {
    let (address, _outcomes) = wire::reporting_server(wire::server(), final_outcome);
    for _ in 0..20 {
        let mut raw = Raw::upgraded(address);
        raw.send(masked(0x83, b""));
        // If the server did not read these bytes, ending the connection would cause a reset.
        for _ in 0..64 {
            raw.send(masked(0x82, &[0; 1000]));
        }
        assert_eq!(raw.read_frame().1[..2], [0x03, 0xea]);
        assert!(raw.read_to_end().is_empty());
    }
}

// proves 6455-7.3-1
#[test]
fn a_handler_that_returns_closes_with_1000_or_1011() {
    let server = wire::server();
    let address = wire::run(server, |ws, request| match request.path() {
        "/error" => Err("out of luck".into()),
        "/panic" => panic!("on purpose"),
        _ => {
            ws.send("bye")?;
            Ok(())
        }
    });
    for (path, code) in [("ok", 1000), ("error", 1011), ("panic", 1011), ("ok", 1000)] {
        let mut ws = tightwire::connect(&format!("ws://{address}/{path}")).unwrap();
        while ws.recv().unwrap().is_some() {}
        assert_eq!(ws.close_status().unwrap().code(), code, "{path}");
    }
}

#[test]
fn a_write_to_a_peer_that_does_not_read_times_out_and_resumes_later() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let peer = thread::spawn(move || {
        let mut raw = Raw::new(listener.accept().unwrap().0);
        wire::answer_upgrade(&mut raw);
        raw
    });
    let timeouts = Timeouts::new().write(Duration::from_millis(50));
    let client = Client::new().timeouts(timeouts).fragment_len(usize::MAX);
    let mut ws = client.connect(&url).unwrap();
    let mut raw = peer.join().unwrap();

    let message = vec![3u8; 32 << 20];
    assert!(matches!(ws.send(&message), Err(Error::Timeout(Operation::Flush))));
    assert!(matches!(ws.send("not accepted"), Err(Error::Timeout(Operation::Queue))));
    assert!(matches!(ws.recv(), Err(Error::Timeout(Operation::Flush))), "it would wait forever");

    let reader = thread::spawn(move || {
        let (first, payload) = raw.read_frame();
        assert_eq!((first, payload == vec![3u8; 32 << 20]), (0x82, true));
        assert_eq!(raw.read_frame(), (0x81, b"accepted".to_vec()));
        raw.send(hex("81 02 6f 6b"));
        raw
    });
    while let Err(error) = ws.flush() {
        assert!(matches!(error, Error::Timeout(Operation::Flush)), "{error}");
    }
    ws.send("accepted").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("ok")));
    drop(reader.join().unwrap());
}

// proves 6455-7.1.7-8, 6455-7.2.1-3, 6455-7.3-2
#[test]
fn a_client_does_not_close_on_its_own() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.send(hex("89 00  8a 01 78  82 00  01 01 61  89 00  80 00"));
        assert_eq!(raw.read_frame(), (0x8a, vec![]));
        assert_eq!(raw.read_frame(), (0x8a, vec![]));
        // Only the message of the program follows: no Close frame, and no end.
        assert_eq!(raw.read_frame(), (0x81, b"still here".to_vec()));
    });
    let mut ws = tightwire::connect(&url).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Binary(vec![])));
    assert_eq!(ws.recv().unwrap(), Some(Message::from("a")));
    let idle = ws.recv_timeout(Duration::from_millis(10));
    assert!(matches!(idle, Err(Error::Timeout(Operation::Receive))));
    assert_eq!(ws.state(), State::Open);
    ws.send("still here").unwrap();
    server.join().unwrap();
}

// proves 6455-7.4.1-17, 6455-7.4.1-18, 6455-7.4.1-19
#[test]
fn only_a_client_may_close_because_of_a_missing_extension() {
    let (address, outcomes) = wire::reporting_server(wire::server(), |ws| {
        let refused = ws.close_with(CloseCode::MANDATORY_EXTENSION, "permessage-deflate");
        assert!(matches!(refused, Err(Error::Send(SendError::ForbiddenCloseCode(_)))));
        final_outcome(ws)
    });
    let mut ws = tightwire::connect(&format!("ws://{address}/")).unwrap();
    ws.close_with(CloseCode::MANDATORY_EXTENSION, "permessage-deflate").unwrap();
    let (outcome, status) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(outcome, Ok(None));
    let status = status.unwrap();
    assert_eq!((status.code(), status.reason()), (1010, "permessage-deflate"));
}

// proves 6455-7.4.1-5, 6455-7.4.1-6, 6455-7.4.1-15
#[test]
fn a_program_may_refuse_a_message_or_its_type() {
    let address = wire::run(wire::server(), |ws, _| {
        while let Some(message) = ws.recv()? {
            match message {
                Message::Binary(_) => ws.close_with(CloseCode::UNSUPPORTED_DATA, "text only")?,
                Message::Text(text) if text == "rude" => {
                    ws.close_with(CloseCode::POLICY_VIOLATION, "")?
                }
                Message::Text(text) => ws.send(&text)?,
            }
        }
        Ok(())
    });
    for (frame, code, reason) in
        [(masked(0x82, b"x"), 1003, "text only"), (masked(0x81, b"rude"), 1008, "")]
    {
        let mut raw = Raw::upgraded(address);
        raw.send(frame);
        assert_eq!(raw.read_frame(), (0x88, close_body(code, reason)));
        raw.send_frame(0x88, &close_body(code, ""));
        assert!(raw.read_to_end().is_empty());
    }
}

// proves 6455-7.1.1-2
#[test]
fn bytes_after_a_close_frame_are_discarded_and_cause_no_reset() {
    let (address, outcomes) = wire::reporting_server(wire::server(), final_outcome);
    for _ in 0..20 {
        let mut raw = Raw::upgraded(address);
        let mut bytes = masked(0x88, &close_body(1000, ""));
        bytes.extend(masked(0x82, &[0; 60_000]));
        bytes.extend(masked(0x83, b"not even looked at"));
        raw.send(bytes);
        assert_eq!(raw.read_to_end(), hex("88 02 03 e8"));
        drop(raw);
        assert_eq!(outcomes.recv_timeout(PATIENCE).unwrap().0, Ok(None));
    }
}

// proves 6455-6.1-3
#[test]
fn a_close_between_fragments_leaves_the_message_unfinished() {
    let (address, outcomes) = wire::reporting_server(wire::server(), move |ws| {
        let sender = ws.sender();
        let writer = thread::spawn(move || sender.send(vec![1u8; 64 << 20]));
        let outcome = final_outcome(ws);
        (writer.join().unwrap(), outcome)
    });
    let mut raw = Raw::upgraded(address);
    assert_eq!(raw.read(2), [0x02, 127], "the first fragment");
    raw.send_frame(0x88, &close_body(1000, ""));
    let rest = raw.read_to_end();
    assert!(rest.len() < 60 << 20, "it was abandoned");
    assert_eq!(rest[rest.len() - 4..], hex("88 02 03 e8"));
    drop(raw);
    let (sent, (outcome, _)) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(sent, Err(Error::Send(SendError::Closed))), "{sent:?}");
    assert_eq!(outcome, Ok(None));
}
