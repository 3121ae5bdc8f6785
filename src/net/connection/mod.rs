//! An open connection: a [`Sender`] and a [`Receiver`], and what they share.
//!
//! Read `status` first, then `inbox` and `shared`, then `write/guard`: at any line of them it is
//! decided which thread will write which bytes. `receive` comes last. `model` states the
//! invariants, and tries every order in which the threads can meet.

mod close_status;
mod counters;
mod inbox;
mod latency;
#[cfg(all(test, loom))]
mod model;
mod receive;
mod shared;
mod status;
mod try_writes;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use self::close_status::{CloseStatus, ClosedBy};
pub use self::counters::Counters;
#[cfg(feature = "tls")]
pub(in crate::net) use self::receive::ReadBuffer;
pub use self::receive::{MessageReader, Messages, Receiver};
use self::shared::Shared;
pub(in crate::net) use self::write::Offer;
pub use self::write::{MessageWriter, PreparedMessage, Sender};
use super::stream::WRITE_SLICE;
use super::{Error, Operation, State, Stream, Timeouts};
use crate::deflate::{DeflateConfig, Deflater, Inflater};
use crate::frame::{CloseCode, CloseFrame};
use crate::handshake::{Negotiated, Response};
use crate::protocol::{
    AsMessage, Inbound, Limits, Message, MessageKind, Outbound, Role, SendError,
};

/// An open WebSocket connection.
///
/// It is a [`Sender`] and a [`Receiver`] in one. [`sender`](Self::sender) gives another sender, for
/// another thread; [`split`](Self::split) takes the two apart.
///
/// Dropping a `WebSocket` ends TCP at once, even if clones of its `Sender` are alive. Before that,
/// the drop sends Close 1001 if that needs no wait: no other thread is writing, and the system
/// takes the bytes. The peer then reports 1001, otherwise 1006 (§7.1.5). Call
/// [`close`](Self::close) to shut down cleanly.
///
/// ```no_run
/// let mut ws = tightwire::connect("ws://127.0.0.1:8080/")?;
/// ws.send("Hello")?;
/// if let Some(message) = ws.recv()? {
///     println!("{message:?}");
/// }
/// ws.close()?;
/// # Ok::<(), tightwire::Error>(())
/// ```
#[derive(Debug)]
pub struct WebSocket {
    sender: Sender,
    receiver: Receiver,
    negotiated: Negotiated,
    response: Option<Box<Response>>,
    peer_addr: Option<SocketAddr>,
}

/// What a connection is made with.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) fragment_len: usize,
    /// What a client offers; a server has at most one.
    pub(super) deflate: Vec<DeflateConfig>,
}

impl Default for Options {
    fn default() -> Self {
        let (limits, timeouts) = (Limits::default(), Timeouts::default());
        Self { limits, timeouts, fragment_len: 1 << 20, deflate: Vec::new() }
    }
}

impl Options {
    #[inline(never)]
    fn inbound(&self, role: Role, negotiated: &Negotiated) -> Box<Inbound> {
        let inflater = negotiated.deflate.and_then(|params| match role {
            Role::Client => Inflater::new(params.server),
            Role::Server => Inflater::new(params.client),
        });
        Box::new(Inbound::new(role, self.limits).with_inflater(inflater))
    }

    #[inline(never)]
    fn shared(
        &self,
        stream: &Arc<dyn Stream>,
        outbound: Outbound,
        negotiated: &Negotiated,
    ) -> Arc<Shared> {
        let config = self.deflate.first().cloned().unwrap_or_default();
        let deflater = negotiated.deflate.and_then(|params| match outbound.role() {
            Role::Client => Deflater::new(params.client, &config),
            Role::Server => Deflater::new(params.server, &config),
        });
        let outbound = outbound.with_deflater(deflater);
        Shared::new(stream, outbound, self.timeouts, self.fragment_len)
    }
}

impl WebSocket {
    /// A connection whose opening handshake is over. It is on the heap: each value of this size
    /// that is moved about takes the stack of a connection's thread, which never shrinks.
    pub(super) fn open(
        stream: Box<dyn Stream>,
        outbound: Outbound,
        options: &Options,
        negotiated: Negotiated,
        read_ahead: Vec<u8>,
    ) -> Result<Box<Self>, Error> {
        stream.set_write_timeout(Some(WRITE_SLICE))?;
        let peer_addr = stream.peer_addr();
        let inbound = options.inbound(outbound.role(), &negotiated);
        let stream = Arc::from(stream);
        let shared = options.shared(&stream, outbound, &negotiated);
        let sender = Sender::new(Arc::clone(&shared));
        let receiver = Receiver::open(shared, stream, inbound, read_ahead)?;
        Ok(Box::new(Self { sender, receiver, negotiated, response: None, peer_addr }))
    }

