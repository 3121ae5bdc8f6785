//! Tests the limits on the end of TCP. After the last Close frame, or after a refusal, we wait for
//! the peer for at most `Timeouts::linger`, and read at most 4 MiB from it.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::time::Duration;

use pipe::{Pipe, Then};
use task::{LONG, Task, in_time};
use tightwire::{Acceptor, Error, Role, State, Timeouts};
use wire::{PATIENCE, REQUEST, Raw, close_body, masked};

const LINGER: Duration = Duration::from_millis(100);

fn timeouts(linger: Duration) -> Timeouts {
    Timeouts::new().write(LONG).close(LONG).linger(linger).ping(None)
}

#[test]
fn a_peer_that_closed_may_keep_tcp_open_for_the_linger_time() {
    for role in [Role::Client, Role::Server] {
        for we_begin in [false, true] {
            let pipe = Pipe::new(role);
            let mut ws = pipe.open(timeouts(LINGER));
            pipe.feed_frame(0x88, &close_body(1000, ""));
            let ws = in_time(move || {
                if we_begin {
                    ws.close().unwrap();
                } else {
                    assert_eq!(ws.recv().unwrap(), None);
                }
                ws
            });
            let status = ws.close_status().unwrap();
            assert_eq!((status.code(), status.was_clean()), (1000, true));
            assert_eq!(ws.state(), State::Closed);
            assert!(pipe.state().is_shut);
            assert!(pipe.state().waited <= 2 * LINGER);
            assert_eq!(pipe.frames(), [(0x88, close_body(1000, ""))]);
        }
    }
}

#[test]
fn a_peer_that_was_failed_may_keep_tcp_open_for_the_linger_time() {
    for role in [Role::Client, Role::Server] {
        let pipe = Pipe::new(role);
        let mut ws = pipe.open(timeouts(LINGER));
        pipe.feed_frame(0x83, b"");
        let (outcome, ws) = in_time(move || (ws.recv(), ws));
        assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}");
        assert_eq!(ws.state(), State::Closed);
        assert!(pipe.state().waited <= 2 * LINGER);
        assert_eq!(pipe.opcodes(), [0x88]);
    }
}

#[test]
fn a_handler_ends_although_its_client_keeps_tcp_open() {
    let server = wire::server().acceptor(Acceptor::new().timeouts(timeouts(LINGER)));
    let (address, outcomes) = wire::reporting_server(server, |ws| {
        let outcome = ws.recv().map_err(|error| error.to_string());
        (outcome, ws.close_status().unwrap().clone())
    });
    let mut raw = Raw::upgraded(address);
    raw.send_frame(0x88, &close_body(1000, ""));
    assert_eq!(raw.read_frame(), (0x88, close_body(1000, "")));
    assert!(raw.read_to_end().is_empty(), "the server ends its side");
    let (outcome, status) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(outcome, Ok(None));
    assert!(status.was_clean());
    drop(raw);
}

#[test]
fn a_server_that_shuts_down_does_not_wait_for_clients_that_keep_tcp_open() {
    let server = wire::server().acceptor(Acceptor::new().timeouts(timeouts(LINGER)));
    let handle = server.handle();
    let mut raw = Raw::upgraded(wire::run(server, wire::echo));
    raw.send_frame(0x81, b"open?");
    assert_eq!(raw.read_frame(), (0x81, b"open?".to_vec()));
    let shutdown = Task::spawn(move || handle.shutdown(LONG));
    assert_eq!(raw.read_frame(), (0x88, close_body(1001, "")));
    raw.send_frame(0x88, &close_body(1001, ""));
    let report = shutdown.end();
    assert_eq!((report.closed, report.failed, report.aborted), (1, 0, 0));
    drop(raw);
}

/// The most that is read from a peer whose last frame or request has been read.
const MAX: usize = 4 << 20;
/// The same, plus one read.
const MOST: usize = MAX + (1 << 20);

#[test]
fn a_peer_that_sends_on_after_its_last_frame_is_read_up_to_a_bound() {
    for role in [Role::Client, Role::Server] {
        for (first, payload) in [(0x88, close_body(1000, "")), (0x83, Vec::new())] {
            let pipe = Pipe::new(role);
            let mut ws = pipe.open(timeouts(LINGER));
            pipe.feed(&pipe.frame(first, &payload), Then::Noise);
            let (outcome, ws) = in_time(move || (ws.recv(), ws));
            match first {
                0x88 => assert_eq!(outcome.unwrap(), None),
                _ => assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}"),
            }
            assert_eq!(ws.close_status().unwrap().was_clean(), first == 0x88);
            let given = pipe.state().given;
            assert!(given <= MOST, "{given} bytes were read");
        }
    }
}

