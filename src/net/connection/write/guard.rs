//! The only way to the writer, and the work that its holder does for other threads.
//!
//! A thread that works for others and finds the writer taken never waits for it. It leaves a Pong,
//! a Ping, a Close or a broadcast in the inbox, and continues. So the thread that holds the writer
//! owes the others three things. [`WriteGuard::release`], or its two steps, does them:
//!
//! 1. It takes the work in the inbox and writes it, together with all other bytes that must go out.
//!    After one slice (`WRITE_SLICE`) it does so once more, and then stops.
//! 2. It publishes what it leaves behind: nothing, `FED` or `BEHIND`.
//! 3. It unlocks, and then looks at the inbox again: a thread that posted before the unlock may
//!    have found the writer taken. The fences make sure that at least one of the two sees the
//!    other.
//!
//! Nothing is left without an owner. Bytes that the peer does not take are `BEHIND`. The flusher
//! continues with them, or the receiver, if it leaves them on its way to a read. When broadcasts
//! come so fast that the slice ends first, the inbox refuses more of them until another thread
//! takes the writer, and the broadcasting thread tries again. For a Close that arrives after the
//! slice, the writer is taken once more. The flusher writes a Pong or a Ping that arrives then.
//!
//! `lock.rs` has the beginning and the end of this: how a thread gets the writer, and the look.
//! `calls.rs` has the calls to the stream.
//!
//! If you change this file, change `model` with it: it has an invariant for each sentence above.

use std::io;
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

/// The interval at which a sender that waits for a streamed message to end checks whether the
/// connection has ended, and whether the inbox has work.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The writer, held by one thread.
#[derive(Debug)]
pub(in crate::net::connection) struct WriteGuard<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: MutexGuard<'a, Writer>,
    /// The published state when this thread took the writer. Flags that only the writing thread
    /// sets are still valid. Work may have arrived since.
    pub(super) seen: Snapshot,
    /// The deadline of the caller's own call, once it has waited.
    pub(super) deadline: Option<Deadline>,
    pub(super) others: ForOthers,
}

/// How much a thread does for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForOthers {
    /// How long a write for them may wait. Never `Block`.
    pub(super) wait: Wait,
    /// Whether this thread must not continue for them for a whole slice.
    pub(super) is_brief: bool,
    /// Whether this thread comes back soon for the bytes that it leaves behind.
    pub(super) comes_back: bool,
    /// The end of the slice. Its clock starts after the first piece of work, so that short work
    /// needs no clock.
    pub(super) slice: Option<Deadline>,
    /// Whether the stream was called.
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

/// Taking and releasing the writer.
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

    /// Lets the inbox accept broadcasts again, because this thread looks for them.
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

    /// Does the work for others, and unlocks. A short path calls the two steps itself, so that the
    /// guard is not copied.
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

    /// Writes the bytes that must go out, and publishes what is left if that has changed.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        let flags = self.writer.flags();
        if flags & BEHIND == 0 && !self.writer.outbound.close_sent() {
            self.publish_flags(flags);
        } else {
            self.settle_rest();
        }
    }

    /// Like [`settle`](Self::settle), if bytes must go out, or if nothing follows any more.
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

    /// Unlocks, and looks for work that arrived in the meantime.
    #[inline(always)]
    pub(super) fn unlock(self) {
        let Self { shared, writer, others, .. } = self;
        drop(writer);
        if shared.is_left_work() {
            shared.serve(others);
        }
    }

    /// Writes the bytes that must go out, once. These may be bytes that an earlier thread left,
    /// because the receiver may be in a long call of its user. A thread whose last write stalled
    /// does not try again.
    pub(super) fn write_due(&mut self) {
        if left_out("write of what is due") {
            return;
        }
        if self.writer.is_due() && !(self.others.has_tried && self.writer.is_stalled()) {
            // An error does not concern the caller's message. The next call runs into it again.
            let _ = self.write(&[], self.others.wait);
        }
    }

    /// Publishes what the writer leaves behind, and makes sure that a thread will write it. Shuts
    /// our side of the stream down if nothing more will follow.
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

    /// Hands what is left behind over to the flusher, unless this thread comes back for it. The
    /// receiver alone is not enough: it may be in a long read.
    #[cold]
    pub(super) fn hand_over(&mut self) {
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
                // The peer may have ended the stream first.
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
    }

    /// Publishes that bytes wait for the peer to read. This thread still holds the writer, and
    /// waits with them.
    #[cold]
    pub(super) fn publish_stalled(&mut self) {
        self.writer.published |= BEHIND | STALLED;
        self.shared.status.set(BEHIND | STALLED);
    }

    /// Does the work that must come before a message of the caller. It is called if the published
    /// state shows that there may be some.
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

    /// Waits until no streamed message is in progress.
    fn wait_for_message_end(mut self) -> (Self, Result<(), Error>) {
        let deadline = Deadline::after(Some(self.shared.timeouts.write));
        // A thread can end the connection without the writer, so its notification may come between
        // this check and the wait. That is why the wait has a timeout.
        while self.writer.in_message && self.shared.state() == State::Open {
            if deadline.is_over() {
                return (self, Err(Error::Timeout(Operation::Queue)));
            }
            // The wait unlocks the writer without a look at the inbox afterwards, so the work is
            // done here.
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

/// Work for other threads.
impl WriteGuard<'_> {
    /// Encodes the work in the inbox: one control frame of each kind and, if no message is in
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
    /// that at any moment one of the two flags shows them.
    pub(super) fn take_control(&mut self) -> Result<(), Error> {
        let Self { shared, writer, .. } = self;
        let outcome = shared.inbox.take_control(|pending_control| {
            if writer.is_full() && !pending_control.has_close() {
                // The peer does not read the bytes that wait already. It could send Pings without
                // end, so their Pong stays in the inbox until there is room. Only the latest Pong
                // is kept.
                return Ok(());
            }
            shared.status.replace(CONTROL, BEHIND);
            writer.published |= BEHIND;
            writer.encode_pending(pending_control)
        });
        self.publish_close();
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
                // No message may follow a Close frame.
                Ok(()) | Err(Error::Send(SendError::Closed)) => {}
                Err(Error::Send(error)) => return Err(self.fail_to_encode(error)),
                // The peer did not take all of it. The message is kept, and later ones stay in the
                // inbox.
                Err(Error::Timeout(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
            // Long messages take one call each. The last round takes all broadcasts, because no
            // thread continues after it.
            if self.writer.is_empty() && !self.others.is_brief && self.is_over(Wait::Slice) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Publishes that a Close frame is about to be written. This must happen before the write: the
    /// peer's answer can be read before the write has returned, and the receiver must know that it
    /// is an answer.
    #[inline]
    pub(super) fn publish_close(&mut self) {
        if self.writer.outbound.close_sent() && !self.writer.is_close_published {
            self.writer.is_close_published = true;
            self.shared.status.set(CLOSE_SENT);
            self.shared.message_end.notify_all();
        }
    }

    /// Returns the error of a frame that the connection cannot do without: an answer to the peer, a
    /// broadcast, or the next fragment of a message. Without a masking key, the connection ends.
    pub(super) fn fail_to_encode(&self, error: SendError) -> Error {
        if error != SendError::NoMaskingKey {
            return error.into();
        }
        self.shared.abort();
        io::Error::new(io::ErrorKind::ConnectionAborted, error).into()
    }
}
