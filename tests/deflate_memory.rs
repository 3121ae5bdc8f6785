//! What compression takes of the heap: bombs are stopped on the way, and without context takeover
//! nothing is kept between messages.
#![cfg(feature = "deflate")]
// The allocator that counts overflows the stack where thread-local storage is on the heap, as in
// programs for Windows that GNU tools link.
#![cfg(not(all(windows, target_env = "gnu")))]

mod support;

use std::io::{self, Read};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use allocation_counter::measure;
use support::deflate::{TAIL, agree, inbound, outbound};
use support::{ROLES, frame_from, frames_from, limits, peer};
use tightwire::deflate::{DeflateConfig, Params};
use tightwire::handshake::Negotiated;
use tightwire::protocol::{Event, Inbound, MessageRef, Role};
use tightwire::{Acceptor, Client, Error, Limits, ProtocolError, Stream, WebSocket};

const KIB: i64 = 1 << 10;
const MIB: usize = 1 << 20;

/// What this thread holds on the heap, since it began to count.
#[derive(Debug, Default)]
struct Heap {
    held: i64,
    /// The most that was held at a time. Where a block grows, the old one counts beside the new.
    peak: i64,
}

impl Heap {
    fn count<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let mut value = None;
        let info = measure(|| value = Some(act()));
        self.peak = self.peak.max(self.held + info.bytes_max as i64);
        self.held += info.bytes_current;
        value.unwrap()
    }
}

fn usual() -> Params {
    agree(&DeflateConfig::new(), &DeflateConfig::new())
}

fn without_takeover() -> Params {
    agree(&DeflateConfig::new().no_context_takeover(), &DeflateConfig::new())
}

/// The compressed payload of a message of so many mebibytes of zeros: about as many kibibytes.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut out = outbound(Role::Server, &usual(), &DeflateConfig::new().level(9));
    let mut wire = Vec::new();
    out.encode_fragment(MessageRef::Binary(&vec![0; MIB]), &mut wire).unwrap();
    // What refers back by one byte may follow itself.
    let piece = &wire[4..];
    assert!(piece.ends_with(&TAIL) && piece.len() < MIB / 900, "{}", piece.len());
    [&piece.repeat(mebibytes)[..], &[0x00]].concat()
}

#[test]
fn a_bomb_goes_off_at_the_limit() {
    let bomb = bomb(32);
    for role in ROLES {
        for limit in [100_000, MIB, 5 * MIB] {
            for first in [0xc2, 0xc1] {
                let wire = frame_from(peer(role), first, &bomb);
                for step in [200, wire.len()] {
                    let mut heap = Heap::default();
                    let mut inbound = inbound(role, &usual(), limits(limit, 1 << 20, 10));
                    let mut outcome = Ok(None);
                    for mut piece in wire.chunks(step) {
                        outcome = heap.count(|| inbound.next_event(&mut piece));
                        if outcome.is_err() {
                            break;
                        }
                    }
                    assert_eq!(outcome, Err(ProtocolError::MessageTooBig { limit: limit as u64 }));
                    let case = format!("{role:?} {limit} {step}: {heap:?}");
                    // What is there at last, and before that two thirds of it while it is copied.
                    assert!(heap.peak < 2 * limit as i64 + 250 * KIB, "{case}");
                    assert!(heap.held < 250 * KIB, "{case}");
                }
            }
        }
    }
}

#[test]
fn blocks_that_hold_nothing_take_nothing() {
    let blocks: [&[u8]; 3] = [b"\x03\x00", b"\x00\x00\x00\xff\xff", b"\x01\x00\x00\xff\xff"];
    for block in blocks {
        let wire = frame_from(Role::Server, 0xc2, &[&block.repeat(2000)[..], b"\x00"].concat());
        let mut inbound = inbound(Role::Client, &usual(), Limits::default());
        let mut heap = Heap::default();
        let event = heap.count(|| inbound.next_event(&mut &wire[..])).unwrap();
        assert_eq!(event, Some(Event::Message(Vec::new().into())));
        assert!(heap.peak < 150 * KIB, "{heap:?}");
    }
}

/// Has an end send and receive this, and returns what it holds then.
fn held_after(role: Role, params: &Params, wire: &[u8], message: MessageRef<'_>) -> (i64, i64) {
    let (mut sending, mut receiving) = (Heap::default(), Heap::default());
    let mut out = sending.count(|| outbound(role, params, &DeflateConfig::new()));
    let mut inbound = receiving.count(|| inbound(role, params, Limits::default()));
    for _ in 0..3 {
        sending.count(|| {
            out.encode_message(message, &mut Vec::new()).unwrap();
            out.encode_fragment(message, &mut Vec::new()).unwrap();
            out.encode_final_fragment(message, &mut Vec::new()).unwrap();
        });
        receiving.count(|| {
            let mut input = wire;
            while inbound.next_event(&mut input).unwrap().is_some() {}
        });
    }
    (sending.held, receiving.held)
}

