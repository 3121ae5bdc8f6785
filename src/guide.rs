//! WebSocket explained, chapter by chapter, with the modules that do it.
//!
//! This is the folder `docs/guide` of the repository. The code in it is compiled and run by
//! `cargo test`, so what it says of bytes is so.
//!
//! 1. [The opening handshake](opening_handshake)
//! 2. [The frame](frame)
//! 3. [Masking, and why](masking)
//! 4. [Fragmentation](fragmentation)
//! 5. [Control frames](control_frames)
//! 6. [Text and UTF-8](text)
//! 7. [The closing handshake](closing_handshake)
//! 8. [Errors and close codes](errors)
//! 9. [Extensions and permessage-deflate](extensions/index.html)
//! 10. [Threads](threads)
//! 11. [Keepalive](keepalive)
//! 12. [Backpressure](backpressure)
//! 13. [Limits and attacks](limits)

#[doc = include_str!("../docs/guide/01-opening-handshake.md")]
pub mod opening_handshake {}
#[doc = include_str!("../docs/guide/02-frame.md")]
pub mod frame {}
#[doc = include_str!("../docs/guide/03-masking.md")]
pub mod masking {}
#[doc = include_str!("../docs/guide/04-fragmentation.md")]
pub mod fragmentation {}
#[doc = include_str!("../docs/guide/05-control-frames.md")]
pub mod control_frames {}
#[doc = include_str!("../docs/guide/06-text.md")]
pub mod text {}
#[doc = include_str!("../docs/guide/07-closing-handshake.md")]
pub mod closing_handshake {}
#[doc = include_str!("../docs/guide/08-errors.md")]
pub mod errors {}
#[doc = include_str!("../docs/guide/09-extensions.md")]
#[cfg(feature = "deflate")]
pub mod extensions {}
#[doc = include_str!("../docs/guide/10-threads.md")]
pub mod threads {}
#[doc = include_str!("../docs/guide/11-keepalive.md")]
pub mod keepalive {}
#[doc = include_str!("../docs/guide/12-backpressure.md")]
pub mod backpressure {}
#[doc = include_str!("../docs/guide/13-limits.md")]
pub mod limits {}
