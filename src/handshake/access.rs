//! Who may connect, as far as the request tells: the checks of §10.2 and §10.5.

use core::fmt;
use core::hint::black_box;

use super::http::{Request, grammar};
use super::key;
use super::server::Upgrade;
use crate::excerpt::excerpt;

impl Upgrade<'_> {
    /// Whether the request comes from one of these origins, or from no browser (§10.2).
    ///
    /// An element with a scheme, as `https://example.com:8443`, is an origin as browsers send
    /// it. One without, as `example.com`, is a host, whatever the scheme and the port. Case does
    /// not matter.
    ///
    /// It keeps the scripts of other sites out, which a browser would send the user's cookies
    /// for. Programs that are no browsers need send no origin, or may send a false one, so it
    /// takes the place of no authentication.
    pub fn is_from(&self, allowed: &[impl AsRef<str>]) -> bool {
        self.request().is_from(allowed)
    }
}

impl Request {
    /// As [`Upgrade::origin`], for a request that may not be one for a WebSocket.
    pub(crate) fn origin(&self) -> Option<String> {
        self.headers().get("Origin").map(str::to_ascii_lowercase)
    }

    /// As [`Upgrade::is_from`], for a request that may not be one for a WebSocket.
    pub(crate) fn is_from(&self, allowed: &[impl AsRef<str>]) -> bool {
        let Some(origin) = self.origin() else { return true };
        let host = origin.split_once("://").map(|(_, authority)| host(authority));
        allowed.iter().map(AsRef::as_ref).any(|allowed| match allowed.contains("://") {
            true => allowed.eq_ignore_ascii_case(&origin),
            false => host.is_some_and(|host| allowed.eq_ignore_ascii_case(host)),
        })
    }

    /// Whether the request carries this name and password as Basic authorization (RFC 7617).
    ///
    /// How long it takes tells nothing about where a wrong password differs from the right one.
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

    /// Whether the request carries this bearer token (RFC 6750 §2.1).
    ///
    /// How long it takes tells nothing about where a wrong token differs from the right one.
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
        // An empty one would let everybody in who says "Bearer".
        let given = self.credentials("Bearer").filter(|given| !given.is_empty());
        given.is_some_and(|given| is_same(given.as_bytes(), token.as_bytes()))
    }

    /// What the one `Authorization` field says in this scheme (RFC 9110 §11.4).
    fn credentials(&self, scheme: &str) -> Option<&str> {
        let value = self.headers().single("Authorization").ok()??;
        let (given, credentials) = value.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| credentials.trim_start_matches(' '))
    }

    /// The value of the cookie with this name, without quotes around it (RFC 6265 §4.2). Of
    /// several with the same name the first counts, which browsers choose for the longest path.
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
    /// `InvalidCookie` if the value holds a character that a cookie cannot have. Other cookies of
    /// the request are not looked at.
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

/// A character of a cookie's value (RFC 6265 §4.1.1).
const fn is_cookie_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// A cookie whose value holds a character that cookies cannot have: see [`Request::cookie`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidCookie {
    /// The name of the cookie.
    pub name: String,
}

impl fmt::Display for InvalidCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = excerpt(&self.name);
        write!(f, "the value of the cookie {name} holds a character that has to be encoded")?;
        f.write_str(" (RFC 6265 §4.1.1)")
    }
}

impl core::error::Error for InvalidCookie {}

/// The host of `host[:port]`; an IPv6 address keeps its brackets.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Compares in a time that depends on what is given alone.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    let mut differs = u8::from(given.len() != expected.len());
    for (i, byte) in given.iter().enumerate() {
        differs |= byte ^ expected.get(i).copied().unwrap_or(!byte);
    }
    black_box(differs) == 0
}
