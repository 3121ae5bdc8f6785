//! Header fields: a list of names and values, in the order in which they were sent.
//!
//! Values that the program adds are checked, because a line end in one would begin another field.
//! `Debug` hides passwords and cookies.

use core::fmt;

use super::grammar;

/// The header fields of a request or a response, in order. Names are compared without regard to
/// case.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Headers(Vec<(String, String)>);

/// The names of the fields whose values are secret.
const SECRETS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"];

impl Headers {
    /// Creates an empty list of fields.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field after the others. White space around the value is removed.
    ///
    /// # Errors
    ///
    /// `InvalidHeader` if the name is not a token, or if the value contains CR, LF, NUL or another
    /// control character except the tab. The peer could read a different head from such a value.
    pub fn append(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), InvalidHeader> {
        let (name, value) = (name.into(), value.into());
        if !grammar::is_token(&name) {
            return Err(InvalidHeader::Name(name));
        }
        if value.bytes().any(grammar::is_control) {
            return Err(InvalidHeader::Value { name });
        }
        let trimmed = grammar::trim(&value);
        let value = if trimmed.len() == value.len() { value } else { trimmed.to_owned() };
        self.0.push((name, value));
        Ok(())
    }

    /// Returns the value of the first field with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the values of all fields with this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the value of the only field with this name, or `None` without one.
    ///
    /// # Errors
    ///
    /// `RepeatedHeader` if more than one field has this name.
    pub fn single(&self, name: &'static str) -> Result<Option<&str>, RepeatedHeader> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(RepeatedHeader { name }),
            (value, None) => Ok(value),
        }
    }

    /// Returns whether the comma-separated list in all fields with this name contains this element.
    /// Case does not matter.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.get_all(name)
            .flat_map(grammar::elements)
            .any(|element| element.eq_ignore_ascii_case(token))
    }

    /// Returns the names and values of all fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field that is known to be valid.
    pub(in crate::handshake) fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    pub(in crate::handshake) fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in self.iter() {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Hides passwords and cookies, because heads end up in logs.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_fields(&self.0, f)
    }
}

/// Formats fields without their secrets.
pub(in crate::handshake) fn debug_fields(
    fields: &[(String, String)],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let shown = |(name, value): &(String, String)| {
        let is_secret = SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name.trim()));
        (name.clone(), if is_secret { "...".to_owned() } else { value.clone() })
    };
    f.debug_list().entries(fields.iter().map(shown)).finish()
}

/// The reason why a header field cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidHeader {
    /// The name, given here, is not a token.
    Name(String),
    /// The value contains a control character.
    Value {
        /// The name of the field.
        name: String,
    },
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?} cannot name a header field"),
            Self::Value { name } => {
                write!(f, "the value of {name} contains CR, LF, NUL or another control character")
            }
        }
    }
}

impl core::error::Error for InvalidHeader {}

/// The error for a header field that occurs more than once, but may occur only once
/// (RFC 6455 §11.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RepeatedHeader {
    /// The name of the field.
    pub name: &'static str,
}

impl fmt::Display for RepeatedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than one {} field (RFC 6455 §11.3)", self.name)
    }
}

impl core::error::Error for RepeatedHeader {}
