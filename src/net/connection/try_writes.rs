//! A count by which a reader tells a non-waiting write of another thread from its own timeout.
//!
//! `std` has no flag for a single call that does not wait, so [`Stream::try_write`] switches the
//! stream to non-blocking mode for a moment. A read that begins in this moment fails with
//! `WouldBlock`, as it does when its timeout is over. The count is odd while such a write is in
//! progress. If the count was even before the read and has not changed since, the reader knows that
//! its time is over.
//!
//! [`Stream::try_write`]: crate::Stream::try_write

use crate::net::sync::{AtomicU32, Ordering, fence, left_out};

#[derive(Debug)]
pub(super) struct TryWrites(AtomicU32);

/// The count at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Count(u32);

impl TryWrites {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Calls `write`, which does not wait. The caller holds the writer, so there is one such write
    /// at a time.
    pub(super) fn during<T>(&self, write: impl FnOnce() -> T) -> T {
        self.step();
        fence("fence before a write that does not wait");
        let outcome = write();
        self.step();
        outcome
    }

    fn step(&self) {
        if !left_out("count of writes that do not wait") {
            self.0.fetch_add(1, Ordering::Release);
        }
    }

    /// Returns the count, before a read.
    #[inline]
    pub(super) fn count(&self) -> Count {
        // Pairs with the last step of a write: a read after that finds the stream in blocking mode
        // again.
        Count(self.0.load(Ordering::Acquire))
    }

    /// Whether no non-waiting write was in progress at any time since `count` was taken.
    pub(super) fn is_unchanged_since(&self, count: Count) -> bool {
        // Pairs with the fence above: a read that met the stream in non-blocking mode sees a
        // changed or odd count.
        fence("fence after a read");
        count.0 % 2 == 0 && self.count() == count
    }
}
