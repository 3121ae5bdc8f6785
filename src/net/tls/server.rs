use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};

use super::handshake::{failure, perform};
use super::{HTTP_1_1, TlsStream};
use crate::net::deadline::Deadline;
use crate::net::handshake_io;
use crate::net::{Acceptor, Error, Stream};

impl Acceptor {
    /// Serves `wss:`: each stream gets a TLS handshake first, within the same deadline. Needs the
    /// feature `tls`. Where the configuration names no protocols for ALPN, `http/1.1` is taken.
    ///
    /// ```no_run
    /// use tightwire::rustls::ServerConfig;
    /// use tightwire::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    /// use tightwire::{Acceptor, Server};
    ///
    /// let chain = CertificateDer::pem_file_iter("cert.pem")?.collect::<Result<_, _>>()?;
    /// let key = PrivateKeyDer::from_pem_file("key.pem")?;
    /// let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    /// let server = Server::bind("127.0.0.1:9443")?.acceptor(Acceptor::new().tls(config));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tls(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        let mut config = config.into();
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP_1_1.to_vec()];
        }
        self.tls = ServerTls { config: Some(config) };
        self
    }
}

/// Whether a server has TLS, and how.
#[derive(Clone, Debug, Default)]
pub(in crate::net) struct ServerTls {
    config: Option<Arc<ServerConfig>>,
}

impl ServerTls {
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
                Ok(Box::new(handshake(stream, Arc::clone(config), deadline, linger_for)?))
            }
            None => Ok(stream),
        }
    }
}

pub(super) fn handshake(
    stream: Box<dyn Stream>,
    config: Arc<ServerConfig>,
    deadline: Deadline,
    linger_for: Duration,
) -> Result<TlsStream, Error> {
    let mut session = ServerConnection::new(config).map_err(failure)?.into();
    let outcome = perform(&*stream, &mut session, deadline);
    if let Err(Error::Tls(_)) = &outcome {
        // A reset, which unread bytes would cause, could overtake the alert.
        if stream.shutdown(Shutdown::Write).is_ok() {
            handshake_io::linger(&*stream, Deadline::after(Some(linger_for)));
        }
    }
    outcome.map(|()| TlsStream::new(stream, session))
}
