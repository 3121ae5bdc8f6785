//! How a reader tells a write that does not wait from the end of its own time-out.
//!
//! std has no flag for one call that does not wait, so [`Stream::try_write`] switches the stream to
//! non-blocking mode for a moment. A read that begins in this moment fails with `WouldBlock`, as it
//! does at its time-out. The count is odd while such a write goes on: a reader whose count is even
//! and has not changed meanwhile knows that its time is over.
//!
//! [`Stream::try_write`]: crate::Stream::try_write

use crate::net::sync::{AtomicU32, Ordering, fence, left_out};

#[derive(Debug)]
pub(super) struct TryWrites(AtomicU32);

/// The count at some moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Count(u32);

impl TryWrites {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Makes a write that does not wait. The thread holds the writer, so there is one at a time.
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

    /// The count before a read.
    #[inline]
    pub(super) fn count(&self) -> Count {
        // Pairs with the last step of a write: a read after that finds the stream blocking again.
        Count(self.0.load(Ordering::Acquire))
    }

    /// Whether no write that does not wait went on since then.
    pub(super) fn is_unchanged_since(&self, count: Count) -> bool {
        // Pairs with the fence above: whoever met the stream in non-blocking mode sees the count.
        fence("fence after a read");
        count.0 % 2 == 0 && self.count() == count
    }
}
