//! Tests the closing handshake (§7.1) as a table: for every state and every event, the bytes that
//! go out and the state that follows.

mod support;

use support::{
    End, Pair, ROLES, fragile_key, frame_from, frames_from, let_keys_run_out, limits, outbound,
    peer,
};
use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame};
use tightwire::protocol::{
    Connection, Event, Limits, Message, MessageRef, Outbound, Role, SendError, State,
};

/// The state of a connection, in more detail than [`State`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Open,
    /// A Close was sent.
    WeClosed,
    /// A Close was received, and no masking key was available for the answer. This happens only to
    /// clients, because the answer otherwise goes out in the same call.
    PeerClosed,
    /// A Close was sent and received.
    BothClosed,
    /// The peer broke the protocol.
    Failed,
}

const ALL_STATES: [At; 5] = [At::Open, At::WeClosed, At::PeerClosed, At::BothClosed, At::Failed];

/// An event of the connection.
#[derive(Clone, Copy, Debug)]
enum Step {
    // Frames of the peer.
    Text,
    Fragment,
    Ping,
    Pong,
    Close,
    CloseWithCode,
    Violation,
    // Calls of the program.
    SendText,
    SendHeader,
    SendFragment,
    SendPing,
    SendPong,
    SendClose,
    SendCloseWithCode,
}

const ALL_STEPS: [Step; 14] = [
    Step::Text,
    Step::Fragment,
    Step::Ping,
    Step::Pong,
    Step::Close,
    Step::CloseWithCode,
    Step::Violation,
    Step::SendText,
    Step::SendHeader,
    Step::SendFragment,
    Step::SendPing,
    Step::SendPong,
    Step::SendClose,
    Step::SendCloseWithCode,
];

/// The return value of a step.
#[derive(Debug, Eq, PartialEq)]
enum Answer {
    Received(Result<Option<Event>, ProtocolError>),
    Sent(Result<(), SendError>),
}

const VIOLATION: ProtocolError = ProtocolError::ReservedOpcode(3);

/// The table. Returns the answer of the step, the frames that go out, and the next state.
fn expected(at: At, step: Step) -> (Answer, Vec<(u8, Vec<u8>)>, At) {
    let received = |event| Answer::Received(Ok(event));
    let sent = || Answer::Sent(Ok(()));
    let frame = |first, payload: &[u8]| vec![(first, payload.to_vec())];
    let nothing = Vec::new;
    match (at, step) {
        // The peer sends something that it may send.
        (At::Open | At::WeClosed, Step::Text) => {
            let message = Event::Message(Message::from("text"));
            (received(Some(message)), nothing(), at)
        }
        (At::Open | At::WeClosed, Step::Fragment) => (received(None), nothing(), at),
        (At::Open | At::WeClosed, Step::Ping) => {
            let event = Event::Ping(b"data".to_vec());
            (received(Some(event)), frame(0x8a, b"data"), at)
        }
        (At::Open | At::WeClosed, Step::Pong) => {
            let event = Event::Pong(b"data".to_vec());
            (received(Some(event)), nothing(), at)
        }
        // The peer sends a Close, or breaks a rule. We send a Close unless we already did.
        (At::Open, Step::Close) => {
            (received(Some(Event::Close(None))), frame(0x88, b""), At::BothClosed)
        }
        (At::Open, Step::CloseWithCode) => (
            received(Some(Event::Close(Some(going_away())))),
            frame(0x88, b"\x03\xe9"),
            At::BothClosed,
        ),
        (At::Open, Step::Violation) => {
            let body = [b"\x03\xea", VIOLATION.to_string().as_bytes()].concat();
            let failed = Answer::Received(Err(VIOLATION));
            (failed, frame(0x88, &body), At::Failed)
        }
        (At::WeClosed, Step::Close) => {
            let event = Event::Close(None);
            (received(Some(event)), nothing(), At::BothClosed)
        }
        (At::WeClosed, Step::CloseWithCode) => {
            let event = Event::Close(Some(going_away()));
            (received(Some(event)), nothing(), At::BothClosed)
        }
        (At::WeClosed, Step::Violation) => {
            let failed = Answer::Received(Err(VIOLATION));
            (failed, nothing(), At::Failed)
        }
        // Everything after the Close or the failure of the peer is ignored.
        (
            At::PeerClosed | At::BothClosed | At::Failed,
            Step::Text
            | Step::Fragment
            | Step::Ping
            | Step::Pong
            | Step::Close
            | Step::CloseWithCode
            | Step::Violation,
        ) => (received(None), nothing(), at),
        // The program may send only in OPEN.
        (At::Open, Step::SendText) => (sent(), frame(0x81, b"text"), at),
        (At::Open, Step::SendHeader) => (sent(), frame(0x82, b""), at),
        (At::Open, Step::SendFragment) => (sent(), frame(0x01, b"part"), at),
        (At::Open, Step::SendPing) => (sent(), frame(0x89, b"data"), at),
        (At::Open, Step::SendPong) => (sent(), frame(0x8a, b"data"), at),
        (At::Open, Step::SendClose) => (sent(), frame(0x88, b""), At::WeClosed),
        (At::Open, Step::SendCloseWithCode) => (sent(), frame(0x88, b"\x03\xe8bye"), At::WeClosed),
        // A Close that could not be sent at first may be sent later.
        (At::PeerClosed, Step::SendClose) => (sent(), frame(0x88, b""), At::BothClosed),
        (At::PeerClosed, Step::SendCloseWithCode) => {
            (sent(), frame(0x88, b"\x03\xe8bye"), At::BothClosed)
        }
        (
            At::WeClosed | At::PeerClosed | At::BothClosed | At::Failed,
            Step::SendText
            | Step::SendHeader
            | Step::SendFragment
            | Step::SendPing
            | Step::SendPong
            | Step::SendClose
            | Step::SendCloseWithCode,
        ) => (Answer::Sent(Err(SendError::Closed)), nothing(), at),
    }
}

