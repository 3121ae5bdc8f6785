//! Tests that a buffered Pong or Close frame is always written by some thread, although the program
//! makes no further calls.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::io::{Read, Write};
use std::time::Duration;

use pipe::Pipe;
use task::{LONG, Task};
use tightwire::{Error, MessageKind, Operation, Role, SendError, Timeouts, WebSocket};
use wire::close_body;

fn open(pipe: &Pipe) -> WebSocket {
    let timeouts = Timeouts::new().write(LONG).close(LONG).ping(None);
    pipe.open(timeouts)
}

/// Whether a receive with a timeout of zero ended before a message arrived.
fn is_timeout<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Timeout(Operation::Receive)))
}

#[test]
fn a_receive_that_times_out_has_answered_the_ping_that_it_read() {
    for role in [Role::Client, Role::Server] {
        let pipe = Pipe::new(role);
        let mut ws = open(&pipe);
        pipe.feed_frame(0x89, b"now");
        let outcome = ws.recv_timeout(Duration::ZERO);
        assert!(is_timeout(&outcome), "{outcome:?}");
        pipe.await_frame(0x8a, b"now");
    }
}

#[test]
fn a_reader_of_a_message_that_times_out_has_answered_the_ping_that_it_read() {
    let pipe = Pipe::new(Role::Server);
    let mut ws = open(&pipe);
    pipe.feed_frame(0x02, b"part");
    let mut reader = ws.recv_reader().unwrap().unwrap();
    let mut buffer = [0; 10];
    assert_eq!(reader.read(&mut buffer).unwrap(), 4);
    reader.set_timeout(Some(Duration::ZERO));
    pipe.feed_frame(0x89, b"now");
    assert!(reader.read(&mut buffer).is_err());
    pipe.await_frame(0x8a, b"now");
}

#[test]
fn a_ping_read_during_a_feed_is_answered_by_the_feeding_thread() {
    let pipe = Pipe::new(Role::Server);
    let (sender, mut receiver) = open(&pipe).split();
    pipe.set_stuck(true);
    let feeding = Task::spawn(move || {
        (0..100).try_for_each(|_| sender.feed(vec![0; 1000]))?;
        sender.feed("the last one")
    });
    // The thread has fed 64 KiB, and is blocked in a write.
    pipe.await_writer();
    pipe.feed_frame(0x89, b"now");
    let outcome = receiver.recv_timeout(Duration::ZERO);
    assert!(is_timeout(&outcome), "{outcome:?}");
    pipe.set_stuck(false);
    feeding.end().unwrap();
    pipe.await_frame(0x8a, b"now");
}

#[test]
fn a_ping_read_during_a_streamed_message_is_answered_although_a_sender_waits() {
    let pipe = Pipe::new(Role::Server);
    let (sender, mut receiver) = open(&pipe).split();
    let mut writer = sender.writer(MessageKind::Binary);
    writer.write_all(b"begun").unwrap();
    writer.flush().unwrap();
    let waiting = Task::spawn(move || sender.send("behind it"));
    pipe.feed_frame(0x89, b"one");
    assert!(is_timeout(&receiver.recv_timeout(Duration::ZERO)));
    pipe.await_frame(0x8a, b"one");

    // During the write of the next fragment, the receiver leaves the Pong to the other thread.
    pipe.set_stuck(true);
    let streaming = Task::spawn(move || {
        writer.write_all(b"more").unwrap();
        writer.flush().unwrap();
        writer
    });
    pipe.await_writer();
    pipe.feed_frame(0x89, b"two");
    assert!(is_timeout(&receiver.recv_timeout(Duration::ZERO)));
    pipe.set_stuck(false);
    let writer = streaming.end();
    pipe.await_frame(0x8a, b"two");
    writer.finish().unwrap();
    waiting.end().unwrap();
    assert_eq!(pipe.opcodes(), [0x02, 0x8a, 0x00, 0x8a, 0x80, 0x81]);
}

#[test]
fn dropping_a_message_writer_closes_the_connection_although_others_feed() {
    for is_busy in [false, true] {
        let pipe = Pipe::new(Role::Server);
        let (sender, _receiver) = open(&pipe).split();
        let mut writer = sender.writer(MessageKind::Binary);
        writer.write_all(b"begun").unwrap();
        writer.flush().unwrap();
        let feeding = Task::spawn({
            let sender = sender.clone();
            move || sender.feed("behind it")
        });
        pipe.set_stuck(is_busy);
        let pinging = Task::spawn({
            let sender = sender.clone();
            move || sender.ping(b"")
        });
        if is_busy {
            pipe.await_writer();
        }
        drop(writer);
        pipe.set_stuck(false);
        pipe.await_frame(0x88, &close_body(1011, ""));
        let outcome = feeding.end();
        assert!(matches!(outcome, Err(Error::Send(SendError::Closed))), "{outcome:?}");
        let _ = pinging.end();
    }
}

/// A Ping and a message arrive together, and the program is busy with the message until the peer
/// has its Pong. Until then, another thread feeds messages. While it compresses one of them, the
/// receiver must leave the Pong to it.
#[cfg(feature = "deflate")]
#[test]
fn a_pong_buffered_by_a_feeding_thread_is_written() {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;

    use tightwire::Acceptor;
    use tightwire::deflate::DeflateConfig;
    use wire::{PATIENCE, Raw, masked};

    const PINGS: u32 = 30;
    const MESSAGE_LEN: usize = 200_000;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut raw = Raw::connect(listener.local_addr().unwrap());
    let stream = listener.accept().unwrap().0;
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    raw.send(wire::REQUEST.replace("\r\n\r\n", offer));
    let acceptor = Acceptor::new().deflate(DeflateConfig::default());
    let (ws, _) = acceptor.accept(stream).unwrap();
    raw.read_head();
    assert!(ws.negotiated().deflate.is_some());

    let (sender, mut receiver) = ws.split();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let [is_busy, is_over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let receiving = Task::spawn({
        let is_busy = Arc::clone(&is_busy);
        move || {
            while let Ok(Some(message)) = receiver.recv() {
                if message.as_bytes().len() == MESSAGE_LEN {
                    is_busy.store(true, Ordering::SeqCst);
                    let _ = goes_on.recv_timeout(PATIENCE);
                    is_busy.store(false, Ordering::SeqCst);
                }
            }
        }
    });
    let feeding = Task::spawn({
        let (is_busy, is_over) = (Arc::clone(&is_busy), Arc::clone(&is_over));
        let text = "words that are all alike ".repeat(4000);
        move || {
            while !is_over.load(Ordering::SeqCst) {
                if !is_busy.load(Ordering::SeqCst) {
                    let _ = sender.feed(&*text);
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    // The read buffer grows, so that one read returns the Ping and the message.
    (0..4).for_each(|_| raw.send_frame(0x82, &vec![0; 1 << 20]));
    raw.stream.set_read_timeout(Some(PATIENCE / 4)).unwrap();
    for ping in 1..=PINGS {
        raw.send([masked(0x89, &ping.to_be_bytes()), masked(0x81, &[b'x'; MESSAGE_LEN])].concat());
        // This panics if nothing arrives.
        while raw.read_frame() != (0x8a, ping.to_be_bytes().to_vec()) {}
        go_on.send(()).unwrap();
    }
    is_over.store(true, Ordering::SeqCst);
    feeding.end();
    drop(raw);
    receiving.end();
}
