//! WebSocket explained from the first byte of a connection to the last.
//!
//! Start with [chapter 0](_00_one_connection): it shows one whole connection, and says who the
//! guide is for and how to run the code. Every code block is a test, so the bytes in it are right.
//! In the repository, the guide is the folder `docs/guide`.
//!
//! **The protocol**
//!
//! 0. [One connection, from GET to FIN](_00_one_connection)
//! 1. [The opening handshake](_01_opening_handshake)
//! 2. [The frame](_02_frame)
//! 3. [Masking, and why](_03_masking)
//! 4. [Fragmentation](_04_fragmentation)
//! 5. [Control frames](_05_control_frames)
//! 6. [Text and UTF-8](_06_text)
//! 7. [The closing handshake](_07_closing_handshake)
//! 8. [Errors and close codes](_08_errors)
//!
//! **An extension**, which you can skip at first
//!
//! 9. [Extensions and permessage-deflate][extensions]
//!
//! **Programs that keep working**
//!
//! 10. [Threads](_10_threads)
//! 11. [Keepalive](_11_keepalive)
//! 12. [Backpressure](_12_backpressure)
//! 13. [Limits and attacks](_13_limits)
//!
//! The [glossary] explains the terms in a sentence or two each.
//!
//! To learn by typing, follow the sections "Build it" of chapters 1 to 7. They build an echo server
//! on `std`, SHA-1 and base64 alone.
//!
#![cfg_attr(feature = "deflate", doc = "[extensions]: _09_extensions")]
#![cfg_attr(
    not(feature = "deflate"),
    doc = "[extensions]: https://docs.rs/tightwire/latest/tightwire/guide/_09_extensions/index.html"
)]

