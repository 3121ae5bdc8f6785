//! Tests the shutdown of a server: the connections that it notifies, those that it waits for, and
//! those that it aborts.

mod wire;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tightwire::handshake::{AcceptOptions, HandshakeError, Request};
use tightwire::{
    Acceptor, Error, HandlerResult, Hub, Server, ServerHandle, ShutdownReport, SlowPolicy, State,
    Timeouts, WebSocket,
};
use wire::{PATIENCE, REQUEST, Raw, close_body};

/// A deadline that no test reaches. A call that waits for it fails the test.
const LONG: Duration = Duration::from_secs(3600);
const GOING_AWAY: u16 = 1001;

struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    thread: JoinHandle<io::Result<()>>,
}

fn start<F>(server: Server, handler: F) -> Running
where
    F: Fn(&mut WebSocket, &Request) -> HandlerResult + Send + Sync + 'static,
{
    let handle = server.handle();
    let address = handle.local_addr().unwrap();
    Running { address, handle, thread: thread::spawn(move || server.run(handler)) }
}

/// Returns the result of `act`, and panics if it hangs.
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(act()));
    receiver.recv_timeout(PATIENCE).expect("an end in time")
}

fn shutdown_in_time(handle: &ServerHandle, deadline: Duration) -> ShutdownReport {
    let handle = handle.clone();
    in_time(move || handle.shutdown(deadline))
}

/// The parts of a report: closed, failed, refused, cut, running.
fn parts(report: ShutdownReport) -> [usize; 5] {
    let ShutdownReport { closed, failed, refused, aborted, running, .. } = report;
    [closed, failed, refused, aborted, running]
}

/// Polls a condition that no event announces.
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the server has this many connections.
fn await_count(handle: &ServerHandle, count: usize) {
    await_that("the count of connections", || handle.connection_count() == count);
}

fn await_open(handle: &ServerHandle, count: usize) {
    await_that("the open connections", || handle.connections().len() == count);
}

// proves 6455-7.4.1-3
#[test]
fn every_connection_is_closed_with_1001_and_run_returns() {
    let (held, dropped) = mpsc::channel::<()>();
    let server = start(wire::server(), move |ws, request| {
        let _held = &held;
        wire::echo(ws, request)
    });
    let mut clients: Vec<_> = (0..5).map(|_| Raw::upgraded(server.address)).collect();
    await_open(&server.handle, 5);
    let handle = server.handle.clone();
    let shutdown = thread::spawn(move || handle.shutdown(LONG));
    for raw in &mut clients {
        assert_eq!(raw.read_frame(), (0x88, close_body(GOING_AWAY, "")));
        raw.send_frame(0x88, &close_body(GOING_AWAY, ""));
        assert!(raw.read_to_end().is_empty());
    }
    drop(clients);
    let report = in_time(move || shutdown.join().unwrap());
    assert_eq!(parts(report), [5, 0, 0, 0, 0]);
    in_time(move || server.thread.join().unwrap()).unwrap();

    assert_eq!(server.handle.connection_count(), 0);
    assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected), "the handler is gone");
    let refused = TcpStream::connect(server.address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(server.handle.shutdown(LONG), report, "and so it stays");
}

#[test]
fn connections_still_open_at_the_deadline_are_aborted() {
    let server = start(wire::server(), |ws, request| match request.path() {
        "/writes" => Ok(ws.send(vec![0; 64 << 20])?),
        _ => wire::echo(ws, request),
    });
    // One client does not answer, one does not even read, and one has already disconnected.
    let mut silent = Raw::upgraded(server.address);
    let mut deaf = Raw::connect(server.address);
    deaf.send(REQUEST.replace("/chat", "/writes"));
    deaf.read_head();
    assert_eq!(deaf.read(1)[0] & 0x0f, 0x2, "the writer has begun");
    await_open(&server.handle, 2);
    let report = shutdown_in_time(&server.handle, Duration::from_millis(50));
    assert_eq!(parts(report), [0, 0, 0, 2, 0]);
    in_time(move || server.thread.join().unwrap()).unwrap();
    assert_eq!(silent.read_frame(), (0x88, close_body(GOING_AWAY, "")));
}

