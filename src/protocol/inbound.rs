//! The receiving state machine: bytes from the peer become events (RFC 6455 §6.2).
//!
//! Most messages are complete in the input and have one frame. `take_unfragmented` takes those
//! without any state. Every other frame goes through `advance`: `take_header`, then `admit` with
//! the rules that depend on the connection, then `take_piece` for each piece of the payload, then
//! `finish_frame`. Tricky: both ways, and every way to cut the input, must give the same events.

use super::assembly::{Assembly, STEP};
use super::limits::{Limits, Reading};
use super::{Event, Message, MessageKind, Role};
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{CloseFrame, DataFrame, FrameHeader, Opcode};

/// The receiving half of an endpoint, which turns bytes from the peer into [`Event`]s
/// (RFC 6455 §6.2).
///
/// It buffers at most one header, one control frame and the message in progress. All rules for
/// frames from a peer are enforced here and in [`frame`](crate::frame).
#[derive(Debug)]
pub struct Inbound {
    role: Role,
    /// The payload length below which a message of one frame is within the limits.
    unfragmented_end: u64,
    limits: Limits,
    reading: Reading,
    inflater: Option<Inflater>,
    stage: Stage,
    /// The start of a header that the end of an input cut off.
    header_bytes: Vec<u8>,
    /// The data message in progress.
    message: Option<Assembly>,
    /// The payload of the control frame in progress.
    control: Vec<u8>,
    /// The memory of an earlier message, for a later one of its size.
    spare: Vec<u8>,
}

/// The place in the stream of frames.
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
    /// After a Close frame or a violation: all input is discarded (§5.5.1, §7.1.7).
    Over,
}

impl Inbound {
    /// Creates the receiving half of an endpoint with this role.
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

    /// Accepts compressed messages too, if there is an inflater (RFC 7692).
    #[must_use]
    pub fn with_inflater(self, inflater: Option<Inflater>) -> Self {
        Self { inflater, ..self }
    }

    /// Consumes bytes from the front of `input` until an event is complete.
    ///
    /// `None` means that all of `input` is consumed. The events do not depend on how the bytes of
    /// the peer are cut into inputs. After a Close event or an error, all further input is
    /// discarded.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke. The caller must then fail the connection (RFC 6455 §7.1.7).
    #[inline(always)]
    pub fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        match self.take_unfragmented(input) {
            Some(message) => Ok(Some(Event::Message(message))),
            None => self.next(Reading::Whole, input),
        }
    }

    /// Works like [`next_event`](Self::next_event), for a caller that takes the message in pieces
    /// with [`take_partial`](Self::take_partial).
    ///
    /// Of the limits, only [`Limits::max_stream_len`] applies to frames that begin in this input.
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

    /// Takes a message of one frame that is complete in `input` and not long, without the state
    /// that other messages need.
    ///
    /// Every other input and every violation gives `None`, and is left to
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

    /// Returns the kind of the message in progress, which has begun and not ended.
    pub fn message_kind(&self) -> Option<MessageKind> {
        self.message.as_ref().map(Assembly::kind)
    }

    /// Returns whether the next bytes may belong to a compressed message. If so, a few bytes can
    /// become many.
    pub(crate) fn may_inflate(&self) -> bool {
        self.inflater.is_some() && self.message.as_ref().is_none_or(Assembly::is_compressed)
    }

    /// Keeps the memory of a message for a later one of about its length.
    ///
    /// This helps with messages of hundreds of kilobytes. If each gets new memory, the operating
    /// system may map, clear and unmap it every time, which takes as long as everything else.
    ///
    /// Only the memory of the latest message is kept; to release it, pass an empty message. Short
    /// messages that are complete in one input do not use it: binary ones below 64 KiB, and text of
    /// up to 1 KiB.
    pub fn reuse(&mut self, message: Message) {
        self.spare = message.into_bytes();
        self.spare.clear();
    }

    /// Returns memory for a message whose first frame has `frame_len` bytes.
    ///
    /// It is the spare memory if the frame fits into it and fills at least a quarter of it. A
    /// caller may keep a message for a long time, and a short one should not occupy much memory.
    fn memory(&mut self, frame_len: u64) -> Vec<u8> {
        let capacity = self.spare.capacity() as u64;
        if frame_len <= capacity && frame_len >= capacity / 4 {
            core::mem::take(&mut self.spare)
        } else {
            Vec::new()
        }
    }

    /// Appends to `out` the part of the message in progress that has arrived, and no longer keeps
    /// it. The event that ends the message then contains only the rest.
    ///
    /// In this way a caller can receive a message that is too long to buffer. Text in `out` is
    /// valid, and ends between two characters.
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

    /// Decodes a header in place, or byte by byte if the end of an input cuts it.
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

    /// Checks the rules that depend on the connection, before any payload is processed.
    fn admit(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
        // 1. The reserved bits must be clear (§5.2), with one exception: if compression was
        //    negotiated, RSV1 marks the first frame of a compressed message (RFC 7692 §6).
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
        // 3. Control frames may come between fragments, and do not affect them (§5.4).
        if header.opcode.is_control() {
            return Ok(());
        }
        // 4. Fragments of different messages must not be interleaved (§5.4).
        let mut message = match (header.opcode, self.message.take()) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(message)) => message,
            (_, Some(_)) => return Err(ProtocolError::ExpectedContinuation),
            (opcode, None) => Assembly::new(opcode, header.rsv1, self.memory(header.payload_len)),
        };
        // 5. The limits apply to the announced length, before any of the payload arrives (§10.4).
        message.announce(header, self.limits.of(self.reading))?;
        self.message = Some(message);
        Ok(())
    }

    /// Processes a piece of a payload. `received` counts the payload up to the end of this piece.
    fn take_piece(
        &mut self,
        header: &FrameHeader,
        piece: &[u8],
        received: u64,
    ) -> Result<(), ProtocolError> {
        let start = received - piece.len() as u64;
        // Masking depends only on the two low bits of the offset.
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

    /// Processes the last piece of a payload, and returns the event that the frame completes.
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
