//! Checks of the origin (RFC 6455 §10.2) and of the credentials (§10.5) in a request.
//!
//! Tricky: credentials are compared in constant time, and an `Authorization` field that is repeated
//! is not used at all.

use core::fmt;
use core::hint::black_box;

use super::http::{Request, grammar};
use super::key;
use super::server::Upgrade;
use crate::excerpt::excerpt;

impl Upgrade<'_> {
    /// Returns whether the request has one of these origins, or has none, as from a program that is
    /// not a browser (RFC 6455 §10.2).
    ///
    /// An element with a scheme, such as `https://example.com:8443`, is an origin as browsers send
    /// it. An element without one, such as `example.com`, is a host, with any scheme and port. Case
    /// does not matter.
    ///
    /// This keeps out the scripts of other sites, with whose requests a browser would send the
    /// user's cookies (cross-site WebSocket hijacking). It does not replace authentication, because
    /// a program that is not a browser can send any origin or none.
    pub fn is_from(&self, allowed: &[impl AsRef<str>]) -> bool {
        self.request().is_from(allowed)
    }
}

impl Request {
    /// Works like [`Upgrade::origin`], for a request that need not be a valid handshake.
    pub(crate) fn origin(&self) -> Option<String> {
        self.headers().get("Origin").map(str::to_ascii_lowercase)
    }

    /// Works like [`Upgrade::is_from`], for a request that need not be a valid handshake.
    pub(crate) fn is_from(&self, allowed: &[impl AsRef<str>]) -> bool {
        let Some(origin) = self.origin() else { return true };
        let host = origin.split_once("://").map(|(_, authority)| host(authority));
        allowed.iter().map(AsRef::as_ref).any(|allowed| match allowed.contains("://") {
            true => allowed.eq_ignore_ascii_case(&origin),
            false => host.is_some_and(|host| allowed.eq_ignore_ascii_case(host)),
        })
    }

    /// Returns whether the request has this name and password as Basic authorization (RFC 7617).
    ///
    /// The time that it takes does not depend on where a wrong password differs from the right one.
    ///
    /// ```
    /// use tightwire::Acceptor;
    /// use tightwire::handshake::{AcceptOptions, Answer, Response};
    ///
    /// let acceptor = Acceptor::new().on_request(|request| {
    ///     if request.is_authorized_as("Aladdin", "open sesame") {
    ///         return Answer::Upgrade(AcceptOptions::new());
    ///     }
    ///     let mut refusal = Response::new(401);
    ///     let challenge = r#"Basic realm="cave", charset="UTF-8""#;
    ///     let _ = refusal.headers_mut().append("WWW-Authenticate", challenge);
    ///     refusal.into()
    /// });
    /// ```
    #[must_use]
    pub fn is_authorized_as(&self, name: &str, password: &str) -> bool {
        let expected = format!("{name}:{password}");
        self.credentials("Basic")
            .and_then(key::decode)
            .is_some_and(|given| is_same(&given, expected.as_bytes()))
    }

    /// Returns whether the request has this bearer token (RFC 6750 §2.1).
    ///
    /// The time that it takes does not depend on where a wrong token differs from the right one.
    ///
    /// ```
    /// use tightwire::Acceptor;
    /// use tightwire::handshake::{AcceptOptions, Answer, Response};
    ///
    /// let acceptor = Acceptor::new().on_request(|request| {
    ///     if request.is_bearer("0123456789") {
    ///         return Answer::Upgrade(AcceptOptions::new());
    ///     }
    ///     let mut refusal = Response::new(401);
    ///     let _ = refusal.headers_mut().append("WWW-Authenticate", "Bearer");
    ///     refusal.into()
    /// });
    /// ```
    #[must_use]
    pub fn is_bearer(&self, token: &str) -> bool {
        // If `token` is empty by mistake, an empty credential must not let everybody in.
        let given = self.credentials("Bearer").filter(|given| !given.is_empty());
        given.is_some_and(|given| is_same(given.as_bytes(), token.as_bytes()))
    }

    /// Returns the credentials of this scheme in the only `Authorization` field (RFC 9110 §11.4).
    fn credentials(&self, scheme: &str) -> Option<&str> {
        let value = self.headers().single("Authorization").ok()??;
        let (given, credentials) = value.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| credentials.trim_start_matches(' '))
    }

    /// Returns the value of the cookie with this name, without quotes around it (RFC 6265 §4.2).
    ///
    /// Of several cookies with the same name, the first counts. Browsers send the one with the
    /// longest path first.
    ///
    /// ```
    /// use tightwire::handshake::Request;
    ///
    /// let fields = [("Cookie", "theme=dark; session=31d4d96e407aad42")];
    /// let request = Request::from_parts("GET", "/", fields)?;
    /// assert_eq!(request.cookie("session")?, Some("31d4d96e407aad42"));
    /// assert_eq!(request.cookie("Session")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidCookie` if the value contains a character that a cookie cannot have. Other cookies
    /// of the request are not checked.
    pub fn cookie(&self, name: &str) -> Result<Option<&str>, InvalidCookie> {
        let pairs = self.headers().get_all("Cookie").flat_map(|field| field.split(';'));
        let mut named = pairs.filter_map(|pair| {
            let (given, value) = pair.split_once('=')?;
            (grammar::trim(given) == name).then(|| grammar::trim(value))
        });
        let Some(value) = named.next() else { return Ok(None) };
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = unquoted.unwrap_or(value);
        if value.bytes().all(is_cookie_byte) {
            Ok(Some(value))
        } else {
            Err(InvalidCookie { name: name.to_owned() })
        }
    }
}

/// Returns whether the value of a cookie may contain this byte (RFC 6265 §4.1.1).
const fn is_cookie_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// The error for a cookie whose value contains a character that cookies cannot have. See
/// [`Request::cookie`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidCookie {
    /// The name of the cookie.
    pub name: String,
}

impl fmt::Display for InvalidCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = excerpt(&self.name);
        write!(f, "the value of the cookie {name} contains a character that must be encoded")?;
        f.write_str(" (RFC 6265 §4.1.1)")
    }
}

impl core::error::Error for InvalidCookie {}

/// Returns the host of `host[:port]`. An IPv6 address keeps its brackets.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Compares in a time that depends only on the length of `given`.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    let mut differs = u8::from(given.len() != expected.len());
    for (i, byte) in given.iter().enumerate() {
        differs |= byte ^ expected.get(i).copied().unwrap_or(!byte);
    }
    black_box(differs) == 0
}
