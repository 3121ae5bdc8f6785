mod flags;
mod held;

use std::net::Shutdown;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use self::flags::{
    BROKEN, CLOSE_RECEIVED, CLOSE_SENT, FAILED, Flags, IN_MESSAGE, OWES, STALLED, UNSENT,
};
use super::deadline::Deadline;
use super::prepared::{Backlog, Offer, Prepared};
use super::turn::{Patience, Turn};
use super::{Error, Operation, Stream, Timeouts};
use crate::error::ProtocolError;
use crate::frame::CloseFrame;
use crate::protocol::{Event, MessageKind, MessageRef, Outbound, Owed, Role, State};

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
/// gap: a duty noted while `turn` was busy is seen by who held it, whoever that was and for
/// whatever (`held`). Messages of broadcasts go the same way as duties, through `backlog`.
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
    flags: Flags,
    close_sent_at: OnceLock<Instant>,
}

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
            flags: Flags::default(),
            close_sent_at: OnceLock::new(),
        }
    }

    pub(super) fn state(&self) -> State {
        match (self.flags.has(CLOSE_SENT), self.flags.has(CLOSE_RECEIVED)) {
            _ if self.flags.has(FAILED | BROKEN) => State::Closed,
            (false, false) => State::Open,
            (true, true) => State::Closed,
            _ => State::Closing,
        }
    }

    pub(super) fn close_sent(&self) -> bool {
        self.flags.has(CLOSE_SENT)
    }

    /// Whether the transport broke, or was cut.
    pub(super) fn is_broken(&self) -> bool {
        self.flags.has(BROKEN)
    }

    /// Until when the peer has to answer our Close frame, if we sent one.
    pub(super) fn close_deadline(&self) -> Deadline {
        match self.close_sent_at.get() {
            Some(&sent) => Deadline::at(sent, self.timeouts.close),
            None => Deadline::never(),
        }
    }

    /// Whether a Close frame was written to its end.
    pub(super) fn close_is_out(&self) -> bool {
        self.close_sent_at.get().is_some() && !self.has_unsent()
    }

    /// Whether something is noted that was not said yet.
    pub(super) fn owes(&self) -> bool {
        self.flags.has(OWES)
    }

    /// Whether a write has left something over.
    pub(super) fn has_unsent(&self) -> bool {
        self.flags.has(UNSENT)
    }

    /// Whether the peer has yet to take something, after a call to the stream was over.
    pub(super) fn is_behind(&self) -> bool {
        self.flags.has(UNSENT | STALLED)
    }

    pub(super) fn note_stalled(&self) {
        self.flags.set(STALLED);
    }

    /// Waits for the turn and sends with it; with `flush`, all that is pending is written.
    pub(super) fn send(
        &self,
        message: MessageRef<'_>,
        flush: bool,
        compresses: bool,
    ) -> Result<(), Error> {
        self.in_turn(self.wait_for_message_end()?, Patience::Full, |turn| {
            turn.outbound.set_compression(compresses);
            turn.put(self, message, flush)
        })
    }

    /// Waits for the turn and sends a message with it that is encoded already.
    pub(super) fn send_prepared(&self, message: &Prepared, compresses: bool) -> Result<(), Error> {
        self.in_turn(self.wait_for_message_end()?, Patience::Full, |turn| {
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
            let is_slow = self.is_behind() || self.flags.has(IN_MESSAGE);
            return if is_slow { Offer::Slow } else { Offer::Busy };
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
        let held = self.try_lock_turn()?;
        if self.flags.has(IN_MESSAGE) || !self.backlog.is_empty() || self.is_behind() {
            return None;
        }
        let outcome = self.in_turn(held, Patience::None, |turn| {
            turn.outbound.set_compression(compresses);
            turn.put_prepared(self, message, Patience::None)
        });
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
        let held = if continues { self.lock_turn() } else { self.wait_for_message_end()? };
        let outcome = self.in_turn(held, Patience::Full, |turn| {
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

    /// Waits for the turn and sends a Ping with it.
    pub(super) fn ping(&self, data: &[u8]) -> Result<(), Error> {
        self.in_turn(self.lock_turn(), Patience::Full, |turn| {
            turn.make_room(self, Patience::Full)?;
            turn.outbound.ping(data, &mut turn.pending)?;
            turn.write(self, &[], Patience::Full)
        })
    }

    /// Waits for the turn and sends a Close frame with it. There is room for that always.
    pub(super) fn close(&self, frame: &CloseFrame) -> Result<(), Error> {
        self.in_turn(self.lock_turn(), Patience::Full, |turn| {
            turn.outbound.close(Some(frame), &mut turn.pending)?;
            turn.write(self, &[], Patience::Full)
        })
    }

    pub(super) fn flush(&self) -> Result<(), Error> {
        self.in_turn(self.lock_turn(), Patience::Full, |turn| {
            turn.write_backlog(self, Patience::Full)
        })
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
        self.flags.set(OWES | flags);
        drop(owed);
        fence(Ordering::SeqCst);
    }

    /// Ends the transport, which also wakes whoever is blocked in it, and says whether it had
    /// not been of no more use before.
    pub(super) fn cut(&self) -> bool {
        let flags = self.flags.fetch_set(BROKEN);
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.message_end.notify_all();
        flags & BROKEN == 0
    }

    /// Gives up memory that an idle connection does not need.
    pub(super) fn rest(&self) {
        if let Some(mut held) = self.try_lock_turn() {
            held.turn.outbound.rest();
        }
    }

    /// Notes what came of a write, and ends our side of TCP if that was the last one.
    pub(super) fn note_write(&self, turn: &Turn, outcome: &Result<(), Error>) {
        match outcome {
            Ok(()) => self.flags.clear(UNSENT),
            Err(Error::Timeout(_)) => self.flags.set(UNSENT),
            Err(_) => self.flags.set(BROKEN),
        }
        self.flags.clear(STALLED);
        if turn.outbound.close_sent() {
            // From here on the peer has time to answer, not while it had yet to read.
            self.close_sent_at.get_or_init(Instant::now);
            if outcome.is_ok() && self.write_side_is_over() {
                // The peer may have done so first.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
        }
    }

    /// Notes whether a message has begun that the turn has not ended.
    pub(super) fn note_in_message(&self, in_message: bool) {
        if in_message {
            self.flags.set(IN_MESSAGE);
        } else {
            self.flags.clear(IN_MESSAGE);
        }
    }

    pub(super) fn is_in_message(&self) -> bool {
        self.flags.has(IN_MESSAGE)
    }

    /// Notes that a Close frame is about to be written. Not afterwards: the peer's answer can
    /// be read before the write has returned, and has to be known for an answer.
    pub(super) fn note_close_sent(&self) {
        if !self.flags.has(CLOSE_SENT) {
            self.flags.set(CLOSE_SENT);
            self.message_end.notify_all();
        }
    }

    /// Whether our side of TCP is to be ended: by the server once the closing handshake is
    /// complete, by who fails the connection at once, and by a client after its server only
    /// (§7.1.1).
    fn write_side_is_over(&self) -> bool {
        self.flags.has(FAILED) || self.role == Role::Server && self.flags.has(CLOSE_RECEIVED)
    }

    /// The look after the turn was released: whether others have left something meanwhile that
    /// can be said now. For who has no patience that is nothing as long as the peer has yet to
    /// take what is pending; no broadcast goes out before that, or inside a message.
    fn has_left(&self, patience: Patience) -> bool {
        // Pairs with the fences in `note_duty` and `offer`: either the other finds the turn
        // free, or we find its note. Without both, each could miss what the other did last.
        fence(Ordering::SeqCst);
        let flags = self.flags.get();
        let owes = flags & OWES != 0 && (patience == Patience::Full || flags & UNSENT == 0);
        owes || (flags & (UNSENT | IN_MESSAGE) == 0 && !self.backlog.is_empty())
    }

    fn lock_owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
