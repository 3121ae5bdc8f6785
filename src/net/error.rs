use std::{error, fmt, io};

use crate::error::ProtocolError;
use crate::handshake::{HandshakeError, ProxyError, UriError};
use crate::protocol::SendError;

/// Everything that can go wrong with a connection.
///
/// Three kinds are told apart: the peer broke a rule (`Protocol`, `Handshake`, `Tls`), the caller
/// asked for something that cannot be (`Uri`, `Send`, `TlsUnsupported`), or the wire broke or was
/// too slow (`Io`, `Timeout`). A proxy has errors of its own (`Proxy`, `ProxyIo`).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed, or ended without a closing handshake (`UnexpectedEof`; §7.1.5
    /// calls it code 1006).
    Io(io::Error),
    /// The address is no WebSocket URI.
    Uri(UriError),
    /// The opening handshake failed.
    Handshake(HandshakeError),
    /// The proxy opened no tunnel to the server, or its address cannot be used.
    Proxy(ProxyError),
    /// The connection to the proxy could not be made, or broke before there was a tunnel.
    ProxyIo(io::Error),
    /// The peer broke the protocol. The connection was failed, and the peer told why (§7.1.7).
    Protocol(ProtocolError),
    /// What was to be sent may not be sent. Nothing of it was.
    Send(SendError),
    /// A deadline passed.
    Timeout(Operation),
    /// The TLS handshake failed (§7.4.1 calls it code 1015), for instance since the server's
    /// certificate is not to be trusted. It holds the error of the TLS library.
    Tls(Box<dyn error::Error + Send + Sync>),
    /// The URI begins with `wss:`, and this build has no TLS: the feature `tls` is off. A stream
    /// that is encrypted by other means can be handed to
    /// [`Client::connect_stream`](crate::Client::connect_stream).
    TlsUnsupported,
}

/// What did not end within its deadline.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Finding the address of the host and opening the TCP connection, to the proxy if there is
    /// one.
    Connect,
    /// The opening handshake, that with a proxy included.
    Handshake,
    /// Waiting for a message. None was lost: the next call goes on where this one stopped.
    Receive,
    /// Making room for a message while earlier ones wait for the peer to read. Nothing of the
    /// message was accepted.
    Queue,
    /// Writing. What was accepted is kept, and goes on with the next call that writes.
    Flush,
    /// Waiting for the peer's part of the closing handshake. The connection was cut.
    Close,
    /// Waiting for a sign of life after a Ping. The connection was cut.
    Pong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "connection: {error}"),
            Self::Uri(error) => write!(f, "address: {error}"),
            Self::Handshake(error) => write!(f, "opening handshake: {error}"),
            Self::Proxy(error) => write!(f, "proxy: {error}"),
            Self::ProxyIo(error) => write!(f, "connection to the proxy: {error}"),
            Self::Protocol(error) => write!(f, "the peer broke the protocol: {error}"),
            Self::Send(error) => write!(f, "cannot send: {error}"),
            Self::Timeout(operation) => write!(f, "timed out: {operation}"),
            Self::Tls(error) => write!(f, "TLS handshake: {error}"),
            Self::TlsUnsupported => {
                f.write_str("wss: needs TLS: build tightwire with its feature `tls`")
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection within the deadline",
            Self::Handshake => "no end of the opening handshake within the deadline",
            Self::Receive => "no message within the deadline",
            Self::Queue => "the peer does not read: the message was not accepted",
            Self::Flush => "the peer does not read: the rest is kept for the next call",
            Self::Close => "no end of the closing handshake within the deadline",
            Self::Pong => "the peer does not answer a ping: it is gone",
        })
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) | Self::ProxyIo(error) => Some(error),
            Self::Uri(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Proxy(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Tls(error) => Some(&**error),
            Self::Timeout(_) | Self::TlsUnsupported => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<UriError> for Error {
    fn from(error: UriError) -> Self {
        Self::Uri(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

/// The wire ended where more was due.
pub(super) fn unexpected_eof(what: &'static str) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::UnexpectedEof, what))
}

/// Whether a read or a write ended because its time-out was over. Systems differ in the word.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
