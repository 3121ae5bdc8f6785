//! Certificates for tests, and peers that trust them or not.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::{env, fs};

use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use tightwire::rustls::client::ClientConnection;
use tightwire::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tightwire::rustls::server::ServerConnection;
use tightwire::rustls::{
    ClientConfig, RootCertStore, ServerConfig, StreamOwned, SupportedProtocolVersion,
};
use tightwire::{Acceptor, Client, Server, Stream, TlsStream};

use super::wire::{PATIENCE, Raw};

/// An authority that signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// The authority that the peers of most tests trust. Their server is `localhost`, 127.0.0.1 and
/// ::1.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
static LOCALHOST: LazyLock<Identity> =
    LazyLock::new(|| AUTHORITY.issue(&["localhost", "127.0.0.1", "::1"]));

impl Authority {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = params(&[]);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root()).unwrap();
        roots
    }

    /// Issues a certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(names, |_| {})
    }

    pub fn issue_with(
        &self,
        names: &[&str],
        adapt: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = params(names);
        adapt(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity::new(certificate.der().clone(), &key)
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Identity {
    fn new(certificate: CertificateDer<'static>, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Self { chain: vec![certificate], key }
    }

    pub fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names).self_signed(&key).unwrap();
        Self::new(certificate.der().clone(), &key)
    }

    pub fn server_config(&self) -> ServerConfig {
        ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .unwrap()
    }
}

pub fn server_config() -> ServerConfig {
    LOCALHOST.server_config()
}

/// Returns the configuration of a client that trusts only [`AUTHORITY`].
pub fn client_config() -> ClientConfig {
    ClientConfig::builder().with_root_certificates(AUTHORITY.roots()).with_no_client_auth()
}

pub fn client_config_of(version: &'static SupportedProtocolVersion) -> ClientConfig {
    ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(AUTHORITY.roots())
        .with_no_client_auth()
}

pub fn client() -> Client {
    Client::new().tls(client_config())
}

pub fn acceptor() -> Acceptor {
    Acceptor::new().tls(server_config())
}

/// Returns a server with TLS, and its URL.
pub fn server() -> (Server, String) {
    let server = Server::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", server.local_addr().unwrap().port());
    (server.acceptor(acceptor()), url)
}

/// Returns the two ends of a TCP connection.
pub fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Returns the client end and the server end of a TLS session over these streams.
pub fn streams(near: impl Stream, far: impl Stream) -> (TlsStream, TlsStream) {
    let server = thread::spawn(move || TlsStream::server(far, server_config(), PATIENCE).unwrap());
    let client = TlsStream::client(near, "localhost", client_config(), PATIENCE).unwrap();
    (client, server.join().unwrap())
}

/// A client that uses rustls and a socket directly.
pub type RawClient = Raw<StreamOwned<ClientConnection, TcpStream>>;
/// A server that uses rustls and a socket directly.
pub type RawServer = Raw<StreamOwned<ServerConnection, TcpStream>>;

/// Returns a TLS client. Its first read or write performs the handshake.
pub fn raw_client(stream: TcpStream, config: ClientConfig) -> RawClient {
    let name = "localhost".try_into().unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    Raw { stream: StreamOwned::new(session, Raw::new(stream).stream) }
}

pub fn raw_server(stream: TcpStream, config: ServerConfig) -> RawServer {
    let session = ServerConnection::new(Arc::new(config)).unwrap();
    Raw { stream: StreamOwned::new(session, Raw::new(stream).stream) }
}

/// A file that is deleted when this is dropped.
pub struct PemFile(pub PathBuf);

impl PemFile {
    pub fn new(certificate: &CertificateDer<'_>) -> Self {
        let name = format!("tightwire-{}-root.pem", std::process::id());
        let path = env::temp_dir().join(name);
        let base64 = base64::engine::general_purpose::STANDARD.encode(certificate);
        let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let lines = lines.join("\n");
        let pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
        fs::write(&path, pem).unwrap();
        Self(path)
    }
}

impl Drop for PemFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
