use core::fmt;

use super::grammar;

/// The fields of a head, in their order. Names are compared without regard to case.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Headers(Vec<(String, String)>);

/// The fields whose values open doors.
const SECRETS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"];

impl Headers {
    /// No fields yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field behind the others. White space around the value is cut off.
    ///
    /// # Errors
    ///
    /// `InvalidHeader` if the name is no token, or if the value holds CR, LF, NUL or another
    /// control character but the tab: it could say something else to the peer than to us.
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

    /// The value of the first field with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The values of all fields with this name.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the field with this name, which may be there only once.
    ///
    /// # Errors
    ///
    /// `RepeatedHeader` if there are more.
    pub fn single(&self, name: &'static str) -> Result<Option<&str>, RepeatedHeader> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(RepeatedHeader { name }),
            (value, None) => Ok(value),
        }
    }

    /// Whether a comma-separated list, over however many fields with this name, has this
    /// element. Case does not matter.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.get_all(name)
            .flat_map(grammar::elements)
            .any(|element| element.eq_ignore_ascii_case(token))
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field of which we know that it is valid.
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

/// Without passwords and cookies: heads end up in logs.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_fields(&self.0, f)
    }
}

/// Writes fields for a log.
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

/// A field that cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidHeader {
    /// The name, given here, is no token.
    Name(String),
    /// The value holds a control character.
    Value {
        /// The name of the field.
        name: String,
    },
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?} is no name for a header field"),
            Self::Value { name } => {
                write!(f, "the value of {name} holds CR, LF, NUL or another control character")
            }
        }
    }
}

impl core::error::Error for InvalidHeader {}

/// A field is there more than once that may be there only once (§11.3).
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
