use std::sync::Arc;

use super::guard::{Flush, Part, Wait};
use super::message_writer::MessageWriter;
use super::prepared::Prepared;
use crate::frame::{CloseCode, CloseFrame};
use crate::net::connection::shared::Shared;
use crate::net::connection::status::{BEHIND, BROADCAST, IN_MESSAGE};
use crate::net::{Error, Operation, State};
use crate::protocol::{MessageKind, MessageRef, SendError};

/// The half of a connection that sends.
///
/// Clones send on the same connection, from any thread: messages never mix, and who calls waits
/// until those before it are written. A call that waits for the peer to read does so for as
/// long as [`Timeouts::write`](crate::Timeouts) says.
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    /// Whether it has messages compressed where that was agreed on.
    compresses: bool,
}

impl Sender {
    pub(in crate::net::connection) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, compresses: true }
    }

    /// A sender for the same connection that sends its messages as they are, also where both
    /// ends agreed to compress (RFC 7692 §6). It is for data that is compressed already, and for
    /// secrets: the length of what is compressed tells something about its content.
    pub fn uncompressed(&self) -> Self {
        Self { compresses: false, ..self.clone() }
    }

    /// Sends a message: a `&str` as text, bytes as binary, or a
    /// [`&Message`](crate::Message) as what it is (§6.1).
    ///
    /// It is on its way when this returns.
    ///
    /// # Errors
    ///
    /// - `Send(Closed)` once the connection is closing.
    /// - `Timeout(Flush)` if the peer did not read all of it in time: it is accepted, and goes
    ///   on with the next call that writes. `Timeout(Queue)` if earlier messages still wait:
    ///   this one was not accepted.
    /// - `Io` if the transport failed.
    pub fn send<'a>(&self, message: impl Into<MessageRef<'a>>) -> Result<(), Error> {
        self.put(message.into(), Flush::Now)
    }

    /// Accepts a message that need not be on its way yet: it goes out with the next
    /// [`flush`](Self::flush) or [`send`](Self::send), or once 64 KiB have gathered.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn feed<'a>(&self, message: impl Into<MessageRef<'a>>) -> Result<(), Error> {
        self.put(message.into(), Flush::Later)
    }

    /// Sends a message that was encoded before, as [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_prepared(&self, message: &Prepared) -> Result<(), Error> {
        self.shared.with_writer_between_messages(|guard| {
            guard.set_compression(self.compresses);
            guard.put_prepared(message, Wait::Block, Flush::Now)
        })
    }

    fn put(&self, message: MessageRef<'_>, flush: Flush) -> Result<(), Error> {
        self.shared.with_writer_between_messages(|guard| {
            guard.set_compression(self.compresses);
            guard.put(message, flush)
        })
    }

    /// Begins a message that is sent while it is written, so that it need not be in memory as a
    /// whole. It is sent once the writer's [`finish`](MessageWriter::finish) says so.
    ///
    /// ```no_run
    /// # fn send(sender: tightwire::Sender) -> Result<(), tightwire::Error> {
    /// let mut writer = sender.writer(tightwire::MessageKind::Binary);
    /// std::io::copy(&mut std::fs::File::open("large.bin")?, &mut writer)?;
    /// writer.finish()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn writer(&self, kind: MessageKind) -> MessageWriter {
        MessageWriter::new(self.clone(), kind)
    }

    /// Sends a part of a streamed message. While the message is in progress, other senders wait
    /// for its end.
    pub(super) fn send_part(&self, part: Part<'_>) -> Result<(), Error> {
        if !part.is_first {
            return self.shared.with_writer(|guard| guard.put_part(part));
        }
        self.shared.with_writer_between_messages(|guard| {
            guard.set_compression(self.compresses);
            guard.put_part(part)
        })
    }

    /// Writes what was fed, and what a call that timed out left over.
    ///
    /// # Errors
    ///
    /// `Timeout(Flush)`, and `Io` if the transport failed.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.with_writer(|guard| guard.flush())
    }

    /// Sends a Ping with up to 125 bytes of data (§5.5.2).
    ///
    /// # Errors
    ///
    /// `Send(ControlTooLong)`, and as for [`send`](Self::send).
    pub fn ping(&self, data: &[u8]) -> Result<(), Error> {
        self.shared.with_writer(|guard| guard.put_ping(data))
    }

    /// Sends a Close frame: the peer gets to know that no more messages follow, and why
    /// (§7.1.2). The receiving half still gives out what the peer sends before it answers.
    ///
    /// # Errors
    ///
    /// `Send(Closed)` if one was sent before, `Send(ReasonTooLong)` over 123 bytes,
    /// `Send(ForbiddenCloseCode)` for 1010 from a server, and as for [`send`](Self::send).
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason).map_err(SendError::from)?;
        self.shared.with_writer(|guard| guard.put_close(&frame))
    }

    /// Ends the connection at once, from any thread: a thread that is blocked on it, in a receive,
    /// a send or a close, comes back with an error. Nothing more is sent, so the peer reports code
    /// 1006 (§7.1.5); [`close`](Self::close) is how to part with a closing handshake.
    ///
    /// A connection that has ended stays as it is.
    pub fn abort(&self) {
        self.shared.abort();
    }

    /// How far the connection is from its end.
    pub fn state(&self) -> State {
        self.shared.state()
    }
}

