use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::handshake::{failure, perform};
use super::{HTTP_1_1, TlsStream};
use crate::handshake::Uri;
use crate::net::deadline::Deadline;
use crate::net::{Client, Error, Stream};

impl Client {
    /// Uses this configuration for `wss:` URIs, for instance with root certificates of one's
    /// own or a client certificate. Needs the feature `tls`.
    ///
    /// Without it, the server's certificate has to lead to a root that the system trusts
    /// (`SSL_CERT_FILE` and `SSL_CERT_DIR` name other files). Where it names no protocols for
    /// ALPN, `http/1.1` is offered.
    ///
    /// ```no_run
    /// use tightwire::Client;
    /// use tightwire::rustls::pki_types::{CertificateDer, pem::PemObject};
    /// use tightwire::rustls::{ClientConfig, RootCertStore};
    ///
    /// let mut roots = RootCertStore::empty();
    /// roots.add(CertificateDer::from_pem_file("our-root.pem")?)?;
    /// let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    /// let ws = Client::new().tls(config).connect("wss://intranet.example/")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        let mut config = config.into();
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP_1_1.to_vec()];
        }
        self.tls = ClientTls { config: Some(config) };
        self
    }
}

/// How a client comes by TLS.
#[derive(Clone, Debug, Default)]
pub(in crate::net) struct ClientTls {
    config: Option<Arc<ClientConfig>>,
}

impl ClientTls {
    /// What it takes to secure a connection to where this URI leads.
    pub(in crate::net) fn prepare(&self, uri: &Uri) -> Result<Security, Error> {
        if !uri.is_secure() {
            return Ok(Security(None));
        }
        let name = server_name(uri.host())?;
        let config = self.config.clone().map_or_else(default_config, Ok)?;
        Ok(Security(Some((name, config))))
    }
}

/// Whether a connection gets TLS, and how.
#[derive(Debug)]
pub(in crate::net) struct Security(Option<(ServerName<'static>, Arc<ClientConfig>)>);

impl Security {
    pub(in crate::net) fn apply(
        self,
        stream: Box<dyn Stream>,
        deadline: Deadline,
    ) -> Result<Box<dyn Stream>, Error> {
        match self.0 {
            Some((name, config)) => Ok(Box::new(handshake(stream, name, config, deadline)?)),
            None => Ok(stream),
        }
    }
}

pub(super) fn handshake(
    stream: Box<dyn Stream>,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    deadline: Deadline,
) -> Result<TlsStream, Error> {
    let mut session = ClientConnection::new(config, name).map_err(failure)?.into();
    perform(&*stream, &mut session, deadline)?;
    Ok(TlsStream::new(stream, session))
}

pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned()).map_err(failure)
}

/// The configuration of who brings none: what the system trusts, read once.
fn default_config() -> Result<Arc<ClientConfig>, Error> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    // Rather than to panic where a program has more than one, as rustls would.
    let provider = rustls::crypto::CryptoProvider::get_default()
        .map_or_else(|| Arc::new(rustls::crypto::ring::default_provider()), Arc::clone);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failure)?
        .with_root_certificates(system_roots()?)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some of them may be too old-fashioned to be understood.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(match found.errors.into_iter().next() {
            Some(error) => failure(error),
            None => failure(io::Error::new(
                io::ErrorKind::NotFound,
                "this system has no root certificates (SSL_CERT_FILE can name some)",
            )),
        });
    }
    Ok(roots)
}
