//! Who has the turn, and what is done when it is given back.

use std::sync::{MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::Link;
use super::flags::{BROKEN, IN_MESSAGE, OWES};
use crate::net::deadline::Deadline;
use crate::net::turn::{FLUSH_AT, Patience, Turn, WRITE_SLICE};
use crate::net::{Error, Operation};
use crate::protocol::{SendError, State};

/// The turn, while a thread has it. However that ends, it looks for what others have left
/// meanwhile: they found the turn taken, and count on it.
#[derive(Debug)]
pub(super) struct Held<'a> {
    // The fields are dropped in this order.
    pub(super) turn: MutexGuard<'a, Turn>,
    look: Look<'a>,
}

/// The look afterwards.
#[derive(Debug)]
struct Look<'a> {
    link: &'a Link,
    /// How long the peer is waited for, if there is something to say to it.
    patience: Patience,
    /// Until when, if the turn has waited for it already.
    deadline: Option<Deadline>,
}

/// How soon who waits for the end of a message looks for that of the connection.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl<'a> Held<'a> {
    fn new(link: &'a Link, mut turn: MutexGuard<'a, Turn>) -> Self {
        turn.deadline = None;
        Self { turn, look: Look { link, patience: Patience::None, deadline: None } }
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let Self { link, patience, deadline } = *self;
        if link.has_left(patience) {
            // Messages of broadcasts are waited for by nobody.
            let patience = if link.flags.has(OWES) { patience } else { Patience::None };
            // Its failure is not that of the caller's message; the next write meets it again.
            let _ = link.try_flush_by(patience, deadline);
        }
    }
}

impl Link {
    /// Waits for the turn.
    pub(super) fn lock_turn(&self) -> Held<'_> {
        Held::new(self, self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The turn, if nobody has it.
    pub(super) fn try_lock_turn(&self) -> Option<Held<'_>> {
        self.try_lock().map(|turn| Held::new(self, turn))
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Turn>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Waits for a turn in which a message may begin. What is written then shares the time-out
    /// with the wait for the end of a message in progress.
    pub(super) fn wait_for_message_end(&self) -> Result<Held<'_>, Error> {
        let mut held = self.lock_turn();
        if !self.flags.has(IN_MESSAGE) {
            return Ok(held);
        }
        let deadline = Deadline::after(Some(self.timeouts.write));
        // The connection may end without the turn, and so between the look and the wait.
        while self.flags.has(IN_MESSAGE) && self.state() == State::Open {
            if deadline.is_over() {
                return Err(Error::Timeout(Operation::Queue));
            }
            if self.flags.has(OWES) && self.settle(&mut held.turn).is_ok() {
                // The wait gives the turn back without a look. A failure is met again.
                let _ = held.turn.write(self, &[], Patience::None);
            }
            let Held { turn, look } = held;
            let waited = self.message_end.wait_timeout(turn, LOOK_AGAIN);
            held = Held { turn: waited.unwrap_or_else(PoisonError::into_inner).0, look };
        }
        held.turn.deadline = Some(deadline);
        Ok(held)
    }

    /// Says what is owed, then does what the turn was taken for.
    pub(super) fn in_turn<T>(
        &self,
        held: Held<'_>,
        patience: Patience,
        act: impl FnOnce(&mut Turn) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Held { mut turn, mut look } = held;
        let outcome = self.settle(&mut turn).and_then(|()| {
            if !self.backlog.is_empty() && !self.has_unsent() {
                // A failure is not that of the caller's message, which meets it again.
                let _ = turn.write_backlog(self, Patience::None);
            }
            act(&mut turn)
        });
        if let Err(Error::Send(_)) = outcome {
            // What was owed is said even if nothing may follow it.
            let _ = turn.write(self, &[], patience);
        }
        // Who has waited in vain for the peer to read does not wait for it a second time.
        if !matches!(outcome, Err(Error::Timeout(_))) {
            look.patience = patience;
        }
        look.deadline = turn.deadline;
        // Before the look.
        drop(turn);
        outcome
    }

    /// Says what is owed and writes what is pending, unless another thread has the turn: then
    /// that one will say what is owed.
    pub(in crate::net) fn try_flush(&self, patience: Patience) -> Result<(), Error> {
        self.try_flush_by(patience, None)
    }