/// A broadcast goes past the inbox only if none of these is so.
const IN_THE_WAY: u16 = BEHIND | BROADCAST | IN_MESSAGE;

/// What the hub, the server and the streamed messages need: nothing here waits for a sender.
impl Sender {
    /// Sends a broadcast: for the peer it waits as long as `wait` allows, and not at all if the
    /// peer has yet to take earlier bytes.
    pub(in crate::net) fn offer(&self, message: &Prepared, wait: Wait) -> Offer {
        let shared = &*self.shared;
        let status = shared.status();
        if status.state() != State::Open {
            return Offer::Closed;
        }
        if !status.has(IN_THE_WAY) {
            if let Some(offer) = self.offer_at_once(message, wait) {
                return offer;
            }
        }
        if !shared.inbox.post_broadcast(&shared.status, message, self.compresses) {
            let is_slow = shared.status.has(BEHIND | IN_MESSAGE);
            return if is_slow { Offer::Slow } else { Offer::Busy };
        }
        // The receiver meets a failure again.
        if !shared.is_behind() {
            let _ = shared.try_flush(wait);
        }
        if shared.is_broken() { Offer::Closed } else { Offer::Taken }
    }

    /// Sends a broadcast past the inbox, if nothing is in its way, as is so most of the time.
    fn offer_at_once(&self, message: &Prepared, wait: Wait) -> Option<Offer> {
        let outcome = self.shared.try_with_writer(|guard| {
            if guard.seen.has(IN_THE_WAY) {
                return None;
            }
            let taken = guard.take_work();
            Some(taken.and_then(|()| {
                guard.set_compression(self.compresses);
                guard.put_prepared(message, wait, Flush::Now)
            }))
        })??;
        match outcome {
            Err(Error::Timeout(Operation::Queue)) => None,
            Ok(()) => Some(Offer::Taken),
            Err(Error::Timeout(_)) => Some(Offer::Kept),
            Err(_) => Some(Offer::Closed),
        }
    }

    /// Goes on with the bytes that earlier calls left over.
    pub(in crate::net) fn retry(&self, wait: Wait) {
        // The receiver meets a failure again.
        let _ = self.shared.try_flush(wait);
    }

    /// Whether the peer has yet to take bytes of earlier calls, and still may.
    pub(in crate::net) fn is_behind(&self) -> bool {
        self.shared.is_behind() && !self.shared.is_broken()
    }

    /// Whether there are bytes or control frames that the peer has not got, and still may.
    pub(in crate::net) fn has_unsent(&self) -> bool {
        self.shared.has_unwritten() && !self.shared.is_broken()
    }

    /// Sends a Close frame without a reason, and does not wait for a sender.
    pub(in crate::net) fn close_soon(&self, code: CloseCode, wait: Wait) {
        self.shared.close_soon(code.into(), wait);
    }

    /// As [`abort`](Self::abort), and returns whether the connection had not ended before.
    pub(in crate::net) fn abort_first(&self) -> bool {
        self.shared.abort()
    }
}

/// What became of a message that was to be sent without waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::net) enum Offer {
    /// It is on its way, or in the inbox.
    Taken,
    /// As `Taken`, but the peer did not take all of it in time.
    Kept,
    /// The inbox is full: messages come faster than the thread that has the writer writes them.
    Busy,
    /// The inbox is full, because the peer does not read or a long message is in progress.
    Slow,
    /// No message can be sent any more.
    Closed,
}
