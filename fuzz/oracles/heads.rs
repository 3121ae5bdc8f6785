//! Checks for every head, and for the fields that the library reads from one.

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

/// Checks that the fields match the lines, one by one.
pub fn check_fields(lines: &[&[u8]], headers: &Headers) {
    assert_eq!(lines.len(), headers.len());
    for (line, (name, value)) in lines.iter().zip(headers.iter()) {
        let colon = line.iter().position(|&byte| byte == b':').expect("a colon");
        assert_eq!(&line[..colon], name.as_bytes());
        let written = line[colon + 1..].trim_ascii();
        let latin = || written.iter().map(|&byte| char::from(byte)).collect();
        assert_eq!(value, String::from_utf8(written.to_vec()).unwrap_or_else(|_| latin()));
    }
}

/// Returns the values of all fields with this name.
pub fn values<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    let named = headers.iter().filter(|(n, _)| n.to_lowercase() == name.to_lowercase());
    named.map(|(_, value)| value).collect()
}

/// Returns whether the list in a field has this element, in any case.
pub fn lists(headers: &Headers, name: &str, element: &str) -> bool {
    let values = values(headers, name);
    values.into_iter().flat_map(elements).any(|e| e.to_ascii_lowercase() == element)
}

/// Returns the elements of a list in a field that are not empty (RFC 9110 §5.6.1).
pub fn elements(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|e| e.trim_matches([' ', '\t'])).filter(|e| !e.is_empty())
}

/// Returns whether this is a token (RFC 9110 §5.6.2).
pub fn is_token(text: &str) -> bool {
    let is_delimiter = |c| "\"(),/:;<=>?@[\\]{}".contains(c);
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !is_delimiter(c))
}
