//! The bytes that wait to be written, and the machine that makes them.
//!
//! A [`Writer`] knows frames and a stream, but neither locks nor clocks, and it calls the stream
//! once at a time. How long to go on, and what to do for other threads, the
//! [`WriteGuard`](super::guard::WriteGuard) decides.

use std::io;

use crate::frame::{CloseFrame, MaskingKey};
use crate::net::connection::status::{BEHIND, FED, IN_MESSAGE, STALLED};
use crate::protocol::{Fin, MessageKind, MessageRef, Outbound, PendingControl, SendError};

/// Fed messages are written once they come to this many bytes.
pub(super) const FLUSH_AT: usize = 64 << 10;
/// A payload of at most this many bytes is copied behind its header, and both go out in one call.
/// Of a larger one that goes out as it is this much is copied, and the rest is written from where
/// it lies.
pub(in crate::net::connection) const COPY_MAX: usize = 16 << 10;

/// Whether a message is written at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flush {
    Now,
    /// With later ones, or once there are many.
    Later,
}

/// The sending side of a connection. The thread that holds its lock writes.
#[derive(Debug)]
pub(in crate::net::connection) struct Writer {
    pub(super) outbound: Outbound,
    /// Whole frames. The first `written` bytes are gone.
    pending: Vec<u8>,
    written: usize,
    /// What is to be published while bytes wait: `FED`, or `BEHIND` if they have to be written, with
    /// `STALLED` if the last call to the stream left them over.
    waiting: u16,
    /// A message has begun that has not ended.
    pub(super) in_message: bool,
    /// What was last published of it.
    pub(super) published: u16,
    pub(super) is_close_published: bool,
    /// Our side of the stream was ended.
    pub(super) is_shut: bool,
    /// The flusher goes on with the bytes that wait.
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

    /// The bytes that wait.
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

    /// Whether so many bytes wait that no others may join them.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.unwritten_len() >= FLUSH_AT
    }

    /// Whether a payload of this length, too, can wait for the caller.
    #[inline]
    pub(super) fn has_room_for(&self, payload_len: usize) -> bool {
        self.unwritten_len() + payload_len < FLUSH_AT
    }

    /// Whether bytes wait that have to be written.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.flags() & BEHIND != 0
    }

    /// Whether the peer did not take all at the last call to the stream.
    #[inline]
    pub(super) fn is_stalled(&self) -> bool {
        self.flags() & STALLED != 0
    }

    /// The flags that tell what the writer leaves behind.
    #[inline]
    pub(super) fn flags(&self) -> u16 {
        let in_message = if self.in_message { IN_MESSAGE } else { 0 };
        if self.is_empty() { in_message } else { in_message | self.waiting }
    }

    /// Has all bytes that wait written as soon as the peer takes them.
    pub(super) const fn set_due(&mut self) {
        self.waiting = self.waiting & !FED | BEHIND;
    }

    /// Encodes the control frames that were left for the writer.
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

    /// Encodes a message behind the bytes that wait.
    #[inline(always)]
    pub(super) fn encode_message(&mut self, message: MessageRef<'_>) -> Result<(), SendError> {
        self.outbound.encode_whole(message, &mut self.pending)
    }

    /// Encodes the header of a part of a message. The payload has to follow it, masked with the
    /// key that is returned if there is one.
    #[inline]
    pub(super) fn encode_header(
        &mut self,
        kind: MessageKind,
        payload_len: usize,
        fin: Fin,
    ) -> Result<Option<MaskingKey>, SendError> {
        self.outbound.encode_part_header(kind, payload_len, fin, &mut self.pending)
    }

    /// Copies a payload, or what is left of it, behind the bytes that wait, masked if there is a
    /// key.
    #[inline]
    pub(super) fn buffer(&mut self, payload: &[u8], key: Option<MaskingKey>) {
        match key {
            Some(key) => key.append(payload, 0, &mut self.pending),
            None => self.pending.extend_from_slice(payload),
        }
    }

    /// Copies the front of a payload behind the bytes that wait, so that one call to the stream
    /// takes both, and returns the rest of it.
    #[inline]
    pub(super) fn buffer_front<'a>(&mut self, payload: &'a [u8]) -> &'a [u8] {
        if self.is_empty() {
            return payload;
        }
        let (front, rest) = payload.split_at_checked(COPY_MAX).unwrap_or((payload, &[]));
        self.pending.extend_from_slice(front);
        rest
    }

    /// Calls the stream once: with the bytes that wait, or if there are none, with `payload`.
    /// Returns whether it took all that it was given.
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
        // A stream is anybody's code: more than it was given is not gone.
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

    /// Notes that the first `count` of the bytes that wait are gone. What is left is moved only
    /// when that frees half of the buffer: a peer that takes little at a time costs no more than
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

    /// Gives up the bytes that wait: nobody will take them.
    pub(super) fn discard(&mut self) {
        self.pending = Vec::new();
        self.written = 0;
        self.on_idle();
    }

    /// Gives up memory that an idle connection does not need.
    pub(super) fn on_idle(&mut self) {
        self.outbound.on_idle();
        if self.is_empty() {
            self.shrink(0);
        }
    }

    /// Gives back memory over this: what one large burst took is not kept for ever.
    fn shrink(&mut self, max_len: usize) {
        if self.pending.capacity() > max_len {
            self.pending.shrink_to(max_len.min(FLUSH_AT));
        }
    }
}
