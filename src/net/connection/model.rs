//! The invariants of a connection, in every order in which its threads can meet.
//!
//! Each test is a model: a few threads on one connection, whose stream keeps what is written. Loom
//! runs it again and again, each time in another order, and with every value that an atomic may
//! still show to a thread. Most models of two threads are exhaustive. The others, and all of three
//! threads, have too many orders for that: they are bounded by the number of preemptions, that is,
//! of places where a thread stops although it could continue.
//!
//! 1. A Pong, Ping or Close that was posted is written, or the receiver knows of it.
//! 2. A broadcast that was accepted is written, in order, or the connection is closed.
//! 3. No message stands between the fragments of another.
//! 4. Nothing but a Pong follows a Close frame.
//! 5. An abort frees the threads that wait.
//! 6. Only messages that the caller fed wait, unless the peer does not read.
//!
//! `tests/model/run` runs the models, and then leaves out one fence or flag at a time: each time
//! a model has to fail.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::sync::atomic::{AtomicBool as LoomBool, Ordering as LoomOrdering};
use loom::thread;

use super::shared::Shared;
use super::write::{Offer, Prepared, Sender, Wait};
use crate::error::ProtocolError;
use crate::frame::CloseCode;
use crate::net::sync::end_slices_at_once;
use crate::net::{Error, Stream, Timeouts};
use crate::protocol::{Event, MessageKind, Outbound, SendError, State};

/// A stream that keeps what is written. At first it refuses some writes, as a slow peer would.
#[derive(Debug, Default)]
struct Sink {
    bytes: Mutex<Vec<u8>>,
    stalls: AtomicUsize,
    /// Something was written: where the model is about what the peer does then.
    has_written: LoomBool,
    /// Our side was ended.
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

/// A connection of a server, as its receiver has it.
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
const PONG: u8 = 0x8A;

impl Connection {
    fn new(stalls: usize) -> Self {
        Self::with_fragments(stalls, 1 << 20)
    }

    fn with_fragments(stalls: usize, fragment_len: usize) -> Self {
        let sink = Arc::new(Sink { stalls: stalls.into(), ..Sink::default() });
        let stream: Arc<dyn Stream> = Arc::new(Arc::clone(&sink));
        let shared = Shared::new(&stream, Outbound::server(), Timeouts::default(), fragment_len);
        Self { sink, shared: Arc::new(shared), _stream: stream }
    }

    fn sender(&self) -> Sender {
        Sender::new(Arc::clone(&self.shared))
    }

    /// What the receiver does with an event before it reads on. Returns whether it has to come
    /// back soon.
    fn receive(&self, event: &Event) -> bool {
        self.shared.post_answer(event);
        if let Event::Ping(_) = event {
            self.shared.try_encode_pending();
        }
        self.write_what_waits()
    }

    /// As [`receive`](Self::receive), for a receiver that found the writer taken at first.
    fn receive_unencoded(&self, event: &Event) -> bool {
        self.shared.post_answer(event);
        self.write_what_waits()
    }

    fn write_what_waits(&self) -> bool {
        if self.shared.has_unwritten() {
            let _ = self.shared.try_flush_briefly();
        }
        self.shared.status().needs_receiver()
    }

    /// What was written, all of it whole frames in an order that the protocol allows.
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

    /// Sees that these frames were written.
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

/// How many orders a model tries.
#[derive(Clone, Copy)]
enum Orders {
    All,
    /// Those in which threads are stopped this often.
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
    // In one piece: the tests of a run print side by side.
    eprint!("\nmodel: {} executions, {bound}: {name}\n", executions.load(Ordering::SeqCst));
}

#[test]
fn a_ping_during_a_send() {
    explore("a Ping during a send", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m").unwrap());
        let comes_back = connection.receive(&ping());
        other.join().unwrap();
        if comes_back {
            connection.write_what_waits();
        }
        connection.assert_written(&[(TEXT, "m"), (PONG, "p")]);
    });
}

#[test]
fn a_ping_during_a_feed() {
    explore("a Ping during a feed", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.feed("m").unwrap());
        let comes_back = connection.receive(&ping());
        other.join().unwrap();
        if comes_back {
            connection.write_what_waits();
        }
        connection.assert_written(&[(PONG, "p")]);
        assert!(!connection.shared.is_behind(), "only fed bytes wait");
    });
}

#[test]
fn a_ping_that_is_not_encoded_during_a_feed() {
    explore("a Ping that is only posted during a feed", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.feed("m").unwrap());
        let comes_back = connection.receive_unencoded(&ping());
        other.join().unwrap();
        if comes_back {
            connection.write_what_waits();
        }
        connection.assert_written(&[(PONG, "p")]);
    });
}

