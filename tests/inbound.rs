//! Tests the frames that a peer may send, and their events and errors (§5, §6.2, §8.1, §10.4). Each
//! rule is tested at both ends, with the input cut in every way.

mod support;

use ProtocolError as E;
#[cfg(target_pointer_width = "64")]
use support::{KEY, no_limits};
use support::{
    Outcome, ROLES, assert_fails, feed, feed_every_way, frame_from, frames_from, header_from, hex,
    limits, naive_mask, peer,
};
use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame, MaskingKey};
use tightwire::protocol::{Event, Inbound, Limits, Message, Role};

fn text(text: &str) -> Event {
    Event::Message(Message::from(text))
}

fn binary(data: &[u8]) -> Event {
    Event::Message(Message::from(data.to_vec()))
}

/// Asserts that these frames of the peer give these events at both ends.
#[track_caller]
fn assert_events(frames: &[(u8, &[u8])], events: &[Event]) {
    for role in ROLES {
        let wire = frames_from(peer(role), frames);
        let outcome = feed_every_way(role, Limits::default(), &wire);
        assert_eq!(outcome, Outcome::events(events), "{role:?} {frames:02x?}");
    }
}

/// Asserts that these frames of the peer give these events and then this error.
#[track_caller]
fn assert_broken(frames: &[(u8, &[u8])], events: &[Event], error: ProtocolError) {
    assert_broken_with(Limits::default(), frames, events, error);
}

#[track_caller]
fn assert_broken_with(
    limits: Limits,
    frames: &[(u8, &[u8])],
    events: &[Event],
    error: ProtocolError,
) {
    for role in ROLES {
        let wire = frames_from(peer(role), frames);
        let seen = assert_fails(role, limits, &wire, error);
        assert_eq!(seen, events, "{role:?} {frames:02x?}");
    }
}

// proves 6455-5.1-3, 6455-5.1-4
#[test]
fn a_server_refuses_every_frame_that_is_not_masked() {
    for first in [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a] {
        for payload in [&b""[..], b"\x03\xe8"] {
            let wire = frame_from(Role::Server, first, payload);
            assert_fails(Role::Server, Limits::default(), &wire, E::Unmasked);
        }
    }
    let started = frame_from(Role::Client, 0x01, b"masked, ");
    let wire = [started, frame_from(Role::Server, 0x80, b"then not")].concat();
    assert_fails(Role::Server, Limits::default(), &wire, E::Unmasked);
}

// proves 6455-5.1-6, 6455-5.1-7
#[test]
fn a_client_refuses_every_masked_frame() {
    for first in [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a] {
        for payload in [&b""[..], b"\x03\xe8"] {
            let wire = frame_from(Role::Client, first, payload);
            assert_fails(Role::Client, Limits::default(), &wire, E::Masked);
        }
    }
    let zero_key = hex("81 80 00000000");
    assert_fails(Role::Client, Limits::default(), &zero_key, E::Masked);
    let started = frame_from(Role::Server, 0x01, b"not masked, ");
    let wire = [started, frame_from(Role::Client, 0x80, b"then masked")].concat();
    assert_fails(Role::Client, Limits::default(), &wire, E::Masked);
}

// proves 6455-5.2-30, 6455-5.3-7
#[test]
fn every_masking_key_is_accepted() {
    for key in [[0; 4], [0xff; 4], [0, 0, 0, 1], [0x80, 0, 0, 0], *b"abcd"] {
        let data = b"masked with some key";
        let mut wire = vec![0x82, 0x80 | 20];
        wire.extend(key);
        wire.extend(naive_mask(data, MaskingKey(key), 0));
        let outcome = feed_every_way(Role::Server, Limits::default(), &wire);
        assert_eq!(outcome, Outcome::events([binary(data)]), "{key:02x?}");
    }
}

// proves 6455-5.2-5, 6455-5.2-26, 6455-5.2-27, 6455-5.2-28, 6455-5.8-1
#[test]
fn reserved_bits_fail_the_connection_on_every_kind_of_frame() {
    for bits in (0x10..=0x70).step_by(0x10) {
        for first in [0x81, 0x01, 0x82, 0x02, 0x88, 0x89, 0x8a] {
            for payload in [&b""[..], b"\x03\xe8"] {
                assert_broken(&[(first | bits, payload)], &[], E::ReservedBits);
            }
        }
        for first in [0x00, 0x80, 0x89] {
            let frames: &[(u8, &[u8])] = &[(0x01, b"a"), (first | bits, b"b")];
            assert_broken(frames, &[], E::ReservedBits);
        }
    }
}

