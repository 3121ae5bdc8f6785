//! Tests `Timeouts::close`, which limits the closing handshake: all of `close`, whatever other
//! threads do, and the arrival of the answer, not the call that reads it.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pipe::{Pipe, Then};
use task::{LONG, Task, in_time};
use tightwire::handshake::{Negotiated, Response};
use tightwire::{
    Acceptor, ClosedBy, Error, Message, MessageKind, Operation, Role, State, Timeouts,
};
use wire::{PATIENCE, Raw, close_body};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// Returns timeouts that limit only the closing handshake.
fn timeouts(close: Duration) -> Timeouts {
    Timeouts::new().write(LONG).close(close).ping(None)
}

fn is_close_timeout<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Timeout(Operation::Close)))
}

#[test]
fn an_answer_that_arrived_in_time_counts_however_late_it_is_read() {
    const CLOSE: Duration = Duration::from_millis(20);
    for role in ROLES {
        let pipe = Pipe::new(role);
        let (sender, mut receiver) = pipe.open(timeouts(CLOSE)).split();
        pipe.feed_frame(0x81, b"a");
        assert_eq!(receiver.recv().unwrap(), Some(Message::from("a")));
        sender.close().unwrap();
        let rest = [
            pipe.frame(0x81, b"b"),
            pipe.frame(0x89, b"ping"),
            pipe.frame(0x81, b"c"),
            pipe.frame(0x88, &close_body(1000, "")),
        ];
        pipe.feed(&rest.concat(), Then::End);
        // The program is busy with the first message.
        thread::sleep(2 * CLOSE);
        assert_eq!(receiver.recv().unwrap(), Some(Message::from("b")), "{role:?}");
        assert_eq!(receiver.recv().unwrap(), Some(Message::from("c")));
        assert_eq!(receiver.recv().unwrap(), None);
        let status = receiver.close_status().unwrap();
        let parts = (status.code(), status.closed_by(), status.was_clean());
        assert_eq!(parts, (1000, ClosedBy::Us, true));
    }
}

#[test]
fn a_receive_after_the_deadline_finds_no_answer_and_gives_up() {
    const CLOSE: Duration = Duration::from_millis(10);
    for role in ROLES {
        let pipe = Pipe::new(role);
        let mut ws = pipe.open(timeouts(CLOSE));
        ws.sender().close().unwrap();
        thread::sleep(2 * CLOSE);
        let (outcome, ws) = in_time(move || (ws.recv(), ws));
        assert!(is_close_timeout(&outcome), "{outcome:?}");
        assert_eq!(ws.close_status().unwrap().code(), 1006);
        assert!(pipe.state().is_shut);
    }
}

#[test]
fn keepalive_stops_once_our_close_frame_was_sent() {
    for role in ROLES {
        let timeouts = timeouts(Duration::from_millis(150))
            .ping(Duration::from_millis(10))
            .pong(Duration::from_millis(10));
        let pipe = Pipe::new(role);
        let (sender, mut receiver) = pipe.open(timeouts).split();
        sender.close().unwrap();
        let outcome = in_time(move || receiver.recv());
        assert!(is_close_timeout(&outcome), "{outcome:?}");
        assert_eq!(pipe.opcodes(), [0x88], "nothing follows the Close frame");
    }
}

#[test]
fn a_ping_without_an_answer_does_not_end_a_connection_that_is_closing() {
    let timeouts = timeouts(Duration::from_millis(150))
        .ping(Duration::from_millis(10))
        .pong(Duration::from_millis(50));
    let pipe = Pipe::new(Role::Server);
    let (sender, mut receiver) = pipe.open(timeouts).split();
    let receiving = Task::spawn(move || receiver.recv());
    pipe.await_that("our Ping", |state| state.frames.len() == 1);
    sender.close().unwrap();
    let outcome = receiving.end();
    assert!(is_close_timeout(&outcome), "{outcome:?}");
    assert_eq!(pipe.opcodes(), [0x89, 0x88]);
}

#[test]
fn close_gives_up_in_time_though_the_peer_does_not_read() {
    // The peer reads nothing, a part of the message, or all of it and a part of the Close frame.
    for room in [0, 20, 60_004 + 1] {
        let pipe = Pipe::with_room(room);
        let mut ws = pipe.open(timeouts(Duration::from_millis(50)));
        ws.feed(vec![0; 60_000]).unwrap();
        let (outcome, ws) = in_time(move || (ws.close(), ws));
        assert!(is_close_timeout(&outcome), "{room}: {outcome:?}");
        assert_eq!(ws.state(), State::Closed);
        assert_eq!(ws.close_status().unwrap().code(), 1006);
        assert!(pipe.state().is_shut);
    }
}

