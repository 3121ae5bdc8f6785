//! The same message for many connections.
//!
//! A [`Hub`] is a set of [`Sender`](crate::Sender)s. It has no thread and no queue of its own. The
//! thread that broadcasts writes, and a message that a member cannot take at once waits in the
//! inbox of its connection. `round` has the rules by which no member delays the others.

mod hub;
mod policy;
mod round;

pub use hub::{Hub, Member};
pub use policy::{BroadcastReport, SlowPolicy};
