//! Answers to opening handshakes (§4.2), on streams that are connected already.
//!
//! The request is read under one deadline. [`Upgrade`](crate::handshake::Upgrade) and the program
//! decide what it means. This folder only carries the bytes, and makes sure that a client that is
//! refused can read why.

mod refusal;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::refusal::Refusal;
use super::connection::Options;
use super::deadline::Deadline;
use super::tls::ServerTls;
use super::{Error, Stream, Timeouts, WebSocket, handshake_io};
use crate::deflate::DeflateConfig;
use crate::handshake::{
    AcceptOptions, Answer, HandshakeError, HeadLimits, Negotiated, Rejection, Request, Response,
    Upgrade, check_host,
};
#[cfg(feature = "tls")]
use crate::net::tls::rustls::ServerConfig;
use crate::protocol::{Limits, Outbound};

type OnRequest = dyn Fn(&Request) -> Answer + Send + Sync;

/// A builder of server connections, which answers opening handshakes (§4.2) on streams that are
/// connected already.
///
/// A [`Server`](crate::Server) takes its settings from an acceptor. On its own, an acceptor serves
/// streams that the program accepted:
///
/// ```no_run
/// use std::net::TcpListener;
/// use tightwire::Acceptor;
///
/// let acceptor = Acceptor::new().subprotocols(["chat"]);
/// for stream in TcpListener::bind("127.0.0.1:8080")?.incoming() {
///     let (mut ws, request) = acceptor.accept(stream?)?;
///     println!("asked for {}", request.path());
///     ws.send("Hello")?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Acceptor {
    subprotocols: Vec<String>,
    origins: Option<Vec<String>>,
    on_request: Option<Arc<OnRequest>>,
    head_limits: HeadLimits,
    pub(super) options: Options,
    pub(super) tls: ServerTls,
}

/// A request that opens a connection, and its answer.
struct Accepted {
    request: Request,
    response: Response,
    negotiated: Negotiated,
    /// The settings for compressing messages, if the program wants compression.
    deflate: Option<DeflateConfig>,
    /// The bytes that followed the request.
    read_ahead: Vec<u8>,
}

impl Acceptor {
    /// Creates an acceptor that accepts every valid handshake, without a subprotocol.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the subprotocols of the server, the preferred one first. The first of them that the
    /// client offers is agreed on (§4.2.2).
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts only handshakes from these origins, and requests without an `Origin` field, which do
    /// not come from browsers.
    ///
    /// Other requests get 403 (§10.2). See [`Upgrade::is_from`] for the form of an element. Without
    /// this, every origin is accepted.
    pub fn origins<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Calls `on_request` for each request before it is answered, and answers with the result.
    ///
    /// This is the place for paths, cookies, authentication, pages and health checks. The function
    /// sees only requests that have one valid `Host` field (RFC 9112 §3.2), and that come from one
    /// of the [`origins`](Self::origins) if there is such a list. Other requests are refused
    /// before. A request need not ask for a WebSocket: then [`Answer::Upgrade`] answers 426.
    ///
    /// ```
    /// use tightwire::Acceptor;
    /// use tightwire::handshake::{AcceptOptions, Answer, Response};
    ///
    /// let acceptor = Acceptor::new().on_request(|request| match request.path() {
    ///     "/chat" => Answer::Upgrade(AcceptOptions::new().header("Set-Cookie", "seen=1")),
    ///     "/health" => Response::new(200).with_body("fine\n").into(),
    ///     _ => Response::new(404).into(),
    /// });
    /// ```
    pub fn on_request<F, A>(mut self, on_request: F) -> Self
    where
        F: Fn(&Request) -> A + Send + Sync + 'static,
        A: Into<Answer>,
    {
        self.on_request = Some(Arc::new(move |request| on_request(request).into()));
        self
    }