// proves 6455-5.2-6
#[test]
fn reserved_opcodes_fail_the_connection_inside_a_message() {
    for bits in (0x3..=0x7).chain(0xb..=0xf) {
        for fin in [0, 0x80] {
            let frames: &[(u8, &[u8])] = &[(0x01, b"a"), (fin | bits, b"b")];
            assert_broken(frames, &[], E::ReservedOpcode(bits));
        }
    }
}

// proves 6455-5.4-4, 6455-5.4-6
#[test]
fn a_continuation_with_nothing_to_continue_fails_the_connection() {
    let error = E::UnexpectedContinuation;
    for first in [0x00, 0x80] {
        for payload in [&b""[..], b"a"] {
            let frame = (first, payload);
            assert_broken(&[frame], &[], error);
            assert_broken(&[(0x81, b"b"), frame], &[text("b")], error);
            let fragmented: &[(u8, &[u8])] = &[(0x02, b"c"), (0x80, b"d"), frame];
            assert_broken(fragmented, &[binary(b"cd")], error);
            assert_broken(&[(0x89, b"e"), frame], &[Event::Ping(b"e".to_vec())], error);
        }
    }
}

// proves 6455-5.4-14
#[test]
fn a_new_message_inside_another_fails_the_connection() {
    for begun in [0x01, 0x02] {
        for new in [0x01, 0x02, 0x81, 0x82] {
            for payload in [&b""[..], b"b"] {
                let error = E::ExpectedContinuation;
                assert_broken(&[(begun, b"a"), (new, payload)], &[], error);
                let later: &[(u8, &[u8])] = &[(begun, b""), (0x00, b"a"), (new, payload)];
                assert_broken(later, &[], error);
            }
        }
    }
}

// proves 6455-5.4-11, 6455-5.5-4
#[test]
fn a_fragmented_control_frame_fails_the_connection() {
    for first in [0x08, 0x09, 0x0a] {
        for payload in [&b""[..], b"\x03\xe8"] {
            assert_broken(&[(first, payload)], &[], E::FragmentedControl);
            let inside: &[(u8, &[u8])] = &[(0x01, b"a"), (first, payload)];
            assert_broken(inside, &[], E::FragmentedControl);
        }
    }
    assert_broken(&[(0x09, b"a"), (0x80, b"b")], &[], E::FragmentedControl);
}

// proves 6455-5.5-2, 6455-5.5-3, 6455-5.5.2-2
#[test]
fn a_control_frame_may_have_at_most_125_bytes() {
    let payload = [0xa5; 126];
    assert_events(&[(0x89, &payload[..125])], &[Event::Ping(vec![0xa5; 125])]);
    assert_events(&[(0x8a, &payload[..125])], &[Event::Pong(vec![0xa5; 125])]);
    let reason = "r".repeat(123);
    let body = [&[0x03, 0xe8], reason.as_bytes()].concat();
    let frame = CloseFrame::new(CloseCode::NORMAL, reason).unwrap();
    assert_events(&[(0x88, &body)], &[Event::Close(Some(frame))]);
    for first in [0x88, 0x89, 0x8a] {
        assert_broken(&[(first, &payload)], &[], E::ControlTooLong);
        assert_broken(&[(first, &[0; 70_000])], &[], E::ControlTooLong);
    }
}

// proves 6455-5.6-2, 6455-5.6-6, 6455-6.2-3, 6455-6.2-4, 6455-6.2-6
#[test]
fn messages_keep_their_kind_and_content() {
    let odd = b"\xff\xfe\x00\xc3";
    let frames: &[(u8, &[u8])] = &[
        (0x81, b"same bytes"),
        (0x82, b"same bytes"),
        (0x82, odd),
        (0x01, b"in two "),
        (0x80, b"parts"),
        (0x02, odd),
        (0x80, odd),
        (0x81, "κόσμε".as_bytes()),
    ];
    let events = [
        text("same bytes"),
        binary(b"same bytes"),
        binary(odd),
        text("in two parts"),
        binary(b"\xff\xfe\x00\xc3\xff\xfe\x00\xc3"),
        text("κόσμε"),
    ];
    assert_events(frames, &events);
}

