//! Validation of UTF-8 that arrives in pieces (RFC 6455 §8.1).
//!
//! `std` and `simdutf8` validate whole texts. Here a piece can end inside a character, so the
//! validator keeps the first bytes of that character for the next piece. Tricky: invalid text must
//! fail at the same byte however the pieces are cut.

use core::str;

use crate::error::ProtocolError;

/// A validator of UTF-8 that arrives in pieces. It fails at the first byte that cannot be valid
/// (RFC 6455 §8.1).
///
/// A piece can end inside a character. At most three bytes of it are kept for the next piece.
///
/// ```
/// use tightwire::frame::Utf8Check;
///
/// let mut check = Utf8Check::new();
/// let mut text = String::new();
/// for piece in [&b"\xE2\x82"[..], b"\xAC 5"] {
///     check.check(piece)?.append_to(&mut text);
/// }
/// check.finish()?;
/// assert_eq!(text, "€ 5");
/// # Ok::<(), tightwire::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8Check {
    /// The start of the character that the last piece cut off: `cut[..cut_len]`, valid so far.
    cut: [u8; 4],
    cut_len: usize,
}

/// The characters that one piece of input completed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Utf8Piece<'a> {
    /// The character that earlier pieces began and this piece finished.
    pub carried: Option<char>,
    /// The complete characters after it.
    pub rest: &'a str,
}

impl Utf8Piece<'_> {
    /// Appends the characters to `text`.
    pub fn append_to(self, text: &mut String) {
        text.extend(self.carried);
        text.push_str(self.rest);
    }
}

impl Utf8Check {
    /// Creates a validator at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { cut: [0; 4], cut_len: 0 }
    }

    /// Validates the next piece, and returns the characters that it completes.
    ///
    /// # Errors
    ///
    /// `InvalidUtf8` as soon as no continuation could make the text valid. Do not use the validator
    /// after that.
    pub fn check<'a>(&mut self, piece: &'a [u8]) -> Result<Utf8Piece<'a>, ProtocolError> {
        let mut piece = piece;
        let mut carried = None;
        while self.cut_len > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                break;
            };
            piece = rest;
            carried = self.push(byte)?;
        }
        // Without the character that the end cuts off, the rest is validated in one pass.
        let (whole, cut) = piece.split_at_checked(whole_len(piece)).ok_or(INVALID)?;
        let rest = text(whole)?;
        for &byte in cut {
            self.push(byte)?;
        }
        Ok(Utf8Piece { carried, rest })
    }

    /// Ends the text.
    ///
    /// # Errors
    ///
    /// `InvalidUtf8` if the text ends inside a character.
    pub const fn finish(self) -> Result<(), ProtocolError> {
        if self.cut_len == 0 { Ok(()) } else { Err(ProtocolError::InvalidUtf8) }
    }

    /// Adds a byte to the character that was cut off, and returns it once it is complete.
    fn push(&mut self, byte: u8) -> Result<Option<char>, ProtocolError> {
        *self.cut.get_mut(self.cut_len).ok_or(INVALID)? = byte;
        self.cut_len += 1;
        match str::from_utf8(self.cut.get(..self.cut_len).ok_or(INVALID)?) {
            Ok(text) => {
                self.cut_len = 0;
                Ok(text.chars().next())
            }
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => Err(INVALID),
        }
    }
}

/// The length, in bytes, from which `simdutf8` is used. On short ASCII text, `std` is faster.
#[cfg(feature = "simd")]
const SIMD_MIN: usize = 128;

/// Validates bytes as UTF-8, and returns them as text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, ProtocolError> {
    #[cfg(feature = "simd")]
    if bytes.len() >= SIMD_MIN {
        return simdutf8::basic::from_utf8(bytes).map_err(|_| INVALID);
    }
    str::from_utf8(bytes).map_err(|_| INVALID)
}

/// Validates bytes as UTF-8, and returns them as a `String`.
pub(crate) fn into_text(bytes: Vec<u8>) -> Result<String, ProtocolError> {
    // In safe code, only `String::from_utf8` makes a `String` without a copy, and it validates the
    // bytes a second time. A copy costs less than that.
    #[cfg(feature = "simd")]
    if bytes.len() >= SIMD_MIN {
        return text(&bytes).map(str::to_owned);
    }
    String::from_utf8(bytes).map_err(|_| INVALID)
}

const INVALID: ProtocolError = ProtocolError::InvalidUtf8;

/// Returns the length of `piece` without the character that its end cuts off, if there is one.
fn whole_len(piece: &[u8]) -> usize {
    for (missing, &byte) in (1..4).zip(piece.iter().rev()) {
        let char_len = match byte {
            0x80..=0xBF => continue,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0.. => 4,
            _ => 1,
        };
        if char_len > missing {
            return piece.len() - missing;
        }
        break;
    }
    piece.len()
}
