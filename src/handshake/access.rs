//! Who may connect, as far as the request tells: the checks of §10.2 and §10.5.

use core::hint::black_box;

use super::http::Request;
use super::key;
use super::server::Upgrade;

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
        let Ok(Some(value)) = self.headers().single("Authorization") else { return false };
        let Some((scheme, token)) = value.split_once(' ') else { return false };
        if !scheme.eq_ignore_ascii_case("Basic") {
            return false;
        }
        let expected = format!("{name}:{password}");
        key::decode(token.trim_start_matches(' '))
            .is_some_and(|given| is_same(&given, expected.as_bytes()))
    }
}

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
