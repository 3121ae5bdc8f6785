//! The bytes of the peer become events, and the receiver does what each event calls for.

use super::{DEFLATED_PIECE_LEN, PIECE_LEN, Phase, ReadMode, Receiver};
use crate::ProtocolError;
use crate::net::Error;
use crate::net::connection::close_status::ClosedBy;
use crate::net::deadline::Deadline;
use crate::net::error::unexpected_eof;
use crate::protocol::{Event, Message};

impl Receiver {
    /// Returns the next message, if it is a single frame that is whole in the read buffer. Most
    /// messages are, and they call for nothing else. `None` while a fragmented message is in
    /// progress, or after the peer's last word.
    #[inline(always)]
    pub(super) fn take_unfragmented(&mut self) -> Option<Message> {
        let mut input = self.buffer.get_unread()?;
        let message = self.inbound.take_unfragmented(&mut input)?;
        let left = input.len();
        self.buffer.keep(left);
        self.shared.received.add_message();
        self.answer_pings();
        Some(message)
    }

    /// Writes the Pongs that have gathered, once for all Pings that arrived together, and other
    /// bytes for which the receiver is responsible. This comes before a return, because the caller
    /// may be busy with the message for long. Bytes that the peer does not take are left to the
    /// flusher.
    #[inline]
    pub(super) fn answer_pings(&mut self) {
        if self.has_pinged || self.shared.may_need_receiver() {
            self.write_own_bytes();
        }
    }

    #[cold]
    fn write_own_bytes(&mut self) {
        let has_pinged = core::mem::take(&mut self.has_pinged);
        if self.shared.is_stalled() {
            self.shared.leave_rest();
        } else if has_pinged || self.shared.status().needs_receiver() {
            // The next read runs into the same failure, and reports it.
            let _ = self.shared.try_flush_briefly();
        }
    }

    /// Returns the next event in the read buffer, after doing what it calls for. At the end of the
    /// connection, it waits for that end until the deadline. `None` means that more bytes must be
    /// read, or, with `ReadMode::Pieces`, that a piece was decoded.
    pub(super) fn next_event(
        &mut self,
        mode: ReadMode,
        deadline: Deadline,
    ) -> Result<Option<Event>, Error> {
        loop {
            if matches!(self.phase, Phase::Ending(_)) {
                return self.end(deadline);
            }
            let event = match self.next_buffered(mode) {
                Ok(event) => event,
                Err(error) => {
                    self.fail(error);
                    continue;
                }
            };
            match &event {
                Some(Event::Close(frame)) => {
                    self.finish(frame.clone());
                    continue;
                }
                Some(Event::Ping(_)) => {
                    self.shared.try_encode_pending();
                    self.has_pinged = true;
                }
                Some(Event::Pong(data)) => self.shared.latency.pong(data),
                Some(Event::Message(_)) if self.is_skipping() => {
                    self.phase = Phase::Messages;
                    continue;
                }
                None if self.is_skipping() => {
                    self.inbound.take_partial(&mut Vec::new());
                    if self.has_unread() {
                        continue;
                    }
                }
                Some(Event::Message(_)) | None => {}
            }
            return Ok(event);
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    pub(super) const fn is_skipping(&self) -> bool {
        matches!(self.phase, Phase::Skipping)
    }

    /// Whether the read buffer still holds bytes.
    pub(super) fn has_unread(&self) -> bool {
        !self.buffer.unread().is_empty()
    }

    /// Moves the part of the message in progress that has arrived to `out`.
    pub(super) fn take_partial(&mut self, out: &mut Vec<u8>) {
        self.inbound.take_partial(out);
    }

    /// Waits for a further piece of a message that is not held as a whole.
    pub(super) fn wait_for_piece(&mut self, deadline: Deadline) -> Result<(), Error> {
        if self.has_ended() {
            return Err(unexpected_eof("the connection ended inside a message"));
        }
        self.buffer.limit(PIECE_LEN);
        self.wait(deadline)
    }

    /// Skips the rest of a message whose reader was dropped.
    pub(super) fn skip_the_rest(&mut self) {
        if matches!(self.phase, Phase::InMessage) {
            let is_in_message = self.inbound.message_kind().is_some();
            self.phase = if is_in_message { Phase::Skipping } else { Phase::Messages };
        }
    }

    fn next_buffered(&mut self, mode: ReadMode) -> Result<Option<Event>, ProtocolError> {
        let unread = self.buffer.unread();
        if unread.is_empty() {
            return Ok(None);
        }
        // A message that is skipped is not held as a whole either.
        let in_pieces = mode == ReadMode::Pieces || self.is_skipping();
        let is_cut = in_pieces && self.inbound.may_inflate();
        let piece_len = if is_cut { DEFLATED_PIECE_LEN } else { unread.len() };
        let (mut input, rest) = unread.split_at_checked(piece_len).unwrap_or((unread, &[]));
        let outcome = if in_pieces {
            self.inbound.next_event_in_pieces(&mut input)
        } else {
            self.inbound.next_event(&mut input)
        };
        let left = input.len() + rest.len();
        self.buffer.keep(left);
        if let Ok(Some(event)) = &outcome {
            if let Event::Message(_) = event {
                self.shared.received.add_message();
            }
            if let Event::Close(_) = event {
                // Checked before the event is posted: after that, another thread may send the
                // answer at any time.
                self.closed_by =
                    if self.shared.close_sent() { ClosedBy::Us } else { ClosedBy::Peer };
            }
            self.shared.post_answer(event);
        }
        outcome
    }
}
