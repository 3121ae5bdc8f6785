//! Tests messages over real sockets, between two ends of the library or against a raw peer.

mod wire;

use std::thread;
use std::time::Duration;

use tightwire::{Error, Message, Operation, State};
use wire::{PATIENCE, Raw, hex, masked};

fn connect(address: std::net::SocketAddr) -> tightwire::WebSocket {
    tightwire::connect(&format!("ws://{address}/chat?room=1")).unwrap()
}

// proves 6455-6.1-1
#[test]
fn messages_of_every_type_and_size_are_echoed() {
    let mut ws = connect(wire::echo_server());
    for len in [0, 1, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 300_000, 5_000_000] {
        let data: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        ws.send(&data).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Binary(data)), "{len} bytes");

        let text: String = "h€llo 🦀 ".chars().cycle().take(len).collect();
        ws.send(&text).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Text(text)), "{len} characters");
    }
    ws.close().unwrap();
    assert_eq!(ws.state(), State::Closed);
}

// proves 6455-2.1-3
#[test]
fn fed_messages_are_written_before_a_receive_waits() {
    let mut ws = connect(wire::echo_server());
    for i in 0..1000 {
        ws.feed(i.to_string()).unwrap();
    }
    for i in 0..1000 {
        assert_eq!(ws.recv().unwrap(), Some(Message::Text(i.to_string())));
    }
    ws.feed("one more").unwrap();
    ws.flush().unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("one more")));
}

#[test]
fn messages_iterates_until_the_peer_closes() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.send(hex("81 01 61  82 01 62  88 02 03 e8"));
        assert_eq!(raw.read_frame(), (0x88, vec![0x03, 0xe8]));
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let messages: Result<Vec<_>, _> = ws.messages().collect();
    assert_eq!(messages.unwrap(), [Message::from("a"), Message::Binary(vec![b'b'])]);
    assert_eq!(ws.recv().unwrap(), None, "and it stays at its end");
    server.join().unwrap();
}

#[test]
fn messages_yields_an_error_once_and_ends() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.send(hex("81 01 61"));
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let mut messages = ws.messages();
    assert_eq!(messages.next().unwrap().unwrap(), Message::from("a"));
    assert!(wire::is_eof(&messages.next().unwrap().unwrap_err()));
    assert!(messages.next().is_none());
    server.join().unwrap();
}

// proves 6455-5.5.2-3, 6455-5.5.3-1
#[test]
fn recv_answers_pings_while_it_waits() {
    let mut raw = Raw::upgraded(wire::echo_server());
    raw.send_frame(0x89, b"are you there?");
    assert_eq!(raw.read_frame(), (0x8a, b"are you there?".to_vec()));
    raw.send([masked(0x01, b"Hel"), masked(0x89, b""), masked(0x80, b"lo")].concat());
    assert_eq!(raw.read_frame(), (0x8a, vec![]), "between the fragments");
    assert_eq!(raw.read_frame(), (0x81, b"Hello".to_vec()));
}

#[test]
fn pings_that_arrive_together_are_answered_in_order() {
    let mut raw = Raw::upgraded(wire::echo_server());
    let pings: Vec<u8> = (0..10).flat_map(|i| masked(0x89, &[i])).collect();
    raw.send(pings);
    for i in 0..10 {
        assert_eq!(raw.read_frame(), (0x8a, vec![i]));
    }
}

// proves 6455-5.5.3-4
#[test]
fn an_unsolicited_pong_is_ignored() {
    let mut raw = Raw::upgraded(wire::echo_server());
    raw.send([masked(0x8a, b"unsolicited"), masked(0x81, b"x")].concat());
    assert_eq!(raw.read_frame(), (0x81, b"x".to_vec()));
}

// proves 6455-5.1-1, 6455-5.3-1, 6455-5.3-3, 6455-10.3-1
#[test]
fn a_client_masks_every_frame_with_a_new_key() {
    const CONNECTIONS: usize = 8;
    // More keys than one draw from the system provides.
    const EACH: usize = 100;
    let mut keys = Vec::new();
    for _ in 0..CONNECTIONS {
        let (url, server) = wire::raw_server(|mut raw| {
            wire::answer_upgrade(&mut raw);
            let key_of = |frame: Vec<u8>| {
                assert_eq!(frame[1], 0x80 | 5);
                frame[2..6].to_vec()
            };
            (0..2 * EACH).map(|_| key_of(raw.read(2 + 4 + 5))).collect::<Vec<_>>()
        });
        let ws = tightwire::connect(&url).unwrap();
        for _ in 0..EACH {
            ws.send("Hello").unwrap();
            ws.ping(b"Hello").unwrap();
        }
        keys.extend(server.join().unwrap());
    }
    wire::assert_looks_random(&keys);
}

