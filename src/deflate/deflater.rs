use core::fmt;

use zlib_rs::{Deflate as Stream, DeflateConfig as StreamConfig, DeflateFlush, Strategy};

use super::{DeflateConfig, DirectionParams, TAIL};

/// Compresses messages (RFC 7692 §7.2.1).
///
/// It holds no memory until the first message, and none between messages unless these may refer
/// to each other.
pub struct Deflater {
    direction: DirectionParams,
    level: u8,
    min_len: usize,
    /// The window, once there is something in it.
    stream: Option<Box<Stream>>,
}

/// How many codes are gathered for a block: two to the power of this and 6. More is memory for
/// longer messages than most are.
const MEM_LEVEL: i32 = 5;
/// The compressed data of a message is made in steps of this many bytes.
const STEP: usize = 4 << 10;
/// For the first step room is made for so many bytes more than there are to compress, if that is less:
/// most messages need no other.
const ROOM_MIN: usize = 32;
/// The most bytes in a stored block (RFC 1951 §3.2.4).
const STORED_MAX: usize = 0xFFFF;

impl Deflater {
    /// Compresses as was agreed on for this direction; how hard it tries, and for which
    /// messages, is one's own wish.
    #[must_use]
    pub fn new(direction: DirectionParams, config: &DeflateConfig) -> Option<Self> {
        let (level, min_len) = (config.level, config.min_len);
        // To take less than is allowed is always allowed.
        let direction = DirectionParams {
            context_takeover: direction.context_takeover && config.send_context_takeover,
            window_bits: direction.window_bits.min(config.send_window_bits),
        };
        Some(Self { direction, level, min_len, stream: None })
    }

    /// Shorter messages are not worth it.
    pub(crate) const fn min_len(&self) -> usize {
        self.min_len
    }

    /// All that decides about the result, but for earlier messages.
    pub(crate) const fn settings(&self) -> (u8, u8) {
        (self.level, self.direction.window_bits)
    }

    /// Another one with the same settings, that knows of no message yet.
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
            // There is nothing to flush, but there has to be a block (RFC 7692 §7.2.3.6).
            out = stored(part);
        } else {
            let DirectionParams { window_bits, .. } = self.direction;
            let level = self.level;
            let stream = self.stream.get_or_insert_with(|| Box::new(open(level, window_bits)));
            if !flush(stream, part, &mut out) {
                // The library has no reason to fail. If it does, the message goes out all the
                // same.
                out = stored(part);
                self.stream = None;
            }
        }
        out
    }

    /// Gives up the memory of earlier messages. Those that follow do not refer to them.
    pub(crate) fn reset(&mut self) {
        self.stream = None;
    }
}

fn open(level: u8, window_bits: u8) -> Stream {
    let mut config = StreamConfig::new(level.into());
    config.mem_level = MEM_LEVEL;
    // The library's smallest window is of 9 bits. Runs of one byte refer no farther than that
    // byte, so they fit into any.
    if window_bits < 9 {
        config.strategy = Strategy::Rle;
    }
    // Negative: without the header and checksum of zlib (RFC 7692 §7.3).
    config.window_bits = -i32::from(window_bits.max(9));
    Stream::new_with_config(config)
}

/// Appends all of `part`, up to and with the empty block that ends it on a byte.
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
        // Space that is left over says that there was nothing more to put into it.
        if step < room {
            return part.is_empty() && out.ends_with(&TAIL);
        }
    }
}

/// The part in blocks that are not compressed, and the empty one that ends it.
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
    fn what_the_library_refuses_goes_out_stored() {
        let part = [0x5A; STORED_MAX + 1];
        let mut expected = vec![0x00, 0xFF, 0xFF, 0x00, 0x00];
        expected.extend_from_slice(&part);
        expected.splice(5 + STORED_MAX.., [0x00, 1, 0, 0xFE, 0xFF, 0x5A, 0x00, 0, 0, 0xFF, 0xFF]);
        assert_eq!(stored(&part), expected);
        assert_eq!(stored(b""), [0x00, 0, 0, 0xFF, 0xFF]);
    }
}
