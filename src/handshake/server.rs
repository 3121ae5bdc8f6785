//! The server side of the opening handshake (RFC 6455 §4.2): the validation of a request, and the
//! response to it.
//!
//! An [`Upgrade`] proves that a request is valid, because [`Upgrade::from_request`] is the only way
//! to create one. Every rule that a request can break has its status in `error`.

use crate::deflate::{self, DeflateConfig, Params};

use super::error::{HandshakeError, Rejection, owned_by_handshake};
use super::extension::Extension;
use super::http::request::asks_for_websocket;
use super::http::{Headers, Request, Response, grammar, uri};
use super::key::{accept_value, is_encoded_key};
use super::negotiated::Negotiated;

/// Options for accepting a handshake: more header fields, a subprotocol, compression.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AcceptOptions {
    headers: Vec<(String, String)>,
    subprotocol: Option<String>,
    deflate: Option<DeflateConfig>,
}

impl AcceptOptions {
    /// Creates options that add nothing to the response.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header field to the response. If it cannot be sent, or if the handshake sets it
    /// itself, the client gets status 500 instead.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Selects this subprotocol. If the client did not offer it, it gets status 500 instead.
    pub fn subprotocol(self, name: impl Into<String>) -> Self {
        Self { subprotocol: Some(name.into()), ..self }
    }

    /// Agrees to compress messages, if the client makes an acceptable offer (RFC 7692 §5). Without
    /// the feature `deflate`, this crate cannot decompress the messages of such a client.
    pub fn deflate(self, config: DeflateConfig) -> Self {
        self.with_deflate(Some(config))
    }

    pub(crate) fn with_deflate(self, deflate: Option<DeflateConfig>) -> Self {
        Self { deflate, ..self }
    }

    /// Returns the configuration of compression, if one was set.
    #[must_use]
    pub const fn chosen_deflate(&self) -> Option<&DeflateConfig> {
        self.deflate.as_ref()
    }

    /// Returns the subprotocol, if one was selected.
    #[must_use]
    pub fn chosen_subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }
}

/// The answer to a request, from [`Acceptor::on_request`](crate::Acceptor::on_request).
#[derive(Clone, Debug)]
#[must_use]
pub enum Answer {
    /// Open a WebSocket connection, if the request is a valid opening handshake.
    Upgrade(AcceptOptions),
    /// Send this response, and close the connection: a page, a redirect, or a refusal.
    Respond(Response),
}

impl From<AcceptOptions> for Answer {
    fn from(options: AcceptOptions) -> Self {
        Self::Upgrade(options)
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}

/// A request that is known to be a valid opening handshake (RFC 6455 §4.2.1).
///
/// ```
/// use tightwire::handshake::{AcceptOptions, Request, Upgrade};
///
/// let mut request = Request::new("GET", "/chat");
/// for (name, value) in [
///     ("Host", "server.example.com"),
///     ("Upgrade", "websocket"),
///     ("Connection", "keep-alive, Upgrade"),
///     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Version", "13"),
///     ("Sec-WebSocket-Protocol", "chat, superchat"),
/// ] {
///     request.headers_mut().append(name, value)?;
/// }
/// let upgrade = Upgrade::from_request(&request).map_err(|rejection| rejection.into_error())?;
/// let mut accept = AcceptOptions::new();
/// if let Some(name) = upgrade.select_subprotocol(&["superchat"]) {
///     accept = accept.subprotocol(name);
/// }
/// let outcome = upgrade.accept(&accept);
/// let (response, negotiated) = outcome.map_err(|rejection| rejection.into_error())?;
/// assert_eq!(response.status(), 101);
/// assert_eq!(negotiated.subprotocol.as_deref(), Some("superchat"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Upgrade<'a> {
    request: &'a Request,
    key: &'a str,
    subprotocols: Vec<&'a str>,
    extensions: Vec<Extension>,
}

impl<'a> Upgrade<'a> {
    /// Validates a request.
    ///
    /// # Errors
    ///
    /// A rejection with the broken rule and the response to send. The status is 405 for a method
    /// other than GET, 426 for a request that does not ask for WebSocket or asks for another
    /// version, and 400 otherwise.
    pub fn from_request(request: &'a Request) -> Result<Self, Rejection> {
        Ok(Self::verify(request)?)
    }

