//! Tests the examples of RFC 6455, and frames derived from its rules, byte for byte.

mod support;

use ProtocolError as E;
use support::{
    KEY, ROLES, assert_fails, connection, feed, feed_every_way, frame_from, hex, naive_mask,
    outbound, peer,
};
use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame, FrameHeader, MaskingKey, Opcode};
use tightwire::protocol::{Event, Limits, Message, MessageRef, Role, State};

/// A frame that either end accepts, with the masking of its sender.
struct Valid {
    what: &'static str,
    /// As a server sends it.
    unmasked: &'static str,
    /// As a client sends it, with the key 37fa213d.
    masked: &'static str,
    fin: bool,
    opcode: Opcode,
    payload: &'static [u8],
}

const fn valid(
    what: &'static str,
    (unmasked, masked): (&'static str, &'static str),
    fin: bool,
    opcode: Opcode,
    payload: &'static [u8],
) -> Valid {
    Valid { what, unmasked, masked, fin, opcode, payload }
}

const VALID: &[Valid] = &[
    valid("text", ("81 05 48656c6c6f", "81 85 37fa213d 7f9f4d5158"), true, Opcode::Text, b"Hello"),
    valid("empty text", ("81 00", "81 80 37fa213d"), true, Opcode::Text, b""),
    valid("first fragment", ("01 03 48656c", "01 83 37fa213d 7f9f4d"), false, Opcode::Text, b"Hel"),
    valid(
        "last fragment",
        ("80 02 6c6f", "80 82 37fa213d 5b95"),
        true,
        Opcode::Continuation,
        b"lo",
    ),
    valid("empty binary", ("82 00", "82 80 37fa213d"), true, Opcode::Binary, b""),
    valid("binary", ("82 01 ff", "82 81 37fa213d c8"), true, Opcode::Binary, b"\xff"),
    valid("ping", ("89 05 48656c6c6f", "89 85 37fa213d 7f9f4d5158"), true, Opcode::Ping, b"Hello"),
    valid("empty ping", ("89 00", "89 80 37fa213d"), true, Opcode::Ping, b""),
    valid("pong", ("8a 05 48656c6c6f", "8a 85 37fa213d 7f9f4d5158"), true, Opcode::Pong, b"Hello"),
    valid("empty close", ("88 00", "88 80 37fa213d"), true, Opcode::Close, b""),
    valid("close 1000", ("88 02 03e8", "88 82 37fa213d 3412"), true, Opcode::Close, b"\x03\xe8"),
    valid(
        "close 1000 bye",
        ("88 05 03e8 627965", "88 85 37fa213d 3412 434452"),
        true,
        Opcode::Close,
        b"\x03\xe8bye",
    ),
    valid("close 1001", ("88 02 03e9", "88 82 37fa213d 3413"), true, Opcode::Close, b"\x03\xe9"),
    valid("close 1002", ("88 02 03ea", "88 82 37fa213d 3410"), true, Opcode::Close, b"\x03\xea"),
    valid("close 1007", ("88 02 03ef", "88 82 37fa213d 3415"), true, Opcode::Close, b"\x03\xef"),
    valid("close 1009", ("88 02 03f1", "88 82 37fa213d 340b"), true, Opcode::Close, b"\x03\xf1"),
    valid(
        "close 4000 with a euro sign",
        ("88 05 0fa0 e282ac", "88 85 37fa213d 385a c3bf9b"),
        true,
        Opcode::Close,
        b"\x0f\xa0\xe2\x82\xac",
    ),
];

impl Valid {
    fn wire(&self, sender: Role) -> Vec<u8> {
        hex(match sender {
            Role::Client => self.masked,
            Role::Server => self.unmasked,
        })
    }

    fn mask(sender: Role) -> Option<MaskingKey> {
        (sender == Role::Client).then_some(KEY)
    }

    fn text(&self) -> &'static str {
        core::str::from_utf8(self.payload).expect("these are all text")
    }
}

