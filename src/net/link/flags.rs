use std::sync::atomic::{AtomicU8, Ordering};

/// What everybody has to know of a connection without waiting for a lock.
///
/// All of it is in one total order (`SeqCst`): who sees a later one sees the earlier ones.
#[derive(Debug, Default)]
pub(super) struct Flags(AtomicU8);

/// Something is in `owed`.
pub(super) const OWES: u8 = 1;
/// A Close frame went out, or is about to.
pub(super) const CLOSE_SENT: u8 = 1 << 1;
/// A Close frame came in.
pub(super) const CLOSE_RECEIVED: u8 = 1 << 2;
/// The peer broke the protocol: nothing of it counts any more.
pub(super) const FAILED: u8 = 1 << 3;
/// The transport is of no more use.
pub(super) const BROKEN: u8 = 1 << 4;
/// A write has left something over.
pub(super) const UNSENT: u8 = 1 << 5;
/// A write goes on after a call to the stream that left something over.
pub(super) const STALLED: u8 = 1 << 6;
/// A message is being sent piece by piece, and no other may begin. It changes with the turn only.
pub(super) const IN_MESSAGE: u8 = 1 << 7;

impl Flags {
    pub(super) fn get(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether any of these is set.
    pub(super) fn has(&self, flags: u8) -> bool {
        self.get() & flags != 0
    }

    pub(super) fn set(&self, flags: u8) {
        self.0.fetch_or(flags, Ordering::SeqCst);
    }

    /// Sets these, and returns all as they were.
    pub(super) fn fetch_set(&self, flags: u8) -> u8 {
        self.0.fetch_or(flags, Ordering::SeqCst)
    }

    /// Clears these. Most of the time there is nothing to do, and then it costs little.
    pub(super) fn clear(&self, flags: u8) {
        if self.has(flags) {
            self.0.fetch_and(!flags, Ordering::SeqCst);
        }
    }
}