fn going_away() -> CloseFrame {
    CloseFrame::new(CloseCode::GOING_AWAY, "why").unwrap()
}

/// Returns a connection in this state, or `None` if this role cannot reach it.
fn connection_at(at: At, role: Role) -> Option<Connection> {
    let sender = match role {
        Role::Client => Outbound::client(fragile_key),
        Role::Server => outbound(role),
    };
    let mut end = Connection::new(sender, Limits::default());
    let mut out = Vec::new();
    let close = frame_from(peer(role), 0x88, b"");
    match at {
        At::Open => {}
        At::WeClosed => end.outbound().encode_close(None, &mut out).unwrap(),
        At::PeerClosed if role == Role::Server => return None,
        At::PeerClosed => {
            let_keys_run_out(true);
            end.next_event(&mut &close[..], &mut out).unwrap();
            let_keys_run_out(false);
            assert_eq!(out, b"", "there was no key");
        }
        At::BothClosed => {
            end.next_event(&mut &close[..], &mut out).unwrap();
        }
        At::Failed => {
            let wire = frame_from(peer(role), 0x83, b"");
            end.next_event(&mut &wire[..], &mut out).unwrap_err();
        }
    }
    Some(end)
}

fn take(step: Step, role: Role, end: &mut Connection, out: &mut Vec<u8>) -> Answer {
    let mut receive = |first, payload: &[u8]| {
        let wire = frame_from(peer(role), first, payload);
        Answer::Received(end.next_event(&mut &wire[..], out))
    };
    match step {
        Step::Text => return receive(0x81, b"text"),
        Step::Fragment => return receive(0x01, b"part"),
        Step::Ping => return receive(0x89, b"data"),
        Step::Pong => return receive(0x8a, b"data"),
        Step::Close => return receive(0x88, b""),
        Step::CloseWithCode => return receive(0x88, b"\x03\xe9why"),
        Step::Violation => return receive(0x83, b""),
        _ => {}
    }
    let sender = end.outbound();
    Answer::Sent(match step {
        Step::SendText => sender.encode_message("text".into(), out),
        Step::SendHeader => {
            let empty = MessageRef::Binary(b"");
            sender.encode_message_header(empty.kind(), 0, out).map(|_| ())
        }
        Step::SendFragment => sender.encode_fragment("part".into(), out),
        Step::SendPing => sender.encode_ping(b"data", out),
        Step::SendPong => sender.encode_pong(b"data", out),
        Step::SendClose => sender.encode_close(None, out),
        _ => {
            let bye = CloseFrame::new(CloseCode::NORMAL, "bye").unwrap();
            sender.encode_close(Some(&bye), out)
        }
    })
}

