//! The bytes that were read and not decoded yet.
//!
//! A large buffer saves system calls, and an idle connection should hold none. So the buffer grows
//! when a read fills it, is given back when a read times out, and shrinks when many reads in a row
//! were small.

use std::io;

use crate::net::Stream;

/// Bytes that were read and not yet eaten.
///
/// It starts small, grows when a read fills it, and shrinks when many reads in a row would have
/// fitted into the small one: an idle connection holds little memory.
#[derive(Debug)]
pub(in crate::net) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Where in `bytes` reads begin.
    base: usize,
    /// `bytes[start..end]` is unread.
    start: usize,
    end: usize,
    /// How long the buffer of the next read is to be.
    wanted: usize,
    small_reads: u32,
}

const MIN_LEN: usize = 2 << 10;
/// A page over 256 KiB, so that a message of a power of two and its header need no read more.
const MAX_LEN: usize = (256 << 10) + PAGE;
/// Large reads go to the beginning of a page. Data mostly lies at one in the system's buffers,
/// and where the distance is small but not zero, processors copy at a fraction of their speed.
const PAGE: usize = 4 << 10;
/// So many small reads in a row say that the large ones are over.
const SMALL_READS: u32 = 64;

impl ReadBuffer {
    /// A buffer that begins with bytes which somebody else had read already.
    pub(in crate::net) fn new(read_ahead: Vec<u8>) -> Self {
        let end = read_ahead.len();
        Self { bytes: read_ahead, base: 0, start: 0, end, wanted: MIN_LEN, small_reads: 0 }
    }

    pub(in crate::net) fn unread(&self) -> &[u8] {
        self.get_unread().unwrap_or_default()
    }

    /// As [`unread`](Self::unread): there is always such a slice.
    #[inline]
    pub(in crate::net) fn get_unread(&self) -> Option<&[u8]> {
        self.bytes.get(self.start..self.end)
    }

    /// Keeps only the last `left` bytes of what is unread.
    #[inline]
    pub(in crate::net) fn keep(&mut self, left: usize) {
        self.start = self.end - left;
    }

    /// Gives memory back, all bytes having been eaten.
    pub(in crate::net) fn shrink(&mut self) {
        if self.bytes.capacity() > MIN_LEN {
            *self = Self::new(Vec::new());
        }
    }

    /// Has the next read take no more than this.
    pub(in crate::net) fn limit(&mut self, max_len: usize) {
        self.wanted = self.wanted.min(max_len);
    }

    /// Makes it as long as is wanted.
    #[cold]
    fn allocate(&mut self) {
        // The old one goes first, so that the two are never held at once.
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

    /// Reads once into the buffer, whose bytes must all have been eaten; 0 is the end.
    #[inline]
    pub(in crate::net) fn fill(&mut self, stream: &dyn Stream) -> io::Result<usize> {
        if self.bytes.len() - self.base != self.wanted {
            self.allocate();
        }
        (self.start, self.end) = (self.base, self.base);
        let space = self.bytes.get_mut(self.base..).unwrap_or_default();
        // A stream is anybody's code: what it claims beyond the space was not read.
        let count = stream.read(space)?.min(space.len());
        self.end += count;
        if count == space.len() {
            // There is likely more.
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
