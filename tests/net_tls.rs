//! Tests `wss:`: trust, the results of the TLS handshake, and its failures.
#![cfg(feature = "tls")]

#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::env;
use std::error::Error as StdError;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rcgen::date_time_ymd;
use tightwire::rustls::pki_types::ServerName;
use tightwire::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tightwire::rustls::sign::CertifiedKey;
use tightwire::rustls::version::{TLS12, TLS13};
use tightwire::rustls::{self, AlertDescription, ClientConfig, ProtocolVersion, ServerConfig};
use tightwire::{Acceptor, Client, Error, Message, Operation, Server, Timeouts, TlsStream};
use tls::{AUTHORITY, Authority, Identity, PemFile};
use wire::{PATIENCE, Raw};

/// Returns the TLS error inside this error.
fn cause(error: &Error) -> &rustls::Error {
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    error.source().unwrap().downcast_ref().unwrap()
}

fn impatient() -> Timeouts {
    let timeout = Duration::from_millis(200);
    Timeouts::new().connect(timeout).handshake(timeout)
}

/// Starts an echo server, and returns its URL and the errors of its connections.
fn serve(acceptor: Acceptor) -> (String, Receiver<String>) {
    let server = Server::bind("127.0.0.1:0").unwrap().acceptor(acceptor);
    let (sender, errors) = mpsc::channel();
    let server = server.on_error(move |_, error| sender.send(format!("{error:#}")).unwrap());
    let address = wire::run(server, wire::echo);
    (format!("wss://localhost:{}/", address.port()), errors)
}

// proves 6455-5.1-2
#[test]
fn a_client_masks_inside_a_tls_session() {
    let (near, far) = tls::tcp();
    let server = thread::spawn(move || {
        let mut raw = tls::raw_server(far, tls::server_config());
        wire::answer_upgrade(&mut raw);
        raw.read(2 + 4 + 6)
    });
    let stream = TlsStream::client(near, "localhost", tls::client_config(), PATIENCE).unwrap();
    let ws = Client::new().connect_stream("wss://localhost/", stream).unwrap();
    ws.send("masked").unwrap();
    let frame = server.join().unwrap();
    assert_eq!(frame[..2], [0x81, 0x80 | 6]);
    let (key, payload) = frame[2..].split_at(4);
    assert_ne!(payload, b"masked");
    let unmasked: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
    assert_eq!(unmasked, b"masked");
}

fn assert_echoes(client: &Client, url: &str) {
    let mut ws = client.connect(url).unwrap();
    ws.send("Hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("Hello")));
    ws.close().unwrap();
    assert!(ws.close_status().unwrap().was_clean());
}

/// Forwards one connection, and records the bytes of each side.
fn record_connection(port: u16) -> (u16, JoinHandle<[Vec<u8>; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own_port = listener.local_addr().unwrap().port();
    let carry = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                heard.extend_from_slice(&buffer[..count]);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
            heard
        })
    };
    let thread = thread::spawn(move || {
        let near = listener.accept().unwrap().0;
        let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let up = carry(near.try_clone().unwrap(), far.try_clone().unwrap());
        let down = carry(far, near);
        [up, down].map(|direction| direction.join().unwrap())
    });
    (own_port, thread)
}

/// Returns the content types of the TLS records in `bytes`, which must contain nothing else.
fn content_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [content_type, 3, 1 | 3, a, b, rest @ ..] = bytes {
        types.push(*content_type);
        bytes = &rest[usize::from(u16::from_be_bytes([*a, *b]))..];
    }
    assert!(bytes.is_empty(), "these are no records: {bytes:02x?}");
    types
}