#[track_caller]
fn assert_is_at(end: &mut Connection, at: At) {
    let (state, close_sent) = match at {
        At::Open => (State::Open, false),
        At::WeClosed => (State::Closing, true),
        At::PeerClosed => (State::Closing, false),
        At::BothClosed | At::Failed => (State::Closed, true),
    };
    let is_at = (end.state(), end.outbound().close_sent());
    assert_eq!(is_at, (state, close_sent), "{at:?}");
}

// proves 6455-5.5.1-8, 6455-5.5.1-9, 6455-5.5.1-10, 6455-5.5.1-11, 6455-5.5.1-14, 6455-5.5.2-3
// proves 6455-5.5.2-4, 6455-5.5.2-5, 6455-5.5.3-5, 6455-6.1-2, 6455-7.1.2-1, 6455-7.1.3-1
// proves 6455-7.1.7-7
#[test]
fn every_step_in_every_state_matches_the_table() {
    for role in ROLES {
        for at in ALL_STATES {
            for step in ALL_STEPS {
                let Some(mut end) = connection_at(at, role) else {
                    continue;
                };
                assert_is_at(&mut end, at);
                let mut out = b"before".to_vec();
                let answer = take(step, role, &mut end, &mut out);
                let (expected_answer, frames, next) = expected(at, step);
                assert_eq!(answer, expected_answer, "{role:?} {at:?} {step:?}");
                let frames: Vec<_> = frames.iter().map(|(f, p)| (*f, &p[..])).collect();
                let bytes = [b"before", &frames_from(role, &frames)[..]].concat();
                assert_eq!(out, bytes, "{role:?} {at:?} {step:?}");
                assert_is_at(&mut end, next);
            }
        }
    }
}

#[test]
fn a_closed_connection_stays_closed() {
    for role in ROLES {
        for at in [At::BothClosed, At::Failed] {
            let mut end = connection_at(at, role).unwrap();
            let mut out = Vec::new();
            for step in ALL_STEPS.into_iter().chain(ALL_STEPS) {
                let answer = take(step, role, &mut end, &mut out);
                let nothing = Answer::Received(Ok(None));
                let refused = Answer::Sent(Err(SendError::Closed));
                assert!(answer == nothing || answer == refused, "{step:?}: {answer:?}");
                assert_is_at(&mut end, at);
            }
            assert_eq!(out, b"");
        }
    }
}

#[test]
fn a_failure_without_a_masking_key_closes_without_a_close_frame() {
    let mut end = Connection::new(Outbound::client(fragile_key), Limits::default());
    let_keys_run_out(true);
    let mut out = Vec::new();
    let wire = frame_from(Role::Server, 0x83, b"");
    assert_eq!(end.next_event(&mut &wire[..], &mut out), Err(VIOLATION));
    let_keys_run_out(false);
    assert_eq!(end.state(), State::Closed);
    let sent = end.outbound().encode_message("too late".into(), &mut out);
    assert_eq!(sent, Err(SendError::Closed));
    assert_eq!(out, b"");
}

/// Asserts that this end received exactly these events and is closed.
#[track_caller]
fn assert_closed(end: &End, events: &[Event]) {
    assert_eq!(end.events, events);
    assert_eq!(end.connection.state(), State::Closed);
}

// proves 6455-5.5.1-9, 6455-5.5.1-10, 6455-7.1.5-1, 6455-7.1.6-1
#[test]
fn either_end_may_start_the_closing_handshake() {
    for role in ROLES {
        for piece_len in [1, 3, 100] {
            let mut pair = Pair::new(Limits::default());
            let bye = CloseFrame::new(CloseCode::NORMAL, "bye").unwrap();
            let end = pair.end(role);
            let sender = end.connection.outbound();
            sender.encode_message("last words".into(), &mut end.out).unwrap();
            sender.encode_close(Some(&bye), &mut end.out).unwrap();
            pair.pump(piece_len);
            let last_words = Event::Message(Message::from("last words"));
            assert_closed(pair.end(peer(role)), &[last_words, Event::Close(Some(bye))]);
            let echo = CloseFrame::from(CloseCode::NORMAL);
            assert_closed(pair.end(role), &[Event::Close(Some(echo))]);
        }
    }
}

