//! The half of a connection that receives: bytes become events, events become messages, and what
//! an event calls for is left for the writer.
//!
//! The receiver is the one thread that can be counted on, because a connection lives only as long
//! as somebody receives. So it is responsible for all bytes that no other thread is about to
//! write: before each read, and before it hands anything to its caller, it looks at the published
//! state and writes what is there.

mod buffer;
mod end;
mod events;
mod keepalive;
mod message_reader;
mod messages;
mod wait;

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

pub(in crate::net) use self::buffer::ReadBuffer;
use self::keepalive::Keepalive;
pub use self::message_reader::MessageReader;
pub use self::messages::Messages;
use super::close_status::{CloseStatus, ClosedBy};
use super::counters::Counters;
use super::shared::Shared;
use super::try_writes::Count;
use crate::ProtocolError;
use crate::frame::{CloseCode, CloseFrame};
use crate::net::deadline::{Deadline, Wait};
use crate::net::{Error, Operation, State, Stream};
use crate::protocol::{Event, Inbound, Message, MessageRef, Role, SendError};

/// The half of a connection that receives.
///
/// A connection needs a thread that receives. [`recv`](Self::recv) answers Pings and Close frames,
/// notices a silent peer, and writes the bytes that the peer did not take when they were sent.
///
/// Dropping the receiver ends the connection, for all senders too, as dropping a
/// [`WebSocket`](crate::WebSocket) does. The connection does not end when all senders are dropped:
/// the receiver receives until the peer ends.
///
/// Once the connection has ended, the receiver closes the socket, even if senders are kept.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    /// The stream, until the connection has ended: then it is closed, whoever keeps what.
    stream: Option<Arc<dyn Stream>>,
    /// On the heap, so that a receiver is small to move about.
    inbound: Box<Inbound>,
    buffer: ReadBuffer,
    /// What the stream was last told.
    read_timeout: Option<Duration>,
    max_read_timeout: Option<Duration>,
    /// How long a read may wait if there is nothing but to wait for the peer.
    calm_read_timeout: Duration,
    /// The count of writes that do not wait, before the last read.
    try_writes: Count,
    keepalive: Keepalive,
    /// Whether the sender is in other hands: then it is told of a peer that does not read.
    is_detached: bool,
    /// Until when the peer has to read what is to be written, or to send something, if it did
    /// not take all at once.
    room_deadline: Option<Deadline>,
    /// How many bytes were read after the deadline for the peer's Close frame.
    late_len: usize,
    /// Pings came since something was last written.
    has_pinged: bool,
    /// Whose Close frame was the first, should the last event be a Close.
    closed_by: ClosedBy,
    phase: Phase,
}

/// How far the receiver is.
#[derive(Debug)]
enum Phase {
    /// The next message is to be handed out.
    Messages,
    /// Part of the message in progress was handed out.
    InMessage,
    /// The message in progress is of no interest.
    Skipping,
    /// The peer has said its last word.
    Ending(Ending),
    /// The connection has ended.
    Ended(CloseStatus),
}

/// A connection after the peer's last word. A receive that times out in the meantime leaves the
/// rest to the next one.
#[derive(Debug)]
struct Ending {
    /// The peer's Close frame, or the rule that it broke.
    last_word: Result<Option<CloseFrame>, ProtocolError>,
    /// The end of the time in which our Close frame has to go out.
    deadline: Deadline,
    /// The end of the wait for the peer to end its side, once our last byte is out.
    linger: Option<Deadline>,
    /// How many bytes were read in the meantime.
    read_len: usize,
}

/// A message that is read while it arrives is read in pieces of at most so many bytes.
const PIECE_LEN: usize = 16 << 10;
/// It is decompressed in pieces of at most so many: a bomb makes a thousand bytes of one.
const DEFLATED_PIECE_LEN: usize = 512;

/// How much of a message may be taken in at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ReadMode {
    /// All that was read: it is to be held as a whole.
    All,
    /// No more than becomes a piece.
    Pieces,
}

/// How soon to try again to write what the peer did not take.
const RETRY: Duration = Duration::from_millis(50);

