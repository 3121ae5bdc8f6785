//! Work that threads leave for the thread that holds the writer, or that takes it next.
//!
//! There is room for one Pong, one Ping and one Close frame, and for [`QUEUE_MAX`] broadcasts. The
//! lock of the slot is never held across a call to the stream, so no thread waits here for a peer.
//! Each change sets or clears its flag of the [`Status`] before the slot is unlocked: a thread that
//! sees one of the two, the change or the flag, sees the other.

use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;

use super::status::{BROADCAST, BROKEN, CONTROL, REFUSING, Status};
use super::write::PreparedMessage;
use crate::net::sync::{Mutex, MutexGuard, fence};
use crate::protocol::PendingControl;

/// The number of broadcasts that may wait for a connection. It is enough for several threads that
/// broadcast at once, or for the time of a long message. A peer that is further behind is slow.
pub(super) const QUEUE_MAX: usize = 16;

/// A broadcast, and whether its sender wants it compressed.
pub(super) type QueuedBroadcast = (PreparedMessage, bool);

/// The outcome of posting a broadcast.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Post {
    Done,
    /// [`QUEUE_MAX`] broadcasts wait.
    Full,
    /// The thread that holds the writer accepts no more, or the connection has ended.
    Refused,
}

#[derive(Debug)]
pub(super) struct Inbox {
    slot: Mutex<Slot>,
}

#[derive(Debug)]
struct Slot {
    control: PendingControl,
    /// They share their bytes with other connections, so each takes little memory.
    broadcasts: VecDeque<QueuedBroadcast>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let slot = Slot { control: PendingControl::new(), broadcasts: VecDeque::new() };
        Self { slot: Mutex::new(slot) }
    }

    /// Posts a control frame, and publishes it together with the flags of the event that caused it.
    pub(super) fn post(&self, status: &Status, flags: u16, note: impl FnOnce(&mut PendingControl)) {
        let mut slot = self.lock();
        note(&mut slot.control);
        status.set(CONTROL | flags);
        drop(slot);
        fence("fence of a control frame");
    }

    /// Posts a broadcast, unless the queue is full or refuses.
    pub(super) fn post_broadcast(
        &self,
        status: &Status,
        message: &PreparedMessage,
        compresses: bool,
    ) -> Post {
        let mut slot = self.lock();
        if status.has(REFUSING | BROKEN) {
            return Post::Refused;
        }
        if slot.broadcasts.len() >= QUEUE_MAX {
            return Post::Full;
        }
        slot.broadcasts.push_back((message.clone(), compresses));
        status.set(BROADCAST);
        drop(slot);
        fence("fence of a broadcast");
        Post::Done
    }

    /// Calls `take` with the control frames, under the lock of the slot.
    pub(super) fn take_control<T>(&self, take: impl FnOnce(&mut PendingControl) -> T) -> T {
        take(&mut self.lock().control)
    }

    pub(super) fn take_broadcast(&self, status: &Status) -> Option<QueuedBroadcast> {
        let mut slot = self.lock();
        let first = slot.broadcasts.pop_front();
        if slot.broadcasts.is_empty() {
            status.clear(BROADCAST);
        }
        first
    }

    /// Discards the broadcasts of a connection that has ended. No more can follow, because
    /// `post_broadcast` refuses them once `BROKEN` is set.
    pub(super) fn discard_broadcasts(&self, status: &Status) {
        let mut slot = self.lock();
        let discarded = mem::take(&mut slot.broadcasts);
        status.clear(BROADCAST);
        drop(slot);
        drop(discarded);
    }

    /// Refuses broadcasts until the next thread takes the writer.
    pub(super) fn refuse_broadcasts(&self, status: &Status) {
        let slot = self.lock();
        status.set(REFUSING);
        drop(slot);
    }

    /// Whether a Close frame waits. It is the last frame: nothing else must be written after it.
    pub(super) fn has_close(&self) -> bool {
        self.lock().control.has_close()
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
