//! The handle for sending, and the calls that hubs and servers make through it.
//!
//! The calls of the user wait for the writer. Those of hubs and servers never wait for another
//! sender: they post to the inbox and then try the lock. `offer` has a shorter way for a broadcast
//! that finds nothing in front of it. Both ways must keep the same order: control frames that wait
//! go out first, and a broadcast never overtakes one in the inbox.

use std::sync::Arc;
use std::time::Duration;

use super::guard::ForOthers;
use super::message_writer::MessageWriter;
use super::prepared::PreparedMessage;
use super::writer::Flush;
use crate::frame::{CloseCode, CloseFrame};
use crate::net::connection::counters::Counters;
use crate::net::connection::inbox::Post;
use crate::net::connection::shared::Shared;
use crate::net::connection::status::{CONTROL, FED, IN_MESSAGE, REFUSING, STALLED};
use crate::net::deadline::Wait;
use crate::net::{Error, Operation, State};
use crate::protocol::{AsMessage, MessageKind, MessageRef, SendError};

/// The half of a connection that sends.
///
/// Clones send on the same connection, from any thread. Messages are never interleaved: a call
/// waits until earlier messages have been written. It then waits for the peer to read, up to
/// [`Timeouts::write`](crate::Timeouts).
///
/// A sender does not keep the connection open. When the receiver has reached the end, the socket is
/// closed, and sending fails with `Send(Closed)`.
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    /// Whether messages are compressed, if both ends agreed on that.
    compresses: bool,
}

