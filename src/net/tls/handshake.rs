//! The TLS handshake of either side, under one deadline.
//!
//! `rustls` does no I/O: it takes bytes and returns bytes, as the codec of this library does. This
//! file carries them, and makes sure that the peer gets the alert with the reason why a handshake
//! failed.

use std::error::Error as StdError;
use std::fmt;

use rustls::{Connection, InvalidMessage};

use crate::net::deadline::Deadline;
use crate::net::error::unexpected_eof;
use crate::net::handshake_io::{self, PATIENCE};
use crate::net::{Error, Stream};

/// Performs the TLS handshake. Bytes that the peer sent after it are in the session afterwards.
pub(super) fn perform(
    stream: &dyn Stream,
    session: &mut Connection,
    deadline: Deadline,
) -> Result<(), Error> {
    stream.prepare()?;
    let mut bytes = Vec::new();
    loop {
        send(stream, session, deadline)?;
        if !session.is_handshaking() {
            return Ok(());
        }
        bytes.clear();
        if handshake_io::read_some(stream, deadline, &mut bytes)? == 0 {
            return Err(unexpected_eof("the stream ended inside the TLS handshake"));
        }
        feed(session, &bytes).map_err(|error| {
            // The alert tells the peer the reason. The caller reports the failure itself, whether
            // or not the alert could be sent.
            let _ = send(stream, session, deadline.earlier(Deadline::after(Some(PATIENCE))));
            of_record(error)
        })?;
    }
}

/// Returns the TLS error inside an I/O error, if there is one.
///
/// An alert of the peer can arrive after our handshake has ended, because in TLS 1.3 the client is
/// the last to send (RFC 8446 §2).
pub(in crate::net) fn reveal_alert(error: Error) -> Error {
    match error {
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            match error.into_inner() {
                Some(inner) => Error::Tls(inner),
                None => unexpected_eof("TLS failed"),
            }
        }
        error => error,
    }
}

/// The error for a peer that does not answer in TLS. Most likely the URI has the wrong scheme.
#[derive(Debug)]
struct NotTls(rustls::Error);

impl fmt::Display for NotTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer does not speak TLS: the URI may need ws: instead of wss:")
    }
}

impl StdError for NotTls {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn of_record(error: rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => failure(NotTls(error)),
        error => failure(error),
    }
}

pub(super) fn failure(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::Tls(Box::new(error))
}

fn send(stream: &dyn Stream, session: &mut Connection, deadline: Deadline) -> Result<(), Error> {
    let mut records = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut records)?;
    }
    handshake_io::write_all(stream, deadline, &records)
}

/// Hands the received bytes to the session, a little at a time, so that it takes all of them.
fn feed(session: &mut Connection, bytes: &[u8]) -> Result<(), rustls::Error> {
    let mut bytes = bytes;
    while !bytes.is_empty() {
        let fed = session.read_tls(&mut bytes);
        session.process_new_packets()?;
        if !matches!(fed, Ok(1..)) {
            break;
        }
    }
    Ok(())
}
