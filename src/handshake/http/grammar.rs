//! The basic rules of HTTP's grammar (RFC 9110 §5.6), of which every header field consists.

/// Returns whether a token may contain this byte.
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

/// Returns whether this is a control character other than the tab. No value may contain one.
pub(in crate::handshake) const fn is_control(byte: u8) -> bool {
    byte != b'\t' && byte.is_ascii_control()
}

/// Removes optional white space at both ends: spaces and tabs, but no other white space of Unicode.
pub(in crate::handshake) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Returns the elements of a comma-separated list that has no quoted strings. Recipients must skip
/// empty elements (RFC 9110 §5.6.1.2).
pub(in crate::handshake) fn elements(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(trim).filter(|element| !element.is_empty())
}
