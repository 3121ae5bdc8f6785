//! A decoder written only from §5. It takes the whole input at once, keeps no state, and ignores
//! speed. It shares no code with the decoder that is fuzzed.

use tightwire::ProtocolError;
use tightwire::frame::{CloseCode, CloseFrame};
use tightwire::protocol::{Event, Limits, Message, Role};

/// The meaning of a sequence of bytes.
#[derive(Debug, Default)]
pub struct Meaning {
    /// The events up to the end of the input, a Close frame, or a broken rule.
    pub events: Vec<Event>,
    /// The rules that the available part of the next frame breaks. Each of them is a reason to fail
    /// the connection. Empty if the frame breaks none.
    pub broken: Vec<ProtocolError>,
}

/// Reads bytes that arrive at an endpoint of this role.
pub fn decode(role: Role, limits: Limits, wire: &[u8]) -> Meaning {
    let mut meaning = Meaning::default();
    let mut message = None;
    let mut rest = wire;
    while let Some(frame_len) = meaning.read_frame(role, limits, rest, &mut message) {
        rest = &rest[frame_len..];
    }
    meaning
}

/// A message in progress.
struct Fragments {
    is_text: bool,
    data: Vec<u8>,
    count: u32,
}

impl Meaning {
    /// Reads one frame, and returns its length, or `None` if nothing can follow it, or it is
    /// incomplete, or it breaks a rule.
    fn read_frame(
        &mut self,
        role: Role,
        limits: Limits,
        wire: &[u8],
        message: &mut Option<Fragments>,
    ) -> Option<usize> {
        // §5.2: the first byte.
        let first = *wire.first()?;
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
        let is_control = opcode >= 0x8;
        let is_known = matches!(opcode, 0x0 | 0x1 | 0x2 | 0x8 | 0x9 | 0xA);
        self.must(is_known, ProtocolError::ReservedOpcode(opcode));
        self.must(fin || !is_control, ProtocolError::FragmentedControl);

        // The second byte, and the length in the shortest of three forms that can express it.
        let second = *wire.get(1)?;
        let short_len = second & 0x7F;
        self.must(!is_control || short_len <= 125, ProtocolError::ControlTooLong);
        let (long_len, least) = match short_len {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let long = wire.get(2..2 + long_len)?;
        let len = match long_len {
            0 => u64::from(short_len),
            _ => long.iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
        };
        self.must(len >= least, ProtocolError::NonMinimalLength);
        self.must(len >> 63 == 0, ProtocolError::LengthTooLarge);

        // §5.3: the key, which clients send and servers do not (§5.1).
        let is_masked = second & 0x80 != 0;
        let key_at = 2 + long_len;
        let payload_at = if is_masked { key_at + 4 } else { key_at };
        let key = wire.get(key_at..payload_at)?;
        self.must(first & 0x70 == 0, ProtocolError::ReservedBits);
        self.must(is_masked || role == Role::Client, ProtocolError::Unmasked);
        self.must(!is_masked || role == Role::Server, ProtocolError::Masked);

        // §5.4: the frames that may come now, and §10.4: our limits for them.
        if !is_control {
            let (held, count) = message.as_ref().map_or((0, 0), |m| (m.data.len(), m.count));
            let max_message_len = limits.get_max_message_len();
            let max_frame_len = limits.get_max_frame_len();
            let max_fragments = limits.get_max_fragments();
            let total = u128::from(len) + held as u128;
            let (begins, is_begun) = (opcode != 0, message.is_some());
            self.must(begins || is_begun, ProtocolError::UnexpectedContinuation);
            self.must(!begins || !is_begun, ProtocolError::ExpectedContinuation);
            self.must(len <= max_frame_len, ProtocolError::FrameTooBig { limit: max_frame_len });
            let too_big = ProtocolError::MessageTooBig { limit: max_message_len as u64 };
            self.must(total <= max_message_len as u128, too_big);
            let too_many = ProtocolError::TooManyFragments { limit: max_fragments };
            self.must(count < max_fragments, too_many);
        }
        if !self.broken.is_empty() {
            return None;
        }

        let here = &wire[payload_at..];
        let is_whole = here.len() as u64 >= len;
        let here = if is_whole { &here[..len as usize] } else { here };
        let unmask = |(i, byte): (usize, &u8)| if is_masked { byte ^ key[i % 4] } else { *byte };
        let payload: Vec<u8> = here.iter().enumerate().map(unmask).collect();
        if is_control {
            self.control(opcode, is_whole.then_some(payload)?);
        } else {
            let is_text = opcode == 0x1;
            let begun = message.take().unwrap_or(Fragments { is_text, data: vec![], count: 0 });
            *message = self.fragment(begun, &payload, fin && is_whole);
        }
        let is_over = opcode == 0x8 || !self.broken.is_empty();
        (is_whole && !is_over).then_some(payload_at + here.len())
    }

    /// Reads a complete control frame (§5.5).
    fn control(&mut self, opcode: u8, payload: Vec<u8>) {
        match (opcode, &payload[..]) {
            (0x9, _) => self.events.push(Event::Ping(payload)),
            (0xA, _) => self.events.push(Event::Pong(payload)),
            (_, []) => self.events.push(Event::Close(None)),
            (_, [_]) => self.broken.push(ProtocolError::TruncatedClose),
            (_, [high, low, reason @ ..]) => {
                let number = u16::from_be_bytes([*high, *low]);
                // §7.4.1 and §7.4.2, and 1012 to 1014 of the registry.
                let is_allowed = matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999);
                self.must(is_allowed, ProtocolError::ForbiddenCloseCode(number));
                let reason = core::str::from_utf8(reason);
                self.must(reason.is_ok(), ProtocolError::InvalidUtf8);
                if let (Some(code), Ok(reason)) = (CloseCode::new(number), reason) {
                    let frame = CloseFrame::new(code, reason).expect("125 bytes at most");
                    self.events.push(Event::Close(Some(frame)));
                }
            }
        }
    }

    /// Adds a fragment to a message. `is_last` means that the message is complete with it. A text
    /// is invalid as soon as no continuation can make it valid (§8.1).
    fn fragment(
        &mut self,
        mut message: Fragments,
        payload: &[u8],
        is_last: bool,
    ) -> Option<Fragments> {
        message.data.extend_from_slice(payload);
        message.count += 1;
        if message.is_text {
            let fault = core::str::from_utf8(&message.data).err();
            let is_right = fault.is_none_or(|fault| !is_last && fault.error_len().is_none());
            self.must(is_right, ProtocolError::InvalidUtf8);
        }
        if !is_last || !self.broken.is_empty() {
            return Some(message);
        }
        self.events.push(Event::Message(if message.is_text {
            Message::Text(String::from_utf8(message.data).expect("it was validated"))
        } else {
            Message::Binary(message.data)
        }));
        None
    }

    fn must(&mut self, holds: bool, rule: ProtocolError) {
        if !holds {
            self.broken.push(rule);
        }
    }
}