// proves 6455-5.2-25, 6455-5.4-5
#[test]
fn empty_messages_are_messages() {
    assert_events(&[(0x81, b"")], &[text("")]);
    assert_events(&[(0x82, b"")], &[binary(b"")]);
    assert_events(&[(0x01, b""), (0x80, b"")], &[text("")]);
    assert_events(&[(0x02, b""), (0x00, b""), (0x80, b"")], &[binary(b"")]);
    assert_events(&[(0x81, b""), (0x82, b"")], &[text(""), binary(b"")]);
}

// proves 6455-10.7-5
#[test]
fn only_the_length_decides_where_a_frame_ends() {
    let looks_like_frames = b"\x00\x81\x05Hello\x88\x00\xff\x00\x89\x00";
    assert_events(&[(0x82, looks_like_frames)], &[binary(looks_like_frames)]);
    assert_events(&[(0x81, b"a\0b\0")], &[text("a\0b\0")]);
}

// proves 6455-5.4-5, 6455-5.4-7, 6455-5.4-16, 6455-5.4-22, 6455-6.2-5
#[test]
fn fragments_of_any_size_are_joined_in_order() {
    assert_events(&[(0x01, b"Hel"), (0x00, b""), (0x00, b"l"), (0x80, b"o")], &[text("Hello")]);
    assert_events(&[(0x01, b""), (0x80, b"late")], &[text("late")]);
    assert_events(&[(0x01, b"soon"), (0x80, b"")], &[text("soon")]);
    assert_events(&[(0x02, b"ascii"), (0x80, b"!")], &[binary(b"ascii!")]);
    for role in ROLES {
        let mut wire = frame_from(peer(role), 0x02, b"");
        let mut whole = Vec::new();
        for (n, len) in (1..).zip([1, 125, 126, 65536, 3]) {
            whole.extend(vec![n; len]);
            wire.extend(frame_from(peer(role), 0x00, &vec![n; len]));
        }
        wire.extend(frame_from(peer(role), 0x80, b""));
        let outcome = feed_every_way(role, Limits::default(), &wire);
        assert_eq!(outcome, Outcome::events([binary(&whole)]));
    }
}

// proves 6455-5.4-1, 6455-5.4-17, 6455-5.6-3
#[test]
fn text_may_be_cut_anywhere_into_fragments() {
    let whole = "aé€🦀z";
    let bytes = whole.as_bytes();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let frames: &[(u8, &[u8])] =
                &[(0x01, &bytes[..first]), (0x00, &bytes[first..second]), (0x80, &bytes[second..])];
            for role in ROLES {
                let wire = frames_from(peer(role), frames);
                for pieces in [1, wire.len()] {
                    let outcome = feed(role, Limits::default(), wire.chunks(pieces));
                    assert_eq!(outcome, Outcome::events([text(whole)]), "{frames:02x?}");
                }
            }
        }
    }
    assert_events(&[(0x01, b"\xce"), (0x80, b"\xba")], &[text("κ")]);
}

#[test]
fn long_text_is_unmasked_and_checked_across_all_its_pieces() {
    // The text is longer than any internal step of the check, and characters cross the steps.
    let whole = "a€🦀é".repeat(1500);
    for role in ROLES {
        let wire = frame_from(peer(role), 0x81, whole.as_bytes());
        for piece_len in [1, 3, 1000, 4095, 4096, 4097, 9000, wire.len()] {
            let outcome = feed(role, Limits::default(), wire.chunks(piece_len));
            assert_eq!(outcome, Outcome::events([text(&whole)]), "{piece_len}");
        }
        let (a, b) = whole.as_bytes().split_at(5001);
        let wire = frames_from(peer(role), &[(0x01, a), (0x80, b)]);
        assert_eq!(feed(role, Limits::default(), [&wire[..]]), Outcome::events([text(&whole)]));
    }
}

// proves 6455-5.4-12, 6455-5.4-15, 6455-6.2-2
#[test]
fn control_frames_between_fragments_are_delivered_at_once_and_separately() {
    let frames: &[(u8, &[u8])] =
        &[(0x01, b"Hel"), (0x89, b"x"), (0x00, b""), (0x8a, b"yy"), (0x89, b""), (0x80, b"lo")];
    let events = [
        Event::Ping(b"x".to_vec()),
        Event::Pong(b"yy".to_vec()),
        Event::Ping(vec![]),
        text("Hello"),
    ];
    assert_events(frames, &events);
    // A Ping splits a character, and its data could continue that character.
    let frames: &[(u8, &[u8])] = &[(0x01, b"\xe2"), (0x89, b"\x82\xac"), (0x80, b"\x82\xac")];
    assert_events(frames, &[Event::Ping(b"\x82\xac".to_vec()), text("€")]);
}