    fn verify(request: &'a Request) -> Result<Self, HandshakeError> {
        let headers = request.headers();
        // 1. HTTP/1.1 requires a valid host.
        check_host(request)?;
        // 2. Does it ask for an upgrade to WebSocket?
        if !asks_for_websocket(headers) {
            return Err(HandshakeError::NoUpgrade);
        }
        if request.method() != "GET" {
            return Err(HandshakeError::Method);
        }
        if headers.get("Transfer-Encoding").is_some() {
            return Err(HandshakeError::Body);
        }
        if headers.get_all("Content-Length").any(|len| len != "0") {
            return Err(HandshakeError::Body);
        }
        // 3. The fields of §4.2.1.
        let version = headers.single("Sec-WebSocket-Version")?;
        if version.ok_or(HandshakeError::Missing("Sec-WebSocket-Version"))? != "13" {
            return Err(HandshakeError::Version);
        }
        let key = headers.single("Sec-WebSocket-Key")?;
        let key = key.ok_or(HandshakeError::Missing("Sec-WebSocket-Key"))?;
        if !is_encoded_key(key) {
            return Err(HandshakeError::Invalid("Sec-WebSocket-Key"));
        }
        headers.single("Origin")?;
        let subprotocols = decode_subprotocols(headers)?;
        let extensions = Extension::decode_list(headers.get_all("Sec-WebSocket-Extensions"))?;
        Ok(Self { request, key, subprotocols, extensions })
    }

    /// Returns the request.
    #[must_use]
    pub const fn request(&self) -> &'a Request {
        self.request
    }

    /// Returns the subprotocols that the client offers, its preferred one first.
    #[must_use]
    pub fn subprotocols(&self) -> &[&'a str] {
        &self.subprotocols
    }

    /// Returns the extensions that the client offers, its preferred one first.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Returns the origin of the code that connects, in lower case (RFC 6455 §4.2.2). Browsers send
    /// the true origin. Other clients can send any origin or none (RFC 6455 §10.2).
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.request.origin()
    }

    /// Returns the first of these subprotocols that the client offers.
    pub fn select_subprotocol(&self, supported: &[impl AsRef<str>]) -> Option<&'a str> {
        let mut supported = supported.iter().map(AsRef::as_ref);
        supported.find_map(|name| self.subprotocols.iter().copied().find(|&o| o == name))
    }

    /// Creates the response that opens the connection (RFC 6455 §4.2.2), and returns it with the
    /// options that it agrees to.
    ///
    /// # Errors
    ///
    /// A rejection with status 500 if `accept` has a subprotocol that was not offered, or a header
    /// field that cannot be sent.
    pub fn accept(&self, accept: &AcceptOptions) -> Result<(Response, Negotiated), Rejection> {
        let mut response = Response::new(101);
        let headers = response.headers_mut();
        headers.push("Upgrade", "websocket");
        headers.push("Connection", "Upgrade");
        headers.push("Sec-WebSocket-Accept", accept_value(self.key));
        if let Some(name) = accept.chosen_subprotocol() {
            if !self.subprotocols.contains(&name) {
                let error = HandshakeError::UnofferedSubprotocol(name.to_owned());
                return Err(Rejection::own_fault(error));
            }
            headers.push("Sec-WebSocket-Protocol", name);
        }
        let taken = accept.deflate.as_ref().and_then(|config| self.select_deflate(config));
        let (extensions, deflate) = match taken {
            Some((extension, params)) => (vec![extension], Some(params)),
            None => (Vec::new(), None),
        };
        for extension in &extensions {
            headers.push("Sec-WebSocket-Extensions", extension.to_string());
        }
        for (name, value) in &accept.headers {
            if owned_by_handshake(name) {
                return Err(Rejection::own_fault(HandshakeError::OwnedHeader(name.clone())));
            }
            headers.append(name, value).map_err(|error| Rejection::own_fault(error.into()))?;
        }
        let subprotocol = accept.subprotocol.clone();
        Ok((response, Negotiated { subprotocol, extensions, deflate }))
    }

    /// Returns the answer to the first acceptable offer of permessage-deflate. Other offers are
    /// declined by leaving them unanswered (RFC 7692 §7).
    fn select_deflate(&self, config: &DeflateConfig) -> Option<(Extension, Params)> {
        let mut offers = self.extensions.iter().filter(|offer| offer.name == deflate::EXTENSION);
        offers.find_map(|offer| {
            let (negotiated, params) = Params::accept(config, &offer.params).ok()?;
            Some((Extension { name: offer.name.clone(), params }, negotiated))
        })
    }
}

/// Checks that there is exactly one valid `Host` field, as HTTP/1.1 requires (RFC 9112 §3.2).
pub(crate) fn check_host(request: &Request) -> Result<(), HandshakeError> {
    let host = request.headers().single("Host")?.ok_or(HandshakeError::Missing("Host"))?;
    if uri::is_authority(host) { Ok(()) } else { Err(HandshakeError::Invalid("Host")) }
}

/// Decodes the names in all `Sec-WebSocket-Protocol` fields. A field without one is malformed
/// (§4.3).
fn decode_subprotocols(headers: &Headers) -> Result<Vec<&str>, HandshakeError> {
    const NAME: &str = "Sec-WebSocket-Protocol";
    let mut names = Vec::new();
    for value in headers.get_all(NAME) {
        let before = names.len();
        for name in grammar::elements(value) {
            if !grammar::is_token(name) {
                return Err(HandshakeError::Invalid(NAME));
            }
            names.push(name);
        }
        if names.len() == before {
            return Err(HandshakeError::Invalid(NAME));
        }
    }
    Ok(names)
}
