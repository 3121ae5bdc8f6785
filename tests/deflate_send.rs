//! Tests how compressed messages are sent (RFC 7692 §6.1, §7.2.1), and round trips.
#![cfg(feature = "deflate")]

mod support;

use std::slice;

use proptest::collection::vec;
use proptest::prelude::*;
use support::deflate::{Inflated, TAIL, accept, agree, inbound, inflate, outbound, verify};
use support::{ROLES, feed_to, frame_from, hex, let_keys_run_out, limits, peer};
use tightwire::deflate::{DeflateConfig, Deflater, Params};
use tightwire::frame::{CloseFrame, FrameHeader};
use tightwire::protocol::{Event, Limits, Message, MessageRef, Outbound, Role, SendError};

/// Settings that compress every message, even a short one.
const fn eager() -> DeflateConfig {
    DeflateConfig::new().min_len(0)
}

fn usual() -> Params {
    agree(&DeflateConfig::new(), &DeflateConfig::new())
}

fn without_takeover() -> Params {
    agree(&DeflateConfig::new().no_context_takeover(), &DeflateConfig::new())
}

/// Returns the frames in `wire`, each with its first byte and its unmasked payload.
#[track_caller]
fn frames(wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut rest = wire;
    while let Some((header, header_len)) = FrameHeader::decode(rest).unwrap() {
        let end = header_len + usize::try_from(header.payload_len).unwrap();
        let mut payload = rest[header_len..end].to_vec();
        header.mask.into_iter().for_each(|key| key.apply(&mut payload, 0));
        frames.push((rest[0], payload));
        rest = &rest[end..];
    }
    assert!(rest.is_empty(), "half a frame: {rest:02x?}");
    frames
}

/// Sends a message in one frame, and returns the frame.
#[track_caller]
fn sent<'a>(outbound: &mut Outbound, message: impl Into<MessageRef<'a>>) -> (u8, Vec<u8>) {
    let mut wire = Vec::new();
    outbound.encode_message(message.into(), &mut wire).unwrap();
    let [frame] = <[_; 1]>::try_from(frames(&wire)).expect("one frame");
    frame
}

/// Bytes without long repetitions.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    (0..len).map(step).collect()
}

// proves 7692-5-7, 7692-5-12, 7692-6-2, 7692-6.1-1, 7692-6.1-2, 7692-6.1-3, 7692-6.1-12,
// 7692-7-15, 7692-7.2.1-1, 7692-7.2.1-2, 7692-7.2.1-3, 7692-7.2.1-14, 7692-7.2.1-17, 7692-7.3-1,
// 6455-6.1-9
#[test]
fn messages_are_sent_as_in_the_examples_of_the_rfc() {
    for role in ROLES {
        let mut out = outbound(role, &usual(), &eager());
        let mut wire = Vec::new();
        out.encode_message("Hello".into(), &mut wire).unwrap();
        assert_eq!(wire, frame_from(role, 0xc1, &hex("f2 48 cd c9 c9 07 00")), "{role:?}");
        // The second message refers to the first, even from a message of the other type.
        assert_eq!(sent(&mut out, "Hello"), (0xc1, hex("f2 00 11 00 00")));
        assert_eq!(sent(&mut out, b"Hello"), (0xc2, hex("02 13 00 00")));
    }
}

