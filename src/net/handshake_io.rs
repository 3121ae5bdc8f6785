//! The bytes of the opening handshake to and from a stream. What they mean is judged in
//! [`handshake`](crate::handshake).

use std::io;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use super::deadline::Deadline;
use super::error::{is_timeout, unexpected_eof};
use super::stream::{LINGER_MAX, WRITE_SLICE};
use super::{Error, Operation, Stream};
use crate::handshake::{BodyDecoder, HandshakeError, HeadLimits, HeadScanner, HttpError, Response};

/// How much of the body of a refusal is kept.
const MAX_BODY: usize = 4 << 10;
/// How much of it is read.
const MAX_ENCODED_BODY: usize = 8 * MAX_BODY;
/// How much is read at once: most requests as a whole.
const READ_LEN: usize = 1 << 10;
/// How long a refusal's body is waited for, and a refused client's last bytes.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The time between two reads of a peer that has sent more than [`LINGER_MAX`] bytes.
const LINGER_PAUSE: Duration = Duration::from_millis(50);

/// Reads a head into `buffer` and returns its length; what follows it was read ahead.
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
        // The first bytes of an alert or a handshake record (RFC 8446 §5.1). No head begins so.
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
        // A stream may apply it to each of several pieces.
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

/// Reads the start of the body that follows a head, as far as it comes soon. It is there to
/// explain a refusal, so whatever goes wrong only makes it shorter.
pub(super) fn read_body(
    stream: &dyn Stream,
    deadline: Deadline,
    response: &Response,
    read_ahead: Vec<u8>,
) -> Vec<u8> {
    let deadline = deadline.earlier(Deadline::after(Some(PATIENCE)));
    let mut decoder = BodyDecoder::new(response, MAX_BODY);
    let mut bytes = read_ahead;
    // Chunks of one byte are six times as long on the wire, and extensions may be of any length.
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

/// What a client is told that asks while the server shuts down.
pub(super) fn going_away() -> Response {
    Response::new(503).with_body("The server is shutting down.\n")
}

/// Answers a handshake that comes to nothing, and ends TCP so that the answer is read: for that
/// the client has `linger_for`. The answer shares the deadline of the handshake. If that is over,
/// it still goes out as far as it finds room.
pub(super) fn refuse(
    stream: &dyn Stream,
    deadline: Deadline,
    linger_for: Duration,
    response: &Response,
) {
    let deadline = if deadline.is_over() { Deadline::after(Some(WRITE_SLICE)) } else { deadline };
    // The refusal is what gets reported; that the peer is gone already adds nothing to it.
    if answer_last(stream, deadline, response).is_ok() {
        linger(stream, Deadline::after(Some(linger_for)));
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Writes a response and ends our side of the stream.
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

/// Reads to the end of the stream: a reset, which unread bytes would cause, could overtake the
/// last answer. After [`LINGER_MAX`] bytes it reads only as much as it takes to notice the end.
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

/// Reads once, and appends to `buffer` what came.
pub(super) fn read_some(
    stream: &dyn Stream,
    deadline: Deadline,
    buffer: &mut Vec<u8>,
) -> Result<usize, Error> {
    // On the heap: the stack of a connection's thread would keep it for ever.
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
            // A stream may claim more than it had room for.
            Ok(count) => break Ok(count.min(READ_LEN)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => {}
            Err(error) => break Err(error.into()),
        }
    };
    buffer.truncate(start + outcome.as_ref().map_or(0, |count| *count));
    outcome
}
