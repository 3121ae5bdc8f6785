//! The extension permessage-deflate (RFC 7692), which compresses messages one by one.
//!
//! A [`DeflateConfig`] is the configuration of one endpoint. [`Params`] are the parameters that
//! both endpoints negotiate in the opening handshake. These two types are always there. A
//! [`Deflater`] compresses and an [`Inflater`] decompresses; both need the feature `deflate`.
//! Without it the two types exist, but no values of them.
//!
//! The crate `zlib-rs` implements the algorithm (RFC 1951). The code here adds the rules of RFC
//! 7692: where a message ends in the stream of compressed bytes, and which messages may refer to
//! earlier ones.
//!
//! Read `config` and `params` first, which are the negotiation. Then read `deflater`, and at last
//! `inflater`, which has the difficult part: blocks that claim to be the last.

mod config;
#[cfg(feature = "deflate")]
mod deflater;
#[cfg(feature = "deflate")]
mod inflater;
mod params;
#[cfg(not(feature = "deflate"))]
mod stub;

pub use config::DeflateConfig;
#[cfg(feature = "deflate")]
pub use deflater::Deflater;
#[cfg(feature = "deflate")]
pub use inflater::Inflater;
pub use params::{Params, ParamsError};
#[cfg(not(feature = "deflate"))]
pub use stub::{Deflater, Inflater};

/// The registered name of the extension (RFC 7692 §7).
pub const EXTENSION: &str = "permessage-deflate";

/// The negotiated parameters of one direction of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DirectionParams {
    /// Whether a message may refer to the content of earlier ones (RFC 7692 §7.1.1).
    pub context_takeover: bool,
    /// The size of the window: a message may refer back by up to 2 to the power of this many bytes,
    /// 8 to 15 (RFC 7692 §7.1.2).
    pub window_bits: u8,
}

/// The four bytes that end the compressed data of every message, and that are not sent
/// (RFC 7692 §7.2.1).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
