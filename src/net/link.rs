use std::net::Shutdown;
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::deadline::Deadline;
use super::prepared::{Backlog, Offer, Prepared};
use super::turn::{FLUSH_AT, Patience, Turn};
use super::{Error, Operation, Stream, Timeouts};
use crate::error::ProtocolError;
use crate::frame::CloseFrame;
use crate::protocol::{Event, MessageKind, MessageRef, Outbound, Owed, Role, SendError, State};

/// What the two halves of a connection share.
///
/// Two locks, so that who reads never waits for who writes (a peer whose reader waits for its
/// writer, which waits for our reader, would hang with us):
///
/// ```text
///   receiver                             sender
///   ────────                             ──────
///   lock owed, note the duty, unlock     lock turn
///   try_lock turn                          lock owed, take the duties, unlock
///     got it:  write them                  encode, write (may block)
///     busy:    leave them                unlock turn
///                                        owed again?  as the receiver does
/// ```
///
/// `turn` is held across writes, `owed` never. The look after `turn` was released closes the
/// gap: a duty noted while `turn` was busy is seen by who held it. Messages of broadcasts go the
/// same way as duties, through `backlog`.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: Box<dyn Stream>,
    pub(super) timeouts: Timeouts,
    /// Longer messages are sent in fragments of this many bytes.
    pub(super) fragment_len: usize,
    role: Role,
    turn: Mutex<Turn>,
    /// Told when a message that is written piece by piece has ended, or never will.
    message_end: Condvar,
    owed: Mutex<Owed>,
    /// Messages of broadcasts, for who has the turn.
    pub(super) backlog: Backlog,
    flags: AtomicU8,
    close_sent_at: OnceLock<Instant>,
}

/// Something is in `owed`.
const OWES: u8 = 1;
/// A Close frame went out.
const CLOSE_SENT: u8 = 2;
/// A Close frame came in.
const CLOSE_RECEIVED: u8 = 4;
/// The peer broke the protocol: nothing of it counts any more.
const FAILED: u8 = 8;
/// The transport is of no more use.
const BROKEN: u8 = 16;
/// A write has left something over.
const UNSENT: u8 = 32;
/// A write goes on after a call to the stream that left something over.
const STALLED: u8 = 64;

