use core::str;

use crate::error::ProtocolError;

/// Checks UTF-8 that arrives in pieces, and fails at the first byte that cannot be right (§8.1).
///
/// A character may be cut anywhere: at most three bytes of it are kept for the next piece.
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
    /// The character that the last piece cut off: `cut[..cut_len]`, a valid beginning.
    cut: [u8; 4],
    cut_len: usize,
}

/// The characters that one piece of input completed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Utf8Piece<'a> {
    /// The character that earlier pieces began and this one finished.
    pub carried: Option<char>,
    /// The whole characters that follow it.
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
    /// A check at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { cut: [0; 4], cut_len: 0 }
    }

    /// Takes the next piece and returns the characters that are complete with it.
    ///
    /// # Errors
    ///
    /// `InvalidUtf8` as soon as no continuation could make the text valid. The check is of no
    /// more use then.
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
        // Cutting first spares a second look at what stands before the cut.
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
    /// `InvalidUtf8` if it ends inside a character.
    pub const fn finish(self) -> Result<(), ProtocolError> {
        if self.cut_len == 0 { Ok(()) } else { Err(ProtocolError::InvalidUtf8) }
    }

    /// Adds a byte to the character that was cut off, and returns it once it is whole.
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

/// From so many bytes on `simdutf8` is the faster one; on short ASCII that is `std`.
#[cfg(feature = "simd")]
const SIMD_MIN: usize = 128;

/// The text that these bytes are.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, ProtocolError> {
    #[cfg(feature = "simd")]
    if bytes.len() >= SIMD_MIN {
        return simdutf8::basic::from_utf8(bytes).map_err(|_| INVALID);
    }
    str::from_utf8(bytes).map_err(|_| INVALID)
}

/// The text that these bytes are, as a `String`.
pub(crate) fn into_text(bytes: Vec<u8>) -> Result<String, ProtocolError> {
    // In safe code only `std` makes a `String` of bytes without a copy, and it checks them by
    // itself. To copy them costs less than that.
    #[cfg(feature = "simd")]
    if bytes.len() >= SIMD_MIN {
        return text(&bytes).map(str::to_owned);
    }
    String::from_utf8(bytes).map_err(|_| INVALID)
}

const INVALID: ProtocolError = ProtocolError::InvalidUtf8;

/// The length of `piece` without the character that its end cuts off, if it cuts off one.
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
