//! The smallest rules of HTTP (RFC 9110 §5.6), which every field is made of.

/// A character of a token.
pub(in crate::handshake) const fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
        | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

pub(in crate::handshake) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// A character that has no place in a value: a control character, but for the tab.
pub(in crate::handshake) const fn is_control(byte: u8) -> bool {
    byte != b'\t' && byte.is_ascii_control()
}

/// Cuts off optional white space: blanks and tabs, and nothing else that Unicode calls so.
pub(in crate::handshake) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The elements of a comma-separated list. Empty ones are skipped, as recipients have to
/// (RFC 9110 §5.6.1.2). For lists without quoted strings.
pub(in crate::handshake) fn elements(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(trim).filter(|element| !element.is_empty())
}