// proves 6455-4.1-16, 6455-4.1-18, 6455-4.2.2-2, 6455-4.2.2-3, 6455-10.6-1
#[test]
fn every_byte_is_sent_inside_tls_records() {
    const HANDSHAKE: u8 = 22;
    for version in [&TLS12, &TLS13] {
        let (server, url) = tls::server();
        let port = wire::run(server, wire::echo).port();
        let (proxy_port, heard) = record_connection(port);
        let client = Client::new().tls(tls::client_config_of(version));
        assert_echoes(&client, &url.replace(&port.to_string(), &proxy_port.to_string()));
        for bytes in heard.join().unwrap() {
            let types = content_types(&bytes);
            assert_eq!(types[0], HANDSHAKE, "{types:?}");
            for word in [&b"HTTP"[..], b"Upgrade", b"Hello"] {
                assert!(!bytes.windows(word.len()).any(|window| window == word));
            }
        }
    }
}

/// The name and the protocols in a ClientHello.
type Hello = (Option<String>, Vec<Vec<u8>>);

/// Records the requests of clients.
#[derive(Debug)]
struct Asked {
    key: Arc<CertifiedKey>,
    hellos: Mutex<Vec<Hello>>,
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let protocols = hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
        self.hellos.lock().unwrap().push((hello.server_name().map(str::to_owned), protocols));
        Some(Arc::clone(&self.key))
    }
}

fn asking_config() -> (Arc<Asked>, ServerConfig) {
    let Identity { chain, key } = AUTHORITY.issue(&["localhost", "127.0.0.1"]);
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let key = Arc::new(CertifiedKey::new(chain, key));
    let asked = Arc::new(Asked { key, hellos: Mutex::default() });
    let config = ServerConfig::builder().with_no_client_auth();
    (Arc::clone(&asked), config.with_cert_resolver(asked))
}

// proves 6455-4.1-19
#[test]
fn the_client_hello_names_the_host_and_http() {
    let (asked, config) = asking_config();
    let (url, _) = serve(Acceptor::new().tls(config));
    assert_echoes(&tls::client(), &url);
    // An address is not a name (RFC 6066 §3).
    assert_echoes(&tls::client(), &url.replace("localhost", "127.0.0.1"));
    let http = || vec![b"http/1.1".to_vec()];
    let expected = vec![(Some("localhost".to_owned()), http()), (None, http())];
    assert_eq!(*asked.hellos.lock().unwrap(), expected);
}

#[test]
fn a_client_can_ask_for_a_name_other_than_the_address() {
    let (asked, config) = asking_config();
    let (url, _) = serve(Acceptor::new().tls(config));
    let url = url.replace("localhost", "127.0.0.1");
    assert_echoes(&tls::client().server_name("localhost"), &url);
    let hello = asked.hellos.lock().unwrap().pop().unwrap();
    assert_eq!(hello.0.as_deref(), Some("localhost"));
    // The order of the name and the configuration does not matter.
    let client = Client::new().server_name("localhost").tls(tls::client_config());
    assert_echoes(&client, &url);
    // The certificate is checked for that name.
    let error = tls::client().server_name("other.example").connect(&url).unwrap_err();
    assert!(matches!(cause(&error), rustls::Error::InvalidCertificate(_)), "{error:#}");
    for malformed in ["", "a b", "a..b", "\u{e9}.example", "localhost:443", "[::1]"] {
        // Nothing listens there, and no connection was tried.
        let error = tls::client().server_name(malformed).connect("wss://127.0.0.1:1/").unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "{malformed:?}: {error:#}");
    }
}