// proves 6455-5.5.3-5, 6455-6.2-2
#[test]
fn pings_and_pongs_keep_their_data_and_order() {
    let all: Vec<u8> = (0..125).map(|i| i * 2).collect();
    let frames: &[(u8, &[u8])] = &[(0x89, b"1"), (0x8a, b"2"), (0x89, b"\xff\x00"), (0x89, &all)];
    let events = [
        Event::Ping(b"1".to_vec()),
        Event::Pong(b"2".to_vec()),
        Event::Ping(b"\xff\x00".to_vec()),
        Event::Ping(all.clone()),
    ];
    assert_events(frames, &events);
}

// proves 6455-5.6-4, 6455-5.6-5, 6455-7.4.1-14, 6455-8.1-1
#[test]
fn text_that_is_not_utf8_fails_the_connection_however_it_is_fragmented() {
    let bad: &[&[u8]] = &[
        b"\xc3(",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xce",
        b"\xf0\x9f\xa6",
        b"ok\xff",
    ];
    for payload in bad {
        for cut in 0..=payload.len() {
            let (a, b) = payload.split_at(cut);
            assert_broken(&[(0x01, a), (0x80, b)], &[], E::InvalidUtf8);
            let with_ping: &[(u8, &[u8])] = &[(0x01, a), (0x8a, b"p"), (0x80, b)];
            for role in ROLES {
                let wire = frames_from(peer(role), with_ping);
                let outcome = feed_every_way(role, Limits::default(), &wire);
                assert_eq!(outcome.error, Some(E::InvalidUtf8), "{a:02x?} {b:02x?}");
            }
        }
        assert_broken(&[(0x81, payload)], &[], E::InvalidUtf8);
        let body = [&[0x03, 0xe8], *payload].concat();
        assert_broken(&[(0x88, &body)], &[], E::InvalidUtf8);
    }
}

/// The check of a whole message may use other code for long text than for short text.
#[test]
fn whole_texts_of_any_length_are_checked_to_the_last_byte() {
    let mixed: Vec<u8> = "a€ß🌍, ".bytes().cycle().take(260).collect();
    for len in [1, 4, 63, 64, 65, 127, 128, 129, 255, 256, 259] {
        for bad in (0..len).step_by(3).chain([len - 1]) {
            let mut bytes = mixed[..len].to_vec();
            for byte in [bytes[bad], 0xff, b'.', 0xa0, 0xe2] {
                bytes[bad] = byte;
                let text = core::str::from_utf8(&bytes);
                let expected = text
                    .map(|text| Some(Event::Message(Message::from(text))))
                    .map_err(|_| E::InvalidUtf8);
                for role in ROLES {
                    let wire = frame_from(peer(role), 0x81, &bytes);
                    let event =
                        Inbound::new(role, Limits::default()).next_event(&mut wire.as_slice());
                    assert_eq!(event, expected, "{role:?} {bytes:02x?}");
                }
            }
        }
    }
}

/// Feeds all bytes except the last one, which gives no error, then the last one, which does.
#[track_caller]
fn assert_fails_at_the_last_byte(role: Role, limits: Limits, bytes: &[u8], error: ProtocolError) {
    let (last, before) = bytes.split_last().expect("there is a byte");
    for piece_len in [1, before.len().max(1)] {
        let mut inbound = Inbound::new(role, limits);
        for piece in before.chunks(piece_len) {
            let mut input = piece;
            while let Some(event) = inbound.next_event(&mut input).expect("nothing wrong yet") {
                assert!(!matches!(event, Event::Close(_)));
            }
        }
        let outcome = inbound.next_event(&mut &[*last][..]);
        assert_eq!(outcome, Err(error), "{role:?} {bytes:02x?}");
    }
}

