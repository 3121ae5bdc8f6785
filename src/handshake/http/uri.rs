//! WebSocket URIs (RFC 6455 §3), and the parts of RFC 3986 that they need. Tricky: every part ends
//! up in a request head, so it must be valid, and a password must not be printed.

use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;

use crate::handshake::key;

/// A WebSocket URI (RFC 6455 §3): the server to connect to, and the resource to ask for.
///
/// ```
/// use tightwire::handshake::Uri;
///
/// let uri: Uri = "ws://[::1]:8080/chat?room=1".parse()?;
/// assert_eq!((uri.host(), uri.port(), uri.is_secure()), ("::1", 8080, false));
/// assert_eq!(uri.resource_name(), "/chat?room=1");
/// assert_eq!(uri.authority(), "[::1]:8080");
/// # Ok::<(), tightwire::handshake::UriError>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Uri {
    secure: bool,
    host: String,
    port: u16,
    resource_name: String,
    /// Decoded: name, colon, password.
    userinfo: Option<Vec<u8>>,
}

impl Uri {
    /// Returns whether the scheme is `wss`, that is, whether to use TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the name or address to connect to. An IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port to connect to. If the URI has none, it is 80 for `ws` and 443 for `wss`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the resource that the request asks for: the path, and the query if there is one.
    #[must_use]
    pub fn resource_name(&self) -> &str {
        &self.resource_name
    }

    /// Returns the value of the `Host` field: the host, and the port unless it is the default.
    #[must_use]
    pub fn authority(&self) -> String {
        let is_default = self.port == default_port(self.secure);
        if is_default { bracket(&self.host) } else { host_and_port(&self.host, self.port) }
    }

    /// Returns the value of an `Authorization` field for the name and password, if any (RFC 7617).
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.userinfo.as_ref().map(|userinfo| format!("Basic {}", key::encode(userinfo)))
    }

    /// Resolves a reference, such as a `Location` field, against this URI (RFC 3986 §5.2).
    ///
    /// The scheme `http` or `https` of a reference becomes `ws` or `wss`, and its fragment is left
    /// out. A name and password in this URI are kept only if the reference has no host.
    ///
    /// ```
    /// use tightwire::handshake::Uri;
    ///
    /// let uri: Uri = "ws://example.com/chat/room?id=1".parse()?;
    /// assert_eq!(uri.join("lobby")?.to_string(), "ws://example.com/chat/lobby");
    /// assert_eq!(uri.join("https://chat.example/")?.to_string(), "wss://chat.example/");
    /// # Ok::<(), tightwire::handshake::UriError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Scheme` if the reference has another scheme, and otherwise as for parsing a URI.
    pub fn join(&self, reference: &str) -> Result<Self, UriError> {
        let (reference, _) = reference.split_once('#').unwrap_or((reference, ""));
        let (scheme, rest) = match split_scheme(reference) {
            Some((scheme, rest)) => (websocket_scheme(scheme)?, rest),
            None => (if self.secure { "wss" } else { "ws" }, reference),
        };
        let joined = if let Some(rest) = rest.strip_prefix("//") {
            format!("{scheme}://{rest}").parse()?
        } else if rest.len() < reference.len() {
            // A scheme without a host after it.
            return Err(UriError::NoHost);
        } else {
            let resource_name = decode_resource_name(&self.merge(reference))?;
            Self { resource_name, ..self.clone() }
        };
        Ok(joined.without_dot_segments())
    }

    /// Returns the path and query of a reference without scheme and host (RFC 3986 §5.2.2).
    fn merge(&self, reference: &str) -> String {
        let (path, _) = split_query(&self.resource_name);
        match reference.bytes().next() {
            None => self.resource_name.clone(),
            Some(b'/') => reference.to_owned(),
            Some(b'?') => format!("{path}{reference}"),
            Some(_) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{reference}")
            }
        }
    }

    /// Removes the segments `.` and `..` from the path (RFC 3986 §5.2.4).
    fn without_dot_segments(self) -> Self {
        let (path, query) = split_query(&self.resource_name);
        let mut segments = Vec::new();
        let mut parts = path.split('/').skip(1).peekable();
        while let Some(part) = parts.next() {
            match part {
                "." => {}
                ".." => drop(segments.pop()),
                part => {
                    segments.push(part);
                    continue;
                }
            }
            if parts.peek().is_none() {
                // The remaining path is a folder, and ends with a slash.
                segments.push("");
            }
        }
        Self { resource_name: format!("/{}{query}", segments.join("/")), ..self }
    }
}

