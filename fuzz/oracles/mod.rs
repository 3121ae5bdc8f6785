//! The properties that must hold for any input. Each fuzz target has a module with `check(&[u8])`,
//! which panics if a property is violated. `cargo test` replays `fuzz/seeds` with the same code.

pub mod connection;
pub mod differential;
pub mod frame_header;
pub mod hub;
pub mod inbound;
#[cfg(feature = "deflate")]
pub mod inflate;
pub mod negotiation;
pub mod net_stream;
pub mod proxies;
pub mod request_head;
pub mod response_head;
pub mod round_trip;
#[cfg(feature = "tls")]
pub mod tls;
pub mod uri;

mod compression;
mod edits;
mod endpoint;
mod extensions;
mod frames;
mod heads;
mod reading;
mod reference;
