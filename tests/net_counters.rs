//! Tests the counters of a connection and of a server, and the latency of a Ping on a busy
//! connection.

#[path = "wire/task.rs"]
mod task;
mod wire;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::handshake::{AcceptOptions, Answer, Response};
use tightwire::{
    Acceptor, Client, Counters, Error, MessageKind, PreparedMessage, SendError, Server, Timeouts,
};
use wire::{PATIENCE, Raw, hex, masked};

/// Returns messages sent and received, then bytes sent and received.
fn parts(counters: Counters) -> [u64; 4] {
    let Counters { messages_sent, messages_received, bytes_sent, bytes_received, .. } = counters;
    [messages_sent, messages_received, bytes_sent, bytes_received]
}

/// Waits until this condition holds.
#[track_caller]
fn await_that(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_connection_counts_messages_and_the_bytes_of_frames() {
    let (url, server) = wire::raw_server(|mut raw: Raw| {
        wire::answer_upgrade(&mut raw);
        // "Hi", a Ping, and "abc" in two frames.
        raw.send(hex("81 02 48 69  89 00  01 01 61  80 02 62 63"));
        raw.read_to_end()
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let sender = ws.sender();
    ws.recv().unwrap();
    ws.recv().unwrap();
    // The Pong of a client takes six bytes.
    await_that("the Pong is counted", || sender.counters().bytes_sent == 6);
    assert_eq!(parts(ws.counters()), [0, 2, 6, 13]);

    // A fed message counts at once, and its bytes count once they are written.
    ws.feed("Hello").unwrap();
    assert_eq!(parts(ws.counters()), [1, 2, 6, 13]);
    ws.send("").unwrap();
    assert_eq!(parts(ws.counters()), [2, 2, 6 + 11 + 6, 13]);
    ws.send_prepared(&PreparedMessage::new(vec![0; 200])).unwrap();
    assert_eq!(parts(sender.counters()), [3, 2, 23 + 208, 13]);
    let mut writer = ws.writer(MessageKind::Binary);
    for _ in 0..2 {
        std::io::Write::write_all(&mut writer, b"12345").unwrap();
        std::io::Write::flush(&mut writer).unwrap();
    }
    assert_eq!(parts(sender.counters()), [3, 2, 231 + 22, 13]);
    writer.finish().unwrap();
    assert_eq!(parts(sender.counters()), [4, 2, 253 + 6, 13]);
    drop(ws);
    assert_eq!(server.join().unwrap().len() as u64, sender.counters().bytes_sent);
}

#[test]
fn a_server_counts_open_and_closed_connections() {
    let server = wire::server();
    let handle = server.handle();
    let address = wire::run(server, wire::echo);
    let mut rest = Raw::upgraded(address);
    for _ in 0..3 {
        let mut raw = Raw::upgraded(address);
        raw.send(masked(0x81, b"Hello"));
        assert_eq!(raw.read_frame(), (0x81, b"Hello".to_vec()));
        raw.send(masked(0x88, b""));
        raw.read_to_end();
    }
    rest.send(masked(0x82, b"abc"));
    rest.read_frame();
    // Eleven and six bytes from each closed connection, seven and two bytes to it.
    let expected = [4, 4, 3 * (7 + 2) + 5, 3 * (11 + 6) + 9];
    await_that("the sums", || {
        parts(handle.counters()) == expected && handle.connection_count() == 1
    });
    handle.shutdown(Duration::ZERO);
    await_that("no connection", || handle.connection_count() == 0);
    let after = parts(handle.counters());
    assert!(after[..2] == expected[..2] && after[2] >= expected[2], "{after:?}");
}

#[test]
fn a_request_for_metrics_is_not_counted_as_a_connection() {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let (handle, asked) = (server.handle(), server.handle());
    let acceptor = Acceptor::new().on_request(move |request| match request.path() {
        "/metrics" => {
            Answer::Respond(Response::new(200).with_body(asked.connection_count().to_string()))
        }
        _ => Answer::Upgrade(AcceptOptions::new()),
    });
    let address = wire::run(server.acceptor(acceptor), wire::echo);
    let _rest = Raw::upgraded(address);
    await_that("one connection", || handle.connection_count() == 1);
    let mut raw = Raw::connect(address);
    raw.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(raw.read_head().starts_with("HTTP/1.1 200 "));
    assert_eq!(raw.read_to_end(), b"1");
}

#[test]
fn latency_is_measured_on_a_busy_connection_on_request() {
    let (url, server) = wire::raw_server(|mut raw: Raw| {
        wire::answer_upgrade(&mut raw);
        let pings = [(); 3].map(|()| raw.read_frame());
        assert!(pings.iter().all(|(first, _)| *first == 0x89), "{pings:?}");
        // The peer is never silent, so keepalive sends nothing. One Pong answers all earlier Pings.
        raw.send(hex("81 01 61"));
        raw.send([&[0x8a, 8], pings[1].1.as_slice(), &hex("81 01 62")].concat());
        raw.send([&[0x8a, 8], pings[0].1.as_slice(), &hex("81 01 63")].concat());
        raw.send([&[0x8a, 8], pings[2].1.as_slice(), &hex("81 01 64 88 00")].concat());
        raw.read_to_end();
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let sender = ws.sender();
    for _ in 0..3 {
        sender.measure_latency().unwrap();
    }
    assert_eq!(ws.recv().unwrap().unwrap(), "a".into());
    assert_eq!((ws.latency(), sender.latency()), (None, None));
    ws.recv().unwrap();
    let second = ws.latency();
    assert!(second.is_some() && second == sender.latency());
    ws.recv().unwrap();
    assert_eq!(ws.latency(), second, "the first was settled with the second");
    ws.recv().unwrap();
    assert!(ws.latency().is_some());
    assert_eq!(ws.recv().unwrap(), None);
    assert!(matches!(sender.measure_latency(), Err(Error::Send(SendError::Closed))));
    server.join().unwrap();
}

#[test]
fn a_latency_measurement_does_not_wait_for_senders() {
    let (url, server) = wire::raw_server(|mut raw: Raw| {
        wire::answer_upgrade(&mut raw);
        raw
    });
    let timeouts = Timeouts::new().write(PATIENCE);
    let ws = Client::new().timeouts(timeouts).connect(&url).unwrap();
    let mut raw = server.join().unwrap();
    let (sender, other) = (ws.sender(), ws.sender());
    let (done, is_done) = mpsc::channel();
    let writer = thread::spawn(move || {
        let outcome = sender.send(vec![0; 32 << 20]);
        done.send(()).unwrap();
        outcome
    });
    await_that("the peer does not read", || other.counters().bytes_sent > 0);
    // More Pings than the peer would ever answer.
    for _ in 0..100 {
        other.measure_latency().unwrap();
    }
    assert!(is_done.try_recv().is_err(), "the message still waits for the peer");
    let mut left = 32 << 20;
    while left > 0 {
        let (first, payload) = raw.read_frame();
        left -= if first & 0x0f < 3 { payload.len() } else { 0 };
    }
    writer.join().unwrap().unwrap();
}

#[test]
fn latency_is_measured_with_more_pings_than_are_remembered() {
    const COUNT: usize = 40;
    let (url, server) = wire::raw_server(|mut raw: Raw| {
        wire::answer_upgrade(&mut raw);
        let pings: Vec<_> = (0..COUNT).map(|_| raw.read_frame().1).collect();
        let pong = |data: &[u8]| [&[0x8a, 8], data].concat();
        raw.send([pong(&pings[0]), hex("81 01 61")].concat());
        // This Ping was not remembered, but its Pong also settles the earlier ones.
        raw.send([pong(&pings[COUNT - 1]), hex("81 01 62")].concat());
        while let (0x89, next) = raw.read_frame() {
            raw.send([pong(&next), hex("81 01 63")].concat());
        }
    });
    let mut ws = tightwire::connect(&url).unwrap();
    let sender = ws.sender();
    (0..COUNT).for_each(|_| sender.measure_latency().unwrap());
    ws.recv().unwrap();
    let first = ws.latency();
    assert!(first.is_some(), "the first was answered");
    ws.recv().unwrap();
    assert_eq!(ws.latency(), first);
    // The next ones are remembered. Two measurements may be equal by chance.
    let is_new = (0..1000).any(|_| {
        sender.measure_latency().unwrap();
        ws.recv().unwrap();
        ws.latency() != first
    });
    assert!(is_new);
    sender.close().unwrap();
    server.join().unwrap();
}
