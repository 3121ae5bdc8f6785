//! Checks for every head, and a naive parser with which the library is compared.

use std::borrow::Cow;

use tightwire::handshake::{HeadLimits, HeadScanner, Headers, HttpError};

use super::edits::edited;

/// The result of a decoder: a head and its length, or `None` if more bytes are needed.
pub type Decoded<H> = Result<Option<(H, usize)>, HttpError>;

/// Returns the limits from the first two bytes of an input, and the bytes of the head: the rest of
/// the input, or, if it starts with a zero, these lines with some changes.
pub fn limits_and_head<'a>(data: &'a [u8], lines: &[&str]) -> Option<(HeadLimits, Cow<'a, [u8]>)> {
    let (&[len, fields], head) = data.split_first_chunk()?;
    let limits = HeadLimits::new().max_len(usize::from(len) * 16).max_fields(fields.into());
    Some(match head.split_first() {
        Some((0, changes)) => (limits, edited(lines, changes).into()),
        _ => (limits, head.into()),
    })
}

/// Returns limits for heads that the library has encoded.
pub fn wide() -> HeadLimits {
    HeadLimits::new().max_len(1 << 20).max_fields(1 << 10)
}

/// Checks that cuts in the input make no difference, nor bytes after the decision.
pub fn check_cuts<H>(
    bytes: &[u8],
    limits: &HeadLimits,
    decode: impl Fn(&[u8], &HeadLimits) -> Decoded<H>,
) where
    H: core::fmt::Debug + PartialEq,
{
    let whole = decode(bytes, limits);
    let scan = |step: usize| {
        let mut scanner = HeadScanner::new(*limits);
        let ends = (step..bytes.len()).step_by(step).chain([bytes.len()]);
        ends.map(|end| (end, scanner.find_end(&bytes[..end])))
            .find(|(_, found)| *found != Ok(None))
            .unwrap_or((bytes.len(), Ok(None)))
    };
    let (decided, found) = scan(1);
    for step in [2, 3, 7, 64, bytes.len().max(1)] {
        assert_eq!(scan(step).1, found, "in steps of {step}");
    }
    match (&found, &whole) {
        (Err(scanner), Err(decoder)) => assert_eq!(scanner, decoder),
        (Ok(None), Ok(None)) | (Ok(Some(_)), Err(_)) => {}
        (Ok(Some(end)), Ok(Some((_, len)))) => assert_eq!((end, end), (len, &decided)),
        _ => panic!("the scanner returns {found:?}, the decoder {whole:?}"),
    }
    if found != Ok(None) {
        assert_eq!(decode(&bytes[..decided - 1], limits), Ok(None), "a byte too few");
        for end in [decided, (decided + bytes.len()) / 2] {
            assert_eq!(decode(&bytes[..end], limits), whole, "of {end} bytes");
        }
    }
}

/// Returns the lines of a head that was accepted, including the first line.
///
/// Fails if a limit was exceeded, or at a byte because of which another parser may find other
/// lines.
pub fn lines<'a>(head: &'a [u8], limits: &HeadLimits) -> Vec<&'a [u8]> {
    assert!(head.len() <= limits.get_max_len(), "{} bytes", head.len());
    assert!(!head.contains(&0), "a NUL");
    let text = head.strip_prefix(b"\r\n").unwrap_or(head);
    let text = text.strip_suffix(b"\r\n\r\n").expect("an empty line at the end");
    let mut lines = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        lines.push(line.strip_suffix(b"\r").unwrap_or(line));
    }
    assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), lines.len() - 1);
    for line in &lines {
        assert!(!line.is_empty(), "an empty line inside the head");
        assert!(!line.contains(&b'\r'), "a lone CR");
    }
    let feeds = text.windows(2).filter(|pair| pair == b"\r\n").count();
    assert_eq!(feeds, lines.len() - 1, "a lone LF");
    assert!(lines[0].len() <= limits.get_max_len() / 2, "a first line of {} bytes", lines[0].len());
    assert!(lines.len() - 1 <= limits.get_max_fields(), "{} fields", lines.len() - 1);
    lines
}

/// Checks that the fields match the lines, one by one.
pub fn check_fields(lines: &[&[u8]], headers: &Headers) {
    assert_eq!(lines.len(), headers.len());
    for (line, (name, value)) in lines.iter().zip(headers.iter()) {
        let colon = line.iter().position(|&byte| byte == b':').expect("a colon");
        assert_eq!(&line[..colon], name.as_bytes());
        assert!(is_token(name), "{name:?}");
        let written = line[colon + 1..].trim_ascii();
        let latin = || written.iter().map(|&byte| char::from(byte)).collect();
        assert_eq!(value, String::from_utf8(written.to_vec()).unwrap_or_else(|_| latin()));
        assert!(!value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()), "{value:?}");
    }
}

/// Checks that the reason for which a head was rejected is true.
pub fn check_reason(bytes: &[u8], limits: &HeadLimits, error: HttpError) {
    let has = |pattern: &[u8]| bytes.windows(pattern.len()).any(|window| window == pattern);
    let is_true = match error {
        HttpError::StartLineTooLong { limit } => {
            limit == limits.get_max_len() / 2
                && bytes.len() > limit
                && !bytes.get(2..limit).is_some_and(has_line_end)
        }
        HttpError::TooLong { limit } => limit == limits.get_max_len() && bytes.len() > limit,
        HttpError::TooManyFields { limit } => {
            let lines = bytes.split(|&byte| byte == b'\n').filter(|line| line.len() > 1);
            limit == limits.get_max_fields() && lines.count() > limit + 1
        }
        HttpError::LineEnd => {
            let pairs = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
            let ends = bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
            ends != 2 * pairs
        }
        HttpError::Control => bytes.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()),
        HttpError::Folded => has(b"\r\n ") || has(b"\r\n\t"),
        _ => true,
    };
    assert!(is_true, "{error:?} of {limits:?}");
}

fn has_line_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\r\n")
}

/// Returns the values of all fields with this name.
pub fn values<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    let named = headers.iter().filter(|(n, _)| n.to_lowercase() == name.to_lowercase());
    named.map(|(_, value)| value).collect()
}

/// Returns whether the list in a field has this element, in any case.
pub fn lists(headers: &Headers, name: &str, element: &str) -> bool {
    let list = values(headers, name).join(",").to_lowercase();
    list.split(',').any(|e| e.trim_matches([' ', '\t']) == element)
}

/// Returns whether this is a token (RFC 9110 §5.6.2).
pub fn is_token(text: &str) -> bool {
    let is_delimiter = |c| "\"(),/:;<=>?@[\\]{}".contains(c);
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !is_delimiter(c))
}
