//! How a connection ends on the side that receives.

use std::io;

use super::{RETRY, Receiver};
use crate::frame::CloseFrame;
use crate::net::Error;
use crate::net::buffer::ReadBuffer;
use crate::net::deadline::Deadline;
use crate::net::error::is_timeout;
use crate::net::status::CloseStatus;
use crate::net::turn::Patience;

impl Receiver {
    /// Ends a connection whose peer sent a Close frame: the answer is written, then TCP ended
    /// so that the peer reads all of it (§7.1.1).
    pub(super) fn finish(&mut self, frame: Option<CloseFrame>) {
        self.drain();
        let answered = self.link.close_sent() && !self.link.has_unsent();
        let clean = answered && !self.link.is_broken();
        self.status = Some(CloseStatus::received(frame, self.closed_by, clean));
        self.cut();
    }

    /// Fails the connection: the peer is told why, if it can be told (§7.1.7).
    pub(super) fn fail(&mut self, error: crate::ProtocolError) {
        self.link.note_failure(error);
        self.status = Some(CloseStatus::abnormal());
        self.drain();
        self.cut();
    }

    /// Has the last Close frame written, by us or by who has the turn, and reads to the end of
    /// the stream: TCP would answer unread bytes with a reset, and that would destroy the Close
    /// frame on its way.
    fn drain(&mut self) {
        let deadline = Deadline::after(Some(self.link.timeouts.close));
        loop {
            if self.link.try_flush(Patience::None).is_err() {
                return;
            }
            // Who had the turn may have left the rest to us.
            let retry = self.link.owes_close().then_some(RETRY);
            let timeout = deadline.left().unwrap_or(self.link.timeouts.close);
            match self.fill(retry.map_or(timeout, |retry| retry.min(timeout))) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted || is_timeout(&error) => {}
                Err(_) => return,
            }
            if deadline.is_over() {
                return;
            }
        }
    }

    /// Notes the end of a connection that ended without a Close frame of the peer.
    pub(in crate::net) fn abandon(&mut self, error: Error) -> Error {
        self.status = Some(CloseStatus::abnormal());
        self.cut();
        error
    }

    fn cut(&mut self) {
        self.link.cut();
        self.buffer = ReadBuffer::new(Vec::new());
    }
}
