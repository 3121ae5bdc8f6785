//! The timeouts of a connection, with their defaults.
//!
//! Most are turned into a deadline where a call begins, in `connect`, `accept` and `connection`. If
//! you add one or change a default, change `docs/threads.md` and `docs/security.md` too.

use std::time::Duration;

/// How long blocking operations may take.
///
/// Only [`recv`], [`recv_reader`] and the readers and iterators built on them can wait as long as
/// the peer is alive.
///
/// ```
/// use std::time::Duration;
/// use tightwire::{Client, Timeouts};
///
/// let timeouts = Timeouts::new().connect(Duration::from_secs(3)).ping(None);
/// assert_eq!(timeouts.get_connect(), Duration::from_secs(3));
/// let client = Client::new().timeouts(timeouts);
/// ```
///
/// [`recv`]: crate::WebSocket::recv
/// [`recv_reader`]: crate::WebSocket::recv_reader
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Timeouts {
    pub(super) connect: Duration,
    pub(super) handshake: Duration,
    pub(super) write: Duration,
    pub(super) close: Duration,
    pub(super) linger: Duration,
    pub(super) ping: Option<Duration>,
    pub(super) pong: Duration,
}

impl Timeouts {
    /// Creates the default timeouts.
    pub const fn new() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            write: Duration::from_secs(30),
            close: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            ping: Some(Duration::from_secs(20)),
            pong: Duration::from_secs(20),
        }
    }

    /// Sets the timeout for all of [`Client::connect`](crate::Client::connect): name resolution,
    /// TCP, a proxy, TLS and the opening handshake. 10 s by default.
    pub const fn connect(mut self, timeout: Duration) -> Self {
        self.connect = timeout;
        self
    }

    /// Sets the timeout for an opening handshake on a stream that is connected already: all of
    /// [`Acceptor::accept`](crate::Acceptor::accept), with TLS and the answer, and of
    /// [`Client::connect_stream`](crate::Client::connect_stream). 10 s by default.
    ///
    /// A client that a server refuses has [`linger`](Self::linger) more to read the answer.
    pub const fn handshake(mut self, timeout: Duration) -> Self {
        self.handshake = timeout;
        self
    }

    /// Sets the timeout for one write: from its start, after earlier ones have ended, until the
    /// operating system has taken the last byte. 30 s by default.
    pub const fn write(mut self, timeout: Duration) -> Self {
        self.write = timeout;
        self
    }

    /// Sets the timeout for all of [`WebSocket::close`](crate::WebSocket::close). 10 s by default.
    ///
    /// In a receive, the timeout bounds the wait for the peer's answer to our Close frame, from the
    /// moment that frame was written. It also bounds the writing of our answer to the peer's.
    pub const fn close(mut self, timeout: Duration) -> Self {
        self.close = timeout;
        self
    }

    /// Sets the timeout for the end of TCP. 1 s by default.
    ///
    /// Once both Close frames have passed, or once the connection or the opening handshake has
    /// failed, we wait this long for the peer to end its side, so that a reset does not destroy our
    /// last bytes on their way. We read up to 4 MiB in that time, and leave the rest to the flow
    /// control of TCP.
    pub const fn linger(mut self, timeout: Duration) -> Self {
        self.linger = timeout;
        self
    }

    /// Sets how long the peer may be silent before [`recv`] sends it a Ping (§5.5.2). 20 s by
    /// default; `None` turns these Pings off.
    ///
    /// Keepalive needs a thread that receives, and stops once a Close frame was sent.
    ///
    /// [`recv`]: crate::WebSocket::recv
    pub fn ping(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.ping = silence.into();
        self
    }

    /// Sets how long the peer may stay silent after that Ping before [`recv`] gives up on it. 20 s
    /// by default.
    ///
    /// [`recv`]: crate::WebSocket::recv
    pub const fn pong(mut self, timeout: Duration) -> Self {
        self.pong = timeout;
        self
    }

    /// Returns the value of [`connect`](Self::connect).
    #[must_use]
    pub const fn get_connect(&self) -> Duration {
        self.connect
    }

    /// Returns the value of [`handshake`](Self::handshake).
    #[must_use]
    pub const fn get_handshake(&self) -> Duration {
        self.handshake
    }

    /// Returns the value of [`write`](Self::write).
    #[must_use]
    pub const fn get_write(&self) -> Duration {
        self.write
    }

    /// Returns the value of [`close`](Self::close).
    #[must_use]
    pub const fn get_close(&self) -> Duration {
        self.close
    }

    /// Returns the value of [`linger`](Self::linger).
    #[must_use]
    pub const fn get_linger(&self) -> Duration {
        self.linger
    }

    /// Returns the value of [`ping`](Self::ping).
    #[must_use]
    pub const fn get_ping(&self) -> Option<Duration> {
        self.ping
    }

    /// Returns the value of [`pong`](Self::pong).
    #[must_use]
    pub const fn get_pong(&self) -> Duration {
        self.pong
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}
