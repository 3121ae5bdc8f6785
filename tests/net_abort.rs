//! Tests `Sender::abort`, which ends a connection at once, from any thread, and wakes the threads
//! that are blocked on it.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
#[cfg(feature = "tls")]
#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use pipe::{Pipe, Then};
use task::{LONG, Task, in_time};
use tightwire::handshake::Negotiated;
use tightwire::{
    Acceptor, Client, ClosedBy, Error, MessageKind, Role, SendError, Sender, State, Stream,
    Timeouts, WebSocket,
};
use wire::close_body;

const ROLES: [Role; 2] = [Role::Client, Role::Server];
/// More bytes than the buffers of the system hold.
const HUGE: usize = 32 << 20;

fn timeouts() -> Timeouts {
    Timeouts::new().write(LONG).close(LONG).ping(None)
}

fn is_aborted<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionAborted)
}

/// Whether a send failed because the connection is closed.
fn is_closed(error: &Error) -> bool {
    matches!(error, Error::Io(_) | Error::Send(SendError::Closed))
}

#[track_caller]
fn assert_closed(sender: &Sender) {
    assert_eq!(sender.state(), State::Closed);
    let outcome = sender.send("late");
    assert!(matches!(outcome, Err(Error::Send(SendError::Closed))), "{outcome:?}");
}

#[test]
fn an_abort_ends_a_blocked_receive() {
    for role in ROLES {
        let pipe = Pipe::new(role);
        let (sender, mut receiver) = pipe.open(timeouts()).split();
        let receiving = Task::spawn(move || {
            let outcome = receiver.recv();
            assert!(matches!(receiver.recv(), Ok(None)), "the end stays the end");
            (outcome, receiver.close_status().cloned())
        });
        pipe.await_reader();
        sender.abort();
        let (outcome, status) = receiving.end();
        assert!(is_aborted(&outcome), "{outcome:?}");
        let status = status.unwrap();
        let parts = (status.code(), status.closed_by(), status.was_clean());
        assert_eq!(parts, (1006, ClosedBy::Nobody, false));
        assert_closed(&sender);
        assert!(pipe.state().is_shut && pipe.frames().is_empty(), "no Close frame");
    }
}

#[test]
fn a_receive_after_an_abort_does_not_wait() {
    let pipe = Pipe::new(Role::Server);
    let mut ws = pipe.open(timeouts());
    ws.sender().abort();
    let (first, second) = in_time(move || (ws.recv(), ws.recv()));
    assert!(is_aborted(&first), "{first:?}");
    assert!(matches!(second, Ok(None)), "{second:?}");
}

// proves 6455-7.1.1-3
#[test]
fn an_abort_ends_a_blocked_send() {
    for role in ROLES {
        let pipe = Pipe::new(role);
        pipe.set_room(20);
        let (sender, mut receiver) = pipe.open(timeouts()).split();
        let sending = Task::spawn({
            let sender = sender.clone();
            move || sender.send(vec![0; 100_000])
        });
        pipe.await_writer();
        sender.abort();
        let error = sending.end().unwrap_err();
        assert!(is_closed(&error), "{error:?}");
        let outcome = in_time(move || receiver.recv());
        assert!(is_aborted(&outcome), "{outcome:?}");
        assert_closed(&sender);
    }
}

#[test]
fn an_abort_ends_a_close_that_waits_for_the_answer() {
    for role in ROLES {
        let pipe = Pipe::new(role);
        let mut ws = pipe.open(timeouts());
        let sender = ws.sender();
        let closing = Task::spawn(move || (ws.close(), ws));
        pipe.await_frame(0x88, &close_body(1000, ""));
        sender.abort();
        let (outcome, ws) = closing.end();
        assert!(outcome.is_err());
        assert_eq!(ws.close_status().unwrap().code(), 1006);
    }
}

#[test]
fn an_abort_ends_a_close_whose_frame_cannot_be_written() {
    let pipe = Pipe::with_room(0);
    let mut ws = pipe.open(timeouts());
    let sender = ws.sender();
    let closing = Task::spawn(move || ws.close());
    pipe.await_writer();
    sender.abort();
    assert!(closing.end().is_err());
    assert_closed(&sender);
}

#[test]
fn an_abort_ends_the_wait_for_a_streamed_message() {
    let pipe = Pipe::new(Role::Server);
    let (sender, _receiver) = pipe.open(timeouts()).split();
    let mut writer = sender.writer(MessageKind::Binary);
    writer.write_all(b"begun").unwrap();
    writer.flush().unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let sender = sender.clone();
            Task::spawn(move || sender.send("behind it"))
        })
        .collect();
    sender.abort();
    for task in waiting {
        let error = task.end().unwrap_err();
        assert!(is_closed(&error), "{error:?}");
    }
    assert!(writer.finish().is_err());
    assert_eq!(pipe.frames(), [(0x02, b"begun".to_vec())], "no Close frame");
}