// proves 6455-5.5-3
#[test]
fn an_invalid_header_is_refused_before_its_rest_or_payload_arrives() {
    let at_both: &[(&str, ProtocolError)] = &[
        ("83", E::ReservedOpcode(3)),
        ("0f", E::ReservedOpcode(15)),
        ("08", E::FragmentedControl),
        ("09", E::FragmentedControl),
        ("89 7e", E::ControlTooLong),
        ("89 ff", E::ControlTooLong),
        ("82 7e 007d", E::NonMinimalLength),
        ("82 fe 007d", E::NonMinimalLength),
        ("82 7f 000000000000ffff", E::NonMinimalLength),
        ("82 7f 8000000000000000", E::LengthTooLarge),
    ];
    for (bytes, error) in at_both {
        for role in ROLES {
            let bytes = hex(bytes);
            let outcome = feed_every_way(role, Limits::default(), &bytes);
            assert_eq!(outcome, Outcome::error(*error), "{bytes:02x?}");
            let begun = [frame_from(peer(role), 0x01, b"begun"), bytes].concat();
            let outcome = feed_every_way(role, Limits::default(), &begun);
            assert_eq!(outcome, Outcome::error(*error), "{begun:02x?}");
        }
    }
    let at_the_end_of_the_header = [
        (0xc1, E::ReservedBits),
        (0x80, E::UnexpectedContinuation),
        (0x00, E::UnexpectedContinuation),
    ];
    for (first, error) in at_the_end_of_the_header {
        for role in ROLES {
            let header = header_from(peer(role), first, 1000);
            assert_fails_at_the_last_byte(role, Limits::default(), &header, error);
        }
    }
    let wrong_ends = [(Role::Client, E::Masked), (Role::Server, E::Unmasked)];
    for (role, error) in wrong_ends {
        let header = header_from(role, 0x82, 1000);
        assert_fails_at_the_last_byte(role, Limits::default(), &header, error);
    }
}

/// The payload of Autobahn's cases 6.4.*, without its invalid part.
const VALID_START: &str = "ceba e1bdb9 cf83 cebc ceb5";

// proves 6455-8.1-1
#[test]
fn invalid_text_is_refused_inside_an_incomplete_frame() {
    for role in ROLES {
        let sender = peer(role);
        let payload_len = hex(VALID_START).len() + 4 + 6;
        for announced in [payload_len as u64, 100, 70_000] {
            // F4 can still begin a character, but F4 90 cannot.
            let payload = [hex(VALID_START), hex("f490")].concat();
            let mut wire = frame_from(sender, 0x81, &payload);
            let header_len = wire.len() - payload.len();
            wire.splice(..header_len, header_from(sender, 0x81, announced));
            assert_fails_at_the_last_byte(role, Limits::default(), &wire, E::InvalidUtf8);
            let outcome = feed_every_way(role, Limits::default(), &wire);
            assert_eq!(outcome, Outcome::error(E::InvalidUtf8));
        }
    }
}

// proves 6455-8.1-1
#[test]
fn invalid_text_is_refused_inside_a_later_fragment_and_across_fragments() {
    for role in ROLES {
        let sender = peer(role);
        let mut wire = frame_from(sender, 0x01, b"fine\xf4");
        let second = frame_from(sender, 0x00, b"\x90");
        let header_len = second.len() - 1;
        wire.extend(header_from(sender, 0x00, 50));
        wire.extend(&second[header_len..]);
        assert_fails_at_the_last_byte(role, Limits::default(), &wire, E::InvalidUtf8);
    }
}

// proves 6455-5.6-5
#[test]
fn text_that_ends_inside_a_character_is_refused_when_the_message_ends() {
    for role in ROLES {
        let wire = frames_from(peer(role), &[(0x01, b"\xe2"), (0x80, b"\x82")]);
        assert_fails_at_the_last_byte(role, Limits::default(), &wire, E::InvalidUtf8);
        let wire = frames_from(peer(role), &[(0x01, b"\xe2\x82"), (0x80, b"")]);
        assert_fails_at_the_last_byte(role, Limits::default(), &wire, E::InvalidUtf8);
    }
}

// proves 6455-7.1.7-7
#[test]
fn nothing_is_processed_after_an_error() {
    let after: &[(u8, &[u8])] = &[(0x81, b"hi"), (0x89, b"hi"), (0x83, b""), (0x88, b"")];
    for role in ROLES {
        let mut wire = frames_from(peer(role), &[(0x81, b"before"), (0xc2, b"")]);
        wire.extend(frames_from(peer(role), after));
        let outcome = feed_every_way(role, Limits::default(), &wire);
        let expected = Outcome { events: vec![text("before")], error: Some(E::ReservedBits) };
        assert_eq!(outcome, expected);
    }
}

