//! Compressed messages of any bytes (RFC 7692 §7.2.2). The result must be that of a decompressor
//! that shares no code with ours, must not exceed the limit, and must not depend on cuts and
//! fragments.

use arbitrary::{Result, Unstructured};
use tightwire::ProtocolError;
use tightwire::deflate::{DeflateConfig, Params};
use tightwire::frame::CloseCode;
use tightwire::protocol::{Event, Inbound, Limits, Message, Outbound, Role};

use super::frames::{Cuts, any_bytes, next_key, seed_keys};
use reference::{Blocks, Inflated, Item};

#[allow(dead_code, unreachable_pub, reason = "it is there for tests of many kinds")]
#[path = "../../tests/support/deflate.rs"]
mod reference;

/// The longest distance of a back-reference (RFC 1951 §2).
const WINDOW: usize = 1 << 15;
/// Wires up to this length are fed byte by byte as well.
const BYTEWISE_MAX: usize = 2048;
/// No message begins after this many bytes of compressed data.
const MAX_COMPRESSED: usize = 100_000;

type Outcome = core::result::Result<Message, ProtocolError>;

/// Input: the role of the receiver, whether context takeover is on, the limit, two lists of cuts,
/// and then messages.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(settings) = Settings::any(&mut u) else { return };
    let mut sent = Vec::new();
    let mut total = 0;
    while !u.is_empty() && total < MAX_COMPRESSED {
        let Ok(message) = Compressed::any(&mut u) else { break };
        total += message.payload.len();
        sent.push(message);
    }
    settings.check(&sent);
}

/// A message before it is split into frames.
#[derive(Debug)]
struct Compressed {
    is_text: bool,
    payload: Vec<u8>,
}

impl Compressed {
    /// Generates a message. The first byte selects the kind, and the source of the payload.
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let first: u8 = u.arbitrary()?;
        let payload = match first >> 1 & 3 {
            0 => any_bytes(u)?,
            1 => u.bytes(u.len())?.to_vec(),
            2 => any_blocks(u)?.payload(),
            _ => any_blocks(u)?.bytes(),
        };
        Ok(Self { is_text: first & 1 == 1, payload })
    }
}

/// Generates blocks as a compressor might write them, or almost.
fn any_blocks(u: &mut Unstructured<'_>) -> Result<Blocks> {
    let mut blocks = Blocks::new();
    for _ in 0..u.int_in_range(0..=7)? {
        let kind: u8 = u.arbitrary()?;
        let is_final = kind & 0x80 != 0;
        blocks = match kind % 8 {
            0 => blocks.stored(is_final, &any_bytes(u)?),
            1 => {
                let data = any_bytes(u)?;
                blocks.stored(is_final, &data.repeat(u.arbitrary::<u8>()?.into()))
            }
            2 => blocks.raw(u.arbitrary::<u8>()?.into(), u.int_in_range(1..=8)?),
            _ => blocks.fixed(is_final, &any_items(u)?),
        };
    }
    Ok(blocks)
}

fn any_items<'a>(u: &mut Unstructured<'a>) -> Result<Vec<Item<'a>>> {
    let mut items = Vec::new();
    for _ in 0..u.int_in_range(0..=15)? {
        items.push(if u.arbitrary()? {
            let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
            Item::Literals(u.bytes(len)?)
        } else {
            let distance = match u.arbitrary::<u8>()? {
                0 => WINDOW,
                255 => u.int_in_range(1..=WINDOW)?,
                short => short.into(),
            };
            Item::Match { len: u.int_in_range(3..=258)?, distance }
        });
    }
    Ok(items)
}

struct Settings {
    role: Role,
    has_takeover: bool,
    params: Params,
    max_message_len: usize,
    fragments: Cuts,
    cuts: Cuts,
}

