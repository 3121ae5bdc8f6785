//! Work that threads leave for the thread that has the writer, or will have it next.
//!
//! There is room for one Pong, one Ping and one Close frame, and for [`QUEUE_MAX`] broadcasts. The
//! lock of the slot is never held across a call to the stream, so no thread waits here for a peer.
//! Each change sets or clears its flag of the [`Status`] before the slot is unlocked: a thread that
//! sees the one sees the other.

use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;

use super::status::{BROADCAST, BROKEN, CONTROL, REFUSING, Status};
use super::write::PreparedMessage;
use crate::net::sync::{Mutex, MutexGuard, fence};
use crate::protocol::PendingControl;

/// As many broadcasts may wait for a connection. Enough for several threads that broadcast at
/// once, or for a long message in between; a peer that is further behind is slow.
pub(super) const QUEUE_MAX: usize = 16;

/// A broadcast, and whether its sender has it compressed.
pub(super) type QueuedBroadcast = (PreparedMessage, bool);

/// What the inbox does with a broadcast.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Post {
    Done,
    /// As many wait as may.
    Full,
    /// The thread that has the writer takes no more, or the connection has ended.
    Refused,
}

#[derive(Debug)]
pub(super) struct Inbox {
    slot: Mutex<Slot>,
}

#[derive(Debug)]
struct Slot {
    control: PendingControl,
    /// They are shared with other connections, so they cost little.
    broadcasts: VecDeque<QueuedBroadcast>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let slot = Slot { control: PendingControl::new(), broadcasts: VecDeque::new() };
        Self { slot: Mutex::new(slot) }
    }

    /// Leaves a control frame, and publishes the flags of the event that it comes from.
    pub(super) fn post(&self, status: &Status, flags: u16, note: impl FnOnce(&mut PendingControl)) {
        let mut slot = self.lock();
        note(&mut slot.control);
        status.set(CONTROL | flags);
        drop(slot);
        fence("fence of a control frame");
    }

    /// Leaves a broadcast, unless the queue is full or refuses.
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

    /// Hands the control frames to `take`.
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

    /// Gives up the broadcasts of a connection that has ended. None follows.
    pub(super) fn discard_broadcasts(&self, status: &Status) {
        let mut slot = self.lock();
        let discarded = mem::take(&mut slot.broadcasts);
        status.clear(BROADCAST);
        drop(slot);
        drop(discarded);
    }

    /// Takes no more broadcasts until the next thread has the writer.
    pub(super) fn refuse_broadcasts(&self, status: &Status) {
        let slot = self.lock();
        status.set(REFUSING);
        drop(slot);
    }

    /// Whether a Close frame waits: the last one, after which nothing else has to be written.
    pub(super) fn has_close(&self) -> bool {
        self.lock().control.has_close()
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
