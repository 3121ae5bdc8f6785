//! A blocking WebSocket (RFC 6455) client and server: plain threads on `std`, no async runtime.
//!
//! ```no_run
//! let mut ws = tightwire::connect("ws://127.0.0.1:8080/")?;
//! ws.send("Hello")?;
//! if let Some(message) = ws.recv()? {
//!     println!("{message}");
//! }
//! ws.close()?;
//! # Ok::<(), tightwire::Error>(())
//! ```
//!
//! # Where to begin
//!
//! - [`connect`] and [`Client`] open a connection. [`Server`] listens and serves each connection in a
//!   thread. [`Acceptor`] has the settings of a server, and accepts streams that you opened yourself.
//! - [`WebSocket`] sends and receives. [`WebSocket::split`] gives a [`Sender`] and a [`Receiver`], for
//!   two threads at once. [`Message`] is text or bytes.
//! - [`Timeouts`] and [`Limits`] bound the time and the memory that a peer can take.
//! - [`Hub`] sends one message to many connections. A slow member does not delay the others.
//! - [`Error`] is everything that can go wrong; [`CloseStatus`] says how a connection ended.
//!
//! With the feature `tls`, off by default, `wss:` URIs work too; see `Client::tls`, `Acceptor::tls`
//! and `TlsStream`.
//!
//! # What it is not
//!
//! This crate has no async runtime, no HTTP server and no HTTP/2. A connection blocks the thread
//! that uses it, and every call except [`WebSocket::recv`] has a deadline.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `deflate`: compressed messages (permessage-deflate, RFC 7692), with one more crate, `zlib-rs`.
//!   `Client::deflate` and `Acceptor::deflate` turn compression on; they exist with the feature only.
//! - `tls`: `wss:` URIs, `Client::tls` and `Acceptor::tls`, on `rustls`.
//! - `simd`: long text is checked with the crate `simdutf8`, about ten times as fast where it is
//!   not ASCII. That crate has `unsafe` code inside; this one has none.
//!
//! # For readers
//!
//! [`recipes`] show how to do what programs often need. [`migration`] is for users of other
//! libraries. [`guide`] explains WebSocket from the beginning, on real bytes. The folder `docs` of
//! the repository has the architecture and more.
//!
//! `§n` means section n of RFC 6455; other documents are named. The code is in layers, each of
//! which only looks down:
//!
//! ```text
//!              net           sockets, threads, time, entropy
//!            ╱     ╲
//!    handshake     protocol  the opening handshake; frames into messages, closing
//!            ╲     ╱  │
//!            deflate  │      compressed messages, and how two ends agree on them
//!               │   frame    one frame on the wire
//!               │     │
//!               ProtocolError   the ways in which a peer can break the rules
//! ```
//!
//! Only `net` does I/O; the others turn bytes into values and back, and can be used without it.
//! They read best from the bottom up.
// On docs.rs, items show the feature that they need.
#![cfg_attr(docsrs, feature(doc_cfg))]
// No input panics, whoever it is from. Tests may.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::panic_in_result_fn,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

pub mod deflate;
mod error;
mod excerpt;
pub mod frame;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod handshake;
#[cfg(any(doc, doctest))]
/// Calls of tungstenite, of Dart's `WebSocket` and of version 0.1, with their replacements.
///
#[doc = include_str!("../docs/migration.md")]
pub mod migration {}
mod net;
pub mod protocol;
#[cfg(any(doc, doctest))]
/// How to do what programs often need, with code.
///
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

pub use error::ProtocolError;
#[doc(inline)]
pub use frame::{CloseCode, CloseFrame};
pub use net::{
    Acceptor, BroadcastReport, Client, CloseStatus, ClosedBy, Counters, Error, HandlerResult, Hub,
    Member, MessageReader, MessageWriter, Messages, OpenConnection, Operation, PreparedMessage,
    Receiver, Sender, Server, ServerHandle, ShutdownReport, SlowPolicy, Stream, Timeouts,
    WebSocket, connect,
};
#[cfg(feature = "tls")]
pub use net::{TlsStream, rustls};
#[doc(inline)]
pub use protocol::{AsMessage, Limits, Message, MessageKind, MessageRef, Role, SendError, State};

/// The code in the documents is compiled too.
#[cfg(doctest)]
mod documents {
    #[cfg(feature = "deflate")]
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/decisions.md")]
    struct Decisions;
    #[doc = include_str!("../docs/threads.md")]
    struct Threads;
    #[cfg(feature = "deflate")]
    #[doc = include_str!("../docs/compression.md")]
    struct Compression;
}
