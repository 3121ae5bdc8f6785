//! The half of a connection that sends: a [`Writer`] makes and keeps the bytes, the guard decides
//! which thread writes them and for how long, and a [`Sender`] is what the user holds.

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
