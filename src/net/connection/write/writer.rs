//! The bytes that wait to be written, and the encoder that makes them.
//!
//! A [`Writer`] handles frames and a stream, but no locks and no clocks, and each of its writes
//! calls the stream once. The [`WriteGuard`](super::guard::WriteGuard) decides how long to
//! continue, and what to do for other threads.

use std::io;

use crate::frame::{CloseFrame, MaskingKey};
use crate::net::connection::status::{BEHIND, FED, IN_MESSAGE, STALLED};
use crate::protocol::{Fin, MessageKind, MessageRef, Outbound, PendingControl, SendError};

/// Bytes that wait are written once there are this many. Until then, messages may join them.
pub(super) const FLUSH_AT: usize = 64 << 10;
/// A payload of up to this many bytes is copied after its header, so that one call takes both. Of a
/// longer one that needs no mask, this many bytes are copied, and the rest is written from where it
/// lies.
pub(in crate::net::connection) const COPY_MAX: usize = 16 << 10;

/// When a message is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flush {
    Now,
    /// Together with later messages, or once many bytes wait.
    Later,
}

/// The sending side of a connection. The thread that holds its lock writes.
#[derive(Debug)]
pub(in crate::net::connection) struct Writer {
    pub(super) outbound: Outbound,
    /// Whole frames. The first `written` bytes were written.
    pending: Vec<u8>,
    written: usize,
    /// The flags to publish while bytes wait: `FED`, or `BEHIND` if they must be written. `STALLED`
    /// comes with it if the last call to the stream left them.
    waiting: u16,
    /// Whether a message has begun and has not ended.
    pub(super) in_message: bool,
    /// The flags that were last published for this writer.
    pub(super) published: u16,
    pub(super) is_close_published: bool,
    /// Whether our side of the stream was shut down.
    pub(super) is_shut: bool,
    /// Whether the flusher is responsible for the bytes that wait.
    pub(super) is_handed_over: bool,
}

impl Writer {
    pub(in crate::net::connection) const fn new(outbound: Outbound) -> Self {
        Self {
            outbound,
            pending: Vec::new(),
            written: 0,
            waiting: FED,
            in_message: false,
            published: 0,
            is_close_published: false,
            is_shut: false,
            is_handed_over: false,
        }
    }

    /// Returns the bytes that wait.
    #[inline]
    fn unwritten(&self) -> &[u8] {
        self.pending.get(self.written..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.pending.len()
    }

    #[inline]
    pub(super) fn unwritten_len(&self) -> usize {
        self.pending.len() - self.written
    }

    /// Whether so many bytes wait that no message may join them.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.unwritten_len() >= FLUSH_AT
    }

    /// Whether a payload of this length may join the bytes that wait.
    #[inline]
    pub(super) fn has_room_for(&self, payload_len: usize) -> bool {
        self.unwritten_len() + payload_len < FLUSH_AT
    }

