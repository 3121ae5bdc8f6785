//! The error type of connections, and three questions that a caller can ask of an error: did a
//! deadline pass, is the connection over, and may another attempt help?
//!
//! A new variant needs an answer to each of the three, a `Display` text and its `source`.

use std::{error, fmt, io};

use crate::error::ProtocolError;
use crate::handshake::{HandshakeError, ProxyError, UriError};
use crate::protocol::SendError;

/// Everything that can go wrong with a connection.
///
/// There are three kinds. The peer broke a rule (`Protocol`, `Handshake`, `Tls`). The caller asked
/// for something impossible (`Uri`, `Send`, `TlsUnsupported`). Or the transport failed or was too
/// slow (`Io`, `Timeout`, `SlowPeer`). A proxy has errors of its own (`Proxy`, `ProxyIo`).
///
/// [`Display`](fmt::Display) prints what failed, without the cause. The alternate form `{:#}`
/// appends the cause.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed, or ended without a closing handshake. The latter is `UnexpectedEof`,
    /// and §7.1.5 calls it code 1006.
    Io(io::Error),
    /// The address is not a valid WebSocket URI.
    Uri(UriError),
    /// The opening handshake failed.
    Handshake(HandshakeError),
    /// The proxy did not open a tunnel to the server, or its address cannot be used.
    Proxy(ProxyError),
    /// The connection to the proxy failed, or broke before there was a tunnel.
    ProxyIo(io::Error),
    /// The peer broke the protocol. The connection was failed, and the peer was told why (§7.1.7).
    Protocol(ProtocolError),
    /// The message or control frame cannot be sent. None of it was written, with one exception: a
    /// Close frame can interrupt a long message between its fragments.
    Send(SendError),
    /// A deadline passed.
    Timeout(Operation),
    /// A [`Hub`](crate::Hub) ended the connection because the peer read too slowly
    /// ([`SlowPolicy::Disconnect`](crate::SlowPolicy::Disconnect)).
    SlowPeer,
    /// TLS failed before there was a connection (§7.4.1 calls it code 1015). For instance, the
    /// server's certificate is not trusted, or the server wants one of ours. The value is the error
    /// of the TLS library.
    Tls(Box<dyn error::Error + Send + Sync>),
    /// The URI begins with `wss:`, but this build has no TLS, because the feature `tls` is off. You
    /// can hand a stream that is encrypted by other means to
    /// [`Client::connect_stream`](crate::Client::connect_stream).
    TlsUnsupported,
}

/// The operation that did not end within its deadline.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Looking up the address of the host and opening the TCP connection, to the proxy if there is
    /// one.
    Connect,
    /// The opening handshake, including the one with a proxy.
    Handshake,
    /// Waiting for a message. None was lost: the next call continues where this one stopped.
    Receive,
    /// Making room for a message while earlier ones wait for the peer to read. Nothing of the
    /// message was accepted.
    Queue,
    /// Writing. The unwritten bytes are kept, and the next call that writes continues with them.
    Flush,
    /// Waiting for the peer's part of the closing handshake. The connection was aborted.
    Close,
    /// Waiting for any byte of the peer after a Ping. The connection was aborted.
    Pong,
}

impl Error {
    /// Returns whether a deadline passed, of this library or of the operating system.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Io(error) | Self::ProxyIo(error) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// Returns whether the connection is over, or was never made.
    ///
    /// After any other error the connection continues: you may call again, receive, or send
    /// something else. `Send(Closed)` is not fatal: nothing more can be sent, but messages that the
    /// peer sent before its Close frame can still be received.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Timeout(operation) => match operation {
                Operation::Receive | Operation::Queue | Operation::Flush => false,
                Operation::Connect | Operation::Handshake | Operation::Close | Operation::Pong => {
                    true
                }
            },
            Self::Send(_) => false,
            _ => true,
        }
    }

    /// Returns whether it may help to connect again, after a pause and with backoff (§7.2.3),
    /// because the cause may have gone: the network, the server or a proxy was unreachable, too
    /// slow or busy.
    ///
    /// After any other error the next attempt would fail in the same way. If the connection ended
    /// without an error, ask [`CloseStatus::may_retry`](crate::CloseStatus::may_retry).
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Io(_) | Self::ProxyIo(_) => true,
            Self::Timeout(operation) => {
                !matches!(operation, Operation::Receive | Operation::Queue | Operation::Flush)
            }
            Self::Handshake(HandshakeError::Refused(response))
            | Self::Proxy(ProxyError::Refused(response)) => {
                matches!(response.status(), 408 | 425 | 429 | 500 | 502..=504 | 506..=599)
            }
            _ => false,
        }
    }
}

/// Prints what failed. The alternate form `{:#}` appends the source, after a colon.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("I/O error"),
            Self::Uri(_) => f.write_str("invalid WebSocket URI"),
            Self::Handshake(_) => f.write_str("opening handshake failed"),
            Self::Proxy(_) => f.write_str("the proxy did not open a tunnel"),
            Self::ProxyIo(_) => f.write_str("I/O error on the connection to the proxy"),
            Self::Protocol(_) => f.write_str("the peer violated the protocol"),
            Self::Send(_) => f.write_str("cannot send"),
            Self::Timeout(operation) => operation.fmt(f),
            Self::SlowPeer => {
                f.write_str("a hub ended the connection because the peer read too slowly")
            }
            Self::Tls(_) => f.write_str("TLS failed"),
            Self::TlsUnsupported => {
                f.write_str("wss: needs TLS; build tightwire with the feature `tls`")
            }
        }?;
        match error::Error::source(self) {
            Some(source) if f.alternate() => write!(f, ": {source}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "timed out: no connection within the deadline",
            Self::Handshake => {
                "timed out: the opening handshake did not finish within the deadline"
            }
            Self::Receive => "timed out: no message within the deadline",
            Self::Queue => "timed out: the peer is not reading, and the message was not accepted",
            Self::Flush => "timed out: the peer is not reading; unsent bytes are kept",
            Self::Close => "timed out: the closing handshake did not finish within the deadline",
            Self::Pong => "timed out: the peer did not answer a Ping",
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
            Self::Timeout(_) | Self::SlowPeer | Self::TlsUnsupported => None,
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

/// Creates the error for a stream that ended too early.
pub(super) fn unexpected_eof(what: &'static str) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::UnexpectedEof, what))
}

/// Whether a read or a write ended because its timeout was over. Systems differ in the kind that
/// they report.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
