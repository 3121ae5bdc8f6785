//! Sockets, threads, time and entropy: the shell around the pure parts.
//!
//! Nothing here knows a rule of the protocol beyond the order in which TCP is ended (§7.1.1).

mod acceptor;
mod buffer;
mod client;
#[cfg(feature = "deflate")]
mod compression;
mod connecting;
mod deadline;
mod dial;
mod entropy;
mod error;
mod hub;
mod keepalive;
mod link;
mod messages;
mod opening;
mod prepared;
mod proxy;
mod reader;
mod receiver;
mod sender;
mod server;
mod status;
mod stream;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
mod tls;
mod turn;
mod websocket;
mod writer;

pub use acceptor::Acceptor;
pub use client::{Client, connect};
pub use error::{Error, Operation};
pub use hub::{Broadcast, Hub, Member, SlowMember};
pub use messages::Messages;
pub use prepared::Prepared;
pub use reader::MessageReader;
pub use receiver::Receiver;
pub use sender::Sender;
pub use server::{HandlerResult, OpenConnection, Server, ServerHandle, ShutdownReport};
pub use status::{CloseStatus, ClosedBy};
pub use stream::Stream;
pub use timeouts::Timeouts;
#[cfg(feature = "tls")]
pub use tls::{TlsStream, rustls};
pub use websocket::WebSocket;
pub use writer::MessageWriter;

use crate::protocol::State;
