use core::fmt;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::ProtocolError;
use crate::frame::{MaskingKey, Opcode, copy, into_text};

/// A message that was received, or that is kept (§5.6).
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
    /// Any bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// The message of a payload that is all there, and short if it is text.
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

    /// The text, or `None` if the message is binary.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload of either kind, as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// The payload of either kind, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// The text, without a copy.
    ///
    /// # Errors
    ///
    /// The message itself if it is binary.
    pub fn into_text(self) -> Result<String, Self> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(self),
        }
    }

    /// Whether this is a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether this is a binary message.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// The length of the payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

/// Text as it is, and the length of binary data: `(5 bytes)`.
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

/// What a message is made of (§5.6).
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

/// A message to send, borrowed: made of a `&str`, of bytes, or of a [`Message`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MessageRef<'a> {
    /// Text.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> MessageRef<'a> {
    /// What the message is made of.
    #[must_use]
    pub const fn kind(self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// The payload of either kind, as bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }
}

/// What can be sent as a message: text and bytes, owned or borrowed, and a [`Message`].
///
/// A `str`, a `String` and what borrows or shares one of them is a text message. A `[u8]`, an array
/// or a `Vec` of bytes is a binary message. Implement it for a type of your own that holds one of
/// them.
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
    /// The message, borrowed.
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