// proves 6455-5.5.1-19, 6455-7.1.5-1
#[test]
fn both_ends_may_close_at_once() {
    let mut pair = Pair::new(Limits::default());
    let codes = [(Role::Client, CloseCode::NORMAL), (Role::Server, CloseCode::GOING_AWAY)];
    for (role, code) in codes {
        let end = pair.end(role);
        let sender = end.connection.outbound();
        sender.encode_close(Some(&code.into()), &mut end.out).unwrap();
        assert_eq!(end.out, frame_from(role, 0x88, &code.get().to_be_bytes()));
    }
    pair.pump(1);
    for (role, code) in codes {
        assert_closed(pair.end(peer(role)), &[Event::Close(Some(code.into()))]);
    }
}

// proves 6455-5.1-8, 6455-5.5.1-14, 6455-5.5.2-3
#[test]
fn messages_sent_before_the_peer_sees_our_close_still_arrive() {
    for role in ROLES {
        let mut pair = Pair::new(Limits::default());
        let other = pair.end(peer(role));
        let sender = other.connection.outbound();
        sender.encode_message("crossing".into(), &mut other.out).unwrap();
        sender.encode_ping(b"p", &mut other.out).unwrap();
        let end = pair.end(role);
        end.connection.outbound().encode_close(None, &mut end.out).unwrap();
        pair.pump(100);
        let crossing = Event::Message(Message::from("crossing"));
        let ping = Event::Ping(b"p".to_vec());
        assert_closed(pair.end(role), &[crossing, ping, Event::Close(None)]);
        // The Pong follows our Close, so the peer ignores it.
        assert_closed(pair.end(peer(role)), &[Event::Close(None)]);
    }
}

// proves 6455-7.1.7-5, 6455-7.4.1-16
#[test]
fn a_peer_that_exceeds_a_limit_receives_1009() {
    for role in ROLES {
        let tight = limits(3, 1 << 20, 10);
        let mut end = Connection::new(outbound(role), tight);
        let wire = frame_from(peer(role), 0x82, b"four");
        let mut out = Vec::new();
        let error = ProtocolError::MessageTooBig { limit: 3 };
        assert_eq!(end.next_event(&mut &wire[..], &mut out), Err(error));
        let body = [b"\x03\xf1", error.to_string().as_bytes()].concat();
        assert_eq!(out, frame_from(role, 0x88, &body));
        assert_eq!(end.state(), State::Closed);
    }
}

// proves 6455-5.5.2-4, 6455-5.5.3-3
#[test]
fn each_ping_of_one_input_is_answered_in_order() {
    for role in ROLES {
        let mut end = support::connection(role);
        let pings = [(0x89, &b"1"[..]), (0x01, b"a"), (0x89, b"2"), (0x89, b"3")];
        let wire = frames_from(peer(role), &pings);
        let (mut input, mut out) = (&wire[..], Vec::new());
        while end.next_event(&mut input, &mut out).unwrap().is_some() {}
        let pongs = [(0x8a, &b"1"[..]), (0x8a, b"2"), (0x8a, b"3")];
        assert_eq!(out, frames_from(role, &pongs), "before the message is whole");
    }
}

// proves 6455-5.5.1-9
#[test]
fn a_close_inside_a_message_abandons_it_in_both_directions() {
    for role in ROLES {
        let mut end = support::connection(role);
        let mut out = Vec::new();
        end.outbound().encode_fragment("ours ".into(), &mut out).unwrap();
        let wire = frames_from(peer(role), &[(0x01, b"theirs "), (0x88, b"")]);
        let event = end.next_event(&mut &wire[..], &mut out);
        assert_eq!(event, Ok(Some(Event::Close(None))));
        assert_eq!(out, frames_from(role, &[(0x01, b"ours "), (0x88, b"")]));
        let rest = end.outbound().encode_final_fragment("rest".into(), &mut out);
        assert_eq!(rest, Err(SendError::Closed));
    }
}
