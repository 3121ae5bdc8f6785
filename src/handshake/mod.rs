//! The opening handshake (RFC 6455 §3, §4, §9.1), without I/O: an HTTP request that asks for
//! WebSocket, and the response that accepts or refuses it.
//!
//! Heads are decoded from bytes and encoded into bytes. A client creates a [`ClientHandshake`] from
//! a [`Uri`] and an [`Offer`], and verifies the [`Response`]. A server creates an [`Upgrade`] from
//! a [`Request`], and accepts it. An invalid request gives a [`Rejection`], which contains the
//! response to send.
//!
//! Both sides, without a socket:
//!
//! ```
//! use tightwire::handshake::{
//!     AcceptOptions, ClientHandshake, HeadLimits, Key, Offer, Request, Response, Upgrade, Uri,
//! };
//!
//! // The client.
//! let uri: Uri = "ws://example.com/chat".parse()?;
//! let key = Key::new([7; 16]); // a real one is random
//! let handshake = ClientHandshake::new(&uri, &Offer::new().subprotocols(["chat"]), key)?;
//! let mut to_server = Vec::new();
//! handshake.encode(&mut to_server);
//!
//! // The server. `None` from `decode` means that more bytes are needed.
//! let decoded = Request::decode(&to_server, &HeadLimits::default())?;
//! let (request, _len) = decoded.expect("a complete head");
//! let upgrade = Upgrade::from_request(&request)?;
//! let (response, agreed) = upgrade.accept(&AcceptOptions::new().subprotocol("chat"))?;
//! let mut to_client = Vec::new();
//! response.encode(&mut to_client);
//!
//! // The client again. Bytes after the head are frames.
//! let decoded = Response::decode(&to_client, &HeadLimits::default())?;
//! let (response, _len) = decoded.expect("a complete head");
//! assert_eq!(handshake.verify(&response)?, agreed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`protocol::Connection`](crate::protocol::Connection) continues from there.
//!
//! The HTTP code implements the parts of RFC 9110 and RFC 9112 that a handshake needs. It is
//! strict: it refuses heads that two implementations could read in different ways.
//!
//! Read the folder `http` first, then `key` and `extension`. The two sides of the handshake are
//! `client` and `server`; `access`, `negotiated` and `error` belong to them. The folder `proxy` is
//! independent of the rest.

mod access;
mod client;
mod error;
mod extension;
mod http;
mod key;
mod negotiated;
mod proxy;
mod server;

pub use access::InvalidCookie;
pub use client::{ClientHandshake, Offer};
pub use error::{HandshakeError, Rejection};
pub use extension::{Extension, ExtensionSyntaxError};
pub(crate) use http::BodyDecoder;
pub use http::{
    HeadLimits, HeadScanner, Headers, HttpError, InvalidHeader, RepeatedHeader, Request, Response,
    Uri, UriError, is_upgrade_request,
};
pub use key::{Key, accept_value};
pub use negotiated::Negotiated;
pub use proxy::{Proxies, Proxy, ProxyError};
pub(crate) use server::check_host;
pub use server::{AcceptOptions, Answer, Upgrade};