impl Sender {
    pub(in crate::net::connection) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, compresses: true }
    }

    /// Returns a sender for the same connection that does not compress its messages, even if both
    /// ends agreed on compression (RFC 7692 §6).
    ///
    /// Use it for data that is compressed already, and for secrets: the length of a compressed
    /// message reveals something about its content.
    #[must_use]
    pub fn uncompressed(&self) -> Self {
        Self { compresses: false, ..self.clone() }
    }

    /// Sends a message (§6.1): a string as text, bytes as binary, and a [`Message`](crate::Message)
    /// as its own kind. See [`AsMessage`] for all types.
    ///
    /// On success the operating system has accepted all of it. That does not mean that the peer has
    /// read it.
    ///
    /// # Errors
    ///
    /// - `Send(Closed)` once the connection is closing.
    /// - `Timeout(Flush)` if the peer did not read all of it in time. The message was accepted: do
    ///   not send it again. The rest is written as the peer takes it.
    /// - `Timeout(Queue)` if earlier messages still wait. This one was not accepted.
    /// - `Io` if the transport failed, or [`abort`](Self::abort) ended the call.
    /// - `SlowPeer` if a [`Hub`](crate::Hub) ended the connection during the call.
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        self.put(message.as_message(), Flush::Now)
    }

    /// Accepts a message that is written later: by the next [`flush`](Self::flush) or
    /// [`send`](Self::send), by a receive before it waits, or once 64 KiB wait.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn feed(&self, message: impl AsMessage) -> Result<(), Error> {
        self.put(message.as_message(), Flush::Later)
    }

    /// Sends a message that is already encoded, as [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.shared.with_writer_between_messages(|guard| {
            guard.set_compression(self.compresses);
            guard.write_prepared(message, Wait::Block, Flush::Now)
        })
    }

    fn put(&self, message: MessageRef<'_>, flush: Flush) -> Result<(), Error> {
        self.shared.with_writer_between_messages(|guard| {
            guard.set_compression(self.compresses);
            guard.write_message(message, flush)
        })
    }

    /// Starts a message that is sent in fragments while you write it (§5.4), so that it need not be
    /// in memory as a whole. [`MessageWriter::finish`] ends it.
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
        MessageWriter::new(Arc::clone(&self.shared), self.compresses, kind)
    }

    /// Writes fed messages, the rest of calls that timed out, and broadcasts that wait.
    ///
    /// # Errors
    ///
    /// - `Timeout(Flush)` if the peer does not read all of it within
    ///   [`Timeouts::write`](crate::Timeouts::write).
    /// - `Send(Closed)` once the connection has ended.
    /// - `Io` if the transport failed, or [`abort`](Self::abort) ended the call.
    /// - `SlowPeer` if a [`Hub`](crate::Hub) ended the connection during the call.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.with_writer(|guard| guard.flush())
    }

    /// Sends a Ping with up to 125 bytes of data (§5.5.2).
    ///
    /// # Errors
    ///
    /// `Send(ControlTooLong)` if the data is longer, and as for [`send`](Self::send).
    pub fn ping(&self, data: &[u8]) -> Result<(), Error> {
        self.shared.with_writer(|guard| guard.write_ping(data))
    }

    /// Sends a Ping whose Pong sets [`latency`](Self::latency), also on a busy connection.
    ///
    /// The call does not wait for other threads: a thread that is writing sends the Ping after its
    /// frame. The time runs from this call until the receiver takes the Pong. So it includes the
    /// bytes that wait in front of the Ping, and the delay of a receiver that receives late.
    ///
    /// # Errors
    ///
    /// `Send(Closed)` once the connection is closing.
    pub fn measure_latency(&self) -> Result<(), Error> {
        if self.state() != State::Open {
            return Err(SendError::Closed.into());
        }
        self.shared.post_ping();
        // The receiver runs into the same failure, and reports it.
        let _ = self.shared.try_flush(Wait::Slice);
        Ok(())
    }

    /// Returns the round-trip time of the latest Ping that was answered: one of keepalive, or of
    /// [`measure_latency`](Self::measure_latency).
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.shared.latency.latest()
    }

    /// Returns how many messages and bytes were sent and received so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Sends a Close frame with code 1000 and no reason. See [`close_with`](Self::close_with).
    ///
    /// # Errors
    ///
    /// As for [`close_with`](Self::close_with).
    pub fn close(&self) -> Result<(), Error> {
        self.close_with(CloseCode::NORMAL, "")
    }

    /// Sends a Close frame, which tells the peer that no more messages follow, and why (§7.1.2).
    /// The receiver still returns the messages that the peer sends before it answers.
    ///
    /// Like every send, this waits for earlier ones. The peer then has
    /// [`Timeouts::close`](crate::Timeouts) to answer. An answer that arrived in time counts, even
    /// if the program receives later. No keepalive Ping follows the Close frame.
    ///
    /// # Errors
    ///
    /// - `Send(Closed)` if a Close frame was sent before.
    /// - `Send(ReasonTooLong)` if the reason has more than 123 bytes.
    /// - `Send(ForbiddenCloseCode)` if a server passes 1010.
    /// - Otherwise as for [`send`](Self::send).
    pub fn close_with(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason).map_err(SendError::from)?;
        self.shared.with_writer(|guard| guard.write_close(&frame))
    }

    /// Ends the connection at once, from any thread.
    ///
    /// A receive, send or close that is blocked in another thread returns an error: `Io` with
    /// `ConnectionAborted`, or `Send(Closed)`. No Close frame is sent, so the peer reports code
    /// 1006 (§7.1.5). Use [`close`](Self::close) for a closing handshake.
    ///
    /// The receiver closes the socket with its next receive, or when it is dropped. On a connection
    /// that has ended, this does nothing.
    pub fn abort(&self) {
        self.shared.abort();
    }

    /// Returns whether the connection is open, closing or closed.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state()
    }
}

/// Flags that do not keep a broadcast from going past the inbox. Any other flag does.
const OUT_OF_THE_WAY: u16 = CONTROL | FED | REFUSING;

/// Calls of hubs and servers. None of them waits for another sender.
impl Sender {
    /// Sends a broadcast. The call waits for the peer as long as `wait` allows, and not at all if
    /// the peer has not yet taken earlier bytes.
    #[inline]
    pub(in crate::net) fn offer(&self, message: &PreparedMessage, wait: Wait) -> Offer {
        if !self.shared.status.has(!OUT_OF_THE_WAY) {
            if let Some(offer) = self.offer_at_once(message, wait) {
                return offer;
            }
        }
        self.offer_in_turn(message, wait)
    }

