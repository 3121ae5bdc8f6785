//! Text from a peer, made safe to print in an error.

/// Returns the first 200 characters of `text`, in quotes and escaped.
///
/// Errors end up in logs and on terminals, so control characters must not get there. The text of a
/// peer can be as long as a whole HTTP head.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    match text.char_indices().nth(MAX_CHARS) {
        Some((len, _)) => format!("{:?}...", text.get(..len).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