/// The targets of the links in the chapters, for rustdoc. Each file ends with targets for the
/// repository. In Markdown the first definition of a label counts, so these stand before the file.
macro_rules! links {
    () => {
        "
[chapter 0]: crate::guide::_00_one_connection
[← chapter 0]: crate::guide::_00_one_connection
[chapter 0 →]: crate::guide::_00_one_connection
[chapter 1]: crate::guide::_01_opening_handshake
[← chapter 1]: crate::guide::_01_opening_handshake
[chapter 1 →]: crate::guide::_01_opening_handshake
[chapter 2]: crate::guide::_02_frame
[← chapter 2]: crate::guide::_02_frame
[chapter 2 →]: crate::guide::_02_frame
[chapter 3]: crate::guide::_03_masking
[← chapter 3]: crate::guide::_03_masking
[chapter 3 →]: crate::guide::_03_masking
[chapter 4]: crate::guide::_04_fragmentation
[← chapter 4]: crate::guide::_04_fragmentation
[chapter 4 →]: crate::guide::_04_fragmentation
[chapter 5]: crate::guide::_05_control_frames
[← chapter 5]: crate::guide::_05_control_frames
[chapter 5 →]: crate::guide::_05_control_frames
[chapter 6]: crate::guide::_06_text
[← chapter 6]: crate::guide::_06_text
[chapter 6 →]: crate::guide::_06_text
[chapter 7]: crate::guide::_07_closing_handshake
[← chapter 7]: crate::guide::_07_closing_handshake
[chapter 7 →]: crate::guide::_07_closing_handshake
[chapter 8]: crate::guide::_08_errors
[← chapter 8]: crate::guide::_08_errors
[chapter 8 →]: crate::guide::_08_errors
[chapter 10]: crate::guide::_10_threads
[← chapter 10]: crate::guide::_10_threads
[chapter 10 →]: crate::guide::_10_threads
[chapter 11]: crate::guide::_11_keepalive
[← chapter 11]: crate::guide::_11_keepalive
[chapter 11 →]: crate::guide::_11_keepalive
[chapter 12]: crate::guide::_12_backpressure
[← chapter 12]: crate::guide::_12_backpressure
[chapter 12 →]: crate::guide::_12_backpressure
[chapter 13]: crate::guide::_13_limits
[← chapter 13]: crate::guide::_13_limits
[chapter 13 →]: crate::guide::_13_limits
[contents]: crate::guide
[glossary]: crate::guide::glossary

[`Acceptor::on_request`]: crate::Acceptor::on_request
[`Acceptor::origins`]: crate::Acceptor::origins
[`Client::connect`]: crate::Client::connect
[`Client::header`]: crate::Client::header
[`Client::origin`]: crate::Client::origin
[`Client::serialize_connects`]: crate::Client::serialize_connects
[`Client::subprotocols`]: crate::Client::subprotocols
[`ClientHandshake`]: crate::handshake::ClientHandshake
[`CloseCode`]: crate::CloseCode
[`CloseStatus::closed_by`]: crate::CloseStatus::closed_by
[`CloseStatus::code`]: crate::CloseStatus::code
[`CloseStatus::may_retry`]: crate::CloseStatus::may_retry
[`CloseStatus::reason`]: crate::CloseStatus::reason
[`CloseStatus::was_clean`]: crate::CloseStatus::was_clean
[`CloseStatus`]: crate::CloseStatus
[`Connection`]: crate::protocol::Connection
[`DeflateConfig`]: crate::deflate::DeflateConfig
[`Error::is_fatal`]: crate::Error::is_fatal
[`Error::is_timeout`]: crate::Error::is_timeout
[`Error::may_retry`]: crate::Error::may_retry
[`Error`]: crate::Error
[`FrameHeader::decode`]: crate::frame::FrameHeader::decode
[`FrameHeader::encode`]: crate::frame::FrameHeader::encode
[`FrameHeader`]: crate::frame::FrameHeader
[`HandshakeError`]: crate::handshake::HandshakeError
[`HeadScanner`]: crate::handshake::HeadScanner
[`Headers::append`]: crate::handshake::Headers::append
[`Headers::has_token`]: crate::handshake::Headers::has_token
[`Hub::broadcast`]: crate::Hub::broadcast
[`Hub::new`]: crate::Hub::new
[`Hub::totals`]: crate::Hub::totals
[`Hub`]: crate::Hub
[`Inbound::take_partial`]: crate::protocol::Inbound::take_partial
[`Inbound`]: crate::protocol::Inbound
[`KeySource`]: crate::protocol::KeySource
[`Limits::max_fragments`]: crate::Limits::max_fragments
[`Limits::max_message_len`]: crate::Limits::max_message_len
[`MaskingKey::append`]: crate::frame::MaskingKey::append
[`MaskingKey::apply`]: crate::frame::MaskingKey::apply
[`Message::Binary`]: crate::Message::Binary
[`Message::Text`]: crate::Message::Text
[`MessageReader`]: crate::MessageReader
[`MessageWriter`]: crate::MessageWriter
[`Outbound::client`]: crate::protocol::Outbound::client
[`Outbound`]: crate::protocol::Outbound
[`PendingControl`]: crate::protocol::PendingControl
[`PreparedMessage`]: crate::PreparedMessage
[`ProtocolError`]: crate::ProtocolError
[`Receiver::recv_reader`]: crate::Receiver::recv_reader
[`Receiver::recv`]: crate::Receiver::recv
[`Receiver`]: crate::Receiver
[`Rejection`]: crate::handshake::Rejection
[`SendError`]: crate::SendError
[`Sender::abort`]: crate::Sender::abort
[`Sender::close`]: crate::Sender::close
[`Sender::feed`]: crate::Sender::feed
[`Sender::flush`]: crate::Sender::flush
[`Sender::measure_latency`]: crate::Sender::measure_latency
[`Sender::send`]: crate::Sender::send
[`Sender::uncompressed`]: crate::Sender::uncompressed
[`Sender::writer`]: crate::Sender::writer
[`Sender`]: crate::Sender
[`Server`]: crate::Server
[`SlowPolicy`]: crate::SlowPolicy
[`State::Closed`]: crate::State::Closed
[`State::Closing`]: crate::State::Closing
[`State::Open`]: crate::State::Open
[`State`]: crate::State
[`Timeouts::linger`]: crate::Timeouts::linger
[`Timeouts::ping`]: crate::Timeouts::ping
[`Timeouts::pong`]: crate::Timeouts::pong
[`Timeouts::write`]: crate::Timeouts::write
[`Upgrade`]: crate::handshake::Upgrade
[`Utf8Check`]: crate::frame::Utf8Check
[`WebSocket::close_with`]: crate::WebSocket::close_with
[`WebSocket::close`]: crate::WebSocket::close
[`WebSocket::latency`]: crate::WebSocket::latency
[`WebSocket::negotiated`]: crate::WebSocket::negotiated
[`WebSocket::ping`]: crate::WebSocket::ping
[`WebSocket::recv_reader`]: crate::WebSocket::recv_reader
[`WebSocket::recv`]: crate::WebSocket::recv
[`WebSocket::send`]: crate::WebSocket::send
[`WebSocket::split`]: crate::WebSocket::split
[`WebSocket::state`]: crate::WebSocket::state
[`WebSocket::subprotocol`]: crate::WebSocket::subprotocol
[`WebSocket::writer`]: crate::WebSocket::writer
[`WebSocket`]: crate::WebSocket
[`tightwire::protocol`]: crate::protocol

[`src/deflate/deflater.rs`]: ../../../src/tightwire/deflate/deflater.rs.html
[`src/deflate/inflater.rs`]: ../../../src/tightwire/deflate/inflater.rs.html
[`src/deflate/params.rs`]: ../../../src/tightwire/deflate/params.rs.html
[`src/error.rs`]: ../../../src/tightwire/error.rs.html
[`src/excerpt.rs`]: ../../../src/tightwire/excerpt.rs.html
[`src/frame/close.rs`]: ../../../src/tightwire/frame/close.rs.html
[`src/frame/header.rs`]: ../../../src/tightwire/frame/header.rs.html
[`src/frame/mask.rs`]: ../../../src/tightwire/frame/mask.rs.html
[`src/frame/opcode.rs`]: ../../../src/tightwire/frame/opcode.rs.html
[`src/frame/utf8.rs`]: ../../../src/tightwire/frame/utf8.rs.html
[`src/handshake/client.rs`]: ../../../src/tightwire/handshake/client.rs.html
[`src/handshake/error.rs`]: ../../../src/tightwire/handshake/error.rs.html
[`src/handshake/extension.rs`]: ../../../src/tightwire/handshake/extension.rs.html
[`src/handshake/http/head.rs`]: ../../../src/tightwire/handshake/http/head.rs.html
[`src/handshake/key.rs`]: ../../../src/tightwire/handshake/key.rs.html
[`src/handshake/server.rs`]: ../../../src/tightwire/handshake/server.rs.html
[`src/net/accept/mod.rs`]: ../../../src/tightwire/net/accept/mod.rs.html
[`src/net/broadcast/round.rs`]: ../../../src/tightwire/net/broadcast/round.rs.html
[`src/net/connection/inbox.rs`]: ../../../src/tightwire/net/connection/inbox.rs.html
[`src/net/connection/latency.rs`]: ../../../src/tightwire/net/connection/latency.rs.html
[`src/net/connection/receive/end.rs`]: ../../../src/tightwire/net/connection/receive/end.rs.html
[`src/net/connection/receive/events.rs`]: ../../../src/tightwire/net/connection/receive/events.rs.html
[`src/net/connection/receive/keepalive.rs`]: ../../../src/tightwire/net/connection/receive/keepalive.rs.html
[`src/net/connection/receive/message_reader.rs`]: ../../../src/tightwire/net/connection/receive/message_reader.rs.html
[`src/net/connection/receive/wait.rs`]: ../../../src/tightwire/net/connection/receive/wait.rs.html
[`src/net/connection/shared.rs`]: ../../../src/tightwire/net/connection/shared.rs.html
[`src/net/connection/status.rs`]: ../../../src/tightwire/net/connection/status.rs.html
[`src/net/connection/write/calls.rs`]: ../../../src/tightwire/net/connection/write/calls.rs.html
[`src/net/connection/write/flusher.rs`]: ../../../src/tightwire/net/connection/write/flusher.rs.html
[`src/net/connection/write/guard.rs`]: ../../../src/tightwire/net/connection/write/guard.rs.html
[`src/net/connection/write/lock.rs`]: ../../../src/tightwire/net/connection/write/lock.rs.html
[`src/net/connection/write/message.rs`]: ../../../src/tightwire/net/connection/write/message.rs.html
[`src/net/connection/write/message_writer.rs`]: ../../../src/tightwire/net/connection/write/message_writer.rs.html
[`src/net/connection/write/prepared.rs`]: ../../../src/tightwire/net/connection/write/prepared.rs.html
[`src/net/connection/write/writer.rs`]: ../../../src/tightwire/net/connection/write/writer.rs.html
[`src/net/deadline.rs`]: ../../../src/tightwire/net/deadline.rs.html
[`src/net/entropy.rs`]: ../../../src/tightwire/net/entropy.rs.html
[`src/net/error.rs`]: ../../../src/tightwire/net/error.rs.html
[`src/net/server/accept_loop.rs`]: ../../../src/tightwire/net/server/accept_loop.rs.html
[`src/net/server/serve.rs`]: ../../../src/tightwire/net/server/serve.rs.html
[`src/net/server/worker_pool.rs`]: ../../../src/tightwire/net/server/worker_pool.rs.html
[`src/net/tls/stream.rs`]: ../../../src/tightwire/net/tls/stream.rs.html
[`src/protocol/assembly.rs`]: ../../../src/tightwire/protocol/assembly.rs.html
[`src/protocol/connection.rs`]: ../../../src/tightwire/protocol/connection.rs.html
[`src/protocol/inbound.rs`]: ../../../src/tightwire/protocol/inbound.rs.html
[`src/protocol/limits.rs`]: ../../../src/tightwire/protocol/limits.rs.html
[`src/protocol/message.rs`]: ../../../src/tightwire/protocol/message.rs.html
[`src/protocol/outbound/control.rs`]: ../../../src/tightwire/protocol/outbound/control.rs.html
[`src/protocol/outbound/mod.rs`]: ../../../src/tightwire/protocol/outbound/mod.rs.html
[`src/protocol/pending.rs`]: ../../../src/tightwire/protocol/pending.rs.html
[`src/protocol/send_error.rs`]: ../../../src/tightwire/protocol/send_error.rs.html

[`docs/compression.md`]: https://docs.rs/crate/tightwire/latest/source/docs/compression.md
[`docs/decisions.md`]: https://docs.rs/crate/tightwire/latest/source/docs/decisions.md
[`docs/performance.md`]: https://docs.rs/crate/tightwire/latest/source/docs/performance.md
[`docs/recipes.md`]: crate::recipes
[`docs/scaling.md`]: https://docs.rs/crate/tightwire/latest/source/docs/scaling.md
[`docs/security.md`]: https://docs.rs/crate/tightwire/latest/source/docs/security.md
[`docs/threads.md`]: https://docs.rs/crate/tightwire/latest/source/docs/threads.md
[`examples/chat`]: https://docs.rs/crate/tightwire/latest/source/examples/chat/
[`examples/error_handling.rs`]: https://docs.rs/crate/tightwire/latest/source/examples/error_handling.rs
[`examples/event_loop.rs`]: https://docs.rs/crate/tightwire/latest/source/examples/event_loop.rs
[`examples/from_scratch.rs`]: https://docs.rs/crate/tightwire/latest/source/examples/from_scratch.rs
[`examples/reconnect.rs`]: https://docs.rs/crate/tightwire/latest/source/examples/reconnect.rs
[`src/net/connection/model`]: https://docs.rs/crate/tightwire/latest/source/src/net/connection/model/
[`tests/chunking.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/chunking.rs
[`tests/closing_table.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/closing_table.rs
[`tests/deflate.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/deflate.rs
[`tests/deflate_memory.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/deflate_memory.rs
[`tests/inbound.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/inbound.rs
[`tests/memory.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/memory.rs
[`tests/model/run`]: https://docs.rs/crate/tightwire/latest/source/tests/model/run
[`tests/net_calls.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/net_calls.rs
[`tests/net_closing.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/net_closing.rs
[`tests/net_duplex.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/net_duplex.rs
[`tests/net_faults.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/net_faults.rs
[`tests/net_hub.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/net_hub.rs
[`tests/net_keepalive.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/net_keepalive.rs
[`tests/net_tls_duplex.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/net_tls_duplex.rs
[`tests/support/deflate.rs`]: https://docs.rs/crate/tightwire/latest/source/tests/support/deflate.rs
"
    };
}

/// The targets that exist only with the feature `deflate`.
#[cfg(feature = "deflate")]
macro_rules! deflate_links {
    () => {
        "
[chapter 9]: crate::guide::_09_extensions
[← chapter 9]: crate::guide::_09_extensions
[chapter 9 →]: crate::guide::_09_extensions
"
    };
}
#[cfg(not(feature = "deflate"))]
macro_rules! deflate_links {
    () => {
        "
[chapter 9]: https://docs.rs/tightwire/latest/tightwire/guide/_09_extensions/index.html
[← chapter 9]: https://docs.rs/tightwire/latest/tightwire/guide/_09_extensions/index.html
[chapter 9 →]: https://docs.rs/tightwire/latest/tightwire/guide/_09_extensions/index.html
"
    };
}

/// Makes a module of each chapter.
macro_rules! chapters {
    ($($(#[$attribute:meta])* $name:ident: $file:literal,)*) => {
        $(
            #[doc = links!()]
            #[doc = deflate_links!()]
            #[doc = include_str!("../docs/images/definitions.txt")]
            #[doc = ""]
            #[doc = include_str!(concat!("../docs/guide/", $file))]
            $(#[$attribute])*
            pub mod $name {}
        )*
    };
}

chapters! {
    _00_one_connection: "00-one-connection.md",
    _01_opening_handshake: "01-opening-handshake.md",
    _02_frame: "02-frame.md",
    _03_masking: "03-masking.md",
    _04_fragmentation: "04-fragmentation.md",
    _05_control_frames: "05-control-frames.md",
    _06_text: "06-text.md",
    _07_closing_handshake: "07-closing-handshake.md",
    _08_errors: "08-errors.md",
    #[cfg(feature = "deflate")]
    _09_extensions: "09-extensions.md",
    _10_threads: "10-threads.md",
    _11_keepalive: "11-keepalive.md",
    _12_backpressure: "12-backpressure.md",
    _13_limits: "13-limits.md",
    glossary: "glossary.md",
}
