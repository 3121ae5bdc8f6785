//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1): a list of names with parameters.
//!
//! Tricky: once it is unescaped, a quoted value must be a token, like a value without quotes. So it
//! cannot contain a comma, a semicolon or white space.

use core::fmt;

use crate::deflate::{self, DeflateConfig, Params};

use super::http::grammar;

/// One element of `Sec-WebSocket-Extensions` (RFC 6455 §9.1): a name and its parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extension {
    /// The registered name.
    pub name: String,
    /// The names and values of the parameters, in order. The value is `None` if there is none.
    pub params: Vec<(String, Option<String>)>,
}

/// The error for a `Sec-WebSocket-Extensions` field that breaks the grammar of RFC 6455 §9.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExtensionSyntaxError;

impl Extension {
    /// Creates an extension without parameters.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), params: Vec::new() }
    }

    /// Creates the offer of a client with this configuration (RFC 7692 §5).
    pub(super) fn offer_deflate(config: &DeflateConfig) -> Self {
        Self { name: deflate::EXTENSION.to_owned(), params: Params::offer(config) }
    }

    /// Decodes a list of extensions that may be spread over any number of fields. Several fields
    /// mean the same as one with all their values.
    ///
    /// ```
    /// use tightwire::handshake::Extension;
    ///
    /// let list = Extension::decode_list(["foo", r#"bar; baz=2; qux="3""#])?;
    /// assert_eq!(list[0], Extension::new("foo"));
    /// assert_eq!(list[1].to_string(), "bar; baz=2; qux=3");
    /// # Ok::<(), tightwire::handshake::ExtensionSyntaxError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ExtensionSyntaxError`, also for a quoted value that is not a token once it is unescaped.
    pub fn decode_list<'a>(
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Self>, ExtensionSyntaxError> {
        let mut list = Vec::new();
        for value in values {
            let mut scanner = Scanner(value);
            let before = list.len();
            loop {
                scanner.skip_blanks();
                // Empty elements must be skipped (RFC 9110 §5.6.1.2).
                if !matches!(scanner.peek(), None | Some(b',')) {
                    list.push(scanner.extension()?);
                }
                match scanner.next() {
                    Some(b',') => {}
                    Some(_) => return Err(ExtensionSyntaxError),
                    None => break,
                }
            }
            if list.len() == before {
                return Err(ExtensionSyntaxError);
            }
        }
        Ok(list)
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.params {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ExtensionSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed Sec-WebSocket-Extensions (RFC 6455 §9.1)")
    }
}

impl core::error::Error for ExtensionSyntaxError {}

/// The rest of a field value that is not decoded yet.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.bytes().next()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        // Only ASCII is valid here. After any other byte the value is malformed, whatever follows.
        self.0 = self.0.get(1..).unwrap_or_default();
        Some(byte)
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// Decodes an extension with its parameters, and skips the white space after it.
    fn extension(&mut self) -> Result<Extension, ExtensionSyntaxError> {
        let mut extension = Extension::new(self.token()?);
        while self.peek() == Some(b';') {
            self.next();
            self.skip_blanks();
            let name = self.token()?;
            let mut value = None;
            if self.peek() == Some(b'=') {
                self.next();
                self.skip_blanks();
                value =
                    Some(if self.peek() == Some(b'"') { self.quoted()? } else { self.token()? });
            }
            extension.params.push((name, value));
        }
        Ok(extension)
    }

    /// Decodes a token, and skips the white space after it.
    fn token(&mut self) -> Result<String, ExtensionSyntaxError> {
        let len = self.0.bytes().take_while(|&byte| grammar::is_token_byte(byte)).count();
        let (token, rest) = self.0.split_at_checked(len).ok_or(ExtensionSyntaxError)?;
        if token.is_empty() {
            return Err(ExtensionSyntaxError);
        }
        self.0 = rest;
        self.skip_blanks();
        Ok(token.to_owned())
    }

    /// Decodes a quoted string whose content is a token (§9.1), and skips the white space after it.
    fn quoted(&mut self) -> Result<String, ExtensionSyntaxError> {
        self.next();
        let mut content = String::new();
        loop {
            let byte = match self.next() {
                Some(b'"') => break,
                Some(b'\\') => self.next(),
                other => other,
            };
            match byte {
                Some(byte) if grammar::is_token_byte(byte) => content.push(char::from(byte)),
                _ => return Err(ExtensionSyntaxError),
            }
        }
        if content.is_empty() {
            return Err(ExtensionSyntaxError);
        }
        self.skip_blanks();
        Ok(content)
    }
}
