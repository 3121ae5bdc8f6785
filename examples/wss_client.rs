//! Connects with TLS to a server whose certificate leads to a root certificate of your own, says
//! hello, prints the reply, and closes.
//!
//! ```text
//! cargo run --features tls --example wss_client [URL [ROOT_PEM]]
//! ```
//!
//! Without ROOT_PEM it trusts the root certificates of the system, as the example `client` does.

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

/// Returns a configuration that trusts only the root certificates in this file.
fn config(path: &str) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
