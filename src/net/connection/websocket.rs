use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::options::Options;
use super::{
    CloseStatus, Counters, MessageReader, MessageWriter, Messages, PreparedMessage, Receiver,
    Sender,
};
use crate::frame::{CloseCode, CloseFrame};
use crate::handshake::{Negotiated, Response};
use crate::net::stream::WRITE_SLICE;
use crate::net::{Error, Operation, State, Stream};
use crate::protocol::{AsMessage, Message, MessageKind, Outbound, SendError};

/// An open WebSocket connection.
///
/// It combines a [`Sender`] and a [`Receiver`]. [`sender`](Self::sender) returns another sender for
/// another thread; [`split`](Self::split) separates the two halves.
///
/// Dropping a `WebSocket` ends TCP at once, even if clones of its `Sender` are alive. Before that,
/// the drop sends Close 1001 if this needs no waiting: no other thread is writing, and the system
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

impl WebSocket {
    /// Opens a connection whose opening handshake is complete.
    ///
    /// The result is on the heap. A value of this size that is moved takes up the stack of the
    /// connection's thread, and that memory is never given back.
    pub(in crate::net) fn open(
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

    pub(in crate::net) fn with_response(self, response: Response) -> Self {
        Self { response: Some(Box::new(response)), ..self }
    }

    /// Waits for the next message (§6.2). Returns `None` once the peer's Close frame has ended the
    /// connection.
    ///
    /// This call has no deadline. Keepalive detects a dead peer
    /// ([`Timeouts::ping`](crate::Timeouts::ping)). While it waits, the call answers Pings and the
    /// peer's Close frame, and writes fed messages.
    ///
    /// Once a call has returned `None`, or an error that ended the connection, further calls return
    /// `None`.
    ///
    /// # Errors
    ///
    /// - `Protocol` if the peer broke a rule. The peer was told which one, and the connection has
    ///   ended.
    /// - `Io` if the transport failed or ended without a Close frame (`UnexpectedEof`), or if
    ///   another thread called [`Sender::abort`] (`ConnectionAborted`).
    /// - `SlowPeer` if a [`Hub`](crate::Hub) ended the connection.
    /// - `Timeout(Pong)` if the peer is silent and does not answer a Ping. The connection was
    ///   aborted.
    /// - `Timeout(Close)` if the peer does not answer our Close frame in time. The connection was
    ///   aborted.
    /// - `Timeout(Flush)` if the peer neither reads nor sends for
    ///   [`Timeouts::write`](crate::Timeouts::write). The next call continues.
    pub fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.receiver.recv()
    }