#[test]
fn a_connection_lost_during_the_shutdown_counts_as_failed() {
    let timeouts = Timeouts::new().close(LONG);
    let server = start(wire::server().acceptor(Acceptor::new().timeouts(timeouts)), wire::echo);
    let mut raw = Raw::upgraded(server.address);
    await_open(&server.handle, 1);
    let shutdown = thread::spawn(move || server.handle.shutdown(LONG));
    raw.read_frame();
    await_that("the address is free", || TcpListener::bind(server.address).is_ok());
    drop(raw);
    assert_eq!(parts(in_time(move || shutdown.join().unwrap())), [0, 1, 0, 0, 0]);
}

#[test]
fn handshakes_in_flight_get_503() {
    let timeouts = Timeouts::new().handshake(LONG);
    let (sender, reports) = mpsc::channel();
    let server = wire::server()
        .acceptor(Acceptor::new().timeouts(timeouts))
        .on_error(move |_, error| sender.send(error.to_string()).unwrap());
    let server = start(server, wire::echo);
    // The clients stay connected. That delays the shutdown, but not until its deadline.
    let mut clients: Vec<_> = ["", "GET / HT", &REQUEST[..REQUEST.len() - 2]]
        .into_iter()
        .map(|start| {
            let mut raw = Raw::connect(server.address);
            raw.send(start);
            raw
        })
        .collect();
    await_count(&server.handle, 3);
    assert_eq!(server.handle.connections().len(), 0, "none of them is open");
    let report = shutdown_in_time(&server.handle, LONG);
    assert_eq!(parts(report), [0, 0, 3, 0, 0]);
    for raw in &mut clients {
        let answer = String::from_utf8(raw.read_to_end()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert_eq!(wire::field(&answer, "Connection").as_deref(), Some("close"));
    }
    in_time(move || server.thread.join().unwrap()).unwrap();
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [""; 0], "that is no error");
}

#[test]
fn a_client_that_waits_to_be_accepted_gets_503() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    // The accepting thread is blocked in its report.
    let server = wire::server().max_connections(0).on_error(move |_, _| {
        let _ = released.lock().unwrap().recv();
    });
    let server = start(server, wire::echo);
    assert!(!Raw::connect(server.address).read_to_end().is_empty());
    let waiting: Vec<_> = (0..3).map(|_| Raw::connect(server.address)).collect();
    assert_eq!(shutdown_in_time(&server.handle, Duration::ZERO), ShutdownReport::default());
    drop(release);
    for mut raw in waiting {
        assert!(raw.read_head().starts_with("HTTP/1.1 503 "));
    }
    in_time(move || server.thread.join().unwrap()).unwrap();
}

#[test]
fn a_handler_shuts_its_server_down() {
    let (reports, received) = mpsc::channel();
    let server = wire::server();
    let handle = server.handle();
    let server = start(server, move |ws, request| {
        if ws.recv()?.is_some() {
            reports.send(handle.shutdown(LONG))?;
        }
        wire::echo(ws, request)
    });
    let mut other = Raw::upgraded(server.address);
    let mut raw = Raw::upgraded(server.address);
    await_open(&server.handle, 2);
    raw.send_frame(0x81, b"stop");
    // The handler waits for the other connection, and not for its own.
    assert_eq!(other.read_frame(), (0x88, close_body(GOING_AWAY, "")));
    let early = received.recv_timeout(Duration::from_millis(50));
    assert_eq!(early, Err(RecvTimeoutError::Timeout));
    other.send_frame(0x88, &close_body(GOING_AWAY, ""));
    drop(other);
    assert_eq!(parts(received.recv_timeout(PATIENCE).unwrap()), [1, 0, 0, 0, 0]);
    end_in_order(raw);
    in_time(move || server.thread.join().unwrap()).unwrap();
}

#[test]
fn handlers_that_shut_down_at_once_do_not_wait_for_each_other() {
    const COUNT: usize = 4;
    let server = wire::server();
    let handle = server.handle();
    let barrier = Barrier::new(COUNT);
    let server = start(server, move |_, _| {
        barrier.wait();
        handle.shutdown(LONG);
        Ok(())
    });
    let clients: Vec<_> = (0..COUNT).map(|_| Raw::upgraded(server.address)).collect();
    clients.into_iter().for_each(end_in_order);
    in_time(move || server.thread.join().unwrap()).unwrap();
    assert_eq!(server.handle.shutdown(LONG).closed, COUNT);
}