impl Receiver {
    /// A receiver whose stream is ready to be read from.
    pub(super) fn open(
        shared: Arc<Shared>,
        stream: Arc<dyn Stream>,
        inbound: Box<Inbound>,
        read_ahead: Vec<u8>,
    ) -> io::Result<Self> {
        let keepalive = Keepalive::new(&shared.timeouts);
        let try_writes = shared.try_writes.count();
        let max_read_timeout = stream.max_read_timeout();
        shared.received.add_bytes(read_ahead.len());
        let mut receiver = Self {
            shared,
            stream: Some(stream),
            inbound,
            buffer: ReadBuffer::new(read_ahead),
            read_timeout: None,
            max_read_timeout,
            calm_read_timeout: Duration::ZERO,
            try_writes,
            keepalive,
            is_detached: false,
            room_deadline: None,
            late_len: 0,
            has_pinged: false,
            closed_by: ClosedBy::Nobody,
            phase: Phase::Messages,
        };
        receiver.calm_read_timeout = receiver.earliest_timeout(Deadline::never());
        receiver.set_read_timeout(receiver.calm_read_timeout)?;
        Ok(receiver)
    }

    /// The receiver of a connection whose sender is in other hands: it never waits for the peer
    /// to read.
    pub(super) const fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }

    /// Waits for the next message; `None` is the end of a connection after a closing handshake.
    ///
    /// In the meantime it answers Pings, and completes the closing handshake of a peer that closes
    /// (§5.5, §7). Before it waits, it writes fed messages and all other bytes that wait. It never
    /// waits for a thread that sends.
    ///
    /// # Errors
    ///
    /// - `Protocol` if the peer broke the rules; it was told so and the connection is closed.
    /// - `Io` if the transport failed, or ended with no Close frame (`UnexpectedEof`).
    /// - `Timeout(Flush)` if for [`Timeouts::write`](crate::Timeouts) the peer neither reads the
    ///   bytes that wait for it nor sends anything; the next call continues. After a split, only
    ///   senders return this.
    /// - `Timeout(Close)` if the peer does not answer our Close frame within
    ///   [`Timeouts::close`](crate::Timeouts). An answer that came in time is read, however late
    ///   the call. The connection was cut.
    /// - `Timeout(Pong)` if the peer is silent and does not answer a Ping: the connection was cut.
    ///   The receiver sends no such Pings once our Close frame was sent.
    /// - `Io(ConnectionAborted)` after [`Sender::abort`](crate::Sender::abort).
    ///
    /// After `None`, and after an error that ended the connection, it returns `None`.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.recv_by(Deadline::never())
    }

    /// As [`recv`](Self::recv), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// `Timeout(Receive)` if by then no message is complete and the connection has not ended. The
    /// bytes that have arrived are kept, and the next call continues with the message, or with the
    /// end of the connection. Otherwise as for [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        self.recv_by(Deadline::after(Some(timeout)))
    }

    /// The messages of the peer until the connection ends, as [`recv`](Self::recv) gives them.
    /// `for message in &mut receiver` does the same.
    pub const fn messages(&mut self) -> Messages<'_> {
        Messages::new(self)
    }

    /// Has a Close frame sent, and returns the moment at which the closing handshake has to be
    /// over. If another thread has the writer, that one sends it.
    pub(super) fn begin_close(&self, frame: CloseFrame) -> Result<Deadline, Error> {
        let code = frame.code();
        if code == CloseCode::MANDATORY_EXTENSION && self.shared.role() == Role::Server {
            return Err(SendError::ForbiddenCloseCode(code).into());
        }
        let deadline = Deadline::after(Some(self.shared.timeouts.close));
        self.shared.close_soon(frame, Wait::Slice);
        Ok(deadline)
    }

    /// How far the connection is from its end. When both Close frames have passed, it is still
    /// `Closing` until a receive has seen the end of TCP, or has waited for that up to
    /// [`Timeouts::linger`](crate::Timeouts) (§7.1.4).
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Ended(_) => State::Closed,
            Phase::Ending(_) => State::Closing,
            _ => self.shared.state(),
        }
    }

    /// How long the latest Ping took to be answered: one of keepalive, which it sends into silence,
    /// or of [`Sender::measure_latency`](crate::Sender::measure_latency).
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.shared.latency.latest()
    }

    /// What has passed over the connection so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        match &self.phase {
            Phase::Ended(status) => Some(status),
            _ => None,
        }
    }

    /// Waits for the next message as [`recv`](Self::recv) does, but only for its beginning:
    /// what follows is read while it arrives, and the message is never held as a whole.
    ///
    /// [`Limits::max_stream_len`](crate::Limits::max_stream_len) bounds the message, in place of the
    /// limits on messages that are held.
    ///
    /// ```no_run
    /// # fn receive(mut receiver: tightwire::Receiver) -> Result<(), tightwire::Error> {
    /// if let Some(mut message) = receiver.recv_reader()? {
    ///     std::io::copy(&mut message, &mut std::fs::File::create("large.bin")?)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), also from the reader, as the source of its `io::Error`.
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        self.skip_the_rest();
        loop {
            if self.has_ended() {
                return Ok(None);
            }
            match self.next_event(ReadMode::Pieces, Deadline::never())? {
                Some(Event::Message(message)) => {
                    self.answer_pings();
                    let kind = MessageRef::from(&message).kind();
                    return Ok(Some(MessageReader::whole(self, kind, message.into_bytes())));
                }
                Some(Event::Close(_)) => return Ok(None),
                Some(_) => {}
                None => match self.inbound.message_kind() {
                    Some(kind) if !self.is_skipping() => {
                        self.phase = Phase::InMessage;
                        self.answer_pings();
                        return Ok(Some(MessageReader::begun(self, kind)));
                    }
                    _ if self.has_unread() => {}
                    _ => self.wait(Deadline::never())?,
                },
            }
        }
    }

    pub(super) fn recv_by(&mut self, deadline: Deadline) -> Result<Option<Message>, Error> {
        match self.take_unfragmented() {
            Some(message) => Ok(Some(message)),
            None => self.recv_or_wait(deadline),
        }
    }

    /// As [`recv_by`](Self::recv_by), if the next message does not lie whole in what was read.
    #[inline(never)]
    fn recv_or_wait(&mut self, deadline: Deadline) -> Result<Option<Message>, Error> {
        let mut has_waited = false;
        loop {
            if let ControlFlow::Break(message) = self.recv_other(deadline, has_waited)? {
                return Ok(message);
            }
            self.wait(deadline)?;
            has_waited = true;
            if let Some(message) = self.take_unfragmented() {
                return Ok(Some(message));
            }
        }
    }

    /// As [`recv_by`](Self::recv_by), for all but whole messages, as far as what was read holds it.
    fn recv_other(
        &mut self,
        deadline: Deadline,
        has_waited: bool,
    ) -> Result<ControlFlow<Option<Message>>, Error> {
        self.skip_the_rest();
        while self.has_unread() || !matches!(self.phase, Phase::Messages) {
            if self.has_ended() {
                return Ok(ControlFlow::Break(None));
            }
            match self.next_event(ReadMode::All, deadline)? {
                Some(Event::Message(message)) => {
                    self.answer_pings();
                    return Ok(ControlFlow::Break(Some(message)));
                }
                Some(Event::Close(_)) => return Ok(ControlFlow::Break(None)),
                Some(_) => {}
                None => break,
            }
        }
        // A peer that is never quiet, with Pings or with byte after byte, holds nobody longer than
        // one that is.
        if has_waited && deadline.is_over() {
            self.answer_pings();
            return Err(Error::Timeout(Operation::Receive));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Without a receiver nobody would answer the peer, so the connection ends with it: senders are
/// told that it is closed, and a call of theirs that is blocked ends. This waits for nothing,
/// because a program may drop a connection anywhere.
impl Drop for Receiver {
    fn drop(&mut self) {
        if self.shared.state() == State::Open {
            self.shared.close_soon(CloseCode::GOING_AWAY.into(), Wait::Never);
        }
        if !self.has_ended() {
            self.shared.end();
        }
    }
}
