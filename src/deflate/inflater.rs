//! Decompression of messages with `zlib-rs` (RFC 7692 §7.2.2).
//!
//! Tricky: the library stops after a block that claims to be the last (BFINAL), but here the
//! message may go on after it, and later data may refer to earlier data. So `restart` resets the
//! library, and gives it the latest output as its window. The library does not reveal its window,
//! so we keep that output ourselves, from the first message with such a block on. The output of
//! the messages before it is then unknown, and a reference to that output fails.
//!
//! The outcome must not depend on how the input is cut. So a step that fills its room, or that has
//! output before an error, is repeated even without new input (`is_unfinished`).

use core::fmt;

use zlib_rs::{Inflate as Stream, InflateFlush, Status};

use super::config::MAX_WINDOW_BITS;
use super::{DirectionParams, TAIL};
use crate::error::ProtocolError;

/// A decompressor for the messages of one direction (RFC 7692 §7.2.2).
///
/// It holds no memory before the first compressed message, and none between messages unless they
/// may refer to each other.
pub struct Inflater {
    direction: DirectionParams,
    stream: Option<Box<Stream>>,
    /// The latest output.
    recent: Vec<u8>,
    /// Whether `recent` is kept between messages, because the library does not reveal its window.
    keeps_recent: bool,
    /// Whether the last step filled its room, or has an error to report. It must be repeated even
    /// without new input.
    is_unfinished: bool,
}

/// The largest distance of a reference, in bytes (RFC 1951 §2).
const WINDOW_MAX: usize = 1 << MAX_WINDOW_BITS;
/// The maximum number of bytes that one step produces.
const STEP: usize = 8 << 10;
/// The number of bytes for which a step makes room, for each byte of input. For a short message, to
/// clear more memory would take longer than everything else.
const GROWTH: usize = 8;
/// The minimum number of bytes for which a step makes room.
const STEP_MIN: usize = 256;

const INVALID: ProtocolError = ProtocolError::InvalidDeflate;

impl Inflater {
    /// Creates a decompressor for a direction with these negotiated parameters.
    ///
    /// The result is `None` only without the feature `deflate`.
    #[must_use]
    pub const fn new(direction: DirectionParams) -> Option<Self> {
        Some(Self {
            direction,
            stream: None,
            recent: Vec::new(),
            keeps_recent: false,
            is_unfinished: false,
        })
    }

    /// Decompresses one step from the front of `input`, and returns at most `max_len` bytes. The
    /// result is empty once all of `input` is consumed and decompressed.
    pub(crate) fn inflate(
        &mut self,
        input: &mut &[u8],
        max_len: usize,
    ) -> Result<&[u8], ProtocolError> {
        if input.is_empty() && !self.is_unfinished {
            return Ok(&[]);
        }
        // A vector that doubles its memory stays within two windows if its length does.
        if self.recent.len() + STEP > 2 * WINDOW_MAX {
            self.recent.drain(..self.recent.len() - WINDOW_MAX);
        }
        let start = self.recent.len();
        let wanted = if self.is_unfinished { STEP } else { input.len().saturating_mul(GROWTH) };
        let room = wanted.clamp(STEP_MIN, STEP).min(max_len);
        self.recent.resize(start + room, 0);
        let (eaten, made) = self.step(input, start)?;
        self.is_unfinished |= made == room;
        self.recent.truncate(start + made);
        *input = input.get(eaten..).unwrap_or_default();
        self.recent.get(start..).ok_or(INVALID)
    }

    /// Decompresses into the room that `recent` has from `start` on. Returns the number of bytes
    /// consumed, and the number of bytes produced.
    fn step(&mut self, input: &[u8], start: usize) -> Result<(usize, usize), ProtocolError> {
        let mut eaten = 0;
        loop {
            let rest = input.get(eaten..).unwrap_or_default();
            let space = self.recent.get_mut(start..).unwrap_or_default();
            let stream = self.stream.get_or_insert_with(open);
            let Call { eaten: count, made, ending } =
                call(stream, rest, space, InflateFlush::NoFlush)?;
            eaten += count;
            if made > 0 || eaten == input.len() {
                self.is_unfinished = ending == Ending::Fault;
                return Ok((eaten, made));
            }
            if ending != Ending::LastBlock {
                // Without a reason, the library should have consumed all of the input.
                return Err(INVALID);
            }
            self.restart(start)?;
        }
    }

