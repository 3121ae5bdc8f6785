mod control;

use std::borrow::Cow;

use super::{MessageKind, MessageRef, Role, SendError};
use crate::deflate::Deflater;
use crate::frame::{FrameHeader, MaskingKey, Opcode};

/// Where a client gets its masking keys from: each one fresh, and nobody can foresee it (§5.3).
///
/// `None` says that there is no entropy to be had. Nothing is sent then.
pub type KeySource = fn() -> Option<MaskingKey>;

/// The FIN bit of a frame (§5.2). It is set in the last frame of a message, and in every control
/// frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fin {
    Clear,
    Set,
}

/// Messages into bytes for the peer (§6.1).
///
/// Each method appends whole frames to `out`, or leaves it as it was and returns an error. All
/// rules for what an endpoint may send are kept here.
#[derive(Debug)]
pub struct Outbound {
    /// A client has one, a server none.
    keys: Option<KeySource>,
    deflater: Option<Deflater>,
    /// Whether messages may be compressed.
    compresses: bool,
    stage: Stage,
    /// The message in progress, or the one that is to begin, is compressed.
    is_deflating: bool,
    /// Something was compressed since `on_idle` was last called.
    has_deflated: bool,
    close_sent: bool,
}

/// What may follow.
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
    /// What may follow a frame of a message.
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
    /// The sending side of a client, which masks with these keys.
    pub const fn client(keys: KeySource) -> Self {
        Self::new(Some(keys))
    }

    /// The sending side of a server.
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

    /// Says whether messages that begin from now on may be compressed; at first they may.
    pub const fn set_compression(&mut self, compresses: bool) {
        self.compresses = compresses;
    }

    /// Which end of the connection sends here.
    #[must_use]
    pub const fn role(&self) -> Role {
        if self.keys.is_some() { Role::Client } else { Role::Server }
    }

    /// Whether a Close frame was sent.
    #[must_use]
    pub const fn close_sent(&self) -> bool {
        self.close_sent
    }

    /// Sends a message in one frame, compressed if that was agreed on and it is long enough.
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

    /// As [`encode_message`](Self::encode_message), in line.
    #[inline(always)]
    pub(crate) fn encode_whole(
        &mut self,
        message: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.may_begin()?;
        self.encode_part(message, Fin::Set, out)
    }

    /// A part of a message as it is to go out: compressed, or as it is. A header has to follow.
    ///
    /// The first part decides for the whole message: it is compressed if that was agreed on and
    /// may be done, and if it is long enough, or not the last one.
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

    /// Whether a part of a message is to be compressed.
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

    /// What would compress a message that begins with a part of this length.
    #[inline]
    pub(crate) fn deflater_for(&self, len: usize, fin: Fin) -> Option<&Deflater> {
        let deflater = self.deflater.as_ref().filter(|_| self.compresses)?;
        (fin == Fin::Clear || len >= deflater.min_len()).then_some(deflater)
    }

    /// Has a message follow whose payload was made ready elsewhere. If it is compressed, the peer
    /// takes it for the latest to refer to, so later ones of ours must not refer beyond it.
    pub(crate) fn begin_prepared(&mut self, is_deflated: bool) -> Result<(), SendError> {
        self.may_begin()?;
        if is_deflated {
            self.reset_compressor();
        }
        self.is_deflating = is_deflated;
        Ok(())
    }

    /// Called from time to time while the connection is idle: the second call in a row gives up
    /// what is kept for the next message to refer to.
    pub(crate) fn on_idle(&mut self) {
        if !core::mem::take(&mut self.has_deflated) {
            self.reset_compressor();
        }
    }

    /// Gives up the memory of earlier messages, which costs the next one some compression.
    pub(crate) fn reset_compressor(&mut self) {
        if let (Some(deflater), Stage::Between | Stage::Over) = (&mut self.deflater, self.stage) {
            deflater.reset();
        }
    }

    /// Sends the header of the one frame of a message that is not compressed, for a caller that
    /// writes the payload behind it by itself, masked with the key that is returned if there is
    /// one.
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

    /// Whether a message may begin now. A server may then send one whose frame was encoded
    /// before, without telling us: it leaves nothing in progress.
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

    /// Sends a part of a message in a frame of its own; more parts follow (§5.4).
    ///
    /// All parts of a message are of the kind of the first one.
    ///
    /// # Errors
    ///
    /// `Closed`, `NoMaskingKey`, and `MessageInProgress` if the kind is another one.
    pub fn encode_fragment(
        &mut self,
        part: MessageRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.encode_part(part, Fin::Clear, out)
    }

    /// Sends the last part of a message, whose frame has the FIN bit (§5.4).
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

    /// Appends a part as it is to go out in a frame of its own.
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

    /// Gives up what the following messages would refer to: the peer will not get it.
    #[cold]
    fn lose_frame(&mut self, error: SendError) -> SendError {
        self.deflater.iter_mut().for_each(Deflater::reset);
        error
    }

    /// Sends the header of a part of a message, whose payload was made ready before. Text may be
    /// cut anywhere, also inside a character.
    // Left to itself, the compiler makes it a call, which costs 34 instructions a message.
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

    /// The opcode of the next frame of a message of this kind.
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

    /// Appends a frame, masked from a client.
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

    /// The masking key of the next frame, from a client.
    #[inline(always)]
    fn mask(&self) -> Result<Option<MaskingKey>, SendError> {
        match self.keys {
            Some(next_key) => next_key().map(Some).ok_or(SendError::NoMaskingKey),
            None => Ok(None),
        }
    }
}

/// The header of a part of a message, without a masking key.
#[inline(always)]
fn part_header(opcode: Opcode, payload_len: usize, is_deflated: bool, fin: Fin) -> FrameHeader {
    // The first frame says it for all (RFC 7692 §6.1).
    let rsv1 = is_deflated && opcode != Opcode::Continuation;
    let header = FrameHeader::new(opcode, None, payload_len as u64);
    FrameHeader { fin: fin == Fin::Set, rsv1, ..header }
}
