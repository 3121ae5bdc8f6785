use core::fmt;

use crate::deflate::ParamsError;
use crate::excerpt::excerpt;

use super::extension::ExtensionSyntaxError;
use super::http::{HttpError, InvalidHeader, RepeatedHeader, Response};

/// Why an opening handshake came to nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head of the peer is not the HTTP that we take.
    Http(HttpError),
    /// The peer left out this field.
    Missing(&'static str),
    /// The peer sent this field with a value that it must not have.
    Invalid(&'static str),
    /// The peer repeated a field that may be there once.
    Repeated(RepeatedHeader),
    /// The peer's extensions break the grammar, or those that we were to offer.
    Extensions(ExtensionSyntaxError),
    /// The server answered with another status than 101. The response holds the start of its
    /// body; a redirect says in `Location` where to go.
    Refused(Box<Response>),
    /// The server named a subprotocol that was not offered, or a decision of ours did.
    UnofferedSubprotocol(String),
    /// The server named an extension that was not offered.
    UnofferedExtension(String),
    /// The server named an extension twice.
    RepeatedExtension(String),
    /// The server answered our offer of permessage-deflate with parameters that do not fit it.
    Deflate(ParamsError),
    /// The client asks for no WebSocket.
    NoUpgrade,
    /// The client asks with another method than GET.
    Method,
    /// The client asks for another version of the protocol than 13.
    Version,
    /// The client announces a body with its request.
    Body,
    /// The client's origin, given here, is not one that we serve (§10.2).
    Origin(String),
    /// We decided to answer with a response of our own, with this status.
    Answered(u16),
    /// We were to send a field that cannot be sent.
    Header(InvalidHeader),
    /// We were to send a field that the handshake makes by itself.
    OwnedHeader(String),
    /// We were to offer a subprotocol whose name is no token.
    Subprotocol(String),
    /// We were to offer a subprotocol twice.
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
                    write!(f, " and sends us to {}", excerpt(location))?;
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
                "the request asks for no WebSocket: it needs Connection: Upgrade and \
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
                write!(f, "the field {name} cannot be set: the handshake makes it by itself")
            }
            Self::Subprotocol(name) => {
                write!(f, "{name:?} cannot name a subprotocol: it is no token (RFC 6455 §4.1)")
            }
            Self::RepeatedSubprotocol(name) => {
                write!(f, "the subprotocol {name:?} is offered twice (RFC 6455 §4.1)")
            }
        }
    }
}

/// An error inside prints itself in place of this one, so it is not a source as well.
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

/// A request that is not accepted: the reason, and the response that says so (§4.2.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    error: HandshakeError,
    response: Response,
}

impl Rejection {
    /// The response to send to the client.
    pub const fn response(&self) -> &Response {
        &self.response
    }

    /// The reason.
    #[must_use]
    pub const fn error(&self) -> &HandshakeError {
        &self.error
    }

    /// The reason alone.
    #[must_use]
    pub fn into_error(self) -> HandshakeError {
        self.error
    }

    /// As [`Response::omit_body`].
    pub(crate) fn omit_body(&mut self) {
        self.response.omit_body();
    }

    /// A rejection that is not the client's fault: it need not know more.
    pub(super) fn own_fault(error: HandshakeError) -> Self {
        let response = text_response(500, "the server's answer is faulty\n");
        Self { error, response }
    }
}

/// The reason alone.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for Rejection {
    // The reason prints itself above, and so is not its own source.
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

/// Whether a field is one that both sides of the handshake make by themselves, or one that
/// would give the head a body.
pub(super) fn owned_by_handshake(name: &str) -> bool {
    // `Expect` would have the server answer twice.
    const OWNED: [&str; 5] =
        ["Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Expect"];
    const PREFIX: &str = "Sec-WebSocket-";
    OWNED.iter().any(|owned| name.eq_ignore_ascii_case(owned))
        || name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
