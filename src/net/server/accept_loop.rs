//! The thread that accepts, which never waits for a client.
//!
//! Each connection gets a place in the registry and a thread of the pool, or goes to the rejector.
//! What the system cannot give now, a descriptor or a thread, it may give later: the loop reports
//! it once, pauses and goes on. `std` cannot interrupt `accept`, so a shutdown wakes this thread by
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

/// Where connections come in, and get a place and a thread, or 503.
pub(super) struct AcceptLoop<'a, F> {
    pub(super) listener: TcpListener,
    pub(super) registry: &'a Arc<Registry>,
    pub(super) rejector: &'a Rejector,
    pub(super) service: Arc<Service<F>>,
    pub(super) workers: Arc<WorkerPool>,
    pub(super) max_connections: usize,
    /// What has kept us from taking connections since the last one.
    pub(super) failure: Option<AcceptFailure>,
}

/// What keeps a server from taking a connection.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum AcceptFailure {
    Accept,
    Place,
    Thread,
}

/// How long to wait before the next try when the system has no descriptor or thread left.
const BACK_OFF: Duration = Duration::from_millis(50);

impl<F> AcceptLoop<'_, F>
where
    F: Fn(&mut WebSocket, &Request) -> HandlerResult + Send + Sync + 'static,
{
    /// Lets connections in until the shutdown. Then the listening ends.
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
            // What the handler holds is gone before the server counts the connection as over.
            drop(service);
            drop(guard);
        };
        self.workers.start(Box::new(serve))
    }

    /// Reports trouble when it begins; it may last, and meet every client.
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

    /// Refuses those who had connected when the shutdown came: to end the listening would reset
    /// their connections.
    fn refuse_backlog(&self) {
        if self.listener.set_nonblocking(true).is_err() {
            return;
        }
        // More would find no room with the rejector.
        for _ in 0..MAX_REFUSED {
            let Ok((stream, _)) = self.listener.accept() else { return };
            // Some systems have it inherited.
            let _ = stream.set_nonblocking(false);
            self.rejector.refuse(Arc::new(stream), RejectReason::Stopping);
        }
    }
}

/// Errors of `accept` that say nothing about the next connection: this one was gone before it
/// was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// A client got 503 because there are as many connections as there may be.
#[derive(Debug)]
struct TooManyConnections(usize);

impl fmt::Display for TooManyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} connections that may be at once are taken", self.0)
    }
}

impl StdError for TooManyConnections {}
