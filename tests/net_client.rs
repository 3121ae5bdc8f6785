//! Tests connecting and the opening handshake of the client, against servers that send raw bytes.

mod wire;

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tightwire::handshake::HandshakeError;
use tightwire::{Client, Error, Message, Operation, State, Timeouts};
use wire::{Raw, hex};

fn impatient() -> Timeouts {
    Timeouts::new().connect(Duration::from_millis(100))
}

/// Connects to a server that responds with these bytes and ends the stream. ACCEPT stands for the
/// right value of the field.
fn connect_to(answer: impl Into<String>) -> Result<tightwire::WebSocket, Error> {
    let answer = answer.into();
    let (url, server) = wire::raw_server(move |mut raw| {
        let key = wire::field(&raw.read_head(), "Sec-WebSocket-Key").unwrap();
        raw.send(answer.replace("ACCEPT", &tightwire::handshake::accept_value(&key)));
        raw.end_writing();
        // The client sends no Close frame, because there is no WebSocket to close.
        assert!(raw.read_to_end().is_empty());
    });
    let outcome = tightwire::connect(&url);
    if outcome.is_err() {
        server.join().unwrap();
    }
    outcome
}

// proves 6455-4.1-32
#[test]
fn each_connection_has_a_nonce_that_looks_random() {
    const COUNT: usize = 32;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let keys = (0..COUNT).map(|_| {
            let request = wire::answer_upgrade(&mut Raw::new(listener.accept().unwrap().0));
            wire::field(&request, "Sec-WebSocket-Key").unwrap()
        });
        keys.collect::<Vec<_>>()
    });
    for _ in 0..COUNT {
        tightwire::connect(&url).unwrap();
    }
    let keys = server.join().unwrap();
    let nonces: Vec<Vec<u8>> = keys.iter().map(|key| STANDARD.decode(key).unwrap()).collect();
    assert!(nonces.iter().all(|nonce| nonce.len() == 16));
    wire::assert_looks_random(&nonces);
}

// proves 6455-4.1-20, 6455-4.1-21, 6455-4.1-22, 6455-4.1-24, 6455-4.1-25, 6455-4.1-38,
// 6455-4.1-2, 6455-4.1-13
#[test]
fn the_request_has_the_configured_fields() {
    let (url, server) = wire::raw_server(|mut raw| wire::answer_upgrade(&mut raw));
    let ws = Client::new()
        .header("Cookie", "a=b")
        .header("Cookie", "c=d")
        .origin("http://example.com")
        .subprotocols(["chat", "superchat"])
        .connect(&format!("{url}path?query=1"))
        .unwrap();
    assert_eq!(ws.state(), State::Open);
    assert_eq!(ws.subprotocol(), None);
    assert_eq!(ws.response().unwrap().status(), 101);
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /path?query=1 HTTP/1.1\r\n"), "{request}");
    assert!(url.ends_with(&format!("{}/", wire::field(&request, "Host").unwrap())));
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Origin", "http://example.com"),
    ] {
        assert_eq!(wire::field(&request, name).as_deref(), Some(value));
    }
    assert!(request.contains("Cookie: a=b\r\n") && request.contains("Cookie: c=d\r\n"));
}

#[test]
fn a_user_in_the_uri_becomes_basic_authorization() {
    let (url, server) = wire::raw_server(|mut raw| wire::answer_upgrade(&mut raw));
    tightwire::connect(&url.replace("ws://", "ws://Aladdin:open%20sesame@")).unwrap();
    let request = server.join().unwrap();
    let expected = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(wire::field(&request, "Authorization").as_deref(), expected);
}

