//! The bytes that were read and not decoded yet.
//!
//! A large buffer saves system calls, and an idle connection should hold none. So the buffer grows
//! when a read fills it, is freed when a read times out, and shrinks after many small reads in a
//! row.

use std::io;

use crate::net::Stream;

/// Bytes that were read and not consumed yet.
///
/// The buffer starts small, grows when a read fills it, and shrinks when many reads in a row would
/// have fitted into the small one: an idle connection holds little memory.
#[derive(Debug)]
pub(in crate::net) struct ReadBuffer {
    bytes: Vec<u8>,
    /// The index in `bytes` at which reads start.
    base: usize,
    /// `bytes[start..end]` is unread.
    start: usize,
    end: usize,
    /// The length of the buffer for the next read.
    wanted: usize,
    small_reads: u32,
}

const MIN_LEN: usize = 2 << 10;
/// The maximum length: a page over 256 KiB, so that a message whose length is a power of two needs
/// no further read for its header.
const MAX_LEN: usize = (256 << 10) + PAGE;
/// The alignment of large reads, in bytes. In the system's buffers, data mostly starts at the
/// beginning of a page. If the two ends of a copy lie a small distance apart in their pages,
/// processors copy at a fraction of their speed.
const PAGE: usize = 4 << 10;
/// After this many small reads in a row, the buffer shrinks.
const SMALL_READS: u32 = 64;

impl ReadBuffer {
    /// Creates a buffer that starts with bytes that were already read.
    pub(in crate::net) fn new(read_ahead: Vec<u8>) -> Self {
        let end = read_ahead.len();
        Self { bytes: read_ahead, base: 0, start: 0, end, wanted: MIN_LEN, small_reads: 0 }
    }

    pub(in crate::net) fn unread(&self) -> &[u8] {
        self.get_unread().unwrap_or_default()
    }

    /// Like [`unread`](Self::unread). It is always `Some`.
    #[inline]
    pub(in crate::net) fn get_unread(&self) -> Option<&[u8]> {
        self.bytes.get(self.start..self.end)
    }

    /// Keeps only the last `left` of the unread bytes.
    #[inline]
    pub(in crate::net) fn keep(&mut self, left: usize) {
        self.start = self.end - left;
    }

    /// Frees memory. All bytes must have been consumed.
    pub(in crate::net) fn shrink(&mut self) {
        if self.bytes.capacity() > MIN_LEN {
            *self = Self::new(Vec::new());
        }
    }

    /// Limits the next read to this many bytes.
    pub(in crate::net) fn limit(&mut self, max_len: usize) {
        self.wanted = self.wanted.min(max_len);
    }

    /// Allocates the wanted length.
    #[cold]
    fn allocate(&mut self) {
        // The old buffer is freed first, so that the two are never held at once.
        self.bytes = Vec::new();
        if self.wanted < PAGE {
            (self.base, self.bytes) = (0, vec![0; self.wanted]);
            return;
        }
        let mut bytes = vec![0; self.wanted + PAGE];
        self.base = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        bytes.truncate(self.base + self.wanted);
        self.bytes = bytes;
    }

    /// Reads once into the buffer, whose bytes must all have been consumed. 0 is the end of the
    /// stream.
    #[inline]
    pub(in crate::net) fn fill(&mut self, stream: &dyn Stream) -> io::Result<usize> {
        if self.bytes.len() - self.base != self.wanted {
            self.allocate();
        }
        (self.start, self.end) = (self.base, self.base);
        let space = self.bytes.get_mut(self.base..).unwrap_or_default();
        // A `Stream` may come from another crate: a count beyond the space is not trusted.
        let count = stream.read(space)?.min(space.len());
        self.end += count;
        if count == space.len() {
            // There is likely to be more.
            self.wanted = (count * 4).min(MAX_LEN);
        }
        self.small_reads = if count > MIN_LEN { 0 } else { self.small_reads + 1 };
        if self.small_reads >= SMALL_READS {
            self.wanted = MIN_LEN;
            self.small_reads = 0;
        }
        Ok(count)
    }
}
