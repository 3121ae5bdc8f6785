//! An open connection: a [`Sender`] and a [`Receiver`], and what they share.
//!
//! # Theory of operation
//!
//! **Two directions.** The bytes of the peer go through `receive`: one thread reads them, decodes
//! them and returns messages to its caller. The bytes for the peer go through `write`: any number
//! of threads encode and write, one at a time. The directions meet in one place: the receiver must
//! answer Pings and Close frames, and send keepalive Pings, and only the writing side can send
//! them.
//!
//! **Two locks.** `writer` guards the encoder and the bytes that wait. A thread holds it while it
//! writes, so for as long as the peer takes to read. `slot` guards the inbox, and is never held
//! across a call to the stream. A thread that holds `writer` may lock `slot`, never the other way
//! round. The receiver only tries `writer` and never waits for it. Otherwise two peers that both
//! send could block each other: each would wait for the other to read.
//!
//! **The inbox.** A thread that must not wait posts its work there: the receiver a Pong or a
//! keepalive Ping, a broadcasting thread a broadcast, any thread a Close or a Ping that measures
//! the latency. Then it tries `writer`. If the lock is free, the thread writes the work itself. If
//! the lock is taken, the writing thread does so: it looks at the inbox again after each unlock.
//! Fences make sure that at least one of the two threads sees the other.
//!
//! **The flags.** `status` is one atomic number that every thread reads without a lock. It shows
//! what waits, who is responsible for it, and how far the connection is from its end:
//!
//! | flags | set by | under the lock |
//! | --- | --- | --- |
//! | `CONTROL`, `BROADCAST` | the thread that posts | `slot` |
//! | `CLOSE_RECEIVED`, `FAILED` | the receiver, with the Close frame that it posts | `slot` |
//! | `REFUSING` | the writing thread, when it stops working for others | `writer` and `slot` |
//! | `FED`, `BEHIND`, `STALLED`, `IN_MESSAGE` | the writing thread | `writer` |
//! | `CLOSE_SENT` | the writing thread, before it writes a Close frame | `writer` |
//! | `BROKEN`, `ABORTED`, `SLOW` | any thread | none |
//!
//! **Every byte has an owner.** Bytes that the peer has not taken when a call is over are `BEHIND`.
//! The receiver writes them if it is about to read; otherwise the flusher does. `FED` bytes belong
//! to the caller that fed them.
//!
//! # Reading and changing it
//!
//! Read `status` first, which has the meaning of each flag and what clears it. Then read `inbox`,
//! `shared` and `write/guard`. `receive` comes last. `model` states the invariants, and a model
//! checker tries the orders in which the threads can meet. If you change a flag or a lock, change
//! these files, the tables here and in `docs/threads.md`, and `tests/model/run` together.

mod close_status;
mod counters;
mod inbox;
mod latency;
#[cfg(all(test, loom))]
mod model;
mod options;
mod receive;
mod shared;
mod status;
mod try_writes;
mod websocket;
mod write;

pub use self::close_status::{CloseStatus, ClosedBy};
pub use self::counters::Counters;
pub(in crate::net) use self::options::Options;
#[cfg(feature = "tls")]
pub(in crate::net) use self::receive::ReadBuffer;
pub use self::receive::{MessageReader, Messages, Receiver};
pub use self::websocket::WebSocket;
pub(in crate::net) use self::write::Offer;
pub use self::write::{MessageWriter, PreparedMessage, Sender};
