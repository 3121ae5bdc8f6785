use std::io::IoSlice;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::deadline::Deadline;
use super::error::is_timeout;
use super::{Error, Operation, Stream, Timeouts};
use crate::error::ProtocolError;
use crate::frame::MaskingKey;
use crate::protocol::{Event, MessageRef, Outbound, Owed, Role, State};

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
/// gap: a duty noted while `turn` was busy is seen by who held it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: Box<dyn Stream>,
    pub(super) timeouts: Timeouts,
    role: Role,
    turn: Mutex<Turn>,
    owed: Mutex<Owed>,
    flags: AtomicU8,
}

/// The right to write, and the bytes that wait to be written.
#[derive(Debug)]
struct Turn {
    outbound: Outbound,
    /// Whole frames, but for what has been written of the first ones.
    pending: Vec<u8>,
    /// How many bytes of `pending` are gone; zero unless a write is going on.
    written: usize,
}

/// Something is in `owed`.
const OWES: u8 = 1;
/// A Close frame went out.
const CLOSE_SENT: u8 = 2;
/// A Close frame came in.
const CLOSE_RECEIVED: u8 = 4;
/// The peer broke the protocol: nothing of it counts any more.
const FAILED: u8 = 8;
/// The transport cannot be written to any more.
const BROKEN: u8 = 16;

/// Fed messages are written once they come to this many bytes.
const FLUSH_AT: usize = 64 << 10;
/// A larger payload is not copied behind its header, but written from where it lies; a client,
/// which has to mask a copy, does so in pieces of this size.
const COPY_MAX: usize = 4 << 10;
const MASK_STEP: usize = FLUSH_AT;

impl Link {
    pub(super) fn new(stream: Box<dyn Stream>, outbound: Outbound, timeouts: Timeouts) -> Self {
        Self {
            stream,
            timeouts,
            role: outbound.role(),
            turn: Mutex::new(Turn { outbound, pending: Vec::new(), written: 0 }),
            owed: Mutex::new(Owed::new()),
            flags: AtomicU8::new(0),
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

    /// Waits for the turn and sends with it; with `flush`, all that is pending is written.
    pub(super) fn send(&self, message: MessageRef<'_>, flush: bool) -> Result<(), Error> {
        self.in_turn(|turn| self.put(turn, message, flush))
    }

    /// Waits for the turn and sends a control frame with it.
    pub(super) fn control(
        &self,
        encode: impl FnOnce(&mut Outbound, &mut Vec<u8>) -> Result<(), crate::SendError>,
    ) -> Result<(), Error> {
        self.in_turn(|turn| {
            encode(&mut turn.outbound, &mut turn.pending)?;
            self.write(turn, &[])
        })
    }

    pub(super) fn flush(&self) -> Result<(), Error> {
        self.in_turn(|turn| self.write(turn, &[]))
    }

    /// Notes what an event makes us owe, for whoever has the turn.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::Ping(_) => {}
            Event::Close(_) => self.set(CLOSE_RECEIVED),
            Event::Message(_) | Event::Pong(_) => return,
        }
        self.note_duty(|owed| owed.note(event));
    }

    /// Notes that the connection is to be failed.
    pub(super) fn note_failure(&self, error: ProtocolError) {
        self.set(FAILED);
        self.note_duty(|owed| owed.note_failure(error));
    }

    fn note_duty(&self, note: impl FnOnce(&mut Owed)) {
        let mut owed = self.lock_owed();
        note(&mut owed);
        self.set(OWES);
        drop(owed);
        fence(Ordering::SeqCst);
    }

    /// The transport broke: nobody need try to write any more.
    pub(super) fn note_broken(&self) {
        self.set(BROKEN);
    }

    /// Says what is owed and writes what is pending, unless another thread has the turn: then
    /// that one will say what is owed.
    pub(super) fn try_flush(&self) -> Result<(), Error> {
        loop {
            let mut turn = match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            self.settle(&mut turn)?;
            self.write(&mut turn, &[])?;
            drop(turn);
            if !self.owes() {
                return Ok(());
            }
        }
    }

    /// Says what is owed into the buffer of the turn if that is free, and writes nothing yet:
    /// so each of several Pings that came together gets its Pong, in one write.
    pub(super) fn try_settle(&self) {
        if let Ok(mut turn) = self.turn.try_lock() {
            if turn.pending.len() < FLUSH_AT {
                // An error here is met again, and reported, when the turn comes to write.
                let _ = self.settle(&mut turn);
            }
        }
    }

