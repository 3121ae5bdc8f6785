use core::fmt;

use crate::deflate::{self, DeflateConfig, Params};

use super::http::grammar;

/// One element of `Sec-WebSocket-Extensions` (§9.1): a name and its parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extension {
    /// The registered name.
    pub name: String,
    /// The parameters in their order, those without a value as `None`.
    pub params: Vec<(String, Option<String>)>,
}

/// A `Sec-WebSocket-Extensions` field that breaks the grammar of §9.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExtensionSyntaxError;

impl Extension {
    /// An extension without parameters.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), params: Vec::new() }
    }

    /// What a client offers that has these wishes (RFC 7692 §5).
    pub(super) fn offer_deflate(config: &DeflateConfig) -> Self {
        Self { name: deflate::EXTENSION.to_owned(), params: Params::offer(config) }
    }

    /// Reads a list of extensions that is spread over any number of fields; several fields say
    /// the same as one with all their values.
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
    /// `ExtensionSyntaxError`. A quoted value that is no token once unescaped breaks the
    /// grammar too.
    pub fn decode_list<'a>(
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Self>, ExtensionSyntaxError> {
        let mut list = Vec::new();
        for value in values {
            let mut scanner = Scanner(value);
            let before = list.len();
            loop {
                scanner.skip_blanks();
                // Empty elements are to be skipped (RFC 9110 §5.6.1.2).
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

/// What is left of a field value.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.bytes().next()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        // No byte that is looked for is part of a longer character.
        self.0 = self.0.get(1..).unwrap_or_default();
        Some(byte)
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// An extension with its parameters, and the blanks behind it.
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

    /// A token, and the blanks behind it.
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

    /// A quoted string whose content is a token (§9.1), and the blanks behind it.
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