/// How soon who waits for the end of a message looks for that of the connection.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Link {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        outbound: Outbound,
        timeouts: Timeouts,
        fragment_len: usize,
    ) -> Self {
        Self {
            stream,
            timeouts,
            fragment_len: fragment_len.max(1),
            role: outbound.role(),
            turn: Mutex::new(Turn::new(outbound)),
            message_end: Condvar::new(),
            owed: Mutex::new(Owed::new()),
            backlog: Backlog::default(),
            flags: AtomicU8::new(0),
            close_sent_at: OnceLock::new(),
        }
    }

    pub(super) fn state(&self) -> State {
        match (self.has(CLOSE_SENT), self.has(CLOSE_RECEIVED)) {
            _ if self.has(FAILED | BROKEN) => State::Closed,
            (false, false) => State::Open,
            (true, true) => State::Closed,
            _ => State::Closing,
        }
    }

    pub(super) fn close_sent(&self) -> bool {
        self.has(CLOSE_SENT)
    }

    /// Whether the transport broke, or was cut.
    pub(super) fn is_broken(&self) -> bool {
        self.has(BROKEN)
    }

    /// Until when the peer has to answer our Close frame, if we sent one.
    pub(super) fn close_deadline(&self) -> Deadline {
        match self.close_sent_at.get() {
            Some(&sent) => Deadline::at(sent, self.timeouts.close),
            None => Deadline::never(),
        }
    }

    /// Whether a Close frame has yet to be written.
    pub(super) fn owes_close(&self) -> bool {
        !self.has(CLOSE_SENT) || self.has(OWES | UNSENT)
    }

    /// Whether a write has left something over.
    pub(super) fn has_unsent(&self) -> bool {
        self.has(UNSENT)
    }

    /// Whether the peer has yet to take something, after a call to the stream was over.
    pub(super) fn is_behind(&self) -> bool {
        self.has(UNSENT | STALLED)
    }

    pub(super) fn note_stalled(&self) {
        self.set(STALLED);
    }

    /// Waits for the turn and sends with it; with `flush`, all that is pending is written.
    pub(super) fn send(
        &self,
        message: MessageRef<'_>,
        flush: bool,
        compresses: bool,
    ) -> Result<(), Error> {
        self.in_turn(self.wait_for_message_end()?, |turn| {
            turn.outbound.set_compression(compresses);
            turn.put(self, message, flush)
        })
    }

    /// Waits for the turn and sends a message with it that is encoded already.
    pub(super) fn send_prepared(&self, message: &Prepared, compresses: bool) -> Result<(), Error> {
        self.in_turn(self.wait_for_message_end()?, |turn| {
            turn.outbound.set_compression(compresses);
            turn.put_prepared(self, message, Patience::Full)
        })
    }

    /// Sends a message, but waits for no turn, and for the peer no longer than one call to the
    /// stream: not at all if it has yet to read what earlier writes left over.
    pub(super) fn offer(&self, message: &Prepared, compresses: bool) -> Offer {
        if self.state() != State::Open {
            return Offer::Closed;
        }
        if let Some(offer) = self.offer_at_once(message, compresses) {
            return offer;
        }
        if !self.backlog.push(message, compresses) {
            return match self.turn.try_lock() {
                _ if self.is_behind() => Offer::Slow,
                Ok(turn) if turn.in_message => Offer::Slow,
                _ => Offer::Busy,
            };
        }
        fence(Ordering::SeqCst);
        // A failure is met again by who receives.
        if !self.is_behind() {
            let _ = self.try_flush(Patience::None);
        }
        if self.is_broken() { Offer::Closed } else { Offer::Taken }
    }

    /// Sends a message past the backlog, if nothing is in its way, as is so most of the time.
    fn offer_at_once(&self, message: &Prepared, compresses: bool) -> Option<Offer> {
        let mut turn = self.turn.try_lock().ok()?;
        if turn.in_message || !self.backlog.is_empty() || self.is_behind() {
            return None;
        }
        turn.begin();
        turn.outbound.set_compression(compresses);
        let outcome =
            self.settle(&mut turn).and_then(|()| turn.put_prepared(self, message, Patience::None));
        drop(turn);
        if self.owes(false) {
            let _ = self.try_flush(Patience::None);
        }
        match outcome {
            Err(Error::Timeout(Operation::Queue)) => None,
            // What the peer did not take at once is kept.
            Ok(()) | Err(Error::Timeout(_)) => Some(Offer::Taken),
            Err(_) => Some(Offer::Closed),
        }
    }

    /// Waits for the turn and sends a piece of a message with it. While the message is in
    /// progress others wait for its end; `continues` is said by who began it.
    pub(super) fn send_fragment(
        &self,
        kind: MessageKind,
        part: &[u8],
        fin: bool,
        continues: bool,
        compresses: bool,
    ) -> Result<(), Error> {
        let turn = if continues { self.lock_turn() } else { self.wait_for_message_end()? };
        let outcome = self.in_turn(turn, |turn| {
            if !continues {
                turn.outbound.may_begin()?;
                turn.outbound.set_compression(compresses);
            }
            turn.put_fragment(self, kind, part, fin)
        });
        if fin {
            self.message_end.notify_all();
        }
        outcome
    }

    /// Waits for the turn and sends a control frame with it.
    pub(super) fn control(
        &self,
        encode: impl FnOnce(&mut Outbound, &mut Vec<u8>) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        self.in_turn(self.lock_turn(), |turn| {
            encode(&mut turn.outbound, &mut turn.pending)?;
            turn.write(self, &[], Patience::Full)
        })
    }

    pub(super) fn flush(&self) -> Result<(), Error> {
        self.in_turn(self.lock_turn(), |turn| turn.write_backlog(self, Patience::Full))
    }

    /// Notes what an event makes us owe, for whoever has the turn.
    pub(super) fn note(&self, event: &Event) {
        let flags = match event {
            Event::Ping(_) => 0,
            Event::Close(_) => CLOSE_RECEIVED,
            Event::Message(_) | Event::Pong(_) => return,
        };
        self.note_duty(flags, |owed| owed.note(event));
    }

    /// Notes a Ping that is to be sent.
    pub(super) fn note_ping(&self, data: &[u8]) {
        self.note_duty(0, |owed| owed.note_ping(data));
    }

    /// Notes that the connection is to be failed.
    pub(super) fn note_failure(&self, error: ProtocolError) {
        self.note_duty(FAILED, |owed| owed.note_failure(error));
    }

    /// Has a Close frame sent, without waiting for the peer: by us, or by who has the turn.
    pub(super) fn close_soon(&self, frame: CloseFrame) {
        self.note_duty(0, |owed| owed.note_close(frame));
        // A failure is met again by who receives.
        let _ = self.try_flush(Patience::None);
    }

    /// Notes a duty, and the state that it comes from in the same step: who sees the one sees
    /// the other.
    fn note_duty(&self, flags: u8, note: impl FnOnce(&mut Owed)) {
        let mut owed = self.lock_owed();
        note(&mut owed);
        self.set(OWES | flags);
        drop(owed);
        fence(Ordering::SeqCst);
    }

    /// Ends the transport, which also wakes whoever is blocked in it, and says whether it had
    /// not been of no more use before.
    pub(super) fn cut(&self) -> bool {
        let flags = self.flags.fetch_or(BROKEN, Ordering::SeqCst);
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.message_end.notify_all();
        flags & BROKEN == 0
    }

    /// Says what is owed and writes what is pending, unless another thread has the turn: then
    /// that one will say what is owed.
    pub(super) fn try_flush(&self, patience: Patience) -> Result<(), Error> {
        loop {
            let mut turn = match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            turn.begin();
            self.settle(&mut turn)?;
            match turn.write_backlog(self, patience) {
                Err(Error::Timeout(_)) if patience == Patience::None => return Ok(()),
                outcome => outcome?,
            }
            let in_message = turn.in_message;
            drop(turn);
            if !self.owes(in_message) {
                return Ok(());
            }
        }
    }

    /// Says what is owed into the buffer of the turn if that is free, and writes nothing yet:
    /// so each of several Pings that came together gets its Pong, in one write.
    pub(super) fn try_settle(&self) {
        let Ok(mut turn) = self.turn.try_lock() else { return };
        let has_room = turn.pending.len() < FLUSH_AT;
        if has_room {
            // An error here is met again, and reported, when the turn comes to write.
            let _ = self.settle(&mut turn);
        }
        let in_message = turn.in_message;
        drop(turn);
        if has_room && self.owes(in_message) {
            let _ = self.try_flush(Patience::None);
        }
    }

    /// Gives up memory that an idle connection does not need.
    pub(super) fn rest(&self) {
        if let Ok(mut turn) = self.turn.try_lock() {
            turn.outbound.rest();
        }
    }

    fn lock_turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn in which a message may begin.
    fn wait_for_message_end(&self) -> Result<MutexGuard<'_, Turn>, Error> {
        let mut turn = self.lock_turn();
        if !turn.in_message {
            return Ok(turn);
        }
        let deadline = Deadline::after(Some(self.timeouts.write));
        // The connection may end without the turn, and so between the look and the wait.
        while turn.in_message && self.state() == State::Open {
            if deadline.is_over() {
                return Err(Error::Timeout(Operation::Queue));
            }
            let waited = self.message_end.wait_timeout(turn, LOOK_AGAIN);
            turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(turn)
    }

    fn in_turn<T>(
        &self,
        turn: MutexGuard<'_, Turn>,
        act: impl FnOnce(&mut Turn) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut turn = turn;
        turn.begin();
        let outcome = self.settle(&mut turn).and_then(|()| {
            if !self.backlog.is_empty() && !self.has_unsent() {
                // A failure is not that of the caller's message, which meets it again.
                let _ = turn.write_backlog(self, Patience::None);
            }
            act(&mut turn)
        });
        if let Err(Error::Send(_)) = outcome {
            // What was owed is said even if nothing may follow it.
            let _ = turn.write(self, &[], Patience::Full);
        }
        let in_message = turn.in_message;
        drop(turn);
        if self.owes(in_message) {
            // Its failure is not that of the caller's message; the next write meets it again.
            // Who has waited for the peer to read does not wait for it a second time.
            let has_waited = matches!(outcome, Err(Error::Timeout(_)));
            let waits = self.has(OWES) && !has_waited;
            let patience = if waits { Patience::Full } else { Patience::None };
            let _ = self.try_flush(patience);
        }
        outcome
    }

    /// Turns what is owed into frames.
    pub(super) fn settle(&self, turn: &mut Turn) -> Result<(), Error> {
        if self.has(BROKEN) {
            return Err(SendError::Closed.into());
        }
        if self.has(OWES) {
            let mut owed = self.lock_owed();
            if turn.pending.len() >= FLUSH_AT && !owed.has_close() {
                // The peer does not read what is there already. It can send Pings without end,
                // so their Pong stays owed: the latest only, until there is room.
                return Ok(());
            }
            self.clear(OWES);
            turn.outbound.settle(&mut owed, &mut turn.pending)?;
        }
        Ok(())
    }

    /// Notes what came of a write, and ends our side of TCP if that was the last one.
    pub(super) fn note_write(&self, turn: &Turn, outcome: &Result<(), Error>) {
        match outcome {
            Ok(()) if self.has(UNSENT) => self.clear(UNSENT),
            Ok(()) => {}
            Err(Error::Timeout(_)) => self.set(UNSENT),
            Err(_) => self.set(BROKEN),
        }
        if self.has(STALLED) {
            self.clear(STALLED);
        }
        if turn.outbound.close_sent() {
            // From here on the peer has time to answer, not while it had yet to read.
            self.close_sent_at.get_or_init(Instant::now);
            if outcome.is_ok() && self.write_side_is_over() {
                // The peer may have done so first.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
        }
    }

    /// Notes that a Close frame is about to be written. Not afterwards: the peer's answer can
    /// be read before the write has returned, and has to be known for an answer.
    pub(super) fn note_close_sent(&self) {
        if !self.has(CLOSE_SENT) {
            self.set(CLOSE_SENT);
            self.message_end.notify_all();
        }
    }

    /// Whether our side of TCP is to be ended: by the server once the closing handshake is
    /// complete, by who fails the connection at once, and by a client after its server only
    /// (§7.1.1).
    fn write_side_is_over(&self) -> bool {
        self.has(FAILED) || self.role == Role::Server && self.has(CLOSE_RECEIVED)
    }

    /// The look after the turn was released.
    fn owes(&self, in_message: bool) -> bool {
        self.has_backlog(in_message) || self.has(OWES)
    }

    /// Whether broadcasts have left something that can be sent now: not so before the end of a
    /// message in progress, or before the peer has taken what is pending.
    fn has_backlog(&self, in_message: bool) -> bool {
        // Pairs with the fences in `note_duty` and `offer`: either the other finds the turn
        // free, or we find its note. Without both, each could miss what the other did last.
        fence(Ordering::SeqCst);
        !in_message && !self.backlog.is_empty() && !self.has_unsent()
    }

    fn lock_owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, flags: u8) -> bool {
        self.flags.load(Ordering::SeqCst) & flags != 0
    }

    fn set(&self, flags: u8) {
        self.flags.fetch_or(flags, Ordering::SeqCst);
    }

    fn clear(&self, flags: u8) {
        self.flags.fetch_and(!flags, Ordering::SeqCst);
    }
}
