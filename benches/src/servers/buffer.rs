use std::io::{self, Read};
use std::net::TcpStream;

/// The bytes of a connection that were read and are not answered yet. They are unmasked in place.
///
/// The buffer starts small. It grows when a read fills it, or when a message is longer. A large
/// buffer begins at a page, where the kernel copies fastest on some processors.
pub struct Buffer {
    bytes: Vec<u8>,
    /// The start of the usable part of `bytes`.
    base: usize,
    /// `bytes[base + start..base + end]` is unread.
    start: usize,
    end: usize,
}

const MIN_LEN: usize = 4 << 10;
/// The maximum number of bytes that are read at once. Room for a header is included, so that it
/// takes no further read.
const MAX_READ: usize = (256 << 10) + 14;
const PAGE: usize = 4 << 10;

impl Buffer {
    pub fn new() -> Self {
        Self { bytes: vec![0; MIN_LEN], base: 0, start: 0, end: 0 }
    }

    pub fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.base + self.start..self.base + self.end]
    }

    pub fn eat(&mut self, len: usize) {
        self.start += len;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Makes room for `len` unread bytes.
    pub fn reserve(&mut self, len: usize) {
        if self.start + len <= self.len() {
            return;
        }
        if len <= self.len() {
            let (from, to) = (self.base + self.start, self.base + self.end);
            self.bytes.copy_within(from..to, self.base);
        } else {
            let mut bytes = vec![0; len + PAGE];
            let base = (bytes.as_ptr() as usize).wrapping_neg() % PAGE;
            let unread = self.unread();
            bytes[base..base + unread.len()].copy_from_slice(unread);
            (self.bytes, self.base) = (bytes, base);
        }
        (self.start, self.end) = (0, self.end - self.start);
    }

    /// Reads once, behind the unread bytes. Returns 0 at the end.
    pub fn fill(&mut self, stream: &mut &TcpStream) -> io::Result<usize> {
        if self.end == self.len() {
            // A read has filled the buffer, so there are probably more bytes.
            let unread = self.end - self.start;
            self.reserve((self.len() * 4).min(MAX_READ).max(unread + MIN_LEN));
        }
        // With larger reads, the first bytes would have left the cache before they are unmasked.
        let room = (self.len() - self.end).min(MAX_READ);
        let count = stream.read(&mut self.bytes[self.base + self.end..][..room])?;
        self.end += count;
        Ok(count)
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.base
    }
}