#[test]
fn alpn_is_http_1_1_unless_configured_otherwise() {
    let both = [b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptors = |protocols: &[Vec<u8>]| {
        let mut config = tls::server_config();
        config.alpn_protocols = protocols.to_vec();
        Acceptor::new().tls(config)
    };
    for (server, client, expected) in [
        (&[][..], &[][..], Ok(None)),
        (&[], &both[1..], Ok(Some(&both[1]))),
        (&[], &both, Ok(Some(&both[1]))),
        (&both, &both, Ok(Some(&both[0]))),
        (&[], &both[..1], Err(AlertDescription::NoApplicationProtocol)),
    ] {
        let (url, _) = serve(acceptors(server));
        let stream = TcpStream::connect(url[6..].trim_end_matches('/')).unwrap();
        let mut config = tls::client_config();
        config.alpn_protocols = client.to_vec();
        match (TlsStream::client(stream, "localhost", config, PATIENCE), expected) {
            (Ok(stream), Ok(expected)) => stream.inspect(|session| {
                assert_eq!(session.alpn_protocol(), expected.map(|protocol| &protocol[..]));
            }),
            (Err(error), Err(alert)) => {
                assert_eq!(cause(&error), &rustls::Error::AlertReceived(alert));
            }
            (outcome, _) => panic!("{client:?}: {outcome:?}"),
        }
    }
}

/// A server identity that a client must refuse, and the names of the error in different versions of
/// `rustls`. Some versions add `Context` and data to the name.
type Untrusted = (&'static str, fn() -> Identity, &'static [&'static str]);

const UNTRUSTED: [Untrusted; 6] = [
    (
        "another host",
        || AUTHORITY.issue(&["example.com", "*.localhost", "127.0.0.1"]),
        &["NotValidForName"],
    ),
    (
        "expired",
        || AUTHORITY.issue_with(&["localhost"], |it| it.not_after = date_time_ymd(2020, 1, 1)),
        &["Expired"],
    ),
    (
        "not valid yet",
        || AUTHORITY.issue_with(&["localhost"], |it| it.not_before = date_time_ymd(4000, 1, 1)),
        &["NotValidYet"],
    ),
    ("self-signed", || Identity::self_signed(&["localhost"]), &["UnknownIssuer"]),
    ("an unknown root", || Authority::new().issue(&["localhost"]), &["UnknownIssuer"]),
    (
        "for another purpose",
        || {
            let clients_only = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            AUTHORITY.issue_with(&["localhost"], |it| it.extended_key_usages = clients_only)
        },
        &["InvalidPurpose", "Other(OtherError(RequiredEkuNotFound"],
    ),
];

// proves 6455-4.1-17, 6455-7.4.1-23
#[test]
fn an_untrusted_server_is_refused_with_an_alert() {
    for (name, identity, expected) in UNTRUSTED {
        for version in [&TLS12, &TLS13] {
            let acceptor = Acceptor::new().tls(identity().server_config());
            let (url, errors) = serve(acceptor);
            let client = Client::new().tls(tls::client_config_of(version));
            let error = client.connect(&url).unwrap_err();
            let rustls::Error::InvalidCertificate(why) = cause(&error) else {
                panic!("{name}: {error:?}");
            };
            let why = format!("{why:?}");
            assert!(expected.iter().any(|name| why.starts_with(name)), "{name}: {why}");
            assert!(format!("{error:#}").starts_with("TLS failed: invalid peer certificate: "));
            let reported = errors.recv_timeout(PATIENCE).unwrap();
            assert!(reported.starts_with("TLS failed: received fatal alert"), "{reported}");
        }
    }
}

#[test]
fn an_address_in_the_certificate_is_as_good_as_a_name() {
    for (address, other) in [("127.0.0.1", "[::1]"), ("[::1]", "127.0.0.1")] {
        let identity = AUTHORITY.issue(&[address.trim_matches(['[', ']'])]);
        for (host, is_valid) in [(address, true), (other, false)] {
            let server = Server::bind(format!("{host}:0")).unwrap();
            let server = server.acceptor(Acceptor::new().tls(identity.server_config()));
            let port = wire::run(server, wire::echo).port();
            let url = format!("wss://{host}:{port}/");
            if is_valid {
                assert_echoes(&tls::client(), &url);
            } else {
                let error = tls::client().connect(&url).unwrap_err();
                assert!(matches!(cause(&error), rustls::Error::InvalidCertificate(_)), "{error}");
            }
        }
    }
}

#[test]
fn an_invalid_server_name_opens_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = tls::client().connect(&format!("wss://-:{port}/")).unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody connected");
}

fn demanding_config() -> ServerConfig {
    let Identity { chain, key } = AUTHORITY.issue(&["localhost"]);
    let verifier = WebPkiClientVerifier::builder(Arc::new(AUTHORITY.roots())).build().unwrap();
    ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap()
}

fn client_with(identity: &Identity) -> Client {
    let config = ClientConfig::builder()
        .with_root_certificates(AUTHORITY.roots())
        .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key());
    Client::new().tls(config.unwrap())
}

// proves 6455-10.5-1
#[test]
fn a_server_can_require_client_certificates() {
    let (url, errors) = serve(Acceptor::new().tls(demanding_config()));
    assert_echoes(&client_with(&AUTHORITY.issue(&["a client"])), &url);
    let stranger = client_with(&Authority::new().issue(&["a stranger"]));
    for client in [tls::client(), stranger] {
        // In TLS 1.3, the client learns of the refusal only after its own part of the handshake.
        let error = client.connect(&url).unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "{error:?}");
        assert!(!error.may_retry());
        assert!(format!("{error:#}").contains("received fatal alert"), "{error:#}");
        let reported = errors.recv_timeout(PATIENCE).unwrap();
        assert!(reported.starts_with("TLS failed: "), "{reported}");
    }
}

