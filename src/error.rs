//! The rules of the protocol that a peer can break, one variant for each.
//!
//! The decoders return a [`ProtocolError`]. The connection fails with it, and the Close frame that
//! the peer gets is made from it. So each variant has a section of an RFC, and a text that fits
//! into a Close frame.

use core::fmt;

/// A violation of the protocol by the peer, which is a reason to _Fail the WebSocket Connection_
/// (RFC 6455 §7.1.7).
///
/// Each variant is one rule. [`section`](Self::section) names the section that contains the rule.
/// [`CloseCode::from`](crate::frame::CloseCode) gives the code of the Close frame that reports it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set and no negotiated extension gives it a meaning.
    ReservedBits,
    /// The opcode is reserved. Its four bits are given here.
    ReservedOpcode(u8),
    /// The payload length is not encoded in the fewest possible bytes.
    NonMinimalLength,
    /// The most significant bit of the 64-bit payload length is set.
    LengthTooLarge,
    /// A server received a frame that is not masked.
    Unmasked,
    /// A client received a masked frame.
    Masked,
    /// A continuation frame arrived while no message was in progress.
    UnexpectedContinuation,
    /// A new data frame arrived before the message in progress was finished.
    ExpectedContinuation,
    /// A control frame has FIN clear.
    FragmentedControl,
    /// A control frame announces more than 125 bytes of payload.
    ControlTooLong,
    /// The body of a Close frame is one byte: too short for a status code.
    TruncatedClose,
    /// A Close frame contains a status code, given here, that must not be sent.
    ForbiddenCloseCode(u16),
    /// A compressed message cannot be decompressed.
    InvalidDeflate,
    /// Text, or the reason of a Close frame, is not UTF-8.
    InvalidUtf8,
    /// A frame announces more payload bytes than the limit.
    FrameTooBig {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A message is longer than the limit.
    MessageTooBig {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A message has more frames than the limit.
    TooManyFragments {
        /// The limit, in frames.
        limit: u32,
    },
}

impl ProtocolError {
    /// Names the section that contains the broken rule, for example `RFC 6455 §5.2`.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::NonMinimalLength
            | Self::LengthTooLarge => "RFC 6455 §5.2",
            Self::Unmasked | Self::Masked => "RFC 6455 §5.1",
            Self::UnexpectedContinuation | Self::ExpectedContinuation => "RFC 6455 §5.4",
            Self::FragmentedControl | Self::ControlTooLong => "RFC 6455 §5.5",
            Self::TruncatedClose => "RFC 6455 §5.5.1",
            Self::ForbiddenCloseCode(_) => "RFC 6455 §7.4",
            Self::InvalidDeflate => "RFC 7692 §7.2.2",
            Self::InvalidUtf8 => "RFC 6455 §8.1",
            Self::FrameTooBig { .. }
            | Self::MessageTooBig { .. }
            | Self::TooManyFragments { .. } => "RFC 6455 §10.4",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => f.write_str("reserved bit set without an extension"),
            Self::ReservedOpcode(bits) => write!(f, "reserved opcode 0x{bits:X}"),
            Self::NonMinimalLength => f.write_str("payload length not in its shortest form"),
            Self::LengthTooLarge => f.write_str("payload length with its top bit set"),
            Self::Unmasked => f.write_str("frame from a client without masking"),
            Self::Masked => f.write_str("masked frame from a server"),
            Self::UnexpectedContinuation => {
                f.write_str("continuation frame with no message in progress")
            }
            Self::ExpectedContinuation => {
                f.write_str("new data frame inside an unfinished message")
            }
            Self::FragmentedControl => f.write_str("fragmented control frame"),
            Self::ControlTooLong => f.write_str("control frame with more than 125 bytes"),
            Self::TruncatedClose => f.write_str("close frame with a one-byte body"),
            Self::ForbiddenCloseCode(code) => {
                write!(f, "close code {code}, which is never sent")
            }
            Self::InvalidDeflate => f.write_str("compressed message that cannot be decompressed"),
            Self::InvalidUtf8 => f.write_str("text that is not UTF-8"),
            Self::FrameTooBig { limit } => write!(f, "frame over the limit of {limit} bytes"),
            Self::MessageTooBig { limit } => {
                write!(f, "message over the limit of {limit} bytes")
            }
            Self::TooManyFragments { limit } => {
                write!(f, "message in more than the limit of {limit} frames")
            }
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ProtocolError {}