#[test]
fn on_request_may_shut_down_its_own_server() {
    let server = wire::server();
    let handle = server.handle();
    let server = server.acceptor(Acceptor::new().on_request(move |_| {
        handle.shutdown(LONG);
        AcceptOptions::new()
    }));
    shut_down_by_a_handshake(server);
}

#[test]
fn the_thread_that_accepts_may_shut_down() {
    let server = wire::server().max_connections(0);
    let handle = server.handle();
    let server = server.on_error(move |_, _| {
        handle.shutdown(LONG);
    });
    shut_down_by_a_handshake(server);
}

fn shut_down_by_a_handshake(server: Server) {
    let server = start(server, wire::echo);
    let mut raw = Raw::connect(server.address);
    raw.send(REQUEST);
    assert!(raw.read_head().starts_with("HTTP/1.1 503 "));
    drop(raw);
    in_time(move || server.thread.join().unwrap()).unwrap();
}

fn end_in_order(mut raw: Raw) {
    assert_eq!(raw.read_frame(), (0x88, close_body(GOING_AWAY, "")));
    raw.send_frame(0x88, &close_body(GOING_AWAY, ""));
    assert!(raw.read_to_end().is_empty());
}

#[test]
fn a_second_call_brings_the_deadline_forward() {
    let server = start(wire::server(), wire::echo);
    let _silent = Raw::upgraded(server.address);
    await_open(&server.handle, 1);
    let handle = server.handle.clone();
    let patient = thread::spawn(move || handle.shutdown(LONG));
    let report = shutdown_in_time(&server.handle, Duration::ZERO);
    assert_eq!(parts(report), [0, 0, 0, 1, 0]);
    assert_eq!(in_time(move || patient.join().unwrap()), report);
    in_time(move || server.thread.join().unwrap()).unwrap();
}

#[test]
fn a_handler_that_does_not_return_is_reported_and_left_running() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let server = start(wire::server(), move |_, _| {
        let _ = released.lock().unwrap().recv();
        Ok(())
    });
    let mut raw = Raw::upgraded(server.address);
    await_open(&server.handle, 1);
    let report = shutdown_in_time(&server.handle, Duration::ZERO);
    assert_eq!(parts(report), [0, 0, 0, 1, 1]);
    in_time(move || server.thread.join().unwrap()).unwrap();
    assert_eq!(raw.read_frame(), (0x88, close_body(GOING_AWAY, "")));
    assert!(raw.read_to_end().is_empty());
    drop(release);
    await_count(&server.handle, 0);
    assert_eq!(parts(server.handle.shutdown(LONG)), [0, 0, 0, 1, 0]);
}

#[test]
fn a_server_shut_down_before_its_run_does_not_run() {
    let server = wire::server();
    let handle = server.handle();
    assert_eq!(shutdown_in_time(&handle, LONG), ShutdownReport::default());
    in_time(move || server.run(wire::echo)).unwrap();
}

#[test]
fn a_server_on_all_addresses_can_be_shut_down() {
    let localhost: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for (address, localhost) in ["0.0.0.0:0", "[::]:0"].into_iter().zip(localhost) {
        // Not every machine has IPv6.
        let Ok(server) = Server::bind(address) else { continue };
        let server = start(server, wire::echo);
        // The server is now in `accept`, or about to call it.
        drop(Raw::upgraded((localhost, server.address.port()).into()));
        shutdown_in_time(&server.handle, LONG);
        in_time(move || server.thread.join().unwrap()).unwrap();
    }
}

/// Whichever comes first, the client learns that the server closes or is closed.
#[test]
fn connections_that_arrive_as_the_shutdown_begins_are_not_missed() {
    const CLIENTS: usize = 4;
    for _ in 0..20 {
        let server = start(wire::server(), wire::echo);
        let url = format!("ws://{}/", server.address);
        let barrier = Arc::new(Barrier::new(CLIENTS + 1));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (url, barrier) = (url.clone(), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    while connect_and_wait(&url) {}
                })
            })
            .collect();
        barrier.wait();
        let report = shutdown_in_time(&server.handle, LONG);
        assert_eq!((report.failed, report.aborted, report.running), (0, 0, 0));
        for client in clients {
            in_time(move || client.join().unwrap());
        }
        in_time(move || server.thread.join().unwrap()).unwrap();
        assert_eq!(server.handle.connection_count(), 0);
    }
}

