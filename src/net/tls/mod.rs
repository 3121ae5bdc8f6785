//! TLS under a connection, for both directions at once (§10.6). With the feature `tls` off,
//! `stub.rs` replaces this module.

mod client;
mod handshake;
mod outgoing;
mod server;
mod settings;
mod stream;

pub(super) use handshake::reveal_alert;
pub use rustls;
pub(super) use settings::{ClientTls, ServerTls};
pub use stream::TlsStream;

/// The protocol with which a WebSocket begins, as ALPN names it (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";
