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
    /// A request without fields.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Headers::new() }
    }

    /// A request that another HTTP parser has read, held to the rules of
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

    /// The method; case matters.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What is asked for, as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path of the target: with a slash in front, and still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        let (path, _) = self.resource();
        if path.is_empty() { "/" } else { path }
    }

    /// The query of the target, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.resource().1
    }

    /// The host that is asked: that of an absolute target, or the `Host` field
    /// (RFC 9112 §3.2.2).
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match split_absolute(&self.target) {
            Some((authority, _)) => Some(authority),
            None => self.headers.get("Host"),
        }
    }

    /// The fields, such as `request.headers().get("Cookie")`.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The fields, to add some.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Reads the head that `bytes` begins with, and says how many bytes it took. `None` means
    /// that more are needed; for a head that comes in many pieces, ask a
    /// [`HeadScanner`](super::HeadScanner) first.
    ///
    /// ```
    /// use tightwire::handshake::{HeadLimits, Request};
    ///
    /// let bytes = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n\r\n";
    /// let (request, _) = Request::decode(bytes, &HeadLimits::default())?.expect("it is whole");
    /// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    /// # Ok::<(), tightwire::handshake::HttpError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with it as HTTP. Whether it asks for WebSocket is judged by
    /// [`Upgrade::from_request`](crate::handshake::Upgrade::from_request).
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

    /// Appends the head to `out`. What cannot stand in a request line is percent-encoded.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // A blank or a line end in the target would start a second version, field or request;
        // a number sign would start a fragment (§3).
        push_encoded(&self.method, grammar::is_token_byte, out);
        out.push(b' ');
        push_encoded(&self.target, is_target_byte, out);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        self.headers.encode(out);
    }

    /// The path and the query.
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

/// Whether a request asks for WebSocket at all: whether it does so correctly is another
/// question, which [`Upgrade::from_request`](crate::handshake::Upgrade::from_request) answers.
#[must_use]
pub fn is_upgrade_request(request: &Request) -> bool {
    request.method == "GET" && asks_for_websocket(&request.headers)
}

/// Whether the fields ask to go on with WebSocket (§4.2.1).
pub(in crate::handshake) fn asks_for_websocket(headers: &Headers) -> bool {
    headers.has_token("Upgrade", "websocket") && headers.has_token("Connection", "Upgrade")
}

/// Whether a target may hold this, at least as it is sent: more than RFC 3986 allows, but nothing
/// that ends a target, or starts a fragment, of which requests have none.
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

/// The authority of an absolute target, and what follows it.
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.split_at_checked(authority_len)
}
