//! The published state of a connection: one atomic number that every thread reads without a lock.
//!
//! | flag | set by | holding | cleared by |
//! | --- | --- | --- | --- |
//! | `CONTROL` | a thread that posts a Pong, Ping or Close | the slot | the thread that encodes it, which sets `BEHIND` in the same step |
//! | `BROADCAST` | a thread that posts a broadcast | the slot | the thread that takes the last one; at the end, the receiver |
//! | `REFUSING` | the writing thread, when it stops working for others | writer and slot | the next thread that takes the writer |
//! | `FED`, `BEHIND`, `STALLED`, `IN_MESSAGE` | the writing thread | the writer | the writing thread |
//! | `CLOSE_SENT` | the writing thread, before it writes a Close frame | the writer | never |
//! | `CLOSE_RECEIVED`, `FAILED` | the receiver, when it posts the Close that follows | the slot | never |
//! | `BROKEN`, `ABORTED`, `SLOW` | any thread | nothing | never |
//!
//! A status of zero means that a message can be sent at once, so one load is enough to find that
//! out.

use crate::net::sync::{AtomicU16, Ordering};
use crate::protocol::State;

/// A Pong, Ping or Close is in the inbox.
pub(super) const CONTROL: u16 = 1;
/// Broadcasts are in the inbox.
pub(super) const BROADCAST: u16 = 1 << 1;
/// The inbox accepts no broadcasts until another thread takes the writer.
pub(super) const REFUSING: u16 = 1 << 2;
/// Only messages that the caller fed wait, and they may wait for the caller's next call. They are
/// fewer than `FLUSH_AT` bytes: more are written at once.
pub(super) const FED: u16 = 1 << 3;
/// Bytes wait that must be written as soon as the peer takes them.
pub(super) const BEHIND: u16 = 1 << 4;
/// A message is being sent in fragments, and no other message may begin.
pub(super) const IN_MESSAGE: u16 = 1 << 5;
/// A Close frame was sent, or is about to be.
pub(super) const CLOSE_SENT: u16 = 1 << 6;
/// A Close frame was received.
pub(super) const CLOSE_RECEIVED: u16 = 1 << 7;
/// The peer broke the protocol. Its later bytes no longer count.
pub(super) const FAILED: u16 = 1 << 8;
/// The stream can no longer be written to.
pub(super) const BROKEN: u16 = 1 << 9;
/// This side ended the connection at once, without a closing handshake.
pub(super) const ABORTED: u16 = 1 << 10;
/// The last call to the stream took less than it was given.
pub(super) const STALLED: u16 = 1 << 11;
/// A hub ended the connection because the peer reads too slowly. It is set together with `ABORTED`.
pub(super) const SLOW: u16 = 1 << 12;

/// The published state. All changes are in one total order (`SeqCst`): a thread that sees a later
/// change sees the earlier ones.
#[derive(Debug)]
pub(super) struct Status(AtomicU16);

/// The published state at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Snapshot(u16);

impl Status {
    pub(super) fn new() -> Self {
        Self(AtomicU16::new(0))
    }

    #[inline]
    pub(super) fn get(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::SeqCst))
    }

    /// Whether any of these flags is set.
    #[inline]
    pub(super) fn has(&self, flags: u16) -> bool {
        self.get().has(flags)
    }

    /// Sets these flags, and returns the state before.
    #[inline]
    pub(super) fn set(&self, flags: u16) -> Snapshot {
        Snapshot(self.0.fetch_or(kept(flags), Ordering::SeqCst))
    }

    pub(super) fn clear(&self, flags: u16) {
        self.0.fetch_and(!flags, Ordering::SeqCst);
    }

    /// Clears some flags and sets others in one step.
    pub(super) fn replace(&self, cleared: u16, set: u16) {
        let mut current = self.0.load(Ordering::SeqCst);
        loop {
            let next = current & !cleared | kept(set);
            if next == current {
                return;
            }
            match self.0.compare_exchange(current, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(changed) => current = changed,
            }
        }
    }
}

/// Returns the flags without the one that this run of the model leaves out.
#[cfg(loom)]
fn kept(flags: u16) -> u16 {
    let names = [
        ("CONTROL", CONTROL),
        ("BROADCAST", BROADCAST),
        ("REFUSING", REFUSING),
        ("FED", FED),
        ("BEHIND", BEHIND),
        ("IN_MESSAGE", IN_MESSAGE),
        ("CLOSE_SENT", CLOSE_SENT),
        ("CLOSE_RECEIVED", CLOSE_RECEIVED),
        ("FAILED", FAILED),
        ("BROKEN", BROKEN),
        ("ABORTED", ABORTED),
        ("STALLED", STALLED),
    ];
    let left_out = names.into_iter().find(|(name, _)| crate::net::sync::left_out(name));
    flags & !left_out.map_or(0, |(_, flag)| flag)
}

#[cfg(not(loom))]
const fn kept(flags: u16) -> u16 {
    flags
}

impl Snapshot {
    /// Whether any of these flags is set.
    #[inline]
    pub(super) const fn has(self, flags: u16) -> bool {
        self.0 & flags != 0
    }

    #[inline]
    pub(super) const fn state(self) -> State {
        match (self.has(CLOSE_SENT), self.has(CLOSE_RECEIVED)) {
            _ if self.has(FAILED | BROKEN) => State::Closed,
            (false, false) => State::Open,
            (true, true) => State::Closed,
            _ => State::Closing,
        }
    }

    /// Whether the receiver has nothing to do except wait for the peer.
    #[inline]
    pub(super) const fn is_calm(self) -> bool {
        !self.has(CONTROL | BROADCAST | BEHIND | CLOSE_SENT | BROKEN)
    }

    /// Whether the inbox holds work that can be written now.
    #[inline]
    pub(super) const fn has_work(self) -> bool {
        if !self.has(CONTROL | BROADCAST) {
            // The usual case, so it comes first.
            return false;
        }
        !self.has(BEHIND | BROKEN) && (self.has(CONTROL) || self.has_broadcast())
    }

    /// Whether the receiver is responsible for bytes or for work, so that it must come back soon.
    #[inline]
    pub(super) const fn needs_receiver(self) -> bool {
        !self.has(BROKEN) && (self.has(CONTROL | BEHIND) || self.has_broadcast())
    }

    /// Whether a broadcast could be written. During a streamed message it must wait for the end.
    #[inline]
    const fn has_broadcast(self) -> bool {
        self.has(BROADCAST) && !self.has(IN_MESSAGE)
    }
}
