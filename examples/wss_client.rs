//! Connects with TLS to a server whose certificate leads to a root of one's own, says hello,
//! prints what comes back, and closes.
//!
//! ```text
//! cargo run --features tls --example wss_client [URL [ROOT_PEM]]
//! ```
//!
//! Without a root, those of the system hold, and `client` does as well.

use std::error::Error;

use tightwire::Client;
use tightwire::rustls::pki_types::{CertificateDer, pem::PemObject};
use tightwire::rustls::{ClientConfig, RootCertStore};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "wss://localhost:8080/".into());
    let mut client = Client::new();
    if let Some(path) = arguments.next() {
        client = client.tls(config(&path)?);
    }
    let mut ws = client.connect(&url)?;
    println!("Connected to {url}");

    ws.send("Hello from Rust!")?;
    if let Some(message) = ws.recv()? {
        println!("Received: {}", message.as_text().unwrap_or("(binary)"));
    }

    ws.close()?;
    println!("Disconnected");
    Ok(())
}

/// Trusts the root certificates in this file, and no others.
fn config(path: &str) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
