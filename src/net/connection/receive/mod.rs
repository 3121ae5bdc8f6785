//! The half of a connection that receives: bytes become events, and events become messages. The
//! control frame that answers an event is left for the writer.
//!
//! The receiver is the one thread that can be counted on, because a connection lives only as long
//! as a thread receives. So the receiver is responsible for all bytes that no other thread is about
//! to write. Before each read, and before it returns anything to its caller, it looks at the
//! published state and writes such bytes.

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
/// detects a dead peer, and writes bytes that the peer did not take when they were sent.
///
/// Dropping the receiver ends the connection, for all senders too, as dropping a
/// [`WebSocket`](crate::WebSocket) does. Dropping all senders does not: the receiver receives until
/// the peer ends the connection.
///
/// Once the connection has ended, the receiver closes the socket, even if senders are kept.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    /// The stream, until the connection has ended. Then it is closed, even if senders are kept.
    stream: Option<Arc<dyn Stream>>,
    /// On the heap, so that a receiver is small when it is moved.
    inbound: Box<Inbound>,
    buffer: ReadBuffer,
    /// The read timeout that was last set on the stream.
    read_timeout: Option<Duration>,
    max_read_timeout: Option<Duration>,
    /// How long a read may wait if the receiver has nothing else to do.
    calm_read_timeout: Duration,
    /// The count of non-waiting writes before the last read.
    try_writes: Count,
    keepalive: Keepalive,
    /// Whether the connection was split. Then the senders report a peer that does not read, not the
    /// receiver.
    is_detached: bool,
    /// The moment until which the peer must read the bytes that wait, or send something. `None` if
    /// no bytes are behind.
    room_deadline: Option<Deadline>,
    /// The number of bytes read after the deadline for the peer's Close frame.
    late_len: usize,
    /// Whether Pings arrived since bytes were last written.
    has_pinged: bool,
    /// Which end sent the first Close frame, if the connection ends with one.
    closed_by: ClosedBy,
    phase: Phase,
}

/// The progress of a receiver.
#[derive(Debug)]
enum Phase {
    /// No part of the next message was returned yet.
    Messages,
    /// Part of the message in progress was returned.
    InMessage,
    /// The rest of the message in progress is skipped.
    Skipping,
    /// The peer's last word was received: a Close frame, or bytes that break a rule.
    Ending(Ending),
    /// The connection has ended.
    Ended(CloseStatus),
}

/// A connection between the peer's last word and the end. A receive that times out in the meantime
/// leaves the rest to the next one.
#[derive(Debug)]
struct Ending {
    /// The peer's Close frame, or the rule that it broke.
    last_word: Result<Option<CloseFrame>, ProtocolError>,
    /// The deadline for writing our Close frame.
    deadline: Deadline,
    /// The deadline for the peer to end its side, once our last byte is out.
    linger: Option<Deadline>,
    /// The number of bytes read since the last word.
    read_len: usize,
}

/// The maximum number of bytes per read of a message that is returned while it arrives.
const PIECE_LEN: usize = 16 << 10;
/// The maximum number of bytes of such a message that are decompressed at a time: a decompression
/// bomb makes a thousand bytes of one.
const DEFLATED_PIECE_LEN: usize = 512;

/// How much of a message may be decoded at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ReadMode {
    /// Everything that was read: the message is held as a whole.
    All,
    /// One piece at most.
    Pieces,
}

/// The interval between attempts to write bytes that the peer did not take.
const RETRY: Duration = Duration::from_millis(50);

impl Receiver {
    /// Creates a receiver for a stream that is ready to be read.
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

