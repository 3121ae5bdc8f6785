//! Counts of the messages and bytes of a connection.
//!
//! Only one thread at a time adds to a count, the receiver or the thread that holds the writer. Any
//! thread may read it. So adding is a load and a store, without a locked instruction.

use std::ops::{Add, AddAssign};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of messages and bytes, for a connection or for all connections of a server.
///
/// A received message counts when all of it has arrived, a sent one when it is accepted for
/// sending. Bytes are counted as they pass the stream: with the headers of frames, with control
/// frames, after compression, and before TLS encrypts them. Bytes of the opening handshake are left
/// out.
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
    /// Messages that were accepted for sending.
    pub messages_sent: u64,
    /// Messages that have arrived.
    pub messages_received: u64,
    /// Bytes that the operating system has taken.
    pub bytes_sent: u64,
    /// Bytes that were read from the stream.
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

/// The counts of one direction. Their alignment keeps the two directions in different cache lines,
/// so that threads of different directions do not slow each other down.
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

    /// Returns the messages and the bytes.
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

/// Some 32-bit systems cannot load 64 bits in one step.
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