    /// Waits for the next message, for `timeout` at most.
    ///
    /// A call that times out loses no bytes: the next one continues where it stopped.
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
    /// `Timeout(Receive)` if no message was complete by then, and as for [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        self.receiver.recv_timeout(timeout)
    }

    /// Returns an iterator over the messages of the peer, which ends with the connection.
    /// `for message in &mut ws` does the same.
    ///
    /// The iterator borrows the connection. To send inside the loop, take a sender first:
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
    /// A loop over `while let Some(message) = ws.recv()?` needs no separate sender.
    pub const fn messages(&mut self) -> Messages<'_> {
        self.receiver.messages()
    }

    /// Waits for the start of the next message, and returns a reader of its payload.
    ///
    /// The message is read while it arrives, and is never in memory as a whole.
    /// [`Limits::max_stream_len`](crate::Limits::max_stream_len) bounds it, in place of the limits
    /// on messages that are held.
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
    /// As for [`recv`](Self::recv). An error in the middle of the message comes from the reader, as
    /// an `io::Error`.
    pub fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        self.receiver.recv_reader()
    }

    /// Starts a message that is sent in fragments while you write it (§5.4).
    /// [`MessageWriter::finish`] ends it. From the first fragment to the end, other messages wait.
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

    /// Sends a message (§6.1): a string as text, bytes as binary, and a [`Message`] as its own
    /// kind. See [`AsMessage`] for all types.
    ///
    /// On success the operating system has accepted all of it. That does not mean that the peer has
    /// read it. The call waits for the peer to read, up to
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
    /// - `Io` if the transport failed, or [`Sender::abort`] ended the call.
    /// - `SlowPeer` if a [`Hub`](crate::Hub) ended the connection during the call.
    pub fn send(&self, message: impl AsMessage) -> Result<(), Error> {
        self.sender.send(message)
    }

    /// Accepts a message that is written later: by the next [`flush`](Self::flush) or
    /// [`send`](Self::send), by a [`recv`](Self::recv) before it waits, or once 64 KiB wait. Many
    /// small messages then share a system call.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn feed(&self, message: impl AsMessage) -> Result<(), Error> {
        self.sender.feed(message)
    }

    /// Sends a message that is already encoded, for instance one that goes to several connections.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.sender.send_prepared(message)
    }

    /// Writes fed messages, the rest of calls that timed out, and broadcasts that wait.
    ///
    /// # Errors
    ///
    /// - `Timeout(Flush)` if the peer does not read all of it within
    ///   [`Timeouts::write`](crate::Timeouts::write).
    /// - `Send(Closed)` once the connection has ended.
    /// - `Io` if the transport failed, or [`Sender::abort`] ended the call.
    /// - `SlowPeer` if a [`Hub`](crate::Hub) ended the connection during the call.
    pub fn flush(&self) -> Result<(), Error> {
        self.sender.flush()
    }

    /// Sends a Ping with up to 125 bytes of data (§5.5.2). Keepalive sends its own Pings. The
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
    /// The whole call takes no longer than [`Timeouts::close`](crate::Timeouts). It does not wait
    /// for threads that send: a thread that is writing sends the Close frame after its frame.
    ///
    /// On a connection that has ended, this does nothing.
    ///
    /// # Errors
    ///
    /// - `Send(ReasonTooLong)` if the reason has more than 123 bytes, and
    ///   `Send(ForbiddenCloseCode)` if a server passes 1010. Nothing was sent.
    /// - `Timeout(Close)` if the peer does not read or does not answer in time. The connection was
    ///   aborted.
    /// - `Protocol` if the peer breaks a rule instead of answering.
    /// - `Io` if the transport fails, or another thread calls [`Sender::abort`].
    /// - `SlowPeer` if a [`Hub`](crate::Hub) ends the connection.
    pub fn close_with(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        if self.receiver.close_status().is_some() {
            return Ok(());
        }
        let frame = CloseFrame::new(code, reason).map_err(SendError::from)?;
        let deadline = self.receiver.begin_close(frame)?;
        loop {
            match self.receiver.recv_by(deadline) {
                Ok(None) => return Ok(()),
                // Messages are discarded. A peer that does not read yet may still start to.
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

    /// Returns another sender for this connection, for use by another thread.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Separates the two halves, so that one thread receives while others send.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver.detached())
    }

    /// Returns whether the connection is open, closing or closed.
    #[must_use]
    pub fn state(&self) -> State {
        self.receiver.state()
    }

    /// Returns how the connection ended, or `None` if it has not.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.receiver.close_status()
    }

    /// Returns the round-trip time of the latest Ping that was answered. Keepalive sends one when
    /// the peer is silent, and [`Sender::measure_latency`] sends one at once.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.receiver.latency()
    }

    /// Returns how many messages and bytes were sent and received so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.receiver.counters()
    }

    /// Returns the subprotocol that both sides agreed on, if any (§1.9).
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.subprotocol.as_deref()
    }

    /// Returns what both sides agreed on in the opening handshake.
    #[must_use]
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Returns the server's response to the opening handshake, whose fields may hold cookies.
    /// `None` on a server, and after [`Client::from_upgraded`](crate::Client::from_upgraded).
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }

    /// Returns the address of the peer, if the stream has one.
    #[must_use]
    pub const fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }
}

/// Iterates over the messages of the peer: see [`WebSocket::messages`].
impl<'a> IntoIterator for &'a mut WebSocket {
    type Item = Result<Message, Error>;
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        self.messages()
    }
}
