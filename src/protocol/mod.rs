//! Messages, control frames and the closing handshake (RFC 6455 §5.4 to §8), without I/O.
//!
//! There are two state machines. [`Inbound`] turns bytes from the peer into [`Event`]s, and
//! [`Outbound`] turns messages into bytes for the peer. They share nothing, so that two threads can
//! run them. Between them, [`PendingControl`] keeps the Pong or Close that answers the peer until
//! `Outbound` encodes it. [`Connection`] combines the three, for one thread.
//!
//! Nothing here uses a socket, a clock, a thread or a source of random numbers. Bytes and values go
//! in, bytes and values come out, and a function of the caller supplies the masking keys.
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
//! // The server appends its own Close frame, the answer, to `to_client`.
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
//! # The closing handshake
//!
//! The state of a connection follows from two facts: whether a Close frame was sent, and whether
//! one was received (RFC 6455 §7.1.2 to §7.1.4).
//!
//! | Close sent | Close received | [`State`] | may send messages | answers Pings | next step |
//! | --- | --- | --- | --- | --- | --- |
//! | no | no | `Open` | yes | yes | |
//! | yes | no | `Closing` | no | yes | wait for the peer's Close |
//! | no | yes | `Closing` | no | no | answer with Close |
//! | yes | yes | `Closed` | no | no | close TCP, the server first |
//!
//! A violation by the peer fails the connection: the state is `Closed` at once, and a Close frame
//! reports the violation, unless one was sent before.

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

/// The role of an endpoint. Only clients mask their frames (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The endpoint that opened the connection.
    Client,
    /// The endpoint that accepted the connection.
    Server,
}

/// The state of a connection (RFC 6455 §7.1.3, §7.1.4).
///
/// There is no state for CONNECTING, because a connection exists only after the opening handshake.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// No Close frame was sent or received.
    Open,
    /// A Close frame was either sent or received, but not both.
    Closing,
    /// Close frames were sent and received, or the connection failed.
    Closed,
}

/// A message or a control frame from the peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// A Ping with its application data. A Pong must answer it, which
    /// [`PendingControl::record_event`] records.
    Ping(Vec<u8>),
    /// A Pong with its application data.
    Pong(Vec<u8>),
    /// The first Close frame of the peer, or `None` if its body was empty. No event follows it. A
    /// Close frame must answer it, unless one was sent before;
    /// [`PendingControl::record_event`] records the answer.
    Close(Option<CloseFrame>),
}