    pub(super) fn with_response(self, response: Response) -> Self {
        Self { response: Some(Box::new(response)), ..self }
    }

    /// Waits for the next message (§6.2), and returns `None` once the connection has ended with a
    /// Close frame of the peer.
    ///
    /// It has no deadline, but notices a peer that is gone by keepalive
    /// ([`Timeouts::ping`](crate::Timeouts::ping)). While it waits, it answers Pings and writes fed
    /// messages.
    ///
    /// # Errors
    ///
    /// - `Protocol` if the peer broke a rule. It was told which one, and the connection is closed.
    /// - `Io` if the transport failed, or ended without a Close frame.
    /// - `Timeout(Pong)` if the peer is silent and does not answer a Ping, and `Timeout(Close)` if
    ///   it does not answer our Close frame. The connection was cut.
    /// - `Timeout(Flush)` if the peer neither reads nor sends. The next call continues.
    ///
    /// [`Receiver::recv`] has the details.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.receiver.recv()
    }

    /// Waits for the next message, but no longer than `timeout`. A call that times out loses no
    /// byte: the next one continues where it stopped.
    ///
    /// ```no_run
    /// # fn receive() -> Result<(), tightwire::Error> {
    /// # use std::time::Duration;
    /// # let mut ws = tightwire::connect("ws://127.0.0.1:8080/")?;
    /// match ws.recv_timeout(Duration::from_millis(100)) {
    ///     Ok(Some(message)) => println!("{message}"),
    ///     Ok(None) => println!("the peer has closed the connection"),
    ///     Err(error) if error.is_timeout() && !error.is_fatal() => println!("nothing yet"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Timeout(Receive)` if by then no message is complete, and as for [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        self.receiver.recv_timeout(timeout)
    }

    /// The messages of the peer until the connection ends. `for message in &mut ws` does the same.
    ///
    /// The iterator borrows the connection. To send inside the loop, take a sender before it:
    ///
    /// ```no_run
    /// # let mut ws = tightwire::connect("ws://127.0.0.1:8080/")?;
    /// let sender = ws.sender();
    /// for message in ws.messages() {
    ///     sender.send(message?)?;
    /// }
    /// # Ok::<(), tightwire::Error>(())
    /// ```
    ///
    /// `while let Some(message) = ws.recv()?` needs no second name.
    pub const fn messages(&mut self) -> Messages<'_> {
        self.receiver.messages()
    }

    /// Waits for the beginning of the next message, and returns a reader of its payload. The
    /// message is read while it arrives, and is never in memory as a whole.
    ///
    /// ```no_run
    /// # let mut ws = tightwire::connect("ws://127.0.0.1:8080/")?;
    /// if let Some(mut message) = ws.recv_reader()? {
    ///     std::io::copy(&mut message, &mut std::fs::File::create("large.bin")?)?;
    /// }
    /// # Ok::<(), tightwire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv). Errors in the middle of a message are those of the reader.
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        self.receiver.recv_reader()
    }

    /// Begins a message that is sent while it is written, in fragments (§5.4). It ends with
    /// [`MessageWriter::finish`].
    ///
    /// ```no_run
    /// # let ws = tightwire::connect("ws://127.0.0.1:8080/")?;
    /// let mut writer = ws.writer(tightwire::MessageKind::Binary);
    /// std::io::copy(&mut std::fs::File::open("large.bin")?, &mut writer)?;
    /// writer.finish()?;
    /// # Ok::<(), tightwire::Error>(())
    /// ```
    pub fn writer(&self, kind: MessageKind) -> MessageWriter {
        self.sender.writer(kind)
    }

    /// Sends a message (§6.1): a string as text, bytes as binary, a [`Message`] as what it is. See
    /// [`AsMessage`] for all types.
    ///
    /// On success the system has taken all of it. It waits for the peer to read for up to
    /// [`Timeouts::write`](crate::Timeouts::write).
    ///
    /// ```no_run
    /// # let ws = tightwire::connect("ws://127.0.0.1:8080/")?;
    /// ws.send("text")?;
    /// ws.send(vec![0, 1, 2])?;
    /// ws.send(format!("{} items", 3))?;
    /// # Ok::<(), tightwire::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `Send(Closed)` once the connection is closing.
    /// - `Timeout(Flush)` if the peer did not read all of it in time. The message was accepted: do
    ///   not send it again.
    /// - `Timeout(Queue)` if earlier messages still wait. This one was not accepted.
    /// - `Io` if the transport failed.
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        self.sender.send(message)
    }

    /// Accepts a message that is written later: with the next [`flush`](Self::flush),
    /// [`send`](Self::send), or [`recv`](Self::recv) that must wait, or once 64 KiB wait. Many
    /// small messages then share a system call.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn feed(&self, message: impl AsMessage) -> Result<(), Error> {
        self.sender.feed(message)
    }

    /// Sends a message that was encoded before, for instance to several connections.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.sender.send_prepared(message)
    }

    /// Writes fed messages, and what earlier calls could not write in time.
    ///
    /// # Errors
    ///
    /// `Timeout(Flush)` if the peer does not read all of it within
    /// [`Timeouts::write`](crate::Timeouts::write), and `Io` if the transport failed.
    pub fn flush(&self) -> Result<(), Error> {
        self.sender.flush()
    }

    /// Sends a Ping with up to 125 bytes of data (§5.5.2). Keepalive sends Pings by itself, and the
    /// peer's Pong is not reported.
    ///
    /// # Errors
    ///
    /// `Send(ControlTooLong)` if the data is longer, and as for [`send`](Self::send).
    pub fn ping(&self, data: &[u8]) -> Result<(), Error> {
        self.sender.ping(data)
    }

    /// Closes the connection with code 1000 and no reason. See [`close_with`](Self::close_with).
    ///
    /// # Errors
    ///
    /// As for [`close_with`](Self::close_with).
    pub fn close(&mut self) -> Result<(), Error> {
        self.close_with(CloseCode::NORMAL, "")
    }

    /// Closes the connection: sends a Close frame, waits for the peer's, and ends TCP in the order
    /// of §7.1.1. Messages that arrive in the meantime are discarded. To keep them, call
    /// [`Sender::close`] and receive until `None`.
    ///
    /// All of this takes no longer than [`Timeouts::close`](crate::Timeouts). It does not wait for
    /// threads that send: a thread that is writing sends the Close frame after its frame.
    ///
    /// On a connection that has ended, this does nothing.
    ///
    /// # Errors
    ///
    /// - `Send(ReasonTooLong)`, `Send(ForbiddenCloseCode)`: nothing was sent.
    /// - `Timeout(Close)` if the peer does not read or does not answer in time: the connection was
    ///   cut.
    /// - `Protocol` if the peer breaks a rule instead of answering.
    /// - `Io` if the transport fails, or another thread calls [`Sender::abort`].
    pub fn close_with(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        if self.receiver.close_status().is_some() {
            return Ok(());
        }
        let frame = CloseFrame::new(code, reason).map_err(SendError::from)?;
        let deadline = self.receiver.begin_close(frame)?;
        loop {
            match self.receiver.recv_by(deadline) {
                Ok(None) => return Ok(()),
                // Messages are discarded. A peer that does not read yet may still do so.
                Ok(Some(_)) | Err(Error::Timeout(Operation::Flush)) if !deadline.is_over() => {}
                Ok(Some(_)) | Err(Error::Timeout(Operation::Flush | Operation::Receive)) => {
                    return Err(self.receiver.abandon(Error::Timeout(Operation::Close)));
                }
                // Keepalive gave up before the Close frame could be sent.
                Err(Error::Timeout(_)) => return Err(Error::Timeout(Operation::Close)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Another sender for this connection, for another thread.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Takes the connection apart, so that one thread receives while others send.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver.detached())
    }

    /// How far the connection is from its end.
    #[must_use]
    pub fn state(&self) -> State {
        self.receiver.state()
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.receiver.close_status()
    }

    /// How long the latest Ping took to be answered: one of keepalive, which it sends into silence,
    /// or of [`Sender::measure_latency`].
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.receiver.latency()
    }

    /// What has passed over the connection so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.receiver.counters()
    }

    /// The subprotocol that both sides agreed on, if any (§1.9).
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.subprotocol.as_deref()
    }

    /// What both sides agreed on in the opening handshake.
    #[must_use]
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// On a client, the response of the server: its fields may hold cookies.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }

    /// The address of the peer, if the stream has one.
    #[must_use]
    pub const fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }
}

/// The messages of the peer until the connection ends: see [`WebSocket::messages`].
impl<'a> IntoIterator for &'a mut WebSocket {
    type Item = Result<Message, Error>;
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        self.messages()
    }
}