// proves 6455-7.1.5-1
#[test]
fn nothing_is_processed_after_a_close() {
    let frames: &[(u8, &[u8])] = &[
        (0x81, b"before"),
        (0x88, b"\x03\xe8"),
        (0x88, b"\x03\xe9"),
        (0x81, b"after"),
        (0x83, b""),
    ];
    let close = Event::Close(Some(CloseCode::NORMAL.into()));
    assert_events(frames, &[text("before"), close]);
}

#[test]
fn input_after_the_end_is_discarded_by_the_next_call() {
    for role in ROLES {
        for end in [(0x88, &b""[..]), (0x83, b"")] {
            let wire = frames_from(peer(role), &[end, (0x81, b"after"), (0x89, b"")]);
            let mut inbound = Inbound::new(role, Limits::default());
            let mut input = &wire[..];
            let first = inbound.next_event(&mut input);
            assert!(matches!(first, Err(_) | Ok(Some(Event::Close(None)))));
            assert_eq!(inbound.next_event(&mut input), Ok(None));
            assert_eq!(input, b"", "{role:?}");
            assert_eq!(inbound.next_event(&mut input), Ok(None));
        }
    }
}

// proves 6455-5.4-15
#[test]
fn a_close_between_fragments_drops_the_message() {
    let frames: &[(u8, &[u8])] = &[(0x01, b"never "), (0x88, b""), (0x80, b"complete")];
    assert_events(frames, &[Event::Close(None)]);
}

// proves 6455-7.1.5-2, 6455-7.1.6-2, 6455-7.4-3
#[test]
fn a_close_without_a_body_has_no_code() {
    assert_events(&[(0x88, b"")], &[Event::Close(None)]);
}

#[test]
fn the_receiver_knows_whether_it_is_inside_a_message() {
    for role in ROLES {
        let mut inbound = Inbound::new(role, Limits::default());
        let steps: &[(u8, &[u8], bool)] = &[
            (0x89, b"ping", false),
            (0x01, b"first", true),
            (0x89, b"ping", true),
            (0x00, b"middle", true),
            (0x80, b"last", false),
            (0x82, b"whole", false),
        ];
        for &(first, payload, is_inside) in steps {
            let wire = frame_from(peer(role), first, payload);
            let mut input = &wire[..];
            while inbound.next_event(&mut input).unwrap().is_some() {}
            assert_eq!(inbound.message_kind().is_some(), is_inside, "{first:02x}");
        }
    }
}

#[test]
fn the_default_limits_are_finite() {
    let defaults = Limits::default();
    assert_eq!(defaults, limits(16 << 20, 16 << 20, 1 << 17));
}

// proves 6455-10.4-2
#[test]
fn a_message_may_reach_but_not_exceed_the_limit() {
    let limits = limits(10, u64::MAX, u32::MAX);
    let error = E::MessageTooBig { limit: 10 };
    let good: &[&[(u8, &[u8])]] = &[
        &[(0x82, &[7; 10])],
        &[(0x02, &[7; 10]), (0x80, b"")],
        &[(0x02, &[7; 4]), (0x00, &[7; 3]), (0x80, &[7; 3])],
        &[(0x02, b""), (0x89, &[7; 100]), (0x80, &[7; 10])],
    ];
    for frames in good {
        for role in ROLES {
            // The message is sent twice, because the count starts at zero for each message.
            let wire = frames_from(peer(role), frames).repeat(2);
            let outcome = feed_every_way(role, limits, &wire);
            assert_eq!(outcome.error, None, "{frames:02x?}");
            let messages = outcome.events.iter();
            let messages = messages.filter(|event| **event == binary(&[7; 10]));
            assert_eq!(messages.count(), 2, "{frames:02x?}");
        }
    }
    let too_big: &[&[(u8, &[u8])]] = &[
        &[(0x82, &[7; 11])],
        &[(0x02, &[7; 11])],
        &[(0x02, &[7; 4]), (0x00, &[7; 7])],
        &[(0x02, &[7; 4]), (0x00, &[7; 3]), (0x80, &[7; 4])],
        &[(0x02, &[7; 10]), (0x80, &[7; 1])],
        &[(0x01, &[b'a'; 10]), (0x00, b""), (0x80, b"b")],
    ];
    for frames in too_big {
        assert_broken_with(limits, frames, &[], error);
    }
}