#[test]
fn the_client_certificate_can_be_inspected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let server = thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        let stream = Arc::new(TlsStream::server(stream, demanding_config(), PATIENCE).unwrap());
        let (mut ws, _) = Acceptor::new().accept(Arc::clone(&stream)).unwrap();
        assert_eq!(ws.recv().unwrap(), None);
        stream.inspect(|session| {
            assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
            session.peer_certificates().unwrap().to_vec()
        })
    });
    let identity = AUTHORITY.issue(&["a client"]);
    client_with(&identity).connect(&url).unwrap().close().unwrap();
    assert_eq!(server.join().unwrap(), identity.chain);
}

#[test]
fn a_plaintext_client_is_rejected_by_a_tls_server() {
    let (url, errors) = serve(tls::acceptor());
    let mut raw = Raw::new(TcpStream::connect(&url[6..url.len() - 1]).unwrap());
    raw.send(wire::REQUEST);
    // The client reads an alert (RFC 8446 §6.2) before any reset.
    assert!(raw.read_to_end().starts_with(&[21, 3]));
    let reported = errors.recv_timeout(PATIENCE).unwrap();
    assert!(reported.starts_with("TLS failed: "), "{reported}");

    let (url, server) = wire::raw_server(|mut raw| {
        raw.read(5);
        raw.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        raw.end_writing();
        raw.read_to_end();
    });
    let error = tls::client().connect(&url.replace("ws:", "wss:")).unwrap_err();
    let hint = "TLS failed: the peer does not speak TLS: the URI may need ws: instead of wss:";
    assert_eq!(format!("{error:#}"), hint);
    let why = error.source().and_then(StdError::source).and_then(|source| source.downcast_ref());
    assert!(matches!(why, Some(rustls::Error::InvalidMessage(_))), "{error:?}");
    server.join().unwrap();
}

#[test]
fn an_error_distinguishes_an_end_of_stream_from_a_failed_tls_handshake() {
    let (url, errors) = serve(tls::acceptor());
    drop(TcpStream::connect(&url[6..url.len() - 1]).unwrap());
    let reported = errors.recv_timeout(PATIENCE).unwrap();
    assert!(reported.contains("the stream ended inside the TLS handshake"), "{reported}");

    let (url, server) = wire::raw_server(|mut raw| {
        raw.read(5);
        raw.end_writing();
        raw.read_to_end();
    });
    let error = tls::client().connect(&url.replace("ws:", "wss:")).unwrap_err();
    assert!(wire::is_eof(&error), "{error:?}");
    server.join().unwrap();
}

/// Returns the first bytes that a TLS client or server sends.
fn first_flight(is_client: bool) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let config = Arc::new(tls::client_config());
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    let (mut hello, mut answer) = (Vec::new(), Vec::new());
    client.write_tls(&mut hello).unwrap();
    let mut server = rustls::ServerConnection::new(Arc::new(tls::server_config())).unwrap();
    server.read_tls(&mut &hello[..]).unwrap();
    server.process_new_packets().unwrap();
    server.write_tls(&mut answer).unwrap();
    if is_client { hello } else { answer }
}