// proves 7692-7-15, 7692-7.1.1.1-3, 7692-7.1.1.2-3, 7692-7.1.1.2-7, 7692-7.1.1.2-9, 7692-7.2.1-13,
// 7692-7.2.1-16
#[test]
fn without_context_takeover_equal_messages_give_equal_bytes() {
    let no_takeover = eager().send_context_takeover(false);
    let agreed_on = [
        (Role::Server, accept(&["permessage-deflate; server_no_context_takeover"], &eager()).1),
        (Role::Server, accept(&["permessage-deflate"], &no_takeover).1),
    ];
    let mut cases: Vec<_> =
        agreed_on.map(|(role, negotiated)| (role, negotiated.deflate.unwrap(), eager())).into();
    // The client gives up context takeover although it did not ask for that.
    let answer = ["permessage-deflate; client_no_context_takeover"];
    cases.push((Role::Client, verify(&[eager()], &answer).unwrap().unwrap(), eager()));
    // An end that disables its own context takeover does so whether or not it was negotiated.
    let params = verify(slice::from_ref(&no_takeover), &["permessage-deflate"]).unwrap().unwrap();
    assert!(params.client.context_takeover);
    cases.push((Role::Client, params, no_takeover));
    for (role, params, config) in cases {
        let mut out = outbound(role, &params, &config);
        for _ in 0..3 {
            assert_eq!(sent(&mut out, "Hello"), (0xc1, hex("f2 48 cd c9 c9 07 00")), "{role:?}");
        }
        // Fragments of one message still refer to each other.
        let mut wire = Vec::new();
        out.encode_fragment("Hello".into(), &mut wire).unwrap();
        out.encode_final_fragment("Hello".into(), &mut wire).unwrap();
        assert_eq!(frames(&wire)[1], (0x80, hex("f2 00 11 00 00")), "{role:?}");
        assert_eq!(sent(&mut out, "Hello"), (0xc1, hex("f2 48 cd c9 c9 07 00")), "{role:?}");
    }
}

// proves 7692-6-5, 7692-6.1-5, 7692-6.1-6, 7692-7.3-3
#[test]
fn short_messages_are_sent_uncompressed() {
    for role in ROLES {
        for (config, min_len) in [
            (DeflateConfig::new(), 128),
            (DeflateConfig::new().min_len(10), 10),
            (DeflateConfig::new().min_len(1), 1),
        ] {
            let mut out = outbound(role, &usual(), &config);
            for _ in 0..2 {
                let short = "a".repeat(min_len - 1);
                assert_eq!(sent(&mut out, &*short), (0x81, short.into_bytes()));
                let long = "a".repeat(min_len);
                assert_eq!(sent(&mut out, &*long).0, 0xc1, "{role:?} {min_len}");
                assert_eq!(sent(&mut out, long.as_bytes()).0, 0xc2, "{role:?} {min_len}");
            }
            // The length of a fragmented message is not known in advance.
            let mut wire = Vec::new();
            out.encode_fragment("".into(), &mut wire).unwrap();
            out.encode_final_fragment("".into(), &mut wire).unwrap();
            let frames: Vec<_> = frames(&wire).into_iter().map(|(first, _)| first).collect();
            assert_eq!(frames, [0x41, 0x80]);
        }
        let mut out = outbound(role, &usual(), &DeflateConfig::new().min_len(usize::MAX));
        assert_eq!(sent(&mut out, &*"a".repeat(100_000)).0, 0x81);
    }
}

// proves 7692-6.1-6, 7692-7.2.3.2-1
#[test]
fn compression_can_be_switched_off_for_messages() {
    for role in ROLES {
        let mut out = outbound(role, &usual(), &eager());
        sent(&mut out, "Hello");
        out.set_compression(false);
        assert_eq!(sent(&mut out, "Hello, world"), (0x81, b"Hello, world".to_vec()));
        let mut wire = Vec::new();
        out.encode_fragment("se".into(), &mut wire).unwrap();
        // A call during a message does not change how this message is sent.
        out.set_compression(true);
        out.encode_final_fragment("cret".into(), &mut wire).unwrap();
        assert_eq!(frames(&wire), [(0x01, b"se".to_vec()), (0x80, b"cret".to_vec())]);
        assert_eq!(sent(&mut out, "Hello"), (0xc1, hex("f2 00 11 00 00")), "{role:?}");
        wire.clear();
        out.encode_fragment("Hello".into(), &mut wire).unwrap();
        out.set_compression(false);
        out.encode_final_fragment("Hello".into(), &mut wire).unwrap();
        let sent = frames(&wire);
        assert_eq!((sent[0].0, sent[1].0), (0x41, 0x80));
        let data = [&sent[0].1[..], &sent[1].1].concat();
        assert_eq!(inflate(&data, b"HelloHello").unwrap().data, b"HelloHello");
    }
}

