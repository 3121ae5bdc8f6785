//! Sockets, threads, time and entropy: the shell around the pure parts.
//!
//! Nothing here knows a rule of the protocol beyond the order in which TCP is ended (§7.1.1).

mod acceptor;
mod client;
#[cfg(feature = "deflate")]
mod compression;
mod connecting;
mod connection;
mod deadline;
mod dial;
mod entropy;
mod error;
mod handshake_io;
mod hub;
mod proxy;
mod server;
mod stream;
mod sync;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
mod tls;

pub use acceptor::Acceptor;
pub use client::{Client, connect};
pub use connection::{
    CloseStatus, ClosedBy, MessageReader, MessageWriter, Messages, Prepared, Receiver, Sender,
    WebSocket,
};
pub use error::{Error, Operation};
pub use hub::{Broadcast, Hub, Member, SlowMember};
pub use server::{HandlerResult, OpenConnection, Server, ServerHandle, ShutdownReport};
pub use stream::Stream;
pub use timeouts::Timeouts;
#[cfg(feature = "tls")]
pub use tls::{TlsStream, rustls};

use crate::protocol::State;