#[test]
fn close_gives_up_in_time_though_another_thread_is_blocked_in_a_send() {
    let pipe = Pipe::with_room(20);
    let mut ws = pipe.open(timeouts(Duration::from_millis(50)));
    let sender = ws.sender();
    let sending = Task::spawn(move || sender.send(vec![0; 100_000]));
    pipe.await_writer();
    let outcome = in_time(move || ws.close());
    assert!(is_close_timeout(&outcome), "{outcome:?}");
    assert!(sending.end().is_err());
    assert!(pipe.state().is_shut);
}

#[test]
fn close_gives_up_in_time_though_another_thread_streams_a_message() {
    let pipe = Pipe::with_room(20);
    let mut ws = pipe.open(timeouts(Duration::from_millis(50)));
    let (sender, mut writer) = (ws.sender(), ws.writer(MessageKind::Binary));
    let streaming =
        Task::spawn(move || writer.write_all(&vec![0; 100_000]).and_then(|()| writer.flush()));
    pipe.await_writer();
    let waiting = Task::spawn(move || sender.send("behind it"));
    let outcome = in_time(move || ws.close());
    assert!(is_close_timeout(&outcome), "{outcome:?}");
    assert!(streaming.end().is_err());
    assert!(waiting.end().is_err());
}

#[test]
fn close_gives_up_in_time_on_a_socket_whose_peer_does_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let raw = Raw::connect(listener.local_addr().unwrap());
    let stream = listener.accept().unwrap().0;
    let acceptor = Acceptor::new().timeouts(timeouts(Duration::from_millis(50)));
    let mut ws = acceptor.from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap();
    let sender = ws.sender();
    let sending = Task::spawn(move || sender.send(vec![0; 32 << 20]));
    // The peer has received the beginning of a message that does not fit into the buffers.
    raw.stream.peek(&mut [0]).unwrap();
    let outcome = in_time(move || ws.close());
    assert!(is_close_timeout(&outcome), "{outcome:?}");
    assert!(sending.end().is_err());
}

#[test]
fn accept_gives_up_in_time_though_the_client_does_not_read_a_large_page() {
    let timeouts =
        timeouts(LONG).handshake(Duration::from_millis(50)).linger(Duration::from_millis(50));
    let page = |_: &_| Response::new(200).with_body("x".repeat(32 << 20));
    let pipe = Pipe::with_room(200_000);
    pipe.feed(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", Then::Silence);
    let acceptor = Acceptor::new().timeouts(timeouts).on_request(page);
    let stream = pipe.stream();
    let outcome = in_time(move || acceptor.accept(stream).map(drop));
    assert!(outcome.is_err());
    assert!(pipe.state().is_shut && pipe.state().written.starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn a_handler_that_reads_the_answer_late_still_ends_cleanly() {
    const CLOSE: Duration = Duration::from_millis(20);
    let acceptor = Acceptor::new().timeouts(timeouts(CLOSE));
    let server = wire::server().acceptor(acceptor);
    let (handle, address) = (server.handle(), server.local_addr().unwrap());
    let (is_busy, busy) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = std::sync::Mutex::new(goes_on);
    wire::run(server, move |ws, _| {
        let work = ws.recv()?;
        assert_eq!(work, Some(Message::from("work")));
        is_busy.send(())?;
        goes_on.lock().unwrap().recv()?;
        assert_eq!(ws.recv()?, Some(Message::from("more work")));
        assert_eq!(ws.recv()?, None);
        Ok(())
    });
    let mut raw = Raw::upgraded(address);
    raw.send_frame(0x81, b"work");
    busy.recv_timeout(PATIENCE).unwrap();
    let shutdown = Task::spawn(move || handle.shutdown(LONG));
    assert_eq!(raw.read_frame(), (0x88, close_body(1001, "")));
    raw.send_frame(0x81, b"more work");
    raw.send_frame(0x88, &close_body(1001, ""));
    raw.end_writing();
    thread::sleep(2 * CLOSE);
    go_on.send(()).unwrap();
    let report = shutdown.end();
    assert_eq!((report.closed, report.failed, report.aborted), (1, 0, 0), "{report:?}");
}
