//! Models of three threads on one connection.
//!
//! They have too many orders to try all of them, so each bounds the number of preemptions.
//! `tests/model/run` names some of these models: if you rename one, rename it there too.

use std::io;

use loom::thread;

use super::{
    Connection, LAST_FRAGMENT, Orders, PONG, TEXT, TEXT_BEGINS, explore, is_accepted, ping,
};
use crate::frame::CloseCode;
use crate::net::connection::write::{Offer, PreparedMessage};
use crate::net::deadline::Wait;
use crate::protocol::{Event, MessageKind};

#[test]
fn a_broadcast_during_a_send_and_a_ping() {
    explore("a broadcast, a send and a Ping", Orders::Preemptions(1), || {
        let connection = Connection::new(0);
        let (one, two) = (connection.sender(), connection.sender());
        let sending = thread::spawn(move || one.send("m").unwrap());
        let casting = thread::spawn(move || two.offer(&PreparedMessage::new("b"), Wait::Slice));
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
                assert_eq!(sender.offer(&PreparedMessage::new(text), Wait::Slice), Offer::Taken);
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
        let a = thread::spawn(move || one.offer(&PreparedMessage::new("a"), Wait::Slice));
        let b = thread::spawn(move || two.offer(&PreparedMessage::new("b"), Wait::Slice));
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
        let casting = thread::spawn(move || two.offer(&PreparedMessage::new("b"), Wait::Slice));
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
        let casting = thread::spawn(move || two.offer(&PreparedMessage::new("b"), Wait::Slice));
        connection.sender().close().unwrap();
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
        let casting = thread::spawn(move || two.offer(&PreparedMessage::new("bc"), Wait::Slice));
        let comes_back = connection.receive_unencoded(&ping());
        sending.join().unwrap();
        assert_eq!(casting.join().unwrap(), Offer::Taken);
        if comes_back {
            connection.write_what_waits();
        }
        connection.assert_written(&[(LAST_FRAGMENT, "n"), (LAST_FRAGMENT, "c"), (PONG, "p")]);
    });
}
