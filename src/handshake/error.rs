//! Errors of the opening handshake, and the HTTP responses by which a server reports them (§4.2.2).
//!
//! An error that contains another one prints it as its own text, so `source` does not return it.

use core::fmt;

use crate::deflate::ParamsError;
use crate::excerpt::excerpt;

use super::extension::ExtensionSyntaxError;
use super::http::{HttpError, InvalidHeader, RepeatedHeader, Response};

/// The reason why an opening handshake failed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head from the peer is not acceptable HTTP.
    Http(HttpError),
    /// The peer left out this header field.
    Missing(&'static str),
    /// The peer sent this header field with an invalid value.
    Invalid(&'static str),
    /// The peer repeated a header field that may occur only once.
    Repeated(RepeatedHeader),
    /// The extensions break the grammar: those of the peer, or those of our offer.
    Extensions(ExtensionSyntaxError),
    /// The server answered with a status other than 101. The response contains the start of its
    /// body; the field `Location` of a redirect has its target.
    Refused(Box<Response>),
    /// The server chose a subprotocol that was not offered. On a server, the program did
    /// ([`AcceptOptions::subprotocol`](super::AcceptOptions::subprotocol)).
    UnofferedSubprotocol(String),
    /// The server named an extension that was not offered.
    UnofferedExtension(String),
    /// The server named an extension twice.
    RepeatedExtension(String),
    /// The server answered our offer of permessage-deflate with parameters that do not match it.
    Deflate(ParamsError),
    /// The request does not ask for WebSocket.
    NoUpgrade,
    /// The method of the request is not GET.
    Method,
    /// The request asks for a version of the protocol other than 13.
    Version,
    /// The request announces a body.
    Body,
    /// The origin of the client, given here, is not allowed (RFC 6455 §10.2).
    Origin(String),
    /// The program answered the request with a response of its own, with this status
    /// ([`Answer::Respond`](super::Answer::Respond)).
    Answered(u16),
    /// The program set a header field that cannot be sent.
    Header(InvalidHeader),
    /// The program set a header field that the handshake sets itself.
    OwnedHeader(String),
    /// The program offered a subprotocol whose name is not a token.
    Subprotocol(String),
    /// The program offered a subprotocol twice.
    RepeatedSubprotocol(String),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Missing(name) => write!(f, "no {name} field (RFC 6455 §4)"),
            Self::Invalid(name) => write!(f, "wrong value of the {name} field (RFC 6455 §4)"),
            Self::Repeated(error) => error.fmt(f),
            Self::Extensions(error) => error.fmt(f),
            Self::Refused(response) => {
                write!(f, "the server answered with status {}", response.status())?;
                if let Some(location) = response.headers().get("Location") {
                    write!(f, " and redirects to {}", excerpt(location))?;
                }
                match response.first_line() {
                    Some(line) => write!(f, ": {}", excerpt(&line)),
                    None => Ok(()),
                }
            }
            Self::UnofferedSubprotocol(name) => {
                write!(f, "the subprotocol {} was not offered (RFC 6455 §4)", excerpt(name))
            }
            Self::UnofferedExtension(name) => {
                write!(f, "the extension {} was not offered (RFC 6455 §4.1)", excerpt(name))
            }
            Self::RepeatedExtension(name) => {
                write!(f, "the extension {} is named twice (RFC 7692 §5)", excerpt(name))
            }
            Self::Deflate(error) => error.fmt(f),
            Self::NoUpgrade => f.write_str(
                "the request does not ask for WebSocket: it needs Connection: Upgrade and \
                 Upgrade: websocket (RFC 6455 §4.2.1)",
            ),
            Self::Method => f.write_str("the method is not GET (RFC 6455 §4.2.1)"),
            Self::Version => f.write_str("Sec-WebSocket-Version is not 13 (RFC 6455 §4.2.1)"),
            Self::Body => f.write_str("the request announces a body"),
            Self::Origin(origin) => {
                write!(f, "the origin {} is not allowed (RFC 6455 §10.2)", excerpt(origin))
            }
            Self::Answered(status) => write!(f, "answered with status {status}"),
            Self::Header(error) => error.fmt(f),
            Self::OwnedHeader(name) => {
                write!(f, "the field {name} cannot be set: the handshake sets it itself")
            }
            Self::Subprotocol(name) => {
                write!(f, "{name:?} cannot name a subprotocol: it is not a token (RFC 6455 §4.1)")
            }
            Self::RepeatedSubprotocol(name) => {
                write!(f, "the subprotocol {name:?} is offered twice (RFC 6455 §4.1)")
            }
        }
    }
}

