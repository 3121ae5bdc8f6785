//! What must hold for any input: one module for each fuzz target, with `check(&[u8])`, which
//! panics where it does not. `cargo test` replays `fuzz/seeds` through the same code.

pub mod connection;
pub mod differential;
pub mod frame_header;
pub mod inbound;
#[cfg(feature = "deflate")]
pub mod inflate;
pub mod negotiation;
pub mod net_stream;
pub mod request_head;
pub mod response_head;
pub mod round_trip;
pub mod uri;

mod compression;
mod edits;
mod endpoint;
mod extensions;
mod frames;
mod heads;
mod reference;
