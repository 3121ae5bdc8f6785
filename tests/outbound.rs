//! Tests the frames that an endpoint may send (§5.1, §5.3 to §5.5, §6.1, §7), byte for byte.

mod support;

use support::{
    KEY, ROLES, counted_key, fragile_key, frame_from, frames_from, hex, keys_taken,
    let_keys_run_out, naive_mask, outbound,
};
use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame, FrameHeader, MaskingKey, ReasonTooLong};
use tightwire::protocol::{
    Event, Message, MessageKind, MessageRef, Outbound, PendingControl, Role, SendError,
};

/// One kind of send.
#[derive(Clone, Copy, Debug)]
enum Send {
    Text,
    Binary,
    Header,
    Fragment,
    Ping,
    Pong,
    Close,
    CloseWithCode,
}

const ALL: [Send; 8] = [
    Send::Text,
    Send::Binary,
    Send::Header,
    Send::Fragment,
    Send::Ping,
    Send::Pong,
    Send::Close,
    Send::CloseWithCode,
];

impl Send {
    fn by(self, sender: &mut Outbound, out: &mut Vec<u8>) -> Result<(), SendError> {
        match self {
            Self::Text => sender.encode_message("t".into(), out),
            Self::Binary => sender.encode_message(b"b".into(), out),
            Self::Header => sender.encode_message_header(MessageKind::Text, 1, out).map(|_| ()),
            Self::Fragment => sender.encode_final_fragment("f".into(), out),
            Self::Ping => sender.encode_ping(b"i", out),
            Self::Pong => sender.encode_pong(b"o", out),
            Self::Close => sender.encode_close(None, out),
            Self::CloseWithCode => sender.encode_close(Some(&CloseCode::NORMAL.into()), out),
        }
    }
}

/// Asserts that `send` fails with this error and appends nothing.
#[track_caller]
fn assert_refused(error: SendError, send: impl FnOnce(&mut Vec<u8>) -> Result<(), SendError>) {
    let mut out = b"before".to_vec();
    assert_eq!(send(&mut out), Err(error));
    assert_eq!(out, b"before", "nothing is appended");
}

// proves 6455-5.1-1, 6455-5.1-5, 6455-5.2-4, 6455-5.3-1, 6455-5.5.1-7, 6455-5.8-2, 6455-6.1-8
#[test]
fn clients_mask_all_frames_and_servers_none() {
    for send in ALL {
        for role in ROLES {
            let mut out = Vec::new();
            send.by(&mut outbound(role), &mut out).unwrap();
            let (header, _) = FrameHeader::decode(&out).unwrap().unwrap();
            assert_eq!(header.mask, (role == Role::Client).then_some(KEY), "{send:?}");
            assert_eq!(out[0] & 0x70, 0, "no reserved bit");
        }
    }
    let mut out = Vec::new();
    outbound(Role::Client).encode_message("".into(), &mut out).unwrap();
    assert_eq!(out, hex("81 80 37fa213d"), "an empty payload has a key too");
}

// proves 6455-5.3-3, 6455-10.3-3
#[test]
fn each_frame_has_its_own_masking_key() {
    let mut sender = Outbound::client(counted_key);
    let mut out = Vec::new();
    sender.encode_message("whole".into(), &mut out).unwrap();
    sender.encode_fragment("1".into(), &mut out).unwrap();
    sender.encode_ping(b"", &mut out).unwrap();
    sender.encode_fragment("2".into(), &mut out).unwrap();
    sender.encode_pong(b"", &mut out).unwrap();
    sender.encode_final_fragment("3".into(), &mut out).unwrap();
    let mask = sender.encode_message_header(MessageKind::Text, 0, &mut out).unwrap();
    assert_eq!(mask, Some(MaskingKey([0, 0, 0, 7])));
    let mut pending_control = PendingControl::new();
    pending_control.record_event(&Event::Ping(vec![]));
    sender.encode_pending(&mut pending_control, &mut out).unwrap();
    sender.encode_close(None, &mut out).unwrap();
    assert_eq!(keys_taken(), 9);
    let mut rest = &out[..];
    for n in 1_u32..=9 {
        let (header, header_len) = FrameHeader::decode(rest).unwrap().unwrap();
        assert_eq!(header.mask, Some(MaskingKey(n.to_be_bytes())));
        rest = &rest[header_len + usize::try_from(header.payload_len).unwrap()..];
    }
    assert_eq!(rest, b"");
}