// proves 6455-5.2-1, 6455-5.2-3, 6455-5.2-8, 6455-5.2-9, 6455-5.2-17, 6455-5.2-24
// proves 6455-5.3-2, 6455-5.3-7, 6455-5.3-8
#[test]
fn headers_and_payloads_of_the_vectors_decode() {
    for case in VALID {
        for sender in ROLES {
            let wire = case.wire(sender);
            let (header, header_len) = FrameHeader::decode(&wire).unwrap().expect(case.what);
            let expected = FrameHeader {
                fin: case.fin,
                rsv1: false,
                rsv2: false,
                rsv3: false,
                opcode: case.opcode,
                mask: Valid::mask(sender),
                payload_len: case.payload.len() as u64,
            };
            assert_eq!(header, expected, "{} from {sender:?}", case.what);
            let mut payload = wire[header_len..].to_vec();
            if let Some(key) = header.mask {
                key.apply(&mut payload, 0);
            }
            assert_eq!(payload, case.payload, "{} from {sender:?}", case.what);
        }
    }
}

// proves 6455-5.3-1, 6455-5.3-6
#[test]
fn headers_and_payloads_of_the_vectors_encode() {
    for case in VALID {
        for sender in ROLES {
            let mask = Valid::mask(sender);
            let mut wire = Vec::new();
            FrameHeader {
                fin: case.fin,
                ..FrameHeader::new(case.opcode, mask, case.payload.len() as u64)
            }
            .encode(&mut wire);
            let start = wire.len();
            wire.extend(case.payload);
            if let Some(key) = mask {
                key.apply(&mut wire[start..], 0);
            }
            assert_eq!(wire, case.wire(sender), "{} from {sender:?}", case.what);
        }
        assert_eq!(hex(case.masked).len(), hex(case.unmasked).len() + 4);
    }
}

// proves 6455-5.1-1, 6455-5.1-5, 6455-5.5.1-1, 6455-5.5.1-3, 6455-5.5.1-7, 6455-5.5.2-1
// proves 6455-6.1-4, 6455-6.1-8, 6455-7.1.2-1
#[test]
fn senders_write_the_vectors() {
    for case in VALID {
        for role in ROLES {
            let mut sender = outbound(role);
            let mut out = Vec::new();
            let sent = match (case.opcode, case.fin) {
                (Opcode::Text, true) => sender.encode_message(case.text().into(), &mut out),
                (Opcode::Text, false) => sender.encode_fragment(case.text().into(), &mut out),
                (Opcode::Binary, _) => sender.encode_message(case.payload.into(), &mut out),
                (Opcode::Continuation, _) => {
                    sender.encode_fragment("Hel".into(), &mut out).unwrap();
                    out.clear();
                    match case.fin {
                        true => sender.encode_final_fragment(case.text().into(), &mut out),
                        false => sender.encode_fragment(case.text().into(), &mut out),
                    }
                }
                (Opcode::Ping, _) => sender.encode_ping(case.payload, &mut out),
                (Opcode::Pong, _) => sender.encode_pong(case.payload, &mut out),
                (Opcode::Close, _) => {
                    let frame = CloseFrame::decode(case.payload).unwrap();
                    sender.encode_close(frame.as_ref(), &mut out)
                }
            };
            assert_eq!(sent, Ok(()), "{} from {role:?}", case.what);
            assert_eq!(out, case.wire(role), "{} from {role:?}", case.what);
        }
    }
}

// proves 6455-5.2-19, 6455-5.2-23, 6455-5.2-25, 6455-5.4-17, 6455-5.5.1-2, 6455-5.5.1-5
// proves 6455-5.5.3-1, 6455-6.2-1, 6455-6.2-4, 6455-6.2-9, 6455-7.1.6-1, 6455-7.1.6-2
#[test]
fn receivers_read_the_vectors_however_they_are_cut() {
    for case in VALID {
        for role in ROLES {
            let mut wire = case.wire(peer(role));
            let expected = match (case.opcode, case.fin) {
                (Opcode::Text, true) => vec![Event::Message(Message::from(case.text()))],
                (Opcode::Binary, _) => vec![Event::Message(Message::from(case.payload.to_vec()))],
                (Opcode::Ping, _) => vec![Event::Ping(case.payload.to_vec())],
                (Opcode::Pong, _) => vec![Event::Pong(case.payload.to_vec())],
                (Opcode::Close, _) => {
                    let frame = CloseFrame::decode(case.payload).unwrap();
                    let (code, reason) =
                        frame.as_ref().map_or((&[][..], ""), |f| (&case.payload[..2], f.reason()));
                    assert_eq!([code, reason.as_bytes()].concat(), case.payload);
                    vec![Event::Close(frame)]
                }
                (Opcode::Text, false) => vec![],
                (Opcode::Continuation, _) => {
                    wire.splice(0..0, VALID[2].wire(peer(role)));
                    vec![Event::Message(Message::from("Hello"))]
                }
            };
            let outcome = feed_every_way(role, Limits::default(), &wire);
            assert_eq!(outcome.error, None, "{} to {role:?}", case.what);
            assert_eq!(outcome.events, expected, "{} to {role:?}", case.what);
        }
    }
}