// proves 6455-4.1-5, 6455-4.1-6, 6455-12-2
#[test]
fn an_invalid_request_opens_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    let url = format!("ws://{host}/");
    assert!(matches!(tightwire::connect(&format!("http://{host}/")), Err(Error::Uri(_))));
    assert!(matches!(tightwire::connect(&format!("{url}#fragment")), Err(Error::Uri(_))));
    if !cfg!(feature = "tls") {
        let error = tightwire::connect(&format!("wss://{host}/")).unwrap_err();
        assert!(matches!(error, Error::TlsUnsupported), "{error}");
        assert!(error.to_string().contains("feature `tls`"), "it says what to do: {error}");
    }
    let refused = [
        Client::new().header("Sec-WebSocket-Key", "x"),
        Client::new().header("host", "elsewhere"),
        Client::new().header("Connection", "close"),
        Client::new().header("X", "a\r\nInjected: yes"),
        Client::new().header("X", "a\0b"),
        Client::new().header("X\n", "a"),
        Client::new().subprotocols(["a b"]),
        Client::new().subprotocols(["chat", "chat"]),
        Client::new().subprotocols([""]),
        Client::new().origin("a\nb"),
    ];
    for client in refused {
        let outcome = client.connect(&url);
        assert!(matches!(outcome, Err(Error::Handshake(_))), "{client:?}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody connected");
}

// proves 6455-4.1-15
#[test]
fn a_port_that_nobody_listens_on_is_an_io_error() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = tightwire::connect(&format!("ws://{address}/")).unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
}

#[test]
fn each_address_of_a_host_is_tried_in_turn() {
    // `localhost` may resolve to ::1 first, but this server listens only at 127.0.0.1.
    let address = wire::echo_server();
    let mut ws = tightwire::connect(&format!("ws://localhost:{}/", address.port())).unwrap();
    ws.send("x").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("x")));
}

#[test]
fn a_name_that_does_not_exist_is_an_error() {
    let error = Client::new().connect("ws://does-not-exist.invalid/").unwrap_err();
    assert!(matches!(error, Error::Io(_) | Error::Timeout(Operation::Connect)), "{error}");
}

