//! permessage-deflate (RFC 7692): messages that are compressed one by one.
//!
//! What two ends settle on in the opening handshake is [`Params`], and what one of them wishes is a
//! [`DeflateConfig`]: both are always there, and pure. The [`Deflater`] and [`Inflater`] that do
//! the work need the feature `deflate`; without it they exist in name only, and cannot be made.
//!
//! The algorithm (RFC 1951) is that of a library. What is done here is what RFC 7692 adds: where a
//! message ends in the stream of compressed bytes, and which messages may refer to earlier ones.

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

/// The name of the extension (RFC 7692 §7).
pub const EXTENSION: &str = "permessage-deflate";

/// How one direction of a connection is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DirectionParams {
    /// Whether a message may refer to what earlier ones held (RFC 7692 §7.1.1).
    pub context_takeover: bool,
    /// How far back it may refer: two to the power of this many bytes, 8 to 15 (RFC 7692 §7.1.2).
    pub window_bits: u8,
}

/// The four bytes that end the compressed data of every message, and are not sent (RFC 7692
/// §7.2.1).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
