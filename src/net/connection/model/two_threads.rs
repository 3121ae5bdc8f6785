//! Models of two threads on one connection, and two models of a single thread.
//!
//! Mostly the first thread plays the receiver, and the second one sends or broadcasts.
//! `tests/model/run` names some of these models: if you rename one, rename it there too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::sync::atomic::{AtomicBool as LoomBool, Ordering as LoomOrdering};
use loom::thread;

use super::{Connection, Orders, PING, PONG, TEXT, explore, is_accepted, ping};
use crate::error::ProtocolError;
use crate::frame::CloseCode;
use crate::net::Error;
use crate::net::connection::try_writes::TryWrites;
use crate::net::connection::write::{Offer, PreparedMessage};
use crate::net::deadline::Wait;
use crate::net::sync::end_slices_at_once;
use crate::protocol::{Event, MessageKind, SendError, State};

#[test]
fn a_ping_during_a_send() {
    explore("a Ping during a send", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m").unwrap());
        let comes_back = connection.receive(&ping());
        connection.after(other, comes_back);
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
        connection.after(other, comes_back);
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
        connection.after(other, comes_back);
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
        let other = thread::spawn(move || sender.offer(&PreparedMessage::new("b"), Wait::Slice));
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
        let other = thread::spawn(move || sender.close().unwrap());
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
        connection.after(other, comes_back);
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
        connection.after(other, comes_back);
        assert_eq!(connection.closes(), 1);
        assert!(connection.sink.is_ended.load(Ordering::SeqCst), "our side ends at once");
    });
}

#[test]
fn a_broadcast_during_a_feed() {
    explore("a broadcast during a feed", Orders::All, || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.feed("m").unwrap());
        let offer = connection.sender().offer(&PreparedMessage::new("b"), Wait::Slice);
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
        let other = thread::spawn(move || sender.offer(&PreparedMessage::new("a"), Wait::Slice));
        let offer = connection.sender().offer(&PreparedMessage::new("b"), Wait::Slice);
        assert_eq!((offer, other.join().unwrap()), (Offer::Taken, Offer::Taken));
        connection.assert_written(&[(TEXT, "a"), (TEXT, "b")]);
    });
}

/// Three broadcasts during a send, while every slice is over at once: each of them is written or
/// refused.
#[test]
fn broadcasts_after_the_end_of_a_slice() {
    end_slices_at_once();
    explore("broadcasts after the end of a slice", Orders::Preemptions(3), || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || {
            ["a", "b", "c"].map(|text| sender.offer(&PreparedMessage::new(text), Wait::Slice))
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
            ["a", "b", "c"].map(|text| sender.offer(&PreparedMessage::new(text), Wait::Slice))
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
        let offers: Vec<_> = (0..18)
            .map(|_| connection.sender().offer(&PreparedMessage::new("b"), Wait::Slice))
            .collect();
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
            let _ = sender.offer(&PreparedMessage::new("a"), Wait::Slice);
            sender.close_soon(CloseCode::GOING_AWAY, Wait::Slice);
        });
        let _ = connection.sender().send("m");
        other.join().unwrap();
        assert_eq!(connection.closes(), 1);
    });
}

#[test]
fn a_measurement_after_the_end_of_a_slice() {
    end_slices_at_once();
    explore("a Ping that measures, after the end of a slice", Orders::Preemptions(4), || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || {
            sender.measure_latency().unwrap();
            sender.measure_latency().unwrap();
        });
        connection.sender().send("m").unwrap();
        other.join().unwrap();
        connection.flush_rest();
        connection.assert_written(&[(TEXT, "m"), (PING, "\0\0\0\0\0\0\0\u{2}")]);
    });
}

/// The receiver returns to its caller after each Ping, and does not come back.
#[test]
fn a_pong_after_the_end_of_a_slice() {
    end_slices_at_once();
    explore("a Pong after the end of a slice", Orders::Preemptions(4), || {
        let connection = Connection::new(0);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.send("m").unwrap());
        for data in ["p", "q"] {
            connection.shared.post_answer(&Event::Ping(data.into()));
            let _ = connection.shared.try_flush_briefly();
        }
        other.join().unwrap();
        connection.flush_rest();
        connection.assert_written(&[(TEXT, "m"), (PONG, "q")]);
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
        // The writer of the streamed message pauses, and no other thread has work.
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
fn a_read_during_a_write_that_does_not_wait() {
    explore("a read during a write that does not wait", Orders::All, || {
        let (writes, is_nonblocking) = (Arc::new(TryWrites::new()), Arc::new(LoomBool::new(false)));
        let (other_writes, stream) = (Arc::clone(&writes), Arc::clone(&is_nonblocking));
        // `Relaxed`, because the mode of a stream orders no other memory access.
        let writing = thread::spawn(move || {
            other_writes.during(|| {
                stream.store(true, LoomOrdering::Relaxed);
                stream.store(false, LoomOrdering::Relaxed);
            });
        });
        let count = writes.count();
        let is_refused = is_nonblocking.load(LoomOrdering::Relaxed);
        assert!(!is_refused || !writes.is_unchanged_since(count), "taken for a timeout");
        writing.join().unwrap();
    });
}

#[test]
fn a_broadcast_that_is_left_to_the_flusher() {
    explore("a broadcast and the flusher", Orders::All, || {
        let connection = Connection::new(2);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.offer(&PreparedMessage::new("b"), Wait::Slice));
        // The receiver is in a long read. The flusher may already run for bytes that were left
        // earlier.
        connection.shared.write_rest();
        assert!(is_accepted(other.join().unwrap()));
        connection.flush_rest();
        connection.assert_written(&[(TEXT, "b")]);
    });
}

#[test]
fn a_close_that_is_left_to_the_flusher() {
    explore("a Close, a send and the flusher", Orders::Preemptions(3), || {
        let connection = Connection::new(2);
        let sender = connection.sender();
        let other = thread::spawn(move || sender.close_soon(CloseCode::GOING_AWAY, Wait::Slice));
        let offer = connection.sender().offer(&PreparedMessage::new("b"), Wait::Slice);
        other.join().unwrap();
        connection.flush_rest();
        assert_eq!(connection.closes(), 1);
        if is_accepted(offer) && connection.frames().len() == 2 {
            connection.assert_written(&[(TEXT, "b")]);
        }
    });
}
