//! The head of a request or response: its limits, its end, and its fields (RFC 9112).
//!
//! [`HeadScanner`] finds the end of a head that arrives in pieces. `decode_head` then takes the
//! complete head apart. Tricky: a head that another implementation could read differently must be
//! refused. That includes a lone CR or LF, folded fields, and white space before a colon.

use core::{fmt, str};

use super::grammar;
use super::headers::Headers;

/// Limits on the head of a request or a response.
///
/// ```
/// use tightwire::handshake::HeadLimits;
///
/// let limits = HeadLimits::new().max_len(4 << 10).max_fields(30);
/// assert_eq!(limits.get_max_fields(), 30);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct HeadLimits {
    max_len: usize,
    max_fields: usize,
}

impl HeadLimits {
    /// Creates the default limits.
    pub const fn new() -> Self {
        Self { max_len: 16 << 10, max_fields: 100 }
    }

    /// Sets the maximum length of a head, in bytes, of which the first line may take half; 16 KiB
    /// by default.
    pub const fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Sets the maximum number of fields in a head; 100 by default.
    pub const fn max_fields(mut self, count: usize) -> Self {
        self.max_fields = count;
        self
    }

    /// Returns the value of [`max_len`](Self::max_len), in bytes.
    #[must_use]
    pub const fn get_max_len(&self) -> usize {
        self.max_len
    }

    /// Returns the value of [`max_fields`](Self::max_fields).
    #[must_use]
    pub const fn get_max_fields(&self) -> usize {
        self.max_fields
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// A scanner for the end of a head that arrives in pieces. It looks at each byte once.
#[derive(Clone, Debug)]
pub struct HeadScanner {
    limits: HeadLimits,
    scanned: usize,
    line_start: usize,
    /// The number of lines that were not empty.
    lines: usize,
    after_cr: bool,
    /// The result, once there is one. No later byte changes it.
    outcome: Option<Result<usize, HttpError>>,
}

impl HeadScanner {
    /// Creates a scanner at the beginning of a head.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { limits, scanned: 0, line_start: 0, lines: 0, after_cr: false, outcome: None }
    }

    /// Looks for the end of the head in `bytes`, which must be all bytes that have arrived so far,
    /// including those of earlier calls.
    ///
    /// Returns the length of the head in bytes, with the empty line that ends it, or `None` if the
    /// end has not arrived. Once it has found the end or an error, it returns the same again.
    ///
    /// # Errors
    ///
    /// `LineEnd`, `Control`, `StartLine` for two empty lines at the beginning, and
    /// `StartLineTooLong`, `TooLong` or `TooManyFields` for a head over a limit. Each is returned
    /// at the first byte that shows it.
    pub fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, HttpError> {
        for &byte in bytes.get(self.scanned..).unwrap_or_default() {
            if self.outcome.is_some() {
                break;
            }
            self.scanned += 1;
            self.outcome = self.step(byte).map(|ends| ends.then_some(self.scanned)).transpose();
        }
        self.outcome.transpose()
    }

    /// Looks at the next byte, and returns whether it ends the head.
    fn step(&mut self, byte: u8) -> Result<bool, HttpError> {
        let HeadLimits { max_len, max_fields } = self.limits;
        if self.lines == 0 && self.scanned > max_len / 2 {
            return Err(HttpError::StartLineTooLong { limit: max_len / 2 });
        }
        if self.scanned > max_len {
            return Err(HttpError::TooLong { limit: max_len });
        }
        // An implementation that accepts a lone CR or LF as a line end would see a different head.
        if self.after_cr != (byte == b'\n') {
            return Err(HttpError::LineEnd);
        }
        self.after_cr = byte == b'\r';
        match byte {
            0 => return Err(HttpError::Control),
            b'\n' => {}
            _ => return Ok(false),
        }
        let line_is_empty = self.scanned - self.line_start == 2;
        self.line_start = self.scanned;
        if line_is_empty {
            // One empty line before the first is ignored (RFC 9112 §2.2).
            return match (self.lines, self.scanned) {
                (0, 2) => Ok(false),
                (0, _) => Err(HttpError::StartLine),
                _ => Ok(true),
            };
        }
        // The first line is not a field, so with this line the head has `lines` fields.
        if self.lines > max_fields {
            return Err(HttpError::TooManyFields { limit: max_fields });
        }
        self.lines += 1;
        Ok(false)
    }
}

/// Splits a head into its first line and its fields, and returns them with the length of the head.
/// Invalid UTF-8 in the first line is replaced: only ASCII is allowed wherever it matters.
pub(in crate::handshake) fn decode_head(
    bytes: &[u8],
    limits: &HeadLimits,
) -> Result<Option<(String, Headers, usize)>, HttpError> {
    let Some(head_len) = HeadScanner::new(*limits).find_end(bytes)? else {
        return Ok(None);
    };
    let head = bytes.get(..head_len).unwrap_or_default();
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let head = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    // The scanner has checked that a CR precedes each LF.
    let mut lines =
        head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let first = String::from_utf8_lossy(first).into_owned();
    let mut headers = Headers::new();
    for line in lines {
        decode_field(line, &mut headers)?;
    }
    Ok(Some((first, headers, head_len)))
}

fn decode_field(line: &[u8], headers: &mut Headers) -> Result<(), HttpError> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(HttpError::Folded);
    }
    let colon = line.iter().position(|&byte| byte == b':').ok_or(HttpError::Field)?;
    let (name, value) = line.split_at_checked(colon).ok_or(HttpError::Field)?;
    push_field(name, value.strip_prefix(b":").unwrap_or(value), headers)
}

