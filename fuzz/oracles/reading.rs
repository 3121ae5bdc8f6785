//! A naive reader of heads, which decides whether the library must accept one. It has all bytes at
//! once, and looks for each fault separately.

use std::str;

use tightwire::handshake::{HeadLimits, HttpError};

use super::heads::{Decoded, is_token};

/// The lines of a head without their ends, and the length of the head; `None` if more bytes are
/// needed; or every fault of the head.
pub type Reading<'a> = Result<Option<(Vec<&'a [u8]>, usize)>, Vec<HttpError>>;

/// A head of the library and its lines, if both the library and the reader accept it.
pub type Agreed<'a, H> = Result<Option<(H, Vec<&'a [u8]>)>, HttpError>;

/// Reads the head at the start of `bytes`. `faults_of_first` finds those of the first line.
pub fn read<'a>(
    bytes: &'a [u8],
    limits: &HeadLimits,
    faults_of_first: impl FnOnce(&[u8]) -> Vec<HttpError>,
) -> Reading<'a> {
    let len = match first_decision(bytes, limits) {
        None => return Ok(None),
        Some(Err(fault)) => return Err(vec![fault]),
        Some(Ok(len)) => len,
    };
    let text = bytes[after_empty_line(bytes)..len].strip_suffix(b"\r\n\r\n").expect("its end");
    let lines: Vec<&[u8]> = text
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect();
    let mut faults = faults_of_first(lines[0]);
    faults.extend(lines[1..].iter().filter_map(|line| field_fault(line)));
    if faults.is_empty() { Ok(Some((lines, len))) } else { Err(faults) }
}

/// Fails unless the library decides as the reader does, and refuses a head only for a fault that
/// the head has.
pub fn agree<'a, H: core::fmt::Debug>(decoded: Decoded<H>, reading: Reading<'a>) -> Agreed<'a, H> {
    match (decoded, reading) {
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(Some((head, len))), Ok(Some((lines, expected)))) => {
            assert_eq!(len, expected, "the length of the head");
            Ok(Some((head, lines)))
        }
        (Err(error), Err(faults)) => {
            assert!(faults.contains(&error), "{error:?}, but the faults are {faults:?}");
            Err(error)
        }
        (decoded, reading) => {
            let lens = reading.map(|head| head.map(|(_, len)| len));
            panic!("the library returns {decoded:?}, the reader {lens:?}")
        }
    }
}

/// Returns the length of the head, or the fault that shows before its end. The byte that shows it
/// first decides, so that cuts and later bytes make no difference.
fn first_decision(bytes: &[u8], limits: &HeadLimits) -> Option<Result<usize, HttpError>> {
    let (max_len, max_fields) = (limits.get_max_len(), limits.get_max_fields());
    let start = after_empty_line(bytes);
    let ends: Vec<usize> = (start..bytes.len())
        .filter(|&at| bytes[at..].starts_with(b"\r\n"))
        .map(|at| at + 2)
        .collect();
    let byte_after = |limit: usize| (bytes.len() > limit).then_some(limit + 1);
    let is_within_half = ends.first().is_some_and(|&end| end <= max_len / 2);
    let half = if is_within_half { None } else { byte_after(max_len / 2) };
    let is_lone = |at: &usize| match bytes[*at] {
        b'\n' => *at == 0 || bytes[at - 1] != b'\r',
        // The byte before this one is a CR, and this one is not its LF.
        _ => *at > 0 && bytes[at - 1] == b'\r',
    };
    let lone = (0..bytes.len()).find(is_lone).map(|at| at + 1);
    let nul = bytes.iter().position(|&byte| byte == 0).map(|at| at + 1);
    let empty_lines = bytes.starts_with(b"\r\n\r\n").then_some(4);
    let end = (start..bytes.len()).find(|&at| bytes[at..].starts_with(b"\r\n\r\n"));
    let end = end.map(|at| at + 4);
    // The first end is that of the first line, which is not a field.
    let fields = ends.get(max_fields + 1).copied();
    // If a byte shows two of them, the first of these counts.
    let decisions = [
        (half, Err(HttpError::StartLineTooLong { limit: max_len / 2 })),
        (byte_after(max_len), Err(HttpError::TooLong { limit: max_len })),
        (lone, Err(HttpError::LineEnd)),
        (nul, Err(HttpError::Control)),
        (empty_lines, Err(HttpError::StartLine)),
        (end, Ok(end.unwrap_or_default())),
        (fields, Err(HttpError::TooManyFields { limit: max_fields })),
    ];
    let shown = decisions.into_iter().filter_map(|(place, decision)| Some((place?, decision)));
    shown.min_by_key(|(place, _)| *place).map(|(_, decision)| decision)
}

/// Returns the place after the empty line that may precede the first one (RFC 9112 §2.2).
fn after_empty_line(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") { 2 } else { 0 }
}

/// Returns the fault of a line that must be a field (RFC 9112 §5).
fn field_fault(line: &[u8]) -> Option<HttpError> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Some(HttpError::Folded);
    }
    let mut parts = line.splitn(2, |&byte| byte == b':');
    let (name, value) = (parts.next().unwrap_or_default(), parts.next());
    let is_control = |&byte: &u8| byte != b'\t' && byte.is_ascii_control();
    match value {
        Some(value) if str::from_utf8(name).is_ok_and(is_token) => {
            value.iter().any(is_control).then_some(HttpError::Control)
        }
        _ => Some(HttpError::Field),
    }
}

/// Returns the fault of a version (RFC 9112 §2.3) that must be at least `oldest`, but still 1.x.
pub fn version_fault(version: &str, oldest: &str) -> Option<HttpError> {
    let digits = version.strip_prefix("HTTP/").unwrap_or_default();
    let is_digit = |place: usize| digits.as_bytes()[place].is_ascii_digit();
    if digits.len() != 3 || !is_digit(0) || digits.as_bytes()[1] != b'.' || !is_digit(2) {
        return Some(HttpError::StartLine);
    }
    (!digits.starts_with('1') || version < oldest).then_some(HttpError::Version)
}
