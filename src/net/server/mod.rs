use std::any::Any;
use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use super::{Acceptor, Error, State, WebSocket};
use crate::frame::CloseCode;
use crate::handshake::{HandshakeError, Request};

/// What a handler returns: any error ends its connection with 1011 and is reported.
pub type HandlerResult = Result<(), Box<dyn StdError + Send + Sync>>;

type OnError = dyn Fn(Option<SocketAddr>, &(dyn StdError + Send + Sync + 'static)) + Send + Sync;

/// Serves WebSocket connections over TCP, each in a thread of its own.
///
/// ```no_run
/// let server = tightwire::Server::bind("127.0.0.1:9001")?;
/// server.run(|ws, request| {
///     println!("{:?} asked for {}", ws.peer_addr(), request.path());
///     while let Some(message) = ws.recv()? {
///         ws.send(&message)?;
///     }
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    listener: TcpListener,
    acceptor: Acceptor,
    on_error: Arc<OnError>,
}

/// How long to wait before the next try when connections cannot be accepted, as when the
/// process has no file descriptors left.
const BACK_OFF: Duration = Duration::from_millis(50);

impl Server {
    /// A server that listens on this address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the address is none, or is taken.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::bind(address).map(Self::from)
    }

    /// Answers handshakes as this acceptor does.
    pub fn acceptor(self, acceptor: Acceptor) -> Self {
        Self { acceptor, ..self }
    }

    /// Reports what goes wrong with single connections: handshakes that fail, handlers that
    /// return an error or panic, connections that cannot be accepted or get no thread. Without
    /// this they end in silence.
    pub fn on_error<F>(self, on_error: F) -> Self
    where
        F: Fn(Option<SocketAddr>, &(dyn StdError + Send + Sync + 'static)) + Send + Sync + 'static,
    {
        Self { on_error: Arc::new(on_error), ..self }
    }

    /// The address that the server listens on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections and calls `handler` with each, and with the request that opened it,
    /// in a new thread.
    ///
    /// When the handler returns, a connection that is still open is closed: with 1000 after
    /// `Ok`, with 1011 after an error or a panic, which end this one connection only.
    ///
    /// # Errors
    ///
    /// None so far: trouble with single connections goes to [`on_error`](Self::on_error).
    pub fn run<F>(self, handler: F) -> io::Result<()>
    where
        F: Fn(&mut WebSocket, &Request) -> HandlerResult + Send + Sync + 'static,
    {
        let service =
            Arc::new(Service { acceptor: self.acceptor, on_error: self.on_error, handler });
        loop {
            match self.listener.accept() {
                Ok((stream, peer_addr)) => serve_in_thread(&service, stream, peer_addr),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    (service.on_error)(None, &error);
                    thread::sleep(BACK_OFF);
                }
            }
        }
    }
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Self {
        Self { listener, acceptor: Acceptor::new(), on_error: Arc::new(|_, _| {}) }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("acceptor", &self.acceptor)
            .finish_non_exhaustive()
    }
}

/// What the threads of all connections share.
struct Service<F> {
    acceptor: Acceptor,
    on_error: Arc<OnError>,
    handler: F,
}

fn serve_in_thread<F>(service: &Arc<Service<F>>, stream: TcpStream, peer_addr: SocketAddr)
where
    F: Fn(&mut WebSocket, &Request) -> HandlerResult + Send + Sync + 'static,
{
    let thread_service = Arc::clone(service);
    let spawned = thread::Builder::new()
        .name("tightwire connection".into())
        .spawn(move || thread_service.serve(stream, peer_addr));
    if let Err(error) = spawned {
        (service.on_error)(Some(peer_addr), &error);
    }
}

impl<F> Service<F>
where
    F: Fn(&mut WebSocket, &Request) -> HandlerResult,
{
    fn serve(&self, stream: TcpStream, peer_addr: SocketAddr) {
        let (mut websocket, request) = match self.acceptor.accept(stream) {
            Ok(accepted) => accepted,
            // To answer with a page or a refusal of one's own is no error.
            Err(Error::Handshake(HandshakeError::Answered(_))) => return,
            Err(error) => return (self.on_error)(Some(peer_addr), &error),
        };
        // The connection ends with the handler, so nobody meets what a panic left half done.
        let call = AssertUnwindSafe(|| (self.handler)(&mut websocket, &request));
        let outcome =
            panic::catch_unwind(call).unwrap_or_else(|panic| Err(Panicked::boxed(&*panic)));
        let code = match &outcome {
            Ok(()) => CloseCode::NORMAL,
            Err(error) => {
                (self.on_error)(Some(peer_addr), &**error);
                CloseCode::INTERNAL_ERROR
            }
        };
        if websocket.state() != State::Closed {
            if let Err(error) = websocket.close(code, "") {
                // After an error of the handler this one is most often its echo.
                if outcome.is_ok() {
                    (self.on_error)(Some(peer_addr), &error);
                }
            }
        }
    }
}

/// A handler panicked.
#[derive(Debug)]
struct Panicked(String);

impl Panicked {
    fn boxed(panic: &(dyn Any + Send)) -> Box<dyn StdError + Send + Sync> {
        let message = panic
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Box::new(Self(message))
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the handler panicked: {}", self.0)
    }
}

impl StdError for Panicked {}
