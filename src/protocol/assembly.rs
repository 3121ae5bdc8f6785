//! A message in progress: its frames are unmasked, decompressed, validated and joined (§5.4).
//!
//! Memory grows with the bytes that have arrived, never with a length that a header announces.
//! Tricky: the outcome must not depend on how the input is cut. So if a message is both invalid and
//! too long, the error that comes first in the data decides.

use super::limits::MessageLimits;
use super::{Message, MessageKind};
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{FrameHeader, MaskingKey, Opcode, Utf8Check};

/// A message of which a part has arrived (§5.4).
#[derive(Debug)]
pub(super) struct Assembly {
    content: Content,
    /// The number of bytes that its frames have announced. Of a compressed message, the number of
    /// bytes decompressed so far.
    len: u64,
    max_len: u64,
    /// The number of bytes that later frames, not yet announced, may add.
    may_follow: u64,
    frames: u32,
    is_compressed: bool,
}

#[derive(Debug)]
enum Content {
    Text(Text),
    Binary(Vec<u8>),
}

/// Text that is validated once, as it arrives.
#[derive(Debug, Default)]
struct Text {
    text: String,
    check: Utf8Check,
    /// The buffer in which masked text is unmasked before it is validated and appended.
    unmasked: Vec<u8>,
}

/// The number of bytes of text that are unmasked, validated and copied in one step.
///
/// Each step is still in the nearest cache when it is copied. For copies of 2 KiB and more, C
/// libraries use an instruction that some processors execute ten times more slowly if source and
/// destination are badly aligned.
pub(super) const STEP: usize = 1 << 10;

impl Assembly {
    /// Creates a message that has just begun, and that uses `memory`, an empty vector.
    pub(super) fn new(opcode: Opcode, is_compressed: bool, memory: Vec<u8>) -> Self {
        let content = match opcode {
            Opcode::Text => Content::Text(Text {
                // An empty vector is valid UTF-8.
                text: String::from_utf8(memory).unwrap_or_default(),
                ..Text::default()
            }),
            _ => Content::Binary(memory),
        };
        Self { content, len: 0, max_len: 0, may_follow: 0, frames: 0, is_compressed }
    }

    /// Counts a frame whose header has arrived, and checks the limits (§10.4).
    pub(super) fn announce(
        &mut self,
        header: &FrameHeader,
        limits: MessageLimits,
    ) -> Result<(), ProtocolError> {
        let MessageLimits { max_len, max_frame_len, max_fragments } = limits;
        if header.payload_len > max_frame_len {
            return Err(ProtocolError::FrameTooBig { limit: max_frame_len });
        }
        self.max_len = max_len;
        if !self.is_compressed {
            // The sum of announced lengths can overflow. Saturated, it is over every limit below
            // `u64::MAX`.
            self.len = self.len.saturating_add(header.payload_len);
        }
        if self.len > max_len {
            return Err(ProtocolError::MessageTooBig { limit: max_len });
        }
        if self.frames >= max_fragments {
            return Err(ProtocolError::TooManyFragments { limit: max_fragments });
        }
        self.frames += 1;
        self.may_follow = if header.fin { 0 } else { max_len - self.len };
        Ok(())
    }

    pub(super) const fn kind(&self) -> MessageKind {
        match self.content {
            Content::Text(_) => MessageKind::Text,
            Content::Binary(_) => MessageKind::Binary,
        }
    }

    /// Moves the content that has arrived to the end of `out`.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) {
        match &mut self.content {
            Content::Text(text) => {
                out.extend_from_slice(text.text.as_bytes());
                text.text.clear();
            }
            Content::Binary(data) => out.append(data),
        }
    }

    pub(super) const fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// Adds a piece of a payload. `offset` is its position there, as far as masking depends on it.
    /// `frame_left` counts the bytes from the start of the piece to the end of the frame.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        mask: Option<MaskingKey>,
        offset: usize,
        frame_left: u64,
        inflater: Option<&mut Inflater>,
    ) -> Result<(), ProtocolError> {
        if !self.is_compressed {
            let left = frame_left.saturating_add(self.may_follow);
            return self.content.push(piece, mask, offset, left);
        }
        let inflater = inflater.ok_or(ProtocolError::InvalidDeflate)?;
        let Some(key) = mask else {
            return self.inflate(piece, inflater);
        };
        let mut unmasked = Vec::new();
        for step in piece.chunks(STEP) {
            unmasked.clear();
            key.append(step, offset, &mut unmasked);
            self.inflate(&unmasked, inflater)?;
        }
        Ok(())
    }

    /// Adds the decompressed bytes of a piece, step by step. Each step is counted, so a message
    /// over the limit is never in memory as a whole (§10.4).
    fn inflate(&mut self, piece: &[u8], inflater: &mut Inflater) -> Result<(), ProtocolError> {
        let limit = self.max_len;
        let mut input = piece;
        loop {
            let room = limit.saturating_sub(self.len);
            let fits = usize::try_from(room).unwrap_or(usize::MAX);
            let output = inflater.inflate(&mut input, fits.saturating_add(1))?;
            if output.is_empty() {
                return Ok(());
            }
            // The bytes within the limit may be invalid UTF-8. That error comes first in the data,
            // so it must be reported first; otherwise the outcome would depend on how the input is
            // cut.
            let (output, over) = output.split_at_checked(fits).unwrap_or((output, &[]));
            self.len += output.len() as u64;
            self.content.push(output, None, 0, room)?;
            if !over.is_empty() {
                return Err(ProtocolError::MessageTooBig { limit });
            }
        }
    }

    pub(super) fn finish(self, inflater: Option<&mut Inflater>) -> Result<Message, ProtocolError> {
        if self.is_compressed {
            inflater.ok_or(ProtocolError::InvalidDeflate)?.finish()?;
        }
        match self.content {
            Content::Text(text) => {
                text.check.finish()?;
                Ok(Message::Text(text.text))
            }
            Content::Binary(data) => Ok(Message::Binary(data)),
        }
    }
}

impl Content {
    fn push(
        &mut self,
        piece: &[u8],
        mask: Option<MaskingKey>,
        offset: usize,
        left: u64,
    ) -> Result<(), ProtocolError> {
        match self {
            Self::Text(text) => {
                if text.text.capacity() - text.text.len() < piece.len() {
                    text.text.reserve_exact(growth(text.text.len(), piece.len(), left));
                }
                text.push(piece, mask, offset)
            }
            Self::Binary(data) => {
                let start = data.len();
                if data.capacity() - start < piece.len() {
                    data.reserve_exact(growth(start, piece.len(), left));
                }
                match mask {
                    Some(key) => key.append(piece, offset, data),
                    None => data.extend_from_slice(piece),
                }
                Ok(())
            }
        }
    }
}

impl Text {
    fn push(
        &mut self,
        piece: &[u8],
        mask: Option<MaskingKey>,
        offset: usize,
    ) -> Result<(), ProtocolError> {
        // The length of a step is a multiple of four, so all begin at the same byte of the key.
        for step in piece.chunks(STEP) {
            let step = match mask {
                Some(key) => {
                    self.unmasked.clear();
                    key.append(step, offset, &mut self.unmasked);
                    self.unmasked.as_slice()
                }
                None => step,
            };
            self.check.check(step)?.append_to(&mut self.text);
        }
        Ok(())
    }
}

/// Returns the number of bytes to reserve: the length of the content so far, or of the piece if it
/// is longer, but no more than can still follow. So a message grows in few steps, and a length that
/// a header announces reserves nothing by itself (§10.4).
fn growth(len: usize, piece_len: usize, left: u64) -> usize {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    len.max(piece_len).min(left)
}
