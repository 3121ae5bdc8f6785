//! How long a call may wait.
//!
//! A call makes one [`Deadline`] from its time-out, and everything it consists of shares it.
//! Time-outs for a stream are computed from what is left. What a thread does for other threads is
//! bounded by a slice instead, and [`Wait`] says which of the two holds for a write.

use std::time::{Duration, Instant};

use super::stream::WRITE_SLICE;

/// The moment at which a blocking operation gives up, whatever it consists of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// `None` waits for ever.
    pub(super) fn after(timeout: Option<Duration>) -> Self {
        // The model has no clock: there a deadline is over from the beginning, or never.
        #[cfg(loom)]
        let timeout = timeout.filter(Duration::is_zero);
        // A time-out too long for the clock is as good as none.
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// The end of a slice: of the time in which a thread does something for others.
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

    /// What is left, as a time-out for a stream: never zero, which streams refuse.
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
    /// For one slice: the thread has something better to do.
    Slice,
    /// Not at all: other connections wait for the same thread.
    Never,
}
