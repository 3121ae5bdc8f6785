//! Tests messages that are read while they arrive, and sent while they are written.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::time::Duration;
use std::{mem, thread};

use pipe::Pipe;
use task::Task;
use tightwire::handshake::Negotiated;
use tightwire::{
    Acceptor, Client, Error, Limits, Message, MessageKind, Operation, ProtocolError, Role,
    SendError, Timeouts,
};
use wire::{PATIENCE, Raw, close_body, hex, masked};

fn source(error: &io::Error) -> &Error {
    error.get_ref().and_then(|error| error.downcast_ref()).unwrap()
}

#[test]
fn a_message_can_be_read_while_it_arrives() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.send(hex("01 03 48 65 6c"));
        // The client has read this much before the rest is sent.
        assert_eq!(raw.read_frame(), (0x82, b"Hel".to_vec()));
        raw.send(hex("89 00  00 01 e2"));
        assert_eq!(raw.read_frame(), (0x8a, vec![]));
        raw.send(hex("80 03 82 ac 21  82 02 01 02  81 00  88 00"));
        assert_eq!(raw.read_frame(), (0x88, vec![]));
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let sender = ws.sender();

    let mut reader = ws.recv_reader().unwrap().unwrap();
    assert_eq!(reader.kind(), MessageKind::Text);
    let mut start = [0; 3];
    reader.read_exact(&mut start).unwrap();
    sender.send(start).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "€!");
    assert_eq!(reader.read(&mut start).unwrap(), 0, "it stays at its end");
    drop(reader);

    let mut reader = ws.recv_reader().unwrap().unwrap();
    assert_eq!(reader.kind(), MessageKind::Binary);
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(all, [1, 2]);
    drop(reader);

    let mut empty = ws.recv_reader().unwrap().unwrap();
    assert_eq!(empty.read(&mut start).unwrap(), 0);
    drop(empty);
    assert!(ws.recv_reader().unwrap().is_none());
    assert_eq!(ws.close_status().unwrap().code(), 1005);
    server.join().unwrap();
}

#[test]
fn a_ping_is_answered_before_the_next_piece_is_delivered() {
    let (report, answered) = mpsc::channel();
    let (url, server) = wire::raw_server(move |mut raw| {
        wire::answer_upgrade(&mut raw);
        for piece in ["02 01 61", "00 01 62", "80 01 63"] {
            raw.send(hex(&format!("89 01 31 {piece}")));
            assert_eq!(raw.read_frame(), (0x8a, b"1".to_vec()));
            report.send(()).unwrap();
        }
        raw
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let mut reader = ws.recv_reader().unwrap().unwrap();
    for expected in b"abc" {
        let mut piece = [0];
        reader.read_exact(&mut piece).unwrap();
        assert_eq!(piece, [*expected]);
        // The client reads no further before the peer has its answer.
        answered.recv_timeout(PATIENCE).expect("a Pong");
    }
    drop(reader);
    server.join().unwrap();
}

#[test]
fn the_unread_rest_of_a_message_is_skipped() {
    // The rest is skipped no matter how the reader ends, because no destructor is needed.
    for is_dropped in [true, false] {
        let (url, server) = wire::raw_server(|mut raw| {
            wire::answer_upgrade(&mut raw);
            raw.send(hex("02 03 01 02 03"));
            assert_eq!(raw.read_frame(), (0x81, b"read a byte".to_vec()));
            raw.send(hex("00 01 04  89 00  80 01 05  82 01 06  81 01 61"));
            raw.read_to_end();
        });
        let mut ws = tightwire::connect(&url).unwrap();
        let mut reader = ws.recv_reader().unwrap().unwrap();
        reader.read_exact(&mut [0]).unwrap();
        if is_dropped {
            drop(reader)
        } else {
            mem::forget(reader)
        }
        ws.send("read a byte").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Binary(vec![6])));
        // The reader is dropped at once, although the message has arrived completely.
        drop(ws.recv_reader().unwrap().unwrap());
        drop(ws);
        server.join().unwrap();
    }
}