// proves 7692-7.2.3.6-1, 7692-7.2.1-3
#[test]
fn an_empty_message_is_sent_as_an_empty_block() {
    for role in ROLES {
        for params in [usual(), without_takeover()] {
            let mut out = outbound(role, &params, &eager());
            for _ in 0..2 {
                assert_eq!(sent(&mut out, ""), (0xc1, vec![0x00]));
                assert_eq!(sent(&mut out, b""), (0xc2, vec![0x00]));
                sent(&mut out, "Hello");
            }
        }
    }
}

// proves 7692-5-29, 7692-6.1-3, 7692-6.1-8, 7692-6.1-9, 7692-7.2.1-9, 7692-7.2.1-10,
// 7692-7.2.1-11, 7692-7.2.3.1-1, 7692-7.2.3.6-1
#[test]
fn fragments_end_on_a_byte_boundary_and_only_the_last_omits_the_tail() {
    let cases: &[&[&str]] = &[
        &["Hel", "lo"],
        &["Hello, ", "Hello, ", "Hello"],
        &["", "", "Hello", "", "lo", ""],
        &["a", "a", "a", "a"],
        &["", ""],
    ];
    for role in ROLES {
        for params in [usual(), without_takeover()] {
            let mut out = outbound(role, &params, &eager());
            let mut before = Vec::new();
            for parts in cases {
                let mut wire = Vec::new();
                let (last, others) = parts.split_last().unwrap();
                for part in others {
                    out.encode_fragment(MessageRef::Text(part), &mut wire).unwrap();
                    out.encode_ping(b"Hello", &mut wire).unwrap();
                }
                out.encode_final_fragment(MessageRef::Text(last), &mut wire).unwrap();
                out.encode_ping(b"Hello", &mut wire).unwrap();
                let (controls, data): (Vec<_>, Vec<_>) =
                    frames(&wire).into_iter().partition(|(first, _)| first & 0x08 != 0);
                assert_eq!(controls, vec![(0x89, b"Hello".to_vec()); parts.len()]);
                let (last, others) = data.split_last().unwrap();
                for (index, (first, payload)) in others.iter().enumerate() {
                    assert_eq!(*first, if index == 0 { 0x41 } else { 0x00 }, "{parts:?}");
                    assert!(payload.ends_with(&TAIL), "{payload:02x?}");
                    // The fragments so far decompress to all data that was written so far.
                    let so_far: Vec<u8> = data[..=index].iter().flat_map(|f| f.1.clone()).collect();
                    let so_far = inflate(&so_far[..so_far.len() - 4], &before).unwrap();
                    assert_eq!(so_far.data, parts[..=index].concat().as_bytes());
                }
                assert_eq!(last.0, 0x80);
                assert!(!last.1.ends_with(&TAIL) && !last.1.is_empty());
                let all: Vec<u8> = data.iter().flat_map(|frame| frame.1.clone()).collect();
                assert_eq!(inflate(&all, &before).unwrap().data, parts.concat().as_bytes());
                if params.server.context_takeover {
                    before.extend_from_slice(parts.concat().as_bytes());
                }
            }
        }
    }
}

// proves 7692-6-1, 7692-6.1-8
#[test]
fn control_frames_are_never_compressed() {
    let data = vec![b'a'; 125];
    for role in ROLES {
        let mut out = outbound(role, &usual(), &eager());
        sent(&mut out, "Hello");
        let mut wire = Vec::new();
        out.encode_ping(&data, &mut wire).unwrap();
        out.encode_pong(&data, &mut wire).unwrap();
        let close = CloseFrame::new(tightwire::CloseCode::NORMAL, "a".repeat(123)).unwrap();
        out.encode_close(Some(&close), &mut wire).unwrap();
        let body = [&[0x03, 0xe8], &data[..123]].concat();
        assert_eq!(frames(&wire), [(0x89, data.clone()), (0x8a, data.clone()), (0x88, body)]);
    }
}

