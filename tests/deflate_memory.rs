//! Tests how much heap compression uses: bombs are stopped early, and without context takeover
//! nothing is kept between messages.
#![cfg(feature = "deflate")]
// The counting allocator overflows the stack where thread-local storage is on the heap, as in
// Windows programs that are linked with GNU tools.
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

/// The heap memory that this thread holds, counted from the start of the measurement.
#[derive(Debug, Default)]
struct Heap {
    held: i64,
    /// The maximum that was held at one time. While a block grows, the old and the new one count.
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

/// Returns the compressed payload of a message with this many mebibytes of zeros. It has about as
/// many kibibytes.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut out = outbound(Role::Server, &usual(), &DeflateConfig::new().level(9));
    let mut wire = Vec::new();
    out.encode_fragment(MessageRef::Binary(&vec![0; MIB]), &mut wire).unwrap();
    // The payload can follow itself, because it refers back by only one byte.
    let piece = &wire[4..];
    assert!(piece.ends_with(&TAIL) && piece.len() < MIB / 900, "{}", piece.len());
    [&piece.repeat(mebibytes)[..], &[0x00]].concat()
}

#[test]
fn a_decompression_bomb_stops_at_the_limit() {
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
                    // The result, and two thirds of it while it is copied.
                    assert!(heap.peak < 2 * limit as i64 + 250 * KIB, "{case}");
                    assert!(heap.held < 250 * KIB, "{case}");
                }
            }
        }
    }
}

#[test]
fn empty_blocks_take_no_memory() {
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

/// Sends and receives this message at an end of this role, and returns how much each direction
/// holds afterwards.
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
fn between_messages_only_the_needed_window_is_held() {
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
        // A message whose last block is marked as final.
        let last = frame_from(peer(role), 0xc1, &support::hex("f3 48 cd c9 c9 07 00 00"));
        assert_eq!(held_after(role, &params, &last, "Hello".into()).1, 0, "{role:?}");
        // Uncompressed messages hold nothing either.
        let plain = frame_from(peer(role), 0x81, b"Hello");
        assert_eq!(held_after(role, &usual(), &plain, "Hello".into()).1, 0, "{role:?}");
        let (sending, receiving) = held_after(role, &usual(), &wire(&usual()), (&*text).into());
        assert!((1..280 * KIB).contains(&sending), "{role:?}: {sending}");
        assert!((1..50 * KIB).contains(&receiving), "{role:?}: {receiving}");
    }
}

#[test]
fn at_most_two_windows_of_decompressed_data_are_kept() {
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
fn an_unused_end_holds_no_memory() {
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
fn a_failed_end_releases_the_unfinished_message() {
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

/// A stream that returns as many of these bytes as a read asks for, and accepts every write.
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

/// Returns an end that will read these frames and has no limits.
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
fn a_bomb_read_in_pieces_is_never_held_as_a_whole() {
    const MEBIBYTES: usize = 48;
    let bomb = bomb(MEBIBYTES);
    let large = vec![0x5a; 4 * MIB];
    for role in ROLES {
        // In the second case the read buffer is larger, because a large message came first.
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
            // 512 bytes give 516 KiB, and half of it may exist twice.
            assert!(heap.peak < 3 * MIB as i64, "{role:?} {} {heap:?}", frames.len());
        }
    }
}

#[test]
fn a_skipped_bomb_is_never_held_as_a_whole() {
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
