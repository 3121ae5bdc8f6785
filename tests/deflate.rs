//! Tests how compressed messages are received (RFC 7692 §6.2, §7.2.2): the examples of the RFC, and
//! valid and invalid forms of DEFLATE.
#![cfg(feature = "deflate")]

mod support;

use ProtocolError as E;
use proptest::collection::vec;
use proptest::prelude::*;
use support::deflate::Item::{Literals, Match};
use support::deflate::{Blocks, accept, agree, inbound, inflate};
use support::{
    Outcome, ROLES, feed_every_way_to, feed_to, frame_from, frames_from, hex, limits, peer,
};
use tightwire::ProtocolError;
use tightwire::deflate::{DeflateConfig, Params};
use tightwire::frame::CloseCode;
use tightwire::protocol::{Event, Limits, Message, MessageRef, Role};

const HELLO: &str = "f2 48 cd c9 c9 07 00";
/// A second "Hello" that refers back to the first one.
const AGAIN: &str = "f2 00 11 00 00";
/// The first bytes of a compressed message in one frame, of its first frame, and of its last one.
const TEXT: u8 = 0xc1;
const BINARY: u8 = 0xc2;
const FIRST: u8 = 0x41;
const LAST: u8 = 0x80;

/// The parameters that two ends with default settings agree on.
fn usual() -> Params {
    agree(&DeflateConfig::new(), &DeflateConfig::new())
}

fn without_takeover() -> Params {
    agree(&DeflateConfig::new().no_context_takeover(), &DeflateConfig::new())
}

/// Returns the outcome of these frames at an end of this role. It is the same for every cut.
#[track_caller]
fn receive(role: Role, params: &Params, frames: &[(u8, Vec<u8>)]) -> Outcome {
    let frames: Vec<_> = frames.iter().map(|(first, payload)| (*first, &payload[..])).collect();
    let wire = frames_from(peer(role), &frames);
    feed_every_way_to(role, || inbound(role, params, Limits::default()), &wire)
}

fn text(text: &str) -> Event {
    Event::Message(Message::from(text))
}

fn binary(data: &[u8]) -> Event {
    Event::Message(Message::from(data))
}

/// Asserts that these frames give exactly these events at both ends.
#[track_caller]
fn assert_events(params: &Params, frames: &[(u8, Vec<u8>)], expected: &[Event]) {
    for role in ROLES {
        assert_eq!(receive(role, params, frames), Outcome::events(expected), "{role:?}");
    }
}

/// Asserts that the last of these frames fails the connection at both ends.
#[track_caller]
fn assert_error(params: &Params, frames: &[(u8, Vec<u8>)], expected: ProtocolError) {
    for role in ROLES {
        let outcome = receive(role, params, frames);
        assert_eq!(outcome.error, Some(expected), "{role:?} {frames:02x?}");
    }
}

/// Frames, each with a first byte and a payload, and the messages that they carry.
type Example = (&'static [(u8, &'static str)], &'static [MessageRef<'static>]);