/// Returns data that tempts a compressor to refer back too far: it repeats after this many bytes.
fn tempting_data(bits: u8) -> Vec<Vec<u8>> {
    let window = 1_usize << bits;
    let mut data = Vec::new();
    let near = window.saturating_sub(262).max(100);
    for distance in [near, window - 1, window, window + 1] {
        let first = noise(distance, 1);
        data.push([&first[..], &first[..300.min(distance)]].concat());
    }
    data.push(vec![0; 2 * window]);
    data.push(b"some text, again and again; ".repeat(2 * window / 28));
    data
}

/// Sends `data` in one frame and in several, and returns the largest distance of a reference.
fn send_and_inflate(out: &mut Outbound, before: &mut Vec<u8>, data: &[u8]) -> usize {
    let mut largest = 0;
    for part_len in [usize::MAX, 700] {
        let mut wire = Vec::new();
        let count = data.chunks(part_len).count();
        for (index, part) in data.chunks(part_len).enumerate() {
            match index + 1 == count {
                true => out.encode_final_fragment(part.into(), &mut wire).unwrap(),
                false => out.encode_fragment(part.into(), &mut wire).unwrap(),
            }
        }
        let payload: Vec<u8> = frames(&wire).into_iter().flat_map(|frame| frame.1).collect();
        let Inflated { data: inflated, largest_distance, .. } = inflate(&payload, before).unwrap();
        assert!(inflated == data, "other data than was sent");
        largest = largest.max(largest_distance);
        before.extend_from_slice(data);
        before.drain(..before.len().saturating_sub(40_000));
    }
    largest
}

// proves 7692-5-6, 7692-5-10, 7692-6.1-2, 7692-7-3, 7692-7.1.2.1-4, 7692-7.1.2.2-4,
// 7692-7.1.2.2-10, 7692-7.2.1-1, 7692-7.2.1-12, 7692-7.2.1-18, 7692-7.2.1-20
#[test]
fn no_message_refers_back_farther_than_negotiated() {
    for bits in 8..=15_u8 {
        for level in [0, 1, 4, 9] {
            let config = eager().level(level);
            for role in ROLES {
                let param = match role {
                    Role::Client => format!("client_max_window_bits={bits}"),
                    Role::Server => format!("server_max_window_bits={bits}"),
                };
                let extension = format!("permessage-deflate; {param}");
                let params = match role {
                    Role::Client => {
                        verify(slice::from_ref(&config), &[&extension]).unwrap().unwrap()
                    }
                    Role::Server => accept(&[&extension], &config).1.deflate.unwrap(),
                };
                // The other direction is not limited by it.
                let other = if role == Role::Client { params.server } else { params.client };
                assert_eq!(other.window_bits, 15);
                let (mut out, mut before) = (outbound(role, &params, &config), Vec::new());
                let mut largest = 0;
                for data in tempting_data(bits) {
                    largest = largest.max(send_and_inflate(&mut out, &mut before, &data));
                }
                let case = format!("{role:?}, {bits} bits, level {level}: {largest}");
                assert!(largest <= 1 << bits, "{case}");
                // If the window were not used, the test would prove nothing.
                match (level, bits) {
                    (0, _) => assert_eq!(largest, 0, "{case}"),
                    (_, 8) => assert_eq!(largest, 1, "{case}"),
                    _ => assert!(largest >= (1 << bits) - 262, "{case}"),
                }
            }
        }
    }
}

// proves 7692-7.1.2.2-5, 7692-7.2.2-12
#[test]
fn a_client_obeys_its_own_hint_and_the_negotiated_window() {
    for (hint, negotiated, expected) in
        [(15, 9, 9), (9, 12, 9), (9, 15, 9), (12, 10, 10), (8, 15, 8)]
    {
        let config = eager().send_window_bits(hint);
        let answer = format!("permessage-deflate; client_max_window_bits={negotiated}");
        let params = verify(slice::from_ref(&config), &[&answer]).unwrap().unwrap();
        assert_eq!(params.client.window_bits, negotiated);
        let (mut out, mut before) = (outbound(Role::Client, &params, &config), Vec::new());
        for data in tempting_data(expected) {
            let largest = send_and_inflate(&mut out, &mut before, &data);
            assert!(largest <= 1 << expected, "{hint} {negotiated}: {largest}");
        }
    }
}

