//! The head of an HTTP request (RFC 9112 §3).
//!
//! Tricky: a request target is accepted if no other implementation could read it as something else,
//! and a target that a program sets is encoded so that it stays inside the request line.

use super::head::{HeadLimits, HttpError, check_version, decode_head, push_field};
use super::headers::Headers;
use super::{grammar, uri};

/// The head of an HTTP request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    method: String,
    target: String,
    headers: Headers,
}

impl Request {
    /// Creates a request without header fields.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Headers::new() }
    }

    /// Creates a request that another HTTP parser has read, by the rules of
    /// [`decode`](Self::decode).
    ///
    /// ```
    /// use tightwire::handshake::Request;
    ///
    /// let fields = [("Host", "example.com"), ("Upgrade", "websocket")];
    /// let request = Request::from_parts("GET", "/chat", fields)?;
    /// assert_eq!(request.headers().get("upgrade"), Some("websocket"));
    /// # Ok::<(), tightwire::handshake::HttpError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `StartLine` for the method, `Target` for the target, and `Field` or `Control` for a field.
    pub fn from_parts<N: AsRef<str>, V: AsRef<[u8]>>(
        method: &str,
        target: &str,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, HttpError> {
        let mut headers = Headers::new();
        for (name, value) in fields {
            push_field(name.as_ref().as_bytes(), value.as_ref(), &mut headers)?;
        }
        Self::check(method, target)?;
        Ok(Self { method: method.to_owned(), target: target.to_owned(), headers })
    }

    /// Returns the method. Case matters.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the request target as it was sent: a path with a query, or an absolute URI.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the path of the target, which begins with a slash and is still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        let (path, _) = self.resource();
        if path.is_empty() { "/" } else { path }
    }

    /// Returns the query of the target, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.resource().1
    }

    /// Returns the host, and the port if there is one: from an absolute target, or otherwise from
    /// the `Host` field (RFC 9112 §3.2.2).
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match split_absolute(&self.target) {
            Some((authority, _)) => Some(authority),
            None => self.headers.get("Host"),
        }
    }

    /// Returns the header fields, as in `request.headers().get("Cookie")`.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns the header fields, so that you can add some.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Decodes the head at the start of `bytes`, and returns it with its length in bytes.
    ///
    /// `None` means that more bytes are needed. If a head can arrive in many pieces, find its end
    /// with a [`HeadScanner`](super::HeadScanner) first.
    ///
    /// ```
    /// use tightwire::handshake::{HeadLimits, Request};
    ///
    /// let bytes = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n\r\n";
    /// let decoded = Request::decode(bytes, &HeadLimits::default())?;
    /// let (request, _) = decoded.expect("a complete head");
    /// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    /// # Ok::<(), tightwire::handshake::HttpError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The reason why the head is not acceptable HTTP. Whether it is a valid opening handshake is
    /// checked by [`Upgrade::from_request`](crate::handshake::Upgrade::from_request).
    pub fn decode(bytes: &[u8], limits: &HeadLimits) -> Result<Option<(Self, usize)>, HttpError> {
        let Some((line, headers, head_len)) = decode_head(bytes, limits)? else {
            return Ok(None);
        };
        let mut parts = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(HttpError::StartLine);
        };
        check_version(version, b'1')?;
        Self::check(method, target)?;
        let request = Self { method: method.to_owned(), target: target.to_owned(), headers };
        Ok(Some((request, head_len)))
    }

    fn check(method: &str, target: &str) -> Result<(), HttpError> {
        if !grammar::is_token(method) {
            return Err(HttpError::StartLine);
        }
        let has_form = match split_absolute(target) {
            Some((authority, _)) => uri::is_authority(authority),
            None => target.starts_with('/'),
        };
        if !has_form || !target.bytes().all(is_target_byte) {
            return Err(HttpError::Target);
        }
        Ok(())
    }

    /// Appends the head to `out`. Characters that a request line cannot contain are
    /// percent-encoded.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // A space or a line end in the target would begin a second version, field or request. A
        // number sign would begin a fragment (§3).
        push_encoded(&self.method, grammar::is_token_byte, out);
        out.push(b' ');
        push_encoded(&self.target, is_target_byte, out);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        self.headers.encode(out);
    }

    /// Returns the path and the query of the target.
    fn resource(&self) -> (&str, Option<&str>) {
        let resource = match split_absolute(&self.target) {
            Some((_, resource)) => resource,
            None => &self.target,
        };
        match resource.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (resource, None),
        }
    }
}

/// Returns whether a request asks for WebSocket at all. It need not be valid, which
/// [`Upgrade::from_request`](crate::handshake::Upgrade::from_request) checks.
#[must_use]
pub fn is_upgrade_request(request: &Request) -> bool {
    request.method == "GET" && asks_for_websocket(&request.headers)
}

/// Returns whether the fields ask to switch to WebSocket (§4.2.1).
pub(in crate::handshake) fn asks_for_websocket(headers: &Headers) -> bool {
    headers.has_token("Upgrade", "websocket") && headers.has_token("Connection", "Upgrade")
}

/// Returns whether a target may contain this byte on the wire. It may contain more than RFC 3986
/// allows, but no byte that ends a target, and no `#`: requests have no fragment.
const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

fn push_encoded(text: &str, is_allowed: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if is_allowed(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// Splits an absolute target into its authority and the rest.
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.split_at_checked(authority_len)
}
