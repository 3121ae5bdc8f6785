//! An HTTP response with its body (RFC 9112 §4).
//!
//! Tricky: the status and the fields determine whether a response has a body and where it ends
//! (RFC 9112 §6.3). An interim response, such as 101, has none and must not announce one.

use super::grammar;
use super::head::{HeadLimits, HttpError, check_version, decode_head};
use super::headers::{Headers, InvalidHeader};

/// An HTTP response: the answer to a handshake, or a page.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Response {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Response {
    /// Creates a response with this status, without header fields or body.
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Headers::new(), body: Vec::new() }
    }

    /// Returns the first line of a body that is text, without white space around it.
    pub(in crate::handshake) fn first_line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        let line = text.trim_start().lines().next()?.trim_end();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Adds a header field.
    ///
    /// # Errors
    ///
    /// `InvalidHeader`, as for [`Headers::append`].
    pub fn with_header(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidHeader> {
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Sets the body.
    pub fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Returns the status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns the header fields, so that you can add some.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Returns the body. A received response has only the start of it.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Decodes the head at the start of `bytes`, and returns it with its length in bytes. `None`
    /// means that more bytes are needed. The body is not decoded.
    ///
    /// A refusal may be in HTTP/1.0. Only 101 needs HTTP/1.1, which introduced the `Upgrade` field
    /// (RFC 9110 §7.8).
    ///
    /// # Errors
    ///
    /// The reason why the head is not acceptable HTTP.
    pub fn decode(bytes: &[u8], limits: &HeadLimits) -> Result<Option<(Self, usize)>, HttpError> {
        let Some((line, headers, head_len)) = decode_head(bytes, limits)? else {
            return Ok(None);
        };
        // Only before a request must an empty line be ignored (RFC 9112 §2.2).
        if bytes.starts_with(b"\r\n") {
            return Err(HttpError::StartLine);
        }
        let (version, rest) = line.split_once(' ').ok_or(HttpError::StartLine)?;
        // The phrase has no meaning. Some servers leave it out, together with the space before it.
        let (status, phrase) = rest.split_once(' ').unwrap_or((rest, ""));
        check_version(version, if status == "101" { b'1' } else { b'0' })?;
        if !matches!(status.as_bytes(), [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']) {
            return Err(HttpError::StartLine);
        }
        if phrase.bytes().any(grammar::is_control) {
            return Err(HttpError::Control);
        }
        let status = status.parse().map_err(|_| HttpError::StartLine)?;
        Ok(Some((Self { status, headers, body: Vec::new() }, head_len)))
    }

    /// Turns the response into the answer to a `HEAD` request, with the fields of the answer to
    /// `GET`, but without the body (RFC 9110 §9.3.2).
    pub(crate) fn omit_body(&mut self) {
        if self.may_have_body() && !self.has_framing() {
            self.headers.push("Content-Length", self.body.len().to_string());
        }
        self.body.clear();
    }

    /// Returns whether a response with this status has a body, even if it is empty (RFC 9112 §6.3).
    pub(super) const fn may_have_body(&self) -> bool {
        self.is_final() && self.status != 204 && self.status != 304
    }

    const fn is_final(&self) -> bool {
        self.status >= 200
    }

    /// Returns whether a field already determines where the response ends. There may be only one
    /// such field (RFC 9112 §6.2).
    fn has_framing(&self) -> bool {
        ["Content-Length", "Transfer-Encoding"].iter().any(|n| self.headers.get(n).is_some())
    }

    /// Appends the head and the body to `out`. A final response gets the fields that determine
    /// where it ends: `Content-Length`, unless it has that or a `Transfer-Encoding` field, and
    /// `Connection: close`, unless it has a `Connection` field.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let phrase = phrase(self.status);
        out.extend_from_slice(format!("HTTP/1.1 {} {phrase}\r\n", self.status).as_bytes());
        if self.may_have_body() && !self.has_framing() {
            out.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        if self.is_final() && self.headers.get("Connection").is_none() {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        self.headers.encode(out);
        if self.may_have_body() {
            out.extend_from_slice(&self.body);
        }
    }
}

const fn phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty, because only the number has a meaning (RFC 9112 §4).
        _ => "",
    }
}
