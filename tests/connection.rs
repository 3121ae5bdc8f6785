//! Runs in one program the tests of an open connection that need no real time, for the mutation
//! tests of `src/net/connection` (tests/README.md). `cargo test` leaves this program out, because
//! it runs the same tests file by file. `net_descriptors.rs` is missing here, because it counts the
//! open files of its process.

#![allow(clippy::duplicate_mod, reason = "each file brings the helpers it shares")]

#[path = "deflate_memory.rs"]
mod deflate_memory;
#[path = "memory.rs"]
mod memory;
#[path = "net_abort.rs"]
mod net_abort;
#[path = "net_calls.rs"]
mod net_calls;
#[path = "net_claims.rs"]
mod net_claims;
#[path = "net_client.rs"]
mod net_client;
#[path = "net_close_deadline.rs"]
mod net_close_deadline;
#[path = "net_closing.rs"]
mod net_closing;
#[path = "net_deadlines.rs"]
mod net_deadlines;
#[path = "net_deflate.rs"]
mod net_deflate;
#[path = "net_echo.rs"]
mod net_echo;
#[path = "net_errors.rs"]
mod net_errors;
#[path = "net_hub.rs"]
mod net_hub;
#[path = "net_hub_busy.rs"]
mod net_hub_busy;
#[path = "net_hub_wait.rs"]
mod net_hub_wait;
#[path = "net_keepalive.rs"]
mod net_keepalive;
#[path = "net_linger.rs"]
mod net_linger;
#[path = "net_messages.rs"]
mod net_messages;
#[path = "net_pongs.rs"]
mod net_pongs;
#[path = "net_rest.rs"]
mod net_rest;
#[path = "net_shutdown.rs"]
mod net_shutdown;
#[path = "net_slice.rs"]
mod net_slice;
#[path = "net_streaming.rs"]
mod net_streaming;
#[path = "net_wait.rs"]
mod net_wait;