#[test]
fn a_ping_while_a_send_stalls() {
    explore("a Ping while the peer does not read", Orders::All, || {
        let connection = Connection::new(2);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m").unwrap());
        let comes_back = connection.receive(&ping());
        other.join().unwrap();
        if comes_back || connection.shared.status().needs_receiver() {
            while connection.write_what_waits() {}
        }
        connection.assert_written(&[(TEXT, "m"), (PONG, "p")]);
    });
}

#[test]
fn a_send_that_times_out_leaves_its_bytes_to_the_receiver() {
    explore("a slice that is not enough", Orders::Preemptions(2), || {
        let connection = Connection::new(1);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.offer(&Prepared::new("b"), Wait::Slice));
        let comes_back = connection.receive(&ping());
        assert!(is_accepted(other.join().unwrap()));
        if comes_back || connection.shared.status().needs_receiver() {
            while connection.write_what_waits() {}
        }
        connection.assert_written(&[(TEXT, "b"), (PONG, "p")]);
    });
}

#[test]
fn a_fed_message_is_written_before_the_receiver_waits() {
    explore("a receive after a feed", Orders::All, || {
        let connection = Connection::new(0);
        connection.sender().feed("m").unwrap();
        assert!(connection.frames().is_empty());
        connection.write_what_waits();
        connection.assert_written(&[(TEXT, "m")]);
    });
}

#[test]
fn a_close_of_another_thread_during_a_feed() {
    explore("a Close during a feed", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || {
            let _ = sender.feed("m");
        });
        connection.shared.close_soon(CloseCode::GOING_AWAY.into(), Wait::Slice);
        other.join().unwrap();
        assert_eq!(connection.closes(), 1);
    });
}

#[test]
fn a_close_of_another_thread_during_a_send() {
    explore("a Close during a send", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m").is_ok());
        connection.shared.close_soon(CloseCode::GOING_AWAY.into(), Wait::Slice);
        let is_sent = other.join().unwrap();
        assert_eq!(connection.closes(), 1);
        assert_eq!(is_sent, connection.frames().len() == 2);
    });
}

#[test]
fn the_answer_to_a_close_finds_that_one_was_sent() {
    explore("a Close that was written is known", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.close(CloseCode::NORMAL, "").unwrap());
        if connection.sink.has_written.load(LoomOrdering::Acquire) {
            assert!(connection.shared.close_sent(), "the peer's Close frame may be here already");
        }
        other.join().unwrap();
        assert_eq!(connection.shared.state(), State::Closing);
    });
}

#[test]
fn the_peers_close_during_a_send() {
    explore("the peer's Close during a send", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m").is_ok());
        let comes_back = connection.receive(&Event::Close(None));
        other.join().unwrap();
        if comes_back {
            connection.write_what_waits();
        }
        assert_eq!(connection.closes(), 1);
        assert!(connection.shared.close_is_out());
        assert!(connection.sink.is_ended.load(Ordering::SeqCst), "a server ends TCP first");
    });
}

#[test]
fn a_failure_during_a_feed() {
    explore("a failure during a feed", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.feed("m").is_ok());
        connection.shared.post_failure(ProtocolError::InvalidUtf8);
        let comes_back = connection.write_what_waits();
        other.join().unwrap();
        if comes_back {
            connection.write_what_waits();
        }
        assert_eq!(connection.closes(), 1);
        assert!(connection.sink.is_ended.load(Ordering::SeqCst), "which ends our side at once");
    });
}

#[test]
fn a_broadcast_during_a_feed() {
    explore("a broadcast during a feed", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.feed("m").unwrap());
        let offer = connection.sender().offer(&Prepared::new("b"), Wait::Slice);
        other.join().unwrap();
        assert_eq!(offer, Offer::Taken);
        connection.assert_written(&[(TEXT, "b")]);
    });
}

#[test]
fn a_broadcast_during_a_broadcast() {
    explore("a broadcast during a broadcast", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.offer(&Prepared::new("a"), Wait::Slice));
        let offer = connection.sender().offer(&Prepared::new("b"), Wait::Slice);
        assert_eq!((offer, other.join().unwrap()), (Offer::Taken, Offer::Taken));
        connection.assert_written(&[(TEXT, "a"), (TEXT, "b")]);
    });
}

/// Three broadcasts, of which a thread whose slice is over serves one after the other.
#[test]
fn broadcasts_after_the_end_of_a_slice() {
    end_slices_at_once();
    explore("broadcasts after the end of a slice", Orders::Preemptions(3), || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || {
            ["a", "b", "c"].map(|text| sender.offer(&Prepared::new(text), Wait::Slice))
        });
        connection.sender().send("m").unwrap();
        let offers = other.join().unwrap();
        for (text, offer) in ["a", "b", "c"].into_iter().zip(offers) {
            match offer {
                Offer::Taken => connection.assert_written(&[(TEXT, text)]),
                other => assert_eq!(other, Offer::Busy),
            }
        }
    });
}

