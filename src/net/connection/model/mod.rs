//! Models that check the invariants of a connection in every order in which its threads can meet.
//!
//! Each test is a model: a few threads on one connection, whose stream keeps the written bytes.
//! Loom runs it again and again, each time in another order, and with every value that an atomic
//! may still show to a thread. Most models of two threads are exhaustive. The others, and all
//! models of three threads, have too many orders for that. Their number of preemptions is bounded:
//! a preemption is a place where a thread stops although it could continue.
//!
//! 1. A Pong, Ping or Close that was posted is written, or the receiver knows of it.
//! 2. A broadcast that was accepted is written, in order, or the connection is closed.
//! 3. No message is written between the fragments of another.
//! 4. Only a Pong follows a Close frame.
//! 5. An abort frees the threads that wait.
//! 6. Only messages that the caller fed wait, unless the peer is not reading.
//! 7. A read that met a non-waiting write does not take it for its own timeout.
//! 8. Bytes and control frames that a thread leaves behind are handed to the flusher, or the
//!    receiver comes back.
//!
//! `tests/model/run` runs the models, and then leaves out one fence or flag at a time. Each time a
//! certain model must fail.

mod three_threads;
mod two_threads;

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::sync::atomic::{AtomicBool as LoomBool, Ordering as LoomOrdering};
use loom::thread::{self, JoinHandle};

use super::shared::Shared;
use super::status::{BEHIND, CONTROL};
use super::write::{Offer, Sender};
use crate::net::{Stream, Timeouts};
use crate::protocol::{Event, Outbound};

/// A stream that keeps the written bytes. At first it refuses some writes, as a slow peer would.
#[derive(Debug, Default)]
struct Sink {
    bytes: Mutex<Vec<u8>>,
    stalls: AtomicUsize,
    /// Whether bytes were written, for models that are about the peer's reaction to them.
    has_written: LoomBool,
    /// Whether our side was shut down.
    is_ended: AtomicBool,
}

impl Stream for Sink {
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        if self.stalls.load(Ordering::SeqCst) > 0 {
            self.stalls.fetch_sub(1, Ordering::SeqCst);
            thread::yield_now();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.bytes.lock().unwrap().extend_from_slice(buffer);
        self.has_written.store(true, LoomOrdering::Release);
        Ok(buffer.len())
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        self.is_ended.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// A connection of a server, as seen by its receiver.
struct Connection {
    sink: Arc<Sink>,
    shared: Arc<Shared>,
    _stream: Arc<dyn Stream>,
}

/// A frame: its first byte and its payload.
type Frame = (u8, Vec<u8>);

const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const LAST_FRAGMENT: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

impl Connection {
    fn new(stalls: usize) -> Self {
        Self::with_fragments(stalls, 1 << 20)
    }

    fn with_fragments(stalls: usize, fragment_len: usize) -> Self {
        let sink = Arc::new(Sink { stalls: stalls.into(), ..Sink::default() });
        let stream: Arc<dyn Stream> = Arc::new(Arc::clone(&sink));
        let shared = Shared::new(&stream, Outbound::server(), Timeouts::default(), fragment_len);
        Self { sink, shared, _stream: stream }
    }

    fn sender(&self) -> Sender {
        Sender::new(Arc::clone(&self.shared))
    }

    /// Does what the receiver does with an event before it reads on. Returns whether it must come
    /// back soon.
    fn receive(&self, event: &Event) -> bool {
        self.shared.post_answer(event);
        if let Event::Ping(_) = event {
            self.shared.try_encode_pending();
        }
        self.write_what_waits()
    }

    /// Like [`receive`](Self::receive), for a receiver that found the writer taken at first.
    fn receive_unencoded(&self, event: &Event) -> bool {
        self.shared.post_answer(event);
        self.write_what_waits()
    }

    fn write_what_waits(&self) -> bool {
        if self.shared.has_unwritten() {
            let _ = self.shared.try_flush_and_come_back();
        }
        self.shared.status().needs_receiver()
    }

    /// Writes the bytes and control frames that were left behind, as the flusher does. It must have
    /// been told of them.
    #[track_caller]
    fn flush_rest(&self) {
        while self.shared.status().has(CONTROL | BEHIND) {
            assert!(self.shared.is_handed_over(), "bytes that nobody will write");
            self.shared.write_rest();
        }
    }

    /// Waits for the other thread. Then the receiver comes back, if it must.
    fn after<T>(&self, other: JoinHandle<T>, comes_back: bool) {
        other.join().unwrap();
        if comes_back {
            self.write_what_waits();
        }
    }

    /// Returns the written frames, and checks that they are whole, in an order that the protocol
    /// allows.
    fn frames(&self) -> Vec<Frame> {
        let bytes = self.sink.bytes.lock().unwrap().clone();
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let [first, len, tail @ ..] = rest {
            let (payload, next) = tail.split_at(usize::from(*len));
            frames.push((*first, payload.to_vec()));
            rest = next;
        }
        assert!(rest.is_empty(), "half a header: {rest:x?}");
        let (mut in_message, mut is_closed) = (false, false);
        for (first, _) in &frames {
            let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
            assert!(!is_closed || opcode == 0xA, "after a Close frame: {frames:x?}");
            match opcode {
                0..=2 => {
                    assert_eq!(in_message, opcode == 0, "inside a message: {frames:x?}");
                    in_message = !fin;
                }
                8 => is_closed = true,
                _ => {}
            }
        }
        frames
    }

    /// Checks that these frames were written.
    #[track_caller]
    fn assert_written(&self, expected: &[(u8, &str)]) {
        let frames = self.frames();
        for (first, payload) in expected {
            let is_it = |(f, p): &Frame| f == first && p == payload.as_bytes();
            assert!(frames.iter().any(is_it), "{first:x} {payload} is not in {frames:x?}");
        }
    }

    fn closes(&self) -> usize {
        self.frames().iter().filter(|(first, _)| *first == CLOSE).count()
    }
}

fn ping() -> Event {
    Event::Ping(b"p".to_vec())
}

fn is_accepted(offer: Offer) -> bool {
    matches!(offer, Offer::Taken | Offer::Kept)
}

/// How many orders of its threads a model tries.
#[derive(Clone, Copy)]
enum Orders {
    All,
    /// Only those with at most this many preemptions.
    Preemptions(usize),
}

#[track_caller]
fn explore(name: &str, orders: Orders, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = match orders {
        Orders::All => None,
        Orders::Preemptions(count) => Some(count),
    };
    builder.check(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        model();
    });
    let bound = match orders {
        Orders::All => "all orders".to_owned(),
        Orders::Preemptions(count) => format!("at most {count} preemptions"),
    };
    // One call prints the whole line, because the tests of a run print at the same time.
    eprint!("\nmodel: {} executions, {bound}: {name}\n", executions.load(Ordering::SeqCst));
}
