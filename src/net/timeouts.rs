use std::time::Duration;

/// How long blocking operations may take. Nothing waits for ever but [`recv`] itself.
///
/// [`recv`]: crate::WebSocket::recv
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For connecting and the opening handshake together, name resolution included; 10 s by
    /// default.
    pub handshake: Duration,
    /// For one write, from its beginning until the peer has taken the last byte; 30 s by
    /// default.
    pub write: Duration,
    /// For the peer's part of the closing handshake: its Close frame and the end of TCP; 10 s by
    /// default.
    pub close: Duration,
    /// For the end of TCP, once both Close frames have passed or the connection has failed: how
    /// long the peer is waited for to end its side, so that a reset does not destroy our last
    /// bytes on their way; 1 s by default. At most 4 MiB of it are read meanwhile.
    pub linger: Duration,
    /// How long the peer may be silent before it is sent a Ping (§5.5.2); 20 s by default,
    /// `None` for never. It happens in [`recv`], so it needs somebody to receive.
    ///
    /// [`recv`]: crate::WebSocket::recv
    pub ping: Option<Duration>,
    /// How long it may then stay silent before it is given up; 20 s by default.
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
