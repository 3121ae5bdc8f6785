//! The calls to the stream, and how long the thread that holds the writer continues with them.

use std::io;

use super::guard::WriteGuard;
use crate::net::deadline::{Deadline, Wait};
use crate::net::error::is_timeout;
use crate::net::stream::WRITE_SLICE;
use crate::net::{Error, Operation, Stream};
use crate::protocol::SendError;

impl WriteGuard<'_> {
    /// Writes the bytes that wait, and then `payload`, without a copy. Bytes that the peer does not
    /// take in time are kept, those of `payload` included, so that a frame is never cut off.
    #[inline(never)]
    pub(super) fn write(&mut self, payload: &[u8], wait: Wait) -> Result<(), Error> {
        if self.writer.is_empty() && payload.is_empty() {
            return Ok(());
        }
        self.publish_close();
        let mut payload = payload;
        let Some(stream) = self.shared.stream() else {
            self.writer.discard();
            return Err(SendError::Closed.into());
        };
        if let Err(error) = self.write_until_end(&*stream, &mut payload, wait) {
            self.writer.discard();
            return Err(self.shared.note_broken(error));
        }
        if self.writer.is_empty() && payload.is_empty() {
            return Ok(());
        }
        self.writer.buffer(payload, None);
        Err(Error::Timeout(Operation::Flush))
    }

    /// Calls the stream until everything is written, or the time is over.
    #[inline]
    fn write_until_end(
        &mut self,
        stream: &dyn Stream,
        payload: &mut &[u8],
        wait: Wait,
    ) -> io::Result<()> {
        self.others.has_tried = true;
        loop {
            let outcome = match wait {
                Wait::Never => self.try_once(stream, payload),
                Wait::Block | Wait::Slice => {
                    let write = |bytes: &[u8]| self.shared.count(stream.write(bytes), bytes);
                    self.writer.write_once(write, payload)
                }
            };
            let is_over = match outcome {
                Ok(_) if self.writer.is_empty() && payload.is_empty() => return Ok(()),
                // The payload goes out in a separate call, after the bytes that wait.
                Ok(true) => continue,
                Ok(false) => self.is_over(wait),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.is_over(wait),
                // The call has waited for a slice, or was not allowed to wait.
                Err(error) if is_timeout(&error) => wait != Wait::Block || self.is_over(wait),
                Err(error) => return Err(error),
            };
            if is_over {
                return Ok(());
            }
            // Threads that must not wait learn at once that this connection would make them wait.
            self.publish_stalled();
        }
    }

    /// Whether the time is over for a write that one call to the stream did not finish. The clock
    /// starts here, because most writes are finished by one call and need no clock.
    pub(super) fn is_over(&mut self, wait: Wait) -> bool {
        match wait {
            Wait::Block => {
                let left = self.shared.timeouts.write.saturating_sub(WRITE_SLICE);
                self.deadline.get_or_insert_with(|| Deadline::after(Some(left))).is_over()
            }
            Wait::Slice => self.others.slice.get_or_insert_with(Deadline::slice).is_over(),
            Wait::Never => true,
        }
    }

    #[cold]
    fn try_once(&mut self, stream: &dyn Stream, payload: &mut &[u8]) -> io::Result<bool> {
        let Self { shared, writer, .. } = self;
        let try_write = |bytes: &[u8]| {
            shared.count(shared.try_writes.during(|| stream.try_write(bytes)), bytes)
        };
        writer.write_once(try_write, payload)
    }
}