// proves 7692-7.2.1-12, 7692-7.3-2
#[test]
fn the_default_window_is_the_largest() {
    for role in ROLES {
        let (mut out, mut before) = (outbound(role, &usual(), &DeflateConfig::new()), Vec::new());
        let mut largest = 0;
        for data in tempting_data(15) {
            largest = largest.max(send_and_inflate(&mut out, &mut before, &data));
        }
        assert!((32_000..=32_768).contains(&largest), "{role:?}: {largest}");
    }
}

#[test]
fn runs_are_compressed_with_a_window_of_eight_bits() {
    for role in ROLES {
        let params = agree(
            &eager().send_window_bits(8).recv_window_bits(8),
            &eager().send_window_bits(8).recv_window_bits(8),
        );
        let mut out = outbound(role, &params, &eager());
        let (_, payload) = sent(&mut out, &vec![7; 100_000][..]);
        assert!(payload.len() < 1000, "{}", payload.len());
        assert_eq!(inflate(&payload, b"").unwrap().largest_distance, 1);
    }
}

// proves 7692-7.2.3.3-1
#[test]
fn incompressible_data_grows_only_slightly() {
    for role in ROLES {
        for level in [0, 1, 4, 9] {
            for bits in [8, 9, 15] {
                let config = eager().level(level).send_window_bits(bits);
                let mut out = outbound(role, &usual(), &config);
                for len in [1, 100, 4091, 4096, 20_000, 65_536] {
                    let data = noise(len, 3);
                    let (first, payload) = sent(&mut out, &data[..]);
                    assert_eq!(first, 0xc2);
                    // At level 1 the library does not check whether stored blocks are shorter. With
                    // a small window, the original bytes are no longer there to be stored.
                    let growth = if bits < 15 || level == 1 { len / 16 } else { len / 100 };
                    assert!(payload.len() <= len + growth + 12, "{len}: {}", payload.len());
                    let wire = frame_from(role, first, &payload);
                    let at_peer = inbound(peer(role), &usual(), Limits::default());
                    let outcome = feed_to(at_peer, [&wire[..]]);
                    assert!(outcome.events == [Event::Message(data.into())], "{len}");
                    // The next message must not refer to this one.
                    out = outbound(role, &usual(), &config);
                }
            }
        }
    }
}

#[test]
fn compressed_output_of_any_length_is_complete() {
    // These lengths include those that fill each internal buffer of the compressor exactly.
    for level in [0, 1, 4] {
        let config = eager().level(level);
        let mut out = outbound(Role::Server, &without_takeover(), &config);
        for len in (4070..4110).chain(8170..8200) {
            let data = noise(len, 5);
            let (_, payload) = sent(&mut out, &data[..]);
            assert!(inflate(&payload, b"").unwrap().data == data, "{level} {len}");
        }
    }
}

#[test]
fn levels_above_nine_mean_nine_and_nine_compresses_best() {
    let text: String = (0..3000).map(|i| format!("line {} of {}\n", i * i % 97, i % 13)).collect();
    let len = |level| {
        let config = DeflateConfig::new().level(level);
        sent(&mut outbound(Role::Server, &usual(), &config), &*text).1.len()
    };
    assert_eq!(len(200), len(9));
    assert!(len(0) > text.len() && len(1) < text.len() / 2 && len(9) <= len(1));
}

