//! How long the receiver waits, and what it does when nothing arrives.
//!
//! A read waits until the receiver has something else to do. That is the earliest of the caller's
//! deadline, the deadline of the closing handshake, the next step of keepalive, and the next
//! attempt to write bytes for which the receiver is responsible. A read that is cut short loses
//! nothing.

use std::time::{Duration, Instant};
use std::{io, mem};

use super::keepalive::Action;
use super::{RETRY, Receiver};
use crate::net::deadline::Deadline;
use crate::net::error::{is_timeout, unexpected_eof};
use crate::net::stream::WRITE_SLICE;
use crate::net::{Error, Operation};

/// The timeout of a read that only takes data that has arrived, and the shortest timeout.
const MOMENT: Duration = Duration::from_millis(1);

/// The maximum number of bytes read after the deadline of the closing handshake: more than a system
/// buffers.
const LATE_MAX: usize = 8 << 20;
/// The least that a read after that deadline counts for: a peer could send byte after byte.
const LATE_MIN: usize = 32 << 10;

impl Receiver {
    /// Writes the bytes that wait, as far as the peer takes them, and then reads once.
    pub(super) fn wait(&mut self, deadline: Deadline) -> Result<(), Error> {
        // The peer's answer to our Close frame may have arrived in time, although this call is
        // late.
        let is_late = self.shared.close_sent() && self.shared.close_deadline().is_over();
        self.write_what_waits();
        self.watch_room();
        let timeout = if is_late { MOMENT } else { self.read_timeout_until(deadline) };
        let count = self.shared.try_writes.count();
        // The clock is read only if other threads make non-waiting writes, or if reads are cut
        // short.
        let has_changed = mem::replace(&mut self.try_writes, count) != count;
        let start = (has_changed || self.max_read_timeout.is_some()).then(Instant::now);
        let outcome = self.fill(timeout);
        if self.shared.is_aborted() {
            return Err(self.abandon(self.shared.aborted()));
        }
        match outcome {
            Ok(0) if self.inbound.message_kind().is_some() => {
                Err(self.abandon(unexpected_eof("the stream ended inside a message")))
            }
            Ok(0) => Err(self.abandon(unexpected_eof("the stream ended without a Close frame"))),
            Ok(count) => self.heard(if is_late { count.max(LATE_MIN) } else { 0 }),
            // The stream itself returned this: bytes arrived that are not data yet.
            Err(error)
                if error.kind() == io::ErrorKind::Interrupted && error.raw_os_error().is_none() =>
            {
                self.heard(if is_late { LATE_MIN } else { 0 })
            }
            Err(error)
                if is_timeout(&error) && self.shared.try_writes.is_unchanged_since(count) =>
            {
                self.timed_out(start.map_or(timeout, |start| start.elapsed()), deadline)
            }
            // The read waited for an unknown time, in which nothing arrived.
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {
                let waited = start.map_or(Duration::ZERO, |start| start.elapsed());
                self.timed_out(waited, deadline)
            }
            Err(error) => Err(self.abandon(error.into())),
        }
    }

    /// Writes the bytes for which the receiver is responsible, and those that the caller fed.
    #[inline]
    fn write_what_waits(&mut self) {
        self.has_pinged = false;
        if self.shared.has_unwritten() {
            // After a failure, bytes that the peer sent before may still be there to be read.
            let _ = self.shared.try_flush_and_come_back();
        }
    }

    /// Records that the peer is alive.
    #[inline]
    fn heard(&mut self, late_len: usize) -> Result<(), Error> {
        self.keepalive.heard();
        self.room_deadline = None;
        self.late_len += late_len;
        if self.late_len > LATE_MAX {
            return Err(self.abandon(Error::Timeout(Operation::Close)));
        }
        Ok(())
    }