impl Settings {
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let role = if u.arbitrary()? { Role::Server } else { Role::Client };
        let has_takeover = u.arbitrary()?;
        let config = DeflateConfig::new().send_context_takeover(has_takeover);
        Ok(Self {
            role,
            has_takeover,
            params: reference::agree(&config, &config),
            // A limit of zero would reject everything, so zero means no limit.
            max_message_len: match u.arbitrary::<u16>()? {
                0 => usize::MAX,
                len => len.into(),
            },
            fragments: u.arbitrary()?,
            cuts: u.arbitrary()?,
        })
    }

    fn check(&self, sent: &[Compressed]) {
        let wire = self.frames(sent, |payload| vec![payload]);
        let outcomes = self.receive(&[&wire]);
        self.check_outcomes(sent, &outcomes);

        assert_eq!(self.receive(&self.cuts.pieces(&wire)), outcomes, "cut into pieces");
        let fragments = self.frames(sent, |payload| self.fragments.pieces(payload));
        assert_eq!(self.receive(&[&fragments]), outcomes, "in fragments");
        assert_eq!(self.receive(&self.cuts.pieces(&fragments)), outcomes, "fragments in pieces");
        for wire in [wire, fragments] {
            if wire.len() <= BYTEWISE_MAX {
                let bytes: Vec<&[u8]> = wire.chunks(1).collect();
                assert_eq!(self.receive(&bytes), outcomes, "byte by byte");
            }
        }
    }

    /// Encodes the messages, each in frames with these parts of its payload.
    fn frames<'a>(
        &self,
        sent: &'a [Compressed],
        split: impl Fn(&'a [u8]) -> Vec<&'a [u8]>,
    ) -> Vec<u8> {
        let mut wire = Vec::new();
        seed_keys(1);
        for Compressed { is_text, payload } in sent {
            // An empty payload has one part, too.
            let parts = if payload.is_empty() { vec![&[][..]] } else { split(payload) };
            for (index, part) in parts.iter().enumerate() {
                let opcode = if *is_text { 0x41 } else { 0x42 };
                let first = if index == 0 { opcode } else { 0 };
                let fin = if index + 1 == parts.len() { 0x80 } else { 0 };
                self.frame(first | fin, part, &mut wire);
            }
        }
        wire
    }

    fn frame(&self, first: u8, payload: &[u8], wire: &mut Vec<u8>) {
        let mask = if self.role == Role::Server { 0x80 } else { 0 };
        wire.push(first);
        match payload.len() {
            len @ 0..=125 => wire.push(mask | len as u8),
            len @ 126..=0xFFFF => {
                wire.push(mask | 126);
                wire.extend((len as u16).to_be_bytes());
            }
            len => {
                wire.push(mask | 127);
                wire.extend((len as u64).to_be_bytes());
            }
        }
        let start = wire.len();
        if self.role == Role::Server {
            let key = next_key().expect("there is always one");
            wire.extend(key.0);
            wire.extend_from_slice(payload);
            key.apply(&mut wire[start + 4..], 0);
        } else {
            wire.extend_from_slice(payload);
        }
    }

    /// Receives these bytes. Returns messages, and possibly an error at the end.
    fn receive(&self, pieces: &[&[u8]]) -> Vec<Outcome> {
        let mut inbound = self.inbound();
        let mut outcomes = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            loop {
                match inbound.next_event(&mut input) {
                    Ok(None) => break,
                    Ok(Some(Event::Message(message))) => {
                        self.check_len(&message);
                        outcomes.push(Ok(message));
                    }
                    Ok(Some(event)) => panic!("nobody sent {event:?}"),
                    Err(error) => outcomes.push(Err(error)),
                }
            }
        }
        outcomes
    }

    fn inbound(&self) -> Inbound {
        let limits = Limits::new()
            .max_message_len(self.max_message_len)
            .max_frame_len(u64::MAX)
            .max_fragments(u32::MAX);
        reference::inbound(self.role, &self.params, limits)
    }

    /// Checks that a message does not exceed the limit, and takes no more memory than twice its
    /// length and eight bytes.
    fn check_len(&self, message: &Message) {
        let capacity = match message {
            Message::Text(text) => text.capacity(),
            Message::Binary(data) => data.capacity(),
        };
        assert!(message.len() <= self.max_message_len, "{} bytes", message.len());
        assert!(capacity <= 2 * message.len() + 8, "{capacity} bytes for {}", message.len());
    }

    fn check_outcomes(&self, sent: &[Compressed], outcomes: &[Outcome]) {
        let mut before = Vec::new();
        let mut known = Known::All;
        let mut outcomes = outcomes.iter();
        for message in sent {
            let outcome = outcomes.next().expect("an outcome of each message until one fails");
            let inflated = reference::inflate(&message.payload, &before)
                .and_then(|inflated| known.check(inflated));
            self.check_outcome(message, inflated, outcome);
            let Ok(received) = outcome else { break };
            if self.has_takeover {
                known.add(received.len());
                before.extend_from_slice(received.as_bytes());
                before.drain(..before.len().saturating_sub(WINDOW));
            }
        }
        assert_eq!(outcomes.next(), None, "after the last message");
    }

    fn check_outcome(
        &self,
        message: &Compressed,
        inflated: core::result::Result<Inflated, &'static str>,
        outcome: &Outcome,
    ) {
        let too_big = ProtocolError::MessageTooBig { limit: self.max_message_len as u64 };
        assert_eq!(CloseCode::from(too_big), CloseCode::MESSAGE_TOO_BIG);
        match inflated {
            Ok(inflated) => {
                let expected = self.meaning(message.is_text, &inflated.data);
                // The reference accepts incomplete and over-subscribed codes.
                let may_refuse = inflated.blocks.contains(&2);
                let is_refused = *outcome == Err(ProtocolError::InvalidDeflate);
                assert!(*outcome == expected || may_refuse && is_refused, "{outcome:?}");
            }
            // The data before the fault may break another rule first.
            Err(reason) => match outcome {
                Err(ProtocolError::InvalidDeflate) => {}
                Err(ProtocolError::InvalidUtf8) if message.is_text => {}
                Err(error) if *error == too_big => {}
                _ => panic!("{outcome:?}, but {reason}"),
            },
        }
    }

    /// Returns the outcome for a message with this data. The first fault decides.
    fn meaning(&self, is_text: bool, data: &[u8]) -> Outcome {
        let passes = data.len() <= self.max_message_len;
        let seen = if passes { data } else { &data[..self.max_message_len] };
        if let (true, Err(error)) = (is_text, core::str::from_utf8(seen)) {
            // The limit may cut a character, but the end of the data must not.
            if passes || error.error_len().is_some() {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        if !passes {
            return Err(ProtocolError::MessageTooBig { limit: self.max_message_len as u64 });
        }
        Ok(if is_text {
            Message::Text(String::from_utf8(data.to_vec()).expect("it was validated"))
        } else {
            Message::Binary(data.to_vec())
        })
    }
}

/// How much earlier data a message may refer to. At the first block with the BFINAL bit, the
/// library releases the data of earlier messages: see docs/compression.md.
enum Known {
    All,
    Bytes(usize),
}

impl Known {
    fn check(&mut self, inflated: Inflated) -> core::result::Result<Inflated, &'static str> {
        let has_all = match (&*self, inflated.reach_after_last) {
            (Self::Bytes(len), _) => inflated.reach <= *len,
            (Self::All, reach) => reach.unwrap_or(0) == 0,
        };
        if let (Self::All, Some(_)) = (&*self, inflated.reach_after_last) {
            *self = Self::Bytes(0);
        }
        if has_all { Ok(inflated) } else { Err("it refers to released data") }
    }

    fn add(&mut self, len: usize) {
        if let Self::Bytes(known) = self {
            *known += len;
        }
    }
}

/// Returns a sender. The reference calls this in code that it shares with other tests.
fn outbound(role: Role) -> Outbound {
    match role {
        Role::Client => Outbound::client(next_key),
        Role::Server => Outbound::server(),
    }
}
