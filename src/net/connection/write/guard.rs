//! The only way to the writer, and what a thread that has it does for others.
//!
//! A thread that finds the writer taken never waits for it on behalf of others: it leaves a Pong,
//! a Ping, a Close or a broadcast in the inbox, and goes its way. So the thread that has the
//! writer owes the others three things, and [`WriteGuard::release`], or its two steps, is where it
//! pays:
//!
//! 1. It takes what is in the inbox and writes it, together with all other bytes that have to go
//!    out. After one slice (`WRITE_SLICE`) it does so once more, and then stops.
//! 2. It publishes what it leaves behind: nothing, `FED` or `BEHIND`.
//! 3. It unlocks, and then looks into the inbox again: a thread that posted before the unlocking
//!    may have found the writer taken. The fences make sure that one of the two sees the other.
//!
//! Nothing is left without an owner. Bytes that the peer does not take are `BEHIND`, and the
//! flusher goes on with them, or the receiver if it leaves them on its way to a read. When
//! broadcasts come so fast that the slice ends first, the inbox refuses more of them until another
//! thread has the writer, and the broadcaster tries again. A control frame that comes after the
//! slice was posted by the receiver, which looks before it reads; only a Close may come from
//! elsewhere, and for that the writer is taken once more.
//!
//! `lock.rs` has the first and the last of it: how a thread gets the writer, and the look. `calls.rs`
//! has the calls to the stream.
//!
//! To change this file, change `model` with it: it has an invariant for each sentence above.

use std::net::Shutdown;
use std::sync::PoisonError;
use std::time::Duration;

use super::flusher;
use super::writer::{Flush, Writer};
use crate::net::connection::inbox::QUEUE_MAX;
use crate::net::connection::shared::Shared;
use crate::net::connection::status::{
    BEHIND, BROADCAST, BROKEN, CLOSE_SENT, CONTROL, FED, IN_MESSAGE, REFUSING, STALLED, Snapshot,
};
use crate::net::deadline::{Deadline, Wait};
use crate::net::sync::{MutexGuard, left_out};
use crate::net::{Error, Operation, Stream};
use crate::protocol::{SendError, State};

/// How often a thread that waits for the end of a streamed message looks whether the connection
/// has ended, or the inbox has something for it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The writer, in the hands of one thread.
#[derive(Debug)]
pub(in crate::net::connection) struct WriteGuard<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: MutexGuard<'a, Writer>,
    /// The published state when this thread got the writer. Flags that only a writer sets are so
    /// still; work may have come.
    pub(super) seen: Snapshot,
    /// The end of the caller's own call, once it has waited.
    pub(super) deadline: Option<Deadline>,
    pub(super) others: ForOthers,
}

/// How far a thread goes for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForOthers {
    /// How long a write for them may wait: never as long as `Block`.
    pub(super) wait: Wait,
    /// This thread does not go on for them for a whole slice.
    pub(super) is_brief: bool,
    /// This thread comes back soon for the bytes that it leaves behind.
    pub(super) comes_back: bool,
    /// The end of the slice, once there was a second thing to do for them.
    pub(super) slice: Option<Deadline>,
    /// The stream was called.
    pub(super) has_tried: bool,
}

impl Default for ForOthers {
    fn default() -> Self {
        Self {
            wait: Wait::Slice,
            is_brief: false,
            comes_back: false,
            slice: None,
            has_tried: false,
        }
    }
}

/// Having it, and giving it back.
impl<'a> WriteGuard<'a> {
    #[inline(always)]
    pub(super) fn new(
        shared: &'a Shared,
        writer: MutexGuard<'a, Writer>,
        others: ForOthers,
    ) -> Self {
        let seen = shared.status.get();
        Self { shared, writer, seen, deadline: None, others }
    }

    /// Lets the inbox take broadcasts again: this thread looks for them.
    #[inline]
    pub(super) fn accept_broadcasts(&self) {
        if self.seen.has(REFUSING) {
            self.shared.status.clear(REFUSING);
        }
    }

