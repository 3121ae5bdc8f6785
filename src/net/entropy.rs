//! Random bytes of the operating system, for masking keys (§5.3) and handshake keys (§4.1).
//!
//! A masking key must not be predictable, so no pseudorandom generator stands between it and the
//! system. One system call draws the keys of 64 frames. Each thread has its own batch, so threads
//! share no state.

use std::cell::RefCell;
use std::io;

use rand::TryRng;
use rand::rngs::SysRng;

use crate::frame::MaskingKey;

/// Random bytes of the operating system for 64 masking keys. Each key is used once, and most frames
/// need no system call (§5.3).
struct Batch {
    bytes: [u8; 256],
    used: usize,
}

thread_local! {
    static BATCH: RefCell<Batch> = const { RefCell::new(Batch { bytes: [0; 256], used: 256 }) };
}

/// Returns a fresh masking key, or `None` if the system has no entropy to give.
pub(super) fn masking_key() -> Option<MaskingKey> {
    // The access fails only while the thread is being torn down, when nobody should send.
    BATCH.try_with(|batch| batch.try_borrow_mut().ok()?.next()).ok()?
}

/// Returns the 16 bytes of a handshake's key (§4.1), or the error of a system that has no entropy
/// to give.
pub(super) fn nonce() -> io::Result<[u8; 16]> {
    let mut nonce = [0; 16];
    SysRng.try_fill_bytes(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

impl Batch {
    fn next(&mut self) -> Option<MaskingKey> {
        if self.used >= self.bytes.len() {
            SysRng.try_fill_bytes(&mut self.bytes).ok()?;
            self.used = 0;
        }
        let key = self.bytes.get(self.used..)?.first_chunk()?;
        self.used += key.len();
        Some(MaskingKey(*key))
    }
}
