use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore};

use super::HTTP_1_1;
use super::handshake::{failure, perform};
use crate::net::deadline::Deadline;
use crate::net::{Error, Stream};

/// Performs the TLS handshake of a client.
pub(super) fn handshake(
    stream: &dyn Stream,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    deadline: Deadline,
) -> Result<Connection, Error> {
    let mut session = ClientConnection::new(config, name).map_err(failure)?.into();
    perform(stream, &mut session, deadline)?;
    Ok(session)
}

pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned()).map_err(failure)
}

/// Returns the default configuration of a client, which trusts the roots of the system. It is built
/// once.
pub(super) fn default_config() -> Result<Arc<ClientConfig>, Error> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    // The provider is chosen here: `ClientConfig::builder` would panic in a program that has more
    // than one.
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
    // Certificates that rustls cannot parse are left out.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(match found.errors.into_iter().next() {
            Some(error) => failure(error),
            None => failure(io::Error::new(
                io::ErrorKind::NotFound,
                "this system has no root certificates (set SSL_CERT_FILE to a file that has some)",
            )),
        });
    }
    Ok(roots)
}