/// Sends all bytes except the last, one by one. The sender is never silent for long, and never
/// finishes.
fn trickle(mut stream: &TcpStream, bytes: &[u8]) {
    let mut bytes = bytes[..bytes.len() - 1].iter();
    // The other end disconnects at its deadline.
    while bytes.next().is_some_and(|byte| stream.write_all(&[*byte]).is_ok()) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_that_goes_silent_inside_the_tls_handshake_times_out() {
    let hello = first_flight(true);
    for sent in [0, 3, 60, hello.len()] {
        let (url, errors) = serve(tls::acceptor().timeouts(impatient()));
        let mut raw = Raw::new(TcpStream::connect(&url[6..url.len() - 1]).unwrap());
        raw.send(&hello[..sent]);
        let reported = errors.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reported, Error::Timeout(Operation::Handshake).to_string());
        // The server has disconnected, and sent no HTTP to a TLS client.
        assert!(!raw.read_to_end().windows(4).any(|window| window == b"HTTP"));
    }
    let (url, errors) = serve(tls::acceptor().timeouts(impatient()));
    let start = Instant::now();
    trickle(&TcpStream::connect(&url[6..url.len() - 1]).unwrap(), &hello);
    let reported = errors.recv_timeout(PATIENCE).unwrap();
    assert_eq!(reported, Error::Timeout(Operation::Handshake).to_string());
    assert!(start.elapsed() < PATIENCE, "one deadline for all of it");
}

#[test]
fn a_server_that_goes_silent_inside_the_tls_handshake_times_out() {
    let answer = Arc::new(first_flight(false));
    for sent in [0, 3, 60] {
        let (done, client_is_done) = mpsc::channel();
        let answer = Arc::clone(&answer);
        let (url, server) = wire::raw_server(move |mut raw| {
            raw.read(5);
            raw.send(&answer[..sent]);
            let _: Result<(), _> = client_is_done.recv_timeout(PATIENCE);
        });
        let client = tls::client().timeouts(impatient());
        let error = client.connect(&url.replace("ws:", "wss:")).unwrap_err();
        assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{sent}: {error:?}");
        done.send(()).unwrap();
        server.join().unwrap();
    }
    // A record header announces more than 500 bytes, which arrive one by one.
    let (url, server) = wire::raw_server(move |mut raw| {
        raw.read(5);
        trickle(&raw.stream, &[&[22, 3, 3, 2, 0][..], &[2; 500]].concat());
    });
    let client = tls::client().timeouts(impatient());
    let error = client.connect(&url.replace("ws:", "wss:")).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error:?}");
    server.join().unwrap();
}

#[test]
fn a_server_that_is_silent_after_the_tls_handshake_times_out() {
    let (done, client_is_done) = mpsc::channel();
    let (url, server) = wire::raw_server(move |raw| {
        let mut raw = tls::raw_server(raw.stream, tls::server_config());
        assert!(raw.read_head().starts_with("GET / HTTP/1.1\r\n"));
        let _: Result<(), _> = client_is_done.recv_timeout(PATIENCE);
    });
    let url = url.replace("ws://127.0.0.1", "wss://localhost");
    let error = tls::client().timeouts(impatient()).connect(&url).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error:?}");
    done.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn a_client_that_is_silent_after_the_tls_handshake_gets_408() {
    let (url, errors) = serve(tls::acceptor().timeouts(impatient()));
    let stream = TcpStream::connect(&url[6..url.len() - 1]).unwrap();
    let mut raw = tls::raw_client(stream, tls::client_config());
    assert!(raw.read_head().starts_with("HTTP/1.1 408 "));
    // Without close_notify, this would be an error.
    raw.read_to_end();
    let reported = errors.recv_timeout(PATIENCE).unwrap();
    assert_eq!(reported, Error::Timeout(Operation::Handshake).to_string());
}