#[test]
fn a_pong_that_is_on_its_way_makes_no_peer_slow() {
    end_slices_at_once();
    explore("broadcasts during a Ping", Orders::Preemptions(2), || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || {
            ["a", "b", "c"].map(|text| sender.offer(&Prepared::new(text), Wait::Slice))
        });
        if connection.receive(&ping()) {
            connection.write_what_waits();
        }
        for offer in other.join().unwrap() {
            assert!(matches!(offer, Offer::Taken | Offer::Busy), "{offer:?}");
        }
        connection.assert_written(&[(PONG, "p")]);
    });
}

#[test]
fn a_peer_that_does_not_read_is_slow_once_the_inbox_is_full() {
    explore("a full inbox", Orders::All, || {
        let connection = Connection::new(20);
        let offers: Vec<_> =
            (0..18).map(|_| connection.sender().offer(&Prepared::new("b"), Wait::Slice)).collect();
        assert_eq!(offers[0], Offer::Kept);
        assert!(offers[1..17].iter().all(|offer| *offer == Offer::Taken));
        assert_eq!(offers[17], Offer::Slow);
    });
}

#[test]
fn a_close_after_the_end_of_a_slice() {
    end_slices_at_once();
    explore("a Close after the end of a slice", Orders::Preemptions(3), || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || {
            let _ = sender.offer(&Prepared::new("a"), Wait::Slice);
            sender.close_soon(CloseCode::GOING_AWAY, Wait::Slice);
        });
        let _ = connection.sender().send("m");
        other.join().unwrap();
        assert_eq!(connection.closes(), 1);
    });
}

#[test]
fn a_ping_while_a_sender_waits_for_a_message_to_end() {
    explore("a Ping while a sender waits", Orders::Preemptions(3), || {
        let connection = Connection::new(0);
        let mut writer = connection.sender().writer(MessageKind::Text);
        io::Write::write_all(&mut writer, b"a").unwrap();
        io::Write::flush(&mut writer).unwrap();
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m"));
        // The writer pauses, and no other thread has anything to do.
        if connection.receive(&ping()) {
            connection.write_what_waits();
        }
        let progress = connection.shared.status();
        let is_written = connection.frames().iter().any(|(first, _)| *first == PONG);
        assert!(is_written || progress.needs_receiver());
        connection.shared.abort();
        assert!(other.join().unwrap().is_err());
        drop(writer);
    });
}

#[test]
fn an_abort_frees_a_sender_that_waits() {
    explore("an abort while a sender waits", Orders::All, || {
        let connection = Connection::new(0);
        let mut writer = connection.sender().writer(MessageKind::Text);
        io::Write::write_all(&mut writer, b"a").unwrap();
        io::Write::flush(&mut writer).unwrap();
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m"));
        connection.sender().abort();
        assert!(matches!(other.join().unwrap(), Err(Error::Send(SendError::Closed))));
        assert_eq!(connection.shared.state(), State::Closed);
        assert!(connection.shared.is_aborted(), "so that the receiver knows why");
        drop(writer);
    });
}

#[test]
fn a_broadcast_during_a_send_and_a_ping() {
    explore("a broadcast, a send and a Ping", Orders::Preemptions(1), || {
        let connection = Connection::new(0);
        let (one, two) = (connection.sender(), connection.sender());
        let sending = thread::spawn(move || one.send("m").unwrap());
        let casting = thread::spawn(move || two.offer(&Prepared::new("b"), Wait::Slice));
        let comes_back = connection.receive_unencoded(&ping());
        sending.join().unwrap();
        assert_eq!(casting.join().unwrap(), Offer::Taken);
        if comes_back {
            connection.write_what_waits();
        }
        connection.assert_written(&[(TEXT, "m"), (TEXT, "b"), (PONG, "p")]);
    });
}

#[test]
fn broadcasts_of_one_thread_keep_their_order() {
    explore("two broadcasts during a send", Orders::Preemptions(3), || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let casting = thread::spawn(move || {
            for text in ["1", "2"] {
                assert_eq!(sender.offer(&Prepared::new(text), Wait::Slice), Offer::Taken);
            }
        });
        connection.sender().send("m").unwrap();
        casting.join().unwrap();
        let frames = connection.frames();
        let at = |text: &str| frames.iter().position(|(_, payload)| payload == text.as_bytes());
        assert!(at("1").unwrap() < at("2").unwrap(), "{frames:x?}");
    });
}

