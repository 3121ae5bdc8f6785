//! Pairs of connections over each transport, client first.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use tightwire::{Acceptor, Client, Stream, WebSocket};

use super::plan::Plan;
use super::stream::{Rough, Wire};
use super::tap::{Record, Tap};
use crate::Outcome;
use crate::random::Random;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Tcp,
    #[cfg(unix)]
    Unix,
    #[cfg(feature = "tls")]
    Tls,
}

/// A pair of connections, with the records of their frames and the wire between them.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) sockets: [WebSocket; 2],
    pub(crate) records: [Arc<Record>; 2],
    pub(crate) wire: Arc<Wire>,
}

type Streams = [Arc<dyn Stream>; 2];

pub(crate) fn connect(
    transport: Transport,
    plan: &Plan,
    random: &mut Random,
) -> Outcome<Connected> {
    let wire = Arc::new(Wire::new(plan.limits));
    let [near, far] = sockets(transport)?;
    let rough = [Rough::new(near, &wire, 0, random), Rough::new(far, &wire, 1, random)];
    let streams = encrypted(transport, rough.map(|rough| Arc::new(rough) as _))?;
    let records = [Arc::new(Record::default()), Arc::new(Record::default())];
    let [near, far] = streams;
    let (near, far) = (Tap::new(near, &records[0]), Tap::new(far, &records[1]));

    let client = Client::new().timeouts(plan.timeouts).fragment_len(plan.fragment_len);
    let acceptor = Acceptor::new().timeouts(plan.timeouts).fragment_len(plan.fragment_len);
    #[cfg(feature = "deflate")]
    let (client, acceptor) = if plan.is_deflated {
        let deflate = tightwire::deflate::DeflateConfig::new();
        (client.deflate(deflate.clone()), acceptor.deflate(deflate))
    } else {
        (client, acceptor)
    };
    let accepting = thread::spawn(move || acceptor.accept(far));
    let client = client.connect_stream("ws://localhost/", near);
    let (server, _request) = accepting.join().map_err(|_| "accept panicked")??;
    records.iter().for_each(|record| record.open());
    wire.set_calm(false);
    Ok(Connected { sockets: [client?, server], records, wire })
}

fn sockets(transport: Transport) -> Outcome<Streams> {
    #[cfg(unix)]
    if transport == Transport::Unix {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        return Ok([Arc::new(near), Arc::new(far)]);
    }
    let _ = transport;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    Ok([Arc::new(near), Arc::new(listener.accept()?.0)])
}

#[cfg(not(feature = "tls"))]
fn encrypted(_: Transport, streams: Streams) -> Outcome<Streams> {
    Ok(streams)
}

#[cfg(feature = "tls")]
fn encrypted(transport: Transport, streams: Streams) -> Outcome<Streams> {
    use std::time::Duration;

    use tightwire::TlsStream;

    const TIMEOUT: Duration = Duration::from_secs(20);

    if transport != Transport::Tls {
        return Ok(streams);
    }
    let [near, far] = streams;
    let (client, server) = tls::configs();
    let accepting = thread::spawn(move || TlsStream::server(far, server, TIMEOUT));
    let near = TlsStream::client(near, "localhost", client, TIMEOUT);
    let far = accepting.join().map_err(|_| "the TLS handshake panicked")??;
    Ok([Arc::new(near?), Arc::new(far)])
}

/// A certificate for this run, and a client that trusts no other.
#[cfg(feature = "tls")]
pub(crate) mod tls {
    use std::error::Error;
    use std::sync::{Arc, LazyLock};

    use tightwire::rustls::pki_types::PrivateKeyDer;
    use tightwire::rustls::{ClientConfig, RootCertStore, ServerConfig};

    type Configs = (Arc<ClientConfig>, Arc<ServerConfig>);

    pub(crate) fn configs() -> Configs {
        static CONFIGS: LazyLock<Configs> =
            LazyLock::new(|| make().expect("a certificate for localhost can be made"));
        CONFIGS.clone()
    }

    fn make() -> Result<Configs, Box<dyn Error>> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok((Arc::new(client), Arc::new(server)))
    }
}
