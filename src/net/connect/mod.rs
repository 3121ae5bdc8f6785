//! Opening connections (§4.1): a URI becomes a TCP stream, then TLS if the URI asks for it, then
//! the opening handshake. All of this shares one deadline.
//!
//! `dial` finds the addresses of a host and connects to one. `proxy` opens a tunnel instead.
//! `serialize` lets only one client at a time connect to the same server, for programs that must
//! follow this rule of the RFC. Then the bytes go through
//! [`ClientHandshake`](crate::handshake::ClientHandshake), which does no I/O.

mod dial;
mod proxy;
mod serialize;

use std::io;
use std::net::TcpStream;
#[cfg(feature = "tls")]
use std::sync::Arc;

use self::serialize::{Connecting, Serialize};
use super::connection::Options;
use super::deadline::Deadline;
use super::tls::ClientTls;
use super::{Error, Stream, Timeouts, WebSocket, entropy, handshake_io, tls};
#[cfg(feature = "deflate")]
use crate::deflate::DeflateConfig;
use crate::handshake::{
    ClientHandshake, HandshakeError, HeadLimits, HttpError, Key, Negotiated, Offer, Proxies,
    Response, Uri,
};
#[cfg(feature = "tls")]
use crate::net::tls::rustls::ClientConfig;
use crate::protocol::{Limits, Outbound};

/// Opens a connection to a `ws://` or `wss://` URI, with the defaults of [`Client`].
///
/// ```no_run
/// let mut ws = tightwire::connect("ws://127.0.0.1:8080/chat")?;
/// ws.send("Hello")?;
/// # Ok::<(), tightwire::Error>(())
/// ```
///
/// # Errors
///
/// As for [`Client::connect`].
pub fn connect(uri: &str) -> Result<WebSocket, Error> {
    Client::new().connect(uri)
}

/// A builder of client connections (§4.1).
///
/// ```no_run
/// use std::time::Duration;
/// use tightwire::{Client, Timeouts};
///
/// let timeouts = Timeouts::new().connect(Duration::from_secs(3));
/// let ws = Client::new()
///     .header("Cookie", "session=1")
///     .subprotocols(["chat.v2", "chat.v1"])
///     .timeouts(timeouts)
///     .connect("ws://127.0.0.1:8080/chat")?;
/// println!("{:?}", ws.subprotocol());
/// # Ok::<(), tightwire::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Client {
    offer: Offer,
    serialize_connects: bool,
    proxies: Proxies,
    head_limits: HeadLimits,
    pub(super) options: Options,
    pub(super) tls: ClientTls,
}

