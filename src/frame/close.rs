//! Close codes, and the body of a Close frame (RFC 6455 §5.5.1, §7.4).
//!
//! A [`CloseCode`] exists only for a number that may be sent, so a function that has one need not
//! check it. Tricky: the codes that an endpoint reports but never sends (1005, 1006, 1015), and the
//! codes that were registered after the RFC (1012 to 1014).

use core::fmt;

use crate::error::ProtocolError;

/// A status code that may be sent in a Close frame (RFC 6455 §7.4).
///
/// No value exists for a code that must not be sent: 1005 ("no code") is an absent [`CloseFrame`],
/// 1006 ("no Close frame") is an error, and after 1015 ("TLS failed") there is no connection to
/// send it on. Codes 1012 to 1014 are allowed, because they were registered after the RFC.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away, for example because a server shuts down.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the endpoint cannot accept this type of data.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: the content of a message does not match its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message violates the policy of the endpoint.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server did not negotiate an extension that the client needs. Only clients send it.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition prevents the endpoint from continuing.
    pub const INTERNAL_ERROR: Self = Self(1011);

    /// 1012: the server restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded, and the client should try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: the server is a gateway, and received an invalid response from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// Returns the code with this number, or `None` if it must not be sent: below 1000, 1004 to
    /// 1006, 1015 to 2999, 5000 and above.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number of the code.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns the name of the code in the registry (RFC 6455 §11.7), if it has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1000 => "Normal Closure",
            1001 => "Going Away",
            1002 => "Protocol Error",
            1003 => "Unsupported Data",
            1007 => "Invalid Frame Payload Data",
            1008 => "Policy Violation",
            1009 => "Message Too Big",
            1010 => "Mandatory Extension",
            1011 => "Internal Error",
            1012 => "Service Restart",
            1013 => "Try Again Later",
            1014 => "Bad Gateway",
            _ => return None,
        })
    }
}

/// Formats the number, and the name if there is one: `1001 Going Away`.
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.0),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({self})")
    }
}

/// Fails for a number that must not be sent, like [`CloseCode::new`].
impl TryFrom<u16> for CloseCode {
    type Error = ForbiddenCloseCode;

    fn try_from(code: u16) -> Result<Self, ForbiddenCloseCode> {
        Self::new(code).ok_or(ForbiddenCloseCode(code))
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl PartialEq<u16> for CloseCode {
    fn eq(&self, code: &u16) -> bool {
        self.0 == *code
    }
}

impl PartialEq<CloseCode> for u16 {
    fn eq(&self, code: &CloseCode) -> bool {
        *self == code.0
    }
}

/// The error for a number that must not be sent as a close code (RFC 6455 §7.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ForbiddenCloseCode(pub u16);

impl fmt::Display for ForbiddenCloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must not be sent as a close code (RFC 6455 §7.4)", self.0)
    }
}

impl core::error::Error for ForbiddenCloseCode {}

/// Gives the code that reports the violation to the peer (RFC 6455 §7.4.1).
impl From<ProtocolError> for CloseCode {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::InvalidUtf8 | ProtocolError::InvalidDeflate => Self::INVALID_PAYLOAD,
            ProtocolError::FrameTooBig { .. }
            | ProtocolError::MessageTooBig { .. }
            | ProtocolError::TooManyFragments { .. } => Self::MESSAGE_TOO_BIG,
            _ => Self::PROTOCOL_ERROR,
        }
    }
}

/// The body of a Close frame: a code and a reason for closing (RFC 6455 §5.5.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: String,
}

impl CloseFrame {
    /// The maximum length of a reason, in bytes: the 125 of a control frame less two for the code.
    pub const MAX_REASON_LEN: usize = 123;

    /// Creates a body from a code and a reason, which may be empty.
    ///
    /// # Errors
    ///
    /// `ReasonTooLong` if the reason has more than 123 bytes.
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Result<Self, ReasonTooLong> {
        let reason = reason.into();
        if reason.len() > Self::MAX_REASON_LEN {
            return Err(ReasonTooLong { len: reason.len() });
        }
        Ok(Self { code, reason })
    }

    /// Returns the status code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// Returns the reason. It is meant for people who look for the cause, and is often empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Decodes the body of a Close frame. `None` stands for an empty body.
    ///
    /// # Errors
    ///
    /// `TruncatedClose` if the body is one byte, `ForbiddenCloseCode` if the code must not be sent,
    /// and `InvalidUtf8` if the reason is not UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() { Ok(None) } else { Err(ProtocolError::TruncatedClose) };
        };
        let code = u16::from_be_bytes(*code);
        let code = CloseCode::new(code).ok_or(ProtocolError::ForbiddenCloseCode(code))?;
        let reason = core::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Some(Self { code, reason: reason.to_owned() }))
    }

    /// Appends the body to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.get().to_be_bytes());
        out.extend_from_slice(self.reason.as_bytes());
    }
}

/// Creates a body without a reason.
impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: String::new() }
    }
}

/// Creates the body of the Close frame that fails the connection (RFC 6455 §7.1.7): the code for
/// the violation, and the broken rule in words.
impl From<ProtocolError> for CloseFrame {
    fn from(error: ProtocolError) -> Self {
        // The reason fits: no description of a rule is longer than 80 bytes, which a test checks.
        Self { code: error.into(), reason: error.to_string() }
    }
}

/// The error for a reason that does not fit into a Close frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReasonTooLong {
    /// The length of the reason, in bytes.
    pub len: usize,
}

impl fmt::Display for ReasonTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, max) = (self.len, CloseFrame::MAX_REASON_LEN);
        write!(f, "close reason of {len} bytes: at most {max} fit (RFC 6455 §5.5.1)")
    }
}

impl core::error::Error for ReasonTooLong {}
