//! Pings into silence, and what comes of them.

mod wire;

use std::thread;
use std::time::Duration;

use tightwire::{Client, CloseCode, Error, Message, Operation, State, Timeouts};
use wire::{close_body, hex};

fn timeouts(ping_ms: u64, pong_ms: u64) -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.ping = Some(Duration::from_millis(ping_ms));
    timeouts.pong = Duration::from_millis(pong_ms);
    timeouts
}

#[test]
fn a_silent_peer_is_sent_a_ping_and_its_answer_is_timed() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        let (first, data) = raw.read_frame();
        assert_eq!(first, 0x89);
        // A Pong with other data is not the answer, but a sign of life.
        raw.send(hex("8a 00"));
        raw.send([&[0x8a, data.len() as u8], data.as_slice()].concat());
        raw.send(hex("81 01 61"));
        raw
    });
    let mut ws = Client::new().timeouts(timeouts(5, 10_000)).connect(&url).unwrap();
    assert_eq!(ws.latency(), None);
    assert_eq!(ws.recv().unwrap(), Some(Message::from("a")));
    assert!(ws.latency().is_some());
    server.join().unwrap();
}

#[test]
fn a_peer_that_does_not_answer_is_given_up() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        assert_eq!(raw.read_frame().0, 0x89);
        assert!(raw.read_to_end().is_empty(), "one Ping is enough");
    });
    let mut ws = Client::new().timeouts(timeouts(5, 5)).connect(&url).unwrap();
    assert!(matches!(ws.recv(), Err(Error::Timeout(Operation::Pong))));
    assert_eq!(ws.state(), State::Closed);
    assert_eq!(ws.close_status().unwrap().code(), 1006);
    assert_eq!(ws.recv().unwrap(), None);
    server.join().unwrap();
}

#[test]
fn silence_is_counted_over_receives_that_time_out() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        assert_eq!(raw.read_frame().0, 0x89);
        raw.read_to_end();
    });
    let mut ws = Client::new().timeouts(timeouts(30, 30)).connect(&url).unwrap();
    let error = loop {
        match ws.recv_timeout(Duration::from_millis(4)) {
            Err(Error::Timeout(Operation::Receive)) => {}
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(error, Error::Timeout(Operation::Pong)), "{error}");
    server.join().unwrap();
}

#[test]
fn anything_that_is_heard_is_a_sign_of_life() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        // Never a Pong: bytes of a message, one for each Ping.
        for byte in hex("82 03 01 02 03") {
            assert_eq!(raw.read_frame().0, 0x89);
            raw.send([byte]);
        }
    });
    let mut ws = Client::new().timeouts(timeouts(5, 10_000)).connect(&url).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Binary(vec![1, 2, 3])));
    server.join().unwrap();
}

#[test]
fn keepalive_can_be_switched_off() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        assert_eq!(raw.read_frame(), (0x81, b"not a ping".to_vec()));
    });
    let mut quiet = timeouts(1, 1);
    quiet.ping = None;
    let mut ws = Client::new().timeouts(quiet).connect(&url).unwrap();
    let nothing = ws.recv_timeout(Duration::from_millis(30));
    assert!(matches!(nothing, Err(Error::Timeout(Operation::Receive))));
    ws.send("not a ping").unwrap();
    server.join().unwrap();
}

#[test]
fn a_close_by_another_thread_ends_a_blocked_receive_within_the_deadline() {
    for answers in [true, false] {
        let (url, server) = wire::raw_server(move |mut raw| {
            wire::answer_upgrade(&mut raw);
            assert_eq!(raw.read_frame(), (0x88, close_body(1000, "")));
            if answers {
                raw.send(hex("88 02 03 e8"));
            } else {
                raw.read_to_end();
            }
        });
        let mut timeouts = Timeouts::default();
        timeouts.close = Duration::from_millis(50);
        let ws = Client::new().timeouts(timeouts).connect(&url).unwrap();
        let (sender, mut receiver) = ws.split();
        let reader = thread::spawn(move || receiver.recv());
        sender.close(CloseCode::NORMAL, "").unwrap();
        match reader.join().unwrap() {
            Ok(None) if answers => {}
            Err(Error::Timeout(Operation::Close)) if !answers => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(sender.state(), State::Closed);
        server.join().unwrap();
    }
}

#[test]
fn dropping_the_receiver_ends_the_connection_for_its_senders() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.read_to_end()
    });
    let (sender, receiver) = tightwire::connect(&url).unwrap().split();
    drop(receiver);
    assert_eq!(sender.state(), State::Closed);
    assert!(sender.send("late").is_err());
    assert!(server.join().unwrap().is_empty());
}

#[test]
fn a_receiver_outlives_its_senders() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        raw.send(hex("89 00  81 01 61  88 00"));
        assert_eq!(raw.read_frame(), (0x8a, vec![]));
        assert_eq!(raw.read_frame(), (0x88, vec![]));
    });
    let (sender, mut receiver) = tightwire::connect(&url).unwrap().split();
    drop(sender);
    assert_eq!(receiver.recv().unwrap(), Some(Message::from("a")));
    assert_eq!(receiver.recv().unwrap(), None);
    server.join().unwrap();
}
