//! The sending state machine: messages become bytes for the peer (RFC 6455 §6.1).
//!
//! `Stage` knows which frames may follow. Tricky: once a compressed frame cannot be sent, later
//! messages must not refer to it, so `lose_frame` resets the compressor.

mod control;

use std::borrow::Cow;

use super::{MessageKind, MessageRef, Role, SendError};
use crate::deflate::Deflater;
use crate::frame::{FrameHeader, MaskingKey, Opcode};

/// A source of masking keys for a client. Each key must be new and unpredictable (RFC 6455 §5.3).
///
/// `None` means that the system provides no random bytes. Nothing is sent then.
pub type KeySource = fn() -> Option<MaskingKey>;

/// The FIN bit of a frame (§5.2). It is set in the last frame of a message, and in every control
/// frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fin {
    Clear,
    Set,
}

/// The sending half of an endpoint, which turns messages into bytes for the peer (RFC 6455 §6.1).
///
/// Each method that encodes a message or a control frame appends all of it to `out`, or returns an
/// error and leaves `out` unchanged. All rules for sent frames are enforced here.
#[derive(Debug)]
pub struct Outbound {
    /// The source of masking keys, for a client only.
    keys: Option<KeySource>,
    deflater: Option<Deflater>,
    /// Whether messages may be compressed.
    compresses: bool,
    stage: Stage,
    /// Whether the message in progress, or the one about to begin, is compressed.
    is_deflating: bool,
    /// Whether anything was compressed since the last call of `on_idle`.
    has_deflated: bool,
    close_sent: bool,
}

/// The frames that may follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// A message.
    Between,
    /// The rest of a fragmented text message.
    WithinText,
    /// The rest of a fragmented binary message.
    WithinBinary,
    /// Nothing. A Close frame was sent, or it could not be sent because there was no masking key.
    Over,
}

impl Stage {
    /// Returns the stage after a frame of a message.
    #[inline]
    const fn after(kind: MessageKind, fin: Fin) -> Self {
        match (fin, kind) {
            (Fin::Set, _) => Self::Between,
            (Fin::Clear, MessageKind::Text) => Self::WithinText,
            (Fin::Clear, MessageKind::Binary) => Self::WithinBinary,
        }
    }
}

impl Outbound {
    /// Creates the sending half of a client, which masks with these keys.
    pub const fn client(keys: KeySource) -> Self {
        Self::new(Some(keys))
    }

    /// Creates the sending half of a server.
    #[must_use]
    pub const fn server() -> Self {
        Self::new(None)
    }

    const fn new(keys: Option<KeySource>) -> Self {
        Self {
            keys,
            deflater: None,
            compresses: true,
            stage: Stage::Between,
            is_deflating: false,
            has_deflated: false,
            close_sent: false,
        }
    }

    /// Compresses messages, if there is a deflater (RFC 7692).
    #[must_use]
    pub fn with_deflater(self, deflater: Option<Deflater>) -> Self {
        Self { deflater, ..self }
    }

    /// Sets whether messages that begin from now on may be compressed. At first they may.
    pub const fn set_compression(&mut self, compresses: bool) {
        self.compresses = compresses;
    }

    /// Returns the role of this endpoint.
    #[must_use]
    pub const fn role(&self) -> Role {
        if self.keys.is_some() { Role::Client } else { Role::Server }
    }

    /// Returns whether a Close frame was sent.
    #[must_use]
    pub const fn close_sent(&self) -> bool {
        self.close_sent
    }

    /// Encodes a message in one frame, compressed if that was negotiated and it is long enough.
    ///
    /// # Errors
    ///
    /// `Closed`, `MessageInProgress`, `NoMaskingKey`.
    pub fn encode_message(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.encode_whole(message, out)
    }

    /// Works like [`encode_message`](Self::encode_message), and is inlined.
    #[inline(always)]
    pub(crate) fn encode_whole(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.may_begin()?;
        self.encode_part(message, Fin::Set, out)
    }

