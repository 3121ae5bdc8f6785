//! How the side that receives waits: for how long, and what it does when nothing comes.

use std::io;
use std::time::Duration;

use super::{RETRY, Receiver};
use crate::net::deadline::Deadline;
use crate::net::error::{is_timeout, unexpected_eof};
use crate::net::keepalive::Due;
use crate::net::turn::{Patience, WRITE_SLICE};
use crate::net::{Error, Operation};

impl Receiver {
    /// Writes what has to go out first, as far as the peer takes it, then reads once.
    pub(super) fn wait(&mut self, deadline: Deadline) -> Result<(), Error> {
        if self.link.close_deadline().is_over() {
            return Err(self.abandon(Error::Timeout(Operation::Close)));
        }
        self.has_pinged = false;
        match self.link.try_flush(Patience::None) {
            // What the peer sent before its end broke may still be there to be read.
            Ok(()) | Err(Error::Io(_) | Error::Send(_)) => {}
            Err(error) => return Err(error),
        }
        self.check_room()?;
        let timeout = self.read_patience(deadline);
        match self.fill(timeout) {
            Ok(0) if self.inbound.message_kind().is_some() => {
                Err(self.abandon(unexpected_eof("the stream ended inside a message")))
            }
            Ok(0) => Err(self.abandon(unexpected_eof("the stream ended without a Close frame"))),
            Ok(_) => {
                self.keepalive.heard();
                self.room_deadline = None;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if error.raw_os_error().is_none() {
                    // The stream says so by itself: something came that is no data yet.
                    self.keepalive.heard();
                    return Ok(());
                }
                // The read waited for an unknown time, in which nothing came.
                self.timed_out(Duration::ZERO, deadline)
            }
            Err(error) if is_timeout(&error) => self.timed_out(timeout, deadline),
            Err(error) => Err(self.abandon(error.into())),
        }
    }

    /// Gives up on a peer that neither reads nor sends. As long as it may do either, both are
    /// tried in turn: it may itself be waiting for us to read.
    fn check_room(&mut self) -> Result<(), Error> {
        if self.is_detached || !self.link.has_unsent() {
            self.room_deadline = None;
            return Ok(());
        }
        match self.room_deadline {
            None => self.room_deadline = Some(Deadline::after(Some(self.link.timeouts.write))),
            Some(deadline) if deadline.is_over() => {
                self.room_deadline = None;
                return Err(Error::Timeout(Operation::Flush));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// How long the next read may wait, whatever it is that then wants to be done.
    pub(super) fn read_patience(&self, deadline: Deadline) -> Duration {
        // Another thread may send a Close frame at any time: who waits no longer than the peer
        // has for its answer meets that deadline in time.
        let mut patience = self.link.timeouts.close;
        let deadlines = deadline.earlier(self.link.close_deadline()).left();
        let retry_in = if self.is_detached { RETRY } else { WRITE_SLICE };
        let retry = (self.link.has_unsent() || self.link.owes()).then_some(retry_in);
        for other in [deadlines, self.keepalive.patience(), retry].into_iter().flatten() {
            patience = patience.min(other);
        }
        patience.max(Duration::from_millis(1))
    }

    /// Nothing came for so long: does what that calls for.
    fn timed_out(&mut self, waited: Duration, deadline: Deadline) -> Result<(), Error> {
        if self.link.close_deadline().is_over() {
            return Err(self.abandon(Error::Timeout(Operation::Close)));
        }
        // Everything has been eaten: an idle connection keeps no large buffer.
        self.buffer.shrink();
        match self.keepalive.silent(waited) {
            Due::Nothing => {}
            Due::Ping(data) => {
                self.link.rest();
                self.link.note_ping(&data);
                // Now: the peer's time to answer runs, and the caller may be long in coming back.
                let _ = self.link.try_flush(Patience::None);
            }
            Due::Death => return Err(self.abandon(Error::Timeout(Operation::Pong))),
        }
        if deadline.is_over() { Err(Error::Timeout(Operation::Receive)) } else { Ok(()) }
    }

    pub(super) fn fill(&mut self, timeout: Duration) -> io::Result<usize> {
        self.set_read_timeout(timeout)?;
        self.buffer.fill(&*self.link.stream)
    }

    pub(super) fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if self.read_timeout != Some(timeout) {
            self.link.stream.set_read_timeout(Some(timeout))?;
            self.read_timeout = Some(timeout);
        }
        Ok(())
    }
}
