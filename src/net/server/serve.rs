//! The work of a connection's thread: the opening handshake, the handler, the closing handshake.
//!
//! An error or a panic of the program ends its own connection, with 1011, and is reported. The
//! server continues. The handler never owns the connection, so this code always gets to close it.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use super::registry::ConnectionGuard;
use crate::frame::CloseCode;
use crate::handshake::{HandshakeError, Request};
use crate::net::{Acceptor, CloseStatus, Error, State, WebSocket};

/// The result of a handler. An error ends its connection with 1011 and is reported.
pub type HandlerResult = Result<(), Box<dyn StdError + Send + Sync>>;

pub(super) type OnError =
    dyn Fn(Option<SocketAddr>, &(dyn StdError + Send + Sync + 'static)) + Send + Sync;

/// The settings and the handler that the threads of all connections share.
pub(super) struct Service<F> {
    pub(super) acceptor: Acceptor,
    pub(super) on_error: Arc<OnError>,
    pub(super) handler: F,
}

impl<F> Service<F>
where
    F: Fn(&mut WebSocket, &Request) -> HandlerResult,
{
    /// Serves a connection until it ends.
    pub(super) fn serve(&self, stream: Arc<TcpStream>, guard: &mut ConnectionGuard) {
        guard.begin();
        let Some((mut websocket, request)) = self.open(stream, guard) else { return };
        if guard.open(websocket.sender()) {
            self.handle(&mut websocket, &request, guard.peer_addr());
        } else {
            // The shutdown came first. An error is not worth a report any more.
            let _ = websocket.close_with(CloseCode::GOING_AWAY, "");
        }
        if websocket.close_status().is_some_and(CloseStatus::was_clean) {
            guard.note_clean();
        }
    }

    /// Performs the opening handshake. Its result is on the heap, and the call is not inlined, so
    /// that the stack that it used is free again. An idle connection should keep no more pages of
    /// its stack than it needs.
    #[inline(never)]
    fn open(
        &self,
        stream: Arc<TcpStream>,
        guard: &ConnectionGuard,
    ) -> Option<(Box<WebSocket>, Request)> {
        // `AssertUnwindSafe` is right, because a panic of `on_request` ends its connection: no code
        // sees values that it left half changed.
        let open = AssertUnwindSafe(|| self.acceptor.accept_if(stream, || guard.may_answer()));
        match panic::catch_unwind(open) {
            Ok(Ok(opened)) => return Some(opened),
            // An answer of the program's own, such as a page or a refusal, is not an error.
            Ok(Err(Error::Handshake(HandshakeError::Answered(_)))) => {}
            Ok(Err(error)) => (self.on_error)(Some(guard.peer_addr()), &error),
            Err(panic) => {
                (self.on_error)(Some(guard.peer_addr()), &Panicked::new("on_request", &*panic));
            }
        }
        None
    }

    #[inline(never)]
    fn handle(&self, websocket: &mut WebSocket, request: &Request, peer_addr: SocketAddr) {
        // `AssertUnwindSafe` is right, because the connection ends with the handler: no code sees
        // values that a panic left half changed.
        let call = AssertUnwindSafe(|| (self.handler)(websocket, request));
        let outcome = panic::catch_unwind(call)
            .unwrap_or_else(|panic| Err(Box::new(Panicked::new("the handler", &*panic))));
        let code = match &outcome {
            Ok(()) => CloseCode::NORMAL,
            Err(error) => {
                (self.on_error)(Some(peer_addr), &**error);
                CloseCode::INTERNAL_ERROR
            }
        };
        if websocket.state() != State::Closed {
            if let Err(error) = websocket.close_with(code, "") {
                // After an error of the handler, this one is mostly a consequence of it.
                if outcome.is_ok() {
                    (self.on_error)(Some(peer_addr), &error);
                }
            }
        }
    }
}

/// The error for a panic in a function of the program.
#[derive(Debug)]
struct Panicked {
    who: &'static str,
    message: String,
}

impl Panicked {
    fn new(who: &'static str, panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Self { who, message }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} panicked: {}", self.who, self.message)
    }
}

impl StdError for Panicked {}