#[test]
fn two_broadcasters_while_the_peer_does_not_read() {
    explore("two broadcasters, a peer that stalls", Orders::Preemptions(3), || {
        let connection = Connection::new(1);
        let (one, two) = (connection.sender(), connection.sender());
        let a = thread::spawn(move || one.offer(&Prepared::new("a"), Wait::Slice));
        let b = thread::spawn(move || two.offer(&Prepared::new("b"), Wait::Slice));
        connection.write_what_waits();
        assert!(is_accepted(a.join().unwrap()) && is_accepted(b.join().unwrap()));
        if connection.shared.status().needs_receiver() {
            connection.write_what_waits();
        }
        connection.assert_written(&[(TEXT, "a"), (TEXT, "b")]);
    });
}

#[test]
fn a_streamed_message_a_send_and_a_broadcast() {
    explore("a streamed message, a send and a broadcast", Orders::Preemptions(2), || {
        let connection = Connection::new(0);
        let (one, two) = (connection.sender(), connection.sender());
        let sending = thread::spawn(move || one.send("m").unwrap());
        let casting = thread::spawn(move || two.offer(&Prepared::new("b"), Wait::Slice));
        let mut writer = connection.sender().writer(MessageKind::Text);
        io::Write::write_all(&mut writer, b"x").unwrap();
        io::Write::flush(&mut writer).unwrap();
        io::Write::write_all(&mut writer, b"y").unwrap();
        writer.finish().unwrap();
        sending.join().unwrap();
        assert_eq!(casting.join().unwrap(), Offer::Taken);
        connection.assert_written(&[(TEXT_BEGINS, "x"), (LAST_FRAGMENT, "y")]);
        connection.assert_written(&[(TEXT, "m"), (TEXT, "b")]);
    });
}

#[test]
fn a_close_a_send_and_a_broadcast() {
    explore("a Close, a send and a broadcast", Orders::Preemptions(2), || {
        let connection = Connection::new(0);
        let (one, two) = (connection.sender(), connection.sender());
        let sending = thread::spawn(move || one.send("m").is_ok());
        let casting = thread::spawn(move || two.offer(&Prepared::new("b"), Wait::Slice));
        connection.sender().close(CloseCode::NORMAL, "").unwrap();
        let is_sent = sending.join().unwrap();
        let offer = casting.join().unwrap();
        let frames = connection.frames();
        assert_eq!(is_sent, frames.iter().any(|(_, payload)| payload == b"m"), "{frames:x?}");
        assert!(matches!(offer, Offer::Taken | Offer::Closed));
        assert_eq!(connection.closes(), 1);
    });
}

#[test]
fn the_peers_close_a_streamed_message_and_a_send() {
    explore("the peer's Close, a streamed message and a send", Orders::Preemptions(1), || {
        let connection = Connection::new(0);
        let (one, two) = (connection.sender(), connection.sender());
        let sending = thread::spawn(move || {
            let _ = one.send("m");
        });
        let streaming = thread::spawn(move || {
            let mut writer = two.writer(MessageKind::Text);
            let _ = io::Write::write_all(&mut writer, b"x");
            let _ = io::Write::flush(&mut writer);
            let _ = writer.finish();
        });
        let comes_back = connection.receive(&Event::Close(None));
        sending.join().unwrap();
        streaming.join().unwrap();
        if comes_back {
            connection.write_what_waits();
        }
        assert_eq!(connection.closes(), 1);
        assert!(connection.shared.close_is_out());
    });
}

#[test]
fn a_close_of_another_thread_a_feed_and_a_ping() {
    explore("a Close, a feed and a Ping", Orders::Preemptions(1), || {
        let connection = Connection::new(0);
        let (one, two) = (connection.sender(), connection.sender());
        let feeding = thread::spawn(move || {
            let _ = one.feed("m");
        });
        let closing = thread::spawn(move || two.close_soon(CloseCode::GOING_AWAY, Wait::Slice));
        let comes_back = connection.receive_unencoded(&ping());
        feeding.join().unwrap();
        closing.join().unwrap();
        if comes_back {
            connection.write_what_waits();
        }
        assert_eq!(connection.closes(), 1);
    });
}

#[test]
fn a_long_message_a_ping_and_a_broadcast() {
    explore("a message in fragments, a Ping and a broadcast", Orders::Preemptions(1), || {
        let connection = Connection::with_fragments(0, 1);
        let (one, two) = (connection.sender(), connection.sender());
        let sending = thread::spawn(move || one.send("mn").unwrap());
        let casting = thread::spawn(move || two.offer(&Prepared::new("bc"), Wait::Slice));
        let comes_back = connection.receive_unencoded(&ping());
        sending.join().unwrap();
        assert_eq!(casting.join().unwrap(), Offer::Taken);
        if comes_back {
            connection.write_what_waits();
        }
        connection.assert_written(&[(LAST_FRAGMENT, "n"), (LAST_FRAGMENT, "c"), (PONG, "p")]);
    });
}
