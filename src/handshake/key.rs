use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

/// The nonce in a client's request. The answer to it proves that the server speaks WebSocket
/// (RFC 6455 §4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key([u8; 16]);

/// The text that the server appends to the key before it hashes both (§1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A base64 decoder that allows padding bits other than zero in the last character. The key in RFC
/// 6455 §4.1 itself has such bits (erratum 3150), and the server does not use the decoded bytes.
const ANY_PADDING_BITS: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

impl Key {
    /// Creates a key from these bytes, which must be random.
    #[must_use]
    pub const fn new(nonce: [u8; 16]) -> Self {
        Self(nonce)
    }

    /// Returns the value of `Sec-WebSocket-Key`.
    #[must_use]
    pub fn encoded(&self) -> String {
        encode(&self.0)
    }
}

/// Computes the value of `Sec-WebSocket-Accept` from a key in the form in which it was sent
/// (RFC 6455 §4.2.2).
///
/// ```
/// let accept = tightwire::handshake::accept_value("dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_value(encoded_key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(encoded_key.as_bytes());
    hash.update(GUID.as_bytes());
    encode(&hash.finalize())
}

/// Returns whether a text is the base64 form of 16 bytes (§4.2.1).
pub(super) fn is_encoded_key(text: &str) -> bool {
    text.len() == 24 && ANY_PADDING_BITS.decode(text).is_ok_and(|nonce| nonce.len() == 16)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
