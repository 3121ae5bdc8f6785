//! Sockets, threads, time and entropy: the shell around the pure parts of the crate.
//!
//! The rules of the protocol are in [`protocol`](crate::protocol) and
//! [`handshake`](crate::handshake). This layer moves their bytes, and adds the order in which TCP
//! ends (§7.1.1).

mod accept;
mod broadcast;
mod connect;
mod connection;
mod deadline;
mod entropy;
mod error;
mod handshake_io;
mod server;
mod stream;
mod sync;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/stub.rs"]
mod tls;

pub use accept::Acceptor;
pub use broadcast::{BroadcastReport, Hub, Member, SlowPolicy};
pub use connect::{Client, connect};
pub use connection::{
    CloseStatus, ClosedBy, Counters, MessageReader, MessageWriter, Messages, PreparedMessage,
    Receiver, Sender, WebSocket,
};
pub use error::{Error, Operation};
pub use server::{HandlerResult, OpenConnection, Server, ServerHandle, ShutdownReport};
pub use stream::Stream;
pub use timeouts::Timeouts;
#[cfg(feature = "tls")]
pub use tls::{TlsStream, rustls};

use crate::protocol::State;
