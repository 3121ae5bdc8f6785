use core::fmt;

use crate::frame::{CloseCode, ReasonTooLong};

/// The reason why a message or a control frame cannot be sent.
///
/// None of it was sent, with one exception: a Close frame can interrupt a long message between
/// its fragments.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent or received, or the connection failed (RFC 6455 §5.5.1).
    Closed,
    /// A fragmented message is not finished. Only further fragments of its kind may follow
    /// (RFC 6455 §5.4).
    MessageInProgress,
    /// A Ping or Pong has more than 125 bytes of data (RFC 6455 §5.5).
    ControlTooLong {
        /// The length of the data, in bytes.
        len: usize,
    },
    /// A server cannot send this close code, which is for clients only (RFC 6455 §7.4.1).
    ForbiddenCloseCode(CloseCode),
    /// The reason for closing has more than 123 bytes (RFC 6455 §5.5.1).
    ReasonTooLong(ReasonTooLong),
    /// Text that is written in pieces is not UTF-8 (RFC 6455 §5.6).
    InvalidUtf8,
    /// The operating system provides no random bytes for a masking key (RFC 6455 §5.3).
    NoMaskingKey,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is closing: nothing more can be sent"),
            Self::MessageInProgress => {
                f.write_str("a fragmented message is in progress: finish it first")
            }
            Self::ControlTooLong { len } => {
                write!(f, "ping or pong data of {len} bytes: at most 125 fit (RFC 6455 §5.5)")
            }
            Self::ForbiddenCloseCode(code) => {
                write!(f, "close code {code} is for clients only (RFC 6455 §7.4.1)")
            }
            Self::ReasonTooLong(error) => error.fmt(f),
            Self::InvalidUtf8 => f.write_str("a text message must be UTF-8 (RFC 6455 §5.6)"),
            Self::NoMaskingKey => {
                f.write_str("the system gave no random bytes for a masking key (RFC 6455 §5.3)")
            }
        }
    }
}

impl core::error::Error for SendError {}

impl From<ReasonTooLong> for SendError {
    fn from(error: ReasonTooLong) -> Self {
        Self::ReasonTooLong(error)
    }
}