/// Splits a reference into its scheme and the text after the colon (RFC 3986 §3.1).
fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let is_scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let begins_well = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    (begins_well && scheme.bytes().all(is_scheme_byte)).then_some((scheme, rest))
}

fn websocket_scheme(scheme: &str) -> Result<&'static str, UriError> {
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => Ok("ws"),
        "wss" | "https" => Ok("wss"),
        _ => Err(UriError::Scheme),
    }
}

/// Splits a resource name into the path, and the query with its question mark.
fn split_query(resource_name: &str) -> (&str, &str) {
    let path_len = resource_name.find('?').unwrap_or(resource_name.len());
    resource_name.split_at_checked(path_len).unwrap_or((resource_name, ""))
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UriError::Scheme),
        };
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at_checked(authority_len).unwrap_or((rest, ""));
        let Authority { userinfo, host, port } = decode_authority(authority, default_port(secure))?;
        let resource_name = decode_resource_name(resource)?;
        Ok(Self { secure, host, port, resource_name, userinfo })
    }
}

/// Formats the URI without the name and the password, because URIs end up in logs.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), self.resource_name)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
    }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// Returns a host as it is written before a port: with brackets around an IPv6 address.
fn bracket(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Returns the host and the port, even if it is the default port of the scheme.
pub(in crate::handshake) fn host_and_port(host: &str, port: u16) -> String {
    format!("{}:{port}", bracket(host))
}

/// The parts of a URI between `//` and the path.
pub(in crate::handshake) struct Authority {
    /// Decoded: name, colon, password.
    pub(in crate::handshake) userinfo: Option<Vec<u8>>,
    pub(in crate::handshake) host: String,
    pub(in crate::handshake) port: u16,
}

pub(in crate::handshake) fn decode_authority(
    authority: &str,
    default_port: u16,
) -> Result<Authority, UriError> {
    let (userinfo, host_and_port) = match authority.rsplit_once('@') {
        Some(("", rest)) => (None, rest),
        Some((userinfo, rest)) => (Some(decode_userinfo(userinfo)?), rest),
        None => (None, authority),
    };
    let (host, port) = split_port(host_and_port)?;
    Ok(Authority { userinfo, host: decode_host(host)?, port: decode_port(port, default_port)? })
}

pub(in crate::handshake) fn split_port(host_and_port: &str) -> Result<(&str, &str), UriError> {
    if let Some(bracketed) = host_and_port.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(UriError::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => return Err(UriError::Port),
        };
        // The colon distinguishes an IPv6 address from a name, which cannot contain one.
        return if host.contains(':') { Ok((host, port)) } else { Err(UriError::Host) };
    }
    match host_and_port.split_once(':') {
        Some((host, port)) => Ok((host, port)),
        None => Ok((host_and_port, "")),
    }
}