#[test]
fn invalid_text_fails_while_it_is_read() {
    let address = wire::run(wire::server(), |ws, _| {
        let mut reader = ws.recv_reader()?.expect("a message");
        let mut read = Vec::new();
        let error = reader.read_to_end(&mut read).expect_err("it is not UTF-8");
        let expected = Error::Protocol(ProtocolError::InvalidUtf8).to_string();
        assert_eq!(source(&error).to_string(), expected);
        assert!(b"good".starts_with(&read));
        assert!(reader.read(&mut [0]).is_err(), "there is no more");
        Ok(())
    });
    let mut raw = Raw::upgraded(address);
    // The frame is incomplete, but its text is already invalid.
    raw.send(&masked(0x81, b"good \xff and more")[..6 + 6]);
    assert_eq!(raw.read_frame().1[..2], [0x03, 0xef]);
}

#[test]
fn a_read_that_times_out_can_be_resumed() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.send(hex("82 02 01"));
        assert_eq!(raw.read_frame().0, 0x81);
        raw.send(hex("02"));
        raw.read_to_end();
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let sender = ws.sender();
    let mut reader = ws.recv_reader().unwrap().unwrap();
    reader.set_timeout(Some(Duration::from_millis(5)));
    let mut byte = [0];
    reader.read_exact(&mut byte).unwrap();
    let error = reader.read(&mut byte).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(matches!(source(&error), Error::Timeout(Operation::Receive)));
    sender.send("now").unwrap();
    reader.set_timeout(None);
    reader.read_exact(&mut byte).unwrap();
    assert_eq!((byte, reader.read(&mut [0]).unwrap()), ([2], 0));
    drop(reader);
    drop((ws, sender));
    server.join().unwrap();
}

#[test]
fn an_unfinished_message_is_read_as_an_error_and_not_as_an_end() {
    for (end, code) in [("", 1006), ("88 02 03 e8", 1000)] {
        let (url, server) = wire::raw_server(move |mut raw| {
            wire::answer_upgrade(&mut raw);
            raw.send(hex("02 01 01"));
            assert_eq!(raw.read_frame().0, 0x81, "it was read so far");
            raw.send(hex(end));
            raw.end_writing();
            raw.read_to_end();
        });
        let mut ws = tightwire::connect(&url).unwrap();
        let sender = ws.sender();
        let mut reader = ws.recv_reader().unwrap().unwrap();
        reader.read_exact(&mut [0]).unwrap();
        sender.send("go on").unwrap();
        let mut read = Vec::new();
        for _ in 0..2 {
            let error = reader.read_to_end(&mut read).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
        }
        drop(reader);
        assert_eq!(ws.close_status().unwrap().code(), code);
        server.join().unwrap();
    }
}

#[test]
fn a_message_can_be_sent_while_it_is_written() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        assert_eq!(raw.read_frame(), (0x01, b"caf\xc3".to_vec()));
        raw.send(hex("89 00"));
        assert_eq!(raw.read_frame(), (0x8a, vec![]), "between the fragments");
        assert_eq!(raw.read_frame(), (0x00, b"\xa9".to_vec()));
        assert_eq!(raw.read_frame(), (0x80, b"!".to_vec()));
        assert_eq!(raw.read_frame(), (0x82, vec![]), "one that was written nothing into");
        raw.send(hex("81 01 61"));
        raw.read_to_end();
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(b"caf\xc3").unwrap();
    writer.flush().unwrap();
    writer.flush().unwrap();
    let nothing = ws.recv_timeout(Duration::from_millis(50));
    assert!(
        matches!(nothing, Err(Error::Timeout(Operation::Receive))),
        "this receive reads the Ping"
    );
    writer.write_all(b"\xa9").unwrap();
    writer.flush().unwrap();
    writer.write_all(b"!").unwrap();
    writer.finish().unwrap();
    ws.writer(MessageKind::Binary).finish().unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("a")));
    drop(ws);
    server.join().unwrap();
}