// proves 6455-5.1-3, 6455-5.1-4, 6455-5.1-6, 6455-5.1-7
#[test]
fn vectors_with_the_wrong_masking_fail_the_connection() {
    for case in VALID {
        let (to_server, to_client) = (case.wire(Role::Server), case.wire(Role::Client));
        assert_fails(Role::Server, Limits::default(), &to_server, E::Unmasked);
        assert_fails(Role::Client, Limits::default(), &to_client, E::Masked);
    }
    assert_eq!(CloseCode::from(E::Unmasked), CloseCode::PROTOCOL_ERROR);
    assert_eq!(CloseCode::from(E::Masked), CloseCode::PROTOCOL_ERROR);
}

// proves 6455-5.5.2-3, 6455-5.5.3-2
#[test]
fn the_ping_of_the_examples_is_answered_by_their_pong() {
    let mut out = Vec::new();
    let ping = hex("89 05 48656c6c6f");
    let event = connection(Role::Client).next_event(&mut &ping[..], &mut out);
    assert_eq!(event, Ok(Some(Event::Ping(b"Hello".to_vec()))));
    assert_eq!(out, hex("8a 85 37fa213d 7f9f4d5158"));
}

/// The length of the payload, the header from a server, and the header from a client without its
/// key.
const HEADER_FORMS: &[(usize, &str, &str)] = &[
    (0, "82 00", "82 80"),
    (1, "82 01", "82 81"),
    (125, "82 7d", "82 fd"),
    (126, "82 7e 007e", "82 fe 007e"),
    (127, "82 7e 007f", "82 fe 007f"),
    (256, "82 7e 0100", "82 fe 0100"),
    (65535, "82 7e ffff", "82 fe ffff"),
    (65536, "82 7f 0000000000010000", "82 ff 0000000000010000"),
];

// proves 6455-5.2-9, 6455-5.2-10, 6455-5.2-11, 6455-5.2-13, 6455-5.2-14, 6455-5.2-16
// proves 6455-5.2-23, 6455-5.2-29
#[test]
fn each_length_has_its_shortest_form_in_both_directions() {
    for &(payload_len, from_server, from_client) in HEADER_FORMS {
        let payload: Vec<u8> = (0..=255).cycle().take(payload_len).collect();
        for role in ROLES {
            let wire = match role {
                Role::Server => [hex(from_server), payload.clone()].concat(),
                Role::Client => {
                    let masked = naive_mask(&payload, KEY, 0);
                    [hex(from_client), KEY.0.to_vec(), masked].concat()
                }
            };
            let mut out = Vec::new();
            let message = MessageRef::Binary(&payload);
            outbound(role).encode_message(message, &mut out).unwrap();
            assert_eq!(out, wire, "{payload_len} bytes from {role:?}");
            let outcome = feed_every_way(peer(role), Limits::default(), &wire);
            assert_eq!(outcome.error, None, "{payload_len} bytes from {role:?}");
            let expected = Event::Message(Message::from(payload.clone()));
            assert_eq!(outcome.events, [expected], "{payload_len} bytes");
        }
    }
}

/// Headers that are invalid for every receiver, without the key in the masked form.
const INVALID_HEADERS: &[(&str, &str, ProtocolError)] = &[
    ("82 7e 0000", "82 fe 0000", E::NonMinimalLength),
    ("82 7e 007d", "82 fe 007d", E::NonMinimalLength),
    ("82 7f 0000000000000000", "82 ff 0000000000000000", E::NonMinimalLength),
    ("82 7f 000000000000007e", "82 ff 000000000000007e", E::NonMinimalLength),
    ("82 7f 000000000000ffff", "82 ff 000000000000ffff", E::NonMinimalLength),
    ("82 7f 8000000000000000", "82 ff 8000000000000000", E::LengthTooLarge),
    ("82 7f ffffffffffffffff", "82 ff ffffffffffffffff", E::LengthTooLarge),
    ("89 7e 007e", "89 fe 007e", E::ControlTooLong),
    ("8a 7e 007e", "8a fe 007e", E::ControlTooLong),
    ("88 7e 007e", "88 fe 007e", E::ControlTooLong),
    ("88 7f 0000000000010000", "88 ff 0000000000010000", E::ControlTooLong),
];

