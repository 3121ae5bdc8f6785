//! The replacement for TLS without the feature `tls`: nothing is ever encrypted. Its names must
//! match those that `tls/mod.rs` exports to `net`.

use std::time::Duration;

use super::deadline::Deadline;
use super::{Error, Stream};
use crate::handshake::Uri;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientTls;

impl ClientTls {
    pub(super) const fn prepare(self, uri: &Uri) -> Result<Security, Error> {
        if uri.is_secure() { Err(Error::TlsUnsupported) } else { Ok(Security) }
    }
}

#[derive(Debug)]
pub(super) struct Security;

impl Security {
    pub(super) fn apply(
        self,
        stream: Box<dyn Stream>,
        _deadline: Deadline,
    ) -> Result<Box<dyn Stream>, Error> {
        Ok(stream)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServerTls;

impl ServerTls {
    pub(super) const fn is_on(self) -> bool {
        false
    }

    pub(super) fn apply(
        self,
        stream: Box<dyn Stream>,
        _deadline: Deadline,
        _linger_for: Duration,
    ) -> Result<Box<dyn Stream>, Error> {
        Ok(stream)
    }
}

pub(super) const fn reveal_alert(error: Error) -> Error {
    error
}
