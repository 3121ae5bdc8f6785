//! The thread that accepts, which never waits for a client.
//!
//! Each connection gets a place in the registry and a thread of the pool, or goes to the rejector.
//! If the system has no descriptor or thread now, it may have one later: the loop reports this
//! once, pauses and continues. `std` cannot interrupt `accept`, so a shutdown wakes this thread by
//! connecting to it ([`ServerHandle::shutdown`](super::ServerHandle::shutdown)).

use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use super::registry::{ConnectionGuard, Registry};
use super::rejector::{MAX_REFUSED, RejectReason, Rejector};
use super::serve::{HandlerResult, Service};
use super::worker_pool::WorkerPool;
use crate::handshake::Request;
use crate::net::WebSocket;

/// The loop that gives each new connection a place and a thread, or has it answered with 503.
pub(super) struct AcceptLoop<'a, F> {
    pub(super) listener: TcpListener,
    pub(super) registry: &'a Arc<Registry>,
    pub(super) rejector: &'a Rejector,
    pub(super) service: Arc<Service<F>>,
    pub(super) workers: Arc<WorkerPool>,
    pub(super) max_connections: usize,
    /// The failure that was reported since the last connection was taken.
    pub(super) failure: Option<AcceptFailure>,
}

/// A reason why a server cannot take a connection.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum AcceptFailure {
    Accept,
    Place,
    Thread,
}

/// The pause before the next attempt, if the system has no descriptor or thread left.
const BACK_OFF: Duration = Duration::from_millis(50);

impl<F> AcceptLoop<'_, F>
where
    F: Fn(&mut WebSocket, &Request) -> HandlerResult + Send + Sync + 'static,
{
    /// Takes connections until the shutdown. Then the listener is closed.
    pub(super) fn stay_open(mut self) {
        while !self.registry.is_stopping() {
            match self.listener.accept() {
                Ok((stream, peer_addr)) => self.let_in(Arc::new(stream), peer_addr),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.report(AcceptFailure::Accept, None, &error);
                    self.registry.pause(BACK_OFF);
                }
            }
        }
        self.refuse_backlog();
        self.workers.dismiss();
    }

    fn let_in(&mut self, stream: Arc<TcpStream>, peer_addr: SocketAddr) {
        let guard = match self.registry.admit(&stream, peer_addr, self.max_connections) {
            Ok(guard) => guard,
            Err(why) => {
                self.rejector.refuse(stream, why);
                if why == RejectReason::Full {
                    let error = TooManyConnections(self.max_connections);
                    self.report(AcceptFailure::Place, Some(peer_addr), &error);
                }
                return;
            }
        };
        match self.spawn(Arc::clone(&stream), guard) {
            Ok(()) => self.failure = None,
            Err(error) => {
                self.rejector.refuse(stream, RejectReason::Full);
                self.report(AcceptFailure::Thread, Some(peer_addr), &error);
                self.registry.pause(BACK_OFF);
            }
        }
    }

    fn spawn(&self, stream: Arc<TcpStream>, mut guard: ConnectionGuard) -> io::Result<()> {
        let service = Arc::clone(&self.service);
        let serve = move || {
            service.serve(stream, &mut guard);
            // The handler is dropped before the server counts the connection as over.
            drop(service);
            drop(guard);
        };
        self.workers.start(Box::new(serve))
    }

    /// Reports a failure when it begins. It may last, and then it affects every client.
    fn report(
        &mut self,
        failure: AcceptFailure,
        peer_addr: Option<SocketAddr>,
        error: &(dyn StdError + Send + Sync + 'static),
    ) {
        if self.failure.replace(failure) != Some(failure) {
            (self.service.on_error)(peer_addr, error);
        }
    }

    /// Refuses the clients that had connected when the shutdown came. Closing the listener would
    /// reset their connections.
    fn refuse_backlog(&self) {
        if self.listener.set_nonblocking(true).is_err() {
            return;
        }
        // The rejector has no room for more.
        for _ in 0..MAX_REFUSED {
            let Ok((stream, _)) = self.listener.accept() else { return };
            // On some systems an accepted socket inherits the non-blocking mode.
            let _ = stream.set_nonblocking(false);
            self.rejector.refuse(Arc::new(stream), RejectReason::Stopping);
        }
    }
}

/// Whether an error of `accept` concerns only one connection, which was gone before it was
/// accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// The error for a client that got 503 because of
/// [`max_connections`](super::Server::max_connections).
#[derive(Debug)]
struct TooManyConnections(usize);

impl fmt::Display for TooManyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit of {} connections is reached", self.0)
    }
}

impl StdError for TooManyConnections {}
