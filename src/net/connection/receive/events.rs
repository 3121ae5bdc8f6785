//! What the bytes of the peer mean to the receiver: events, and what each of them calls for.

use super::{DEFLATED_PIECE_LEN, PIECE_LEN, Phase, ReadMode, Receiver};
use crate::ProtocolError;
use crate::net::Error;
use crate::net::connection::close_status::ClosedBy;
use crate::net::deadline::Deadline;
use crate::net::error::unexpected_eof;
use crate::protocol::{Event, Message};

impl Receiver {
    /// The next message, if it is one frame that lies whole in what was read. Most are, and they
    /// call for nothing else. While a message is in progress, or once the peer has said its last
    /// word, there is none.
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

    /// Writes the Pongs that gathered, once for all Pings that came together, and other bytes for
    /// which the receiver is responsible: the caller may take long over what it is handed. The
    /// bytes that the peer does not take are left to the flusher.
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
            // The next read meets a failure again.
            let _ = self.shared.try_flush_briefly();
        }
    }

    /// The next event that the bytes read so far hold, after doing what it calls for: at the end
    /// of the connection, waiting for that until the deadline. In pieces, `None` may also mean
    /// that a piece was eaten.
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

    /// Whether bytes that were read have yet to be eaten.
    pub(super) fn has_unread(&self) -> bool {
        !self.buffer.unread().is_empty()
    }

    /// Moves what has arrived of the message in progress to `out`.
    pub(super) fn take_partial(&mut self, out: &mut Vec<u8>) {
        self.inbound.take_partial(out);
    }

    /// Waits for a further piece of a message that is not to be held as a whole.
    pub(super) fn wait_for_piece(&mut self, deadline: Deadline) -> Result<(), Error> {
        if self.has_ended() {
            return Err(unexpected_eof("the connection ended inside a message"));
        }
        self.buffer.limit(PIECE_LEN);
        self.wait(deadline)
    }

    /// Drops what is still to come of a message whose reader is gone.
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
        // A message that is skipped is not held either.
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
                // Asked before it is noted: then another thread may send the answer at any time.
                self.closed_by =
                    if self.shared.close_sent() { ClosedBy::Us } else { ClosedBy::Peer };
            }
            self.shared.post_answer(event);
        }
        outcome
    }
}
