use std::time::Duration;

/// How long blocking operations may take. Only [`recv`], [`recv_reader`] and the readers and
/// iterators built on them can wait as long as the peer is alive.
///
/// [`recv`]: crate::WebSocket::recv
/// [`recv_reader`]: crate::WebSocket::recv_reader
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For connecting and the opening handshake together, with name resolution, a proxy and TLS;
    /// on a server, for TLS, the request and the answer. 10 s by default. A client that a server
    /// refuses has `linger` more to read the answer.
    pub handshake: Duration,
    /// For one write: from its beginning, once earlier ones have ended, until the operating system
    /// has taken the last byte. 30 s by default.
    pub write: Duration,
    /// For all of [`WebSocket::close`](crate::WebSocket::close). In a receive, for the peer's answer
    /// to our Close frame from the moment that was written, and for writing our answer to the
    /// peer's. 10 s by default.
    pub close: Duration,
    /// For the end of TCP, once both Close frames have passed, or the connection or the opening
    /// handshake has failed: how long we wait for the peer to end its side, so that a reset does
    /// not destroy our last bytes on their way. 1 s by default. We read 4 MiB
    /// in that time, and leave the rest to the flow control of TCP.
    pub linger: Duration,
    /// How long the peer may be silent before [`recv`] sends it a Ping (§5.5.2); 20 s by default,
    /// `None` for never. It needs a thread that receives, and stops once a Close frame was sent.
    ///
    /// [`recv`]: crate::WebSocket::recv
    pub ping: Option<Duration>,
    /// How long the peer may stay silent after that Ping before [`recv`] gives it up; 20 s by
    /// default.
    ///
    /// [`recv`]: crate::WebSocket::recv
    pub pong: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            write: Duration::from_secs(30),
            close: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            ping: Some(Duration::from_secs(20)),
            pong: Duration::from_secs(20),
        }
    }
}
