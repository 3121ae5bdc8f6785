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
mod http;
mod key;
mod negotiated;
mod proxy;
mod server;

pub use client::{ClientHandshake, Offer};
pub use error::{HandshakeError, Rejection};
pub use extension::{Extension, ExtensionSyntaxError};
pub use http::{
    HeadLimits, HeadScanner, Headers, HttpError, InvalidHeader, RepeatedHeader, Request, Response,
    Uri, UriError, is_upgrade_request,
};
pub use key::{Key, accept_value};
pub use negotiated::Negotiated;
pub use proxy::{Proxies, Proxy, ProxyError};
pub(crate) use server::check_host;
pub use server::{AcceptOptions, Answer, Upgrade};
