use std::borrow::Cow;
use std::io;
use std::time::Duration;

use super::deadline::Deadline;
use super::error::is_timeout;
use super::link::Link;
use super::{Error, Operation, Prepared};
use crate::frame::MaskingKey;
use crate::protocol::{MessageKind, MessageRef, Outbound, Role, SendError};

/// The right to write, and the bytes that wait to be written.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) outbound: Outbound,
    /// Whole frames, but for what has been written of the first ones.
    pub(super) pending: Vec<u8>,
    /// How many bytes of `pending` are gone; zero unless a write is going on.
    written: usize,
    /// Until when all writes of this turn together may wait, once there is one that may.
    pub(super) deadline: Option<Deadline>,
}

/// How long a write may wait for the peer to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Patience {
    /// As long as the time-out says.
    Full,
    /// No longer than one call to the stream, which is WRITE_SLICE: who writes has something
    /// better to do.
    None,
}

/// How long a single write waits for the peer to read. Short, so that who has no patience need
/// not first tell the stream so; who has it calls again.
pub(super) const WRITE_SLICE: Duration = Duration::from_millis(10);

/// Fed messages are written once they come to this many bytes.
pub(super) const FLUSH_AT: usize = 64 << 10;
/// A larger payload is not copied behind its header, but written from where it lies; a client,
/// which has to mask a copy, does so in pieces of MASK_STEP bytes.
const COPY_MAX: usize = 4 << 10;
const MASK_STEP: usize = FLUSH_AT;

impl Turn {
    pub(super) const fn new(outbound: Outbound) -> Self {
        Self { outbound, pending: Vec::new(), written: 0, deadline: None }
    }

    /// Accepts a message; with `flush`, all that is pending is written.
    pub(super) fn put(
        &mut self,
        link: &Link,
        message: MessageRef<'_>,
        flush: bool,
    ) -> Result<(), Error> {
        self.make_room(link, Patience::Full)?;
        let payload = message.as_bytes();
        if payload.len() > link.fragment_len {
            return self.put_fragments(link, message.kind(), payload, Patience::Full);
        }
        self.outbound.may_begin()?;
        let payload = self.outbound.payload(message.kind(), payload, true)?;
        let fits = !flush && self.pending.len() + payload.len() < FLUSH_AT;
        let key = self.header(message.kind(), payload.len(), true)?;
        if fits || payload.len() <= COPY_MAX {
            self.keep(&payload, key);
            if flush || self.pending.len() >= FLUSH_AT {
                self.write(link, &[], Patience::Full)?;
            }
            return Ok(());
        }
        self.write_payload(link, &payload, key, Patience::Full)
    }

