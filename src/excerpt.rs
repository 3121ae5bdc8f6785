//! Text of a peer in errors.

/// The start of what a peer sent, in quotes and escaped: errors end up in logs and on terminals,
/// and it may be as long as a head.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    match text.char_indices().nth(MAX_CHARS) {
        Some((len, _)) => format!("{:?}...", text.get(..len).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
