//! Sockets, threads, time and entropy: the shell around the pure parts.
//!
//! Nothing here knows a rule of the protocol beyond the order in which TCP is ended (§7.1.1).

mod acceptor;
mod buffer;
mod client;
mod deadline;
mod dial;
mod entropy;
mod error;
mod keepalive;
mod link;
mod opening;
mod receiver;
mod sender;
mod server;
mod status;
mod stream;
mod timeouts;
mod turn;
mod websocket;

pub use acceptor::Acceptor;
pub use client::{Client, connect};
pub use error::{Error, Operation};
pub use receiver::{Messages, Receiver};
pub use sender::Sender;
pub use server::{HandlerResult, Server};
pub use status::{CloseStatus, ClosedBy};
pub use stream::Stream;
pub use timeouts::Timeouts;
pub use websocket::WebSocket;

use crate::protocol::State;
