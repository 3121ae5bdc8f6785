use super::assembly::{Assembly, STEP};
use super::limits::{Limits, Reading};
use super::{Event, Message, MessageKind, Role};
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{CloseFrame, DataFrame, FrameHeader, Opcode};

/// The bytes of the peer into [`Event`]s (§6.2).
///
/// It keeps at most a header and the message in progress. All rules for what a peer may send
/// are kept here and in [`frame`](crate::frame).
#[derive(Debug)]
pub struct Inbound {
    role: Role,
    /// A message of one frame that is shorter than this keeps to the limits.
    unfragmented_end: u64,
    limits: Limits,
    reading: Reading,
    inflater: Option<Inflater>,
    stage: Stage,
    /// The header that a cut in the input left unfinished.
    header_bytes: Vec<u8>,
    /// The data message in progress.
    message: Option<Assembly>,
    /// The payload of the control frame in progress.
    control: Vec<u8>,
    /// Memory that was given back, for a message of its size.
    spare: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Between two messages, before the first byte of a frame.
    Between,
    /// In a header, or before the next frame of a message.
    Header,
    Payload {
        header: FrameHeader,
        received: u64,
    },
    /// A Close frame or a violation came: nothing more is processed (§5.5.1, §7.1.7).
    Over,
}

impl Inbound {
    /// The receiving side of an endpoint with this role.
    #[must_use]
    pub const fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            unfragmented_end: limits.unfragmented_end(),
            limits,
            reading: Reading::Whole,
            inflater: None,
            stage: Stage::Between,
            header_bytes: Vec::new(),
            message: None,
            control: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes compressed messages too, if there is an inflater (RFC 7692).
    #[must_use]
    pub fn with_inflater(self, inflater: Option<Inflater>) -> Self {
        Self { inflater, ..self }
    }