    fn try_flush_by(&self, patience: Patience, deadline: Option<Deadline>) -> Result<(), Error> {
        let mut deadline = deadline;
        loop {
            let Some(mut turn) = self.try_lock() else { return Ok(()) };
            turn.deadline = deadline;
            self.settle(&mut turn)?;
            match turn.write_backlog(self, patience) {
                Err(Error::Timeout(_)) if patience == Patience::None => return Ok(()),
                outcome => outcome?,
            }
            deadline = turn.deadline;
            drop(turn);
            if !self.has_left(patience) {
                return Ok(());
            }
            // A peer that asks as fast as it is answered holds nobody longer than one that does
            // not read. Who receives looks again, as it does for what a write leaves over.
            let time = match patience {
                Patience::Full => self.timeouts.write,
                Patience::None => WRITE_SLICE,
            };
            if deadline.get_or_insert_with(|| Deadline::after(Some(time))).is_over() {
                return Ok(());
            }
        }
    }

    /// Says what is owed into the buffer of the turn if that is free, and writes nothing yet:
    /// so each of several Pings that came together gets its Pong, in one write.
    pub(in crate::net) fn try_settle(&self) {
        let Some(mut held) = self.try_lock_turn() else { return };
        if held.turn.pending.len() < FLUSH_AT {
            // An error here is met again, and reported, when the turn comes to write.
            let _ = self.settle(&mut held.turn);
        }
    }

    /// Turns what is owed into frames.
    pub(in crate::net) fn settle(&self, turn: &mut Turn) -> Result<(), Error> {
        let flags = self.flags.get();
        if flags & BROKEN != 0 {
            return Err(SendError::Closed.into());
        }
        if flags & OWES != 0 {
            let mut owed = self.lock_owed();
            if turn.pending.len() >= FLUSH_AT && !owed.has_close() {
                // The peer does not read what is there already. It can send Pings without end,
                // so their Pong stays owed: the latest only, until there is room.
                return Ok(());
            }
            self.flags.clear(OWES);
            turn.outbound.settle(&mut owed, &mut turn.pending)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::Shutdown;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::CloseCode;
    use crate::net::prepared::{Offer, Prepared};
    use crate::net::{Stream, Timeouts};
    use crate::protocol::Outbound;

    /// A stream that takes everything and keeps it.
    #[derive(Debug, Default)]
    struct Sink(Mutex<Vec<u8>>);

    impl Stream for Sink {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write(&self, buffer: &[u8]) -> io::Result<usize> {
            let mut written = self.0.lock().unwrap();
            let before = written.len();
            written.extend_from_slice(buffer);
            Ok(written.len() - before)
        }

        fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn shutdown(&self, _: Shutdown) -> io::Result<()> {
            Ok(())
        }
    }

    fn link() -> (Arc<Sink>, Link) {
        let sink = Arc::new(Sink::default());
        let stream = Box::new(Arc::clone(&sink));
        (sink, Link::new(stream, Outbound::server(), Timeouts::default(), 1 << 20))
    }

    #[test]
    fn whoever_had_the_turn_says_what_became_due_meanwhile() {
        let (sink, link) = link();
        let held = link.try_lock_turn().unwrap();
        link.note_ping(b"1");
        link.try_flush(Patience::None).unwrap();
        let broadcast = Prepared::new("x");
        assert_eq!(link.offer(&broadcast, true), Offer::Taken);
        assert!(sink.0.lock().unwrap().is_empty(), "the turn is taken");
        drop(held);
        assert_eq!(*sink.0.lock().unwrap(), b"\x89\x011\x81\x01x");
    }

    #[test]
    fn a_broadcast_that_comes_after_a_close_frame_has_that_written() {
        let (sink, link) = link();
        // As by a thread that finds the turn taken, whose owner looks a moment later.
        link.note_duty(0, |owed| owed.note_close(CloseCode::GOING_AWAY.into()));
        assert_eq!(link.offer(&Prepared::new("x"), true), Offer::Closed);
        assert_eq!(*sink.0.lock().unwrap(), b"\x88\x02\x03\xe9");
    }
}