    /// Returns a part of a message as it will be sent, compressed or not. The caller must encode
    /// its header next.
    ///
    /// The first part decides for the whole message. The message is compressed if compression was
    /// negotiated and is not turned off, and if the part is long enough or others follow it.
    ///
    /// # Errors
    ///
    /// As for [`encode_fragment`](Self::encode_fragment).
    #[inline]
    pub(crate) fn payload<'a>(
        &mut self,
        kind: MessageKind,
        part: &'a [u8],
        fin: Fin,
    ) -> Result<Cow<'a, [u8]>, SendError> {
        self.opcode(kind)?;
        Ok(if self.deflates(part.len(), fin) {
            self.deflate(part, fin).into()
        } else {
            part.into()
        })
    }

    /// Returns whether to compress a part of a message.
    #[inline(always)]
    fn deflates(&mut self, len: usize, fin: Fin) -> bool {
        if self.deflater.is_none() {
            return false;
        }
        if self.stage == Stage::Between {
            self.is_deflating = self.deflater_for(len, fin).is_some();
        }
        self.is_deflating
    }

    fn deflate(&mut self, part: &[u8], fin: Fin) -> Vec<u8> {
        self.has_deflated = true;
        match (&mut self.deflater, fin) {
            (Some(deflater), Fin::Clear) => deflater.deflate(part),
            (Some(deflater), Fin::Set) => deflater.deflate_last(part),
            (None, _) => Vec::new(),
        }
    }

    /// Returns the compressor for a message that begins with a part of this length, if one is used.
    #[inline]
    pub(crate) fn deflater_for(&self, len: usize, fin: Fin) -> Option<&Deflater> {
        let deflater = self.deflater.as_ref().filter(|_| self.compresses)?;
        (fin == Fin::Clear || len >= deflater.min_len()).then_some(deflater)
    }

    /// Begins a message whose payload was encoded elsewhere. If it is compressed, it enters the
    /// window of the peer but not ours, so our compressor is reset.
    pub(crate) fn begin_prepared(&mut self, is_deflated: bool) -> Result<(), SendError> {
        self.may_begin()?;
        if is_deflated {
            self.reset_compressor();
        }
        self.is_deflating = is_deflated;
        Ok(())
    }

    /// Resets the compressor if nothing was compressed since the last call. The connection calls
    /// this from time to time while it is idle.
    pub(crate) fn on_idle(&mut self) {
        if !core::mem::take(&mut self.has_deflated) {
            self.reset_compressor();
        }
    }

    /// Releases the memory of earlier messages. The next message is compressed less well.
    pub(crate) fn reset_compressor(&mut self) {
        if let (Some(deflater), Stage::Between | Stage::Over) = (&mut self.deflater, self.stage) {
            deflater.reset();
        }
    }

    /// Encodes the header of a message in one frame, without compression. The caller must write the
    /// payload after it, masked with the returned key if there is one.
    ///
    /// # Errors
    ///
    /// As for [`encode_message`](Self::encode_message).
    pub fn encode_message_header(
        &mut self,
        kind: MessageKind,
        payload_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<MaskingKey>, SendError> {
        self.may_begin()?;
        self.is_deflating = false;
        self.encode_part_header(kind, payload_len, Fin::Set, out)
    }

    /// Checks whether a message may begin now. If so, a server may also send a frame that was
    /// encoded earlier without calling this value, because it leaves no message in progress.
    ///
    /// # Errors
    ///
    /// `Closed`, `MessageInProgress`.
    #[inline]
    pub const fn may_begin(&self) -> Result<(), SendError> {
        match self.stage {
            Stage::Between => Ok(()),
            Stage::WithinText | Stage::WithinBinary => Err(SendError::MessageInProgress),
            Stage::Over => Err(SendError::Closed),
        }
    }

    /// Encodes a part of a message in a frame of its own; more parts follow (RFC 6455 §5.4).
    ///
    /// All parts of a message must be of the same kind.
    ///
    /// # Errors
    ///
    /// `Closed`, `NoMaskingKey`, and `MessageInProgress` if the kind is not that of the first part.
    pub fn encode_fragment(
        &mut self,
        part: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.encode_part(part, Fin::Clear, out)
    }

    /// Encodes the last part of a message, in a frame with the FIN bit (RFC 6455 §5.4).
    ///
    /// # Errors
    ///
    /// As for [`encode_fragment`](Self::encode_fragment).
    pub fn encode_final_fragment(
        &mut self,
        part: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.encode_part(part, Fin::Set, out)
    }

    #[inline(always)]
    fn encode_part(
        &mut self,
        part: MessageRef<'_>,
        fin: Fin,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let part @ (kind, payload) = (part.kind(), part.as_bytes());
        let opcode = self.opcode(kind)?;
        if self.deflates(payload.len(), fin) {
            return self.encode_deflated(opcode, part, fin, out);
        }
        self.encode_frame(opcode, part, false, fin, out)
    }

    /// Appends a part, already compressed if it should be, in a frame of its own.
    #[inline(always)]
    fn encode_frame(
        &mut self,
        opcode: Opcode,
        (kind, payload): (MessageKind, &[u8]),
        is_deflated: bool,
        fin: Fin,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let header = part_header(opcode, payload.len(), is_deflated, fin);
        self.append(header, payload, out).map_err(|error| self.lose_frame(error))?;
        self.stage = Stage::after(kind, fin);
        Ok(())
    }

    #[inline(never)]
    fn encode_deflated(
        &mut self,
        opcode: Opcode,
        (kind, payload): (MessageKind, &[u8]),
        fin: Fin,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let payload = self.deflate(payload, fin);
        self.encode_frame(opcode, (kind, &payload), true, fin, out)
    }

    /// Resets the compressor after a frame that cannot be sent. Later messages must not refer to
    /// data that the peer does not have.
    #[cold]
    fn lose_frame(&mut self, error: SendError) -> SendError {
        self.deflater.iter_mut().for_each(Deflater::reset);
        error
    }

    /// Encodes the header of a part whose payload is ready. Text may be cut anywhere, even inside a
    /// character.
    // Without the attribute this is a call, which costs 34 instructions a message.
    #[inline(always)]
    pub(crate) fn encode_part_header(
        &mut self,
        kind: MessageKind,
        payload_len: usize,
        fin: Fin,
        out: &mut Vec<u8>,
    ) -> Result<Option<MaskingKey>, SendError> {
        let opcode = self.opcode(kind)?;
        let mask = self.mask().map_err(|error| self.lose_frame(error))?;
        let header = part_header(opcode, payload_len, self.is_deflating, fin);
        FrameHeader { mask, ..header }.encode(out);
        self.stage = Stage::after(kind, fin);
        Ok(mask)
    }

    /// Returns the opcode of the next frame of a message of this kind.
    #[inline]
    const fn opcode(&self, kind: MessageKind) -> Result<Opcode, SendError> {
        match (self.stage, kind) {
            (Stage::Between, _) => Ok(kind.opcode()),
            (Stage::WithinText, MessageKind::Text) | (Stage::WithinBinary, MessageKind::Binary) => {
                Ok(Opcode::Continuation)
            }
            (Stage::WithinText | Stage::WithinBinary, _) => Err(SendError::MessageInProgress),
            (Stage::Over, _) => Err(SendError::Closed),
        }
    }

    /// Appends a frame, masked if this is a client.
    #[inline(always)]
    fn append(
        &self,
        header: FrameHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if let Some(key) = self.mask()? {
            FrameHeader { mask: Some(key), ..header }.encode(out);
            key.append(payload, 0, out);
        } else {
            header.encode(out);
            out.extend_from_slice(payload);
        }
        Ok(())
    }

    /// Returns the masking key of the next frame, if this is a client.
    #[inline(always)]
    fn mask(&self) -> Result<Option<MaskingKey>, SendError> {
        match self.keys {
            Some(next_key) => next_key().map(Some).ok_or(SendError::NoMaskingKey),
            None => Ok(None),
        }
    }
}

/// Creates the header of a part of a message, without a masking key.
#[inline(always)]
fn part_header(opcode: Opcode, payload_len: usize, is_deflated: bool, fin: Fin) -> FrameHeader {
    // Only the first frame of a compressed message has RSV1 set (RFC 7692 §6.1).
    let rsv1 = is_deflated && opcode != Opcode::Continuation;
    let header = FrameHeader::new(opcode, None, payload_len as u64);
    FrameHeader { fin: fin == Fin::Set, rsv1, ..header }
}
