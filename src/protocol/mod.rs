//! Frames into messages, and the closing handshake (§5.4 to §8).
//!
//! Two machines that share nothing, so that two threads may run them: [`Inbound`] turns the
//! bytes of the peer into [`Event`]s, [`Outbound`] turns messages into bytes for the peer. Between
//! them, [`PendingControl`] keeps the Pong or Close that answers the peer until `Outbound` encodes
//! it. [`Connection`] is the three together, for one thread.
//!
//! No I/O, no clock, no thread, no randomness: bytes and values go in, bytes and values come
//! out, and a function of the caller supplies the masking keys.
//!
//! A client and a server, with two buffers for the network:
//!
//! ```
//! use tightwire::frame::{CloseCode, CloseFrame, MaskingKey};
//! use tightwire::protocol::{Connection, Event, Limits, Message, Outbound, State};
//!
//! let keys = || Some(MaskingKey([1, 2, 3, 4])); // real ones are random
//! let mut client = Connection::new(Outbound::client(keys), Limits::default());
//! let mut server = Connection::new(Outbound::server(), Limits::default());
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//!
//! client.outbound().encode_message("Hello".into(), &mut to_server)?;
//! let bye = CloseFrame::new(CloseCode::NORMAL, "bye")?;
//! client.outbound().encode_close(Some(&bye), &mut to_server)?;
//!
//! // The server appends its answer, a Close frame, to `to_client`.
//! let mut input = &to_server[..];
//! let event = server.next_event(&mut input, &mut to_client)?;
//! assert_eq!(event, Some(Event::Message(Message::from("Hello"))));
//! assert_eq!(server.next_event(&mut input, &mut to_client)?, Some(Event::Close(Some(bye))));
//! assert_eq!(server.state(), State::Closed);
//!
//! let mut input = &to_client[..];
//! let event = client.next_event(&mut input, &mut Vec::new())?;
//! assert!(matches!(event, Some(Event::Close(_))));
//! assert_eq!(client.state(), State::Closed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Closing is two facts, a Close frame sent and one received (§7.1.2 to §7.1.4):
//!
//! ```text
//!   sent  received  state      may send messages   answers pings   next
//!   no    no        OPEN       yes                 yes
//!   yes   no        CLOSING    no                  yes             wait for the peer's Close
//!   no    yes       CLOSING    no                  no              answer with Close
//!   yes   yes       CLOSED     no                  no              end TCP, the server first
//! ```

mod assembly;
mod connection;
mod inbound;
mod limits;
mod message;
mod outbound;
mod pending;
mod send_error;

pub use connection::Connection;
pub use inbound::Inbound;
pub use limits::Limits;
pub use message::{AsMessage, Message, MessageKind, MessageRef};
pub(crate) use outbound::Fin;
pub use outbound::{KeySource, Outbound};
pub use pending::PendingControl;
pub use send_error::SendError;

use crate::frame::CloseFrame;

/// Which end of the connection this is. Only clients mask (§5.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The end that opened the connection.
    Client,
    /// The end that accepted it.
    Server,
}

/// How far a connection is from its end (§7.1.3, §7.1.4).
///
/// There is no CONNECTING: during the opening handshake nothing exists that could send.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// No Close frame was sent or received.
    Open,
    /// One was sent or received, not yet both.
    Closing,
    /// Both were, or the connection failed.
    Closed,
}

/// What the peer said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// A Ping with its application data. The Pong for it is owed.
    Ping(Vec<u8>),
    /// A Pong with its application data.
    Pong(Vec<u8>),
    /// The first Close frame, and with it the end of what the peer says. The Close frame that
    /// answers it is owed, unless one was sent before.
    Close(Option<CloseFrame>),
}