#[test]
fn an_unfinished_message_is_never_taken_for_a_whole_one() {
    let (address, outcomes) = wire::reporting_server(wire::server(), |ws| {
        let mut received = Vec::new();
        while let Ok(Some(message)) = ws.recv() {
            received.push(message);
        }
        (received, ws.close_status().unwrap().code())
    });
    let url = format!("ws://{address}/");
    // Nothing of the message was written, so the connection stays open.
    let mut ws = tightwire::connect(&url).unwrap();
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(b"never sent").unwrap();
    drop(writer);
    ws.send("next").unwrap();
    // A part of the message was written.
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(b"a part").unwrap();
    writer.flush().unwrap();
    drop(writer);
    assert!(matches!(ws.send("late"), Err(Error::Send(SendError::Closed))));
    assert_eq!(ws.recv().unwrap(), None);
    let (received, code) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!((received, code), (vec![Message::from("next")], 1011));
}

#[test]
fn text_that_is_not_utf8_is_not_sent() {
    let mut ws = tightwire::connect(&format!("ws://{}/", wire::echo_server())).unwrap();
    let mut writer = ws.writer(MessageKind::Text);
    assert_eq!(writer.write(b"\xff").unwrap_err().kind(), io::ErrorKind::InvalidData);
    drop(writer);
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(b"\xe2\x82").unwrap();
    assert!(matches!(writer.finish(), Err(Error::Send(SendError::InvalidUtf8))));
    // A refused write has no effect: it neither completes an earlier character nor begins one.
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(b"1 \xe2\x82").unwrap();
    assert_eq!(writer.write(b"\xac\xff").unwrap_err().kind(), io::ErrorKind::InvalidData);
    writer.write_all(b"\xac").unwrap();
    writer.finish().unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("1 \u{20ac}")));
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(b"\xe2\x82").unwrap();
    assert_eq!(writer.write(b"\xac\xff").unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(matches!(writer.finish(), Err(Error::Send(SendError::InvalidUtf8))));
    ws.send("unharmed").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("unharmed")));
}

#[test]
fn other_senders_wait_for_the_end_of_a_message_that_is_being_written() {
    let mut ws = tightwire::connect(&format!("ws://{}/", wire::echo_server())).unwrap();
    let mut writer = ws.writer(MessageKind::Binary);
    writer.write_all(&[1]).unwrap();
    writer.flush().unwrap();
    let other = ws.sender();
    let other = thread::spawn(move || other.send("after it"));
    writer.write_all(&[2]).unwrap();
    writer.finish().unwrap();
    other.join().unwrap().unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Binary(vec![1, 2])));
    assert_eq!(ws.recv().unwrap(), Some(Message::from("after it")));
}

#[test]
fn other_senders_wait_no_longer_than_their_timeout() {
    let timeouts = Timeouts::new().write(Duration::from_millis(20));
    let url = format!("ws://{}/", wire::echo_server());
    let ws = Client::new().timeouts(timeouts).connect(&url).unwrap();
    let mut writer = ws.writer(MessageKind::Binary);
    writer.write_all(&[1]).unwrap();
    writer.flush().unwrap();
    assert!(matches!(ws.send("other"), Err(Error::Timeout(Operation::Queue))));
    // A Ping is not a message, and does not wait.
    ws.ping(b"").unwrap();
    writer.finish().unwrap();
    ws.send("other").unwrap();
    let writer = ws.writer(MessageKind::Binary);
    ws.sender().close().unwrap();
    assert!(matches!(writer.finish(), Err(Error::Send(SendError::Closed))));
}

