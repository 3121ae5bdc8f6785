//! Counts of what has passed over a connection.
//!
//! Each count has one thread that adds to it at a time, the receiver or the one that has the
//! writer, and any thread may read it. So adding is a load and a store, and locks no bus.

use std::ops::{Add, AddAssign};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::{AtomicU64, Ordering};

/// What has passed over a connection, or over all connections of a server.
///
/// A message counts when all of it has arrived, or when it is accepted for sending. Bytes are those
/// of frames, headers and control frames included, as they are in the stream: compressed, and
/// before TLS encrypts them. Those of the opening handshake are left out.
///
/// ```
/// use tightwire::Counters;
///
/// let mut sum = Counters::default();
/// sum += Counters::default();
/// assert_eq!((sum.messages_sent, sum.bytes_received), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages that were sent.
    pub messages_sent: u64,
    /// Messages that were received.
    pub messages_received: u64,
    /// Bytes that the system has taken.
    pub bytes_sent: u64,
    /// Bytes that were read.
    pub bytes_received: u64,
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages_sent: self.messages_sent + other.messages_sent,
            messages_received: self.messages_received + other.messages_received,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
        }
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The counts of one direction. Two threads that count in different directions share no cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Direction {
    messages: Count,
    bytes: Count,
}

impl Direction {
    #[inline]
    pub(super) fn add_message(&self) {
        self.messages.add(1);
    }

    #[inline]
    pub(super) fn add_bytes(&self, count: usize) {
        self.bytes.add(count as u64);
    }

    /// Messages and bytes.
    pub(super) fn get(&self) -> (u64, u64) {
        (self.messages.get(), self.bytes.get())
    }
}

#[cfg(target_has_atomic = "64")]
#[derive(Debug, Default)]
struct Count(AtomicU64);

#[cfg(target_has_atomic = "64")]
impl Count {
    #[inline]
    fn add(&self, count: u64) {
        self.0.store(self.get() + count, Ordering::Relaxed);
    }

    #[inline]
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Some systems of 32 bits cannot load 64 in one step.
#[cfg(not(target_has_atomic = "64"))]
#[derive(Debug, Default)]
struct Count(std::sync::Mutex<u64>);

#[cfg(not(target_has_atomic = "64"))]
impl Count {
    fn add(&self, count: u64) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += count;
    }

    fn get(&self) -> u64 {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