    /// Continues after a block that claims to be the last (BFINAL, RFC 7692 §7.2.3.4), with the
    /// latest output as the window.
    fn restart(&mut self, end: usize) -> Result<(), ProtocolError> {
        self.keeps_recent = self.direction.context_takeover;
        let recent = self.recent.get(..end).unwrap_or_default();
        let window = recent.get(recent.len().saturating_sub(WINDOW_MAX)..).unwrap_or_default();
        let stream = self.stream.get_or_insert_with(open);
        stream.reset(false);
        if !window.is_empty() {
            stream.set_dictionary(window).map_err(|_| INVALID)?;
        }
        Ok(())
    }

    /// Ends a message after all of its data was decompressed.
    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        // The library must stop after a block, and gets one byte more than the tail. It leaves that
        // byte if the tail ends a block, as it should. If not, the message was cut short, and its
        // output would be meaningless.
        const PROBE: [u8; TAIL.len() + 1] = [0x00, 0x00, 0xFF, 0xFF, 0xAA];
        let mut spill = [0];
        let Call { eaten, made, .. } = self.end(&PROBE, &mut spill, InflateFlush::Block)?;
        if (eaten, made) != (TAIL.len(), 0) {
            return Err(INVALID);
        }
        if !self.direction.context_takeover {
            self.stream = None;
        } else if self.end(&[], &mut spill, InflateFlush::NoFlush)?.ending == Ending::LastBlock {
            // The block that the tail ended claims to be the last.
            self.restart(self.recent.len())?;
        }
        if !self.keeps_recent {
            self.recent = Vec::new();
        }
        Ok(())
    }

    fn end(
        &mut self,
        probe: &[u8],
        spill: &mut [u8],
        flush: InflateFlush,
    ) -> Result<Call, ProtocolError> {
        match &mut self.stream {
            Some(stream) => call(stream, probe, spill, flush),
            // The message has no data.
            None => Err(INVALID),
        }
    }
}

fn open() -> Box<Stream> {
    // Always the largest window. Peers that agree on 8 bits and compress with zlib use 9, and with
    // a smaller window the library takes as much memory.
    Box::new(Stream::new(false, MAX_WINDOW_BITS))
}

/// The result of a call of the library.
struct Call {
    /// The number of bytes consumed.
    eaten: usize,
    /// The number of bytes produced.
    made: usize,
    ending: Ending,
}

/// The state of the compressed data after a call of the library.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// The block continues, or another one follows.
    Open,
    /// A block ended that claims to be the last.
    LastBlock,
    /// The data after the output is invalid.
    Fault,
}

/// Calls the library once.
fn call(
    stream: &mut Stream,
    input: &[u8],
    space: &mut [u8],
    flush: InflateFlush,
) -> Result<Call, ProtocolError> {
    let (consumed, produced) = (stream.total_in(), stream.total_out());
    let outcome = stream.decompress(input, space, flush);
    let eaten = usize::try_from(stream.total_in() - consumed).map_err(|_| INVALID)?;
    let made = usize::try_from(stream.total_out() - produced).map_err(|_| INVALID)?;
    let ending = match outcome {
        Ok(Status::StreamEnd) => Ending::LastBlock,
        Ok(_) => Ending::Open,
        // Output before the error counts, and can itself be invalid text or over a limit. Otherwise
        // the outcome would depend on how the input is cut. The next call reports the error again.
        Err(_) if made > 0 => Ending::Fault,
        Err(_) => return Err(INVALID),
    };
    Ok(Call { eaten, made, ending })
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("coding", &self.direction).finish_non_exhaustive()
    }
}
