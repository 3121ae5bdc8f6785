//! A server: a thread that accepts connections, and one for each connection.
//!
//! `accept_loop` takes a connection from the listener, gets a place for it in the `registry`, and
//! hands it to a thread of the `worker_pool`. There `serve` performs the opening handshake and
//! calls the handler. A connection without a place goes to the `rejector`. A shutdown comes through
//! a `handle`, and finds the connections in the `table` of the registry. Each step of a connection
//! is taken under the table's lock, and so is each step of the shutdown. So whichever comes second
//! always sees the first.

mod accept_loop;
mod handle;
mod registry;
mod rejector;
mod report;
mod serve;
mod table;
mod worker_pool;

use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::{fmt, io};

use accept_loop::AcceptLoop;
pub use handle::ServerHandle;
use registry::Registry;
use rejector::Rejector;
pub use report::{OpenConnection, ShutdownReport};
pub use serve::HandlerResult;
use serve::{OnError, Service};
use table::Transport;
use worker_pool::WorkerPool;

use super::{Acceptor, WebSocket};
use crate::handshake::Request;

/// A server for WebSocket connections over TCP, each in a thread of its own.
///
/// ```no_run
/// let server = tightwire::Server::bind("127.0.0.1:8080")?;
/// server.run(|ws, request| {
///     println!("{:?} asked for {}", ws.peer_addr(), request.path());
///     while let Some(message) = ws.recv()? {
///         ws.send(&message)?;
///     }
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a server accepts no connections until `run` is called"]
pub struct Server {
    listener: TcpListener,
    acceptor: Acceptor,
    on_error: Arc<OnError>,
    max_connections: usize,
    stack_size: usize,
    registry: Arc<Registry>,
}

impl Server {
    /// Listens on this address. Port 0 takes a free port, which [`local_addr`](Self::local_addr)
    /// returns.
    ///
    /// # Errors
    ///
    /// Fails if the address is invalid or already in use.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::bind(address).map(Self::from)
    }

    /// Sets the acceptor, which has all settings of a connection: subprotocols, origins, TLS,
    /// compression, limits and timeouts.
    pub fn acceptor(self, acceptor: Acceptor) -> Self {
        Self { acceptor, ..self }
    }

    /// Sets how many connections may exist at once, including those in the opening or closing
    /// handshake. 10,000 by default.
    ///
    /// A further connection gets 503, and no thread. With TLS it only sees the end of the stream,
    /// because it could read the answer only after a TLS handshake.
    ///
    /// Each connection takes a thread and a file descriptor, and the system limits both
    /// (`ulimit -n`, `ulimit -u`). At these limits the server accepts no more until connections
    /// end, and then continues.
    pub const fn max_connections(mut self, max_connections: usize) -> Self {
        self.max_connections = max_connections;
        self
    }

    /// Sets the stack size of each connection's thread, in bytes. 256 KiB by default, and never
    /// less than the system's minimum.
    ///
    /// The stack is address space: it takes memory only as the handler uses it. This library needs
    /// a few KiB of it, so the handler decides how much is enough. A stack overflow ends the
    /// process. `std` gives a thread 2 MiB.
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// Calls `on_error` with each error of a connection. Without this, such errors are not
    /// reported.
    ///
    /// These are handshakes that fail, handlers that return an error or panic,
    /// [`on_request`](Acceptor::on_request) if it panics (the client then gets no answer), and
    /// connections that cannot be accepted, find no place, or get no thread.
    ///
    /// An error that keeps the server from taking connections is reported once, until it takes one
    /// again.
    pub fn on_error<F>(self, on_error: F) -> Self
    where
        F: Fn(Option<SocketAddr>, &(dyn StdError + Send + Sync + 'static)) + Send + Sync + 'static,
    {
        Self { on_error: Arc::new(on_error), ..self }
    }

    /// Returns the address that the server listens on.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns a handle that controls the server while it runs: it shuts the server down, and lists
    /// its connections. Take it before [`run`](Self::run).
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        let local_addr = self.local_addr().map_err(|error| error.kind());
        ServerHandle::new(Arc::clone(&self.registry), local_addr)
    }

    /// Accepts connections, and calls `handler` with each connection and the request that opened
    /// it.
    ///
    /// Each handler runs in a thread of its own. A thread whose handler has returned may serve
    /// another connection later. This call returns after [`ServerHandle::shutdown`].
    ///
    /// When the handler returns, a connection that is still open is closed: with 1000 after `Ok`,
    /// with 1011 after an error or a panic. Other connections are not affected.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot start the one thread that the server needs for itself. Later
    /// errors go to [`on_error`](Self::on_error), and the server continues.
    pub fn run<F>(self, handler: F) -> io::Result<()>
    where
        F: Fn(&mut WebSocket, &Request) -> HandlerResult + Send + Sync + 'static,
    {
        let Self { listener, acceptor, on_error, max_connections, stack_size, registry } = self;
        let transport = if acceptor.tls.is_on() { Transport::Tls } else { Transport::Tcp };
        let rejector = Rejector::spawn(transport, acceptor.linger())?;
        if let Some(_accepting) = registry.begin_accepting(transport) {
            let service = Arc::new(Service { acceptor, on_error, handler });
            let (registry, rejector) = (&registry, &rejector);
            let failure = None;
            let accept_loop = AcceptLoop {
                listener,
                registry,
                rejector,
                service,
                workers: WorkerPool::new(stack_size),
                max_connections,
                failure,
            };
            accept_loop.stay_open();
        }
        drop(rejector);
        registry.wind_down();
        Ok(())
    }
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            acceptor: Acceptor::new(),
            on_error: Arc::new(|_, _| {}),
            max_connections: 10_000,
            stack_size: 256 << 10,
            registry: Arc::default(),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("acceptor", &self.acceptor)
            .field("max_connections", &self.max_connections)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}
