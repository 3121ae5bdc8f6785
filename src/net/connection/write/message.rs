//! The caller's messages become frames, with as few calls to the stream as possible.
//!
//! A short payload is copied after its header, so that one call takes both. A long one is written
//! without a copy, except for its front. A client cannot do that: it masks a copy, piece by piece.

use super::guard::WriteGuard;
use super::prepared::{Frame, PreparedMessage};
use super::writer::{COPY_MAX, Flush};
use crate::frame::{CloseFrame, MaskingKey};
use crate::net::connection::status::CONTROL;
use crate::net::deadline::Wait;
use crate::net::{Error, Operation};
use crate::protocol::{Fin, MessageKind, MessageRef, Role, SendError};

/// How many bytes of a long payload a client masks at a time.
const MASK_LEN: usize = 64 << 10;

/// A part of a streamed message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) kind: MessageKind,
    pub(super) payload: &'a [u8],
    pub(super) is_first: bool,
    pub(super) fin: Fin,
}

/// Messages of the caller.
impl WriteGuard<'_> {
    #[inline]
    pub(super) fn set_compression(&mut self, compresses: bool) {
        self.writer.outbound.set_compression(compresses);
    }

    /// Accepts a message. With [`Flush::Now`], also writes everything that waits.
    #[inline(always)]
    pub(super) fn write_message(
        &mut self,
        message: MessageRef<'_>,
        flush: Flush,
    ) -> Result<(), Error> {
        if message.as_bytes().len() > self.shared.copied_len {
            return self.write_long(message, flush);
        }
        self.writer.encode_message(message)?;
        self.shared.sent.add_message();
        if flush == Flush::Later && !self.writer.is_full() {
            return Ok(());
        }
        self.write(&[], Wait::Block)
    }

    /// Like [`write_message`](Self::write_message), for a message that is not always copied, or
    /// that is sent in fragments.
    #[inline(never)]
    fn write_long(&mut self, message: MessageRef<'_>, flush: Flush) -> Result<(), Error> {
        let (kind, payload) = (message.kind(), message.as_bytes());
        self.writer.outbound.may_begin()?;
        if payload.len() > self.shared.fragment_len {
            return self.write_fragments(kind, payload, Wait::Block);
        }
        let payload = self.writer.outbound.payload(kind, payload, Fin::Set)?;
        if flush == Flush::Later && self.writer.has_room_for(payload.len()) {
            self.buffer_frame(kind, &payload, Fin::Set)?;
            // With its header, it may reach the number of bytes that are written at once.
            return if self.writer.is_full() { self.write(&[], Wait::Block) } else { Ok(()) };
        }
        self.write_frame(kind, &payload, Fin::Set, Wait::Block)
    }

    /// Accepts a message whose frame is already encoded. A server sends the frame unchanged; a
    /// client must mask it (§5.3).
    #[inline]
    pub(super) fn write_prepared(
        &mut self,
        message: &PreparedMessage,
        wait: Wait,
        flush: Flush,
    ) -> Result<(), Error> {
        self.make_room(wait)?;
        let plain = message.plain();
        let len = plain.payload_len();
        let outbound = &mut self.writer.outbound;
        let is_plain = outbound.role() == Role::Server
            && outbound.deflater_for(len, Fin::Set).is_none()
            && len <= self.shared.fragment_len;
        if !is_plain {
            return self.write_anew(message, wait, flush);
        }
        outbound.begin_prepared(false)?;
        self.write_encoded(plain, wait, flush)
    }

    /// Like [`write_prepared`](Self::write_prepared), for a connection that cannot send the frame
    /// unchanged.
    #[inline(never)]
    fn write_anew(
        &mut self,
        message: &PreparedMessage,
        wait: Wait,
        flush: Flush,
    ) -> Result<(), Error> {
        let (kind, payload) = (message.kind(), message.plain().payload());
        if payload.len() > self.shared.fragment_len {
            self.writer.outbound.may_begin()?;
            return self.write_fragments(kind, payload, wait);
        }
        let deflater = self.writer.outbound.deflater_for(payload.len(), Fin::Set);
        let deflated = deflater.map(|deflater| message.deflated(deflater));
        self.writer.outbound.begin_prepared(deflated.is_some())?;
        let frame = deflated.as_deref().unwrap_or_else(|| message.plain());
        if self.writer.outbound.role() == Role::Client {
            let key = self.encode_header(kind, frame.payload().len(), Fin::Set)?;
            self.writer.buffer(frame.payload(), key);
            return if flush == Flush::Now || self.writer.is_full() {
                self.write(&[], wait)
            } else {
                Ok(())
            };
        }
        self.write_encoded(frame, wait, flush)
    }

    /// Accepts a frame in the form in which a server sends it.
    #[inline]
    fn write_encoded(&mut self, frame: &Frame, wait: Wait, flush: Flush) -> Result<(), Error> {
        let bytes = frame.as_bytes();
        self.shared.sent.add_message();
        if flush == Flush::Later && self.writer.has_room_for(bytes.len()) {
            self.writer.buffer(bytes, None);
            return Ok(());
        }
        let rest = self.writer.buffer_front(bytes);
        self.write(rest, wait)
    }

    /// Accepts a part of a streamed message, and writes everything that waits.
    pub(super) fn write_part(&mut self, part: Part<'_>) -> Result<(), Error> {
        if part.is_first {
            self.writer.outbound.may_begin()?;
        }
        self.make_room(Wait::Block)?;
        let payload = self.writer.outbound.payload(part.kind, part.payload, part.fin)?;
        let outcome = self.write_frame(part.kind, &payload, part.fin, Wait::Block);
        if part.fin == Fin::Set {
            self.shared.message_end.notify_all();
        }
        outcome
    }

    /// Accepts a long message in fragments. Between them it takes the control frames in the inbox
    /// (§5.4).
    fn write_fragments(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        wait: Wait,
    ) -> Result<(), Error> {
        let mut outcome = Ok(());
        let mut left = payload.len();
        for part in payload.chunks(self.shared.fragment_len) {
            left -= part.len();
            let fin = if left == 0 { Fin::Set } else { Fin::Clear };
            if self.shared.status.has(CONTROL) {
                self.take_control()?;
            }
            let encoded = self.writer.outbound.payload(kind, part, fin);
            let part = encoded.map_err(|error| self.fail_to_encode(error))?;
            outcome = match outcome {
                Ok(()) if wait == Wait::Block || fin == Fin::Set => {
                    self.write_frame(kind, &part, fin, wait)
                }
                // The peer is not reading: the rest is kept, like the rest of a single frame. A
                // thread that must not wait writes once, when everything is encoded.
                outcome => self.buffer_frame(kind, &part, fin).and(outcome),
            };
            match outcome {
                Ok(()) | Err(Error::Timeout(_)) => {}
                Err(Error::Send(error)) => return Err(self.fail_to_encode(error)),
                Err(_) => break,
            }
        }
        outcome
    }

    /// Writes the bytes that wait, and then the broadcasts that waited for the peer to take those
    /// bytes.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.write(&[], Wait::Block)?;
        self.seen = self.shared.status.get();
        self.take_work()?;
        self.write(&[], Wait::Block)
    }

    pub(in crate::net::connection) fn on_idle(&mut self) {
        self.writer.on_idle();
    }

    pub(super) fn write_ping(&mut self, data: &[u8]) -> Result<(), Error> {
        self.make_room(Wait::Block)?;
        self.writer.encode_ping(data)?;
        self.write(&[], Wait::Block)
    }

    /// Sends a Close frame. There is always room for one.
    pub(super) fn write_close(&mut self, frame: &CloseFrame) -> Result<(), Error> {
        self.writer.encode_close(frame)?;
        self.write(&[], Wait::Block)
    }

    /// Makes room for the next message: writes the bytes that wait if there are too many.
    #[inline]
    pub(super) fn make_room(&mut self, wait: Wait) -> Result<(), Error> {
        if self.writer.is_full() { self.write_for_room(wait) } else { Ok(()) }
    }

    #[cold]
    fn write_for_room(&mut self, wait: Wait) -> Result<(), Error> {
        if self.writer.outbound.close_sent() {
            return Err(SendError::Closed.into());
        }
        self.write(&[], wait).map_err(|error| match error {
            Error::Timeout(Operation::Flush) => Error::Timeout(Operation::Queue),
            other => other,
        })
    }

    /// Encodes the header of a part of a message. The last part counts as a message.
    #[inline]
    fn encode_header(
        &mut self,
        kind: MessageKind,
        payload_len: usize,
        fin: Fin,
    ) -> Result<Option<MaskingKey>, SendError> {
        let key = self.writer.encode_header(kind, payload_len, fin)?;
        if fin == Fin::Set {
            self.shared.sent.add_message();
        }
        Ok(key)
    }

    fn buffer_frame(&mut self, kind: MessageKind, payload: &[u8], fin: Fin) -> Result<(), Error> {
        let key = self.encode_header(kind, payload.len(), fin)?;
        self.writer.in_message = fin == Fin::Clear;
        self.writer.buffer(payload, key);
        Ok(())
    }

    /// Encodes a frame, and writes it after the bytes that wait. A long payload is written without
    /// a copy, except for its front. A client masks a copy of it, piece by piece.
    fn write_frame(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fin: Fin,
        wait: Wait,
    ) -> Result<(), Error> {
        let key = self.encode_header(kind, payload.len(), fin)?;
        self.writer.in_message = fin == Fin::Clear;
        if payload.len() <= COPY_MAX {
            self.writer.buffer(payload, key);
            return self.write(&[], wait);
        }
        if key.is_none() {
            let rest = self.writer.buffer_front(payload);
            return self.write(rest, wait);
        }
        let mut outcome = Ok(());
        // The length of a piece is a multiple of four, so every piece begins at the same byte of
        // the key.
        for piece in payload.chunks(MASK_LEN) {
            self.writer.buffer(piece, key);
            match outcome {
                Ok(()) => outcome = self.write(&[], wait),
                Err(Error::Timeout(_)) => {}
                Err(_) => break,
            }
        }
        outcome
    }
}
