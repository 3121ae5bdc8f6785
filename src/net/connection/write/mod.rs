//! The half of a connection that sends.
//!
//! A [`Writer`] encodes messages and keeps the bytes that wait. A guard decides which thread writes
//! them and for how long. A [`Sender`] is the handle of the user.

mod calls;
mod flusher;
mod guard;
mod lock;
mod message;
mod message_writer;
mod prepared;
mod sender;
mod writer;

pub use message_writer::MessageWriter;
pub use prepared::PreparedMessage;
pub(in crate::net) use sender::Offer;
pub use sender::Sender;
pub(super) use writer::{COPY_MAX, Writer};