impl Client {
    /// Creates a client with the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header field to the request, such as `Cookie` or `Authorization`.
    ///
    /// Fields that belong to the handshake itself, and values with CR, LF or NUL, are refused when
    /// connecting.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.offer = self.offer.header(name, value);
        self
    }

    /// Asks for one of these subprotocols, the preferred one first (§1.9).
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.offer = self.offer.subprotocols(names);
        self
    }

    /// Sends an `Origin` field. Browsers must send one; other clients may (§4.1).
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.offer = self.offer.origin(origin);
        self
    }

    /// Waits before connecting to an address while another client of this process with this setting
    /// is connecting to it (§4.1). Off by default.
    ///
    /// The RFC requires this of every client, to keep scripts from flooding a server through
    /// browsers. Programs that are not browsers mostly want their connections at once. An address
    /// is an IP address and a port (erratum 3473). If a proxy looks up the names, each name counts
    /// as an address, and at most eight such connections are opened at once.
    pub const fn serialize_connects(mut self, serialize_connects: bool) -> Self {
        self.serialize_connects = serialize_connects;
        self
    }

    /// Connects through the HTTP proxy with this URI, for instance
    /// `http://name:password@proxy.example.com:3128`. The default port is 80. The proxy looks up
    /// the name of the server. See [`Proxy`](crate::handshake::Proxy).
    ///
    /// A URI that is malformed, or that asks for a proxy with TLS or SOCKS, is refused when
    /// connecting.
    ///
    /// `wss:` URIs get TLS inside the tunnel, so the proxy sees only the name of the server. Errors
    /// tell the proxy from the server:
    ///
    /// ```no_run
    /// use tightwire::{Client, Error};
    ///
    /// let client = Client::new().proxy("http://name:password@proxy.example.com:3128");
    /// match client.connect("wss://server.example.com/") {
    ///     Ok(ws) => ws.send("Hello")?,
    ///     Err(Error::Proxy(error)) => eprintln!("the proxy refuses: {error}"),
    ///     Err(Error::ProxyIo(error)) => eprintln!("cannot reach the proxy: {error}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn proxy(mut self, uri: &str) -> Self {
        self.proxies = Proxies::always(uri);
        self
    }

    /// Connects through the proxies that the environment names at the time of this call, in
    /// `wss_proxy` or `ws_proxy`, `https_proxy`, `http_proxy` and `all_proxy`, except to the hosts
    /// in `no_proxy`. See [`Proxies::from_variables`] for the syntax and precedence.
    pub fn proxy_from_env(mut self) -> Self {
        self.proxies = proxy::from_env();
        self
    }

    /// Sets limits on what the server can make us buffer.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets limits on the head of the server's response, and of a proxy's.
    pub const fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head_limits = limits;
        self
    }

    /// Sends messages of more than this many bytes in fragments of this length, so that a Ping or
    /// Pong need not wait for the end of a long message (§5.4). 1 MiB by default.
    pub const fn fragment_len(mut self, len: usize) -> Self {
        self.options.fragment_len = len;
        self
    }

    /// Sets how long blocking operations may take.
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options.timeouts = timeouts;
        self
    }

    /// Uses this configuration for `wss:` URIs, for instance with your own root certificates or a
    /// client certificate. Needs the feature `tls`.
    ///
    /// Without it, the server's certificate must lead to a root that the system trusts
    /// (`SSL_CERT_FILE` and `SSL_CERT_DIR` name other files). If the configuration names no
    /// protocols for ALPN, `http/1.1` is offered.
    ///
    /// ```no_run
    /// use tightwire::Client;
    /// use tightwire::rustls::pki_types::{CertificateDer, pem::PemObject};
    /// use tightwire::rustls::{ClientConfig, RootCertStore};
    ///
    /// let mut roots = RootCertStore::empty();
    /// roots.add(CertificateDer::from_pem_file("our-root.pem")?)?;
    /// let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    /// let ws = Client::new().tls(config).connect("wss://intranet.example/")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.tls = self.tls.config(config.into());
        self
    }

    /// Sets the name that a `wss:` server is asked for (SNI, RFC 6066 §3), in place of the host of
    /// the URI: a host name or an IP address. The server's certificate must be valid for it. The
    /// `Host` field still names the host of the URI. Needs the feature `tls`.
    ///
    /// Use it for a server that you reach under another name than its own, for instance through a
    /// forwarded local port. A malformed name is refused when connecting, with `Tls`.
    ///
    /// ```no_run
    /// use tightwire::Client;
    ///
    /// let ws = Client::new().server_name("chat.example.com").connect("wss://127.0.0.1:9443/")?;
    /// # Ok::<(), tightwire::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.tls = self.tls.server_name(name.into());
        self
    }

    /// Offers to compress messages (RFC 7692 §5). Needs the feature `deflate`. The connection is
    /// opened even if the server does not agree.
    ///
    /// A further call adds an offer, for servers that cannot accept the earlier ones. The level and
    /// the minimum length are always those of the first offer.
    /// [`WebSocket::negotiated`](crate::WebSocket::negotiated) returns the result.
    ///
    /// ```no_run
    /// use tightwire::Client;
    /// use tightwire::deflate::DeflateConfig;
    ///
    /// let ws = Client::new().deflate(DeflateConfig::new()).connect("ws://127.0.0.1:8080/")?;
    /// println!("compressed: {}", ws.negotiated().deflate.is_some());
    /// # Ok::<(), tightwire::Error>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, config: DeflateConfig) -> Self {
        self.options.deflate.push(config);
        self
    }

    /// Connects over TCP: to each address of the host in turn, until one accepts. One deadline
    /// covers everything from name resolution to the end of the handshake. A `wss:` URI gets TLS on
    /// top, with the feature `tls`.
    ///
    /// A name and password in the URI are sent as Basic authorization. Redirects are not followed.
    ///
    /// Only the deadline, [`Timeouts::connect`](crate::Timeouts::connect), ends this call early:
    /// `std` cannot interrupt name resolution or connecting. To cancel an opening handshake from
    /// another thread, open the TCP connection yourself, keep a
    /// [`try_clone`](std::net::TcpStream::try_clone) of it, and call
    /// [`connect_stream`](Self::connect_stream): `docs/recipes.md` has the code.
    ///
    /// # Errors
    ///
    /// - `Uri`, `TlsUnsupported`, or `Handshake` for header fields, subprotocols or an origin that
    ///   must not be sent. Nothing was connected.
    /// - `Tls` if the server cannot be trusted, or its TLS does not fit ours.
    /// - `Io` or `Timeout` if the connection failed or broke.
    /// - `Proxy` or `ProxyIo` if the fault is the proxy's.
    /// - `Handshake(Refused)` with the server's response, if it did not switch protocols. Otherwise
    ///   `Handshake` with the rule that the response breaks.
    pub fn connect(&self, uri: &str) -> Result<WebSocket, Error> {
        let uri: Uri = uri.parse()?;
        let deadline = Deadline::after(Some(self.options.timeouts.connect));
        // These come first, so that nothing is connected for a request that cannot be made.
        let security = self.tls.prepare(&uri)?;
        let handshake = self.request(&uri)?;
        let (stream, _connecting) = self.dial(&uri, deadline)?;
        let stream = security.apply(Box::new(stream), deadline)?;
        self.negotiate(&handshake, stream, deadline)
    }

    /// Performs the opening handshake on a stream that is connected already, for instance a
    /// `UnixStream`, or one with TLS. The URI only fills the request: even `wss:` adds no TLS.
    ///
    /// Another thread can cancel this call by shutting the stream down through another handle. The
    /// call then returns `Io`.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect). The deadline is
    /// [`Timeouts::handshake`](crate::Timeouts::handshake).
    pub fn connect_stream(&self, uri: &str, stream: impl Stream) -> Result<WebSocket, Error> {
        let uri: Uri = uri.parse()?;
        let deadline = Deadline::after(Some(self.options.timeouts.handshake));
        self.negotiate(&self.request(&uri)?, Box::new(stream), deadline)
    }

    /// Opens a connection on a stream on which other code performed the opening handshake.
    /// `read_ahead` has the bytes that this code read after the response.
    ///
    /// # Errors
    ///
    /// `Io` if the stream cannot be set up.
    pub fn from_upgraded(
        &self,
        stream: impl Stream,
        negotiated: Negotiated,
        read_ahead: Vec<u8>,
    ) -> Result<WebSocket, Error> {
        stream.prepare()?;
        let outbound = Outbound::client(entropy::masking_key);
        let stream = Box::new(stream);
        WebSocket::open(stream, outbound, &self.options, negotiated, read_ahead)
            .map(|opened| *opened)
    }

    /// Opens a TCP stream to the server, directly or through a proxy.
    fn dial(
        &self,
        uri: &Uri,
        deadline: Deadline,
    ) -> Result<(TcpStream, Option<Connecting>), Error> {
        let Self { serialize_connects, head_limits, .. } = *self;
        let serialize = if serialize_connects { Serialize::Yes } else { Serialize::No };
        match self.proxies.proxy_for(uri)? {
            Some(proxy) => proxy::dial(proxy, uri, serialize, head_limits, deadline),
            None => dial::dial(uri.host(), uri.port(), serialize, deadline),
        }
    }

    fn request(&self, uri: &Uri) -> Result<ClientHandshake, Error> {
        let offer = self.offer.clone().deflate(self.options.deflate.iter().cloned());
        let key = Key::new(entropy::nonce()?);
        Ok(ClientHandshake::new(uri, &offer, key)?)
    }

    fn negotiate(
        &self,
        handshake: &ClientHandshake,
        stream: Box<dyn Stream>,
        deadline: Deadline,
    ) -> Result<WebSocket, Error> {
        stream.prepare()?;
        let mut request = Vec::new();
        handshake.encode(&mut request);
        // A server that has hung up may have sent the reason before, in a response or in a TLS
        // alert.
        let hang_up = match handshake_io::write_all(&*stream, deadline, &request) {
            Ok(()) => None,
            Err(error) if is_hang_up(&error) => Some(error),
            Err(error) => return Err(error),
        };
        let mut read_ahead = Vec::new();
        let outcome = self.read_final(&*stream, deadline, &mut read_ahead);
        let response = match (outcome.map_err(tls::reveal_alert), hang_up) {
            (Err(Error::Io(_)), Some(hang_up)) => return Err(hang_up),
            (outcome, _) => outcome?,
        };
        if response.status() != 101 {
            let body = handshake_io::read_body(&*stream, deadline, &response, read_ahead);
            return Err(HandshakeError::Refused(Box::new(response.with_body(body))).into());
        }
        let negotiated = handshake.verify(&response)?;
        let outbound = Outbound::client(entropy::masking_key);
        let websocket = WebSocket::open(stream, outbound, &self.options, negotiated, read_ahead)?;
        Ok(websocket.with_response(response))
    }

    /// Reads response heads up to that of the final response.
    fn read_final(
        &self,
        stream: &dyn Stream,
        deadline: Deadline,
        buffer: &mut Vec<u8>,
    ) -> Result<Response, Error> {
        loop {
            let response = self.read_response(stream, deadline, buffer)?;
            // Interim responses precede the final one (RFC 9110 §15.2).
            if response.status() >= 200 || response.status() == 101 {
                return Ok(response);
            }
        }
    }

    /// Reads the head of a response. Bytes after it stay in `buffer`.
    fn read_response(
        &self,
        stream: &dyn Stream,
        deadline: Deadline,
        buffer: &mut Vec<u8>,
    ) -> Result<Response, Error> {
        let head_len = handshake_io::read_head(stream, deadline, self.head_limits, buffer)?;
        let decoded = Response::decode(buffer, &self.head_limits).map_err(HandshakeError::from)?;
        buffer.drain(..head_len);
        match decoded {
            Some((response, _)) => Ok(response),
            None => Err(HandshakeError::from(HttpError::StartLine).into()),
        }
    }
}

/// Whether the peer has ended the stream, or reset it.
fn is_hang_up(error: &Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error, Error::Io(error)
        if matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted))
}