#[test]
fn a_long_message_passes_from_end_to_end() {
    const LEN: u64 = 64 << 20;
    let limits = Limits::new().max_stream_len(u64::MAX);
    let acceptor = Acceptor::new().limits(limits);
    let address = wire::run(wire::server().acceptor(acceptor), |ws, _| {
        let sender = ws.sender();
        while let Some(mut reader) = ws.recv_reader()? {
            let mut writer = sender.writer(reader.kind());
            io::copy(&mut reader, &mut writer)?;
            writer.finish()?;
        }
        Ok(())
    });
    let ws = Client::new().limits(limits).connect(&format!("ws://{address}/")).unwrap();
    let (sender, mut receiver) = ws.split();
    let writer = thread::spawn(move || {
        let mut writer = sender.writer(MessageKind::Binary);
        io::copy(&mut io::repeat(7).take(LEN), &mut writer).unwrap();
        writer.finish().unwrap();
        sender
    });
    let mut reader = receiver.recv_reader().unwrap().unwrap();
    let (mut buffer, mut read) = ([0; 8192], 0);
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => break,
            count => {
                assert!(buffer[..count].iter().all(|&byte| byte == 7));
                read += count as u64;
            }
        }
    }
    drop(reader);
    assert_eq!(read, LEN);
    writer.join().unwrap().close().unwrap();
    assert!(receiver.recv().unwrap().is_none());
}

#[test]
fn a_close_frame_ends_a_message_that_is_being_written() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        assert_eq!(raw.read_frame(), (0x02, vec![1]));
        raw.send([&[0x88, 2], close_body(1001, "").as_slice()].concat());
        assert_eq!(raw.read_frame(), (0x88, close_body(1001, "")));
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let mut writer = ws.writer(MessageKind::Binary);
    writer.write_all(&[1]).unwrap();
    writer.flush().unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    writer.write_all(&[2]).unwrap();
    assert_eq!(writer.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    drop(writer);
    server.join().unwrap();
}

/// Each of the two ways to receive has its own limit.
#[test]
fn a_message_read_in_pieces_has_its_own_limit() {
    let limits = Limits::new().max_message_len(10).max_frame_len(10).max_fragments(2);
    let limits = limits.max_stream_len(100);
    let too_big = |limit| ProtocolError::MessageTooBig { limit };
    // One frame, and frames of one byte.
    let one_frame = |len: usize| masked(0x82, &vec![7; len]);
    let many_frames = |len: usize| {
        let mut bytes = masked(0x02, &[7]);
        (2..len).for_each(|_| bytes.extend(masked(0x00, &[7])));
        bytes.extend(masked(0x80, &[7]));
        bytes
    };
    let end = masked(0x88, b"");
    for bytes in [one_frame(100), many_frames(100)] {
        // A skipped message is not held either, and the next one is within the limit.
        let sent = [&bytes, &bytes, &one_frame(10), &end].map(Vec::as_slice).concat();
        let (address, outcome) =
            wire::reporting_server(wire::server().acceptor(Acceptor::new().limits(limits)), |ws| {
                let mut all = Vec::new();
                ws.recv_reader().unwrap().unwrap().read_to_end(&mut all).unwrap();
                let mut first = [0];
                ws.recv_reader().unwrap().unwrap().read_exact(&mut first).unwrap();
                (all.len(), first, ws.recv().unwrap().map(Message::into_bytes))
            });
        let mut raw = Raw::upgraded(address);
        raw.send(sent);
        assert_eq!(outcome.recv_timeout(PATIENCE).unwrap(), (100, [7], Some(vec![7; 10])));
    }
    let frames = [
        (one_frame(101), too_big(100), ProtocolError::FrameTooBig { limit: 10 }),
        (many_frames(101), too_big(100), ProtocolError::TooManyFragments { limit: 2 }),
        (one_frame(11), too_big(0), ProtocolError::FrameTooBig { limit: 10 }),
    ];
    for (bytes, as_stream, as_whole) in frames {
        for streams in [true, false] {
            if streams && as_stream == too_big(0) {
                continue;
            }
            let (address, outcome) = wire::reporting_server(
                wire::server().acceptor(Acceptor::new().limits(limits)),
                move |ws| {
                    let read = |ws: &mut tightwire::WebSocket| -> Result<(), Error> {
                        let Some(mut reader) = ws.recv_reader()? else { return Ok(()) };
                        let outcome = reader.read_to_end(&mut Vec::new());
                        outcome.map(drop).map_err(|error| {
                            let ours = error.into_inner().and_then(|e| e.downcast::<Error>().ok());
                            *ours.expect("an error of ours")
                        })
                    };
                    if streams { read(ws) } else { ws.recv().map(drop) }
                },
            );
            let mut raw = Raw::upgraded(address);
            raw.send(&bytes);
            let (first, close) = raw.read_frame();
            assert_eq!((first, &close[..2]), (0x88, &1009_u16.to_be_bytes()[..]));
            let expected = if streams { as_stream } else { as_whole };
            let error = outcome.recv_timeout(PATIENCE).unwrap().unwrap_err();
            assert!(matches!(error, Error::Protocol(error) if error == expected), "{error:?}");
        }
    }
}

