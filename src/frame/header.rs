use super::{MaskingKey, Opcode};
use crate::error::ProtocolError;

/// The fields that stand before the payload of a frame (§5.2).
///
/// ```
/// use tightwire::frame::{FrameHeader, Opcode};
///
/// let bytes = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o'];
/// let (header, header_len) = FrameHeader::decode(&bytes)?.expect("it is whole");
/// assert_eq!(header.opcode, Opcode::Text);
/// assert_eq!(header.payload_len, 5);
/// assert!(header.fin);
///
/// let mut encoded = Vec::new();
/// header.encode(&mut encoded);
/// assert_eq!(encoded, bytes[..header_len]);
/// # Ok::<(), tightwire::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameHeader {
    /// This is the last, or the only, fragment of a message.
    pub fin: bool,
    /// Free for extensions.
    pub rsv1: bool,
    /// Free for extensions.
    pub rsv2: bool,
    /// Free for extensions.
    pub rsv3: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key that the payload is masked with: always there in frames of a client, never in
    /// frames of a server.
    pub mask: Option<MaskingKey>,
    /// The number of payload bytes that follow the header.
    pub payload_len: u64,
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LEN: u8 = 0x7F;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

impl FrameHeader {
    /// The most bytes that a header has: 2, then 8 of length, then 4 of masking key.
    pub const MAX_LEN: usize = 14;

    /// The most payload bytes that a control frame may have (§5.5).
    pub const MAX_CONTROL_PAYLOAD: usize = 125;

    /// The header of a whole message, or of a control frame, without reserved bits.
    #[must_use]
    pub const fn new(opcode: Opcode, mask: Option<MaskingKey>, payload_len: u64) -> Self {
        Self { fin: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask, payload_len }
    }

    /// Whether any of the three reserved bits is set.
    #[must_use]
    pub const fn has_reserved_bits(&self) -> bool {
        self.rsv1 || self.rsv2 || self.rsv3
    }

    /// Reads the header that `input` begins with, and says how many bytes it took.
    ///
    /// `None` means that more bytes are needed. Rules that need no context are checked here,
    /// each as soon as its field is there; masking, reserved bits and the order of fragments
    /// depend on the connection and are left to [`Inbound`](crate::protocol::Inbound).
    ///
    /// # Errors
    ///
    /// `ReservedOpcode`, `FragmentedControl`, `ControlTooLong`, `NonMinimalLength` and
    /// `LengthTooLarge`.
    #[inline]
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let bits = first & OPCODE;
        let opcode = Opcode::from_bits(bits).ok_or(ProtocolError::ReservedOpcode(bits))?;
        let fin = first & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        let short_len = second & LEN;
        if opcode.is_control() && usize::from(short_len) > Self::MAX_CONTROL_PAYLOAD {
            return Err(ProtocolError::ControlTooLong);
        }
        let Some((payload_len, rest)) = decode_len(short_len, rest)? else {
            return Ok(None);
        };
        let (mask, rest) = if second & MASK == 0 {
            (None, rest)
        } else {
            let Some((key, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (Some(MaskingKey(*key)), rest)
        };
        let header = Self {
            fin,
            rsv1: first & RSV1 != 0,
            rsv2: first & RSV2 != 0,
            rsv3: first & RSV3 != 0,
            opcode,
            mask,
            payload_len,
        };
        Ok(Some((header, input.len() - rest.len())))
    }

    /// Appends the header to `out`, its length in the shortest form.
    #[inline(always)]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let first = flag(self.fin, FIN)
            | flag(self.rsv1, RSV1)
            | flag(self.rsv2, RSV2)
            | flag(self.rsv3, RSV3)
            | self.opcode.bits();
        let [low, high, ..] = self.payload_len.to_le_bytes();
        // All is appended at once: appended field by field, each would look for room.
        match (self.payload_len, self.mask) {
            (0..126, None) => out.extend_from_slice(&[first, low]),
            (0..126, Some(MaskingKey([k0, k1, k2, k3]))) => {
                out.extend_from_slice(&[first, MASK | low, k0, k1, k2, k3]);
            }
            (126..=0xFFFF, None) => out.extend_from_slice(&[first, LEN_16, high, low]),
            (126..=0xFFFF, Some(MaskingKey([k0, k1, k2, k3]))) => {
                out.extend_from_slice(&[first, MASK | LEN_16, high, low, k0, k1, k2, k3]);
            }
            (len, mask) => encode_long(first, len, mask, out),
        }
    }
}

/// Appends a header whose length takes 64 bits.
#[cold]
fn encode_long(first: u8, len: u64, mask: Option<MaskingKey>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[first, if mask.is_some() { MASK | LEN_64 } else { LEN_64 }]);
    out.extend_from_slice(&len.to_be_bytes());
    if let Some(MaskingKey(key)) = mask {
        out.extend_from_slice(&key);
    }
}

/// A data frame that is a message by itself, and has no bit set that asks for more: the first byte
/// of such a frame is one of two (§5.4, §5.6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataFrame<'a> {
    pub(crate) opcode: Opcode,
    /// Zero, which changes nothing, if the frame is not masked.
    pub(crate) mask: MaskingKey,
    /// As it is in the frame: not unmasked.
    pub(crate) payload: &'a [u8],
}

impl<'a> DataFrame<'a> {
    /// Splits `input` behind such a frame if it begins with one, masked or not, that is all there
    /// and whose length takes no more than 16 bits. All else, and all that is wrong, is `None`, and
    /// is left to [`FrameHeader::decode`].
    #[inline(always)]
    pub(crate) fn split<const MASKED: bool>(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[first, second], rest) = input.split_first_chunk()?;
        let opcode = match first {
            TEXT_FRAME => Opcode::Text,
            BINARY_FRAME => Opcode::Binary,
            _ => return None,
        };
        // The bit becomes zero if it is as it has to be, and else a part of a length that is none.
        let (len, rest) = match second ^ if MASKED { MASK } else { 0 } {
            len @ 0..LEN_16 => (usize::from(len), rest),
            LEN_16 => {
                let (bytes, rest) = rest.split_first_chunk()?;
                let len = u16::from_be_bytes(*bytes);
                if len < u16::from(LEN_16) {
                    return None;
                }
                (usize::from(len), rest)
            }
            _ => return None,
        };
        let (mask, rest) = if MASKED {
            let (key, rest) = rest.split_first_chunk()?;
            (MaskingKey(*key), rest)
        } else {
            (MaskingKey([0; 4]), rest)
        };
        let (payload, rest) = rest.split_at_checked(len)?;
        Some((Self { opcode, mask, payload }, rest))
    }
}

const TEXT_FRAME: u8 = FIN | Opcode::Text.bits();
const BINARY_FRAME: u8 = FIN | Opcode::Binary.bits();

/// Reads the payload length and returns it with what follows it.
#[inline]
fn decode_len(short_len: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    match short_len {
        LEN_16 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            let len = u16::from_be_bytes(*bytes);
            if len < u16::from(LEN_16) {
                return Err(ProtocolError::NonMinimalLength);
            }
            Ok(Some((u64::from(len), rest)))
        }
        LEN_64 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            let len = u64::from_be_bytes(*bytes);
            if len <= u64::from(u16::MAX) {
                return Err(ProtocolError::NonMinimalLength);
            }
            if len > i64::MAX as u64 {
                return Err(ProtocolError::LengthTooLarge);
            }
            Ok(Some((len, rest)))
        }
        _ => Ok(Some((u64::from(short_len), rest))),
    }
}