// proves 6455-5.2-12, 6455-5.2-15, 6455-5.2-29, 6455-5.5-3, 6455-7.4.1-4
#[test]
fn invalid_headers_fail_the_connection_with_1002() {
    for &(unmasked, masked, error) in INVALID_HEADERS {
        assert_eq!(FrameHeader::decode(&hex(unmasked)), Err(error));
        assert_eq!(FrameHeader::decode(&hex(masked)), Err(error));
        assert_fails(Role::Client, Limits::default(), &hex(unmasked), error);
        assert_fails(Role::Server, Limits::default(), &hex(masked), error);
        assert_eq!(CloseCode::from(error), CloseCode::PROTOCOL_ERROR);
    }
}

// proves 6455-10.4-1
#[test]
fn a_valid_header_for_2_to_the_60_bytes_exceeds_a_limit() {
    let limit = Limits::new().get_max_frame_len();
    let from_server = hex("82 7f 1000000000000000");
    let from_client = hex("82 ff 1000000000000000 37fa213d");
    let (header, header_len) = FrameHeader::decode(&from_server).unwrap().unwrap();
    assert_eq!((header.payload_len, header_len), (1 << 60, 10));
    let error = E::FrameTooBig { limit };
    assert_fails(Role::Client, Limits::default(), &from_server, error);
    assert_fails(Role::Server, Limits::default(), &from_client, error);
    assert_eq!(CloseCode::from(error), CloseCode::MESSAGE_TOO_BIG);
}

/// Frames that no receiver accepts: unmasked, masked, the broken rule, the close code.
const INVALID: &[(&str, &str, ProtocolError, u16)] = &[
    ("c1 05 48656c6c6f", "c1 85 37fa213d 7f9f4d5158", E::ReservedBits, 1002),
    ("a1 05 48656c6c6f", "a1 85 37fa213d 7f9f4d5158", E::ReservedBits, 1002),
    ("91 05 48656c6c6f", "91 85 37fa213d 7f9f4d5158", E::ReservedBits, 1002),
    ("83 00", "83 80 37fa213d", E::ReservedOpcode(3), 1002),
    ("87 00", "87 80 37fa213d", E::ReservedOpcode(7), 1002),
    ("8b 00", "8b 80 37fa213d", E::ReservedOpcode(0xb), 1002),
    ("8f 00", "8f 80 37fa213d", E::ReservedOpcode(0xf), 1002),
    ("80 02 6c6f", "80 82 37fa213d 5b95", E::UnexpectedContinuation, 1002),
    ("09 00", "09 80 37fa213d", E::FragmentedControl, 1002),
    ("0a 00", "0a 80 37fa213d", E::FragmentedControl, 1002),
    ("08 00", "08 80 37fa213d", E::FragmentedControl, 1002),
    ("88 01 03", "88 81 37fa213d 34", E::TruncatedClose, 1002),
    ("88 02 0000", "88 82 37fa213d 37fa", E::ForbiddenCloseCode(0), 1002),
    ("88 02 03e7", "88 82 37fa213d 341d", E::ForbiddenCloseCode(999), 1002),
    ("88 02 03ec", "88 82 37fa213d 3416", E::ForbiddenCloseCode(1004), 1002),
    ("88 02 03ed", "88 82 37fa213d 3417", E::ForbiddenCloseCode(1005), 1002),
    ("88 02 03ee", "88 82 37fa213d 3414", E::ForbiddenCloseCode(1006), 1002),
    ("88 02 03f7", "88 82 37fa213d 340d", E::ForbiddenCloseCode(1015), 1002),
    ("88 02 03f8", "88 82 37fa213d 3402", E::ForbiddenCloseCode(1016), 1002),
    ("88 02 0bb7", "88 82 37fa213d 3c4d", E::ForbiddenCloseCode(2999), 1002),
    ("88 02 1388", "88 82 37fa213d 2472", E::ForbiddenCloseCode(5000), 1002),
    ("88 02 ffff", "88 82 37fa213d c805", E::ForbiddenCloseCode(65535), 1002),
    ("88 04 03e8 c328", "88 84 37fa213d 3412 e215", E::InvalidUtf8, 1007),
    ("81 02 c328", "81 82 37fa213d f4d2", E::InvalidUtf8, 1007),
    ("81 02 c080", "81 82 37fa213d f77a", E::InvalidUtf8, 1007),
    ("81 03 e08080", "81 83 37fa213d d77aa1", E::InvalidUtf8, 1007),
    ("81 03 eda080", "81 83 37fa213d da5aa1", E::InvalidUtf8, 1007),
    ("81 04 f4908080", "81 84 37fa213d c36aa1bd", E::InvalidUtf8, 1007),
    ("81 01 ce", "81 81 37fa213d f9", E::InvalidUtf8, 1007),
];