#[test]
fn later_messages_do_not_refer_to_a_message_that_was_not_sent() {
    let params = usual();
    let mut out = Outbound::client(support::fragile_key)
        .with_deflater(Deflater::new(params.client, &eager()));
    let mut wire = Vec::new();
    out.encode_message("Hello".into(), &mut wire).unwrap();
    let before = wire.clone();
    let_keys_run_out(true);
    assert_eq!(out.encode_message("world".into(), &mut wire), Err(SendError::NoMaskingKey));
    let outcome = out.encode_fragment("wor".into(), &mut wire);
    assert_eq!(outcome, Err(SendError::NoMaskingKey));
    assert_eq!(wire, before, "nothing is written");
    let_keys_run_out(false);
    out.encode_message("world".into(), &mut wire).unwrap();
    // Inside a message, the same part may be sent again.
    out.encode_fragment("Hello".into(), &mut wire).unwrap();
    let_keys_run_out(true);
    let outcome = out.encode_fragment(", world".into(), &mut wire);
    assert_eq!(outcome, Err(SendError::NoMaskingKey));
    let_keys_run_out(false);
    out.encode_final_fragment(", world".into(), &mut wire).unwrap();
    out.encode_message("Hello".into(), &mut wire).unwrap();
    let outcome = feed_to(inbound(Role::Server, &params, Limits::default()), [&wire[..]]);
    let expected = ["Hello", "world", "Hello, world", "Hello"];
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.events, expected.map(|text| Event::Message(text.into())));
}

#[test]
fn a_forbidden_message_is_refused_before_compression() {
    for role in ROLES {
        let mut out = outbound(role, &usual(), &eager());
        let mut wire = Vec::new();
        out.encode_fragment("Hello".into(), &mut wire).unwrap();
        let start = wire.len();
        let refused = Err(SendError::MessageInProgress);
        assert_eq!(out.encode_message("other".into(), &mut wire), refused);
        assert_eq!(out.encode_final_fragment((&b"other"[..]).into(), &mut wire), refused);
        assert_eq!(wire.len(), start);
        out.encode_final_fragment("Hello".into(), &mut wire).unwrap();
        out.encode_close(None, &mut wire).unwrap();
        let start = wire.len();
        assert_eq!(out.encode_message("late".into(), &mut wire), Err(SendError::Closed));
        assert_eq!(wire.len(), start);
        let outcome = feed_to(inbound(peer(role), &usual(), Limits::default()), [&wire[..]]);
        assert_eq!(outcome.events, [Event::Message("HelloHello".into()), Event::Close(None)]);
    }
}

fn config() -> impl Strategy<Value = DeflateConfig> {
    let len = prop_oneof![Just(0), Just(50), Just(128)];
    (0..=9_u8, len, any::<[bool; 2]>(), 8..=15_u8, 8..=15_u8).prop_map(
        |(level, min_len, [send, recv], send_bits, recv_bits)| {
            DeflateConfig::new()
                .level(level)
                .min_len(min_len)
                .send_context_takeover(send)
                .recv_context_takeover(recv)
                .send_window_bits(send_bits)
                .recv_window_bits(recv_bits)
        },
    )
}

/// A message, the lengths of its parts, and whether it may be compressed.
#[derive(Clone, Debug)]
struct Sent {
    message: Message,
    part_lens: Vec<usize>,
    compresses: bool,
    pings: bool,
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        "[ -~]{0,60}".prop_map(Message::from),
        "[abé€🦀]{0,300}".prop_map(Message::from),
        vec(any::<u8>(), 0..400).prop_map(Message::from),
        // Repetitions within one message and across messages.
        (0..3_u32, 0..30_usize).prop_map(|(seed, times)| noise(300, seed).repeat(times).into()),
        (any::<u8>(), 0..40_000_usize).prop_map(|(byte, len)| vec![byte; len].into()),
    ]
}

fn messages() -> impl Strategy<Value = Vec<Sent>> {
    let sent = (message(), vec(0..2000_usize, 0..5), prop::bool::weighted(0.8), any::<bool>());
    vec(
        sent.prop_map(|(message, part_lens, compresses, pings)| Sent {
            message,
            part_lens,
            compresses,
            pings,
        }),
        0..8,
    )
}

impl Sent {
    fn send(&self, out: &mut Outbound, wire: &mut Vec<u8>) {
        out.set_compression(self.compresses);
        let mut rest = MessageRef::from(&self.message);
        for len in &self.part_lens {
            let (part, left) = split(rest, *len);
            out.encode_fragment(part, wire).unwrap();
            if self.pings {
                out.encode_ping(b"between", wire).unwrap();
            }
            rest = left;
        }
        out.encode_final_fragment(rest, wire).unwrap();
    }
}