const EXAMPLES: &[Example] = {
    const ONE: &[MessageRef<'_>] = &[MessageRef::Text("Hello")];
    const TWO: &[MessageRef<'_>] = &[MessageRef::Text("Hello"), MessageRef::Text("Hello")];
    &[
        (&[(TEXT, HELLO)], ONE),
        (&[(BINARY, HELLO)], &[MessageRef::Binary(b"Hello")]),
        (&[(FIRST, "f2 48 cd"), (LAST, "c9 c9 07 00")], ONE),
        (&[(TEXT, HELLO), (TEXT, HELLO)], TWO),
        (&[(TEXT, HELLO), (TEXT, AGAIN)], TWO),
        (&[(TEXT, "00 05 00 fa ff 48 65 6c 6c 6f 00")], ONE),
        (&[(TEXT, "f3 48 cd c9 c9 07 00 00")], ONE),
        (&[(TEXT, "f2 48 05 00 00 00 ff ff ca c9 c9 07 00")], ONE),
        (&[(TEXT, "00")], &[MessageRef::Text("")]),
        (&[(BINARY, "00")], &[MessageRef::Binary(b"")]),
        (&[(FIRST, "f2 48 cd c9 c9 07 00 00 00 ff ff"), (LAST, "00")], ONE),
        // Uncompressed messages may come between compressed ones, and do not enter the window.
        (
            &[(TEXT, HELLO), (0x81, "776f726c64"), (TEXT, AGAIN)],
            &[MessageRef::Text("Hello"), MessageRef::Text("world"), MessageRef::Text("Hello")],
        ),
        (
            &[(TEXT, HELLO), (0x01, "776f"), (0x80, "726c64"), (0x82, "ff"), (TEXT, AGAIN)],
            &[
                MessageRef::Text("Hello"),
                MessageRef::Text("world"),
                MessageRef::Binary(b"\xff"),
                MessageRef::Text("Hello"),
            ],
        ),
    ]
};

// proves 7692-5-8, 7692-5-13, 7692-5-29, 7692-6-2, 7692-6-3, 7692-6-4, 7692-6-5, 7692-6.1-13,
// 7692-6.2-1, 7692-6.2-2, 7692-6.2-3, 7692-6.2-4, 7692-6.2-6, 7692-6.2-7, 7692-7-1,
// 7692-7.1.1.1-4, 7692-7.1.1.2-8, 7692-7.2.1-4, 7692-7.2.1-5, 7692-7.2.1-6, 7692-7.2.1-9,
// 7692-7.2.2-1, 7692-7.2.2-2, 7692-7.2.2-4, 7692-7.2.2-6, 7692-7.2.3.1-1, 7692-7.2.3.2-1,
// 7692-7.2.3.3-1, 7692-7.2.3.4-1, 7692-7.2.3.6-1
#[test]
fn the_examples_of_the_rfc_are_decompressed() {
    for (frames, expected) in EXAMPLES {
        let frames: Vec<_> = frames.iter().map(|(first, data)| (*first, hex(data))).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|message| match message {
                MessageRef::Text(data) => text(data),
                MessageRef::Binary(data) => binary(data),
            })
            .collect();
        assert_events(&usual(), &frames, &expected);
    }
}

// proves 7692-6-3, 7692-6.2-2, 7692-7.2.1-9
#[test]
fn compressed_data_may_be_split_into_frames_anywhere() {
    let data = hex(HELLO);
    for a in 0..=data.len() {
        for b in a..=data.len() {
            let frames = [
                (FIRST, data[..a].to_vec()),
                (0x00, data[a..b].to_vec()),
                (LAST, data[b..].to_vec()),
            ];
            assert_events(&usual(), &frames, &[text("Hello")]);
        }
    }
}

// proves 7692-6-1, 7692-6-3
#[test]
fn control_frames_may_stand_between_the_frames_of_a_compressed_message() {
    let frames = [
        (FIRST, hex("f2 48")),
        (0x89, b"ping".to_vec()),
        (0x00, hex("cd c9")),
        // The payload of this Pong looks compressed, but is not.
        (0x8a, hex(HELLO)),
        (LAST, hex("c9 07 00")),
        (TEXT, hex(AGAIN)),
        (0x88, hex("03e8")),
    ];
    for role in ROLES {
        let outcome = receive(role, &usual(), &frames);
        let [ping, pong, hello, again, close] = &outcome.events[..] else { panic!("{outcome:?}") };
        assert_eq!(ping, &Event::Ping(b"ping".to_vec()));
        assert_eq!(pong, &Event::Pong(hex(HELLO)));
        assert_eq!((hello, again), (&text("Hello"), &text("Hello")));
        assert!(matches!(close, Event::Close(Some(_))));
        assert_eq!(outcome.error, None);
    }
}

// proves 7692-7.2.1-4, 7692-7.2.1-5
#[test]
fn all_types_of_blocks_are_read() {
    let expected: String = (0..40_usize)
        .map(|i| {
            let letter = &"abcdefghij"[i % 10..=i % 10];
            format!("line {i}: {} {}\n", letter.repeat(i * 7 % 5 + 1), i * i)
        })
        .collect();
    // A single block with dynamic codes, made by zlib 1.2.13.
    let dynamic = hex("44d1417284300c04c07b5e314f40926db07f13b21b426a2bff3f062c8dd627542aa4f6f875\
         fe3db10c7c62f978dddf32b0ef3bc42b1df8ba0f8ad736f078a07b51069ed78134afebc037b47ad1068ee3\
         80456f1df8b90f4afcbc0d9c275acced03bfd7c1167b659264218a2a653f61526284b84d5a2c90e4f53088\
         032994206a653f91ba7188334db984506b4c684a0ba51ad252d87f47b8c5107569d558a294d635243aa58d\
         520d69cb7e4ad71ce2d2359764a494d894764a2da49d37b177a60bef6b11eac2402c5315c666132b99ab85\
         5694c15b72c5f83ce6deebf9b88a60a9d72bff03");
    assert_eq!(inflate(&dynamic, b"").unwrap().blocks, [2, 0]);
    assert_events(&usual(), &[(TEXT, dynamic)], &[text(&expected)]);
    let mixed = Blocks::new()
        .stored(false, b"Hel")
        .fixed(false, &[Literals(b"lo, "), Match { len: 3, distance: 7 }])
        .stored(false, b"")
        .fixed(false, &[])
        .stored(false, b"lo")
        .payload();
    assert_events(&usual(), &[(TEXT, mixed)], &[text("Hello, Hello")]);
    // More bytes than one stored block can hold.
    let long = vec![0xa5; 0x1_0003];
    let stored = Blocks::new().stored(false, &long).payload();
    for role in ROLES {
        let wire = frame_from(peer(role), BINARY, &stored);
        for step in [100, 8192, wire.len()] {
            let inbound = inbound(role, &usual(), Limits::default());
            assert!(feed_to(inbound, wire.chunks(step)) == Outcome::events([binary(&long)]));
        }
    }
}

// proves 7692-7.2.1-6, 7692-7.2.1-7, 7692-7.2.1-8, 7692-7.2.3.4-1
#[test]
fn more_blocks_may_follow_a_final_block() {
    let cases: &[(Blocks, &str)] = &[
        (Blocks::new().stored(true, b"Hello"), "Hello"),
        (Blocks::new().fixed(true, &[Literals(b"Hello")]), "Hello"),
        (Blocks::new().fixed(true, &[]), ""),
        (Blocks::new().stored(true, b"").stored(true, b"").fixed(true, &[]), ""),
        (Blocks::new().fixed(true, &[Literals(b"Hel")]).stored(true, b"lo"), "Hello"),
        // Later blocks refer back to earlier ones.
        (
            Blocks::new()
                .fixed(true, &[Literals(b"Hello, ")])
                .fixed(true, &[Match { len: 5, distance: 7 }])
                .fixed(false, &[Match { len: 5, distance: 5 }]),
            "Hello, HelloHello",
        ),
        (
            Blocks::new().stored(true, b"abc").fixed(false, &[Match { len: 258, distance: 3 }]),
            &"abc".repeat(87),
        ),
    ];
    for (blocks, expected) in cases {
        for params in [usual(), without_takeover()] {
            // The empty block that ends every message may be marked as final too.
            let payloads = [blocks.clone().payload(), blocks.clone().raw(1, 3).bytes()];
            for payload in payloads {
                assert_eq!(inflate(&payload, b"").unwrap().data, expected.as_bytes());
                assert_events(&params, &[(TEXT, payload)], &[text(expected)]);
            }
        }
    }
}

// proves 7692-7.2.1-6, 7692-7.2.2-4, 7692-7.2.2-6
#[test]
fn messages_refer_back_across_final_blocks() {
    let back = |len, distance| Blocks::new().fixed(false, &[Match { len, distance }]);
    let frames = [
        (TEXT, Blocks::new().fixed(true, &[Literals(b"Hello")]).payload()),
        (TEXT, back(5, 5).payload()),
        (TEXT, Blocks::new().stored(true, b", ").payload()),
        (TEXT, back(12, 12).raw(1, 3).bytes()),
        (TEXT, back(24, 24).payload()),
    ];
    let expected = ["Hello", "Hello", ", ", "HelloHello, ", "HelloHello, HelloHello, "].map(text);
    assert_events(&usual(), &frames, &expected);
    // The first final block may be the empty one at the end of the message.
    let hello = Blocks::new().fixed(false, &[Literals(b"Hello")]).raw(1, 3).bytes();
    let frames = [(TEXT, hello), (TEXT, back(5, 5).payload()), (TEXT, back(5, 10).payload())];
    assert_events(&usual(), &frames, &[text("Hello"), text("Hello"), text("Hello")]);
    // Nothing is kept from before the message that contains the first final block.
    let last = || (TEXT, Blocks::new().fixed(true, &[Match { len: 5, distance: 5 }]).payload());
    let frames = [(TEXT, hex(HELLO)), last(), (TEXT, back(5, 5).payload())];
    assert_events(&usual(), &frames, &[text("Hello"), text("Hello"), text("Hello")]);
    let frames = [(TEXT, hex(HELLO)), last(), (TEXT, back(5, 10).payload())];
    assert_error(&usual(), &frames, E::InvalidDeflate);
}

// proves 7692-5-14, 7692-7.2.2-9, 7692-7.2.2-11
#[test]
fn a_final_block_keeps_the_whole_window() {
    // Each message is longer than the history that is kept.
    let back = Blocks::new().fixed(true, &[Match { len: 3, distance: 32_768 }]).payload();
    let params = usual();
    let all: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let cases = ROLES.into_iter().flat_map(|role| [(role, 100_000), (role, 66_000)]);
    for (role, len) in cases {
        let long = &all[..len];
        let from = len - 32_768;
        let frames = [
            (BINARY, Blocks::new().stored(true, long).payload()),
            (BINARY, back.clone()),
            (BINARY, back.clone()),
        ];
        let wire: Vec<u8> = frames
            .iter()
            .flat_map(|(first, payload)| frame_from(peer(role), *first, payload))
            .collect();
        for step in [100, 8192, wire.len()] {
            let outcome = feed_to(inbound(role, &params, Limits::default()), wire.chunks(step));
            let expected =
                [binary(long), binary(&long[from..from + 3]), binary(&long[from + 3..from + 6])];
            assert_eq!(outcome.error, None, "{role:?} {step}");
            assert!(outcome.events == expected, "{role:?} {step}");
        }
    }
}

// proves 7692-7-15, 7692-7.1.1.1-3, 7692-7.1.1.2-7, 7692-7.2.2-3, 7692-7.2.2-5
#[test]
fn without_context_takeover_messages_cannot_refer_to_each_other() {
    let hello = || (TEXT, hex(HELLO));
    assert_events(&without_takeover(), &[hello(), hello()], &[text("Hello"), text("Hello")]);
    let last = || (TEXT, hex("f3 48 cd c9 c9 07 00 00"));
    for first in [hello(), last()] {
        assert_error(&without_takeover(), &[first, (TEXT, hex(AGAIN))], E::InvalidDeflate);
    }
    // Each direction has its own setting.
    let params = agree(&DeflateConfig::new().recv_context_takeover(false), &DeflateConfig::new());
    let frames = [hello(), (TEXT, hex(AGAIN))];
    assert_eq!(receive(Role::Client, &params, &frames).error, Some(E::InvalidDeflate));
    let expected = Outcome::events([text("Hello"), text("Hello")]);
    assert_eq!(receive(Role::Server, &params, &frames), expected);
}

// proves 7692-7.2.1-15
#[test]
fn a_hint_that_was_not_accepted_does_not_bind() {
    // A server may keep its window if its response does not repeat the hint.
    let answer = ["permessage-deflate"];
    let config = [DeflateConfig::new().send_context_takeover(false)];
    let params = support::deflate::verify(&config, &answer).unwrap().unwrap();
    let frames = [(TEXT, hex(HELLO)), (TEXT, hex(AGAIN))];
    let expected = Outcome::events([text("Hello"), text("Hello")]);
    assert_eq!(receive(Role::Server, &params, &frames), expected);
}

// proves 7692-5-9, 7692-5-14, 7692-7.1.2.1-6, 7692-7.1.2.2-12, 7692-7.2.2-9, 7692-7.2.2-11
#[test]
fn messages_may_refer_back_as_far_as_negotiated() {
    let before: Vec<u8> = (0..50_000_u32).map(|i| (i.wrapping_mul(i) >> 9) as u8).collect();
    for role in ROLES {
        for bits in 8..=15 {
            let config = match role {
                Role::Client => DeflateConfig::new().send_window_bits(bits),
                Role::Server => DeflateConfig::new().recv_window_bits(bits),
            };
            let offer = "permessage-deflate; client_max_window_bits";
            let params = accept(&[offer], &config).1.deflate.expect("agreed");
            // Larger distances than negotiated are accepted, because zlib uses 9 bits in place of
            // 8, and the window always has the maximum size.
            for distance in [1 << bits, (1 << bits) + 1, 32_768] {
                let distance = distance.min(32_768);
                let stored = Blocks::new().stored(false, &before).payload();
                let items = [Match { len: 4, distance }, Literals(b"!")];
                let back = Blocks::new().fixed(false, &items).payload();
                let wire = frames_from(peer(role), &[(BINARY, &stored), (BINARY, &back)]);
                let from = before.len() - distance;
                let data = [&before[from..from + 4], b"!"].concat();
                let expected = Outcome::events([binary(&before), binary(&data)]);
                for step in [500, 1_000_000] {
                    let inbound = inbound(role, &params, Limits::default());
                    let outcome = feed_to(inbound, wire.chunks(step));
                    assert!(outcome == expected, "{role:?} {bits} {distance} {step}");
                }
            }
        }
    }
}

// proves 7692-6-1, 7692-6.1-8, 7692-6.1-10, 7692-6.1-11
#[test]
fn rsv1_is_valid_only_on_the_first_frame_of_a_message() {
    for first in [0xc9, 0xca, 0xc8] {
        assert_error(&usual(), &[(first, Vec::new())], E::ReservedBits);
        assert_error(&usual(), &[(first, hex("03e8"))], E::ReservedBits);
        assert_error(&usual(), &[(FIRST, hex(HELLO)), (first, Vec::new())], E::ReservedBits);
    }
    for (first, data) in [(FIRST, "f2 48 cd"), (0x42, "f2 48 cd"), (0x01, "48"), (0x02, "48")] {
        for next in [0x40, 0xc0] {
            let frames = [(first, hex(data)), (next, hex("c9 c9 07 00"))];
            assert_error(&usual(), &frames, E::ReservedBits);
        }
    }
    // RSV2 and RSV3 are errors with RSV1 and without it.
    for first in [0xa1, 0x91, 0xe1, 0xd1, 0xf1] {
        assert_error(&usual(), &[(first, hex(HELLO))], E::ReservedBits);
    }
    assert_error(&usual(), &[(0xc3, hex(HELLO))], E::ReservedOpcode(3));
    assert_error(&usual(), &[(FIRST, hex(HELLO)), (TEXT, hex(HELLO))], E::ExpectedContinuation);
    assert_error(&usual(), &[(0x80, hex(HELLO))], E::UnexpectedContinuation);
    assert_eq!(CloseCode::from(E::ReservedBits), CloseCode::PROTOCOL_ERROR);
}

// proves 7692-5-27
#[test]
fn compressed_frames_are_refused_without_negotiation() {
    for role in ROLES {
        let wire = frame_from(peer(role), TEXT, &hex(HELLO));
        support::assert_fails(role, Limits::default(), &wire, E::ReservedBits);
    }
}

/// Payloads that are not valid compressed messages, each with its fault.
fn invalid() -> Vec<(&'static str, Vec<u8>)> {
    let literals = |data| Blocks::new().fixed(false, &[Literals(data)]);
    let code = |symbol, len| literals(b"abc").raw(0b010, 3).raw(symbol, len).payload();
    vec![
        ("nothing at all", Vec::new()),
        ("block type 3", Blocks::new().raw(0b110, 3).payload()),
        ("block type 3 at the end", literals(b"Hello").raw(0b110, 3).bytes()),
        ("last block type 3", Blocks::new().raw(0b111, 3).payload()),
        ("stored lengths that differ", hex("00 05 00 fa fe 48 65 6c 6c 6f 00")),
        ("more announced than is stored", hex("00 05 00 fa ff 48 65 6c 6c")),
        (
            "before the start",
            Blocks::new().fixed(false, &[Match { len: 3, distance: 1 }]).payload(),
        ),
        (
            "one byte before the start",
            Blocks::new()
                .fixed(false, &[Literals(b"abc"), Match { len: 3, distance: 4 }])
                .payload(),
        ),
        // Lengths 286 and 287, written from the most significant bit.
        ("no such length", code(0b0110_0011, 8)),
        ("no such length", code(0b1110_0011, 8)),
        // Length 3 with the distances 30 and 31.
        ("no such distance", code(0b01111 << 7 | 0b1_000_000, 12)),
        ("no such distance", code(0b11111 << 7 | 0b1_000_000, 12)),
        ("no end of the block", Blocks::new().raw(0b010, 3).raw(0, 1).raw(0xff, 8).bytes()),
        ("a final block without a block after it", hex("f3 48 cd c9 c9 07 00")),
        ("whole, with the tail", hex("f2 48 cd c9 c9 07 00 00 00 ff ff")),
        ("the end of the block in the tail", Blocks::new().raw(0b010, 3).bytes()),
        ("too many lengths", Blocks::new().raw(0b100, 3).raw(31, 5).raw(31, 5).raw(15, 4).bytes()),
        (
            "a repetition of nothing",
            // Of the code length codes, only 16 and 17 have a code, of one bit.
            Blocks::new().raw(0b100, 3).raw(0, 14).raw(1 | 1 << 3, 12).raw(0, 40).payload(),
        ),
        ("zlib's header", hex("78 9c f2 48 cd c9 c9 07 00")),
        ("text", b"Hello, world".to_vec()),
        ("ones", vec![0xff; 20]),
    ]
}

// proves 7692-7.2.2-2, 7692-7.3-1
#[test]
fn invalid_compressed_data_fails_the_connection() {
    for (what, payload) in invalid() {
        assert!(inflate(&payload, b"").is_err(), "{what}");
        for params in [usual(), without_takeover()] {
            for first in [TEXT, BINARY] {
                assert_error(&params, &[(first, payload.clone())], E::InvalidDeflate);
                let (a, b) = payload.split_at(payload.len() / 2);
                let frames = [(first & 0x7f, a.to_vec()), (LAST, b.to_vec())];
                assert_error(&params, &frames, E::InvalidDeflate);
                // The same payload after a valid message. The window does not make it valid.
                if what != "before the start" && what != "one byte before the start" {
                    let frames = [(TEXT, hex(HELLO)), (first, payload.clone())];
                    assert_error(&params, &frames, E::InvalidDeflate);
                }
            }
        }
    }
    assert_eq!(CloseCode::from(E::InvalidDeflate), CloseCode::INVALID_PAYLOAD);
    assert!(E::InvalidDeflate.to_string().ends_with("(RFC 7692 §7.2.2)"));
}

// proves 7692-7.2.2-2, 7692-7.2.3.6-1
#[test]
fn a_truncated_compressed_message_fails_the_connection() {
    let mut stored = Blocks::new().stored(false, b"Hello").payload();
    let payloads = [
        hex(HELLO),
        hex("f3 48 cd c9 c9 07 00 00"),
        hex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"),
        std::mem::take(&mut stored),
        Blocks::new()
            .fixed(false, &[Literals(b"Hello, "), Match { len: 100, distance: 7 }])
            .payload(),
    ];
    let mut failures = 0;
    for payload in payloads {
        for len in 0..payload.len() {
            let cut = payload[..len].to_vec();
            // Rarely, the truncated payload happens to be complete.
            match inflate(&cut, b"") {
                Ok(whole) => assert_events(&usual(), &[(BINARY, cut)], &[binary(&whole.data)]),
                Err(_) => {
                    assert_error(&usual(), &[(BINARY, cut)], E::InvalidDeflate);
                    failures += 1;
                }
            }
        }
    }
    assert!(failures > 40, "{failures}");
}

// proves 7692-6.1-13, 7692-6.1-14
#[test]
fn text_is_checked_after_decompression() {
    let literals = |data| Blocks::new().fixed(false, &[Literals(data)]).payload();
    for bad in [&b"\xc3\x28"[..], b"Hello \xff", b"\xed\xa0\x80", b"cut \xe2\x82", b"\xc3"] {
        assert_error(&usual(), &[(TEXT, literals(bad))], E::InvalidUtf8);
        assert_events(&usual(), &[(BINARY, literals(bad))], &[binary(bad)]);
    }
    // Characters may be split by frames, blocks and references.
    let euro = "\u{20ac}".as_bytes();
    let items = [Literals(&euro[..2]), Literals(&euro[2..]), Match { len: 9, distance: 3 }];
    let payload = Blocks::new()
        .stored(false, &euro[..1])
        .fixed(true, &[Literals(&euro[1..2])])
        .stored(false, &euro[2..])
        .fixed(false, &items)
        .payload();
    let expected = text(&"\u{20ac}".repeat(5));
    for cut in 0..=payload.len() {
        let frames = [(FIRST, payload[..cut].to_vec()), (LAST, payload[cut..].to_vec())];
        assert_events(&usual(), &frames, std::slice::from_ref(&expected));
    }
}

// proves 7692-6.1-14
#[test]
fn invalid_text_and_data_fail_before_the_message_ends() {
    let bad_text = Blocks::new().stored(false, b"Hello \xff and more").payload();
    let bad_data = Blocks::new().stored(false, b"Hello").raw(0b110, 3).raw(0, 64).bytes();
    for (payload, error) in [(bad_text, E::InvalidUtf8), (bad_data, E::InvalidDeflate)] {
        assert_error(&usual(), &[(FIRST, payload.clone())], error);
        for role in ROLES {
            // The frame itself is incomplete.
            let mut wire = frame_from(peer(role), FIRST, &[&payload[..], &[0; 100]].concat());
            wire.truncate(wire.len() - 100);
            let outcome =
                feed_every_way_to(role, || inbound(role, &usual(), Limits::default()), &wire);
            assert_eq!(outcome, Outcome::error(error), "{role:?}");
        }
    }
}

/// The compressed data has its error right after a byte that it produces, so the decompressor
/// returns the byte first. The next frame has an error too.
#[test]
fn invalid_data_at_the_end_of_a_frame_is_reported_before_the_next_frame() {
    let data = "2c8f410a45310803afd2ab4da9d885828bdc9f4ffafe462a89498718d851bd76955d";
    let frames = [(0x42, hex(data)), (0x83, vec![])];
    assert_error(&usual(), &frames, E::InvalidDeflate);
    assert_error(&usual(), &frames[..1], E::InvalidDeflate);
}

// proves 7692-7.2.3.6-1
/// With two faults, the earlier one is reported, no matter where the bytes are cut.
#[test]
fn the_first_fault_in_the_text_decides_between_utf8_and_limit() {
    const LIMIT: usize = 6;
    let too_big = E::MessageTooBig { limit: LIMIT as u64 };
    let cases: [(&[u8], E); 5] = [
        (b"abc\xffdefghijk", E::InvalidUtf8),
        (b"abcde\xfffghijk", E::InvalidUtf8),
        (b"abcdef\xffghijk", too_big),
        (b"abcde\xe2\x82\xac", too_big),
        (b"abcde\xe2(", too_big),
    ];
    for (data, error) in cases {
        let stored = Blocks::new().stored(false, data).payload();
        let fixed = Blocks::new().fixed(false, &[Literals(data)]).payload();
        for (payload, role) in [(&stored, ROLES[0]), (&fixed, ROLES[0]), (&fixed, ROLES[1])] {
            let wire = frame_from(peer(role), TEXT, payload);
            let new = || inbound(role, &usual(), limits(LIMIT, 1 << 20, 1000));
            assert_eq!(feed_every_way_to(role, new, &wire), Outcome::error(error), "{data:?}");
        }
    }
}

#[test]
fn empty_messages_and_fragments_are_decompressed() {
    let done = || Event::Message(Message::from(""));
    assert_events(&usual(), &[(TEXT, hex("00")), (TEXT, hex("00"))], &[done(), done()]);
    // The last fragment may be empty if the data before it is complete without its tail.
    let frames = [(FIRST, hex(HELLO)), (0x00, Vec::new()), (LAST, Vec::new())];
    assert_events(&usual(), &frames, &[text("Hello")]);
    // A compressed message without any byte is invalid, because its tail alone does not complete a
    // block.
    let nothing = (TEXT, Vec::new());
    assert_error(&usual(), std::slice::from_ref(&nothing), E::InvalidDeflate);
    assert_error(&usual(), &[(TEXT, hex(HELLO)), nothing.clone()], E::InvalidDeflate);
    assert_error(&without_takeover(), &[(TEXT, hex(HELLO)), nothing], E::InvalidDeflate);
    assert_error(&usual(), &[(FIRST, Vec::new()), (LAST, Vec::new())], E::InvalidDeflate);
    let last = (TEXT, hex("f3 48 cd c9 c9 07 00 00"));
    assert_error(&usual(), &[last, (TEXT, Vec::new())], E::InvalidDeflate);
}

#[test]
fn message_limits_apply_to_decompressed_data() {
    const LIMIT: usize = 1000;
    let limits = limits(LIMIT, 1 << 20, 1000);
    let payload = |len: usize| {
        let letters = vec![b'a'; 1 + (len - 1) % 258];
        let mut items = vec![Literals(&letters)];
        items.resize(1 + (len - 1) / 258, Match { len: 258, distance: 1 });
        Blocks::new().fixed(false, &items).payload()
    };
    for role in ROLES {
        for first in [TEXT, BINARY] {
            let receive =
                |wire: &[u8]| feed_every_way_to(role, || inbound(role, &usual(), limits), wire);
            for (len, passes) in
                [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false), (99_999, false)]
            {
                let data = payload(len);
                assert!(data.len() < LIMIT, "{len}");
                let whole = receive(&frame_from(peer(role), first, &data));
                let (a, b) = data.split_at(data.len() / 2);
                let halves = receive(&frames_from(peer(role), &[(first & 0x7f, a), (LAST, b)]));
                for outcome in [whole, halves] {
                    match &outcome.events[..] {
                        [Event::Message(message)] if passes => assert_eq!(message.len(), len),
                        _ => assert_eq!(
                            outcome,
                            Outcome::error(E::MessageTooBig { limit: LIMIT as u64 })
                        ),
                    }
                }
            }
            // The count starts at zero for each message. The compressed data may be longer than the
            // limit.
            let data = payload(LIMIT);
            let wire =
                frames_from(peer(role), &[(first, &data), (first, &data), (0x82, &[0; LIMIT])]);
            assert_eq!(receive(&wire).events.len(), 3);
            let padded = [&hex("00 00 00 ff ff").repeat(300)[..], &hex("00")].concat();
            assert_eq!(receive(&frame_from(peer(role), first, &padded)).events.len(), 1);
            // With a limit of zero, only empty messages pass.
            let none = support::limits(0, 1 << 20, 1000);
            let receive = |data: &[u8]| {
                let wire = frame_from(peer(role), first, data);
                feed_every_way_to(role, || inbound(role, &usual(), none), &wire)
            };
            assert_eq!(receive(&hex("00")).events.len(), 1);
            assert_eq!(receive(&hex(HELLO)), Outcome::error(E::MessageTooBig { limit: 0 }));
        }
    }
    assert_eq!(CloseCode::from(E::MessageTooBig { limit: 0 }), CloseCode::MESSAGE_TOO_BIG);
}

