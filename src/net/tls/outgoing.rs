//! TLS records on their way to the peer.
//!
//! A record is encrypted once, with a counter, so it can neither be changed nor reordered nor
//! encrypted again. If the stream takes half of a record, the other half must follow before
//! anything else. But the caller learns only of whole pieces: a piece counts as written when the
//! last byte of its record is. So this file remembers which bytes of the caller are in which
//! record.

use std::collections::VecDeque;
use std::io::{self, Write};

use rustls::Connection;

/// Encrypted records that the stream has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    records: Vec<u8>,
    /// How many bytes of `records` were written.
    written: usize,
    /// The caller's bytes in `records`. The caller learns of a piece only when it is written.
    pieces: VecDeque<Piece>,
    /// How many of the caller's bytes were written without its knowledge, because a reader wrote
    /// them.
    untold: usize,
}

/// A piece of the caller's bytes.
#[derive(Debug)]
struct Piece {
    len: usize,
    /// The end of its record in `records`.
    end: usize,
}

/// The maximum number of plaintext bytes in a record (RFC 8446 §5.1).
const PIECE_LEN: usize = 16 << 10;
/// How many bytes are encrypted ahead of the stream: enough to make a system call worthwhile.
const MAX_LEN: usize = 64 << 10;
/// The capacity that is kept when all records are written, so that a large write does not hold
/// memory forever.
const KEEP_LEN: usize = 4 << 10;

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.records.len()
    }

    /// Returns the next piece of `buffer` to encrypt, unless there is none, or no room for one.
    /// `buffer` starts with bytes that are already encrypted, because the caller was not told that
    /// they are written.
    pub(super) fn next_piece<'a>(&mut self, buffer: &'a [u8]) -> Option<&'a [u8]> {
        self.forget_written();
        if self.records.len() >= MAX_LEN {
            return None;
        }
        let encrypted = self.untold + self.pieces.iter().map(|piece| piece.len).sum::<usize>();
        let rest = buffer.get(encrypted..).unwrap_or_default();
        let piece = rest.get(..PIECE_LEN).unwrap_or(rest);
        (!piece.is_empty()).then_some(piece)
    }

    /// Encrypts a piece. Records of the session's own, such as alerts, go before it.
    pub(super) fn encrypt(&mut self, session: &mut Connection, piece: &[u8]) -> io::Result<()> {
        let len = session.writer().write(piece)?;
        self.collect(session)?;
        if len == 0 {
            // The session's keys are used up, which takes terabytes.
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.pieces.push_back(Piece { len, end: self.records.len() });
        Ok(())
    }

    /// Collects the records that the session has ready, including its own, such as alerts.
    pub(super) fn collect(&mut self, session: &mut Connection) -> io::Result<()> {
        while session.wants_write() {
            session.write_tls(&mut self.records)?;
        }
        Ok(())
    }

    /// Writes once, if there is anything to write.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let waiting = self.records.get(self.written..).unwrap_or_default();
        match write(waiting)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            // A `Stream` may come from another crate: a count beyond the buffer is not trusted.
            count => self.written += count.min(waiting.len()),
        }
        while self.pieces.front().is_some_and(|piece| piece.end <= self.written) {
            self.untold += self.pieces.pop_front().map_or(0, |piece| piece.len);
        }
        if self.is_empty() {
            self.forget_written();
            self.records.shrink_to(KEEP_LEN);
        }
        Ok(())
    }

    /// Returns how many of the caller's bytes were written that it was not told of.
    pub(super) const fn untold(&self) -> usize {
        self.untold
    }

    /// Returns the same number, and resets it, because the caller is told now.
    pub(super) fn take_untold(&mut self) -> usize {
        core::mem::take(&mut self.untold)
    }

    fn forget_written(&mut self) {
        self.records.drain(..self.written);
        for piece in &mut self.pieces {
            piece.end -= self.written;
        }
        self.written = 0;
    }
}