/// Splits a message. Text is cut between characters, because the API takes only `str`.
fn split(message: MessageRef<'_>, len: usize) -> (MessageRef<'_>, MessageRef<'_>) {
    let mut len = len.min(message.as_bytes().len());
    match message {
        MessageRef::Text(text) => {
            while !text.is_char_boundary(len) {
                len -= 1;
            }
            let (a, b) = text.split_at(len);
            (MessageRef::Text(a), MessageRef::Text(b))
        }
        MessageRef::Binary(data) => {
            let (a, b) = data.split_at(len);
            (MessageRef::Binary(a), MessageRef::Binary(b))
        }
    }
}

/// Decompresses the sent bytes without the library, within the negotiated parameters.
fn assert_readable(wire: &[u8], sent: &[Sent], takes_over: bool, window_bits: u8) {
    let mut before: Vec<u8> = Vec::new();
    let mut messages = sent.iter();
    let (mut payload, mut is_compressed) = (Vec::new(), false);
    for (first, data) in frames(wire) {
        if first & 0x08 != 0 {
            continue;
        }
        if first & 0x0f != 0 {
            is_compressed = first & 0x40 != 0;
        }
        assert_eq!(first & 0x30, 0);
        payload.extend(data);
        if first & 0x80 == 0 {
            continue;
        }
        let expected = messages.next().expect("a message that was sent").message.as_bytes();
        if is_compressed {
            let inflated = inflate(&payload, &before).expect("compressed data");
            assert!(inflated.data == expected);
            assert!(inflated.largest_distance <= 1 << window_bits);
            if takes_over {
                before.extend(inflated.data);
            }
        } else {
            assert!(payload == expected);
        }
        payload.clear();
    }
    assert!(messages.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// With any settings at both ends and any number of parts, messages arrive and respect the
    /// negotiated parameters.
    // proves 7692-5-20, 7692-5-29, 7692-6.1-1, 7692-6.1-2, 7692-6.2-1
    #[test]
    fn messages_arrive_as_they_were_sent(
        client in config(),
        server in config(),
        sent in messages(),
        step in 1..5000_usize,
    ) {
        let params = agree(&client, &server);
        for role in ROLES {
            let (config, coding) = match role {
                Role::Client => (&client, params.client),
                Role::Server => (&server, params.server),
            };
            let mut out = outbound(role, &params, config);
            let mut wire = Vec::new();
            sent.iter().for_each(|sent| sent.send(&mut out, &mut wire));
            assert_readable(&wire, &sent, coding.context_takeover, coding.window_bits);
            let at_peer = inbound(peer(role), &params, limits(1 << 20, 1 << 20, 100));
            let outcome = feed_to(at_peer, wire.chunks(step));
            prop_assert_eq!(outcome.error, None);
            let messages: Vec<_> = outcome
                .events
                .into_iter()
                .filter_map(|event| match event {
                    Event::Message(message) => Some(message),
                    _ => None,
                })
                .collect();
            prop_assert!(messages.iter().eq(sent.iter().map(|sent| &sent.message)));
        }
    }
}

// proves 7692-6.1-6, 7692-7.3-3
#[test]
fn compressed_and_uncompressed_messages_may_alternate() {
    let text = "some text, ".repeat(20);
    for role in ROLES {
        let mut out = outbound(role, &usual(), &DeflateConfig::new());
        let mut wire = Vec::new();
        for message in ["short", &*text, "", &*text, "short"] {
            out.encode_message(message.into(), &mut wire).unwrap();
        }
        let firsts: Vec<_> = frames(&wire).into_iter().map(|(first, _)| first).collect();
        assert_eq!(firsts, [0x81, 0xc1, 0x81, 0xc1, 0x81]);
        let outcome = feed_to(inbound(peer(role), &usual(), Limits::default()), wire.chunks(1));
        let expected = ["short", &*text, "", &*text, "short"];
        assert_eq!(outcome.events, expected.map(|text| Event::Message(text.into())));
    }
}