#[test]
fn frame_limits_apply_to_compressed_data() {
    for role in ROLES {
        let receive = |limits, frames: &[(u8, &[u8])]| {
            let wire = frames_from(peer(role), frames);
            feed_every_way_to(role, || inbound(role, &usual(), limits), &wire).error
        };
        let data = hex(HELLO);
        assert_eq!(receive(limits(100, 7, 1), &[(TEXT, &data)]), None);
        let error = receive(limits(100, 6, 1), &[(TEXT, &data)]);
        assert_eq!(error, Some(E::FrameTooBig { limit: 6 }));
        let frames = [(FIRST, &data[..3]), (LAST, &data[3..])];
        let error = receive(limits(100, 7, 1), &frames);
        assert_eq!(error, Some(E::TooManyFragments { limit: 1 }));
    }
}

#[test]
fn parts_of_a_message_can_be_taken_before_its_end() {
    for role in ROLES {
        let mut inbound = inbound(role, &usual(), limits(12, 100, 10));
        let mut taken = Vec::new();
        let frames = [
            (FIRST, Blocks::new().stored(false, b"Hello, \xe2").bytes()),
            (0x00, Blocks::new().stored(false, b"\x82\xac").bytes()),
            (LAST, Blocks::new().stored(false, b"!").payload()),
        ];
        let mut events = Vec::new();
        for (first, payload) in frames {
            let wire = frame_from(peer(role), first, &payload);
            events.extend(inbound.next_event(&mut &wire[..]).unwrap());
            inbound.take_partial(&mut taken);
            let text = String::from_utf8_lossy(&taken);
            assert!("Hello, \u{20ac}".starts_with(&*text), "{text}");
        }
        assert_eq!(String::from_utf8(taken).unwrap(), "Hello, \u{20ac}");
        assert_eq!(events, [text("!")], "the rest only");
        // Bytes that were already taken count towards the limit.
        let frames = [
            (FIRST, Blocks::new().stored(false, b"Hello, world").bytes()),
            (LAST, Blocks::new().stored(false, b"!").payload()),
        ];
        let mut error = None;
        for (first, payload) in frames {
            let wire = frame_from(peer(role), first, &payload);
            error = inbound.next_event(&mut &wire[..]).err();
            inbound.take_partial(&mut Vec::new());
        }
        assert_eq!(error, Some(E::MessageTooBig { limit: 12 }));
    }
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let block = (0..4_u8, any::<bool>(), vec(any::<u8>(), 0..20), 3..258_usize, 1..64_usize);
    let blocks = vec(block, 0..6).prop_map(|blocks| {
        let mut made = Blocks::new();
        for (kind, is_final, data, len, distance) in blocks {
            made = match kind {
                0 => made.stored(is_final, &data),
                1 => made.fixed(is_final, &[Literals(&data)]),
                2 => made.fixed(is_final, &[Literals(&data), Match { len, distance }]),
                _ => made.fixed(is_final, &[]),
            };
        }
        made.payload()
    });
    let bent = (blocks.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut payload, place, byte)| {
            let place = place.index(payload.len());
            payload[place] = byte;
            payload
        },
    );
    prop_oneof![3 => blocks, 2 => bent, 2 => vec(any::<u8>(), 0..200)]
}

