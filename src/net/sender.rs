use std::sync::Arc;

use super::link::Link;
use super::prepared::Offer;
use super::turn::Patience;
use super::{Error, MessageWriter, Prepared, State};
use crate::frame::{CloseCode, CloseFrame};
use crate::protocol::{MessageKind, MessageRef};

/// The half of a connection that sends.
///
/// Clones send on the same connection, from any thread: messages never mix, and who calls waits
/// until those before it are written. A call that waits for the peer to read does so for as
/// long as [`Timeouts::write`](crate::Timeouts) says.
#[derive(Clone, Debug)]
pub struct Sender {
    link: Arc<Link>,
    /// Whether it has messages compressed where that was agreed on.
    compresses: bool,
}

impl Sender {
    pub(super) const fn new(link: Arc<Link>) -> Self {
        Self { link, compresses: true }
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
        self.link.send(message.into(), true, self.compresses)
    }

    /// Accepts a message that need not be on its way yet: it goes out with the next
    /// [`flush`](Self::flush) or [`send`](Self::send), or once 64 KiB have gathered.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn feed<'a>(&self, message: impl Into<MessageRef<'a>>) -> Result<(), Error> {
        self.link.send(message.into(), false, self.compresses)
    }

    /// Sends a message that was encoded before, as [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_prepared(&self, message: &Prepared) -> Result<(), Error> {
        self.link.send_prepared(message, self.compresses)
    }

    /// Sends a message without waiting; what the peer does not take at once is kept.
    pub(super) fn offer(&self, message: &Prepared) -> Offer {
        self.link.offer(message, self.compresses)
    }

    /// Goes on with what earlier calls left over, without waiting.
    pub(super) fn retry(&self) {
        // A failure is met again by who receives.
        let _ = self.link.try_flush(Patience::None);
    }

    /// Whether the peer has yet to take what earlier calls left over, and still may.
    pub(super) fn is_behind(&self) -> bool {
        self.link.is_behind() && !self.link.is_broken()
    }

    /// Whether there is something that the peer was not told yet, and still may be.
    pub(super) fn has_unsaid(&self) -> bool {
        (self.link.has_unsent() || self.link.owes()) && !self.link.is_broken()
    }

    /// Ends the connection at once, and says whether it had not ended before.
    pub(super) fn cut(&self) -> bool {
        self.link.cut()
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

    pub(super) fn fragment(
        &self,
        kind: MessageKind,
        part: &[u8],
        fin: bool,
        continues: bool,
    ) -> Result<(), Error> {
        self.link.send_fragment(kind, part, fin, continues, self.compresses)
    }

    /// Writes what was fed, and what a call that timed out left over.
    ///
    /// # Errors
    ///
    /// `Timeout(Flush)`, and `Io` if the transport failed.
    pub fn flush(&self) -> Result<(), Error> {
        self.link.flush()
    }

    /// Sends a Ping with up to 125 bytes of data (§5.5.2).
    ///
    /// # Errors
    ///
    /// `Send(ControlTooLong)`, and as for [`send`](Self::send).
    pub fn ping(&self, data: &[u8]) -> Result<(), Error> {
        self.link.ping(data)
    }

    /// Sends a Close frame: the peer gets to know that no more messages follow, and why
    /// (§7.1.2). The receiving half still gives out what the peer sends before it answers.
    ///
    /// # Errors
    ///
    /// `Send(Closed)` if one was sent before, `Send(ReasonTooLong)` over 123 bytes,
    /// `Send(ForbiddenCloseCode)` for 1010 from a server, and as for [`send`](Self::send).
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason).map_err(crate::SendError::from)?;
        self.link.close(&frame)
    }

    /// As [`close`](Self::close) without a reason, but waits for nothing.
    pub(super) fn close_soon(&self, code: CloseCode) {
        self.link.close_soon(code.into());
    }

    /// Ends the connection at once, from any thread: a thread that is blocked on it, in a receive,
    /// a send or a close, comes back with an error. Nothing more is sent, so the peer reports code
    /// 1006 (§7.1.5); [`close`](Self::close) is how to part with a closing handshake.
    ///
    /// A connection that has ended stays as it is.
    pub fn abort(&self) {
        self.link.cut();
    }

    /// How far the connection is from its end.
    pub fn state(&self) -> State {
        self.link.state()
    }
}