/// Returns whether a text is a host with an optional port, by the rules of HTTP (RFC 9110 §7.2).
/// They allow more than a host of our own URIs, because we do not connect to it.
pub(in crate::handshake) fn is_authority(text: &str) -> bool {
    let Ok((host, port)) = split_port(text) else {
        return false;
    };
    // A comma is allowed in a name, but shows that somebody has joined two fields.
    let is_host_byte = |byte| is_unreserved(byte) || (is_sub_delimiter(byte) && byte != b',');
    let host_is_valid = if text.starts_with('[') {
        host.parse::<Ipv6Addr>().is_ok()
    } else {
        !host.is_empty() && is_valid(host, is_host_byte)
    };
    host_is_valid && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn decode_host(host: &str) -> Result<String, UriError> {
    if host.is_empty() {
        return Err(UriError::NoHost);
    }
    let valid = if host.contains(':') {
        host.parse::<Ipv6Addr>().is_ok()
    } else {
        is_valid(host, |byte| is_unreserved(byte) || is_sub_delimiter(byte))
    };
    // RFC 3986 allows a percent-encoded name, but no resolver accepts one.
    if valid && !host.contains('%') { Ok(host.to_owned()) } else { Err(UriError::Host) }
}

fn decode_port(port: &str, default: u16) -> Result<u16, UriError> {
    if port.is_empty() {
        return Ok(default);
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UriError::Port);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(UriError::Port),
        Ok(port) => Ok(port),
    }
}

/// Decodes the resource name (§3). A missing path means "/", and an empty query means no query.
fn decode_resource_name(resource: &str) -> Result<String, UriError> {
    let (path, query) = resource.split_once('?').unwrap_or((resource, ""));
    let is_path_byte =
        |byte| is_unreserved(byte) || is_sub_delimiter(byte) || matches!(byte, b':' | b'@' | b'/');
    let is_query_byte = |byte| is_path_byte(byte) || byte == b'?';
    if !is_valid(path, is_path_byte) || !is_valid(query, is_query_byte) {
        return Err(UriError::ResourceName);
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
}

/// Decodes `name:password` for Basic authorization, which needs the colon (RFC 7617 §2).
fn decode_userinfo(userinfo: &str) -> Result<Vec<u8>, UriError> {
    let is_userinfo_byte = |byte| is_unreserved(byte) || is_sub_delimiter(byte) || byte == b':';
    if !is_valid(userinfo, is_userinfo_byte) {
        return Err(UriError::Userinfo);
    }
    let (name, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (name, password) = (percent_decode(name), percent_decode(password));
    // A colon in the name would move part of it into the password.
    if name.contains(&b':') || name.iter().chain(&password).any(u8::is_ascii_control) {
        return Err(UriError::Userinfo);
    }
    Ok([name.as_slice(), b":", &password].concat())
}

/// Returns whether all bytes are allowed or percent-encoded (RFC 3986 §2.1).
fn is_valid(text: &str, is_allowed: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let valid = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => is_allowed(byte),
        };
        if !valid {
            return false;
        }
    }
    true
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(0);
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => u8::try_from(digit(bytes.next()) * 16 + digit(bytes.next())).unwrap_or(0),
            _ => byte,
        };
        decoded.push(byte);
    }
    decoded
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// The reason why a text is not a WebSocket URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UriError {
    /// The text does not begin with `ws://` or `wss://`.
    Scheme,
    /// The URI has no host.
    NoHost,
    /// The host is neither a name nor an address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The path or the query contains a character that is not allowed in a URI.
    ResourceName,
    /// The URI has a fragment.
    Fragment,
    /// The name or the password cannot be sent.
    Userinfo,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a WebSocket URI begins with ws:// or wss://",
            Self::NoHost => "the URI names no host",
            Self::Host => {
                "the host is neither a name of ASCII characters (write others as punycode), an \
                 IPv4 address, nor an IPv6 address in brackets"
            }
            Self::Port => "the port is not a number from 1 to 65535",
            Self::ResourceName => {
                "the path or the query contains a character that must be percent-encoded"
            }
            Self::Fragment => "a WebSocket URI has no fragment: write %23 for a # in its path",
            Self::Userinfo => {
                "the name or the password before the @ contains a character that must be \
                 percent-encoded, or that cannot be sent at all"
            }
        })?;
        f.write_str(" (RFC 6455 §3)")
    }
}

impl core::error::Error for UriError {}
