//! The receiver gets everything that was sent, in order: messages in one frame and in fragments,
//! with Pings and Pongs between them, from either end, compressed or not, in whichever pieces.

use arbitrary::{Result, Unstructured};
use tightwire::protocol::{Event, Inbound, Limits, Message, MessageRef, Outbound, Role, SendError};

use super::compression::Compression;
use super::frames::{Cuts, any_bytes, headers, next_key, peer, seed_keys};

/// Inputs up to this length are fed byte by byte as well.
const BYTEWISE_MAX: usize = 1024;
/// No plan sends more payload than this.
const MAX_SENT: usize = 70_000;

/// Input: the role of the sender, a seed of its keys, the compression, the cuts, and then steps
/// that send.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    // If the input ends early, the frames that were sent until then must arrive.
    if let Ok(plan) = Plan::any(&mut u) {
        plan.check(&mut u);
    }
}

struct Plan {
    sender: Role,
    cuts: Cuts,
    compression: Compression,
}

/// One thing to send.
#[derive(Debug)]
enum Step {
    Message(Message),
    /// A message whose payload the caller writes behind the header.
    Header(Message),
    Fragment(Message, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Compress(bool),
}

impl Step {
    /// Generates a step. The first byte selects its type, and for a message the kind and the
    /// length.
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let first: u8 = u.arbitrary()?;
        let (is_text, is_long) = (first & 0x80 != 0, first & 0x40 != 0);
        Ok(match first % 8 {
            0 => Self::Message(any_message(u, is_text, is_long)?),
            1 => Self::Header(any_message(u, is_text, is_long)?),
            2 | 3 => Self::Fragment(any_message(u, is_text, is_long)?, false),
            4 => Self::Fragment(any_message(u, is_text, is_long)?, true),
            5 => Self::Ping(any_bytes(u)?),
            6 => Self::Pong(any_bytes(u)?),
            _ => Self::Compress(is_text),
        })
    }
}

fn any_message(u: &mut Unstructured<'_>, is_text: bool, is_long: bool) -> Result<Message> {
    let data = any_bytes(u)?;
    // Each form of the length must occur, the longest one rarely.
    let times = match if is_long { u.arbitrary::<u8>()? } else { 1 } {
        few @ 0..200 => few.into(),
        many => 1 << (many % 17),
    };
    let times = |len: usize| times.min(MAX_SENT / len.max(1));
    Ok(if is_text {
        let text = String::from_utf8_lossy(&data);
        Message::Text(text.repeat(times(text.len())))
    } else {
        Message::Binary(data.repeat(times(data.len())))
    })
}

impl Plan {
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let sender = if u.arbitrary()? { Role::Server } else { Role::Client };
        seed_keys(u.arbitrary()?);
        let compression = Compression::any(u)?;
        Ok(Self { sender, cuts: u.arbitrary()?, compression })
    }

    fn check(&self, u: &mut Unstructured<'_>) {
        let (wire, sent) = self.send(u);
        let receiver = || {
            let limits = Limits::new().max_message_len(usize::MAX);
            self.compression.inbound(Inbound::new(peer(self.sender), limits), self.sender)
        };
        for frame in headers(&wire) {
            assert_eq!(frame.mask.is_some(), self.sender == Role::Client, "{frame:?}");
            assert!(!frame.rsv2 && !frame.rsv3, "{frame:?}");
            assert!(!frame.rsv1 || self.compression.is_on(), "{frame:?}");
        }
        let mut ways = vec![vec![&wire[..]], self.cuts.pieces(&wire)];
        if wire.len() <= BYTEWISE_MAX {
            ways.push(wire.chunks(1).collect());
        }
        for pieces in ways {
            assert_eq!(receive(receiver(), &pieces), sent, "in {} pieces", pieces.len());
        }
    }

    /// Runs the steps. Returns the bytes that were sent, and the events that must arrive.
    fn send(&self, u: &mut Unstructured<'_>) -> (Vec<u8>, Vec<Event>) {
        let outbound = match self.sender {
            Role::Client => Outbound::client(next_key),
            Role::Server => Outbound::server(),
        };
        let mut line = Line {
            outbound: self.compression.outbound(outbound, self.sender),
            wire: Vec::new(),
            sent: Vec::new(),
            fragments: None,
        };
        let mut total = 0;
        while !u.is_empty() && total < MAX_SENT {
            let Ok(step) = Step::any(u) else { break };
            match step {
                Step::Message(message) => total += line.message(message, false),
                Step::Header(message) => total += line.message(message, true),
                Step::Fragment(part, fin) => total += line.fragment(part, fin),
                Step::Ping(data) => line.control(&data, true),
                Step::Pong(data) => line.control(&data, false),
                Step::Compress(compresses) => line.outbound.set_compression(compresses),
            }
        }
        (line.wire, line.sent)
    }
}

