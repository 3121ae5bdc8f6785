use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use rustls::{Connection, ServerConfig, ServerConnection};

use super::handshake::{failure, perform};
use crate::net::deadline::Deadline;
use crate::net::handshake_io;
use crate::net::{Error, Stream};

/// Performs the TLS handshake of a server. If it fails, the client has `linger_for` to read the
/// alert.
pub(super) fn handshake(
    stream: &dyn Stream,
    config: Arc<ServerConfig>,
    deadline: Deadline,
    linger_for: Duration,
) -> Result<Connection, Error> {
    let mut session = ServerConnection::new(config).map_err(failure)?.into();
    let outcome = perform(stream, &mut session, deadline);
    if let Err(Error::Tls(_)) = &outcome {
        // Unread bytes would cause a reset, which could overtake the alert.
        if stream.shutdown(Shutdown::Write).is_ok() {
            handshake_io::linger(stream, Deadline::after(Some(linger_for)));
        }
    }
    outcome.map(|()| session)
}
