//! A message that is read while it arrives, and is never in memory as a whole.
//!
//! The reader borrows the receiver, so no other message can be received before it is dropped. The
//! unread rest of the message is skipped by the next receive, not in the drop, which must not wait.

use std::io::{self, Read};
use std::time::Duration;

use super::{ReadMode, Receiver};
use crate::net::deadline::Deadline;
use crate::net::{Error, Operation};
use crate::protocol::{Event, MessageKind};

/// A message that is read while it arrives: see [`Receiver::recv_reader`].
///
/// The reader ends where the message does. Text is checked on the way, so that the bytes read so
/// far are valid UTF-8, except for a character that is cut at their end.
///
/// The next receive skips the bytes that were not read.
#[derive(Debug)]
#[must_use = "a message that is not read is skipped"]
pub struct MessageReader<'a> {
    receiver: &'a mut Receiver,
    kind: MessageKind,
    /// The bytes that have arrived. `piece[read..]` was not returned yet.
    piece: Vec<u8>,
    read: usize,
    timeout: Option<Duration>,
    /// Whether `piece` is the last one.
    is_last: bool,
}

impl<'a> MessageReader<'a> {
    /// Creates a reader of a message that has arrived as a whole.
    pub(super) const fn whole(
        receiver: &'a mut Receiver,
        kind: MessageKind,
        piece: Vec<u8>,
    ) -> Self {
        Self { receiver, kind, piece, read: 0, timeout: None, is_last: true }
    }

    /// Creates a reader of a message that has begun to arrive.
    pub(super) const fn begun(receiver: &'a mut Receiver, kind: MessageKind) -> Self {
        Self { receiver, kind, piece: Vec::new(), read: 0, timeout: None, is_last: false }
    }

    /// Returns whether the message is text or binary.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Sets how long a read may wait. By default it waits as long as the peer is alive.
    ///
    /// A read that takes longer returns `TimedOut`, and the next one continues where it stopped.
    pub const fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Waits for the next piece.
    fn fetch(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.read = 0;
        self.piece.clear();
        let mut has_waited = false;
        loop {
            match self.receiver.next_event(ReadMode::Pieces, deadline)? {
                Some(Event::Message(message)) => {
                    self.piece = message.into_bytes();
                    self.is_last = true;
                    self.receiver.answer_pings();
                    return Ok(());
                }
                Some(Event::Close(_)) => {
                    let kind = io::ErrorKind::UnexpectedEof;
                    return Err(io::Error::new(kind, "the peer closed inside a message").into());
                }
                Some(_) => {}
                None => {
                    self.receiver.take_partial(&mut self.piece);
                    if !self.piece.is_empty() {
                        self.receiver.answer_pings();
                        return Ok(());
                    }
                    if self.receiver.has_unread() {
                        continue;
                    }
                    if has_waited && deadline.is_over() {
                        self.receiver.answer_pings();
                        return Err(Error::Timeout(Operation::Receive));
                    }
                    self.receiver.wait_for_piece(deadline)?;
                    has_waited = true;
                }
            }
        }
    }
}

impl Read for MessageReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let deadline = Deadline::after(self.timeout);
        while self.read == self.piece.len() && !self.is_last {
            self.fetch(deadline)?;
        }
        let count = self.piece.get(self.read..).unwrap_or_default().read(buffer)?;
        self.read += count;
        Ok(count)
    }
}
