//! HTTP proxies (RFC 6455 §4.1): the choice of a proxy for a URI, and the request for a tunnel.
//!
//! `config` chooses the proxy by the environment variables that `curl` and others also use. The
//! caller passes their values, so nothing here reads the environment. `connect` encodes the
//! `CONNECT` request and decodes the answer. After a 2xx answer, the stream leads to the server
//! behind the proxy, and the opening handshake begins as if there were no proxy.

mod config;
mod connect;

pub use config::Proxies;
pub use connect::{Proxy, ProxyError};
