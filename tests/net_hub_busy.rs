//! Tests that a member whose connection is only busy is not slow, because its peer reads
//! everything; and that a stream that panics inside a frame ends its connection.

#[path = "wire/pipe.rs"]
mod pipe;
#[path = "wire/task.rs"]
mod task;
mod wire;

use std::io;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pipe::Pipe;
use task::{Task, await_that};
use tightwire::handshake::Negotiated;
use tightwire::{Acceptor, Hub, Role, SlowPolicy, State, Stream, Timeouts};

/// More broadcasts than may wait for a connection, even if other threads hold as many again.
const BROADCASTS: usize = 40;

#[test]
fn a_member_whose_pong_is_being_written_is_not_slow() {
    let pipe = Pipe::new(Role::Server);
    let (sender, mut receiver) = pipe.open(Timeouts::default()).split();
    let hub = Hub::new(SlowPolicy::Disconnect);
    let _member = hub.join(sender);
    pipe.set_stuck(true);
    pipe.feed_frame(0x89, b"ping");
    let _receiving = Task::spawn(move || receiver.recv());
    pipe.await_writer();
    let broadcasting = {
        let hub = hub.clone();
        Task::spawn(move || (0..BROADCASTS).for_each(|_| _ = hub.broadcast("x")))
    };
    // The inbox is now full, although the peer has refused nothing.
    await_that("broadcasts", || hub.totals().delivered >= 16);
    thread::yield_now();
    pipe.set_stuck(false);
    broadcasting.end();
    assert_eq!(hub.totals().disconnected, 0);
    await_that("messages", || {
        pipe.frames().iter().filter(|frame| frame.0 == 0x81).count() == BROADCASTS
    });
}

/// A stream that accepts everything, but panics in its second write.
#[derive(Debug, Default)]
struct Faulty(AtomicUsize);

impl Stream for Faulty {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        assert_ne!(self.0.fetch_add(1, Ordering::SeqCst), 1, "the second write");
        Ok(buffer.len())
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
fn nothing_follows_a_frame_in_which_the_stream_panicked() {
    let faulty = std::sync::Arc::new(Faulty::default());
    let stream = std::sync::Arc::clone(&faulty);
    let ws = Acceptor::new().from_upgraded(stream, Negotiated::default(), Vec::new()).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| ws.send([7; 40_000]))).is_err());
    assert!(ws.send("hello").is_err());
    assert_eq!(ws.state(), State::Closed);
    assert_eq!(faulty.0.load(Ordering::SeqCst), 2);
}
