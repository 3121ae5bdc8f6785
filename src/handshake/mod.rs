//! The opening handshake (§3, §4, §9.1): an HTTP request that asks for WebSocket, and the
//! response that agrees or not.
//!
//! No I/O: heads are decoded from bytes and encoded into bytes. A client makes a
//! [`ClientHandshake`] of a [`Uri`] and an [`Offer`], and judges the [`Response`]. A server
//! makes an [`Upgrade`] of a [`Request`], which can be made only of a valid one, and accepts
//! it; what is not valid becomes a [`Rejection`] that knows how to answer.
//!
//! The HTTP here is what a handshake needs of RFC 9110 and RFC 9112, and strict: heads that
//! implementations might read in different ways are refused.

mod access;
mod client;
mod error;
mod extension;
mod grammar;
mod headers;
mod http;
mod key;
mod proxies;
mod proxy;
mod request;
mod response;
mod server;
mod uri;

use crate::deflate::Params;

pub use client::{ClientHandshake, Offer};
pub use error::{HandshakeError, Rejection};
pub use extension::{Extension, ExtensionSyntaxError};
pub(crate) use headers::debug_fields;
pub use headers::{Headers, InvalidHeader, RepeatedHeader};
pub use http::{HeadLimits, HeadScanner, HttpError};
pub use key::{Key, accept_value};
pub use proxies::Proxies;
pub use proxy::{Proxy, ProxyError};
pub use request::{Request, is_upgrade_request};
pub use response::Response;
pub use server::{Accept, Upgrade};
pub use uri::{Uri, UriError};

/// What both ends settled on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Agreed {
    /// _Subprotocol In Use_ (§4.1).
    pub subprotocol: Option<String>,
    /// _Extensions In Use_ (§4.1), in the order in which they apply.
    pub extensions: Vec<Extension>,
    /// How messages are compressed, if they may be (RFC 7692).
    pub deflate: Option<Params>,
}