    /// Starts the clock for a peer that does not read, unless the connection was split: then the
    /// senders report such a peer.
    #[inline]
    fn watch_room(&mut self) {
        if self.is_detached || !self.shared.is_behind() {
            self.room_deadline = None;
        } else if self.room_deadline.is_none() {
            self.room_deadline = Some(Deadline::after(Some(self.shared.timeouts.write)));
        }
    }

    /// Fails if the peer neither reads nor sends. As long as it may do either, the receiver tries
    /// both in turn: the peer may itself be waiting for us to read.
    fn check_room(&mut self) -> Result<(), Error> {
        if self.room_deadline.is_some_and(Deadline::is_over) {
            self.room_deadline = None;
            return Err(Error::Timeout(Operation::Flush));
        }
        Ok(())
    }

    /// Returns how long the next read may wait.
    #[inline]
    fn read_timeout_until(&self, deadline: Deadline) -> Duration {
        let is_calm =
            deadline.is_never() && self.keepalive.is_calm() && self.shared.status().is_calm();
        if is_calm { self.calm_read_timeout } else { self.earliest_timeout(deadline) }
    }

    /// Returns the time until the receiver has something else to do.
    #[inline(never)]
    pub(super) fn earliest_timeout(&self, deadline: Deadline) -> Duration {
        // Another thread may send a Close frame at any time. A read that waits no longer than the
        // peer has for its answer is over before that deadline.
        let mut timeout = self.shared.timeouts.close;
        let deadlines = deadline.earlier(self.shared.close_deadline()).left();
        let keepalive = self.keepalive.timeout().filter(|_| !self.shared.close_sent());
        let retry_in = if self.is_detached { RETRY } else { WRITE_SLICE };
        let retry = self.shared.status().needs_receiver().then_some(retry_in);
        for other in [deadlines, keepalive, retry, self.max_read_timeout].into_iter().flatten() {
            timeout = timeout.min(other);
        }
        timeout.max(MOMENT)
    }

    /// Does what must be done after `waited` without a byte.
    fn timed_out(&mut self, waited: Duration, deadline: Deadline) -> Result<(), Error> {
        let outcome = self.act_on_silence(waited, deadline);
        if outcome.is_err() && self.shared.is_stalled() {
            // The caller may not come back soon.
            self.shared.leave_rest();
        }
        outcome
    }

    fn act_on_silence(&mut self, waited: Duration, deadline: Deadline) -> Result<(), Error> {
        if self.shared.close_deadline().is_over() {
            return Err(self.abandon(Error::Timeout(Operation::Close)));
        }
        // No byte is unread, and an idle connection should not keep a large buffer.
        self.buffer.shrink();
        // The peer of a closing connection has until the deadline for its Close frame.
        if !self.shared.close_sent() {
            self.keep_alive(waited)?;
        }
        self.check_room()?;
        if deadline.is_over() { Err(Error::Timeout(Operation::Receive)) } else { Ok(()) }
    }

    fn keep_alive(&mut self, waited: Duration) -> Result<(), Error> {
        match self.keepalive.silent(waited) {
            Action::Nothing => {}
            Action::Ping => {
                self.shared.on_idle();
                self.shared.post_ping();
                // The Ping is written now: the peer's time to answer runs, and the caller may come
                // back late.
                let _ = self.shared.try_flush_and_come_back();
            }
            Action::GiveUp => return Err(self.abandon(Error::Timeout(Operation::Pong))),
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn fill(&mut self, timeout: Duration) -> io::Result<usize> {
        self.set_read_timeout(timeout)?;
        match &self.stream {
            Some(stream) => {
                let count = self.buffer.fill(&**stream)?;
                self.shared.received.add_bytes(count);
                Ok(count)
            }
            None => Ok(0),
        }
    }

    #[inline]
    pub(super) fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if self.read_timeout == Some(timeout) { Ok(()) } else { self.change_read_timeout(timeout) }
    }

    #[inline(never)]
    fn change_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if let Some(stream) = &self.stream {
            stream.set_read_timeout(Some(timeout))?;
        }
        self.read_timeout = Some(timeout);
        Ok(())
    }
}