    /// Whether bytes wait that must be written.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.flags() & BEHIND != 0
    }

    /// Whether the last call to the stream took less than it was given.
    #[inline]
    pub(super) fn is_stalled(&self) -> bool {
        self.flags() & STALLED != 0
    }

    /// Returns the flags for what the writer leaves behind.
    #[inline]
    pub(super) fn flags(&self) -> u16 {
        let in_message = if self.in_message { IN_MESSAGE } else { 0 };
        if self.is_empty() { in_message } else { in_message | self.waiting }
    }

    /// Marks all bytes that wait: they must be written as soon as the peer takes them.
    pub(super) const fn set_due(&mut self) {
        self.waiting = self.waiting & !FED | BEHIND;
    }

    /// Encodes the control frames of the inbox.
    pub(super) fn encode_pending(
        &mut self,
        pending_control: &mut PendingControl,
    ) -> Result<(), SendError> {
        self.set_due();
        self.outbound.encode_pending(pending_control, &mut self.pending)
    }

    pub(super) fn encode_ping(&mut self, data: &[u8]) -> Result<(), SendError> {
        self.outbound.encode_ping(data, &mut self.pending)
    }

    pub(super) fn encode_close(&mut self, frame: &CloseFrame) -> Result<(), SendError> {
        self.outbound.encode_close(Some(frame), &mut self.pending)
    }

    /// Encodes a message after the bytes that wait.
    #[inline(always)]
    pub(super) fn encode_message(&mut self, message: MessageRef<'_>) -> Result<(), SendError> {
        self.outbound.encode_whole(message, &mut self.pending)
    }

    /// Encodes the header of a part of a message. The payload must follow, masked with the returned
    /// key if there is one.
    #[inline]
    pub(super) fn encode_header(
        &mut self,
        kind: MessageKind,
        payload_len: usize,
        fin: Fin,
    ) -> Result<Option<MaskingKey>, SendError> {
        self.outbound.encode_part_header(kind, payload_len, fin, &mut self.pending)
    }

    /// Copies a payload, or the rest of one, after the bytes that wait. Masks it if there is a key.
    #[inline]
    pub(super) fn buffer(&mut self, payload: &[u8], key: Option<MaskingKey>) {
        match key {
            Some(key) => key.append(payload, 0, &mut self.pending),
            None => self.pending.extend_from_slice(payload),
        }
    }

    /// Copies the front of a payload after the bytes that wait, so that one call to the stream
    /// takes both. Returns the rest of the payload. If no bytes wait, that is all of it.
    #[inline]
    pub(super) fn buffer_front<'a>(&mut self, payload: &'a [u8]) -> &'a [u8] {
        if self.is_empty() {
            return payload;
        }
        let (front, rest) = payload.split_at_checked(COPY_MAX).unwrap_or((payload, &[]));
        self.pending.extend_from_slice(front);
        rest
    }

    /// Calls the stream once, with the bytes that wait or, if none wait, with `payload`. Returns
    /// whether it took everything that it was given.
    #[inline]
    pub(super) fn write_once(
        &mut self,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
        payload: &mut &[u8],
    ) -> io::Result<bool> {
        self.waiting = BEHIND | STALLED;
        let has_waiting = !self.is_empty();
        let buffer = if has_waiting { self.unwritten() } else { *payload };
        let len = buffer.len();
        // A `Stream` may come from another crate: a count beyond the buffer is not trusted.
        let count = write(buffer)?.min(len);
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if has_waiting {
            self.advance(count);
        } else {
            *payload = payload.get(count..).unwrap_or_default();
        }
        if self.is_empty() && payload.is_empty() {
            self.waiting = FED;
        }
        Ok(count == len)
    }

    /// Records that the first `count` of the bytes that wait were written. The rest is moved only
    /// when that frees half of the buffer, so a peer that takes little at a time costs no more than
    /// one that takes much.
    #[inline]
    fn advance(&mut self, count: usize) {
        self.written += count;
        if self.is_empty() {
            self.pending.clear();
            self.written = 0;
            self.shrink(2 * FLUSH_AT);
        } else if self.written > self.pending.len() / 2 {
            self.pending.drain(..self.written);
            self.written = 0;
        }
    }

    /// Discards the bytes that wait, because the stream will not take them any more.
    pub(super) fn discard(&mut self) {
        self.pending = Vec::new();
        self.written = 0;
        self.on_idle();
    }

    /// Frees memory that an idle connection does not need.
    pub(super) fn on_idle(&mut self) {
        self.outbound.on_idle();
        if self.is_empty() {
            self.shrink(0);
        }
    }

    /// Frees memory beyond this length, so that a large burst does not hold it forever.
    fn shrink(&mut self, max_len: usize) {
        if self.pending.capacity() > max_len {
            self.pending.shrink_to(max_len.min(FLUSH_AT));
        }
    }
}
