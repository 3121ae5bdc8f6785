//! A blocking WebSocket (RFC 6455) client and server: plain threads on `std`, no async runtime.
//!
//! # A client
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
//! # A server
//!
//! Each connection has its own thread. If a handler fails or panics, only its own connection ends.
//!
//! ```no_run
//! let server = tightwire::Server::bind("127.0.0.1:8080")?
//!     .on_error(|peer, error| eprintln!("{peer:?}: {error:#}"));
//! server.run(|ws, request| {
//!     println!("a client asked for {}", request.path());
//!     while let Some(message) = ws.recv()? {
//!         ws.send(&message)?;
//!     }
//!     Ok(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Two threads
//!
//! One thread receives while others send. Neither direction waits for the other.
//!
//! ```no_run
//! let (sender, mut receiver) = tightwire::connect("ws://127.0.0.1:8080/")?.split();
//! let writer = std::thread::spawn(move || {
//!     sender.send("from another thread")?;
//!     sender.close()
//! });
//! while let Some(message) = receiver.recv()? {
//!     println!("{message}");
//! }
//! writer.join().expect("the writer does not panic")?;
//! # Ok::<(), tightwire::Error>(())
//! ```
//!
//! # What is in this crate
//!
//! | to | use |
//! | --- | --- |
//! | open a connection | [`connect`], or [`Client`] with headers, subprotocols, a proxy or TLS |
//! | serve connections | [`Server`], with settings in an [`Acceptor`]; [`ServerHandle`] stops it |
//! | accept on a stream of your own | [`Acceptor::accept`], on any [`Stream`] |
//! | send and receive | [`WebSocket`]; a [`Message`] is text or bytes |
//! | do both at the same time | a [`Sender`] and a [`Receiver`], from [`WebSocket::split`] |
//! | send one message to many connections | [`Hub`], [`PreparedMessage`] |
//! | write or read a message piece by piece | [`MessageWriter`], [`MessageReader`] |
//! | set deadlines and limits | [`Timeouts`], [`Limits`], [`handshake::HeadLimits`] |
//! | know why something failed or ended | [`Error`], [`ProtocolError`], [`CloseStatus`] |
//! | do the I/O yourself | [`protocol`], [`handshake`], [`deflate`], [`frame`] |
//!
//! [`recipes`] has code for common tasks. [`migration`] is for users of other libraries. [`guide`]
//! explains WebSocket from the beginning, on real bytes.
//!
//! # Deadlines and limits
//!
//! Every call has a deadline, except [`WebSocket::recv`], [`WebSocket::recv_reader`] and the
//! readers and iterators built on them: these wait while the peer is alive. A timeout loses no
//! data: the next call resumes at the byte where the last one stopped. [`Timeouts`] lists the
//! defaults. [`Limits`] bounds the messages that a peer can make the library buffer, by default to
//! 16 MiB each.
//!
//! # Features
//!
//! All are off by default.
//!
//! - `deflate`: compressed messages (permessage-deflate, RFC 7692), with the crate `zlib-rs`.
//!   [`Client::deflate`] and [`Acceptor::deflate`] turn compression on.
//! - `tls`: `wss:` URIs, with the crate `rustls`. [`Client::tls`] and [`Acceptor::tls`] have the
//!   settings, and [`TlsStream`] is for streams that you opened yourself.
//! - `simd`: checks long text with the crate `simdutf8`. Text that is not ASCII is received about
//!   six times as fast.
//!
//! This crate forbids `unsafe` code. Some of its dependencies contain it, those of the features
//! among them.
//!
//! # Layers
//!
//! `§n` means section n of RFC 6455; other documents are named. Each layer uses only the layers
//! below it:
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
//! Only `net` does I/O. The other layers turn bytes into values and back, and you can use them
//! without it. Read the source from the bottom up.
//!
// Without a feature, links to its items lead to the list of features.
#![cfg_attr(not(feature = "deflate"), doc = "[`Client::deflate`]: #features")]
#![cfg_attr(not(feature = "deflate"), doc = "[`Acceptor::deflate`]: #features")]
#![cfg_attr(not(feature = "tls"), doc = "[`Client::tls`]: #features")]
#![cfg_attr(not(feature = "tls"), doc = "[`Acceptor::tls`]: #features")]
#![cfg_attr(not(feature = "tls"), doc = "[`TlsStream`]: #features")]
// On docs.rs, items show the feature that they need.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The library does not panic, whatever the input. Tests may.
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
/// Calls of tungstenite, of Dart's `WebSocket` and of early versions, with their replacements.
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

/// Compiles the code in the documents.
#[cfg(doctest)]
mod documents {
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