    /// Eats from the front of `input` until an event is complete.
    ///
    /// `None` means that `input` is used up. It makes no difference how the bytes of the peer
    /// are cut into inputs. After a Close event or an error all further input is discarded.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke, for which the connection is to be failed (§7.1.7).
    #[inline(always)]
    pub fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        match self.take_unfragmented(input) {
            Some(message) => Ok(Some(Event::Message(message))),
            None => self.next(Reading::Whole, input),
        }
    }

    /// As [`next_event`](Self::next_event), for a caller that takes the message in pieces with
    /// [`take_partial`](Self::take_partial): frames that begin in this input are held to
    /// [`Limits::max_stream_len`] alone.
    ///
    /// # Errors
    ///
    /// As for [`next_event`](Self::next_event).
    pub fn next_event_in_pieces(
        &mut self,
        input: &mut &[u8],
    ) -> Result<Option<Event>, ProtocolError> {
        self.next(Reading::Pieces, input)
    }

    /// Takes a message of one frame that lies whole in `input` and is not long, as most are: it
    /// needs none of the state that others do. Whatever is not just that, or is wrong, is left to
    /// [`advance`](Self::advance).
    #[inline(always)]
    pub(crate) fn take_unfragmented(&self, input: &mut &[u8]) -> Option<Message> {
        match (self.stage, self.role) {
            (Stage::Between, Role::Server) => self.take_data_frame::<true>(input),
            (Stage::Between, Role::Client) => self.take_data_frame::<false>(input),
            _ => None,
        }
    }

    #[inline(always)]
    fn take_data_frame<const MASKED: bool>(&self, input: &mut &[u8]) -> Option<Message> {
        let (frame, rest) = DataFrame::split::<MASKED>(input)?;
        let len = frame.payload.len();
        let is_long = frame.opcode == Opcode::Text && len > STEP;
        if is_long || len as u64 >= self.unfragmented_end {
            return None;
        }
        let message =
            Message::decode(frame.opcode, frame.payload, MASKED.then_some(frame.mask)).ok()?;
        *input = rest;
        Some(message)
    }

    #[inline(never)]
    fn next(
        &mut self,
        reading: Reading,
        input: &mut &[u8],
    ) -> Result<Option<Event>, ProtocolError> {
        self.reading = reading;
        let outcome = self.advance(input);
        if matches!(outcome, Err(_) | Ok(Some(Event::Close(_)))) {
            self.stage = Stage::Over;
            self.message = None;
        }
        outcome
    }

    /// The kind of the message in progress: one that has begun and not ended.
    pub fn message_kind(&self) -> Option<MessageKind> {
        self.message.as_ref().map(Assembly::kind)
    }

    /// Whether the bytes that come next may be those of a compressed message: then a few may
    /// become many.
    pub(crate) fn may_inflate(&self) -> bool {
        self.inflater.is_some() && self.message.as_ref().is_none_or(Assembly::is_compressed)
    }

    /// Takes back the memory of a message, for a later one of about its length, unless that is
    /// shorter than 64 KiB and lies whole in an input. Only the latest is kept; to have none kept,
    /// give back an empty message.
    ///
    /// It is for messages of hundreds of kilobytes. Where each is in new memory, the system may
    /// have to map, clear and unmap that every time, which takes as long as all the rest.
    pub fn reuse(&mut self, message: Message) {
        self.spare = message.into_bytes();
        self.spare.clear();
    }

    /// Memory for a message that begins with a frame of so many bytes: what was given back, if
    /// they fit, and fill much of it. What is handed out may be kept for long.
    fn memory(&mut self, frame_len: u64) -> Vec<u8> {
        let capacity = self.spare.capacity() as u64;
        if frame_len <= capacity && frame_len >= capacity / 4 {
            core::mem::take(&mut self.spare)
        } else {
            Vec::new()
        }
    }

    /// Moves what has arrived of the message in progress to `out`; the event that ends the
    /// message will hold the rest only. So a message can be read that is too long to be held.
    ///
    /// Text that is moved has been checked; a character that is cut is kept until it is whole.
    pub fn take_partial(&mut self, out: &mut Vec<u8>) {
        if let Some(message) = &mut self.message {
            message.take(out);
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        loop {
            match self.stage {
                Stage::Between | Stage::Header => {
                    let Some(header) = self.take_header(input)? else {
                        return Ok(None);
                    };
                    self.admit(&header)?;
                    self.stage = Stage::Payload { header, received: 0 };
                }
                Stage::Payload { header, received } => {
                    let left = header.payload_len - received;
                    let here = usize::try_from(left).map_or(input.len(), |n| n.min(input.len()));
                    let (piece, rest) = input.split_at_checked(here).unwrap_or((*input, &[]));
                    *input = rest;
                    let received = received + piece.len() as u64;
                    if received < header.payload_len {
                        self.stage = Stage::Payload { header, received };
                        self.take_piece(&header, piece, received)?;
                        return Ok(None);
                    }
                    let event = self.finish_frame(&header, piece)?;
                    self.stage =
                        if self.message.is_none() { Stage::Between } else { Stage::Header };
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                Stage::Over => {
                    *input = &[];
                    return Ok(None);
                }
            }
        }
    }

    /// Reads a header in place, or byte by byte where an earlier input cut it.
    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<FrameHeader>, ProtocolError> {
        if self.header_bytes.is_empty() {
            if let Some((header, header_len)) = FrameHeader::decode(input)? {
                *input = input.get(header_len..).unwrap_or_default();
                return Ok(Some(header));
            }
        }
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.stage = Stage::Header;
            self.header_bytes.push(byte);
            if let Some((header, _)) = FrameHeader::decode(&self.header_bytes)? {
                self.header_bytes.clear();
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Applies the rules that depend on the connection, before any payload is looked at.
    fn admit(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
        // 1. The reserved bits mean nothing (§5.2), but for the first: where compression was
        //    agreed on, it marks the first frame of a compressed message (RFC 7692 §6).
        let begins_message = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        let may_be_compressed = self.inflater.is_some() && begins_message;
        if header.rsv2 || header.rsv3 || header.rsv1 && !may_be_compressed {
            return Err(ProtocolError::ReservedBits);
        }
        // 2. Clients mask, servers do not (§5.1).
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(ProtocolError::Unmasked),
            (Role::Client, Some(_)) => return Err(ProtocolError::Masked),
            _ => {}
        }
        // 3. Control frames may come between fragments and change nothing about them (§5.4).
        if header.opcode.is_control() {
            return Ok(());
        }
        // 4. Fragments of different messages do not mix (§5.4).
        let mut message = match (header.opcode, self.message.take()) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(message)) => message,
            (_, Some(_)) => return Err(ProtocolError::ExpectedContinuation),
            (opcode, None) => Assembly::new(opcode, header.rsv1, self.memory(header.payload_len)),
        };
        // 5. Limits hold for what is announced, so that nothing of it need arrive (§10.4).
        message.announce(header, self.limits.of(self.reading))?;
        self.message = Some(message);
        Ok(())
    }

    /// Keeps a piece that does not finish its frame. `received` counts it in.
    fn take_piece(
        &mut self,
        header: &FrameHeader,
        piece: &[u8],
        received: u64,
    ) -> Result<(), ProtocolError> {
        let start = received - piece.len() as u64;
        // Masking looks at the two low bits of the offset only.
        let offset = (start % 4) as usize;
        if header.opcode.is_control() {
            let kept = self.control.len();
            self.control.extend_from_slice(piece);
            if let (Some(key), Some(added)) = (header.mask, self.control.get_mut(kept..)) {
                key.apply(added, offset);
            }
            return Ok(());
        }
        match &mut self.message {
            Some(message) => {
                let left = header.payload_len - start;
                message.push(piece, header.mask, offset, left, self.inflater.as_mut())
            }
            None => Err(ProtocolError::UnexpectedContinuation),
        }
    }

    /// Takes the last piece of a frame and says what the frame means.
    fn finish_frame(
        &mut self,
        header: &FrameHeader,
        piece: &[u8],
    ) -> Result<Option<Event>, ProtocolError> {
        self.take_piece(header, piece, header.payload_len)?;
        match header.opcode {
            Opcode::Ping => Ok(Some(Event::Ping(core::mem::take(&mut self.control)))),
            Opcode::Pong => Ok(Some(Event::Pong(core::mem::take(&mut self.control)))),
            Opcode::Close => Ok(Some(Event::Close(CloseFrame::decode(&self.control)?))),
            _ if !header.fin => Ok(None),
            _ => match self.message.take() {
                Some(message) => {
                    message.finish(self.inflater.as_mut()).map(|m| Some(Event::Message(m)))
                }
                None => Err(ProtocolError::UnexpectedContinuation),
            },
        }
    }
}
