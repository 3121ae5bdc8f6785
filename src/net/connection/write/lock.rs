//! Taking the writer, and the look at the inbox after it was released.
//!
//! A thread that sends waits for the writer. A thread that works for others, such as the receiver
//! or a broadcasting thread, takes it only if it is free. Otherwise the thread that holds it does
//! the work.

use std::sync::{PoisonError, TryLockError};

use super::flusher::Rest;
use super::guard::{ForOthers, WriteGuard};
use super::writer::Writer;
use crate::net::Error;
use crate::net::connection::shared::Shared;
use crate::net::connection::status::{CONTROL, FED};
use crate::net::deadline::{Deadline, Wait};
use crate::net::sync::{MutexGuard, fence, left_out};

impl Shared {
    /// Waits for the writer, calls `act` with it, and does the work that its holder does for
    /// others.
    pub(super) fn with_writer<T>(
        &self,
        act: impl FnOnce(&mut WriteGuard<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let guard = self.lock();
        guard.accept_broadcasts();
        guard.act(act)
    }

    /// Like [`with_writer`](Self::with_writer), but first waits for a streamed message to end, and
    /// for room if the peer has not yet taken earlier bytes. All waits share one deadline.
    #[inline(always)]
    pub(super) fn with_writer_between_messages<T>(
        &self,
        act: impl FnOnce(&mut WriteGuard<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut guard = self.lock();
        if guard.seen.has(!FED) {
            guard = guard.make_way()?;
        }
        match act(&mut guard) {
            Ok(outcome) => {
                guard.settle();
                guard.unlock();
                Ok(outcome)
            }
            Err(error) => Err(guard.release_with(error)),
        }
    }

    /// Calls `act` with the writer if no thread holds it. Returns `None` if one does.
    #[inline]
    pub(in crate::net::connection) fn try_with_writer<T>(
        &self,
        act: impl FnOnce(&mut WriteGuard<'_>) -> T,
    ) -> Option<T> {
        let mut guard = self.try_lock(ForOthers::default())?;
        let outcome = act(&mut guard);
        guard.settle();
        guard.unlock();
        Some(outcome)
    }

    /// Writes everything that waits, unless another thread holds the writer. Then that thread
    /// writes what must go out.
    pub(in crate::net::connection) fn try_flush(&self, wait: Wait) -> Result<(), Error> {
        self.try_flush_as(ForOthers { wait, ..ForOthers::default() })
    }

    /// Like [`try_flush`](Self::try_flush), for a receiver that is about to read. It does not
    /// continue for threads that broadcast without end, because its peer waits for it to read. It
    /// comes back for the bytes that the peer does not take.
    pub(in crate::net::connection) fn try_flush_and_come_back(&self) -> Result<(), Error> {
        let is_brief = true;
        self.try_flush_as(ForOthers { is_brief, comes_back: true, ..ForOthers::default() })
    }

    /// Like [`try_flush`](Self::try_flush), for a receiver that is about to return to its caller.
    pub(in crate::net::connection) fn try_flush_briefly(&self) -> Result<(), Error> {
        self.try_flush_as(ForOthers { is_brief: true, ..ForOthers::default() })
    }

    /// Hands the bytes that are left behind over to the flusher, for a receiver that does not come
    /// back for them.
    #[cold]
    pub(in crate::net::connection) fn leave_rest(&self) {
        // The release hands them over. The receiver has just tried to write, so the release does
        // not try again. If another thread holds the writer, its release hands them over.
        self.try_with_writer(|guard| guard.others.has_tried = true);
    }

    fn try_flush_as(&self, others: ForOthers) -> Result<(), Error> {
        let Some(mut guard) = self.try_lock(others) else { return Ok(()) };
        match guard.take_work().and_then(|()| guard.write(&[], others.wait)) {
            Ok(()) => {
                guard.settle();
                guard.unlock();
                Ok(())
            }
            Err(error) => match guard.release_with(error) {
                Error::Timeout(_) => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Writes as many of the bytes that were left behind as the peer takes now, for the flusher.
    pub(in crate::net::connection) fn write_rest(&self) -> Rest {
        let written = self.try_with_writer(|guard| {
            guard.others = ForOthers { wait: Wait::Never, is_brief: true, ..ForOthers::default() };
            let len = guard.writer.unwritten_len();
            // An error does not concern a message of this thread. The receiver runs into it again.
            let _ = guard.take_work().and_then(|()| guard.write(&[], Wait::Never));
            let is_over = guard.shared.is_broken() || !guard.writer.is_due();
            guard.writer.is_handed_over = !is_over;
            match guard.writer.unwritten_len() {
                _ if is_over => Rest::Nothing,
                left if left < len => Rest::Less,
                _ => Rest::Same,
            }
        });
        written.unwrap_or(Rest::Same)
    }

    /// Whether the flusher is responsible for the bytes that wait.
    #[cfg(loom)]
    pub(in crate::net::connection) fn is_handed_over(&self) -> bool {
        self.lock().writer.is_handed_over
    }

    /// Encodes the control frames in the inbox if the writer is free, and writes nothing. So each
    /// of several Pings that arrived together gets its Pong, and one write sends all Pongs. The
    /// receiver calls this, and is responsible for that write.
    pub(in crate::net::connection) fn try_encode_pending(&self) {
        let others = ForOthers { comes_back: true, ..ForOthers::default() };
        let Some(mut guard) = self.try_lock(others) else { return };
        if guard.seen.has(CONTROL) {
            // The next write runs into the same error, and reports it.
            let _ = guard.take_control();
            guard.publish();
        }
    }

    /// Discards the bytes that wait on a connection that has ended. If another thread holds the
    /// writer, its write fails, and then that thread discards them.
    pub(in crate::net::connection) fn discard_pending(&self) {
        if let Some(mut guard) = self.try_lock(ForOthers::default()) {
            guard.writer.discard();
        }
    }

    /// The look after the writer was unlocked: whether others have left work.
    #[inline(always)]
    pub(super) fn is_left_work(&self) -> bool {
        // Pairs with the fences in the inbox: either the posting thread finds the writer free, or
        // this thread finds the posted work, or both.
        fence("fence of the look");
        !left_out("look after the release") && self.status.get().has_work()
    }

    /// Writes the work that others left while this thread held the writer, until the slice is over.
    #[cold]
    pub(super) fn serve(&self, mut others: ForOthers) {
        loop {
            let is_over = others.slice.get_or_insert_with(Deadline::slice).is_over();
            others.is_brief = others.is_brief || is_over;
            let Some(mut guard) = self.try_lock(others) else { return };
            if others.is_brief {
                self.inbox.refuse_broadcasts(&self.status);
                guard.seen = self.status.get();
            }
            // An error does not concern the caller's message. The next call runs into it again.
            let _ = guard.take_work();
            guard.write_due();
            guard.publish();
            others.slice = guard.others.slice;
            drop(guard);
            if !self.is_left_work() {
                return;
            }
            if others.is_brief && (left_out("look for a Close") || !self.inbox.has_close()) {
                return self.leave_control(others);
            }
        }
    }

    /// Hands the connection over to the flusher if a Pong or a Ping arrived after the slice.
    fn leave_control(&self, others: ForOthers) {
        if !self.status.has(CONTROL) || left_out("hand-over of a control frame") {
            return;
        }
        // Not `try_lock`: the inbox goes on refusing broadcasts, because this thread does not look
        // for them. If the writer is taken, or a stream panicked, the next release looks.
        if let Ok(writer) = self.writer.try_lock() {
            WriteGuard::new(self, writer, others).hand_over();
        }
    }

    #[inline(always)]
    fn lock(&self) -> WriteGuard<'_> {
        WriteGuard::new(
            self,
            self.writer.lock().unwrap_or_else(|poisoned| self.recover_poisoned(poisoned)),
            ForOthers::default(),
        )
    }

    #[inline(always)]
    pub(super) fn try_lock(&self, others: ForOthers) -> Option<WriteGuard<'_>> {
        let writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => self.recover_poisoned(poisoned),
            Err(TryLockError::WouldBlock) => return None,
        };
        let guard = WriteGuard::new(self, writer, others);
        guard.accept_broadcasts();
        Some(guard)
    }

    /// Returns the writer after a stream has panicked inside a write. A frame may be cut off, so
    /// nothing can follow it: the connection is aborted.
    #[cold]
    fn recover_poisoned<'a>(
        &self,
        poisoned: PoisonError<MutexGuard<'a, Writer>>,
    ) -> MutexGuard<'a, Writer> {
        if !self.is_broken() {
            self.abort();
        }
        poisoned.into_inner()
    }
}