// proves 6455-5.2-5, 6455-5.2-26, 6455-5.2-27, 6455-5.2-28, 6455-5.4-6, 6455-5.4-11
// proves 6455-5.5.1-4, 6455-5.6-5, 6455-7.1.7-2, 6455-7.1.7-4, 6455-7.1.7-5, 6455-7.4.1-7
// proves 6455-7.4.1-9, 6455-7.4.1-12, 6455-7.4.1-14, 6455-7.4.1-22, 6455-8.1-1
// proves 6455-10.7-1, 6455-10.7-3
#[test]
fn invalid_frames_fail_the_connection_with_the_matching_code() {
    for &(unmasked, masked, error, code) in INVALID {
        for (role, wire) in [(Role::Client, hex(unmasked)), (Role::Server, hex(masked))] {
            let events = assert_fails(role, Limits::default(), &wire, error);
            assert_eq!(events, [], "{unmasked}");
        }
        assert_eq!(CloseCode::from(error).get(), code, "{unmasked}");
    }
}

// proves 6455-5.2-7, 6455-5.5-1, 6455-5.6-1
#[test]
fn opcodes_match_the_table_of_the_rfc() {
    let known = [
        (0x0, Opcode::Continuation, false),
        (0x1, Opcode::Text, false),
        (0x2, Opcode::Binary, false),
        (0x8, Opcode::Close, true),
        (0x9, Opcode::Ping, true),
        (0xa, Opcode::Pong, true),
    ];
    for bits in 0..=u8::MAX {
        let expected = known.iter().find(|(known_bits, ..)| *known_bits == bits);
        assert_eq!(Opcode::from_bits(bits), expected.map(|(_, opcode, _)| *opcode));
    }
    for (bits, opcode, is_control) in known {
        assert_eq!(opcode.bits(), bits);
        assert_eq!(opcode.is_control(), is_control, "{opcode:?}");
        let mut header = Vec::new();
        FrameHeader::new(opcode, None, 0).encode(&mut header);
        assert_eq!(header, [0x80 | bits, 0]);
    }
}

// proves 6455-5.2-6, 6455-5.4-23
#[test]
fn reserved_opcodes_fail_the_connection_with_any_fin_and_payload() {
    for bits in (0x3..=0x7).chain(0xb..=0xf) {
        for first in [bits, 0x80 | bits] {
            for payload in [&b""[..], b"abc"] {
                for role in ROLES {
                    let wire = frame_from(peer(role), first, payload);
                    assert_fails(role, Limits::default(), &wire, E::ReservedOpcode(bits));
                }
            }
        }
    }
    let code = CloseCode::from(E::ReservedOpcode(3));
    assert_eq!(code, CloseCode::PROTOCOL_ERROR);
}

/// The first and the last code of each range of the table, and whether its codes may be sent.
const CODE_RANGES: &[(u16, u16, bool)] = &[
    (0, 999, false),
    (1000, 1003, true),
    (1004, 1006, false),
    (1007, 1011, true),
    (1012, 1014, true),
    (1015, 1015, false),
    (1016, 2999, false),
    (3000, 3999, true),
    (4000, 4999, true),
    (5000, 65535, false),
];