/// Connects and waits for the end. Returns whether the server may still be running.
fn connect_and_wait(url: &str) -> bool {
    match tightwire::connect(url) {
        Ok(mut ws) => {
            assert_eq!(ws.recv().unwrap(), None);
            assert_eq!(ws.close_status().unwrap().code(), GOING_AWAY);
            true
        }
        Err(Error::Handshake(HandshakeError::Refused(response))) => {
            assert_eq!(response.status(), 503);
            true
        }
        // Nobody listens any more.
        Err(Error::Io(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_handle_lists_the_open_connections_and_can_send_to_them() {
    let server = start(wire::server(), |ws, request| match request.path() {
        "/panic" => panic!("on purpose"),
        _ => wire::echo(ws, request),
    });
    assert_eq!(server.handle.connections().len(), 0);
    let mut clients: Vec<_> = (0..3).map(|_| Raw::upgraded(server.address)).collect();
    await_open(&server.handle, 3);
    for (connection, raw) in server.handle.connections().iter().zip(&mut clients) {
        assert_eq!(connection.peer_addr(), raw.stream.local_addr().unwrap(), "the oldest first");
        connection.sender().send(connection.id().to_string()).unwrap();
        assert_eq!(raw.read_frame(), (0x81, connection.id().to_string().into_bytes()));
    }
    let mut ids: Vec<_> = server.handle.connections().iter().map(|it| it.id()).collect();

    // A connection is removed when its handler ends, even if the handler panicked or never began.
    let kept = server.handle.connections();
    clients.pop().unwrap().send_frame(0x88, &[]);
    await_count(&server.handle, 2);
    drop(clients.pop());
    await_count(&server.handle, 1);
    assert!(kept[1].sender().send("late").is_err(), "a sender does not keep it open");
    let mut raw = Raw::connect(server.address);
    raw.send(REQUEST.replace("/chat?room=1", "/panic"));
    raw.read_head();
    assert_eq!(raw.read_frame().0, 0x88);
    raw.send_frame(0x88, &[]);
    assert!(raw.read_to_end().is_empty());
    drop(raw);
    await_count(&server.handle, 1);
    Raw::connect(server.address).send("no handshake\r\n\r\n");
    drop(Raw::connect(server.address));
    let _new = Raw::upgraded(server.address);
    await_open(&server.handle, 2);
    ids.push(server.handle.connections()[1].id());
    ids.dedup();
    assert_eq!(ids.len(), 4, "no number is used again");
    await_count(&server.handle, 2);
    assert!(format!("{:?}", server.handle).contains("connection_count: 2"));
}

#[test]
fn a_slow_peer_receives_the_close_frame_of_the_shutdown_once_it_reads() {
    let mut timeouts = Timeouts::default();
    // Only the shutdown can end this connection.
    timeouts = timeouts.close(LONG).ping(None);
    let server = start(wire::server().acceptor(Acceptor::new().timeouts(timeouts)), wire::echo);
    let mut raw = Raw::upgraded(server.address);
    await_open(&server.handle, 1);
    let sender = server.handle.connections()[0].sender().clone();
    let hub = Hub::new(SlowPolicy::Drop);
    let _member = hub.join(sender.clone());
    let payload = vec![7; 16 << 20];
    hub.broadcast(&payload);
    let handle = server.handle;
    let shutdown = thread::spawn(move || handle.shutdown(LONG));
    await_that("the Close frame is on its way", || sender.state() == State::Closing);

    let (mut message, mut first) = (Vec::new(), 0x02);
    while first & 0x80 == 0 {
        let (next, part) = raw.read_frame();
        assert_eq!(next & 0x7f, first & 0x7f);
        message.extend(part);
        first = if next & 0x80 == 0 { 0 } else { next };
    }
    assert!(message == payload);
    assert_eq!(raw.read_frame(), (0x88, close_body(GOING_AWAY, "")));
    raw.send_frame(0x88, &close_body(GOING_AWAY, ""));
    assert!(raw.read_to_end().is_empty());
    drop(raw);
    assert_eq!(parts(in_time(move || shutdown.join().unwrap())), [1, 0, 0, 0, 0]);
}
