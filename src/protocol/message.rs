//! Messages as values (RFC 6455 §5.6).
//!
//! [`Message`] owns its payload, and is received. [`MessageRef`] borrows its payload, and is sent.
//! [`AsMessage`] is the trait of everything that can be sent. Most of this file is conversions.

use core::fmt;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::ProtocolError;
use crate::frame::{MaskingKey, Opcode, copy, into_text};

/// An owned message, such as one that was received (RFC 6455 §5.6).
///
/// ```
/// use tightwire::Message;
///
/// let message = Message::from("Hello");
/// assert_eq!(message.as_text(), Some("Hello"));
/// assert_eq!(message.to_string(), "Hello");
/// assert_eq!(message.into_text(), Ok("Hello".to_owned()));
///
/// let binary = Message::from(vec![1, 2, 3]);
/// assert_eq!(binary.as_bytes(), [1, 2, 3]);
/// assert_eq!(binary.to_string(), "(3 bytes)");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Message {
    /// Text: always UTF-8.
    Text(String),
    /// Binary data: any bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// Decodes the message from a complete payload. Text should be short, because it is unmasked
    /// and validated in one step.
    #[inline(always)]
    pub(super) fn decode(
        opcode: Opcode,
        payload: &[u8],
        mask: Option<MaskingKey>,
    ) -> Result<Self, ProtocolError> {
        let data = match mask {
            Some(key) => key.unmasked(payload),
            None => copy(payload),
        };
        match opcode {
            Opcode::Text => into_text(data).map(Self::Text),
            _ => Ok(Self::Binary(data)),
        }
    }

    /// Returns the text, or `None` if the message is binary.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns the payload of either kind, as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// Converts a message of either kind into its payload, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// Converts the message into its text, without a copy.
    ///
    /// # Errors
    ///
    /// The message itself, if it is binary.
    pub fn into_text(self) -> Result<String, Self> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(self),
        }
    }

    /// Returns whether this is a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns whether this is a binary message.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Returns the length of the payload, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

/// Formats text as it is, and binary data as its length: `(5 bytes)`.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Binary(data) => write!(f, "({} bytes)", data.len()),
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data)
    }
}

impl From<&[u8]> for Message {
    fn from(data: &[u8]) -> Self {
        Self::Binary(data.to_vec())
    }
}

/// The kind of a message: text or binary (RFC 6455 §5.6).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MessageKind {
    /// Text: UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl MessageKind {
    pub(super) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// A borrowed message to send, made from a `&str`, from bytes, or from a [`Message`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MessageRef<'a> {
    /// Text.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> MessageRef<'a> {
    /// Returns the kind of the message.
    #[must_use]
    pub const fn kind(self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns the payload of either kind, as bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }
}

/// A type that can be sent as a message: text or bytes, owned or borrowed, or a [`Message`].
///
/// A `str` or `String` is a text message. A `[u8]`, an array or a `Vec` of bytes is a binary
/// message. So are references and smart pointers to them. Implement the trait for your own types
/// that contain text or bytes.
///
/// ```
/// use std::borrow::Cow;
/// use std::sync::Arc;
/// use tightwire::{AsMessage, MessageRef};
///
/// fn is_text(message: impl AsMessage) -> bool {
///     matches!(message.as_message(), MessageRef::Text(_))
/// }
///
/// assert!(is_text("Hello") && is_text(String::from("Hello")) && is_text(Cow::from("Hello")));
/// assert!(!is_text([1, 2, 3]) && !is_text(vec![1, 2, 3]) && !is_text(Arc::<[u8]>::from([1])));
/// ```
pub trait AsMessage {
    /// Borrows the value as a message.
    fn as_message(&self) -> MessageRef<'_>;
}

impl AsMessage for MessageRef<'_> {
    fn as_message(&self) -> MessageRef<'_> {
        *self
    }
}

impl AsMessage for Message {
    fn as_message(&self) -> MessageRef<'_> {
        self.into()
    }
}

impl AsMessage for str {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Text(self)
    }
}

impl AsMessage for String {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Text(self)
    }
}

impl AsMessage for [u8] {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Binary(self)
    }
}

impl<const N: usize> AsMessage for [u8; N] {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Binary(self)
    }
}

impl AsMessage for Vec<u8> {
    fn as_message(&self) -> MessageRef<'_> {
        MessageRef::Binary(self)
    }
}

impl<T: AsMessage + ?Sized> AsMessage for &T {
    fn as_message(&self) -> MessageRef<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ?Sized> AsMessage for &mut T {
    fn as_message(&self) -> MessageRef<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ?Sized> AsMessage for Box<T> {
    fn as_message(&self) -> MessageRef<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ?Sized> AsMessage for Rc<T> {
    fn as_message(&self) -> MessageRef<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ?Sized> AsMessage for Arc<T> {
    fn as_message(&self) -> MessageRef<'_> {
        (**self).as_message()
    }
}

impl<T: AsMessage + ToOwned + ?Sized> AsMessage for Cow<'_, T> {
    fn as_message(&self) -> MessageRef<'_> {
        (**self).as_message()
    }
}

impl<'a> From<&'a Message> for MessageRef<'a> {
    fn from(message: &'a Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(data) => Self::Binary(data),
        }
    }
}

impl<'a> From<&'a str> for MessageRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for MessageRef<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for MessageRef<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(data)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for MessageRef<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(data)
    }
}

impl<'a> From<&'a Vec<u8>> for MessageRef<'a> {
    fn from(data: &'a Vec<u8>) -> Self {
        Self::Binary(data)
    }
}
