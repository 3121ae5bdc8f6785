//! The request for a tunnel through an HTTP proxy (RFC 9110 §9.3.6), and the answer to it.
//!
//! The password for the proxy must not be printed, so an error about its address does not contain
//! the address.

use core::fmt;
use core::str::FromStr;

use crate::handshake::http::uri::{Authority, decode_authority, host_and_port};
use crate::handshake::http::{HttpError, Request, Response, Uri};
use crate::handshake::key;

/// The port of a proxy whose address has none (RFC 9110 §4.2.1).
const DEFAULT_PORT: u16 = 80;

/// An HTTP proxy, which opens a tunnel to a server when a client sends `CONNECT` (RFC 6455 §4.1,
/// RFC 9110 §9.3.6).
///
/// It is parsed from a URI: `http://name:password@host:port`. Only the host is mandatory. The name
/// and the password are for Basic authorization, and the default port is 80.
///
/// ```
/// use tightwire::handshake::{HeadLimits, Proxy, Response, Uri};
///
/// let proxy: Proxy = "http://edna:secret@proxy.example.com:3128".parse()?;
/// let uri: Uri = "ws://server.example.com/chat".parse()?;
/// let mut request = Vec::new();
/// proxy.encode_request(&uri, &mut request);
/// assert!(request.starts_with(b"CONNECT server.example.com:80 HTTP/1.1\r\n"));
///
/// let bytes = b"HTTP/1.1 200 Connection established\r\n\r\n";
/// let decoded = Response::decode(bytes, &HeadLimits::default())?;
/// let (response, _) = decoded.expect("a complete head");
/// assert!(Proxy::opens_tunnel(&response)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// Decoded: name, colon, password.
    userinfo: Option<Vec<u8>>,
}

impl Proxy {
    /// Returns the name or address of the proxy. An IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port of the proxy.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Appends to `out` the request for a tunnel to the server of `uri`. It contains the name and
    /// the password for the proxy, if there are any.
    pub fn encode_request(&self, uri: &Uri, out: &mut Vec<u8>) {
        // The port is required even if it is the default (RFC 9112 §3.2.3).
        let server = host_and_port(uri.host(), uri.port());
        let mut request = Request::new("CONNECT", server.as_str());
        let headers = request.headers_mut();
        headers.push("Host", server);
        if let Some(userinfo) = &self.userinfo {
            headers.push("Proxy-Authorization", format!("Basic {}", key::encode(userinfo)));
        }
        request.encode(out);
    }

    /// Returns whether this response opens the tunnel. If not, it is an interim response, and
    /// another one follows (RFC 9110 §15.2).
    ///
    /// [`Response::decode`] decodes the response. The tunnel begins directly after the head of a
    /// 2xx response, even if the head announces a body.
    ///
    /// # Errors
    ///
    /// `Refused` for every other status.
    pub fn opens_tunnel(response: &Response) -> Result<bool, ProxyError> {
        match response.status() {
            200..=299 => Ok(true),
            // We asked for no other protocol, so the proxy cannot switch to one.
            100 | 102..=199 => Ok(false),
            _ => Err(ProxyError::Refused(Box::new(response.clone()))),
        }
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let is_socks = scheme.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("socks"));
        if is_socks || scheme.eq_ignore_ascii_case("https") {
            return Err(ProxyError::Unsupported);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if !scheme.eq_ignore_ascii_case("http") || authority.contains(['/', '?', '#']) {
            return Err(ProxyError::Uri);
        }
        let decoded = decode_authority(authority, DEFAULT_PORT);
        let Authority { userinfo, host, port } = decoded.map_err(|_| ProxyError::Uri)?;
        Ok(Self { host, port, userinfo })
    }
}

/// Formats the address without the name and the password, because it ends up in logs.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", host_and_port(&self.host, self.port))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// The reason why a proxy opens no tunnel. Nothing was sent to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The address of the proxy is malformed. It is not given here, because it may contain a
    /// password.
    Uri,
    /// The proxy uses TLS (`https:`) or SOCKS, which this crate does not support.
    Unsupported,
    /// The head of the proxy's response is not acceptable HTTP.
    Http(HttpError),
    /// The proxy answered with a status other than 2xx: 407 if it requires a name and a password,
    /// and usually 502 to 504 if it could not reach the server. The response contains the start of
    /// its body.
    Refused(Box<Response>),
    /// The proxy sent bytes after its response. They cannot come from the server, which sends
    /// nothing before it gets a request.
    EarlyBytes,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri => f.write_str(
                "the address of a proxy is http://[name:password@]host[:port]; percent-encode \
                 special characters in the name and the password",
            ),
            Self::Unsupported => {
                f.write_str("only http:// proxies are supported, neither https:// nor SOCKS")
            }
            Self::Http(error) => error.fmt(f),
            Self::Refused(response) => {
                write!(f, "it answered CONNECT with status {}", response.status())?;
                match response.status() {
                    407 => f.write_str(": it requires a name and a password, or different ones"),
                    _ => Ok(()),
                }
            }
            Self::EarlyBytes => f.write_str("it sent bytes before the server could send any"),
        }
    }
}

/// An error inside this one prints itself, so `source` does not return it.
impl core::error::Error for ProxyError {}

impl From<HttpError> for ProxyError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}
