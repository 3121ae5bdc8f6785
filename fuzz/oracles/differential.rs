//! The same bytes mean the same to us and to `tungstenite`, which shares no code with our library:
//! the same events in the same order, and the same end. For each known difference, [`Ruling`] cites
//! the section of RFC 6455 that decides it.

use std::io::{self, Read, Write};

use arbitrary::Unstructured;
use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame};
use tightwire::protocol::{Event, Inbound, Limits, Message, Role};
use tungstenite::Error as TheirError;
use tungstenite::error::ProtocolError as TheirRule;
use tungstenite::protocol::{Role as TheirRole, WebSocketConfig, WebSocketContext};

use super::frames::{any_wire, peer};

/// The maximum number of bytes in a frame and in a message, for both libraries.
const MAX_LEN: usize = 1 << 16;

const CONTROL: ProtocolError = ProtocolError::ControlTooLong;

/// A known difference, and the rule that decides it in our favour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ruling {
    /// They accept a length that is encoded in more bytes than it needs. §5.2: "the minimal number
    /// of bytes MUST be used to encode the length".
    ShortestLength,
    /// They report a Close frame with a code that must not be sent as one with 1002. §7.4.1 and
    /// §7.4.2: such codes "MUST NOT be set" by an endpoint, or are not used at all.
    ForbiddenCode,
    /// They treat 1014 as such a code. §7.4.2: 1000 to 2999 are for the protocol, its revisions and
    /// registered extensions, and the registry of §11.7 has 1014.
    RegisteredCode,
    /// They validate a complete frame, we fail as soon as it cannot be valid any more. §8.1 and
    /// §7.1.7 set no time, so both are right. They must fail later.
    Sooner,
}

/// How reading ended.
#[derive(Debug, Eq, PartialEq)]
enum End {
    /// The bytes ran out.
    WantsMore,
    /// A Close frame arrived. It is the last event.
    Closed,
    Failed,
}

/// Input: the role of the receiver, then bytes from its peer.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let role = if u.arbitrary().unwrap_or(false) { Role::Server } else { Role::Client };
    let wire = any_wire(peer(role), &mut u);
    let (ours, our_end, error) = our_reading(role, &wire);
    let (theirs, their_end) = their_reading(role, &wire);

    let common = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    if (common, common, &our_end) == (ours.len(), theirs.len(), &their_end) {
        return;
    }
    let differing = (ours.get(common), theirs.get(common), error);
    let ruling = match differing {
        (None, _, Some(ProtocolError::NonMinimalLength)) => Ruling::ShortestLength,
        // A control frame with a longer form of length than it may have.
        (None, Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_)), Some(CONTROL)) => {
            Ruling::ShortestLength
        }
        (None, Some(Event::Close(_)), Some(ProtocolError::ForbiddenCloseCode(_))) => {
            Ruling::ForbiddenCode
        }
        (Some(Event::Close(Some(frame))), Some(Event::Close(Some(_))), None)
            if frame.code().get() == 1014 =>
        {
            Ruling::RegisteredCode
        }
        (None, None, Some(_)) if their_end == End::WantsMore => Ruling::Sooner,
        _ => panic!("{role:?}: {ours:?} {our_end:?} {error:?}, but {theirs:?} {their_end:?}"),
    };
    // They may still accept a control frame with a longer form of length: see above.
    if ruling == Ruling::Sooner && error != Some(CONTROL) {
        // Fills the rest of the frame, whatever its length, with a byte that repairs nothing.
        let filled = [&wire[..], &[1; MAX_LEN + 14]].concat();
        let (_, end) = their_reading(role, &filled);
        assert_eq!(end, End::Failed, "{role:?}: they do not fail, although {error:?}");
    }
}

fn our_reading(role: Role, wire: &[u8]) -> (Vec<Event>, End, Option<ProtocolError>) {
    let limits = Limits::new()
        .max_message_len(MAX_LEN)
        .max_frame_len(MAX_LEN as u64)
        .max_fragments(u32::MAX);
    let mut inbound = Inbound::new(role, limits);
    let mut input = wire;
    let mut events = Vec::new();
    loop {
        match inbound.next_event(&mut input) {
            Ok(None) => return (events, End::WantsMore, None),
            Err(error) => return (events, End::Failed, Some(error)),
            Ok(Some(event)) => {
                let is_close = matches!(event, Event::Close(_));
                events.push(event);
                if is_close {
                    return (events, End::Closed, None);
                }
            }
        }
    }
}

fn their_reading(role: Role, wire: &[u8]) -> (Vec<Event>, End) {
    let role = match role {
        Role::Client => TheirRole::Client,
        Role::Server => TheirRole::Server,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(MAX_LEN))
        .max_frame_size(Some(MAX_LEN));
    let mut context = WebSocketContext::new(role, Some(config));
    let mut stream = Wire(wire);
    let mut events = Vec::new();
    loop {
        match context.read(&mut stream) {
            Ok(message) => {
                events.push(event(message));
                if matches!(events.last(), Some(Event::Close(_))) {
                    return (events, End::Closed);
                }
            }
            Err(TheirError::Protocol(TheirRule::ResetWithoutClosingHandshake)) => {
                return (events, End::WantsMore);
            }
            Err(TheirError::Protocol(_) | TheirError::Capacity(_) | TheirError::Utf8(_)) => {
                return (events, End::Failed);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Converts their message to our event.
fn event(message: tungstenite::Message) -> Event {
    use tungstenite::Message as Their;
    match message {
        Their::Text(text) => Event::Message(Message::Text(text.as_str().to_owned())),
        Their::Binary(data) => Event::Message(Message::Binary(data.to_vec())),
        Their::Ping(data) => Event::Ping(data.to_vec()),
        Their::Pong(data) => Event::Pong(data.to_vec()),
        Their::Close(None) => Event::Close(None),
        Their::Close(Some(frame)) => {
            let code = CloseCode::new(frame.code.into()).expect("they allow no other");
            let frame = CloseFrame::new(code, frame.reason.as_str()).expect("123 bytes at most");
            Event::Close(Some(frame))
        }
        Their::Frame(_) => unreachable!("never read"),
    }
}

/// The received bytes, and a sink for answers, which are ignored.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