/// Adds a field in the form in which a peer sent it.
pub(super) fn push_field(
    name: &[u8],
    value: &[u8],
    headers: &mut Headers,
) -> Result<(), HttpError> {
    // White space before the colon is not part of a token. Other implementations may skip it.
    let name = str::from_utf8(name).ok().filter(|name| grammar::is_token(name));
    let name = name.ok_or(HttpError::Field)?;
    if value.iter().copied().any(grammar::is_control) {
        return Err(HttpError::Control);
    }
    // Bytes above 0x7F are obsolete and undefined. If they are not UTF-8 they are read as Latin-1,
    // where each byte is the number of a character.
    let value = match str::from_utf8(value) {
        Ok(value) => grammar::trim(value).to_owned(),
        Err(_) => value.trim_ascii().iter().map(|&byte| char::from(byte)).collect(),
    };
    headers.push(name, value);
    Ok(())
}

/// Checks that a version is 1.x, where x is a digit not below `oldest`.
pub(super) fn check_version(version: &str, oldest: u8) -> Result<(), HttpError> {
    let digits = version.strip_prefix("HTTP/").ok_or(HttpError::StartLine)?;
    match digits.as_bytes() {
        [b'1', b'.', minor @ b'0'..=b'9'] if *minor >= oldest => Ok(()),
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(HttpError::Version)
        }
        _ => Err(HttpError::StartLine),
    }
}

/// The reason why a head is not acceptable HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HttpError {
    /// The first line is not a request line, or not a status line.
    StartLine,
    /// The peer sends TLS records where plain HTTP was expected.
    Tls,
    /// The version of HTTP is not 1.1.
    Version,
    /// The request target is neither a path nor an absolute URI of HTTP.
    Target,
    /// A line is not a header field: it has no colon, or the name before the colon is not a token.
    Field,
    /// A header field continues on the next line.
    Folded,
    /// A line ends in a CR without LF, or in an LF without CR.
    LineEnd,
    /// The head contains a control character.
    Control,
    /// The first line is longer than the limit.
    StartLineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head is longer than the limit.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head has more fields than the limit.
    TooManyFields {
        /// The limit, in fields.
        limit: usize,
    },
}

impl HttpError {
    /// Returns the status with which a server answers such a request.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::StartLineTooLong { .. } => 414,
            Self::TooLong { .. } | Self::TooManyFields { .. } => 431,
            _ => 400,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartLine => f.write_str("the first line is not HTTP"),
            Self::Tls => f.write_str("the peer speaks TLS: the URI may need wss: instead of ws:"),
            Self::Version => f.write_str("the version of HTTP is not 1.1"),
            Self::Target => f.write_str("the request target is not a path"),
            Self::Field => f.write_str("a line is not a header field"),
            Self::Folded => f.write_str("a header field is folded over several lines"),
            Self::LineEnd => f.write_str("a line does not end in CR LF"),
            Self::Control => f.write_str("a control character in the head"),
            Self::StartLineTooLong { limit } => {
                write!(f, "the first line is over the limit of {limit} bytes")
            }
            Self::TooLong { limit } => write!(f, "the head is over the limit of {limit} bytes"),
            Self::TooManyFields { limit } => {
                write!(f, "more than the limit of {limit} header fields")
            }
        }
    }
}

impl core::error::Error for HttpError {}