    #[inline]
    pub(super) fn act<T>(
        mut self,
        act: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outcome = self.take_work().and_then(|()| act(&mut self));
        self.release();
        outcome
    }

    /// Does what a writer owes to others, and unlocks. A path that is to be short calls the two steps
    /// itself: then the guard is not copied.
    #[inline]
    pub(super) fn release(mut self) {
        self.settle();
        self.unlock();
    }

    #[cold]
    pub(super) fn release_with(self, error: Error) -> Error {
        self.release();
        error
    }

    /// Writes what has to go out, and publishes what is left, if that is not what was published
    /// before.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        let flags = self.writer.flags();
        if flags & BEHIND == 0 && !self.writer.outbound.close_sent() {
            self.publish_flags(flags);
        } else {
            self.settle_rest();
        }
    }

    /// As [`settle`](Self::settle), if bytes have to go out, or nothing more will.
    #[inline(never)]
    fn settle_rest(&mut self) {
        self.write_due();
        self.publish();
    }

    #[inline]
    fn publish_flags(&mut self, flags: u16) {
        if flags != self.writer.published {
            self.writer.published = flags;
            self.shared.status.replace(FED | BEHIND | IN_MESSAGE | STALLED, flags);
        }
    }

    /// Unlocks, and looks for work that came meanwhile.
    #[inline(always)]
    pub(super) fn unlock(self) {
        let Self { shared, writer, others, .. } = self;
        drop(writer);
        if shared.is_left_work() {
            shared.serve(others);
        }
    }

    /// Writes what has to go out, once: not only its own bytes, but also those that an earlier
    /// thread left, because the receiver may be in a long call of its user. A thread whose last
    /// write stalled does not try again.
    pub(super) fn write_due(&mut self) {
        if left_out("write of what is due") {
            return;
        }
        if self.writer.is_due() && !(self.others.has_tried && self.writer.is_stalled()) {
            // An error is not that of the caller's message. The next call meets it again.
            let _ = self.write(&[], self.others.wait);
        }
    }

    /// Publishes what the writer leaves behind, and has it written. Ends our side of the stream if
    /// nothing more will follow.
    pub(super) fn publish(&mut self) {
        if self.writer.outbound.close_sent() {
            self.end_write_side();
        }
        let flags = self.writer.flags();
        self.publish_flags(flags);
        if flags & BEHIND != 0 {
            self.hand_over();
        }
    }

    /// Hands the bytes that are left behind over to the flusher, unless this thread comes back for
    /// them: the receiver may be in a long read.
    #[cold]
    fn hand_over(&mut self) {
        let has_owner = self.others.comes_back || self.writer.is_handed_over;
        if !has_owner && !left_out("hand-over") && !self.shared.is_broken() {
            self.writer.is_handed_over = flusher::hand_over(self.shared.weak());
        }
    }

    #[cold]
    fn end_write_side(&mut self) {
        let can_end = self.writer.is_empty() && !self.writer.is_shut;
        self.shared.note_close_written();
        if can_end && self.shared.write_side_is_over() {
            self.writer.is_shut = true;
            if let Some(stream) = self.shared.stream() {
                // The peer may have ended it first.
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
    }

    /// Publishes that bytes wait for the peer to read, while this thread waits with them.
    #[cold]
    pub(super) fn publish_stalled(&mut self) {
        self.writer.published |= BEHIND | STALLED;
        self.shared.status.set(BEHIND | STALLED);
    }

    /// Does what comes before a message of the caller, if the published state says that there may
    /// be something.
    #[inline(never)]
    pub(super) fn make_way(self) -> Result<Self, Error> {
        self.accept_broadcasts();
        let (mut guard, waited) =
            if self.writer.in_message { self.wait_for_message_end() } else { (self, Ok(())) };
        match waited.and_then(|()| guard.take_work()).and_then(|()| guard.make_room(Wait::Block)) {
            Ok(()) => Ok(guard),
            Err(error) => Err(guard.release_with(error)),
        }
    }

    /// Waits until no message is in progress.
    fn wait_for_message_end(mut self) -> (Self, Result<(), Error>) {
        let deadline = Deadline::after(Some(self.shared.timeouts.write));
        // The connection may end without the writer, and so between the look and the wait.
        while self.writer.in_message && self.shared.state() == State::Open {
            if deadline.is_over() {
                return (self, Err(Error::Timeout(Operation::Queue)));
            }
            // The wait gives the writer away without a look afterwards.
            self.seen = self.shared.status.get();
            let _ = self.take_work();
            self.write_due();
            self.publish();
            let waited = self.shared.message_end.wait_timeout(self.writer, LOOK_AGAIN);
            let (writer, _) = waited.unwrap_or_else(PoisonError::into_inner);
            self.writer = writer;
        }
        self.deadline = Some(deadline);
        self.seen = self.shared.status.get();
        (self, Ok(()))
    }
}

/// The work of others.
impl WriteGuard<'_> {
    /// Encodes what is in the inbox: a control frame of each kind, and if no message is in
    /// progress, the broadcasts. Nothing is written as long as there is room.
    #[inline]
    pub(super) fn take_work(&mut self) -> Result<(), Error> {
        if self.seen.has(CONTROL | BROADCAST | BROKEN) { self.take_seen() } else { Ok(()) }
    }

    #[cold]
    fn take_seen(&mut self) -> Result<(), Error> {
        if self.seen.has(BROKEN) {
            return Err(SendError::Closed.into());
        }
        if self.seen.has(CONTROL) {
            self.take_control()?;
        }
        if self.seen.has(BROADCAST) && !self.writer.in_message && !self.writer.is_stalled() {
            self.take_broadcasts()?;
        }
        Ok(())
    }

    /// Encodes the control frames in the inbox. The step that clears `CONTROL` sets `BEHIND`, so
    /// that one of the two always shows them.
    pub(super) fn take_control(&mut self) -> Result<(), Error> {
        let Self { shared, writer, .. } = self;
        let outcome = shared.inbox.take_control(|pending_control| {
            if writer.is_full() && !pending_control.has_close() {
                // The peer does not read the bytes that wait already. It can send Pings without
                // end, so their Pong stays in the inbox: the latest only, until there is room.
                return Ok(());
            }
            shared.status.replace(CONTROL, BEHIND);
            writer.published |= BEHIND;
            writer.encode_pending(pending_control)
        });
        self.publish_close();
        // Nobody can be answered any more without a key, and no Close can be sent.
        outcome.map_err(|error| self.fail_to_encode(error))
    }

    fn take_broadcasts(&mut self) -> Result<(), Error> {
        for _ in 0..QUEUE_MAX {
            if self.writer.is_full() && self.write(&[], self.others.wait).is_err() {
                // The peer is slow: the rest stays in the inbox.
                return Ok(());
            }
            let Some((message, compresses)) = self.shared.inbox.take_broadcast(&self.shared.status)
            else {
                return Ok(());
            };
            self.writer.outbound.set_compression(compresses);
            self.writer.set_due();
            match self.write_prepared(&message, self.others.wait, Flush::Later) {
                // After a Close frame no message follows.
                Ok(()) | Err(Error::Send(SendError::Closed)) => {}
                Err(Error::Send(error)) => return Err(self.fail_to_encode(error)),
                // The peer did not take all: the message is kept, and later ones stay in the inbox.
                Err(Error::Timeout(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
            // Long messages take a call each. The last round takes all, because nobody comes after it.
            if self.writer.is_empty() && !self.others.is_brief && self.is_over(Wait::Slice) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Publishes that a Close frame is about to be written. Not afterwards: the peer's answer can
    /// be read before the write has returned, and has to be known for an answer.
    #[inline]
    pub(super) fn publish_close(&mut self) {
        if self.writer.outbound.close_sent() && !self.writer.is_close_published {
            self.writer.is_close_published = true;
            self.shared.status.set(CLOSE_SENT);
            self.shared.message_end.notify_all();
        }
    }

    pub(super) fn fail_to_encode(&self, error: SendError) -> Error {
        if error == SendError::NoMaskingKey {
            self.shared.abort();
        }
        error.into()
    }
}
