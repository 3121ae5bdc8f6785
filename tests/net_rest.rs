//! Tests that bytes that the peer does not accept in time are written as soon as it does, although
//! the receiver is in a long read, or its thread is busy.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use pipe::Pipe;
use task::{LONG, Task};
use tightwire::handshake::Negotiated;
use tightwire::{
    Acceptor, Error, Hub, Message, MessageKind, Operation, Sender, SlowPolicy, Timeouts,
};
use wire::close_body;

/// Timeouts with which no call waits for the peer, and no read returns before the end of the test.
fn timeouts() -> Timeouts {
    Timeouts::new().write(Duration::ZERO).close(LONG).linger(LONG).ping(None)
}

/// Returns a sender, and a task that waits in a read without end.
fn receive_in_background(pipe: &Pipe) -> (Sender, Task<Result<(), Error>>) {
    let (sender, mut receiver) = pipe.open(timeouts()).split();
    let receive = Task::spawn(move || receiver.recv().map(drop));
    pipe.await_reader();
    (sender, receive)
}

/// Ends a connection whose receiver is in a read.
fn end(sender: &Sender, receive: Task<Result<(), Error>>) {
    sender.abort();
    assert!(receive.end().is_err());
}

/// Lets the peer read, and asserts that these frames arrive without a call on the connection.
fn assert_rest_arrives(pipe: &Pipe, frames: &[(u8, &[u8])]) {
    assert_eq!(pipe.frames(), []);
    pipe.set_room(usize::MAX);
    for (first, payload) in frames {
        pipe.await_frame(*first, payload);
    }
}

#[test]
fn a_message_that_timed_out_is_written_later() {
    let pipe = Pipe::with_room(0);
    let (sender, receive) = receive_in_background(&pipe);
    assert!(matches!(sender.send("late"), Err(Error::Timeout(Operation::Flush))));
    assert_rest_arrives(&pipe, &[(0x81, b"late")]);
    end(&sender, receive);
}

#[test]
fn the_close_frame_of_an_abandoned_writer_is_written_later() {
    let pipe = Pipe::with_room(0);
    let (sender, receive) = receive_in_background(&pipe);
    let mut writer = sender.writer(MessageKind::Binary);
    writer.write_all(b"part").unwrap();
    writer.flush().unwrap();
    drop(writer);
    assert_rest_arrives(&pipe, &[(0x02, b"part"), (0x88, &close_body(1011, ""))]);
    end(&sender, receive);
}

#[test]
fn broadcasts_to_a_slow_member_are_written_later() {
    let pipe = Pipe::with_room(0);
    let (sender, receive) = receive_in_background(&pipe);
    let hub = Hub::new(SlowPolicy::Drop);
    let _member = hub.join(sender.clone());
    for text in ["first", "second", "third"] {
        assert_eq!(hub.broadcast(text).delivered, 1);
    }
    assert_rest_arrives(&pipe, &[(0x81, b"first"), (0x81, b"second"), (0x81, b"third")]);
    end(&sender, receive);
}

#[test]
fn a_pong_is_written_while_the_receiving_thread_is_busy() {
    let pipe = Pipe::with_room(0);
    let mut ws = pipe.open(timeouts());
    pipe.feed(
        &[pipe.frame(0x89, b"ping"), pipe.frame(0x81, b"text")].concat(),
        pipe::Then::Silence,
    );
    assert_eq!(ws.recv().unwrap(), Some(Message::from("text")));
    assert_rest_arrives(&pipe, &[(0x8A, b"ping")]);
}

#[test]
fn bytes_left_when_a_receive_times_out_are_written_later() {
    let pipe = Pipe::with_room(0);
    let mut ws = pipe.open(timeouts().write(LONG));
    pipe.feed_frame(0x89, b"ping");
    let outcome = ws.recv_timeout(Duration::from_millis(20));
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
    assert_rest_arrives(&pipe, &[(0x8A, b"ping")]);
}

#[test]
fn the_answer_to_a_close_frame_is_written_before_our_side_ends() {
    let pipe = Pipe::with_room(0);
    let mut ws = pipe.open(timeouts());
    pipe.feed_frame(0x88, &close_body(1000, ""));
    let outcome = ws.recv_timeout(Duration::from_millis(20));
    assert!(matches!(outcome, Err(Error::Timeout(Operation::Receive))), "{outcome:?}");
    assert!(!pipe.state().has_ended, "the answer has yet to go out");
    assert_rest_arrives(&pipe, &[(0x88, &close_body(1000, ""))]);
    pipe.await_that("the end of our side", |state| state.has_ended);
}

#[test]
fn a_peer_that_reads_a_little_now_and_then_gets_everything() {
    let pipe = Pipe::with_room(0);
    let (sender, receive) = receive_in_background(&pipe);
    let text = "long".repeat(100);
    assert!(matches!(sender.send(&text), Err(Error::Timeout(Operation::Flush))));
    let mut len = 0;
    while len < 400 {
        pipe.set_room(40);
        pipe.await_that("forty bytes more", |state| state.written.len() >= len + 40);
        len += 40;
    }
    pipe.set_room(usize::MAX);
    pipe.await_that("the message", |state| state.frames.len() == 1);
    // Bytes that are left over later are written too.
    pipe.set_room(0);
    assert!(matches!(sender.send("again"), Err(Error::Timeout(Operation::Flush))));
    pipe.set_room(usize::MAX);
    pipe.await_frame(0x81, b"again");
    end(&sender, receive);
}

#[test]
fn a_connection_that_ends_discards_its_unwritten_bytes() {
    let pipe = Pipe::with_room(0);
    let (sender, receive) = receive_in_background(&pipe);
    assert!(matches!(sender.send("lost"), Err(Error::Timeout(Operation::Flush))));
    end(&sender, receive);
    pipe.await_that("the end of the stream", |state| state.is_dropped);
    // This does not delay another connection.
    let pipe = Pipe::with_room(0);
    let ws = pipe.open(timeouts());
    assert!(ws.send("late").is_err());
    assert_rest_arrives(&pipe, &[(0x81, b"late")]);
    drop(ws);
}

#[test]
fn a_broadcast_larger_than_the_system_buffers_is_written_later() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let server = Acceptor::new().timeouts(timeouts()).fragment_len(64 << 20);
    let ws = server.from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap();
    let (sender, mut receiver) = ws.split();
    let receive = Task::spawn(move || receiver.recv());

    let hub = Hub::new(SlowPolicy::Disconnect);
    let _member = hub.join(sender);
    let message = vec![7; 32 << 20];
    assert_eq!(hub.broadcast(&message).delivered, 1);
    client.set_read_timeout(Some(LONG)).unwrap();
    let mut frame = vec![0; 10 + message.len()];
    client.read_exact(&mut frame).unwrap();
    assert_eq!(frame[..2], [0x82, 127]);
    assert!(frame[10..] == message);
    client.write_all(&wire::masked(0x81, b"seen")).unwrap();
    assert_eq!(receive.end().unwrap(), Some(Message::from("seen")));
}