// proves 6455-10.4-2
#[test]
fn a_frame_may_reach_but_not_exceed_the_limit() {
    let limits = limits(usize::MAX, 5, u32::MAX);
    let error = E::FrameTooBig { limit: 5 };
    for role in ROLES {
        let frames: &[(u8, &[u8])] = &[
            (0x02, &[7; 5]),
            (0x00, &[7; 5]),
            (0x89, &[7; 125]),
            (0x80, &[7; 5]),
            (0x82, &[7; 5]),
        ];
        let outcome = feed_every_way(role, limits, &frames_from(peer(role), frames));
        let ping = Event::Ping(vec![7; 125]);
        let expected = Outcome::events([ping, binary(&[7; 15]), binary(&[7; 5])]);
        assert_eq!(outcome, expected, "control frames have a limit of their own");
    }
    let too_big: &[&[(u8, &[u8])]] = &[
        &[(0x82, &[7; 6])],
        &[(0x01, &[7; 6])],
        &[(0x02, &[7; 5]), (0x00, &[7; 6])],
        &[(0x02, b""), (0x00, &[7; 5]), (0x80, &[7; 6])],
    ];
    for frames in too_big {
        assert_broken_with(limits, frames, &[], error);
    }
}

// proves 6455-10.4-1
#[test]
fn limits_apply_to_the_length_that_a_header_announces() {
    let tight = limits(1000, 500, u32::MAX);
    for role in ROLES {
        let sender = peer(role);
        for announced in [501, 65536, 1 << 40, 1 << 60, i64::MAX as u64] {
            let header = header_from(sender, 0x82, announced);
            let error = E::FrameTooBig { limit: 500 };
            assert_fails_at_the_last_byte(role, tight, &header, error);
        }
        let begun = frames_from(sender, &[(0x01, &[b'a'; 400]), (0x00, &[b'a'; 400])]);
        let header = [begun, header_from(sender, 0x80, 201)].concat();
        let error = E::MessageTooBig { limit: 1000 };
        assert_fails_at_the_last_byte(role, tight, &header, error);
    }
}

// proves 6455-10.4-1
#[test]
fn lengths_whose_sum_overflows_exceed_the_limit() {
    for role in ROLES {
        let sender = peer(role);
        let limits = limits(100, u64::MAX, u32::MAX);
        let huge = header_from(sender, 0x00, i64::MAX as u64);
        let wire = [frame_from(sender, 0x02, &[7; 100]), huge].concat();
        let error = E::MessageTooBig { limit: 100 };
        assert_fails_at_the_last_byte(role, limits, &wire, error);
    }
}

