//! HTTP proxies (§4.1): which one a connection goes through, and how to ask it for a tunnel.
//!
//! `config` decides on a proxy from the URI, as `curl` and others read the variables of the
//! environment; it is given their values, and reads no environment itself. `connect` encodes the
//! `CONNECT` request and reads the answer. After a 2xx answer, the stream belongs to the server
//! behind the proxy, and the opening handshake begins as if there were none.

mod config;
mod connect;

pub use config::Proxies;
pub use connect::{Proxy, ProxyError};
