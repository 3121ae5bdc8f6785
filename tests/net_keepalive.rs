//! Tests the Pings that are sent to a silent peer, and their consequences.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pipe::Pipe;
use task::Task;
use tightwire::handshake::Negotiated;
use tightwire::{
    Acceptor, Client, Error, Hub, Message, Operation, Role, SlowPolicy, State, Stream, Timeouts,
    WebSocket,
};
use wire::{PATIENCE, close_body, hex};

fn timeouts(ping_ms: u64, pong_ms: u64) -> Timeouts {
    Timeouts::new().ping(Duration::from_millis(ping_ms)).pong(Duration::from_millis(pong_ms))
}

#[test]
fn a_silent_peer_gets_a_ping_whose_answer_is_timed() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        let (first, data) = raw.read_frame();
        assert_eq!(first, 0x89);
        // A Pong with other data is not the answer, but it is a sign of life.
        raw.send(hex("8a 00 81 01 61"));
        raw.send([&[0x8a, data.len() as u8], data.as_slice()].concat());
        raw.send(hex("81 01 62"));
        // A late answer to one Ping must not be taken for an answer to the next one.
        let (first, next) = raw.read_frame();
        assert_eq!((first, next == data), (0x89, false));
        raw.send(hex("81 01 63"));
        raw
    });
    let mut ws = Client::new().timeouts(timeouts(5, 10_000)).connect(&url).unwrap();
    assert_eq!(ws.latency(), None);
    assert_eq!(ws.recv().unwrap(), Some(Message::from("a")));
    assert_eq!(ws.latency(), None);
    assert_eq!(ws.recv().unwrap(), Some(Message::from("b")));
    assert!(ws.latency().is_some());
    assert_eq!(ws.recv().unwrap(), Some(Message::from("c")));
    server.join().unwrap();
}

#[test]
fn a_peer_that_does_not_answer_a_ping_times_out() {
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
fn silence_adds_up_over_receives_that_time_out() {
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
fn any_received_byte_is_a_sign_of_life() {
    let (url, server) = wire::raw_server(|mut raw| {
        wire::answer_upgrade(&mut raw);
        // The peer never sends a Pong, but a byte of a message for each Ping.
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
    let quiet = timeouts(1, 1).ping(None);
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
        let timeouts = Timeouts::new().close(Duration::from_millis(50));
        let ws = Client::new().timeouts(timeouts).connect(&url).unwrap();
        let (sender, mut receiver) = ws.split();
        let reader = thread::spawn(move || receiver.recv());
        sender.close().unwrap();
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
    assert_eq!(server.join().unwrap()[..2], [0x88, 0x82], "a masked Close frame");
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

/// A stream that accepts everything and returns nothing. Each read fails with the same error.
#[derive(Debug)]
struct Silent {
    reason: fn() -> io::Error,
    written: Mutex<Vec<u8>>,
}

impl Silent {
    fn open(reason: fn() -> io::Error, timeouts: Timeouts) -> (Arc<Self>, WebSocket) {
        let stream = Arc::new(Self { reason, written: Mutex::default() });
        let acceptor = Acceptor::new().timeouts(timeouts);
        let ws =
            acceptor.from_upgraded(Arc::clone(&stream), Negotiated::default(), Vec::new()).unwrap();
        (stream, ws)
    }
}

impl Stream for Silent {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(1));
        Err((self.reason)())
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut written = self.written.lock().unwrap();
        let before = written.len();
        written.extend_from_slice(buffer);
        Ok(written.len() - before)
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_peer_with_an_infinite_pong_timeout_gets_one_ping() {
    let timeouts = timeouts(1, 0).pong(Duration::MAX);
    let (stream, mut ws) = Silent::open(|| ErrorKind::WouldBlock.into(), timeouts);
    let nothing = ws.recv_timeout(Duration::from_millis(100));
    assert!(matches!(nothing, Err(Error::Timeout(Operation::Receive))));
    let written = stream.written.lock().unwrap().clone();
    assert_eq!((written.len(), &written[..2]), (10, &[0x89, 8][..]), "{written:?}");
}

#[test]
#[cfg_attr(windows, ignore = "Windows has no signals that interrupt a read")]
fn a_read_interrupted_by_a_signal_is_not_a_sign_of_life() {
    // EINTR, as in a program that is profiled.
    let (stream, mut ws) = Silent::open(|| io::Error::from_raw_os_error(4), timeouts(5, 5));
    let end = Instant::now() + PATIENCE;
    let error = loop {
        // A read that never checks the clock would fail here.
        match ws.recv_timeout(Duration::from_millis(50)) {
            Err(Error::Timeout(Operation::Receive)) if Instant::now() < end => {}
            outcome => break outcome.unwrap_err(),
        }
    };
    assert!(matches!(error, Error::Timeout(Operation::Pong)), "{error}");
    assert_eq!(stream.written.lock().unwrap().len(), 10, "one Ping");
}

#[test]
fn a_partial_tls_record_is_a_sign_of_life() {
    // A TLS stream reports this for a part of a record.
    let (stream, mut ws) = Silent::open(|| ErrorKind::Interrupted.into(), timeouts(20, 0));
    let nothing = ws.recv_timeout(Duration::from_millis(200));
    assert!(matches!(nothing, Err(Error::Timeout(Operation::Receive))));
    assert!(stream.written.lock().unwrap().is_empty());
}

#[test]
fn a_nonblocking_write_does_not_count_as_silence() {
    // A read waits for the shorter of the two timeouts.
    let silence = Duration::from_secs(60);
    let timeouts = timeouts(0, 0).ping(silence).close(silence);
    let (slow, pipe) = (Pipe::with_room(0), Pipe::new(Role::Server));
    let [slow_ws, mut ws] = [&slow, &pipe].map(|pipe| pipe.open(timeouts));
    let hub = Hub::new(SlowPolicy::Drop);
    let _members = [&slow_ws, &ws].map(|ws| hub.join(ws.sender()));
    let receive = Task::spawn(move || (ws.recv().unwrap(), ws));
    pipe.await_reader();
    // The first member does not read, so the broadcast writes to this one without waiting. During
    // that write, the receiver of this one returns from one read and begins others.
    let peer = pipe.clone();
    pipe.during_try_write(move || {
        peer.feed_frame(0x8a, b"");
        peer.await_that("reads that do not wait", |state| state.refused_reads > 1);
    });
    assert_eq!(hub.broadcast("broadcast").delivered, 2);
    pipe.feed_frame(0x81, b"message");
    let (message, _ws) = receive.end();
    assert_eq!(message, Some(Message::from("message")));
    assert_eq!(pipe.frames(), [(0x81, b"broadcast".to_vec())], "no Ping");
}
