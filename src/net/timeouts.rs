use std::time::Duration;

/// How long blocking operations may take. Only [`recv`], [`recv_reader`] and the readers and
/// iterators built on them can wait as long as the peer is alive.
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
    /// The default time-outs.
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

    /// For all of [`Client::connect`](crate::Client::connect): name resolution, TCP, a proxy, TLS
    /// and the opening handshake. 10 s by default.
    pub const fn connect(mut self, timeout: Duration) -> Self {
        self.connect = timeout;
        self
    }

    /// For an opening handshake on a stream that is connected already: the whole of
    /// [`Acceptor::accept`](crate::Acceptor::accept), TLS and the answer included, and of
    /// [`Client::connect_stream`](crate::Client::connect_stream). 10 s by default. A client that a
    /// server refuses has [`linger`](Self::linger) more to read the answer.
    pub const fn handshake(mut self, timeout: Duration) -> Self {
        self.handshake = timeout;
        self
    }

    /// For one write: from its beginning, once earlier ones have ended, until the operating system
    /// has taken the last byte. 30 s by default.
    pub const fn write(mut self, timeout: Duration) -> Self {
        self.write = timeout;
        self
    }

    /// For all of [`WebSocket::close`](crate::WebSocket::close). In a receive, for the peer's
    /// answer to our Close frame from the moment that was written, and for writing our answer to
    /// the peer's. 10 s by default.
    pub const fn close(mut self, timeout: Duration) -> Self {
        self.close = timeout;
        self
    }

    /// For the end of TCP, once both Close frames have passed, or the connection or the opening
    /// handshake has failed: how long we wait for the peer to end its side, so that a reset does
    /// not destroy our last bytes on their way. 1 s by default. We read 4 MiB in that time, and
    /// leave the rest to the flow control of TCP.
    pub const fn linger(mut self, timeout: Duration) -> Self {
        self.linger = timeout;
        self
    }

    /// How long the peer may be silent before [`recv`] sends it a Ping (§5.5.2). `None` is for
    /// ever; 20 s by default. It needs a thread that receives, and stops once a Close frame was
    /// sent.
    ///
    /// [`recv`]: crate::WebSocket::recv
    pub fn ping(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.ping = silence.into();
        self
    }

    /// How long the peer may stay silent after that Ping before [`recv`] gives it up. 20 s by
    /// default.
    ///
    /// [`recv`]: crate::WebSocket::recv
    pub const fn pong(mut self, timeout: Duration) -> Self {
        self.pong = timeout;
        self
    }

    /// The value of [`connect`](Self::connect).
    #[must_use]
    pub const fn get_connect(&self) -> Duration {
        self.connect
    }

    /// The value of [`handshake`](Self::handshake).
    #[must_use]
    pub const fn get_handshake(&self) -> Duration {
        self.handshake
    }

    /// The value of [`write`](Self::write).
    #[must_use]
    pub const fn get_write(&self) -> Duration {
        self.write
    }

    /// The value of [`close`](Self::close).
    #[must_use]
    pub const fn get_close(&self) -> Duration {
        self.close
    }

    /// The value of [`linger`](Self::linger).
    #[must_use]
    pub const fn get_linger(&self) -> Duration {
        self.linger
    }

    /// The value of [`ping`](Self::ping).
    #[must_use]
    pub const fn get_ping(&self) -> Option<Duration> {
        self.ping
    }

    /// The value of [`pong`](Self::pong).
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
