//! Compression of messages with `zlib-rs` (RFC 7692 §7.2.1).
//!
//! Each part of a message ends with a flush, which ends on a byte. The last four bytes of a message
//! (`TAIL`) are cut off. Tricky: an empty part needs a block too, the library has no window of 8
//! bits, and a message is sent even if the library fails.

use core::fmt;

use zlib_rs::{Deflate as Stream, DeflateConfig as StreamConfig, DeflateFlush, Strategy};

use super::{DeflateConfig, DirectionParams, TAIL};

/// A compressor for the messages of one direction (RFC 7692 §7.2.1).
///
/// It holds no memory before the first message, and none between messages unless they may refer to
/// each other.
pub struct Deflater {
    direction: DirectionParams,
    level: u8,
    min_len: usize,
    /// The state of the library with its window, or `None` while the window is empty.
    stream: Option<Box<Stream>>,
}

/// The memory level of the library: a block collects up to 2 to the power of this plus 6 codes.
/// A higher level takes memory that only long messages use.
const MEM_LEVEL: i32 = 5;
/// The number of output bytes for which one step makes room.
const STEP: usize = 4 << 10;
/// The first step makes room for this many bytes more than the input has, if that is less than a
/// step. Most messages need no second step.
const ROOM_MIN: usize = 32;
/// The maximum length of a stored block, in bytes (RFC 1951 §3.2.4).
const STORED_MAX: usize = 0xFFFF;

impl Deflater {
    /// Creates a compressor for a direction with these negotiated parameters. The level and the
    /// minimum length come from `config`.
    ///
    /// The result is `None` only without the feature `deflate`.
    #[must_use]
    pub fn new(direction: DirectionParams, config: &DeflateConfig) -> Option<Self> {
        let (level, min_len) = (config.level, config.min_len);
        // A sender may always use less than was negotiated.
        let direction = DirectionParams {
            context_takeover: direction.context_takeover && config.send_context_takeover,
            window_bits: direction.window_bits.min(config.send_window_bits),
        };
        Some(Self { direction, level, min_len, stream: None })
    }

    /// Returns the length, in bytes, below which messages are not compressed.
    pub(crate) const fn min_len(&self) -> usize {
        self.min_len
    }

    /// Returns everything that determines the result, except for earlier messages.
    pub(crate) const fn settings(&self) -> (u8, u8) {
        (self.level, self.direction.window_bits)
    }

    /// Creates a compressor with the same settings and without earlier messages.
    pub(crate) const fn alike(&self) -> Self {
        Self { stream: None, ..*self }
    }

    /// Compresses the last part of a message.
    pub(crate) fn deflate_last(&mut self, part: &[u8]) -> Vec<u8> {
        let mut out = self.deflate(part);
        out.truncate(out.len() - TAIL.len());
        if !self.direction.context_takeover {
            self.stream = None;
        }
        out
    }

    /// Compresses a part of a message; more parts follow.
    pub(crate) fn deflate(&mut self, part: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if part.is_empty() {
            // There is nothing to flush, but even an empty part needs a block (RFC 7692 §7.2.3.6).
            out = stored(part);
        } else {
            let DirectionParams { window_bits, .. } = self.direction;
            let level = self.level;
            let stream = self.stream.get_or_insert_with(|| Box::new(open(level, window_bits)));
            if !flush(stream, part, &mut out) {
                // The library has no reason to fail. If it does, the message is sent in blocks that
                // are not compressed.
                out = stored(part);
                self.stream = None;
            }
        }
        out
    }

    /// Releases the memory of earlier messages. Later messages do not refer to them.
    pub(crate) fn reset(&mut self) {
        self.stream = None;
    }
}

fn open(level: u8, window_bits: u8) -> Stream {
    let mut config = StreamConfig::new(level.into());
    config.mem_level = MEM_LEVEL;
    // The smallest window of the library has 9 bits. A run of one byte refers back by one byte, so
    // it fits into any window.
    if window_bits < 9 {
        config.strategy = Strategy::Rle;
    }
    // A negative value means: without the header and the checksum of zlib (RFC 7692 §7.3).
    config.window_bits = -i32::from(window_bits.max(9));
    Stream::new_with_config(config)
}

/// Compresses all of `part`, and appends it with the empty block that makes it end on a byte.
/// Returns whether the library did so.
fn flush(stream: &mut Stream, part: &[u8], out: &mut Vec<u8>) -> bool {
    let mut part = part;
    loop {
        let start = out.len();
        let room = if start == 0 { STEP.min(part.len() + ROOM_MIN) } else { STEP };
        out.resize(start + room, 0);
        let (consumed, produced) = (stream.total_in(), stream.total_out());
        let space = out.get_mut(start..).unwrap_or_default();
        let outcome = stream.compress(part, space, DeflateFlush::SyncFlush);
        let step = usize::try_from(stream.total_out() - produced).unwrap_or(usize::MAX);
        let eaten = usize::try_from(stream.total_in() - consumed).unwrap_or(usize::MAX);
        out.truncate(start.saturating_add(step));
        part = part.get(eaten..).unwrap_or_default();
        if outcome.is_err() {
            return false;
        }
        // Unused space means that the library has nothing more to write.
        if step < room {
            return part.is_empty() && out.ends_with(&TAIL);
        }
    }
}

/// Encodes a part in blocks that are not compressed, and the empty block that ends it.
fn stored(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in part.chunks(STORED_MAX).chain([&[][..]]) {
        let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0x00);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    out
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("coding", &self.direction).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_zlib_refuses_is_sent_in_stored_blocks() {
        let part = [0x5A; STORED_MAX + 1];
        let mut expected = vec![0x00, 0xFF, 0xFF, 0x00, 0x00];
        expected.extend_from_slice(&part);
        expected.splice(5 + STORED_MAX.., [0x00, 1, 0, 0xFE, 0xFF, 0x5A, 0x00, 0, 0, 0xFF, 0xFF]);
        assert_eq!(stored(&part), expected);
        assert_eq!(stored(b""), [0x00, 0, 0, 0xFF, 0xFF]);
    }
}