#[test]
fn a_client_that_trickles_a_record_after_the_tls_handshake_gets_408() {
    let (url, errors) = serve(tls::acceptor().timeouts(impatient()));
    let stream = TcpStream::connect(&url[6..url.len() - 1]).unwrap();
    let mut raw = tls::raw_client(stream, tls::client_config());
    raw.stream.conn.complete_io(&mut raw.stream.sock).unwrap();
    let mut record = Vec::new();
    raw.stream.conn.writer().write_all(&[b'x'; 16 << 10]).unwrap();
    raw.stream.conn.write_tls(&mut record).unwrap();
    let sock = raw.stream.sock.try_clone().unwrap();
    let dribbler = thread::spawn(move || trickle(&sock, &record));
    assert!(raw.read_head().starts_with("HTTP/1.1 408 "));
    let reported = errors.recv_timeout(PATIENCE).unwrap();
    assert_eq!(reported, Error::Timeout(Operation::Handshake).to_string());
    dribbler.join().unwrap();
}

#[test]
fn a_refusal_is_sent_through_tls() {
    let (url, _) = serve(tls::acceptor().origins(["https://example.com"]));
    let error = tls::client().origin("https://elsewhere.example").connect(&url).unwrap_err();
    let Error::Handshake(tightwire::handshake::HandshakeError::Refused(response)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(response.status(), 403);
}

#[test]
fn at_shutdown_a_handshake_gets_503_through_tls() {
    let (server, url) = tls::server();
    let handle = server.handle();
    let server = thread::spawn(move || server.run(wire::echo));
    let connect = || TcpStream::connect(url[6..url.len() - 1].replace("localhost", "127.0.0.1"));
    // One client is in the TLS handshake, one is after it, one has sent half a request, and one is
    // open.
    let mut silent = Raw::new(connect().unwrap());
    let mut asking: Vec<_> = ["", "GET / HTTP/1.1\r\nHo"]
        .map(|request| {
            let mut raw = tls::raw_client(connect().unwrap(), tls::client_config());
            raw.stream.conn.complete_io(&mut raw.stream.sock).unwrap();
            raw.send(request);
            raw
        })
        .into();
    let mut open = tls::client().connect(&url).unwrap();
    while handle.connection_count() < 4 {
        thread::yield_now();
    }
    let shutdown = thread::spawn(move || handle.shutdown(PATIENCE));
    for raw in &mut asking {
        assert!(raw.read_head().starts_with("HTTP/1.1 503 "));
        raw.read_to_end();
    }
    assert!(silent.read_to_end().is_empty(), "nothing that TLS would not understand");
    assert_eq!(open.recv().unwrap(), None);
    assert_eq!(open.close_status().unwrap().code(), 1001);
    let report = shutdown.join().unwrap();
    assert_eq!((report.closed, report.refused, report.aborted, report.running), (1, 3, 0, 0));
    server.join().unwrap().unwrap();
}

#[test]
fn a_tls_client_above_the_maximum_sees_the_end_of_the_stream() {
    let (server, url) = tls::server();
    wire::run(server.max_connections(0), wire::echo);
    let error = tls::client().connect(&url).unwrap_err();
    assert!(wire::is_eof(&error), "{error:?}");
}

/// The URL of the server, which the test passes to the process that it starts.
const URL: &str = "TIGHTWIRE_TEST_URL";
const ROOTS_TEST: &str = "by_default_the_roots_of_the_system_are_trusted";

#[test]
fn by_default_the_roots_of_the_system_are_trusted() {
    if let Ok(url) = env::var(URL) {
        // In a process of its own, the roots of the system are those of the test.
        return assert_echoes(&Client::new(), &url);
    }
    let (url, _errors) = serve(tls::acceptor());
    let root = PemFile::new(&AUTHORITY.root());
    for (trusted, is_trusted) in [(Some(&root.0), true), (None, false)] {
        let mut command = wire::command(env::current_exe().unwrap());
        command.args(["--exact", ROOTS_TEST]).env(URL, &url).env_remove("SSL_CERT_DIR");
        match trusted {
            Some(path) => command.env("SSL_CERT_FILE", path),
            None => command.env_remove("SSL_CERT_FILE"),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), is_trusted, "{output:?}");
        if !is_trusted {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains("UnknownIssuer") || said.contains("SSL_CERT_FILE"), "{said}");
        }
    }
}
