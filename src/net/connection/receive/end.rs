//! The end of a connection on the receiving side.
//!
//! After the peer's last word our Close frame must go out, and then TCP must end so that the peer
//! can read all of it (§7.1.1). If we closed a socket with unread bytes in it, the system would
//! send a reset, and a reset can destroy bytes that are still on their way. So the receiver reads
//! on until the peer ends its side, within two bounds: [`Timeouts::linger`](crate::Timeouts), from
//! the moment our last byte is out, and [`LINGER_MAX`] bytes. Bytes beyond that are left to the
//! flow control of TCP. RFC 9112 §9.6 describes the same for HTTP.

use std::io::ErrorKind;
use std::{mem, thread};

use super::{Ending, Phase, RETRY, ReadBuffer, Receiver};
use crate::ProtocolError;
use crate::frame::CloseFrame;
use crate::net::connection::close_status::CloseStatus;
use crate::net::deadline::Deadline;
use crate::net::stream::LINGER_MAX;
use crate::net::{Error, Operation};
use crate::protocol::Event;

impl Receiver {
    /// Begins the end of a connection whose peer sent a Close frame.
    pub(super) fn finish(&mut self, frame: Option<CloseFrame>) {
        self.begin_ending(Ok(frame));
    }

    /// Begins to fail the connection (§7.1.7). The peer is told why, if that is possible.
    pub(super) fn fail(&mut self, error: ProtocolError) {
        self.shared.post_failure(error);
        self.begin_ending(Err(error));
    }

    fn begin_ending(&mut self, last_word: Result<Option<CloseFrame>, ProtocolError>) {
        // If a part of our Close frame is out already, its deadline still counts.
        let deadline = Deadline::after(Some(self.shared.timeouts.close));
        let deadline = deadline.earlier(self.shared.close_deadline());
        self.phase = Phase::Ending(Ending { last_word, deadline, linger: None, read_len: 0 });
    }

    /// Continues with the end of the connection, which has begun. Once that is complete, returns
    /// the last event, or the error that ended the connection.
    pub(super) fn end(&mut self, deadline: Deadline) -> Result<Option<Event>, Error> {
        let Phase::Ending(mut ending) = mem::replace(&mut self.phase, Phase::Messages) else {
            return Ok(None);
        };
        if !self.drain(&mut ending, deadline) {
            self.phase = Phase::Ending(ending);
            if self.shared.is_stalled() {
                self.shared.leave_rest();
            }
            return Err(Error::Timeout(Operation::Receive));
        }
        let clean = self.shared.close_is_out() && !self.shared.is_broken();
        self.end_stream();
        match ending.last_word {
            Ok(frame) => {
                let status = CloseStatus::received(frame.clone(), self.closed_by, clean);
                self.phase = Phase::Ended(status);
                Ok(Some(Event::Close(frame)))
            }
            Err(error) => {
                self.phase = Phase::Ended(CloseStatus::abnormal());
                Err(error.into())
            }
        }
    }

    /// Writes our last Close frame, or lets the thread that holds the writer do so, and reads to
    /// the end of the stream. Returns `true` once that is complete, and `false` if only the
    /// caller's deadline is over.
    fn drain(&mut self, ending: &mut Ending, deadline: Deadline) -> bool {
        loop {
            if self.shared.try_flush_and_come_back().is_err() || self.shared.is_aborted() {
                return true;
            }
            // The thread that held the writer may have left the rest to the receiver.
            let is_out = self.shared.close_is_out();
            let last = if is_out {
                let timeout = self.shared.timeouts.linger;
                *ending.linger.get_or_insert_with(|| Deadline::after(Some(timeout)))
            } else {
                ending.deadline
            };
            let slice = Deadline::after(self.max_read_timeout);
            let mut timeout = last.earlier(deadline).earlier(slice).left().unwrap_or(RETRY);
            if !is_out {
                timeout = timeout.min(RETRY);
            }
            if ending.read_len > LINGER_MAX {
                // The socket stays open, because the peer may still have to read our last frame,
                // and a close would send a reset.
                thread::sleep(timeout.min(RETRY));
            } else {
                match self.fill(timeout).map_err(|error| error.kind()) {
                    // A peer that sends no more may still read, even one that has cut TLS off.
                    Ok(0) | Err(ErrorKind::UnexpectedEof) if !is_out => thread::sleep(timeout),
                    Ok(0) => return true,
                    Ok(count) => ending.read_len += count,
                    Err(ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(_) => return true,
                }
            }
            if last.is_over() {
                return true;
            }
            if deadline.is_over() {
                return false;
            }
        }
    }

    /// Records the end of a connection without a Close frame of the peer.
    pub(in crate::net::connection) fn abandon(&mut self, error: Error) -> Error {
        self.phase = Phase::Ended(CloseStatus::abnormal());
        self.end_stream();
        error
    }

    /// Ends the stream and releases it. The last thread that uses it closes it.
    fn end_stream(&mut self) {
        self.shared.end();
        self.stream = None;
        self.buffer = ReadBuffer::new(Vec::new());
    }
}