// proves 6455-7.4-2, 6455-7.4.1-7, 6455-7.4.1-8, 6455-7.4.1-11, 6455-7.4.1-21, 6455-7.4.2-1
// proves 6455-7.4.2-2, 6455-7.4.2-3, 6455-7.4.2-4
#[test]
fn only_sendable_close_codes_can_be_constructed() {
    let mut next = Some(0);
    for &(first, last, is_for_wire) in CODE_RANGES {
        assert_eq!(next, Some(first), "the table has no gap");
        next = last.checked_add(1);
        for code in first..=last {
            let made = CloseCode::new(code).map(CloseCode::get);
            assert_eq!(made, is_for_wire.then_some(code), "{code}");
        }
    }
    assert_eq!(next, None, "the table has no gap");
}

// proves 6455-5.5.1-10, 6455-7.4.1-3, 6455-7.4.1-15, 6455-7.4.1-20, 6455-7.4.2-1
// proves 6455-7.4.2-2, 6455-7.4.2-3, 6455-7.4.2-4
#[test]
fn received_codes_are_echoed_if_sendable_and_answered_with_1002_if_not() {
    for &(first, last, is_for_wire) in CODE_RANGES {
        for code in first..=last {
            let role = ROLES[usize::from(code % 2)];
            let body = code.to_be_bytes();
            let wire = frame_from(peer(role), 0x88, &body);
            let mut end = connection(role);
            let mut out = Vec::new();
            let event = end.next_event(&mut &wire[..], &mut out);
            if is_for_wire {
                let frame = CloseCode::new(code).map(CloseFrame::from);
                assert_eq!(event, Ok(Some(Event::Close(frame))), "{code}");
                assert_eq!(out, frame_from(role, 0x88, &body), "{code}");
            } else {
                let error = E::ForbiddenCloseCode(code);
                assert_eq!(event, Err(error), "{code}");
                let answer = [&[0x03, 0xea], error.to_string().as_bytes()].concat();
                assert_eq!(out, frame_from(role, 0x88, &answer), "{code}");
            }
            assert_eq!(end.state(), State::Closed, "{code}");
        }
    }
}

// proves 6455-7.4.1-1, 6455-7.4.1-2, 6455-7.4.1-3, 6455-7.4.1-15, 6455-7.4.1-20
#[test]
fn close_code_constants_match_the_table_of_the_rfc() {
    let table = [
        (CloseCode::NORMAL, 1000),
        (CloseCode::GOING_AWAY, 1001),
        (CloseCode::PROTOCOL_ERROR, 1002),
        (CloseCode::UNSUPPORTED_DATA, 1003),
        (CloseCode::INVALID_PAYLOAD, 1007),
        (CloseCode::POLICY_VIOLATION, 1008),
        (CloseCode::MESSAGE_TOO_BIG, 1009),
        (CloseCode::MANDATORY_EXTENSION, 1010),
        (CloseCode::INTERNAL_ERROR, 1011),
        (CloseCode::SERVICE_RESTART, 1012),
        (CloseCode::TRY_AGAIN_LATER, 1013),
        (CloseCode::BAD_GATEWAY, 1014),
    ];
    for (code, number) in table {
        assert_eq!(code.get(), number);
        assert_eq!(code.to_string(), format!("{number} {}", code.name().unwrap()));
        assert_eq!(format!("{code:?}"), format!("CloseCode({code})"));
        assert_eq!(CloseCode::try_from(number), Ok(code));
        assert!(code == number && u16::from(code) == number);
        assert_eq!(CloseCode::new(number), Some(code));
        for role in ROLES {
            if (code, role) == (CloseCode::MANDATORY_EXTENSION, Role::Server) {
                continue;
            }
            let mut out = Vec::new();
            let sent = outbound(role).encode_close(Some(&code.into()), &mut out);
            assert_eq!(sent, Ok(()), "{number} from {role:?}");
            assert_eq!(out, frame_from(role, 0x88, &number.to_be_bytes()));
        }
    }
}

// proves 6455-5.4-5
#[test]
fn the_two_fragments_of_the_examples_are_one_message() {
    let from_server = hex("01 03 48656c 80 02 6c6f");
    let outcome = feed(Role::Client, Limits::default(), [&from_server[..]]);
    assert_eq!(outcome.events, [Event::Message(Message::from("Hello"))]);
}