#[test]
fn the_rest_of_a_header_is_not_taken_for_a_frame() {
    // At some cut of each header, the next bytes look like another unfragmented message: the length
    // or the key of a client's frame, or the long length of a server's frame.
    let masked = |key: [u8; 4], data: &[u8]| {
        let payload = naive_mask(data, MaskingKey(key), 0);
        [&[0x82, 0x80 | data.len() as u8][..], &key, &payload].concat()
    };
    let long = |len: usize| [&[0x82, 126][..], &(len as u16).to_be_bytes(), &vec![7; len]].concat();
    let frames = [
        (Role::Server, masked([0x80, 1, 2, 3], &[7; 2])),
        (Role::Server, masked([0x81, 0x80, 2, 3], &[7; 20])),
        (Role::Server, masked([1, 0x82, 0x81, 3], &[7; 20])),
        (Role::Client, long(0x8105)),
        (Role::Client, long(0x8200)),
    ];
    for (role, frame) in frames {
        let outcome = feed_every_way(role, Limits::default(), &frame);
        let [Event::Message(message)] = &outcome.events[..] else { panic!("{outcome:?}") };
        assert!(message.as_bytes().iter().all(|&byte| byte == 7), "{frame:02x?}");
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn an_announced_length_reserves_no_memory() {
    // If the receiver reserved this memory, the process would be killed.
    for role in ROLES {
        for first in [0x01, 0x02, 0x81, 0x82] {
            let sender = peer(role);
            let begun = frame_from(sender, first & 0x0f, b"begun");
            let continuation = [begun, header_from(sender, first & 0x80, i64::MAX as u64)];
            let whole = header_from(sender, first, i64::MAX as u64);
            for header in [whole, continuation.concat()] {
                for arrived in [&b""[..], b"a", b"abcdefgh"] {
                    let payload = match sender {
                        Role::Client => naive_mask(arrived, KEY, 0),
                        Role::Server => arrived.to_vec(),
                    };
                    let wire = [header.clone(), payload].concat();
                    let outcome = feed_every_way(role, no_limits(), &wire);
                    assert_eq!(outcome, Outcome::default(), "it waits for the rest");
                }
            }
        }
    }
}

#[test]
fn memory_grows_with_the_received_bytes() {
    // A frame arrives a kibibyte at a time, and the message ends soon after it. The memory of the
    // message is at most twice its size.
    for first in [0x01, 0x02] {
        let sender = Role::Server;
        let mut inbound = Inbound::new(Role::Client, Limits::default());
        let mut pieces = vec![header_from(sender, first, 64 << 10)];
        pieces.extend(vec![vec![b'a'; 1 << 10]; 64]);
        pieces.push(frame_from(sender, 0x80, b"."));
        let events: Vec<Event> = pieces
            .iter()
            .filter_map(|piece| inbound.next_event(&mut &piece[..]).unwrap())
            .collect();
        let [Event::Message(message)] = &events[..] else {
            panic!("one message: {events:?}");
        };
        let capacity = match message {
            Message::Text(text) => text.capacity(),
            Message::Binary(data) => data.capacity(),
        };
        assert_eq!(message.len(), (64 << 10) + 1);
        assert!(capacity <= 2 * message.len(), "{capacity} bytes are held");
    }
}

// proves 6455-10.4-1, 6455-10.4-2
#[test]
fn the_number_of_frames_may_reach_but_not_exceed_the_limit() {
    let limits = limits(100, 100, 3);
    let error = E::TooManyFragments { limit: 3 };
    let good: &[(u8, &[u8])] = &[
        (0x81, b"whole"),
        (0x01, b""),
        (0x89, b""),
        (0x00, b""),
        (0x8a, b""),
        (0x80, b"abc"),
        (0x02, b"a"),
        (0x00, b"b"),
        (0x80, b"c"),
    ];
    for role in ROLES {
        let outcome = feed_every_way(role, limits, &frames_from(peer(role), good));
        let (ping, pong) = (Event::Ping(vec![]), Event::Pong(vec![]));
        let expected = [text("whole"), ping, pong, text("abc"), binary(b"abc")];
        assert_eq!(outcome, Outcome::events(expected));
        // With a limit of zero, even an unfragmented message is refused.
        let none = support::limits(100, 100, 0);
        let outcome = feed_every_way(role, none, &frames_from(peer(role), &[(0x81, b"whole")]));
        assert_eq!(outcome.error, Some(E::TooManyFragments { limit: 0 }));
    }
    let one_too_many: [(&[u8], u8); 3] = [(b"", 0x00), (b"", 0x80), (b"c", 0x80)];
    for (third, fourth) in one_too_many {
        let frames: &[(u8, &[u8])] = &[(0x01, b""), (0x00, b"b"), (0x00, third), (fourth, b"")];
        assert_broken_with(limits, frames, &[], error);
    }
}

// proves 6455-10.4-1
#[test]
fn a_flood_of_empty_fragments_is_stopped_by_the_default_limit() {
    let limit = Limits::new().get_max_fragments();
    for role in ROLES {
        let mut inbound = Inbound::new(role, Limits::default());
        let first = frame_from(peer(role), 0x01, b"");
        assert_eq!(inbound.next_event(&mut &first[..]), Ok(None));
        let next = frame_from(peer(role), 0x00, b"");
        for _ in 1..limit {
            assert_eq!(inbound.next_event(&mut &next[..]), Ok(None));
        }
        let error = E::TooManyFragments { limit };
        assert_eq!(inbound.next_event(&mut &next[..]), Err(error));
    }
}

#[test]
fn messages_can_be_inspected_and_taken_apart() {
    let (words, data) = (Message::from("words"), Message::from(vec![1, 2]));
    assert!(words.is_text() && !words.is_binary() && !words.is_empty());
    assert!(data.is_binary() && !data.is_text());
    assert_eq!((words.as_text(), data.as_text()), (Some("words"), None));
    assert_eq!((words.len(), data.len()), (5, 2));
    assert_eq!((words.as_bytes(), data.as_bytes()), (&b"words"[..], &[1, 2][..]));
    assert_eq!((words.into_bytes(), data.into_bytes()), (b"words".to_vec(), vec![1, 2]));
    assert!(Message::from("").is_empty());
}
