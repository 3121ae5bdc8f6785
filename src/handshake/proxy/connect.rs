use core::fmt;
use core::str::FromStr;

use crate::handshake::http::uri::{Authority, decode_authority, host_and_port};
use crate::handshake::http::{HttpError, Request, Response, Uri};
use crate::handshake::key;

/// The port of a proxy whose address names none (RFC 9110 §4.2.1).
const DEFAULT_PORT: u16 = 80;

/// An HTTP proxy, which opens a tunnel to a server when it is asked with `CONNECT` (§4.1,
/// RFC 9110 §9.3.6).
///
/// It is made of a URI, `http://host:port`, in which a name and a password for Basic
/// authorization may stand before the host. The scheme may be left out, and so may the port,
/// which is 80 then.
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
/// let (response, _) = decoded.expect("it is whole");
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
    /// The name or address of the proxy; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of the proxy.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Appends to `out` the request for a tunnel to the server of `uri`. It holds the password
    /// for the proxy, if there is one.
    pub fn encode_request(&self, uri: &Uri, out: &mut Vec<u8>) {
        // The port is there even if it is the scheme's own (RFC 9112 §3.2.3).
        let server = host_and_port(uri.host(), uri.port());
        let mut request = Request::new("CONNECT", server.as_str());
        let headers = request.headers_mut();
        headers.push("Host", server);
        if let Some(userinfo) = &self.userinfo {
            headers.push("Proxy-Authorization", format!("Basic {}", key::encode(userinfo)));
        }
        request.encode(out);
    }

    /// Whether the tunnel is open, after this response, which [`Response::decode`] reads. If not,
    /// the response is an interim one, and another follows (RFC 9110 §15.2).
    ///
    /// The tunnel begins right behind the head of a 2xx, whatever the head says of a body.
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

/// Without name and password: it ends up in logs.
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

/// Why a proxy opens no tunnel. The server has not heard of us.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The address of the proxy is malformed. It is not given here, since it may hold a
    /// password.
    Uri,
    /// The proxy is one with TLS (`https:`) or with SOCKS, which we do not speak.
    Unsupported,
    /// The head of the proxy's response is not the HTTP that we take.
    Http(HttpError),
    /// The proxy answered with another status than 2xx: 407 if it wants to know who we are,
    /// mostly 502 to 504 if it could not reach the server. The response holds the start of its
    /// body.
    Refused(Box<Response>),
    /// The proxy sent bytes behind its response, which cannot be the server's: that one speaks
    /// when it is spoken to.
    EarlyBytes,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri => f.write_str(
                "the address of a proxy is http://[name:password@]host[:port], with what is \
                 special in the name and the password percent-encoded",
            ),
            Self::Unsupported => {
                f.write_str("no proxy but http:// is supported, neither https:// nor SOCKS")
            }
            Self::Http(error) => error.fmt(f),
            Self::Refused(response) => {
                write!(f, "it answered CONNECT with status {}", response.status())?;
                match response.status() {
                    407 => f.write_str(": it wants to know a name and a password, or others"),
                    _ => Ok(()),
                }
            }
            Self::EarlyBytes => f.write_str("it sent bytes before the server can have"),
        }
    }
}

/// An error inside prints itself in place of this one, so it is not a source as well.
impl core::error::Error for ProxyError {}

impl From<HttpError> for ProxyError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}
