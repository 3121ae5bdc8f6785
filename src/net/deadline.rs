//! Deadlines of calls.
//!
//! A call makes one [`Deadline`] from its timeout, and everything that it does shares it. Timeouts
//! of the stream are computed from the time that is left. Work for other threads is bounded by a
//! slice instead. [`Wait`] tells which of the two bounds a write.

use std::time::{Duration, Instant};

use super::stream::WRITE_SLICE;

/// The moment at which a call gives up, whatever steps it consists of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// Creates a deadline at the end of `timeout`. With `None` it is never over.
    pub(super) fn after(timeout: Option<Duration>) -> Self {
        // The model has no clock: there a deadline is over from the start, or never.
        #[cfg(loom)]
        let timeout = timeout.filter(Duration::is_zero);
        // A timeout that is too long for the clock is as good as none.
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Creates the deadline of a slice, which is the time for which a thread works for others.
    pub(super) fn slice() -> Self {
        #[cfg(loom)]
        if crate::net::sync::slices_are_over() {
            return Self::after(Some(Duration::ZERO));
        }
        Self::after(Some(WRITE_SLICE))
    }

    #[inline]
    pub(super) const fn never() -> Self {
        Self(None)
    }

    #[inline]
    pub(super) const fn is_never(self) -> bool {
        self.0.is_none()
    }

    pub(super) fn at(start: Instant, timeout: Duration) -> Self {
        Self(start.checked_add(timeout))
    }

    pub(super) fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    #[inline]
    pub(super) fn is_over(self) -> bool {
        self.0.is_some_and(|instant| instant <= Instant::now())
    }

    /// Returns the time that is left, as a timeout for a stream: at least 1 ms, because streams
    /// refuse zero.
    pub(super) fn left(self) -> Option<Duration> {
        let left = self.0?.saturating_duration_since(Instant::now());
        Some(left.max(Duration::from_millis(1)))
    }
}

/// How long a write may wait for the peer to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wait {
    /// Until the deadline of the call.
    Block,
    /// For one slice, because the thread has other work to do.
    Slice,
    /// Not at all, because other connections wait for the same thread.
    Never,
}