    /// Serves `wss:`: each stream gets a TLS handshake first, within the same deadline. Needs the
    /// feature `tls`. If the configuration names no protocols for ALPN, `http/1.1` is accepted.
    ///
    /// ```no_run
    /// use tightwire::rustls::ServerConfig;
    /// use tightwire::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    /// use tightwire::{Acceptor, Server};
    ///
    /// let chain = CertificateDer::pem_file_iter("cert.pem")?.collect::<Result<_, _>>()?;
    /// let key = PrivateKeyDer::from_pem_file("key.pem")?;
    /// let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    /// let server = Server::bind("127.0.0.1:9443")?.acceptor(Acceptor::new().tls(config));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.tls = ServerTls::new(config.into());
        self
    }

    /// Compresses messages for clients that offer it (RFC 7692 §5). Needs the feature `deflate`. If
    /// a client makes several offers, the first acceptable one is taken.
    ///
    /// ```
    /// use tightwire::Acceptor;
    /// use tightwire::deflate::DeflateConfig;
    ///
    /// // For many connections: nothing is kept between messages.
    /// let acceptor = Acceptor::new().deflate(DeflateConfig::new().no_context_takeover());
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, config: DeflateConfig) -> Self {
        self.options.deflate = vec![config];
        self
    }

    /// Sets limits on what a client can make us buffer.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets limits on the head of a request.
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

    /// Reads a request and answers it. A request that is not a valid handshake gets an appropriate
    /// HTTP status, never a silent close.
    ///
    /// This takes at most [`Timeouts::handshake`](crate::Timeouts::handshake), for TLS, the request
    /// and the answer. A client that is refused has [`Timeouts::linger`](crate::Timeouts) more to
    /// read the answer and end TCP.
    ///
    /// # Errors
    ///
    /// - `Handshake` with the rule that the request breaks, or `Handshake(Answered)` if
    ///   [`on_request`](Self::on_request) answered with a response of its own.
    /// - `Timeout(Handshake)` if the request does not arrive in time. It is answered with 408.
    /// - `Tls` if the acceptor has TLS, and the TLS handshake fails.
    /// - `Io` if the stream fails.
    pub fn accept(&self, stream: impl Stream) -> Result<(WebSocket, Request), Error> {
        self.accept_if(stream, || true).map(|(websocket, request)| (*websocket, request))
    }

    /// Like [`accept`](Self::accept), but asks `may_answer` once it is known what to answer. If
    /// that returns `false`, another thread has answered with 503 and shut our side of the stream
    /// down. With TLS it could not, because only this thread can write, so the 503 is sent here.
    ///
    /// The result is on the heap, and the steps are separate calls, because the thread of a
    /// connection keeps the pages of its stack that were ever touched.
    pub(super) fn accept_if(
        &self,
        stream: impl Stream,
        may_answer: impl FnOnce() -> bool,
    ) -> Result<(Box<WebSocket>, Request), Error> {
        let deadline = Deadline::after(Some(self.options.timeouts.handshake));
        let stream = match self.tls.apply(Box::new(stream), deadline, self.linger()) {
            Ok(stream) => stream,
            Err(error) if may_answer() => return Err(error),
            Err(_) => return Err(HandshakeError::Answered(503).into()),
        };
        let outcome = self.read_request(&*stream, deadline);
        if !may_answer() {
            if self.tls.is_on() {
                let response = handshake_io::going_away();
                handshake_io::refuse(&*stream, deadline, self.linger(), &response);
            } else {
                handshake_io::linger(&*stream, Deadline::after(Some(self.linger())));
            }
            return Err(HandshakeError::Answered(503).into());
        }
        match outcome {
            Ok(accepted) => self.open(stream, deadline, accepted),
            Err(refusal) => Err(self.refuse(&*stream, deadline, refusal)),
        }
    }

    #[inline(never)]
    fn open(
        &self,
        stream: Box<dyn Stream>,
        deadline: Deadline,
        accepted: Accepted,
    ) -> Result<(Box<WebSocket>, Request), Error> {
        let Accepted { request, response, negotiated, deflate, read_ahead } = accepted;
        let mut head = Vec::new();
        response.encode(&mut head);
        handshake_io::write_all(&*stream, deadline, &head)?;
        let options = Options { deflate: deflate.into_iter().collect(), ..self.options };
        let websocket =
            WebSocket::open(stream, Outbound::server(), &options, negotiated, read_ahead)?;
        Ok((websocket, request))
    }

    #[inline(never)]
    fn read_request(&self, stream: &dyn Stream, deadline: Deadline) -> Result<Accepted, Refusal> {
        stream.prepare().map_err(Error::from)?;
        let mut head = Vec::new();
        let head_len = handshake_io::read_head(stream, deadline, self.head_limits, &mut head)?;
        let read_ahead = head.split_off(head_len);
        self.verify(&head, read_ahead)
    }

    /// Opens a connection on a stream on which another HTTP server answered the opening handshake.
    /// `read_ahead` has the bytes that this server read after the request.
    ///
    /// [`Upgrade`] creates the response:
    ///
    /// ```no_run
    /// use tightwire::Acceptor;
    /// use tightwire::handshake::{AcceptOptions, Request, Upgrade};
    ///
    /// # fn upgrade(
    /// #     request: &Request,
    /// #     answered: impl FnOnce(tightwire::handshake::Response) -> (std::net::TcpStream, Vec<u8>),
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let upgrade = Upgrade::from_request(request).map_err(|rejection| rejection.into_error())?;
    /// let (response, negotiated) =
    ///     upgrade.accept(&AcceptOptions::new()).map_err(|rejection| rejection.into_error())?;
    /// let (stream, read_ahead) = answered(response);
    /// let mut ws = Acceptor::new().from_upgraded(stream, negotiated, read_ahead)?;
    /// ws.send("Hello")?;
    /// # Ok(())
    /// # }
    /// ```
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
        let (stream, outbound) = (Box::new(stream), Outbound::server());
        WebSocket::open(stream, outbound, &self.options, negotiated, read_ahead)
            .map(|opened| *opened)
    }

    fn verify(&self, head: &[u8], read_ahead: Vec<u8>) -> Result<Accepted, Refusal> {
        let request = match Request::decode(head, &self.head_limits) {
            Ok(Some((request, _))) => request,
            Ok(None) => return Err(Rejection::from(crate::handshake::HttpError::StartLine).into()),
            Err(error) => return Err(Rejection::from(error).into()),
        };
        let is_head = request.method() == "HEAD";
        let outcome = self.answer_request(request, read_ahead);
        if is_head { outcome.map_err(Refusal::without_body) } else { outcome }
    }

    fn answer_request(&self, request: Request, read_ahead: Vec<u8>) -> Result<Accepted, Refusal> {
        self.check_request(&request).map_err(Rejection::from)?;
        let answer = self.on_request.as_ref().map(|on_request| on_request(&request));
        let mut accept = match answer {
            Some(Answer::Upgrade(options)) => options,
            Some(Answer::Respond(response)) => return Err(Refusal::Answered(response)),
            None => AcceptOptions::new(),
        };
        let upgrade = Upgrade::from_request(&request)?;
        if accept.chosen_subprotocol().is_none() {
            if let Some(name) = upgrade.select_subprotocol(&self.subprotocols) {
                accept = accept.subprotocol(name);
            }
        }
        let config = accept.chosen_deflate().or_else(|| self.options.deflate.first());
        // Without the feature, compression must not be agreed on.
        let deflate = config.filter(|_| cfg!(feature = "deflate")).cloned();
        let (response, negotiated) = upgrade.accept(&accept.with_deflate(deflate.clone()))?;
        Ok(Accepted { request, response, negotiated, deflate, read_ahead })
    }

    /// Checks the rules for all requests, also those that do not ask for a WebSocket.
    fn check_request(&self, request: &Request) -> Result<(), HandshakeError> {
        check_host(request)?;
        let Some(origins) = &self.origins else { return Ok(()) };
        request.headers().single("Origin")?;
        if request.is_from(origins) {
            return Ok(());
        }
        Err(HandshakeError::Origin(request.origin().unwrap_or_default()))
    }

    fn refuse(&self, stream: &dyn Stream, deadline: Deadline, refusal: Refusal) -> Error {
        let answer = |response: &Response| {
            handshake_io::refuse(stream, deadline, self.linger(), response);
        };
        match refusal {
            Refusal::Rejected(rejection) => {
                answer(rejection.response());
                rejection.into_error().into()
            }
            Refusal::Answered(response) => {
                answer(&response);
                HandshakeError::Answered(response.status()).into()
            }
            Refusal::Failed(error) => {
                if matches!(error, Error::Timeout(_)) {
                    answer(&Response::new(408));
                }
                error
            }
        }
    }

    /// Returns how long a client may take to end its side of the stream after our last byte.
    pub(super) const fn linger(&self) -> Duration {
        self.options.timeouts.linger
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("subprotocols", &self.subprotocols)
            .field("origins", &self.origins)
            .field("on_request", &self.on_request.is_some())
            .field("head_limits", &self.head_limits)
            .field("options", &self.options)
            .field("tls", &self.tls.is_on())
            .finish()
    }
}
