//! An open connection: a [`Sender`] and a [`Receiver`], and what they share.
//!
//! Read `status` first, then `inbox` and `shared`, then `write/guard`: at any line of them it is
//! decided which thread will write which bytes. `receive` comes last. `model` states the
//! invariants, and tries every order in which the threads can meet.

mod close_status;
mod inbox;
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
/// let mut ws = tightwire::connect("ws://127.0.0.1:9001/")?;
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

    /// Waits for the next message: see [`Receiver::recv`].
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv`].
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.receiver.recv()
    }

    /// Waits for the next message, but no longer than `timeout`: see
    /// [`Receiver::recv_timeout`].
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv_timeout`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        self.receiver.recv_timeout(timeout)
    }

    /// The messages of the peer until the connection ends. `for message in &mut ws` does the same.
    ///
    /// The iterator borrows the connection. To send inside the loop, take a sender before it:
    ///
    /// ```no_run
    /// # let mut ws = tightwire::connect("ws://127.0.0.1:9001/")?;
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

    /// Waits for the beginning of the next message: see [`Receiver::recv_reader`].
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv_reader`].
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        self.receiver.recv_reader()
    }

    /// Begins a message that is sent while it is written: see [`Sender::writer`].
    pub fn writer(&self, kind: MessageKind) -> MessageWriter {
        self.sender.writer(kind)
    }

    /// Sends a message: see [`Sender::send`].
    ///
    /// # Errors
    ///
    /// As for [`Sender::send`].
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        self.sender.send(message)
    }

    /// Accepts a message that is written with the next [`flush`](Self::flush),
    /// [`send`](Self::send), or [`recv`](Self::recv) that must wait: see [`Sender::feed`].
    ///
    /// # Errors
    ///
    /// As for [`Sender::feed`].
    pub fn feed(&self, message: impl AsMessage) -> Result<(), Error> {
        self.sender.feed(message)
    }

    /// Sends a message that was encoded before: see [`Sender::send_prepared`].
    ///
    /// # Errors
    ///
    /// As for [`Sender::send`].
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.sender.send_prepared(message)
    }

    /// Writes fed messages: see [`Sender::flush`].
    ///
    /// # Errors
    ///
    /// As for [`Sender::flush`].
    pub fn flush(&self) -> Result<(), Error> {
        self.sender.flush()
    }

    /// Sends a Ping: see [`Sender::ping`].
    ///
    /// # Errors
    ///
    /// As for [`Sender::ping`].
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
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Takes the connection apart, so that one thread receives while others send.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver.detached())
    }

    /// How far the connection is from its end.
    pub fn state(&self) -> State {
        self.receiver.state()
    }

    /// How the connection ended, once it has.
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.receiver.close_status()
    }

    /// How long the last Ping that was sent into silence took to be answered.
    pub const fn latency(&self) -> Option<Duration> {
        self.receiver.latency()
    }

    /// The subprotocol that both sides agreed on, if any (§1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.subprotocol.as_deref()
    }

    /// What both sides agreed on in the opening handshake.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// On a client, the response of the server: its fields may hold cookies.
    pub fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }

    /// The address of the peer, if the stream has one.
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
