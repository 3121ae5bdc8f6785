//! The client side of the opening handshake (RFC 6455 §4.1): the request, and the verification of
//! the response.
//!
//! The program can add header fields, but none that the handshake sets itself, and none that would
//! give the request a body. Extensions and subprotocols in the response must have been offered.

use std::fmt;

use crate::deflate::{self, DeflateConfig, Params};

use super::error::{HandshakeError, owned_by_handshake};
use super::extension::{Extension, ExtensionSyntaxError};
use super::http::{Headers, Request, Response, Uri, debug_fields, grammar};
use super::key::{Key, accept_value};
use super::negotiated::Negotiated;

/// The options of a client's request: header fields, subprotocols, an origin, extensions and
/// compression (RFC 6455 §4.1).
///
/// ```
/// use tightwire::handshake::Offer;
///
/// let offer = Offer::new().header("Cookie", "a=b").subprotocols(["chat.v2", "chat"]);
/// assert_eq!(offer.get_subprotocols(), ["chat.v2", "chat"]);
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Offer {
    headers: Vec<(String, String)>,
    subprotocols: Vec<String>,
    origin: Option<String>,
    extensions: Vec<Extension>,
    deflate: Vec<DeflateConfig>,
}

impl Offer {
    /// Creates an offer without options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header field to the request, such as `Cookie`. [`ClientHandshake::new`] refuses a
    /// field that cannot be sent, or that the handshake sets itself.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the subprotocols to choose from, the preferred one first (RFC 6455 §1.9).
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the origin of the code that connects. Browsers must send one, other clients may
    /// (RFC 6455 §4.1).
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets the extensions to offer, the preferred one first (RFC 6455 §9.1). The caller must
    /// implement them.
    pub fn extensions(mut self, extensions: impl IntoIterator<Item = Extension>) -> Self {
        self.extensions = extensions.into_iter().collect();
        self
    }

    /// Sets the offers of permessage-deflate, the preferred one first (RFC 7692 §5). Without the
    /// feature `deflate`, this crate cannot decompress the messages of a server that accepts one.
    pub fn deflate(mut self, configs: impl IntoIterator<Item = DeflateConfig>) -> Self {
        self.deflate = configs.into_iter().collect();
        self
    }

    /// Returns the names and values of the added fields, in order.
    pub fn get_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the subprotocols, the preferred one first.
    #[must_use]
    pub fn get_subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Returns the origin, if one was set.
    #[must_use]
    pub fn get_origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Returns the extensions that the caller implements, the preferred one first.
    #[must_use]
    pub fn get_extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Returns the offers of permessage-deflate, the preferred one first.
    pub fn get_deflate(&self) -> &[DeflateConfig] {
        &self.deflate
    }
}

/// Hides passwords and cookies, because `Debug` output ends up in logs.
impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Fields<'a>(&'a [(String, String)]);
        impl fmt::Debug for Fields<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                debug_fields(self.0, f)
            }
        }
        let Self { headers, subprotocols, origin, extensions, deflate } = self;
        f.debug_struct("Offer")
            .field("headers", &Fields(headers))
            .field("subprotocols", subprotocols)
            .field("origin", origin)
            .field("extensions", extensions)
            .field("deflate", deflate)
            .finish()
    }
}

/// The client side of an opening handshake (RFC 6455 §4.1): it has the request, and verifies the
/// response.
///
/// ```
/// use tightwire::handshake::{ClientHandshake, HeadLimits, Key, Offer, Response, Uri};
///
/// let uri: Uri = "ws://server.example.com/chat".parse()?;
/// let key = Key::new(*b"the sample nonce"); // a real one is random
/// let handshake = ClientHandshake::new(&uri, &Offer::new(), key)?;
/// let mut request = Vec::new();
/// handshake.encode(&mut request);
/// assert!(request.starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"));
///
/// let bytes = b"HTTP/1.1 101 Switching Protocols\r\n\
///     Upgrade: websocket\r\n\
///     Connection: Upgrade\r\n\
///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// let (response, _) = Response::decode(bytes, &HeadLimits::default())?.expect("a complete head");
/// let negotiated = handshake.verify(&response)?;
/// assert_eq!(negotiated.subprotocol, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientHandshake {
    request: Request,
    subprotocols: Vec<String>,
    extensions: Vec<String>,
    deflate: Vec<DeflateConfig>,
    accept: String,
}

impl ClientHandshake {
    /// Creates a handshake that asks for the resource of `uri`. The key must be random, and new for
    /// each connection.
    ///
    /// # Errors
    ///
    /// `Header`, `OwnedHeader`, `Subprotocol`, `RepeatedSubprotocol` or `Extensions` for an offer
    /// that cannot be sent.
    pub fn new(uri: &Uri, offer: &Offer, key: Key) -> Result<Self, HandshakeError> {
        check_subprotocols(&offer.subprotocols)?;
        let key = key.encoded();
        let mut request = Request::new("GET", uri.resource_name());
        let headers = request.headers_mut();
        headers.push("Host", uri.authority());
        headers.push("Upgrade", "websocket");
        headers.push("Connection", "Upgrade");
        headers.push("Sec-WebSocket-Key", key.as_str());
        if let Some(origin) = &offer.origin {
            headers.append("Origin", origin)?;
        }
        if !offer.subprotocols.is_empty() {
            headers.push("Sec-WebSocket-Protocol", offer.subprotocols.join(", "));
        }
        headers.push("Sec-WebSocket-Version", "13");
        let mut extensions: Vec<_> = offer.deflate.iter().map(Extension::offer_deflate).collect();
        extensions.extend_from_slice(&offer.extensions);
        if !extensions.is_empty() {
            headers.push("Sec-WebSocket-Extensions", encode_extensions(&extensions)?);
        }
        for (name, value) in offer.get_headers() {
            let repeats_origin = offer.origin.is_some() && name.eq_ignore_ascii_case("Origin");
            if repeats_origin || name.eq_ignore_ascii_case("Host") || owned_by_handshake(name) {
                return Err(HandshakeError::OwnedHeader(name.to_owned()));
            }
            headers.append(name, value)?;
        }
        // A field from the caller has precedence over the URI.
        if let (None, Some(value)) = (headers.get("Authorization"), uri.authorization()) {
            headers.push("Authorization", value);
        }
        Ok(Self {
            request,
            subprotocols: offer.subprotocols.clone(),
            extensions: extensions.into_iter().map(|extension| extension.name).collect(),
            deflate: offer.deflate.clone(),
            accept: accept_value(&key),
        })
    }