#[test]
fn a_peer_beyond_the_bound_has_the_linger_time_to_read_our_close_frame() {
    // Closing a socket with unread bytes would reset the connection.
    for role in [Role::Client, Role::Server] {
        for (first, payload) in [(0x88, close_body(1000, "")), (0x83, Vec::new())] {
            let pipe = Pipe::new(role);
            let mut ws = pipe.open(timeouts(LONG));
            let sender = ws.sender();
            pipe.feed(&pipe.frame(first, &payload), Then::Noise);
            let receive = Task::spawn(move || ws.recv());
            pipe.await_that("the most is read", |state| state.given > MAX);
            assert!(!pipe.state().is_shut);
            assert_eq!(pipe.opcodes(), [0x88]);
            sender.abort();
            let outcome = receive.end();
            match first {
                0x88 => assert_eq!(outcome.unwrap(), None),
                _ => assert!(matches!(outcome, Err(Error::Protocol(_))), "{outcome:?}"),
            }
            let given = pipe.state().given;
            assert!(given <= MOST, "{given} bytes were read");
        }
    }
}

const REFUSED: [&str; 2] = ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "no request\r\n\r\n"];

#[test]
fn a_refused_client_that_sends_on_is_read_up_to_a_bound() {
    for request in REFUSED {
        let pipe = Pipe::new(Role::Server);
        pipe.feed(request.as_bytes(), Then::Noise);
        let (acceptor, stream) = (Acceptor::new().timeouts(timeouts(LINGER)), pipe.stream());
        let outcome = in_time(move || acceptor.accept(stream).map(drop));
        assert!(matches!(outcome, Err(Error::Handshake(_))), "{outcome:?}");
        let given = pipe.state().given;
        assert!(given <= MOST, "{given} bytes were read");
        assert!(pipe.state().written.starts_with(b"HTTP/1.1 4"));
    }
}

#[test]
fn a_refused_client_beyond_the_bound_has_the_linger_time_to_read_its_refusal() {
    for request in REFUSED {
        let pipe = Pipe::new(Role::Server);
        pipe.feed(request.as_bytes(), Then::Noise);
        let (acceptor, stream) = (Acceptor::new().timeouts(timeouts(LONG)), pipe.stream());
        let accept = Task::spawn(move || acceptor.accept(stream).map(drop));
        // From here on, the server reads small pieces, only to notice the end of the stream.
        pipe.await_that("more is read", |state| state.given > MAX + 4096);
        assert!(!pipe.state().is_shut);
        pipe.feed(b"", Then::End);
        let outcome = accept.end();
        assert!(matches!(outcome, Err(Error::Handshake(_))), "{outcome:?}");
        assert!(pipe.state().is_shut);
    }
}

#[test]
fn a_refused_client_may_keep_tcp_open_for_the_linger_time() {
    let pipe = Pipe::new(Role::Server);
    let timeouts = timeouts(LINGER).handshake(LONG);
    pipe.feed(REQUEST.replace("13\r\n", "12\r\n").as_bytes(), Then::Silence);
    let (acceptor, stream) = (Acceptor::new().timeouts(timeouts), pipe.stream());
    let outcome = in_time(move || acceptor.accept(stream).map(drop));
    assert!(matches!(outcome, Err(Error::Handshake(_))), "{outcome:?}");
    let state = pipe.state();
    assert!(state.waited <= 2 * LINGER, "{:?}", state.waited);
    assert!(state.is_shut && state.written.starts_with(b"HTTP/1.1 426 "));
}

#[test]
fn a_client_that_sends_a_few_megabytes_after_its_close_frame_reads_the_answer() {
    // The server reads all bytes, so that no reset destroys its answer.
    let server = wire::server().acceptor(Acceptor::new().timeouts(timeouts(LONG)));
    let (address, outcomes) = wire::reporting_server(server, |ws| {
        (ws.recv().map_err(|error| error.to_string()), ws.close_status().unwrap().clone())
    });
    let mut raw = Raw::upgraded(address);
    raw.send([masked(0x88, &close_body(1000, "")), vec![0; 3 << 20]].concat());
    assert_eq!(raw.read_to_end(), [&[0x88, 2], &close_body(1000, "")[..]].concat());
    drop(raw);
    let (outcome, status) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(outcome, Ok(None));
    assert!(status.was_clean());
}
