//! The TLS settings of clients and acceptors, and how they are applied to a stream. `stub.rs` must
//! have the same names.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use super::stream::TlsStream;
use super::{HTTP_1_1, client};
use crate::handshake::Uri;
use crate::net::deadline::Deadline;
use crate::net::{Error, Stream};

/// The TLS settings of a client.
#[derive(Clone, Debug, Default)]
pub(in crate::net) struct ClientTls {
    config: Option<Arc<ClientConfig>>,
    server_name: Option<String>,
}

impl ClientTls {
    /// Sets the configuration. If it names no protocols for ALPN, `http/1.1` is offered.
    pub(in crate::net) fn config(self, mut config: Arc<ClientConfig>) -> Self {
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP_1_1.to_vec()];
        }
        Self { config: Some(config), ..self }
    }

    /// Sets the name of the server, in place of the host of the URI.
    pub(in crate::net) fn server_name(self, name: String) -> Self {
        Self { server_name: Some(name), ..self }
    }

    /// Returns what is needed to secure a connection to the server of this URI.
    pub(in crate::net) fn prepare(&self, uri: &Uri) -> Result<Security, Error> {
        if !uri.is_secure() {
            return Ok(Security(None));
        }
        let name = client::server_name(self.server_name.as_deref().unwrap_or_else(|| uri.host()))?;
        let config = self.config.clone().map_or_else(client::default_config, Ok)?;
        Ok(Security(Some((name, config))))
    }
}

/// The server name and the configuration for TLS, or `None` for a connection without TLS.
#[derive(Debug)]
pub(in crate::net) struct Security(Option<(ServerName<'static>, Arc<ClientConfig>)>);

impl Security {
    pub(in crate::net) fn apply(
        self,
        stream: Box<dyn Stream>,
        deadline: Deadline,
    ) -> Result<Box<dyn Stream>, Error> {
        match self.0 {
            Some((name, config)) => {
                Ok(Box::new(TlsStream::connect(stream, name, config, deadline)?))
            }
            None => Ok(stream),
        }
    }
}

/// The TLS settings of a server.
#[derive(Clone, Debug, Default)]
pub(in crate::net) struct ServerTls {
    config: Option<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Creates settings with this configuration. If it names no protocols for ALPN, `http/1.1` is
    /// accepted.
    pub(in crate::net) fn new(mut config: Arc<ServerConfig>) -> Self {
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP_1_1.to_vec()];
        }
        Self { config: Some(config) }
    }

    pub(in crate::net) const fn is_on(&self) -> bool {
        self.config.is_some()
    }

    pub(in crate::net) fn apply(
        &self,
        stream: Box<dyn Stream>,
        deadline: Deadline,
        linger_for: Duration,
    ) -> Result<Box<dyn Stream>, Error> {
        match &self.config {
            Some(config) => {
                Ok(Box::new(TlsStream::accept(stream, Arc::clone(config), deadline, linger_for)?))
            }
            None => Ok(stream),
        }
    }
}