#[test]
fn one_thread_receives_while_others_send() {
    const SENDERS: usize = 4;
    const EACH: usize = 200;
    let (sender, mut receiver) = connect(wire::echo_server()).split();
    let threads: Vec<_> = (0..SENDERS)
        .map(|thread| {
            let sender = sender.clone();
            thread::spawn(move || {
                for i in 0..EACH {
                    sender.send(format!("{thread} {i} {}", "x".repeat(i * 7))).unwrap();
                }
            })
        })
        .collect();
    let mut next = [0; SENDERS];
    for _ in 0..SENDERS * EACH {
        let message = receiver.recv().unwrap().unwrap();
        let mut words = message.as_text().unwrap().split(' ');
        let thread: usize = words.next().unwrap().parse().unwrap();
        let i: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(i, next[thread], "the messages of a thread stay in order");
        assert_eq!(words.next().unwrap().len(), i * 7);
        next[thread] += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    sender.close().unwrap();
    assert_eq!(receiver.recv().unwrap(), None);
}

#[test]
fn both_ends_send_at_once_and_both_finish() {
    const MESSAGES: usize = 8;
    let message = vec![7u8; 1 << 20];
    let (address, served) = wire::reporting_server(wire::server(), {
        let message = message.clone();
        move |ws| {
            let sender = ws.sender();
            let message = message.clone();
            let writer = thread::spawn(move || {
                for _ in 0..MESSAGES {
                    sender.send(&message).unwrap();
                }
            });
            for _ in 0..MESSAGES {
                assert_eq!(ws.recv().unwrap().unwrap().len(), 1 << 20);
            }
            writer.join().unwrap();
            assert_eq!(ws.recv().unwrap(), None);
        }
    });
    let (sender, mut receiver) = connect(address).split();
    let writer = {
        let message = message.clone();
        thread::spawn(move || {
            for _ in 0..MESSAGES {
                sender.send(&message).unwrap();
                sender.ping(b"in between").unwrap();
            }
            sender
        })
    };
    for _ in 0..MESSAGES {
        assert_eq!(receiver.recv().unwrap().unwrap().as_bytes(), message);
    }
    writer.join().unwrap().close().unwrap();
    assert_eq!(receiver.recv().unwrap(), None);
    served.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_receive_that_times_out_resumes_where_it_stopped() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        let frames = hex("01 03 48 65 6c  89 01 78  80 02 6c 6f  82 7e 00 7e");
        for byte in frames.iter().chain(&[0x55; 126]) {
            // The client requests each byte after a timeout.
            while raw.read_frame().0 != 0x82 {}
            raw.send([*byte]);
        }
        raw.read_to_end();
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let mut messages = Vec::new();
    while messages.len() < 2 {
        match ws.recv_timeout(Duration::from_millis(1)) {
            Ok(message) => messages.push(message.unwrap()),
            Err(Error::Timeout(Operation::Receive)) => {
                ws.send([0]).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(messages, [Message::from("Hello"), Message::Binary(vec![0x55; 126])]);
    drop(ws);
    server.join().unwrap();
}

#[cfg(unix)]
#[test]
fn a_connection_works_over_unix_sockets() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let (mut ws, request) = tightwire::Acceptor::new().accept(far).unwrap();
        assert_eq!(request.path(), "/chat");
        assert_eq!(ws.peer_addr(), None);
        wire::echo(&mut ws, &request).unwrap();
    });
    let mut ws = tightwire::Client::new().connect_stream("ws://localhost/chat", near).unwrap();
    ws.send("through a file").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("through a file")));
    ws.close().unwrap();
    server.join().unwrap();
}

#[test]
fn an_upgraded_stream_keeps_the_bytes_that_were_read_ahead() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let negotiated = tightwire::handshake::Negotiated::default;

    let ahead = masked(0x81, b"ahead");
    let (ahead, rest) = ahead.split_at(7);
    let mut server =
        tightwire::Acceptor::new().from_upgraded(far, negotiated(), ahead.to_vec()).unwrap();
    let mut client = Raw::new(near);
    client.send(rest);
    assert_eq!(server.recv().unwrap(), Some(Message::from("ahead")));
    server.send("answer").unwrap();
    assert_eq!(client.read_frame(), (0x81, b"answer".to_vec()));

    let client = client.stream;
    let mut client =
        tightwire::Client::new().from_upgraded(client, negotiated(), hex("81 01 61")).unwrap();
    assert_eq!(client.recv().unwrap(), Some(Message::from("a")));
    client.send("b").unwrap();
    assert_eq!(server.recv().unwrap(), Some(Message::from("b")));
}

#[test]
fn a_client_masks_on_a_secure_stream() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let server = thread::spawn(move || {
        let (mut ws, _) = tightwire::Acceptor::new().accept(far).unwrap();
        // A server fails the connection on a frame that is not masked.
        ws.recv().unwrap()
    });
    let ws = tightwire::Client::new().connect_stream("wss://localhost/", near).unwrap();
    ws.send("masked").unwrap();
    assert_eq!(server.join().unwrap(), Some(Message::from("masked")));
}
