//! The header of a frame (RFC 6455 §5.2).
//!
//! ```text
//!   payload length        byte 0    byte 1    length    masking key
//!   0 to 125              FRRRoooo  Mlllllll            4 bytes if M is set
//!   126 to 65,535         FRRRoooo  M1111110  2 bytes   4 bytes if M is set
//!   65,536 to 2^63 - 1    FRRRoooo  M1111111  8 bytes   4 bytes if M is set
//! ```
//!
//! F is FIN, R a reserved bit, o the opcode, M the MASK bit, and l the length. Lengths are
//! big-endian. Only the shortest form of a length is valid.
//!
//! There are two decoders. [`FrameHeader::decode`] knows every frame. [`DataFrame::split`] knows
//! only the most frequent ones, and is faster. If you change a rule, change it in both.

use super::{MaskingKey, Opcode};
use crate::error::ProtocolError;

/// The header of a frame: all fields that precede the payload (RFC 6455 §5.2).
///
/// ```
/// use tightwire::frame::{FrameHeader, Opcode};
///
/// let bytes = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o'];
/// let (header, header_len) = FrameHeader::decode(&bytes)?.expect("a complete header");
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
    /// Whether this is the last or only fragment of a message.
    pub fin: bool,
    /// The first reserved bit. With permessage-deflate it marks a compressed message (RFC 7692 §6).
    pub rsv1: bool,
    /// The second reserved bit, free for extensions.
    pub rsv2: bool,
    /// The third reserved bit, free for extensions.
    pub rsv3: bool,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The key that masks the payload. Frames from a client always have one, and frames from a
    /// server never do (RFC 6455 §5.1).
    pub mask: Option<MaskingKey>,
    /// The length of the payload that follows the header, in bytes.
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
    /// The maximum length of a header, in bytes: 2, then 8 for the length, then 4 for the key.
    pub const MAX_LEN: usize = 14;

    /// The maximum payload length of a control frame, in bytes (RFC 6455 §5.5).
    pub const MAX_CONTROL_PAYLOAD: usize = 125;

    /// Creates the header of a message in one frame, or of a control frame. FIN is set, and no
    /// reserved bit.
    #[must_use]
    pub const fn new(opcode: Opcode, mask: Option<MaskingKey>, payload_len: u64) -> Self {
        Self { fin: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask, payload_len }
    }

    /// Returns whether any of the three reserved bits is set.
    #[must_use]
    pub const fn has_reserved_bits(&self) -> bool {
        self.rsv1 || self.rsv2 || self.rsv3
    }

    /// Decodes the header at the start of `input`, and returns it with its length in bytes.
    ///
    /// `None` means that more bytes are needed. Rules that need no context are checked here, each
    /// as soon as its field has arrived. Masking, reserved bits and the order of fragments depend
    /// on the connection; [`Inbound`](crate::protocol::Inbound) checks them.
    ///
    /// # Errors
    ///
    /// `ReservedOpcode`, `FragmentedControl`, `ControlTooLong`, `NonMinimalLength` or
    /// `LengthTooLarge`, for the first rule that the header breaks.
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

    /// Appends the header to `out`, with the length in its shortest form (RFC 6455 §5.2).
    #[inline(always)]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let first = flag(self.fin, FIN)
            | flag(self.rsv1, RSV1)
            | flag(self.rsv2, RSV2)
            | flag(self.rsv3, RSV3)
            | self.opcode.bits();
        let [low, high, ..] = self.payload_len.to_le_bytes();
        // The header is appended at once. Appended one by one, each field would check for room.
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

/// Appends a header whose length needs 64 bits.
#[cold]
fn encode_long(first: u8, len: u64, mask: Option<MaskingKey>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[first, if mask.is_some() { MASK | LEN_64 } else { LEN_64 }]);
    out.extend_from_slice(&len.to_be_bytes());
    if let Some(MaskingKey(key)) = mask {
        out.extend_from_slice(&key);
    }
}

/// A message in one frame without reserved bits. Such a frame begins with one of two bytes: FIN and
/// the opcode of text, or FIN and the opcode of binary (§5.4, §5.6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataFrame<'a> {
    pub(crate) opcode: Opcode,
    /// The masking key. If the frame is not masked, it is zero, which changes nothing.
    pub(crate) mask: MaskingKey,
    /// The payload as it is in the frame, still masked.
    pub(crate) payload: &'a [u8],
}

impl<'a> DataFrame<'a> {
    /// Splits `input` after such a frame, if it begins with one that is complete, is masked or not
    /// as `MASKED` requires, and has a length of at most 16 bits.
    ///
    /// Every other frame and every violation gives `None`, and is left to [`FrameHeader::decode`].
    #[inline(always)]
    pub(crate) fn split<const MASKED: bool>(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[first, second], rest) = input.split_first_chunk()?;
        let opcode = match first {
            TEXT_FRAME => Opcode::Text,
            BINARY_FRAME => Opcode::Binary,
            _ => return None,
        };
        // If the MASK bit is as required, the XOR clears it. Otherwise the XOR leaves it set, and
        // the value is above 127, which is not a length.
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

/// Decodes the payload length, and returns it with the bytes after it. `None` means that more bytes
/// are needed.
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
