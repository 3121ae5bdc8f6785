//! How a connection ends on the side that receives.

use std::io::ErrorKind;
use std::thread;

use super::{RETRY, Receiver};
use crate::ProtocolError;
use crate::frame::CloseFrame;
use crate::net::buffer::ReadBuffer;
use crate::net::deadline::Deadline;
use crate::net::status::CloseStatus;
use crate::net::turn::Patience;
use crate::net::{Error, Operation};
use crate::protocol::Event;

/// The peer has said its last word: our Close frame is to go out, and TCP to be ended so that
/// the peer reads all of it (§7.1.1). A receive that times out meanwhile leaves it to the next.
#[derive(Debug)]
pub(super) struct Ending {
    /// The peer's Close frame, or what it did wrong.
    last_word: Result<Option<CloseFrame>, ProtocolError>,
    deadline: Deadline,
}

impl Receiver {
    /// Begins the end of a connection whose peer sent a Close frame.
    pub(super) fn finish(&mut self, frame: Option<CloseFrame>) {
        self.begin_ending(Ok(frame));
    }

    /// Begins to fail the connection: the peer is told why, if it can be told (§7.1.7).
    pub(super) fn fail(&mut self, error: ProtocolError) {
        self.link.note_failure(error);
        self.begin_ending(Err(error));
    }

    fn begin_ending(&mut self, last_word: Result<Option<CloseFrame>, ProtocolError>) {
        // A peer that is slow to answer our Close frame has what is left to end TCP.
        let deadline = Deadline::after(Some(self.link.timeouts.close));
        let deadline = deadline.earlier(self.link.close_deadline());
        self.ending = Some(Ending { last_word, deadline });
    }

    /// Goes on with the end of the connection if that has begun. Once it is over, that is the
    /// last event, or the error that brought it about.
    pub(super) fn end(&mut self, deadline: Deadline) -> Result<Option<Event>, Error> {
        let Some(ending) = self.ending.take() else { return Ok(None) };
        if !self.drain(ending.deadline, deadline) {
            self.ending = Some(ending);
            return Err(Error::Timeout(Operation::Receive));
        }
        let clean = self.link.close_is_out() && !self.link.is_broken();
        self.cut();
        match ending.last_word {
            Ok(frame) => {
                self.status = Some(CloseStatus::received(frame.clone(), self.closed_by, clean));
                Ok(Some(Event::Close(frame)))
            }
            Err(error) => {
                self.status = Some(CloseStatus::abnormal());
                Err(error.into())
            }
        }
    }

    /// Has the last Close frame written, by us or by who has the turn, and reads to the end of
    /// the stream: TCP would answer unread bytes with a reset, and that would destroy the Close
    /// frame on its way. Says whether that is over, and not only the caller's deadline.
    fn drain(&mut self, last: Deadline, deadline: Deadline) -> bool {
        loop {
            if self.link.try_flush(Patience::None).is_err() {
                return true;
            }
            // Who had the turn may have left the rest to us.
            let is_out = self.link.close_is_out();
            let mut timeout = last.earlier(deadline).left().unwrap_or(self.link.timeouts.close);
            if !is_out {
                timeout = timeout.min(RETRY);
            }
            match self.fill(timeout).map_err(|error| error.kind()) {
                // A peer that sends no more may still read, also one that cut TLS off.
                Ok(0) | Err(ErrorKind::UnexpectedEof) if !is_out => thread::sleep(timeout),
                Ok(0) => return true,
                Ok(_) => {}
                Err(ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
            if last.is_over() {
                return true;
            }
            if deadline.is_over() {
                return false;
            }
        }
    }

    /// Notes the end of a connection that ended without a Close frame of the peer.
    pub(in crate::net) fn abandon(&mut self, error: Error) -> Error {
        self.ending = None;
        self.status = Some(CloseStatus::abnormal());
        self.cut();
        error
    }

    fn cut(&mut self) {
        self.link.cut();
        self.buffer = ReadBuffer::new(Vec::new());
    }
}
