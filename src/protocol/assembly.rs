use super::limits::MessageLimits;
use super::{Message, MessageKind};
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{FrameHeader, MaskingKey, Opcode, Utf8Check};

/// A message of which a part has arrived (§5.4).
#[derive(Debug)]
pub(super) struct Assembly {
    content: Content,
    /// The bytes that its frames so far announced, or, if it is compressed, those that came out.
    len: u64,
    max_len: u64,
    /// The bytes that frames may still bring that were not announced.
    may_follow: u64,
    frames: u32,
    is_compressed: bool,
}

#[derive(Debug)]
enum Content {
    Text(Text),
    Binary(Vec<u8>),
}

/// Text that is checked as it arrives, and never again.
#[derive(Debug, Default)]
struct Text {
    text: String,
    check: Utf8Check,
    /// Where masked text is unmasked before it is checked and joined to the rest.
    unmasked: Vec<u8>,
}

/// Text that is longer is unmasked, checked and copied in steps of this many bytes: each is still in
/// the nearest cache when it is copied. From 2 KiB on, C libraries leave a copy to an instruction
/// that some processors are ten times slower at where the two ends lie badly.
pub(super) const STEP: usize = 1 << 10;

impl Assembly {
    /// A message that begins. It is put into `memory`, which is empty.
    pub(super) fn new(opcode: Opcode, is_compressed: bool, memory: Vec<u8>) -> Self {
        let content = match opcode {
            Opcode::Text => Content::Text(Text {
                // What is empty is valid.
                text: String::from_utf8(memory).unwrap_or_default(),
                ..Text::default()
            }),
            _ => Content::Binary(memory),
        };
        Self { content, len: 0, max_len: 0, may_follow: 0, frames: 0, is_compressed }
    }

    /// Counts in a frame that is about to come (§10.4).
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
            // Whatever the limits are: a sum that overflows is over them.
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

    /// Moves what has arrived to `out`.
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

    /// Adds a piece of a frame. `offset` is its place in that frame, and `frame_left` says how
    /// many bytes of the frame, this piece among them, were still missing.
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

    /// Adds what comes out of a piece, counting on the way: what is over the limit is never
    /// there as a whole (§10.4).
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
            // What fits may be wrong by itself. That has to be said first, or it would matter how
            // the input was cut.
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
        // A step is a multiple of four, so all of them begin at the same byte of the key.
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

/// How much memory to ask for: as much as has arrived, to grow in few steps, but never more
/// than can still come. What a header announces reserves nothing by itself (§10.4).
fn growth(len: usize, piece_len: usize, left: u64) -> usize {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    len.max(piece_len).min(left)
}