    /// Marks the connection as split: the receiver then never reports that the peer does not read.
    pub(super) const fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }

    /// Waits for the next message (§6.2). Returns `None` once the peer's Close frame has ended the
    /// connection.
    ///
    /// In the meantime the call answers Pings, and completes the closing handshake of a peer that
    /// closes (§5.5, §7). Before it waits, it writes fed messages and all other bytes that wait. It
    /// never waits for a thread that sends.
    ///
    /// # Errors
    ///
    /// - `Protocol` if the peer broke a rule. The peer was told which one, and the connection has
    ///   ended.
    /// - `Io` if the transport failed, or ended with no Close frame (`UnexpectedEof`).
    /// - `Timeout(Flush)` if for [`Timeouts::write`](crate::Timeouts) the peer neither reads the
    ///   bytes that wait for it nor sends anything. The next call continues. After a split, only
    ///   senders return this.
    /// - `Timeout(Close)` if the peer does not answer our Close frame within
    ///   [`Timeouts::close`](crate::Timeouts). An answer that arrived in time is read, however late
    ///   the call. The connection was aborted.
    /// - `Timeout(Pong)` if the peer is silent and does not answer a Ping. The connection was
    ///   aborted. No such Ping follows our Close frame.
    /// - `Io(ConnectionAborted)` after [`Sender::abort`](crate::Sender::abort), and `SlowPeer` if a
    ///   [`Hub`](crate::Hub) ended the connection.
    ///
    /// Once a call has returned `None`, or an error that ended the connection, further calls return
    /// `None`.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.recv_by(Deadline::never())
    }

    /// Waits for the next message as [`recv`](Self::recv) does, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// `Timeout(Receive)` if no message was complete by then and the connection has not ended. The
    /// bytes that have arrived are kept, and the next call continues with the message, or with the
    /// end of the connection. Otherwise as for [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        self.recv_by(Deadline::after(Some(timeout)))
    }

    /// Returns an iterator over the messages of the peer, which ends with the connection.
    /// `for message in &mut receiver` does the same.
    pub const fn messages(&mut self) -> Messages<'_> {
        Messages::new(self)
    }

    /// Sends a Close frame, and returns the deadline of the closing handshake. If another thread
    /// holds the writer, that thread sends it.
    pub(super) fn begin_close(&self, frame: CloseFrame) -> Result<Deadline, Error> {
        let code = frame.code();
        if code == CloseCode::MANDATORY_EXTENSION && self.shared.role() == Role::Server {
            return Err(SendError::ForbiddenCloseCode(code).into());
        }
        let deadline = Deadline::after(Some(self.shared.timeouts.close));
        self.shared.close_soon(frame, Wait::Slice);
        Ok(deadline)
    }

    /// Returns whether the connection is open, closing or closed.
    ///
    /// When both Close frames have passed, the state is still `Closing` until a receive has seen
    /// the end of TCP, or has waited for it up to [`Timeouts::linger`](crate::Timeouts) (§7.1.4).
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Ended(_) => State::Closed,
            Phase::Ending(_) => State::Closing,
            _ => self.shared.state(),
        }
    }

    /// Returns the round-trip time of the latest Ping that was answered. Keepalive sends one when
    /// the peer is silent, and [`Sender::measure_latency`](crate::Sender::measure_latency) sends
    /// one at once.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.shared.latency.latest()
    }

    /// Returns how many messages and bytes were sent and received so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Returns how the connection ended, or `None` if it has not.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        match &self.phase {
            Phase::Ended(status) => Some(status),
            _ => None,
        }
    }

    /// Waits for the start of the next message, and returns a reader of its payload.
    ///
    /// The message is read while it arrives, and is never in memory as a whole.
    /// [`Limits::max_stream_len`](crate::Limits::max_stream_len) bounds it, in place of the limits
    /// on messages that are held.
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
    /// As for [`recv`](Self::recv). The reader returns the same errors, each as the source of an
    /// `io::Error`.
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

    /// Like [`recv_by`](Self::recv_by), if the next message is not whole in the read buffer.
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

    /// Handles the read buffer in the general case: fragments, control frames, the end of the
    /// connection. `Break` has the result of the receive. `Continue` means that more bytes must be
    /// read.
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
        // A peer that is never quiet, because it sends Pings or byte after byte, must not hold the
        // caller longer than a silent one.
        if has_waited && deadline.is_over() {
            self.answer_pings();
            return Err(Error::Timeout(Operation::Receive));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Ends the connection, because without a receiver nobody would answer the peer. Senders then fail
/// with `Send(Closed)`, and a blocked call of theirs returns. The drop does not wait for anything,
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