#[test]
fn a_server_that_does_not_answer_times_out() {
    for answer in ["", "HTTP/1.1 101 Switching"] {
        let (url, server) = wire::raw_server(move |mut raw| {
            raw.read_head();
            raw.send(answer);
            raw.read_to_end();
        });
        let error = Client::new().timeouts(impatient()).connect(&url).unwrap_err();
        assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{answer}: {error}");
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_answers_byte_by_byte_without_end_times_out() {
    let (url, server) = wire::raw_server(|mut raw| {
        raw.read_head();
        // Each byte arrives before a timeout for one read would expire, but there are too many of
        // them.
        let drip = "HTTP/1.1 101 Switching Protocols\r\n".bytes().chain((0..500).map(|_| b'X'));
        for byte in drip {
            if std::io::Write::write_all(&mut raw.stream, &[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it waited for all of it");
    });
    let error = Client::new().timeouts(impatient()).connect(&url).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error}");
    server.join().unwrap();
}

#[test]
fn a_server_that_ends_early_is_an_io_error() {
    for answer in ["", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"] {
        let error = connect_to(answer).unwrap_err();
        assert!(wire::is_eof(&error), "{answer}: {error}");
    }
}

// proves 6455-4.1-47
#[test]
fn a_refusal_carries_status_headers_and_the_start_of_the_body() {
    let cases = [
        ("Content-Length: 7\r\n\r\ngo away", "go away"),
        ("Content-Length: 3\r\n\r\ngo away", "go "),
        ("Connection: close\r\n\r\ngo away", "go away"),
        ("Content-Length: 0\r\n\r\n", ""),
    ];
    for (rest, body) in cases {
        let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n";
        let error = connect_to(format!("{head}{rest}")).unwrap_err();
        let Error::Handshake(HandshakeError::Refused(response)) = error else {
            panic!("{error}");
        };
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers().get("www-authenticate"), Some("Basic"));
        assert_eq!(response.body(), body.as_bytes());
    }
    let (url, server) = wire::raw_server(|mut raw| {
        raw.read_head();
        raw.send(format!("HTTP/1.1 500 Oops\r\n\r\n{}", "x".repeat(100_000)));
    });
    let error = tightwire::connect(&url).unwrap_err();
    server.join().unwrap();
    let Error::Handshake(HandshakeError::Refused(response)) = error else { panic!("{error}") };
    assert_eq!(response.body().len(), 4096);
}

// proves 6455-4.1-48, 6455-4.1-49, 6455-4.1-50, 6455-4.1-52, 6455-4.1-53, 6455-4.1-54,
// 6455-4.1-46, 6455-7.1.4-3, 6455-7.2.1-1
#[test]
fn a_101_response_that_breaks_a_rule_fails_the_handshake() {
    let good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n";
    let with = |line: &str| good.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    let instead = |part: &str, other: &str| good.replace(part, other);
    assert!(connect_to(good).is_ok());
    let cases = [
        ("another key's accept", instead("ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("an accept value that is too long", instead("ACCEPT", "ACCEPTA")),
        ("an endless accept", instead("ACCEPT", &"A".repeat(10_000))),
        ("no accept", instead("Sec-WebSocket-Accept: ACCEPT\r\n", "")),
        ("two accepts", with("Sec-WebSocket-Accept: ACCEPT")),
        ("no upgrade", instead("Upgrade: websocket\r\n", "")),
        ("another upgrade", instead("Upgrade: websocket", "Upgrade: h2c")),
        ("no connection", instead("Connection: Upgrade\r\n", "")),
        ("another connection", instead("Connection: Upgrade", "Connection: keep-alive")),
        ("a subprotocol that was not offered", with("Sec-WebSocket-Protocol: chat")),
        ("an extension that was not offered", with("Sec-WebSocket-Extensions: permessage-deflate")),
        ("malformed extensions", with("Sec-WebSocket-Extensions: ;")),
        ("HTTP/1.0", instead("HTTP/1.1", "HTTP/1.0")),
        ("garbage", "\0\0\0\0\r\n\r\n".into()),
        ("no HTTP", "SSH-2.0-OpenSSH\r\n\r\n".into()),
        ("bare LF", instead("\r\n", "\n")),
        ("bare CR", instead("websocket", "web\rsocket")),
        ("NUL", instead("websocket", "websocket\0")),
        ("folded", instead("Upgrade: websocket", "Upgrade:\r\n websocket")),
        ("blank before the colon", instead("Upgrade: websocket", "Upgrade : websocket")),
    ];
    for (case, answer) in cases {
        let Err(error) = connect_to(answer) else { panic!("{case}") };
        assert!(matches!(error, Error::Handshake(_)), "{case}: {error}");
    }
    let endless = format!("HTTP/1.1 101 Switching Protocols\r\nX: {}", "x".repeat(20_000));
    let (url, server) = wire::raw_server(move |mut raw| {
        raw.read_head();
        raw.send(endless);
    });
    assert!(matches!(tightwire::connect(&url), Err(Error::Handshake(_))));
    server.join().unwrap();
}

// proves 6455-4.1-56, 6455-4.1-55
#[test]
fn frames_sent_with_the_response_are_not_lost() {
    let (url, server) = wire::raw_server(|mut raw| {
        let request = raw.read_head();
        let key = wire::field(&request, "Sec-WebSocket-Key").unwrap();
        let accept = tightwire::handshake::accept_value(&key);
        let head = format!(
            "HTTP/1.1 101\r\nCONNECTION: keep-alive\r\nconnection: upgrade\r\n\
             upgrade: WebSocket\r\nsec-websocket-accept: \t{accept} \r\n\r\n",
        );
        let mut bytes = head.into_bytes();
        bytes.extend(hex("81 05 48 65 6c 6c 6f  82 02 01"));
        raw.send(bytes);
        raw.send([2]);
        raw.read_to_end();
    });
    let mut ws = tightwire::connect(&url).unwrap();
    assert_eq!(ws.state(), State::Open);
    assert_eq!(ws.recv().unwrap(), Some(Message::from("Hello")));
    assert_eq!(ws.recv().unwrap(), Some(Message::Binary(vec![1, 2])));
    drop(ws);
    server.join().unwrap();
}

// proves 6455-4.1-59
#[test]
fn the_cookies_of_the_response_reach_the_program() {
    let opening = wire::RESPONSE.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "ACCEPT");
    let cookies = "\r\nSet-Cookie: a=b; Path=/\r\nX: y\r\nset-cookie: c=d\r\n\r\n";
    let ws = connect_to(opening.replace("\r\n\r\n", cookies)).unwrap();
    let headers = ws.response().unwrap().headers();
    assert_eq!(headers.get_all("Set-Cookie").collect::<Vec<_>>(), ["a=b; Path=/", "c=d"]);
}

#[test]
fn interim_responses_are_skipped() {
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let opening = wire::RESPONSE.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "ACCEPT");
    assert!(connect_to(format!("{early}{opening}")).is_ok());
    let error = connect_to(format!("{early}HTTP/1.1 404 Not Found\r\n\r\n")).unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::Refused(r)) if r.status() == 404));
}