    /// Sends a broadcast past the inbox, if nothing is in its way, which is the usual case. `None`
    /// means that the message was not accepted, and must go through the inbox.
    #[inline]
    fn offer_at_once(&self, message: &PreparedMessage, wait: Wait) -> Option<Offer> {
        let mut guard = self.shared.try_lock(ForOthers { wait, ..ForOthers::default() })?;
        if guard.seen.has(!OUT_OF_THE_WAY) {
            guard.release();
            return None;
        }
        guard.set_compression(self.compresses);
        let taken = guard.take_work();
        match taken.and_then(|()| guard.write_prepared(message, wait, Flush::Now)) {
            Ok(()) => {
                guard.settle();
                guard.unlock();
                Some(Offer::Taken)
            }
            Err(error) => match guard.release_with(error) {
                Error::Timeout(Operation::Queue) => None,
                Error::Timeout(_) => Some(Offer::Kept),
                _ => Some(Offer::Closed),
            },
        }
    }

    /// Posts a broadcast to the inbox, and writes it unless another thread will.
    #[inline(never)]
    fn offer_in_turn(&self, message: &PreparedMessage, wait: Wait) -> Offer {
        let shared = &*self.shared;
        if shared.state() != State::Open {
            return Offer::Closed;
        }
        match shared.inbox.post_broadcast(&shared.status, message, self.compresses) {
            Post::Done => {}
            Post::Full if shared.status.has(STALLED | IN_MESSAGE) => return Offer::Slow,
            Post::Full | Post::Refused => return Offer::Busy,
        }
        // The receiver runs into the same failure, and reports it.
        if !shared.is_behind() {
            let _ = shared.try_flush(wait);
        }
        if shared.is_broken() { Offer::Closed } else { Offer::Taken }
    }

    /// Tries again to write the bytes that earlier calls left.
    pub(in crate::net) fn retry(&self, wait: Wait) {
        // The receiver runs into the same failure, and reports it.
        let _ = self.shared.try_flush(wait);
    }

    /// Whether bytes of earlier calls wait for the peer, which may still take them.
    pub(in crate::net) fn is_behind(&self) -> bool {
        self.shared.is_behind() && !self.shared.is_broken()
    }

    /// Sends a Close frame without a reason. The call does not wait for another sender.
    pub(in crate::net) fn close_soon(&self, code: CloseCode, wait: Wait) {
        self.shared.close_soon(code.into(), wait);
    }

    /// Like [`abort`](Self::abort), for a peer that reads too slowly. Returns `false` if the
    /// connection had ended before.
    pub(in crate::net) fn abort_as_slow(&self) -> bool {
        self.shared.abort_as_slow()
    }
}

/// The outcome of offering a broadcast.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::net) enum Offer {
    /// It was written, or it is in the inbox.
    Taken,
    /// As `Taken`, but the peer did not take all of it in time. The rest is kept.
    Kept,
    /// The inbox is full, because messages come faster than the writing thread writes them.
    Busy,
    /// The inbox is full, because the peer is not reading or a long message is in progress.
    Slow,
    /// No message can be sent any more.
    Closed,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::error::Error as _;
    use std::io;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use super::*;
    use crate::net::{Stream, Timeouts};
    use crate::protocol::{Event, Outbound};

    #[test]
    fn without_masking_keys_a_message_is_refused_and_an_answer_ends_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream: Arc<dyn Stream> = Arc::new(stream);
        let outbound = Outbound::client(|| None);
        let shared = Shared::new(&stream, outbound, Timeouts::default(), 1 << 20);
        let sender = Sender::new(Arc::clone(&shared));

        let refused = sender.send("a").unwrap_err();
        assert!(matches!(refused, Error::Send(SendError::NoMaskingKey)) && !refused.is_fatal());
        assert_eq!(shared.state(), State::Open);

        shared.post_answer(&Event::Ping(Vec::new()));
        let ended = shared.try_flush(Wait::Slice).unwrap_err();
        assert!(ended.is_fatal() && shared.is_aborted());
        let cause = ended.source().and_then(|error| error.downcast_ref::<io::Error>());
        let cause = cause.and_then(io::Error::get_ref).and_then(|error| error.downcast_ref());
        assert_eq!(cause, Some(&SendError::NoMaskingKey));
    }
}
