//! A message that is sent while it is written, in fragments (§5.4).
//!
//! No frame of another message may come between its fragments, so other senders wait from the first
//! fragment to the last. Control frames may come between them. A writer that is dropped before the
//! end cannot take its fragments back: it closes the connection instead.

use std::io::{self, Write};
use std::sync::Arc;

use super::message::Part;
use crate::frame::{CloseCode, Utf8Check};
use crate::net::connection::shared::Shared;
use crate::net::deadline::Wait;
use crate::net::{Error, Operation};
use crate::protocol::{Fin, MessageKind, SendError};

/// A message that is sent while it is written, in fragments (§5.4): see
/// [`Sender::writer`](crate::Sender::writer).
///
/// [`finish`](Self::finish) ends the message. If the writer is dropped before that, and a fragment
/// was sent, it closes the connection with 1011, so that the peer does not mistake the fragments
/// for the whole message.
///
/// From the first fragment to the end of the message, other senders of the connection wait with
/// their messages, up to [`Timeouts::write`](crate::Timeouts). Broadcasts wait in the inbox of the
/// connection. Pings, Pongs and Close frames are sent between the fragments.
#[derive(Debug)]
#[must_use = "`finish` ends the message; dropping the writer before that may close the connection"]
pub struct MessageWriter {
    shared: Arc<Shared>,
    compresses: bool,
    kind: MessageKind,
    check: Utf8Check,
    buffer: Vec<u8>,
    /// Whether a fragment was sent.
    has_begun: bool,
    has_ended: bool,
}

/// The length of a fragment, in bytes: a write that finds this many in the buffer sends them first.
const FRAGMENT_LEN: usize = 32 << 10;

impl MessageWriter {
    pub(super) const fn new(shared: Arc<Shared>, compresses: bool, kind: MessageKind) -> Self {
        Self {
            shared,
            compresses,
            kind,
            check: Utf8Check::new(),
            buffer: Vec::new(),
            has_begun: false,
            has_ended: false,
        }
    }

    /// Sends the bytes written since the last fragment, and ends the message.
    ///
    /// # Errors
    ///
    /// `Send(InvalidUtf8)` if text ends inside a character, and as for
    /// [`Sender::send`](crate::Sender::send). After `Timeout(Flush)` the message has ended. After
    /// any other error it has not.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.kind == MessageKind::Text && self.check.finish().is_err() {
            return Err(SendError::InvalidUtf8.into());
        }
        let outcome = self.send_fragment(Fin::Set);
        self.has_ended = matches!(outcome, Ok(()) | Err(Error::Timeout(Operation::Flush)));
        outcome
    }

    fn send_fragment(&mut self, fin: Fin) -> Result<(), Error> {
        let (kind, is_first) = (self.kind, !self.has_begun);
        let outcome = self.put(Part { kind, payload: &self.buffer, is_first, fin });
        if matches!(outcome, Ok(()) | Err(Error::Timeout(Operation::Flush))) {
            self.has_begun = true;
            self.buffer.clear();
        }
        outcome
    }

    /// Sends a part of the message. While the message is in progress, other senders wait for its
    /// end.
    fn put(&self, part: Part<'_>) -> Result<(), Error> {
        if !part.is_first {
            return self.shared.with_writer(|guard| guard.write_part(part));
        }
        self.shared.with_writer_between_messages(|guard| {
            guard.set_compression(self.compresses);
            guard.write_part(part)
        })
    }

    /// Sends a fragment that does not end the message. A fragment that the peer is slow to take was
    /// accepted nevertheless: the next one finds out whether there is room for it.
    fn send_part(&mut self) -> io::Result<()> {
        match self.send_fragment(Fin::Clear) {
            Ok(()) | Err(Error::Timeout(Operation::Flush)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Write for MessageWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= FRAGMENT_LEN {
            self.send_part()?;
        }
        let room = FRAGMENT_LEN - self.buffer.len();
        let data = data.get(..room).unwrap_or(data);
        if self.kind == MessageKind::Text {
            // Refused bytes were not written, so a later write continues after the last valid ones.
            let mut check = self.check;
            check.check(data).map_err(|_| Error::from(SendError::InvalidUtf8))?;
            self.check = check;
        }
        self.buffer.extend_from_slice(data);
        Ok(data.len())
    }

    /// Sends the bytes written so far as a fragment.
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.send_part()
    }
}

impl Drop for MessageWriter {
    fn drop(&mut self) {
        if self.has_begun && !self.has_ended {
            self.shared.close_soon(CloseCode::INTERNAL_ERROR.into(), Wait::Slice);
        }
    }
}

/// Returns the error inside `Io` as it is. Any other error is wrapped, with the closest
/// [`io::ErrorKind`].
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Timeout(_) => Self::new(io::ErrorKind::TimedOut, error),
            Error::Send(SendError::InvalidUtf8) => Self::new(io::ErrorKind::InvalidData, error),
            Error::Send(SendError::Closed) => Self::new(io::ErrorKind::BrokenPipe, error),
            error => Self::other(error),
        }
    }
}