// proves 6455-4.1-45, 6455-4.1-4
#[test]
fn a_client_sends_nothing_more_until_a_slow_response_arrives() {
    let (url, server) = wire::raw_server(|mut raw: Raw| {
        let request = raw.read_head();
        raw.stream.set_nonblocking(true).unwrap();
        let early = std::io::Read::read(&mut raw.stream, &mut [0]);
        assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        raw.stream.set_nonblocking(false).unwrap();
        let key = wire::field(&request, "Sec-WebSocket-Key").unwrap();
        let accept = tightwire::handshake::accept_value(&key);
        let answer = wire::RESPONSE.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &accept);
        for byte in answer.bytes() {
            raw.send([byte]);
        }
        raw.read_frame()
    });
    let ws = tightwire::connect(&url).unwrap();
    ws.send("now").unwrap();
    assert_eq!(server.join().unwrap(), (0x81, b"now".to_vec()));
}

// proves 6455-4.1-7, 6455-4.1-8, 6455-4.1-9
#[test]
fn connections_to_one_address_can_be_made_one_at_a_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Another name of the same address.
    let port = listener.local_addr().unwrap().port();
    let (url, same) = (format!("ws://127.0.0.1:{port}/"), format!("ws://localhost:{port}/"));
    let client = Client::new().serialize_connects(true);
    let first = thread::spawn({
        let client = client.clone();
        move || client.connect(&url).unwrap()
    });
    let mut raw = Raw::new(listener.accept().unwrap().0);

    // The first connection is CONNECTING, so the second does not even open TCP, although the
    // backlog would accept it.
    let error = client.clone().timeouts(impatient()).connect(&same).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Connect)), "{error}");
    // The same holds for the address as IPv6 writes it, with or without IPv6 on this machine.
    let mapped = format!("ws://[::ffff:127.0.0.1]:{port}/");
    let error = client.clone().timeouts(impatient()).connect(&mapped).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Connect)), "{error}");
    // A client without this option does not wait.
    let error = Client::new().timeouts(impatient()).connect(&same).unwrap_err();
    assert!(matches!(error, Error::Timeout(Operation::Handshake)), "{error}");
    let mut abandoned = Raw::new(listener.accept().unwrap().0);
    abandoned.read_head();

    wire::answer_upgrade(&mut raw);
    let _first = first.join().unwrap();
    let second = thread::spawn(move || client.connect(&same).unwrap());
    wire::answer_upgrade(&mut Raw::new(listener.accept().unwrap().0));
    assert_eq!(second.join().unwrap().state(), State::Open);
}
