//! Opens the connection, and measures how long each step takes.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tightwire::handshake::Uri;
use tightwire::{Client, Error, Operation, WebSocket};

use crate::options::Options;
use crate::screen::Screen;
use crate::tap::{Pings, Tap};

/// The timeout for each address of the host, and for the TLS handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection, and the steps that opened it.
pub(crate) struct Opened {
    /// Without the user name and password, if there were any.
    pub(crate) url: String,
    pub(crate) websocket: WebSocket,
    pub(crate) pings: Arc<Pings>,
    pub(crate) steps: Vec<(&'static str, Duration)>,
}

pub(crate) fn open(options: &Options, screen: &Arc<Screen>) -> Result<Opened, Error> {
    let uri: Uri = options.url.parse()?;
    let mut watch = Stopwatch { since: Instant::now(), steps: Vec::new() };
    let client = client(options);
    let pings = Arc::new(Pings::default());
    let host = (uri.host(), uri.port());
    let addresses: Vec<_> = host.to_socket_addrs()?.collect();
    watch.lap("name resolution");
    let stream = dial(addresses)?;
    watch.lap("TCP connection");
    let tap = (Arc::clone(screen), Arc::clone(&pings));
    let websocket = if uri.is_secure() {
        let stream = secure(stream, &uri)?;
        watch.lap("TLS handshake");
        client.connect_stream(&options.url, Tap::new(stream, tap.0, tap.1))?
    } else {
        client.connect_stream(&options.url, Tap::new(stream, tap.0, tap.1))?
    };
    watch.lap("opening handshake");
    Ok(Opened { url: uri.to_string(), websocket, pings, steps: watch.steps })
}

fn client(options: &Options) -> Client {
    let mut client = Client::new().subprotocols(&options.subprotocols);
    for (name, value) in &options.headers {
        client = client.header(name, value);
    }
    if let Some(origin) = &options.origin {
        client = client.origin(origin);
    }
    #[cfg(feature = "deflate")]
    let client = client.deflate(tightwire::deflate::DeflateConfig::new());
    client
}

/// Opens TLS to a server that the system trusts. [`Client::connect`] would do this, but then the
/// [`Tap`] would see only encrypted bytes.
#[cfg(feature = "tls")]
fn secure(stream: TcpStream, uri: &Uri) -> Result<tightwire::TlsStream, Error> {
    use tightwire::rustls::{ClientConfig, RootCertStore};

    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    tightwire::TlsStream::client(stream, uri.host(), config, PATIENCE)
}

#[cfg(not(feature = "tls"))]
fn secure(_stream: TcpStream, _uri: &Uri) -> Result<TcpStream, Error> {
    Err(Error::TlsUnsupported)
}

fn dial(addresses: Vec<SocketAddr>) -> Result<TcpStream, Error> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address").into();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                failure = Error::Timeout(Operation::Connect);
            }
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

struct Stopwatch {
    since: Instant,
    steps: Vec<(&'static str, Duration)>,
}

impl Stopwatch {
    fn lap(&mut self, what: &'static str) {
        self.steps.push((what, self.since.elapsed()));
        self.since = Instant::now();
    }
}