/// A sender, and the events that it has sent.
struct Line {
    outbound: Outbound,
    wire: Vec<u8>,
    sent: Vec<Event>,
    /// The part of the message in progress that was sent.
    fragments: Option<Message>,
}

impl Line {
    /// Sends a message in one frame. If it is `apart`, this function writes the payload behind the
    /// header.
    fn message(&mut self, message: Message, apart: bool) -> usize {
        let before = self.wire.len();
        let outcome = if apart {
            let kind = MessageRef::from(&message).kind();
            let key = self.outbound.encode_message_header(kind, message.len(), &mut self.wire);
            key.map(|key| {
                let start = self.wire.len();
                self.wire.extend(message.as_bytes());
                if let Some(key) = key {
                    key.apply(&mut self.wire[start..], 0);
                }
            })
        } else {
            self.outbound.encode_message((&message).into(), &mut self.wire)
        };
        if self.fragments.is_some() {
            assert_eq!(outcome, Err(SendError::MessageInProgress));
            assert_eq!(self.wire.len(), before);
            return 0;
        }
        assert_eq!(outcome, Ok(()));
        let len = message.len();
        self.sent.push(Event::Message(message));
        len
    }

    fn fragment(&mut self, part: Message, fin: bool) -> usize {
        let before = self.wire.len();
        let outcome = match fin {
            true => self.outbound.encode_final_fragment((&part).into(), &mut self.wire),
            false => self.outbound.encode_fragment((&part).into(), &mut self.wire),
        };
        let len = part.len();
        let joined = match (self.fragments.take(), part) {
            (None, part) => part,
            (Some(Message::Text(begun)), Message::Text(part)) => Message::Text(begun + &part),
            (Some(Message::Binary(mut begun)), Message::Binary(part)) => {
                begun.extend(part);
                Message::Binary(begun)
            }
            (Some(begun), _) => {
                assert_eq!(outcome, Err(SendError::MessageInProgress), "of another kind");
                assert_eq!(self.wire.len(), before);
                self.fragments = Some(begun);
                return 0;
            }
        };
        assert_eq!(outcome, Ok(()));
        if fin {
            self.sent.push(Event::Message(joined));
        } else {
            self.fragments = Some(joined);
        }
        len
    }

    fn control(&mut self, data: &[u8], is_ping: bool) {
        let before = self.wire.len();
        let outcome = if is_ping {
            self.outbound.encode_ping(data, &mut self.wire)
        } else {
            self.outbound.encode_pong(data, &mut self.wire)
        };
        if data.len() > 125 {
            assert_eq!(outcome, Err(SendError::ControlTooLong { len: data.len() }));
            assert_eq!(self.wire.len(), before);
            return;
        }
        assert_eq!(outcome, Ok(()));
        self.sent.push(if is_ping {
            Event::Ping(data.to_vec())
        } else {
            Event::Pong(data.to_vec())
        });
    }
}

fn receive(mut inbound: Inbound, pieces: &[&[u8]]) -> Vec<Event> {
    let mut events = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(event) = inbound.next_event(&mut input).expect("valid frames") {
            events.push(event);
        }
    }
    events
}
