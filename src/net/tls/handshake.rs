use std::error::Error as StdError;

use rustls::Connection;

use crate::net::deadline::Deadline;
use crate::net::error::unexpected_eof;
use crate::net::handshake_io::{self, PATIENCE};
use crate::net::{Error, Stream};

/// Makes the TLS handshake. What the peer sent behind it is in the session afterwards.
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
            // The alert tells the peer why. It is the failure that gets reported, not what
            // becomes of the alert.
            let _ = send(stream, session, deadline.earlier(Deadline::after(Some(PATIENCE))));
            failure(error)
        })?;
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

/// Hands the session what was read: little at a time, so that it takes all of it.
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
