//! Bytes that arrive at either end have the meaning that §5 gives them, in whichever pieces they
//! arrive. No event follows a Close frame or a broken rule. The library buffers no more than has
//! arrived.

use arbitrary::{Result, Unstructured};
use tightwire::ProtocolError;
use tightwire::protocol::{Event, Inbound, Limits, Message, MessageKind, Role};

use super::frames::{Cuts, any_wire, peer};
use super::reference;

/// Inputs up to this length are fed byte by byte as well.
const BYTEWISE_MAX: usize = 2048;

/// Input: the role, three limits, the cuts, and then bytes from the peer.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    if let Ok((role, limits, cuts)) = settings(&mut u) {
        let wire = any_wire(peer(role), &mut u);
        check_wire(role, limits, cuts, &wire);
    }
}

fn settings(u: &mut Unstructured<'_>) -> Result<(Role, Limits, Cuts)> {
    let role = if u.arbitrary()? { Role::Server } else { Role::Client };
    let mut limits = Limits::default();
    // A limit of zero would reject everything, so zero means no limit.
    match u.arbitrary::<u16>()? {
        0 => limits = limits.max_message_len(usize::MAX),
        len => limits = limits.max_message_len(len.into()),
    }
    match u.arbitrary::<u16>()? {
        0 => limits = limits.max_frame_len(u64::MAX),
        len => limits = limits.max_frame_len(len.into()),
    }
    match u.arbitrary::<u8>()? {
        0 => limits = limits.max_fragments(u32::MAX),
        count => limits = limits.max_fragments(u32::from(count) - 1),
    }
    Ok((role, limits, u.arbitrary()?))
}

fn check_wire(role: Role, limits: Limits, cuts: Cuts, wire: &[u8]) {
    let whole = feed(role, limits, &[wire]);
    let meaning = reference::decode(role, limits, wire);
    assert_eq!(whole.events, meaning.events);
    match whole.error {
        Some(error) => assert!(meaning.broken.contains(&error), "{error:?} of {meaning:?}"),
        None => assert_eq!(meaning.broken, [], "these rules were broken"),
    }
    let pieces = cuts.pieces(wire);
    assert_eq!(feed(role, limits, &pieces), whole, "cut into pieces");
    if wire.len() <= BYTEWISE_MAX {
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(feed(role, limits, &bytes), whole, "byte by byte");
    }
    assert_eq!(feed_and_take(role, limits, &pieces), whole, "taken as it comes");
}

/// All results of an input.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    error: Option<ProtocolError>,
}

impl Outcome {
    fn is_over(&self) -> bool {
        self.error.is_some() || matches!(self.events.last(), Some(Event::Close(_)))
    }

    /// Notes a result. Returns whether the same input may have more.
    fn note(&mut self, outcome: core::result::Result<Option<Event>, ProtocolError>) -> bool {
        assert!(!self.is_over() || outcome == Ok(None), "after the end came {outcome:?}");
        match outcome {
            Ok(None) => return false,
            Ok(Some(event)) => self.events.push(event),
            Err(error) => self.error = Some(error),
        }
        true
    }
}

fn feed(role: Role, limits: Limits, pieces: &[&[u8]]) -> Outcome {
    let mut inbound = Inbound::new(role, limits);
    let mut outcome = Outcome::default();
    for piece in pieces {
        let mut input = *piece;
        while outcome.note(inbound.next_event(&mut input)) {
            if let Some(Event::Message(message)) = outcome.events.last() {
                check_memory(message);
            }
        }
        assert_eq!(input, [], "the library wants more input although some is left");
    }
    if outcome.is_over() {
        assert_eq!(inbound.message_kind(), None, "a message is kept after the end");
    }
    outcome
}

/// Checks that a message takes no more memory than twice its length and eight bytes.
fn check_memory(message: &Message) {
    let (len, capacity) = match message {
        Message::Text(text) => (text.len(), text.capacity()),
        Message::Binary(data) => (data.len(), data.capacity()),
    };
    assert!(capacity <= 2 * len + 8, "{capacity} bytes of memory for {len}");
}

/// Feeds the pieces, and after each of them takes the available part of the message in progress.
/// The part is never longer than the bytes that arrived since the last one. Parts of a text consist
/// of complete characters. All parts together are the message.
fn feed_and_take(role: Role, limits: Limits, pieces: &[&[u8]]) -> Outcome {
    let mut inbound = Inbound::new(role, limits);
    let mut outcome = Outcome::default();
    let mut taken = Vec::new();
    let mut arrived = 0;
    for piece in pieces {
        let mut input = *piece;
        arrived += piece.len();
        while outcome.note(inbound.next_event(&mut input)) {
            if outcome.error.is_some() {
                taken.clear();
            } else if let Some(Event::Message(message)) = outcome.events.last_mut() {
                taken.extend_from_slice(message.as_bytes());
                *message = joined(message.is_text(), std::mem::take(&mut taken));
                arrived = input.len();
            }
        }
        let before = taken.len();
        inbound.take_partial(&mut taken);
        // Up to three bytes of an incomplete character may have waited for its rest.
        assert!(taken.len() - before <= arrived + 3, "more was held than arrived");
        arrived = 0;
        if inbound.message_kind() == Some(MessageKind::Text) {
            assert!(core::str::from_utf8(&taken).is_ok(), "a character was cut");
        }
    }
    outcome
}

fn joined(is_text: bool, data: Vec<u8>) -> Message {
    if is_text {
        Message::Text(String::from_utf8(data).expect("text in whole characters"))
    } else {
        Message::Binary(data)
    }
}