// proves 6455-5.3-2, 6455-5.3-7
#[test]
fn the_key_masks_the_payload_from_its_first_byte() {
    let payload: Vec<u8> = (0..=255).collect();
    for len in [0, 1, 2, 3, 4, 5, 31, 32, 33, 126, 200] {
        let mut out = b"x".to_vec();
        let part = MessageRef::Binary(&payload[..len]);
        outbound(Role::Client).encode_message(part, &mut out).unwrap();
        let expected = naive_mask(&payload[..len], KEY, 0);
        assert_eq!(out[out.len() - len..], expected);
    }
}

#[test]
fn a_header_and_a_masked_payload_equal_the_whole_message() {
    for role in ROLES {
        for len in [0, 125, 126, 65536] {
            let data = vec![0x55; len];
            let (mut whole, mut header) = (Vec::new(), Vec::new());
            let message = MessageRef::Binary(&data);
            outbound(role).encode_message(message, &mut whole).unwrap();
            let mask = outbound(role)
                .encode_message_header(message.kind(), data.len(), &mut header)
                .unwrap();
            assert_eq!(mask.is_some(), role == Role::Client);
            let mut payload = data.clone();
            if let Some(key) = mask {
                key.apply(&mut payload, 0);
            }
            assert_eq!([header, payload].concat(), whole);
        }
    }
}

