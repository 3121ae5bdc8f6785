//! The HTTP/1.1 that an opening handshake needs (RFC 9110, RFC 9112), and WebSocket URIs (§3).
//!
//! A head consists of a first line and header fields. It arrives in pieces: a [`HeadScanner`] finds
//! its end and enforces the limits, and then [`Request`] or [`Response`] decodes all of it at once.
//! The rules are the strict ones of RFC 9112. A head that two implementations could read in
//! different ways is refused, because an attacker could show a proxy one request and us another.
//!
//! After this folder you know of which bytes a handshake may consist. `client` and `server`, one
//! folder up, check what they mean.

mod body;
pub(super) mod grammar;
mod head;
mod headers;
pub(super) mod request;
mod response;
pub(super) mod uri;

pub(crate) use body::BodyDecoder;
pub use head::{HeadLimits, HeadScanner, HttpError};
pub(in crate::handshake) use headers::debug_fields;
pub use headers::{Headers, InvalidHeader, RepeatedHeader};
pub use request::{Request, is_upgrade_request};
pub use response::Response;
pub use uri::{Uri, UriError};