proptest! {
    /// The library and the decompressor of these tests agree on which payloads are valid, and on
    /// the content of the valid ones.
    // proves 7692-7.2.2-2
    #[test]
    fn arbitrary_compressed_data_gives_a_message_or_an_error(
        payload in payloads(),
        steps in 1..50_usize,
    ) {
        let by_hand = inflate(&payload, b"");
        for role in ROLES {
            let wire = frame_from(peer(role), BINARY, &payload);
            let outcome =
                feed_to(inbound(role, &usual(), limits(1000, 1000, 10)), wire.chunks(steps));
            match (&by_hand, &outcome.events[..]) {
                (Ok(expected), [event]) => {
                    prop_assert_eq!(event, &binary(&expected.data));
                    prop_assert!(expected.data.len() <= 1000);
                }
                (Ok(expected), []) if expected.data.len() > 1000 => {
                    prop_assert_eq!(outcome.error, Some(E::MessageTooBig { limit: 1000 }));
                }
                // The decompressor of these tests accepts more dynamic codes than the library.
                (Ok(expected), []) => prop_assert!(expected.blocks.contains(&2)),
                (Err(_), []) => prop_assert!(outcome.error.is_some()),
                (_, events) => prop_assert!(false, "{events:?}"),
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random frames do no harm, and how they are cut makes no difference.
    #[test]
    fn cuts_do_not_change_how_random_frames_are_read(
        frames in vec((prop::sample::select(vec![0xc1, 0xc2, 0x41, 0x42, 0x00, 0x80, 0x81, 0x89]), payloads()), 0..5),
    ) {
        for role in ROLES {
            let frames: Vec<_> = frames.iter().map(|(first, payload)| (*first, &payload[..payload.len().min(125)])).collect();
            let wire = frames_from(peer(role), &frames);
            feed_every_way_to(role, || inbound(role, &usual(), limits(3000, 1000, 10)), &wire);
        }
    }
}