// proves 6455-5.4-5, 6455-5.4-16, 6455-6.1-5, 6455-6.1-6, 6455-6.1-7
#[test]
fn only_the_first_fragment_has_the_opcode_and_only_the_last_has_fin() {
    let as_text = |part| MessageRef::Text(part);
    let as_binary = |part: &'static str| MessageRef::Binary(part.as_bytes());
    let kinds: [(&dyn Fn(&'static str) -> _, u8); 2] = [(&as_text, 0x01), (&as_binary, 0x02)];
    for (kind, opcode) in kinds {
        for role in ROLES {
            let mut sender = outbound(role);
            let mut out = Vec::new();
            for part in ["Hel", ""] {
                sender.encode_fragment(kind(part), &mut out).unwrap();
            }
            sender.encode_final_fragment(kind("lo"), &mut out).unwrap();
            sender.encode_final_fragment(kind("whole"), &mut out).unwrap();
            sender.encode_fragment(kind(""), &mut out).unwrap();
            sender.encode_final_fragment(kind(""), &mut out).unwrap();
            let frames: &[(u8, &[u8])] = &[
                (opcode, b"Hel"),
                (0x00, b""),
                (0x80, b"lo"),
                (0x80 | opcode, b"whole"),
                (opcode, b""),
                (0x80, b""),
            ];
            assert_eq!(out, frames_from(role, frames));
        }
    }
}

// proves 6455-5.4-9, 6455-5.4-10, 6455-5.5-4, 6455-5.5.2-5, 6455-5.5.3-4
#[test]
fn control_frames_may_be_sent_between_fragments() {
    for role in ROLES {
        let mut sender = outbound(role);
        let mut out = Vec::new();
        sender.encode_fragment("a".into(), &mut out).unwrap();
        sender.encode_ping(b"1", &mut out).unwrap();
        sender.encode_fragment("b".into(), &mut out).unwrap();
        sender.encode_pong(b"2", &mut out).unwrap();
        sender.encode_final_fragment("c".into(), &mut out).unwrap();
        let frames: &[(u8, &[u8])] =
            &[(0x01, b"a"), (0x89, b"1"), (0x00, b"b"), (0x8a, b"2"), (0x80, b"c")];
        assert_eq!(out, frames_from(role, frames));
    }
}

// proves 6455-5.4-13
#[test]
fn a_second_message_is_refused_until_the_first_ends() {
    let error = SendError::MessageInProgress;
    for role in ROLES {
        let mut sender = outbound(role);
        let mut out = Vec::new();
        sender.encode_fragment("first".into(), &mut out).unwrap();
        assert_refused(error, |out| sender.encode_message("second".into(), out));
        assert_refused(error, |out| sender.encode_message(b"second".into(), out));
        assert_refused(error, |out| {
            sender.encode_message_header(MessageKind::Text, 6, out).map(|_| ())
        });
        assert_refused(error, |out| sender.encode_fragment(b"other kind".into(), out));
        assert_refused(error, |out| sender.encode_final_fragment(b"other kind".into(), out));
        out.clear();
        sender.encode_final_fragment("last".into(), &mut out).unwrap();
        sender.encode_message("second".into(), &mut out).unwrap();
        let frames: &[(u8, &[u8])] = &[(0x80, b"last"), (0x81, b"second")];
        assert_eq!(out, frames_from(role, frames), "as if nothing was tried");
    }
}

// proves 6455-5.5.1-8, 6455-6.1-2
#[test]
fn nothing_is_sent_after_a_close() {
    for role in ROLES {
        for is_inside_message in [false, true] {
            let mut sender = outbound(role);
            let mut out = Vec::new();
            if is_inside_message {
                sender.encode_fragment("never ".into(), &mut out).unwrap();
            }
            assert!(!sender.close_sent());
            out.clear();
            sender.encode_close(None, &mut out).unwrap();
            assert_eq!(out, frame_from(role, 0x88, b""));
            assert!(sender.close_sent());
            for send in ALL {
                assert_refused(SendError::Closed, |out| send.by(&mut sender, out));
            }
        }
    }
}

// proves 6455-5.5-2, 6455-5.5.2-2
#[test]
fn pings_and_pongs_have_at_most_125_bytes() {
    let data = [0xff; 126];
    let error = SendError::ControlTooLong { len: 126 };
    for role in ROLES {
        let mut sender = outbound(role);
        assert_refused(error, |out| sender.encode_ping(&data, out));
        assert_refused(error, |out| sender.encode_pong(&data, out));
        let mut pending_control = PendingControl::new();
        pending_control.record_ping(&data);
        assert_refused(error, |out| sender.encode_pending(&mut pending_control, out));
        pending_control.record_event(&Event::Ping(data.to_vec()));
        assert_refused(error, |out| sender.encode_pending(&mut pending_control, out));
        assert!(pending_control.is_empty());
        for len in [0, 1, 125] {
            let mut out = Vec::new();
            sender.encode_ping(&data[..len], &mut out).unwrap();
            sender.encode_pong(&data[..len], &mut out).unwrap();
            let frames = [(0x89, &data[..len]), (0x8a, &data[..len])];
            assert_eq!(out, frames_from(role, &frames));
        }
    }
}

// proves 6455-5.5-2, 6455-5.5.1-3, 6455-7.1.2-1, 6455-7.4-1, 6455-7.4-3
#[test]
fn a_close_has_a_code_and_a_reason_of_at_most_123_bytes() {
    let longest = "r".repeat(123);
    for role in ROLES {
        let mut out = Vec::new();
        outbound(role).encode_close(None, &mut out).unwrap();
        assert_eq!(out, frame_from(role, 0x88, b""));
        for reason in ["", "bye", "€", &longest] {
            let frame = CloseFrame::new(CloseCode::NORMAL, reason).unwrap();
            let mut out = Vec::new();
            outbound(role).encode_close(Some(&frame), &mut out).unwrap();
            let body = [&[0x03, 0xe8], reason.as_bytes()].concat();
            assert_eq!(out, frame_from(role, 0x88, &body));
        }
    }
    let too_long = CloseFrame::new(CloseCode::NORMAL, "r".repeat(124)).unwrap_err();
    let error = SendError::from(too_long);
    assert_eq!(error, SendError::ReasonTooLong(ReasonTooLong { len: 124 }));
}

// proves 6455-7.4.1-19
#[test]
fn only_a_client_may_initiate_a_close_with_1010() {
    let frame = CloseFrame::from(CloseCode::MANDATORY_EXTENSION);
    let mut out = Vec::new();
    outbound(Role::Client).encode_close(Some(&frame), &mut out).unwrap();
    assert_eq!(out, frame_from(Role::Client, 0x88, &[0x03, 0xf2]));
    let mut server = outbound(Role::Server);
    let error = SendError::ForbiddenCloseCode(CloseCode::MANDATORY_EXTENSION);
    assert_refused(error, |out| server.encode_close(Some(&frame), out));
    assert!(!server.close_sent());
    let mut out = Vec::new();
    server.encode_close(None, &mut out).unwrap();
    assert_eq!(out, hex("88 00"), "the server may still close");
}

// proves 6455-5.5.1-10
#[test]
fn a_server_echoes_the_1010_of_its_client() {
    let mut pending_control = PendingControl::new();
    let frame = CloseFrame::new(CloseCode::MANDATORY_EXTENSION, "needs it").unwrap();
    pending_control.record_event(&Event::Close(Some(frame)));
    let mut out = Vec::new();
    outbound(Role::Server).encode_pending(&mut pending_control, &mut out).unwrap();
    assert_eq!(out, hex("88 02 03f2"));
}

#[test]
fn without_a_masking_key_nothing_is_sent_or_changed() {
    let_keys_run_out(true);
    let mut sender = Outbound::client(fragile_key);
    for send in ALL {
        assert_refused(SendError::NoMaskingKey, |out| send.by(&mut sender, out));
    }
    assert_refused(SendError::NoMaskingKey, |out| sender.encode_fragment("f".into(), out));
    assert!(!sender.close_sent());
    let_keys_run_out(false);
    let mut out = Vec::new();
    sender.encode_message("no fragment was begun".into(), &mut out).unwrap();
    sender.encode_close(None, &mut out).unwrap();
    let frames: &[(u8, &[u8])] = &[(0x81, b"no fragment was begun"), (0x88, b"")];
    assert_eq!(out, frames_from(Role::Client, frames));
}

#[test]
fn a_refused_fragment_does_not_change_the_message() {
    let mut sender = Outbound::client(fragile_key);
    let mut out = Vec::new();
    sender.encode_fragment("a".into(), &mut out).unwrap();
    let_keys_run_out(true);
    assert_refused(SendError::NoMaskingKey, |out| sender.encode_final_fragment("b".into(), out));
    let_keys_run_out(false);
    sender.encode_final_fragment("b".into(), &mut out).unwrap();
    let frames: &[(u8, &[u8])] = &[(0x01, b"a"), (0x80, b"b")];
    assert_eq!(out, frames_from(Role::Client, frames));
}

// proves 6455-5.5.2-3, 6455-5.5.3-2, 6455-5.5.3-3
#[test]
fn of_several_unanswered_pings_the_latest_is_answered() {
    for role in ROLES {
        let mut pending_control = PendingControl::new();
        assert!(pending_control.is_empty());
        for data in [&b"1"[..], b"22", b"\xff\x00"] {
            pending_control.record_event(&Event::Ping(data.to_vec()));
            assert!(!pending_control.is_empty());
        }
        let (mut sender, mut out) = (outbound(role), Vec::new());
        sender.encode_pending(&mut pending_control, &mut out).unwrap();
        assert_eq!(out, frame_from(role, 0x8a, b"\xff\x00"));
        assert!(pending_control.is_empty());
        sender.encode_pending(&mut pending_control, &mut out).unwrap();
        assert_eq!(out, frame_from(role, 0x8a, b"\xff\x00"), "and only once");
    }
}

// proves 6455-5.5.3-5
#[test]
fn messages_and_pongs_need_no_answer() {
    let mut pending_control = PendingControl::new();
    pending_control.record_event(&Event::Message(Message::from("Hello")));
    pending_control.record_event(&Event::Pong(b"Hello".to_vec()));
    assert!(pending_control.is_empty());
    let mut out = Vec::new();
    outbound(Role::Client).encode_pending(&mut pending_control, &mut out).unwrap();
    assert_eq!(out, b"");
}

// proves 6455-5.5.2-3, 6455-5.5.1-9, 6455-5.5.1-10
#[test]
fn a_pong_precedes_a_close_that_echoes_only_the_code() {
    for role in ROLES {
        let mut pending_control = PendingControl::new();
        pending_control.record_event(&Event::Ping(b"p".to_vec()));
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, "not repeated").unwrap();
        pending_control.record_event(&Event::Close(Some(frame)));
        let (mut sender, mut out) = (outbound(role), Vec::new());
        sender.encode_pending(&mut pending_control, &mut out).unwrap();
        let frames: &[(u8, &[u8])] = &[(0x8a, b"p"), (0x88, &[0x03, 0xe9])];
        assert_eq!(out, frames_from(role, frames));
        assert!(sender.close_sent());
        assert_refused(SendError::Closed, |out| sender.encode_message("more".into(), out));
    }
}

// proves 6455-5.5.1-9, 6455-5.5.1-19
#[test]
fn a_close_that_was_sent_is_not_sent_again() {
    let failure = ProtocolError::ReservedBits;
    let notes: [fn(&mut PendingControl); 2] = [
        |pending_control| pending_control.record_event(&Event::Close(None)),
        |pending_control| pending_control.record_failure(ProtocolError::ReservedBits),
    ];
    for note in notes {
        let (mut sender, mut out) = (outbound(Role::Server), Vec::new());
        sender.encode_close(None, &mut out).unwrap();
        let mut pending_control = PendingControl::new();
        note(&mut pending_control);
        sender.encode_pending(&mut pending_control, &mut out).unwrap();
        assert_eq!(out, hex("88 00"));
        assert!(pending_control.is_empty());
    }
    let (mut pending_control, mut out) = (PendingControl::new(), Vec::new());
    pending_control.record_failure(failure);
    outbound(Role::Server).encode_pending(&mut pending_control, &mut out).unwrap();
    let body = [&[0x03, 0xea], failure.to_string().as_bytes()].concat();
    assert_eq!(out, frame_from(Role::Server, 0x88, &body));
}

// proves 6455-5.5.2-3
#[test]
fn a_ping_is_answered_even_after_our_close() {
    for role in ROLES {
        let (mut sender, mut out) = (outbound(role), Vec::new());
        sender.encode_close(None, &mut out).unwrap();
        let mut pending_control = PendingControl::new();
        pending_control.record_event(&Event::Ping(b"still there?".to_vec()));
        sender.encode_pending(&mut pending_control, &mut out).unwrap();
        let frames: &[(u8, &[u8])] = &[(0x88, b""), (0x8a, b"still there?")];
        assert_eq!(out, frames_from(role, frames));
    }
}

// proves 6455-5.5.1-8, 6455-6.1-3
#[test]
fn answering_a_close_abandons_the_message_in_progress() {
    for role in ROLES {
        let (mut sender, mut out) = (outbound(role), Vec::new());
        sender.encode_fragment("never ".into(), &mut out).unwrap();
        let mut pending_control = PendingControl::new();
        pending_control.record_event(&Event::Close(None));
        sender.encode_pending(&mut pending_control, &mut out).unwrap();
        let frames: &[(u8, &[u8])] = &[(0x01, b"never "), (0x88, b"")];
        assert_eq!(out, frames_from(role, frames));
        assert_refused(SendError::Closed, |out| {
            sender.encode_final_fragment("complete".into(), out)
        });
    }
}

// proves 6455-6.1-2
#[test]
fn only_a_close_is_sent_once_a_close_could_not_be_answered() {
    let notes: [fn(&mut PendingControl); 2] = [
        |pending_control| pending_control.record_event(&Event::Close(None)),
        |pending_control| pending_control.record_failure(ProtocolError::ReservedBits),
    ];
    for note in notes {
        let_keys_run_out(true);
        let mut sender = Outbound::client(fragile_key);
        let mut pending_control = PendingControl::new();
        pending_control.record_event(&Event::Ping(vec![]));
        note(&mut pending_control);
        assert_refused(SendError::NoMaskingKey, |out| {
            sender.encode_pending(&mut pending_control, out)
        });
        let_keys_run_out(false);
        for send in &ALL[..6] {
            assert_refused(SendError::Closed, |out| send.by(&mut sender, out));
        }
        let mut out = Vec::new();
        sender.encode_close(None, &mut out).unwrap();
        assert_eq!(out, frame_from(Role::Client, 0x88, b""));
    }
}

#[test]
fn the_constructor_determines_the_role() {
    for role in ROLES {
        assert_eq!(outbound(role).role(), role);
    }
}

#[test]
fn messages_of_all_types_convert_to_a_message_ref() {
    let (string, vec) = (String::from("words"), vec![1, 2]);
    let (text, data) = (Message::from("words"), Message::from(vec![1, 2]));
    for lent in [MessageRef::from("words"), (&string).into(), (&text).into()] {
        assert_eq!(lent, MessageRef::Text("words"));
        assert_eq!(lent.as_bytes(), b"words");
    }
    for lent in [MessageRef::from(&[1, 2]), (&vec).into(), vec[..].into(), (&data).into()] {
        assert_eq!(lent, MessageRef::Binary(&[1, 2]));
    }
}

#[test]
fn send_errors_name_the_fault() {
    let refusals = [
        (SendError::Closed, "closing"),
        (SendError::MessageInProgress, "in progress"),
        (SendError::ControlTooLong { len: 126 }, "126"),
        (SendError::ForbiddenCloseCode(CloseCode::MANDATORY_EXTENSION), "1010"),
        (SendError::ReasonTooLong(ReasonTooLong { len: 124 }), "124"),
        (SendError::NoMaskingKey, "masking key"),
    ];
    for (refusal, word) in refusals {
        assert!(refusal.to_string().contains(word), "{refusal}");
    }
}
