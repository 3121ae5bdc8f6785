use core::fmt;

use zlib_rs::{Inflate as Stream, InflateFlush, Status};

use super::config::MAX_WINDOW_BITS;
use super::{DirectionParams, TAIL};
use crate::error::ProtocolError;

/// Decompresses messages (RFC 7692 §7.2.2).
///
/// It holds no memory until the first compressed message, and none between messages unless
/// these may refer to each other.
pub struct Inflater {
    direction: DirectionParams,
    stream: Option<Box<Stream>>,
    /// The latest output.
    recent: Vec<u8>,
    /// `recent` is kept between messages: the library will not tell us its window.
    keeps_recent: bool,
    /// The latest step had no room left, or met a fault that it has yet to tell: it is to be tried
    /// again even if no more input comes.
    is_unfinished: bool,
}

/// As far back as anything can refer (RFC 1951 §2).
const WINDOW_MAX: usize = 1 << MAX_WINDOW_BITS;
/// A message is decompressed in steps of at most this many bytes.
const STEP: usize = 8 << 10;
/// Room is made for this many times as many bytes as come in, and for at least so many: to clear more
/// for a short message would take longer than the rest.
const GROWTH: usize = 8;
const STEP_MIN: usize = 256;

const INVALID: ProtocolError = ProtocolError::InvalidDeflate;

impl Inflater {
    /// Decompresses what was compressed as agreed on for this direction.
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

    /// Decompresses from the front of `input`, at most `max_len` bytes and one step at a time.
    /// Nothing comes out any more once all of `input` is eaten and was decompressed.
    pub(crate) fn inflate(
        &mut self,
        input: &mut &[u8],
        max_len: usize,
    ) -> Result<&[u8], ProtocolError> {
        if input.is_empty() && !self.is_unfinished {
            return Ok(&[]);
        }
        // So a vector that doubles its memory stays within two windows.
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

    /// Decompresses to where `recent` has been made room from `start` on. Returns how many
    /// bytes were eaten and how many came out.
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
                // The library eats what there is, or says why not.
                return Err(INVALID);
            }
            self.restart(start)?;
        }
    }

    /// Goes on after a block that says it is the last one (BFINAL, RFC 7692 §7.2.3.4). The
    /// library takes that for the end of its work; here, what follows may refer to what was.
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

    /// Ends a message, all of which was decompressed.
    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        // A byte follows the tail, and the library is told to stop after a block. So it leaves
        // that byte if the tail ended a block, as it must. Otherwise the message was cut short,
        // and what would come out is anybody's guess.
        const PROBE: [u8; TAIL.len() + 1] = [0x00, 0x00, 0xFF, 0xFF, 0xAA];
        let mut spill = [0];
        let Call { eaten, made, .. } = self.end(&PROBE, &mut spill, InflateFlush::Block)?;
        if (eaten, made) != (TAIL.len(), 0) {
            return Err(INVALID);
        }
        if !self.direction.context_takeover {
            self.stream = None;
        } else if self.end(&[], &mut spill, InflateFlush::NoFlush)?.ending == Ending::LastBlock {
            // The block that the tail ended said that it is the last one.
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
            // Not a single byte came.
            None => Err(INVALID),
        }
    }
}

fn open() -> Box<Stream> {
    // The largest window, whatever was agreed on. Peers that agree on 8 bits and compress with
    // zlib use 9; and a smaller window takes the library no less memory.
    Box::new(Stream::new(false, MAX_WINDOW_BITS))
}

/// What a call of the library did.
struct Call {
    /// How many bytes went in.
    eaten: usize,
    /// How many came out.
    made: usize,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// The block goes on, or another one follows.
    Open,
    /// That was the last block.
    LastBlock,
    /// What follows is wrong.
    Fault,
}

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
        // What came out before the fault counts, and may itself be one; otherwise it would matter
        // how the input was cut. The next call meets the fault again.
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
