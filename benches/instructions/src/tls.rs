//! A TLS server in memory, and the client that it talks to.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tightwire::rustls::pki_types::PrivateKeyDer;
use tightwire::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tightwire::{Stream, TlsStream};

/// The server's side after the TLS handshake. Its client sends `count` frames, `depth` of them in
/// one record, and reads all that the server sends.
pub fn server(frame: &[u8], depth: usize, count: usize) -> Result<TlsStream, Box<dyn Error>> {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = identity.cert.der().clone();
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der())?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    let peer = TlsPeer(Mutex::new(Client {
        session: ClientConnection::new(Arc::new(client), "localhost".try_into()?)?,
        frames: frame.repeat(depth),
        rounds: count / depth,
        records: Vec::new(),
        start: 0,
    }));
    Ok(TlsStream::server(peer, server, Duration::from_secs(60))?)
}

#[derive(Debug)]
struct TlsPeer(Mutex<Client>);

#[derive(Debug)]
struct Client {
    session: ClientConnection,
    frames: Vec<u8>,
    rounds: usize,
    records: Vec<u8>,
    /// Where the next read of the server begins in `records`.
    start: usize,
}

impl Client {
    fn send_next(&mut self) -> io::Result<()> {
        self.records.clear();
        self.start = 0;
        if !self.session.is_handshaking() && !self.session.wants_write() && self.rounds > 0 {
            self.session.writer().write_all(&self.frames)?;
            self.rounds -= 1;
        }
        while self.session.wants_write() {
            self.session.write_tls(&mut self.records)?;
        }
        Ok(())
    }

    fn receive(&mut self, mut records: &[u8]) -> io::Result<()> {
        while !records.is_empty() {
            self.session.read_tls(&mut records)?;
            let state = self.session.process_new_packets().map_err(io::Error::other)?;
            let mut data = vec![0; state.plaintext_bytes_to_read()];
            self.session.reader().read_exact(&mut data)?;
        }
        Ok(())
    }
}

impl Stream for TlsPeer {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut client = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        if client.start == client.records.len() {
            client.send_next()?;
        }
        let count = (&client.records[client.start..]).read(buffer)?;
        client.start += count;
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.receive(buffer)?;
        Ok(buffer.len())
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}