// proves 7692-7.2.2-3, 7692-7.2.2-5
#[test]
fn between_messages_only_what_the_next_may_refer_to_is_held() {
    let text = "some text, ".repeat(1000);
    for role in ROLES {
        let wire = |params| {
            let mut wire = Vec::new();
            let mut out = outbound(peer(role), params, &DeflateConfig::new());
            out.encode_message((&*text).into(), &mut wire).unwrap();
            out.encode_fragment((&*text).into(), &mut wire).unwrap();
            out.encode_final_fragment((&*text).into(), &mut wire).unwrap();
            wire
        };
        let params = without_takeover();
        assert_eq!(held_after(role, &params, &wire(&params), (&*text).into()), (0, 0), "{role:?}");
        // A message that ends in a block which says that it is the last one.
        let last = frame_from(peer(role), 0xc1, &support::hex("f3 48 cd c9 c9 07 00 00"));
        assert_eq!(held_after(role, &params, &last, "Hello".into()).1, 0, "{role:?}");
        // What is not compressed takes nothing either.
        let plain = frame_from(peer(role), 0x81, b"Hello");
        assert_eq!(held_after(role, &usual(), &plain, "Hello".into()).1, 0, "{role:?}");
        let (sending, receiving) = held_after(role, &usual(), &wire(&usual()), (&*text).into());
        assert!((1..280 * KIB).contains(&sending), "{role:?}: {sending}");
        assert!((1..50 * KIB).contains(&receiving), "{role:?}: {receiving}");
    }
}

#[test]
fn of_what_was_decompressed_two_windows_are_kept_at_most() {
    let data = vec![0x5a; 1 << 20];
    let blocks = |is_last| {
        let pieces = data.chunks(60_000);
        pieces.fold(support::deflate::Blocks::new(), |all, piece| all.stored(is_last, piece))
    };
    for role in ROLES {
        for (is_last, most) in [(false, 50 * KIB), (true, (50 + 64) * KIB)] {
            let wire = frame_from(peer(role), 0xc2, &blocks(is_last).payload());
            let held = held_after(role, &usual(), &wire, (&*data).into()).1;
            assert!((1..=most).contains(&held), "{role:?} {is_last}: {held}");
        }
    }
}

#[test]
fn an_end_that_has_done_nothing_yet_holds_nothing() {
    for role in ROLES {
        let mut heap = Heap::default();
        let mut ends = Vec::with_capacity(100);
        for _ in 0..100 {
            let params = usual();
            let end = heap.count(|| {
                let out = outbound(role, &params, &DeflateConfig::new());
                (out, inbound(role, &params, Limits::default()))
            });
            ends.push(end);
        }
        assert_eq!(heap.held, 0);
    }
}

#[test]
fn a_failed_end_gives_back_what_it_held_of_the_message() {
    for role in ROLES {
        let mut inbound: Inbound = inbound(role, &usual(), Limits::default());
        let data = support::deflate::Blocks::new().stored(false, &vec![7; 60_000]);
        let wire = frames_from(peer(role), &[(0x42, &data.bytes()), (0x80, b"\xff")]);
        let mut heap = Heap::default();
        let outcome = heap.count(|| inbound.next_event(&mut &wire[..]));
        assert_eq!(outcome, Err(ProtocolError::InvalidDeflate));
        heap.count(|| drop(inbound));
        assert_eq!(heap.held, 0);
    }
}

/// A stream that gives these bytes, as many at a time as are asked for, and takes everything.
#[derive(Debug)]
struct Given {
    bytes: Vec<u8>,
    read: AtomicUsize,
}

impl Stream for Given {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = self.read.load(Ordering::Relaxed);
        let count = (&self.bytes[start..]).read(buffer)?;
        self.read.store(start + count, Ordering::Relaxed);
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
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

/// An end that is about to read these frames, and has no limits.
fn about_to_read(role: Role, frames: &[(u8, &[u8])]) -> WebSocket {
    let stream = Given { bytes: frames_from(peer(role), frames), read: AtomicUsize::new(0) };
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(usual());
    let limits = support::no_limits();
    match role {
        Role::Client => Client::new().limits(limits).from_upgraded(stream, negotiated, Vec::new()),
        Role::Server => {
            Acceptor::new().limits(limits).from_upgraded(stream, negotiated, Vec::new())
        }
    }
    .unwrap()
}

#[test]
fn a_bomb_that_is_read_while_it_arrives_is_never_there_as_a_whole() {
    const MEBIBYTES: usize = 48;
    let bomb = bomb(MEBIBYTES);
    let large = vec![0x5a; 4 * MIB];
    for role in ROLES {
        // The second time much is read at once, since there was much to be read.
        for frames in [&[(0xc2, &bomb[..])][..], &[(0x82, &large), (0xc2, &bomb)]] {
            let mut ws = about_to_read(role, frames);
            if frames.len() > 1 {
                assert_eq!(ws.recv().unwrap().unwrap().len(), large.len());
            }
            let mut heap = Heap::default();
            let mut buffer = vec![0; 10_000];
            let mut len = 0;
            heap.count(|| {
                let mut reader = ws.recv_reader().unwrap().unwrap();
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => break,
                        count => len += count,
                    }
                }
            });
            assert_eq!(len, MEBIBYTES * MIB);
            // Of 512 bytes come 516 KiB, of which half may be there a second time.
            assert!(heap.peak < 3 * MIB as i64, "{role:?} {} {heap:?}", frames.len());
        }
    }
}

#[test]
fn a_bomb_that_is_skipped_is_never_there_as_a_whole() {
    let bomb = bomb(48);
    let (_, bomb) = bomb.split_last().unwrap();
    let large = vec![0x5a; 4 * MIB];
    for role in ROLES {
        let frames: &[(u8, &[u8])] =
            &[(0x82, &large), (0x42, bomb), (0x00, bomb), (0x80, b"\x00"), (0x81, b"next")];
        let mut ws = about_to_read(role, frames);
        assert_eq!(ws.recv().unwrap().unwrap().len(), large.len());
        let mut heap = Heap::default();
        heap.count(|| {
            drop(ws.recv_reader().unwrap().unwrap());
            let next = ws.recv();
            assert_eq!(next.unwrap(), Some("next".into()));
        });
        assert!(heap.peak < 3 * MIB as i64, "{role:?} {heap:?}");
        assert!(matches!(ws.recv(), Err(Error::Io(_))));
    }
}
