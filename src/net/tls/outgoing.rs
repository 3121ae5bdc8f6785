//! Records on their way to the peer.
//!
//! A record is encrypted once, with a counter, so it can neither be changed nor reordered nor
//! encrypted again. If the stream takes half of it, the other half has to follow before anything
//! else. The caller, however, learns only of whole pieces: a piece counts as written when the last
//! byte of its record is. So this file remembers which bytes of the caller are in which record.

use std::collections::VecDeque;
use std::io::{self, Write};

use rustls::Connection;

/// Records on their way to the peer: encrypted already, so that they can neither be changed nor
/// put into another order, and not taken by the stream yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    records: Vec<u8>,
    /// How many bytes of `records` are gone.
    written: usize,
    /// The caller's bytes in `records`, which it is told of only when they are gone.
    pieces: VecDeque<Piece>,
    /// How many bytes of it are gone without its knowledge: a reader wrote them.
    untold: usize,
}

/// A piece of what the caller writes.
#[derive(Debug)]
struct Piece {
    len: usize,
    /// Where its record ends in `records`.
    end: usize,
}

/// What a record holds at most (RFC 8446 §5.1).
const PIECE_LEN: usize = 16 << 10;
/// So much is encrypted ahead of the stream: enough for a system call to be worth it.
const MAX_LEN: usize = 64 << 10;
/// What one large write took is not kept for ever.
const KEEP_LEN: usize = 4 << 10;

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.records.len()
    }

    /// The next piece of `buffer` to encrypt, unless there is none, or no room for one. The buffer
    /// begins with bytes that are encrypted already: the caller was not told that they are gone.
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

    /// Encrypts a piece, behind what the session has to say by itself.
    pub(super) fn encrypt(&mut self, session: &mut Connection, piece: &[u8]) -> io::Result<()> {
        let len = session.writer().write(piece)?;
        self.collect(session)?;
        if len == 0 {
            // The keys are used up, which takes terabytes.
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.pieces.push_back(Piece { len, end: self.records.len() });
        Ok(())
    }

    /// Takes over what the session has to say by itself.
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
            // A stream may claim more than it was given.
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

    /// How many of the caller's bytes are gone that it was not told of.
    pub(super) const fn untold(&self) -> usize {
        self.untold
    }

    /// The same, and it is told now.
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