    fn in_turn<T>(&self, act: impl FnOnce(&mut Turn) -> Result<T, Error>) -> Result<T, Error> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.settle(&mut turn).and_then(|()| act(&mut turn));
        drop(turn);
        if self.owes() {
            // Its failure is not that of the caller's message; the next write meets it again.
            let _ = self.try_flush();
        }
        outcome
    }

    /// Turns what is owed into frames.
    fn settle(&self, turn: &mut Turn) -> Result<(), Error> {
        if self.has(BROKEN) {
            return Err(crate::SendError::Closed.into());
        }
        if self.has(OWES) {
            let mut owed = self.lock_owed();
            self.flags.fetch_and(!OWES, Ordering::SeqCst);
            turn.outbound.settle(&mut owed, &mut turn.pending)?;
        }
        Ok(())
    }

    fn put(&self, turn: &mut Turn, message: MessageRef<'_>, flush: bool) -> Result<(), Error> {
        if turn.pending.len() >= FLUSH_AT {
            self.write(turn, &[]).map_err(|error| match error {
                Error::Timeout(Operation::Flush) => Error::Timeout(Operation::Queue),
                other => other,
            })?;
        }
        let payload = message.as_bytes();
        let fits = !flush && turn.pending.len() + payload.len() < FLUSH_AT;
        if fits || payload.len() <= COPY_MAX {
            turn.outbound.message(message, &mut turn.pending)?;
            if flush || turn.pending.len() >= FLUSH_AT {
                self.write(turn, &[])?;
            }
            return Ok(());
        }
        match turn.outbound.message_header(message, &mut turn.pending)? {
            None => self.write(turn, payload),
            Some(key) => self.write_masked(turn, payload, key),
        }
    }

    /// Masks and writes piece by piece. Once a piece times out the rest is kept.
    fn write_masked(&self, turn: &mut Turn, payload: &[u8], key: MaskingKey) -> Result<(), Error> {
        let mut outcome = Ok(());
        // A step is a multiple of four, so all of them begin at the same byte of the key.
        for piece in payload.chunks(MASK_STEP) {
            let start = turn.pending.len();
            turn.pending.extend_from_slice(piece);
            if let Some(added) = turn.pending.get_mut(start..) {
                key.apply(added, 0);
            }
            if outcome.is_ok() {
                outcome = self.write(turn, &[]);
            }
            if self.has(BROKEN) {
                break;
            }
        }
        outcome
    }

    /// Writes what is pending, and then `payload` from where it lies. What the peer did not
    /// take in time is kept, `payload` too, so that the stream stays in step.
    fn write(&self, turn: &mut Turn, payload: &[u8]) -> Result<(), Error> {
        let mut payload = payload;
        let outcome = self.write_all(turn, &mut payload);
        match outcome {
            Ok(()) => {}
            Err(Error::Timeout(_)) => {
                turn.pending.drain(..turn.written);
                turn.written = 0;
                turn.pending.extend_from_slice(payload);
            }
            Err(_) => self.set(BROKEN),
        }
        if turn.outbound.close_sent() {
            self.set(CLOSE_SENT);
        }
        if outcome.is_ok() && self.write_side_is_over() {
            // The peer may have done so first.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        outcome
    }

    fn write_all(&self, turn: &mut Turn, payload: &mut &[u8]) -> Result<(), Error> {
        if turn.pending.is_empty() && payload.is_empty() {
            return Ok(());
        }
        let deadline = Deadline::after(Some(self.timeouts.write));
        let mut shortened = false;
        loop {
            let waiting = turn.pending.get(turn.written..).unwrap_or_default();
            let waiting_len = waiting.len();
            let count =
                match self.stream.write_vectored(&[IoSlice::new(waiting), IoSlice::new(payload)]) {
                    Ok(0) => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
                    Ok(count) => count,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
                    Err(error) if is_timeout(&error) => break,
                    Err(error) => return Err(error.into()),
                };
            turn.written += count.min(waiting_len);
            *payload = payload.get(count.saturating_sub(waiting_len)..).unwrap_or_default();
            if turn.written == turn.pending.len() {
                turn.reset();
                if payload.is_empty() {
                    break;
                }
            }
            if deadline.is_over() {
                break;
            }
            shortened = true;
            self.stream.set_write_timeout(deadline.left())?;
        }
        if shortened {
            self.stream.set_write_timeout(Some(self.timeouts.write))?;
        }
        if turn.pending.is_empty() && payload.is_empty() {
            Ok(())
        } else {
            Err(Error::Timeout(Operation::Flush))
        }
    }

    /// Whether our side of TCP is to be ended: by the server once the closing handshake is
    /// complete, by who fails the connection at once, and by a client after its server only
    /// (§7.1.1).
    fn write_side_is_over(&self) -> bool {
        self.has(CLOSE_SENT)
            && (self.has(FAILED) || self.role == Role::Server && self.has(CLOSE_RECEIVED))
    }

    /// The look after the turn was released.
    fn owes(&self) -> bool {
        // Pairs with the fence in `note_duty`: either the receiver finds the turn free, or we
        // find its note. Without both, each could miss what the other did last.
        fence(Ordering::SeqCst);
        self.has(OWES)
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
}

impl Turn {
    fn reset(&mut self) {
        self.pending.clear();
        self.written = 0;
        // What one large burst took is not kept for ever.
        if self.pending.capacity() > 2 * FLUSH_AT {
            self.pending.shrink_to(FLUSH_AT);
        }
    }
}