#[test]
fn an_abort_does_not_change_an_ended_connection() {
    for role in ROLES {
        let pipe = Pipe::new(role);
        let mut ws = pipe.open(timeouts());
        pipe.feed(&pipe.frame(0x88, &close_body(4000, "bye")), Then::End);
        assert_eq!(ws.recv().unwrap(), None);
        let before = ws.close_status().cloned();
        ws.sender().abort();
        assert_eq!(ws.close_status().cloned(), before);
        let status = before.unwrap();
        assert_eq!((status.code(), status.reason(), status.was_clean()), (4000, "bye", true));
        assert_eq!(ws.recv().unwrap(), None);
        ws.close().unwrap();
    }
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn open(role: Role, stream: impl Stream) -> WebSocket {
    let negotiated = Negotiated::default();
    match role {
        Role::Client => Client::new()
            .timeouts(timeouts())
            .from_upgraded(stream, negotiated, Vec::new())
            .unwrap(),
        Role::Server => Acceptor::new()
            .timeouts(timeouts())
            .from_upgraded(stream, negotiated, Vec::new())
            .unwrap(),
    }
}

/// Aborts a connection on which one thread receives and another one sends. `await_bytes` returns
/// once a part of the message has arrived. `read` then reads to the end as the peer.
fn abort_both(ws: WebSocket, await_bytes: impl FnOnce(), read: impl FnOnce() -> Vec<u8>) {
    let (sender, mut receiver) = ws.split();
    let receiving = Task::spawn(move || receiver.recv());
    let sending = Task::spawn({
        let sender = sender.clone();
        move || sender.send(vec![0; HUGE])
    });
    await_bytes();
    sender.abort();
    let outcome = receiving.end();
    assert!(is_aborted(&outcome), "{outcome:?}");
    let error = sending.end().unwrap_err();
    assert!(is_closed(&error), "{error:?}");
    assert_closed(&sender);
    assert!(read().len() < HUGE, "the message is cut off");
}

/// Reads to the end of the stream or to a reset.
fn read_all(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn an_abort_wakes_the_threads_blocked_on_a_socket() {
    for role in ROLES {
        let (peer, ours) = tcp();
        let probe = peer.try_clone().unwrap();
        let await_bytes = move || assert_eq!(probe.peek(&mut [0]).unwrap(), 1);
        abort_both(open(role, ours), await_bytes, || read_all(peer));
    }
}

#[cfg(unix)]
#[test]
fn an_abort_wakes_the_threads_blocked_on_a_unix_socket() {
    use std::os::unix::net::UnixStream;

    let (mut peer, ours) = UnixStream::pair().unwrap();
    let mut first = [0];
    let mut probe = peer.try_clone().unwrap();
    let await_bytes = || probe.read_exact(&mut first).unwrap();
    abort_both(open(Role::Server, ours), await_bytes, move || read_all(&mut peer));
}

#[cfg(feature = "tls")]
#[test]
fn an_abort_wakes_the_threads_blocked_on_a_tls_stream() {
    for role in ROLES {
        let (near, far) = tcp();
        let probe = if role == Role::Server { &near } else { &far }.try_clone().unwrap();
        let (client, server) = tls::streams(near, far);
        let (peer, ours) = if role == Role::Server { (client, server) } else { (server, client) };
        let await_bytes = move || assert_eq!(probe.peek(&mut [0]).unwrap(), 1);
        abort_both(open(role, ours), await_bytes, move || {
            let mut bytes = vec![0; 1 << 20];
            let mut seen = Vec::new();
            peer.set_read_timeout(Some(wire::PATIENCE)).unwrap();
            while let Ok(count @ 1..) = Stream::read(&peer, &mut bytes) {
                seen.extend_from_slice(&bytes[..count]);
            }
            seen
        });
    }
}

#[test]
fn concurrent_aborts_act_as_one() {
    let (peer, ours) = tcp();
    let (sender, mut receiver) = open(Role::Server, ours).split();
    let receiving = Task::spawn(move || (receiver.recv(), receiver.recv()));
    let aborting: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || sender.abort())
        })
        .collect();
    aborting.into_iter().for_each(|thread| thread.join().unwrap());
    let (first, second) = receiving.end();
    assert!(is_aborted(&first), "{first:?}");
    assert!(matches!(second, Ok(None)), "{second:?}");
    assert!(read_all(peer).is_empty());
}