/// An error inside this one prints itself, so `source` does not return it.
impl core::error::Error for HandshakeError {}

impl From<HttpError> for HandshakeError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<ParamsError> for HandshakeError {
    fn from(error: ParamsError) -> Self {
        Self::Deflate(error)
    }
}

impl From<InvalidHeader> for HandshakeError {
    fn from(error: InvalidHeader) -> Self {
        Self::Header(error)
    }
}

impl From<RepeatedHeader> for HandshakeError {
    fn from(error: RepeatedHeader) -> Self {
        Self::Repeated(error)
    }
}

impl From<ExtensionSyntaxError> for HandshakeError {
    fn from(error: ExtensionSyntaxError) -> Self {
        Self::Extensions(error)
    }
}

/// A refused request: the reason, and the response to send (RFC 6455 §4.2.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    error: HandshakeError,
    response: Response,
}

impl Rejection {
    /// Returns the response to send to the client.
    pub const fn response(&self) -> &Response {
        &self.response
    }

    /// Returns the reason.
    #[must_use]
    pub const fn error(&self) -> &HandshakeError {
        &self.error
    }

    /// Converts the rejection into its reason.
    #[must_use]
    pub fn into_error(self) -> HandshakeError {
        self.error
    }

    /// Applies [`Response::omit_body`] to the response.
    pub(crate) fn omit_body(&mut self) {
        self.response.omit_body();
    }

    /// Creates a rejection that is the fault of this server. The client does not get the reason.
    pub(super) fn own_fault(error: HandshakeError) -> Self {
        let response = text_response(500, "the server's response is invalid\n");
        Self { error, response }
    }
}

/// Formats the reason.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for Rejection {
    // The reason is the text of this error, so it is not its source.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<HandshakeError> for Rejection {
    fn from(error: HandshakeError) -> Self {
        let status = match &error {
            HandshakeError::Http(error) => error.status(),
            HandshakeError::NoUpgrade | HandshakeError::Version => 426,
            HandshakeError::Method => 405,
            HandshakeError::Origin(_) => 403,
            _ => 400,
        };
        let mut response = text_response(status, &format!("{error}\n"));
        let headers = response.headers_mut();
        match status {
            405 => headers.push("Allow", "GET"),
            426 => {
                headers.push("Upgrade", "websocket");
                headers.push("Connection", "Upgrade, close");
                headers.push("Sec-WebSocket-Version", "13");
            }
            _ => {}
        }
        Self { error, response }
    }
}

impl From<HttpError> for Rejection {
    fn from(error: HttpError) -> Self {
        HandshakeError::from(error).into()
    }
}

fn text_response(status: u16, text: &str) -> Response {
    let mut response = Response::new(status).with_body(text);
    response.headers_mut().push("Content-Type", "text/plain; charset=utf-8");
    response
}

/// Returns whether the handshake sets a field itself on both sides, or the field would announce a
/// body.
pub(super) fn owned_by_handshake(name: &str) -> bool {
    // `Expect` would make the server answer twice.
    const OWNED: [&str; 5] =
        ["Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Expect"];
    const PREFIX: &str = "Sec-WebSocket-";
    OWNED.iter().any(|owned| name.eq_ignore_ascii_case(owned))
        || name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
