//! The I/O of the opening handshake: its bytes go to and from a stream here.
//!
//! [`handshake`](crate::handshake) decides what the bytes mean. The tricky part is a refusal: the
//! answer must not be destroyed by a reset, so the refusing side lingers until the peer has read
//! it.

use std::io;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use super::deadline::Deadline;
use super::error::{is_timeout, unexpected_eof};
use super::stream::{LINGER_MAX, WRITE_SLICE};
use super::{Error, Operation, Stream};
use crate::handshake::{BodyDecoder, HandshakeError, HeadLimits, HeadScanner, HttpError, Response};

/// How many bytes of the body of a refusal are kept.
const MAX_BODY: usize = 4 << 10;
/// How many bytes of that body are read, as they are on the wire.
const MAX_ENCODED_BODY: usize = 8 * MAX_BODY;
/// The length of a read, in bytes: enough for most requests as a whole.
const READ_LEN: usize = 1 << 10;
/// The time for the last bytes of a handshake or of TLS: the body of a refusal, the answer to a
/// refused client, an alert, a close_notify.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The time between two reads of a peer that has sent more than [`LINGER_MAX`] bytes.
const LINGER_PAUSE: Duration = Duration::from_millis(50);

/// Reads a head into `buffer` and returns its length. Bytes after that were read ahead.
pub(super) fn read_head(
    stream: &dyn Stream,
    deadline: Deadline,
    limits: HeadLimits,
    buffer: &mut Vec<u8>,
) -> Result<usize, Error> {
    let mut scanner = HeadScanner::new(limits);
    loop {
        let end = scanner.find_end(buffer).map_err(HandshakeError::from)?;
        if let Some(head_len) = end {
            return Ok(head_len);
        }
        if read_some(stream, deadline, buffer)? == 0 {
            return Err(unexpected_eof("the stream ended inside the opening handshake"));
        }
        // The first bytes of a TLS alert or handshake record (RFC 8446 §5.1). No HTTP head begins
        // so.
        if let [0x15 | 0x16, 3, ..] = buffer[..] {
            return Err(HandshakeError::from(HttpError::Tls).into());
        }
    }
}

/// Writes all of `bytes`.
pub(super) fn write_all(
    stream: &dyn Stream,
    deadline: Deadline,
    bytes: &[u8],
) -> Result<(), Error> {
    let mut bytes = bytes;
    while !bytes.is_empty() {
        // A stream may apply the timeout to each of several waits in a call, so it is short.
        stream.set_write_timeout(deadline.earlier(Deadline::slice()).left())?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error.into()),
        }
        if !bytes.is_empty() && deadline.is_over() {
            return Err(Error::Timeout(Operation::Handshake));
        }
    }
    Ok(())
}

/// Reads the start of the body that follows a head, as far as it arrives soon. The body only
/// explains a refusal, so any failure just makes it shorter.
pub(super) fn read_body(
    stream: &dyn Stream,
    deadline: Deadline,
    response: &Response,
    read_ahead: Vec<u8>,
) -> Vec<u8> {
    let deadline = deadline.earlier(Deadline::after(Some(PATIENCE)));
    let mut decoder = BodyDecoder::new(response, MAX_BODY);
    let mut bytes = read_ahead;
    // Chunks of one byte are six times as long on the wire, and chunk extensions can have any
    // length.
    let mut left = MAX_ENCODED_BODY;
    loop {
        decoder.push(&bytes);
        left = left.saturating_sub(bytes.len());
        bytes.clear();
        let is_over = decoder.is_over() || left == 0;
        if is_over || !matches!(read_some(stream, deadline, &mut bytes), Ok(1..)) {
            return decoder.into_body();
        }
    }
}

/// Returns the answer to a client whose request arrives while the server shuts down.
pub(super) fn going_away() -> Response {
    Response::new(503).with_body("The server is shutting down.\n")
}

/// Answers a handshake that fails, and ends TCP so that the client can read the answer, within
/// `linger_for`. The answer shares the deadline of the handshake. If that deadline is over, the
/// answer still goes out as far as it finds room.
pub(super) fn refuse(
    stream: &dyn Stream,
    deadline: Deadline,
    linger_for: Duration,
    response: &Response,
) {
    let deadline = if deadline.is_over() { Deadline::after(Some(WRITE_SLICE)) } else { deadline };
    // The caller reports the refusal. That the peer is gone already would add nothing to it.
    if answer_last(stream, deadline, response).is_ok() {
        linger(stream, Deadline::after(Some(linger_for)));
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Writes a response and shuts our side of the stream down.
pub(super) fn answer_last(
    stream: &dyn Stream,
    deadline: Deadline,
    response: &Response,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    response.encode(&mut bytes);
    write_all(stream, deadline, &bytes)?;
    Ok(stream.shutdown(Shutdown::Write)?)
}

/// Reads to the end of the stream. Unread bytes would cause a reset, which could overtake the last
/// answer. After [`LINGER_MAX`] bytes it reads only as much as it needs to notice the end.
pub(super) fn linger(stream: &dyn Stream, deadline: Deadline) {
    let (mut rest, mut read_len) = (Vec::new(), 0);
    while let Ok(count @ 1..) = read_some(stream, deadline, &mut rest) {
        read_len += count;
        if read_len > LINGER_MAX {
            thread::sleep(LINGER_PAUSE.min(deadline.left().unwrap_or(LINGER_PAUSE)));
        }
        rest.clear();
    }
}

/// Reads once, and appends the bytes to `buffer`.
pub(super) fn read_some(
    stream: &dyn Stream,
    deadline: Deadline,
    buffer: &mut Vec<u8>,
) -> Result<usize, Error> {
    // On the heap, because the stack of a connection's thread would keep the space forever.
    let start = buffer.len();
    buffer.resize(start + READ_LEN, 0);
    let outcome = loop {
        if deadline.is_over() {
            break Err(Error::Timeout(Operation::Handshake));
        }
        let timeout = deadline.earlier(Deadline::after(stream.max_read_timeout())).left();
        if let Err(error) = stream.set_read_timeout(timeout) {
            break Err(error.into());
        }
        match stream.read(buffer.get_mut(start..).unwrap_or_default()) {
            // A `Stream` may come from another crate: a count beyond the space is not trusted.
            Ok(count) => break Ok(count.min(READ_LEN)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => break Err(error.into()),
        }
    };
    buffer.truncate(start + outcome.as_ref().map_or(0, |count| *count));
    outcome
}
