//! The end of a response's body (RFC 9112 §6.3), and the chunked coding (RFC 9112 §7.1).
//!
//! A client reads such a body only to learn why it was refused. So the decoder keeps only the start
//! of the body, and ends a malformed body at the fault.

use super::response::Response;

/// A decoder for the body of a response that arrives in pieces. It looks at each byte once.
#[derive(Debug)]
pub(crate) struct BodyDecoder {
    stage: Stage,
    is_chunked: bool,
    body: Vec<u8>,
    max_len: usize,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// In the digits of a chunk's size.
    Size { size: u64, digits: u8 },
    /// After the size: an extension, which is ignored, and the end of the line.
    SizeEnd { size: u64 },
    /// In the body itself, or in a chunk of it.
    Data { left: u64 },
    /// After a chunk: the end of its line.
    DataEnd,
    /// After the body. Only trailers can follow, which are ignored.
    Over,
}

/// The maximum number of hexadecimal digits in a size of 64 bits.
const MAX_DIGITS: u8 = 16;

impl BodyDecoder {
    /// Creates a decoder for the body of this response, which keeps its first `max_len` bytes.
    pub(crate) fn new(response: &Response, max_len: usize) -> Self {
        let headers = response.headers();
        // If `chunked` is not the last coding, the body ends with the stream (RFC 9112 §6.3).
        let coding = headers.get_all("Transfer-Encoding").last();
        let coding = coding.and_then(|list| list.rsplit(',').next());
        let is_chunked = coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
        let len = headers
            .get("Content-Length")
            .filter(|len| len.bytes().all(|byte| byte.is_ascii_digit()));
        let stage = match (coding, len.and_then(|len| len.parse().ok())) {
            _ if !response.may_have_body() => Stage::Over,
            _ if is_chunked => Stage::Size { size: 0, digits: 0 },
            (None, Some(0)) => Stage::Over,
            (None, Some(left)) => Stage::Data { left },
            _ => Stage::Data { left: u64::MAX },
        };
        Self { stage, is_chunked, body: Vec::new(), max_len }
    }

    /// Returns whether no further byte would change the body, because it is complete or has
    /// `max_len` bytes.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over) || self.body.len() >= self.max_len
    }

    /// Decodes bytes that have arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while let (Some((&byte, rest)), false) = (bytes.split_first(), self.is_over()) {
            if let Stage::Data { left } = self.stage {
                let room = bytes.len().min(self.max_len - self.body.len());
                let count = usize::try_from(left).map_or(room, |left| left.min(room));
                let (data, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
                self.body.extend_from_slice(data);
                self.stage = self.after_data(left - count as u64);
                bytes = rest;
            } else {
                self.stage = self.stage.after(byte);
                bytes = rest;
            }
        }
    }

    /// Converts the decoder into the body, as far as it has arrived and is kept.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    const fn after_data(&self, left: u64) -> Stage {
        match left {
            0 if self.is_chunked => Stage::DataEnd,
            0 => Stage::Over,
            left => Stage::Data { left },
        }
    }
}

impl Stage {
    /// Returns the stage after a byte that is not data.
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { size, digits: 1.. }, b' ' | b'\t' | b';' | b'\r') => {
                Self::SizeEnd { size }
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Over,
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::SizeEnd { .. }, _) => self,
            (Self::DataEnd, b'\r') => self,
            (Self::DataEnd, b'\n') => Self::Size { size: 0, digits: 0 },
            _ => Self::Over,
        }
    }
}