#[test]
fn the_receiver_knows_why_a_writer_failed() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.read_frame();
        raw.send(hex("88 02 03 f1"));
        raw.read_to_end();
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let mut writer = ws.writer(MessageKind::Binary);
    writer.write_all(b"a part").unwrap();
    writer.flush().unwrap();
    assert!(ws.recv().unwrap().is_none());
    assert_eq!(
        writer.write_all(b"more").and_then(|()| writer.flush()).unwrap_err().kind(),
        io::ErrorKind::BrokenPipe
    );
    assert_eq!(ws.close_status().unwrap().code(), 1009);
    drop(ws);
    server.join().unwrap();
}

#[test]
fn the_rest_of_a_message_without_a_reader_is_skipped_when_it_arrives() {
    let pipe = Pipe::new(Role::Client);
    let mut ws = pipe.open(Timeouts::new());
    pipe.feed_frame(0x01, b"a");
    ws.recv_reader().unwrap().unwrap().read_exact(&mut [0]).unwrap();
    let receiving = Task::spawn(move || {
        let mut reader = ws.recv_reader().unwrap().unwrap();
        let (kind, mut data) = (reader.kind(), Vec::new());
        reader.read_to_end(&mut data).unwrap();
        (kind, data)
    });
    // The rest arrives only now.
    pipe.await_reader();
    pipe.feed_frame(0x80, b"b");
    pipe.feed_frame(0x82, b"c");
    assert_eq!(receiving.end(), (MessageKind::Binary, b"c".to_vec()));
}

#[test]
fn a_streamed_message_is_sent_in_fragments_of_32_kib() {
    const LEN: usize = 32 << 10;
    let pipe = Pipe::new(Role::Server);
    let ws = pipe.open(Timeouts::new());
    let mut writer = ws.writer(MessageKind::Binary);
    for len in [20_000, 40_000, 70_000] {
        writer.write_all(&vec![7; len]).unwrap();
    }
    writer.finish().unwrap();
    let frames: Vec<_> = pipe.frames().iter().map(|(first, data)| (*first, data.len())).collect();
    assert_eq!(frames, [(0x02, LEN), (0x00, LEN), (0x00, LEN), (0x80, 130_000 - 3 * LEN)]);
}

#[test]
fn a_long_message_to_a_slow_peer_gets_its_final_fragment() {
    let pipe = Pipe::with_room(0);
    let timeouts = Timeouts::new().write(Duration::from_millis(20));
    let acceptor = Acceptor::new().fragment_len(10).timeouts(timeouts);
    let ws = acceptor.from_upgraded(pipe.stream(), Negotiated::default(), Vec::new()).unwrap();
    assert!(matches!(ws.send(vec![7; 25]), Err(Error::Timeout(Operation::Flush))));
    pipe.set_room(usize::MAX);
    ws.send("next").unwrap();
    let frames: Vec<_> = pipe.frames().iter().map(|(first, data)| (*first, data.len())).collect();
    assert_eq!(frames, [(0x02, 10), (0x00, 10), (0x80, 5), (0x81, 4)]);
}
