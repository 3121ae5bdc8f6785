//! Sends every message back unchanged, compressed if the client offers that.
//!
//! ```text
//! cargo run --release --features deflate --example echo_server [ADDR]
//! cargo run --release --features tls --example echo_server [ADDR] --cert FILE --key FILE
//! ```
//!
//! With a certificate and its key, both in PEM, the server listens on `wss:`. Ctrl-C and SIGTERM
//! shut it down cleanly.

use std::error::Error;
use std::time::Duration;

use tightwire::{Acceptor, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { address, cert, key } = Arguments::parse()?;
    let (scheme, acceptor) = match (cert, key) {
        (Some(cert), Some(key)) => ("wss", secure(compressing(), &cert, &key)?),
        (None, None) => ("ws", compressing()),
        _ => return Err("--cert and --key must be given together".into()),
    };
    let server = Server::bind(address)?.acceptor(acceptor);
    println!("listening on {scheme}://{}", server.local_addr()?);

    let handle = server.handle();
    ctrlc::set_handler(move || {
        let _ = handle.shutdown(Duration::from_secs(3));
    })?;
    server.run(|ws, _request| {
        // Messages that arrive together are answered together: `recv` writes fed messages
        // before it waits for more.
        while let Some(message) = ws.recv()? {
            ws.feed(&message)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn compressing() -> Acceptor {
    let acceptor = Acceptor::new();
    #[cfg(feature = "deflate")]
    let acceptor = acceptor.deflate(tightwire::deflate::DeflateConfig::new());
    acceptor
}

#[cfg(feature = "tls")]
fn secure(acceptor: Acceptor, cert: &str, key: &str) -> Result<Acceptor, Box<dyn Error>> {
    use tightwire::rustls::ServerConfig;
    use tightwire::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(acceptor.tls(config))
}

#[cfg(not(feature = "tls"))]
fn secure(_acceptor: Acceptor, _cert: &str, _key: &str) -> Result<Acceptor, Box<dyn Error>> {
    Err("--cert and --key need TLS: build with `--features tls`".into())
}

struct Arguments {
    address: String,
    cert: Option<String>,
    key: Option<String>,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self { address: "127.0.0.1:8080".into(), cert: None, key: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut file = || arguments.next().ok_or_else(|| format!("{argument} needs a file"));
            match argument.as_str() {
                "--cert" => parsed.cert = Some(file()?),
                "--key" => parsed.key = Some(file()?),
                _ => parsed.address = argument,
            }
        }
        Ok(parsed)
    }
}
