//! Runs all tests of the codec in one program, for the mutation tests (`.cargo/mutants.toml`),
//! which build and link it for each of a thousand changes. `cargo test` leaves it out, because it
//! runs the same tests file by file.

#![allow(clippy::duplicate_mod, reason = "each file brings the helpers it shares")]

#[path = "chunking.rs"]
mod chunking;
#[path = "closing_table.rs"]
mod closing_table;
#[path = "deflate.rs"]
mod deflate;
#[path = "deflate_memory.rs"]
mod deflate_memory;
#[path = "deflate_send.rs"]
mod deflate_send;
#[path = "frame.rs"]
mod frame;
#[path = "handshake_access.rs"]
mod handshake_access;
#[path = "handshake_client.rs"]
mod handshake_client;
#[path = "handshake_deflate.rs"]
mod handshake_deflate;
#[path = "handshake_extension.rs"]
mod handshake_extension;
#[path = "handshake_http.rs"]
mod handshake_http;
#[path = "handshake_proxy.rs"]
mod handshake_proxy;
#[path = "handshake_server.rs"]
mod handshake_server;
#[path = "handshake_uri.rs"]
mod handshake_uri;
#[path = "inbound.rs"]
mod inbound;
#[path = "memory.rs"]
mod memory;
#[path = "outbound.rs"]
mod outbound;
#[path = "vectors.rs"]
mod vectors;