    /// A part of a message as it is to follow its header, which is there then, and the key that
    /// it is to be masked with.
    fn encode<'a>(
        &mut self,
        kind: MessageKind,
        part: &'a [u8],
        fin: bool,
    ) -> Result<(Cow<'a, [u8]>, Option<MaskingKey>), Error> {
        let part = self.outbound.payload(kind, part, fin)?;
        let key = self.header(kind, part.len(), fin)?;
        Ok((part, key))
    }

    fn header(
        &mut self,
        kind: MessageKind,
        payload_len: usize,
        fin: bool,
    ) -> Result<Option<MaskingKey>, SendError> {
        self.outbound.header_of_part(kind, payload_len, fin, &mut self.pending)
    }

    /// Accepts a message whose frame is there already, and writes all that is pending. From a
    /// server it goes out as it is, a client has to mask it (§5.3).
    pub(super) fn put_prepared(
        &mut self,
        link: &Link,
        message: &Prepared,
        patience: Patience,
    ) -> Result<(), Error> {
        self.make_room(link, patience)?;
        let (kind, payload) = (message.kind(), message.plain().payload());
        if payload.len() > link.fragment_len {
            return self.put_fragments(link, kind, payload, patience);
        }
        let deflater = self.outbound.deflater_for(payload.len(), true);
        let deflated = deflater.map(|deflater| message.deflated(deflater));
        self.outbound.begin_prepared(deflated.is_some())?;
        let frame = deflated.as_deref().unwrap_or_else(|| message.plain());
        if self.outbound.role() == Role::Server {
            return self.write(link, frame.as_bytes(), patience);
        }
        let key = self.header(kind, frame.payload().len(), true)?;
        self.write_payload(link, frame.payload(), key, patience)
    }

    /// Writes what is pending, and what broadcasts have left for who has the turn.
    pub(super) fn write_backlog(&mut self, link: &Link, patience: Patience) -> Result<(), Error> {
        if !link.is_in_message() && !link.backlog.is_empty() {
            // What is pending goes with the first message, if the peer was not slow to take it.
            if link.has_unsent() || self.pending.len() >= FLUSH_AT {
                self.write(link, &[], patience)?;
            }
            while let Some((message, compresses)) = link.backlog.pop() {
                self.outbound.set_compression(compresses);
                match self.put_prepared(link, &message, patience) {
                    // After a Close frame the rest is of no use, but that is to go out.
                    Ok(()) | Err(Error::Send(_)) => {}
                    other => return other,
                }
            }
        }
        self.write(link, &[], patience)
    }

    /// Accepts a piece of a message, and writes all that is pending.
    pub(super) fn put_fragment(
        &mut self,
        link: &Link,
        kind: MessageKind,
        part: &[u8],
        fin: bool,
    ) -> Result<(), Error> {
        self.make_room(link, Patience::Full)?;
        let (part, key) = self.encode(kind, part, fin)?;
        link.note_in_message(!fin);
        self.write_payload(link, &part, key, Patience::Full)
    }

    /// Sends a long message in fragments, and between them what is owed meanwhile (§5.4).
    fn put_fragments(
        &mut self,
        link: &Link,
        kind: MessageKind,
        payload: &[u8],
        patience: Patience,
    ) -> Result<(), Error> {
        self.outbound.may_begin()?;
        let mut outcome = Ok(());
        let mut left = payload.len();
        for part in payload.chunks(link.fragment_len) {
            left -= part.len();
            let settled = link.settle(self);
            let encoded = settled.and_then(|()| self.encode(kind, part, left == 0));
            if let Err(Error::Send(SendError::NoMaskingKey)) = encoded {
                // The message has no end then, and no other can begin.
                link.cut();
            }
            let (part, key) = encoded?;
            match outcome {
                Ok(()) if patience == Patience::Full || left == 0 => {
                    outcome = self.write_payload(link, &part, key, patience);
                }
                // The peer does not read: the rest is kept like what a single frame left over.
                // Who has no patience writes once, when all is there.
                _ => self.keep(&part, key),
            }
            if !matches!(outcome, Ok(()) | Err(Error::Timeout(_))) {
                break;
            }
        }
        outcome
    }

    /// If earlier messages left much over, writes it, so that the next one can be accepted.
    pub(super) fn make_room(&mut self, link: &Link, patience: Patience) -> Result<(), Error> {
        if self.pending.len() < FLUSH_AT {
            return Ok(());
        }
        if self.outbound.close_sent() {
            return Err(SendError::Closed.into());
        }
        self.write(link, &[], patience).map_err(|error| match error {
            Error::Timeout(Operation::Flush) => Error::Timeout(Operation::Queue),
            other => other,
        })
    }

    /// Writes what is pending, and behind it a payload, masked if there is a key.
    fn write_payload(
        &mut self,
        link: &Link,
        payload: &[u8],
        key: Option<MaskingKey>,
        patience: Patience,
    ) -> Result<(), Error> {
        if key.is_none() {
            return self.write(link, payload, patience);
        }
        if patience == Patience::None {
            self.keep(payload, key);
            return self.write(link, &[], patience);
        }
        let mut outcome = Ok(());
        // A step is a multiple of four, so all of them begin at the same byte of the key.
        for piece in payload.chunks(MASK_STEP) {
            self.keep(piece, key);
            match outcome {
                Ok(()) => outcome = self.write(link, &[], Patience::Full),
                Err(Error::Timeout(_)) => {}
                Err(_) => break,
            }
        }
        outcome
    }

    /// Copies a payload behind its header, masked if there is a key.
    fn keep(&mut self, payload: &[u8], key: Option<MaskingKey>) {
        match key {
            Some(key) => key.append(payload, 0, &mut self.pending),
            None => self.pending.extend_from_slice(payload),
        }
    }

    /// Writes what is pending, and then `payload` from where it lies. What the peer did not
    /// take in time is kept, `payload` too, so that the stream stays in step.
    pub(super) fn write(
        &mut self,
        link: &Link,
        payload: &[u8],
        patience: Patience,
    ) -> Result<(), Error> {
        let mut payload = payload;
        if self.outbound.close_sent() {
            link.note_close_sent();
        }
        let outcome = match self.write_until(link, &mut payload, patience) {
            Ok(()) if self.pending.is_empty() && payload.is_empty() => Ok(()),
            Ok(()) => {
                self.pending.drain(..self.written);
                self.written = 0;
                self.pending.extend_from_slice(payload);
                Err(Error::Timeout(Operation::Flush))
            }
            Err(error) => Err(error.into()),
        };
        link.note_write(self, &outcome);
        outcome
    }

    /// Writes until all is gone, or patience is.
    fn write_until(
        &mut self,
        link: &Link,
        payload: &mut &[u8],
        patience: Patience,
    ) -> io::Result<()> {
        if self.pending.is_empty() && payload.is_empty() {
            return Ok(());
        }
        let deadline = match patience {
            Patience::Full => {
                *self.deadline.get_or_insert_with(|| Deadline::after(Some(link.timeouts.write)))
            }
            Patience::None => Deadline::over(),
        };
        loop {
            let had_pending = !self.pending.is_empty();
            match self.write_once(link, payload) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {}
                outcome => outcome?,
            }
            let goes_on = had_pending && self.pending.is_empty();
            if self.pending.is_empty() && payload.is_empty() || deadline.is_over() && !goes_on {
                return Ok(());
            }
            // Who must not wait learns at once that there is something to wait for.
            link.note_stalled();
        }
    }

    fn write_once(&mut self, link: &Link, payload: &mut &[u8]) -> io::Result<()> {
        let waiting = self.pending.get(self.written..).unwrap_or_default();
        let waiting_len = waiting.len();
        let count = link.stream.write(if waiting_len > 0 { waiting } else { payload })?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += count.min(waiting_len);
        *payload = payload.get(count.saturating_sub(waiting_len)..).unwrap_or_default();
        if self.written == self.pending.len() {
            self.pending.clear();
            self.written = 0;
            // What one large burst took is not kept for ever.
            if self.pending.capacity() > 2 * FLUSH_AT {
                self.pending.shrink_to(FLUSH_AT);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::Shutdown;
    use std::sync::{Arc, OnceLock};

    use super::*;
    use crate::net::{Stream, Timeouts};
    use crate::protocol::State;

    /// A stream during whose first write a Ping becomes due, as from the thread that receives.
    #[derive(Clone, Debug, Default)]
    struct Busy(Arc<OnceLock<Arc<Link>>>);

    impl Stream for Busy {
        fn read(&self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write(&self, buffer: &[u8]) -> io::Result<usize> {
            self.0.get().unwrap().note_ping(b"ping");
            Ok(buffer.len())
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

    thread_local! {
        static KEYS_LEFT: Cell<u32> = const { Cell::new(0) };
    }

    fn scarce_key() -> Option<MaskingKey> {
        KEYS_LEFT.set(KEYS_LEFT.get().checked_sub(1)?);
        Some(MaskingKey([1, 2, 3, 4]))
    }

    #[test]
    fn without_a_key_inside_a_long_message_the_connection_is_cut() {
        // For the first part; or for that and the Ping behind it.
        for keys in [1, 2] {
            KEYS_LEFT.set(keys);
            let stream = Busy::default();
            let outbound = Outbound::client(scarce_key);
            let link = Link::new(Box::new(stream.clone()), outbound, Timeouts::default(), 4);
            let link = Arc::new(link);
            stream.0.set(Arc::clone(&link)).unwrap();
            let outcome = link.send("a long message".into(), true, true);
            let has_no_key = matches!(outcome, Err(Error::Send(SendError::NoMaskingKey)));
            assert!(has_no_key, "{keys}: {outcome:?}");
            assert_eq!(link.state(), State::Closed, "{keys}");
        }
    }
}
