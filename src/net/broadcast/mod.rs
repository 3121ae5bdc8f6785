//! The same message for many connections.
//!
//! A [`Hub`] is a set of [`Sender`](crate::Sender)s. It has no thread and no queue of its own: the
//! thread that broadcasts writes, and what a member cannot take waits in the inbox of its
//! connection. `round` has the rule by which no member holds up the others.

mod hub;
mod policy;
mod round;

pub use hub::{Hub, Member};
pub use policy::{BroadcastReport, SlowPolicy};