    /// Returns the request.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Appends the request to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.request.encode(out);
    }

    /// Verifies that a response opens the connection, and returns what was negotiated.
    ///
    /// # Errors
    ///
    /// `Refused` for any status except 101; otherwise the rule that the response breaks.
    pub fn verify(&self, response: &Response) -> Result<Negotiated, HandshakeError> {
        // The checks of §4.1, in its order.
        if response.status() != 101 {
            return Err(HandshakeError::Refused(Box::new(response.clone())));
        }
        let headers = response.headers();
        let upgrade = headers.single("Upgrade")?.ok_or(HandshakeError::Missing("Upgrade"))?;
        if !upgrade.eq_ignore_ascii_case("websocket") {
            return Err(HandshakeError::Invalid("Upgrade"));
        }
        if headers.get("Connection").is_none() {
            return Err(HandshakeError::Missing("Connection"));
        }
        if !headers.has_token("Connection", "Upgrade") {
            return Err(HandshakeError::Invalid("Connection"));
        }
        let accept = headers.single("Sec-WebSocket-Accept")?;
        if accept.ok_or(HandshakeError::Missing("Sec-WebSocket-Accept"))? != self.accept {
            return Err(HandshakeError::Invalid("Sec-WebSocket-Accept"));
        }
        let extensions = self.judge_extensions(headers)?;
        let deflate = self.judge_deflate(&extensions)?;
        let subprotocol = self.judge_subprotocol(headers)?;
        Ok(Negotiated { subprotocol, extensions, deflate })
    }

    /// Verifies that all extensions were offered. They may be in several fields (erratum 3433).
    fn judge_extensions(&self, headers: &Headers) -> Result<Vec<Extension>, HandshakeError> {
        let extensions = Extension::decode_list(headers.get_all("Sec-WebSocket-Extensions"))?;
        match extensions.iter().find(|extension| !self.extensions.contains(&extension.name)) {
            Some(extension) => Err(HandshakeError::UnofferedExtension(extension.name.clone())),
            None => Ok(extensions),
        }
    }

    /// Verifies the parameters of permessage-deflate. The response does not name the offer that the
    /// server took, so they must fit any one of them (RFC 7692 §5).
    fn judge_deflate(&self, extensions: &[Extension]) -> Result<Option<Params>, HandshakeError> {
        let mut answers =
            extensions.iter().filter(|extension| extension.name == deflate::EXTENSION);
        let (Some(answer), false) = (answers.next(), self.deflate.is_empty()) else {
            return Ok(None);
        };
        if answers.next().is_some() {
            // Both would use the same reserved bit (RFC 7692 §5).
            return Err(HandshakeError::RepeatedExtension(answer.name.clone()));
        }
        let mut outcome = Ok(None);
        for config in &self.deflate {
            match Params::verify(config, &answer.params) {
                Ok(params) => return Ok(Some(params)),
                // The error is about the preferred offer.
                Err(error) if outcome.is_ok() => outcome = Err(error.into()),
                Err(_) => {}
            }
        }
        outcome
    }

    /// Verifies that the subprotocol was offered, if there is one.
    fn judge_subprotocol(&self, headers: &Headers) -> Result<Option<String>, HandshakeError> {
        let Some(name) = headers.single("Sec-WebSocket-Protocol")? else {
            return Ok(None);
        };
        if !self.subprotocols.iter().any(|offered| offered == name) {
            return Err(HandshakeError::UnofferedSubprotocol(name.to_owned()));
        }
        Ok(Some(name.to_owned()))
    }
}

/// Checks that all names are tokens, and different (§4.1).
fn check_subprotocols(names: &[String]) -> Result<(), HandshakeError> {
    let mut seen = Vec::new();
    for name in names {
        if !grammar::is_token(name) {
            return Err(HandshakeError::Subprotocol(name.clone()));
        }
        if seen.contains(&name) {
            return Err(HandshakeError::RepeatedSubprotocol(name.clone()));
        }
        seen.push(name);
    }
    Ok(())
}

/// Encodes the value of the field that offers these extensions.
fn encode_extensions(extensions: &[Extension]) -> Result<String, HandshakeError> {
    let list: Vec<_> = extensions.iter().map(ToString::to_string).collect();
    let value = list.join(", ");
    // The caller chooses names and values freely. The peer must read the same list from them.
    let read = Extension::decode_list([value.as_str()])?;
    if read == extensions { Ok(value) } else { Err(ExtensionSyntaxError.into()) }
}
