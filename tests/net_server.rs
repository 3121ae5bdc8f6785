//! Tests the opening handshake of the server and its failures, against clients that send raw bytes.

mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{AcceptOptions, Answer, Response};
use tightwire::{Acceptor, Message, Timeouts};
use wire::{PATIENCE, REQUEST, RESPONSE, Raw, masked};

/// Returns the whole response to these bytes, up to the end of the stream.
fn answer_to(address: std::net::SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut raw = Raw::connect(address);
    raw.send(request);
    String::from_utf8(raw.read_to_end()).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

// proves 6455-4.2.2-1, 6455-4.2.2-22, 6455-4.2.2-25, 6455-4.2.2-29
#[test]
fn the_handler_gets_the_request_and_may_send_first() {
    let (sender, receiver) = mpsc::channel();
    let address = wire::run(wire::server(), move |ws, request| {
        ws.send("welcome")?;
        let query = request.query().map(ToOwned::to_owned);
        let host = request.headers().get("host").map(ToOwned::to_owned);
        sender.send((request.path().to_owned(), query, host, ws.peer_addr()))?;
        Ok(())
    });
    let mut raw = Raw::upgraded(address);
    let near = raw.stream.local_addr().unwrap();
    assert_eq!(raw.read_frame(), (0x81, b"welcome".to_vec()));
    let expected =
        ("/chat".to_owned(), Some("room=1".to_owned()), Some("localhost".to_owned()), Some(near));
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), expected);
}

// proves 6455-4.2.1-1
#[test]
fn a_request_may_arrive_byte_by_byte_with_frames_right_after_it() {
    let address = wire::echo_server();
    let mut raw = Raw::connect(address);
    for byte in REQUEST.bytes() {
        raw.send([byte]);
    }
    assert_eq!(raw.read_head(), RESPONSE);

    let mut raw = Raw::connect(address);
    raw.send([REQUEST.as_bytes(), &masked(0x81, b"early"), &masked(0x82, b"bird")[..5]].concat());
    raw.send(&masked(0x82, b"bird")[5..]);
    assert_eq!(raw.read_head(), RESPONSE);
    assert_eq!(raw.read_frame(), (0x81, b"early".to_vec()));
    assert_eq!(raw.read_frame(), (0x82, b"bird".to_vec()));
}

// proves 6455-4.2.1-5
#[test]
fn a_target_may_be_an_absolute_uri() {
    let (address, paths) = {
        let (sender, paths) = mpsc::channel();
        let address = wire::run(wire::server(), move |_, request| {
            sender.send((request.path().to_owned(), request.host().map(ToOwned::to_owned)))?;
            Ok(())
        });
        (address, paths)
    };
    let mut raw = Raw::connect(address);
    raw.send(REQUEST.replace("/chat?room=1", "http://example.com:81/chat?room=1"));
    assert_eq!(raw.read_head(), RESPONSE);
    let expected = ("/chat".to_owned(), Some("example.com:81".to_owned()));
    assert_eq!(paths.recv_timeout(PATIENCE).unwrap(), expected);
}

// proves 6455-4.2.1-2, 6455-4.2.2-10, 6455-7.2.2-1, 6455-10.7-4
#[test]
fn every_invalid_handshake_gets_the_matching_status() {
    let without = |line: &str| REQUEST.replace(line, "");
    let instead = |line: &str, other: &str| REQUEST.replace(line, other);
    let cases = [
        ("400", "no host", without("Host: localhost\r\n")),
        ("400", "no key", without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        ("400", "short key", instead("dGhlIHNhbXBsZSBub25jZQ==", "abc")),
        (
            "400",
            "long key",
            instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSBub25jZQ=="),
        ),
        ("400", "two keys", instead("Host", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost")),
        ("400", "two hosts", instead("Host", "Host: localhost\r\nHost")),
        ("400", "folded field", instead("Upgrade: websocket", "Upgrade:\r\n websocket")),
        ("400", "blank before the colon", instead("Host:", "Host :")),
        ("400", "NUL", instead("localhost", "local\0host")),
        ("400", "bare CR", instead("localhost", "local\rhost")),
        ("400", "a body", instead("Host", "Content-Length: 5\r\nHost")),
        ("400", "a chunked body", instead("Host", "Transfer-Encoding: chunked\r\nHost")),
        ("400", "no path", instead("/chat?room=1", "*")),
        ("400", "no HTTP", "hello\r\n\r\n".into()),
        ("400", "bare LF", REQUEST.replace("\r\n", "\n")),
        ("426", "a plain GET", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".into()),
        ("426", "version 8", instead("Version: 13", "Version: 8")),
        ("405", "POST", instead("GET", "POST")),
        ("505", "HTTP/1.0", instead("HTTP/1.1", "HTTP/1.0")),
        ("414", "long target", instead("/chat", &format!("/{}", "x".repeat(20_000)))),
        ("431", "long field", instead("localhost", &"x".repeat(20_000))),
        ("431", "many fields", instead("Host", &format!("{}Host", "X: y\r\n".repeat(101)))),
    ];
    let address = wire::echo_server();
    for (expected, case, request) in cases {
        let answer = answer_to(address, request);
        assert_eq!(status(&answer), expected, "{case}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 "), "{case}");
        let connection = wire::field(&answer, "Connection").unwrap();
        assert!(connection.ends_with("close"), "{case}: {answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let len = wire::field(&answer, "Content-Length").unwrap();
        assert_eq!(len, body.len().to_string(), "{case}");
        let version = wire::field(&answer, "Sec-WebSocket-Version");
        assert_eq!(version.is_some(), expected == "426", "{case}");
        assert_eq!(wire::field(&answer, "Allow").is_some(), expected == "405", "{case}");
    }
}

#[test]
fn a_client_that_does_not_finish_its_request_gets_408() {
    let timeouts = Timeouts::new().handshake(Duration::from_millis(50));
    let server = wire::server().acceptor(Acceptor::new().timeouts(timeouts));
    let address = wire::run(server, wire::echo);
    for start in ["", "GET / HT", &REQUEST[..REQUEST.len() - 2]] {
        assert_eq!(status(&answer_to(address, start)), "408");
    }
}

// proves 6455-4.2.2-4, 6455-4.2.2-5, 6455-4.2.2-8, 6455-4.2.2-12, 6455-10.5-1, 6455-4.2.2-11
#[test]
fn on_request_may_accept_refuse_redirect_or_serve_a_page() {
    let acceptor = Acceptor::new().on_request(|request| match request.path() {
        "/chat" => Answer::Upgrade(
            AcceptOptions::new().header("Set-Cookie", "a=b").header("Set-Cookie", "c=d"),
        ),
        "/health" => Answer::Respond(Response::new(200).with_body("fine")),
        "/closed" => Answer::Respond(Response::new(403)),
        "/old" => Answer::Respond(Response::new(302).with_header("Location", "/chat").unwrap()),
        "/secret" => {
            Answer::Respond(Response::new(401).with_header("WWW-Authenticate", "Basic").unwrap())
        }
        _ => Answer::Respond(Response::new(404)),
    });
    let address = wire::run(wire::server().acceptor(acceptor), wire::echo);
    let ask = |path: &str| answer_to(address, REQUEST.replace("/chat?room=1", path));

    let page = answer_to(address, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((status(&page), page.ends_with("\r\n\r\nfine")), ("200", true), "{page}");
    assert_eq!(wire::field(&ask("/old"), "Location").as_deref(), Some("/chat"));
    assert_eq!(wire::field(&ask("/secret"), "WWW-Authenticate").as_deref(), Some("Basic"));
    assert_eq!(status(&ask("/secret")), "401");
    assert_eq!(status(&ask("/closed")), "403");
    assert_eq!(status(&ask("/nothing")), "404");

    let mut raw = Raw::connect(address);
    raw.send(REQUEST);
    let head = raw.read_head();
    assert_eq!(status(&head), "101");
    assert!(head.contains("Set-Cookie: a=b\r\n") && head.contains("Set-Cookie: c=d\r\n"));
    raw.send_frame(0x81, b"x");
    assert_eq!(raw.read_frame(), (0x81, b"x".to_vec()));
}

#[test]
fn on_request_sees_only_requests_that_pass_the_other_checks() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let acceptor = Acceptor::new().origins(["example.com"]).on_request(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Response::new(200)
    });
    let address = wire::run(wire::server().acceptor(acceptor), wire::echo);
    for (fields, expected, is_asked) in [
        ("Host: x", "200", true),
        ("Host: x\r\nOrigin: https://Example.com", "200", true),
        ("X: y", "400", false),
        ("Host: x\r\nHost: x", "400", false),
        ("Host: a b", "400", false),
        ("Host: x\r\nOrigin: https://example.org", "403", false),
        ("Host: x\r\nOrigin: null", "403", false),
        ("Host: x\r\nOrigin: https://example.com\r\nOrigin: null", "400", false),
    ] {
        let before = asked.load(Ordering::SeqCst);
        let answer = answer_to(address, format!("GET /page HTTP/1.1\r\n{fields}\r\n\r\n"));
        assert_eq!(status(&answer), expected, "{fields}");
        assert_eq!(asked.load(Ordering::SeqCst) > before, is_asked, "{fields}");
    }
}

// proves 6455-4.2.2-13, 6455-4.2.2-14, 6455-4.2.2-15
#[test]
fn the_subprotocol_comes_from_the_list_or_from_on_request() {
    let by_list = Acceptor::new().subprotocols(["v2", "v1"]);
    let by_decision =
        Acceptor::new().subprotocols(["v2"]).on_request(|_| AcceptOptions::new().subprotocol("v1"));
    let wrong = Acceptor::new().on_request(|_| AcceptOptions::new().subprotocol("never offered"));
    let cases = [
        (by_list.clone(), "v1, v2", Some("v2")),
        (by_list.clone(), "v1,v3", Some("v1")),
        (by_list, "v3", None),
        (by_decision, "v1, v2", Some("v1")),
    ];
    for (acceptor, offered, negotiated) in cases {
        let (address, receiver) = wire::reporting_server(wire::server().acceptor(acceptor), |ws| {
            ws.subprotocol().map(ToOwned::to_owned)
        });
        let client = tightwire::Client::new().subprotocols(offered.split(',').map(str::trim));
        let ws = client.connect(&format!("ws://{address}/")).unwrap();
        assert_eq!(ws.subprotocol(), negotiated, "{offered}");
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().as_deref(), negotiated);
    }
    let address = wire::run(wire::server().acceptor(wrong), wire::echo);
    let request = REQUEST.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: v1\r\n\r\n");
    assert_eq!(status(&answer_to(address, request)), "500");
    assert_eq!(status(&answer_to(address, REQUEST)), "500", "nothing was offered at all");
}

#[test]
fn errors_are_reported_but_a_page_is_not_an_error() {
    let (sender, receiver) = mpsc::channel();
    let acceptor = Acceptor::new().on_request(|request| match request.path() {
        "/page" => Answer::Respond(Response::new(200)),
        "/panic/at/once" => panic!("at once"),
        _ => Answer::Upgrade(AcceptOptions::new()),
    });
    let server = wire::server().acceptor(acceptor).on_error(move |peer, error| {
        sender.send((peer.is_some(), format!("{error:#}"))).unwrap();
    });
    let address = wire::run(server, |_, request| match request.path() {
        "/panic" => panic!("on purpose"),
        _ => Err("out of luck".into()),
    });
    let ask = |path: &str| {
        let mut raw = Raw::connect(address);
        raw.send(REQUEST.replace("/chat", path));
        // Bytes that nobody reads would cause a reset.
        if path != "/panic/at/once" {
            raw.send_frame(0x88, &[]);
        }
        raw.read_to_end();
        receiver.recv_timeout(PATIENCE).unwrap()
    };
    answer_to(address, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(ask("/error"), (true, "out of luck".into()));
    assert_eq!(ask("/panic"), (true, "the handler panicked: on purpose".into()));
    assert_eq!(ask("/panic/at/once"), (true, "on_request panicked: at once".into()));
    answer_to(address, "GET / HTTP/1.0\r\n\r\n");
    let (_, refused) = receiver.recv_timeout(PATIENCE).unwrap();
    assert!(refused.starts_with("opening handshake failed: "), "{refused}");
}

/// See RFC 9110 §9.3.2.
#[test]
fn head_is_answered_like_get_without_a_body() {
    let acceptor = Acceptor::new().on_request(|request| match request.path() {
        "/page" => Answer::Respond(Response::new(200).with_body("fine")),
        "/empty" => Answer::Respond(Response::new(204)),
        "/framed" => {
            Answer::Respond(Response::new(200).with_header("content-length", "9").unwrap())
        }
        _ => Answer::Upgrade(AcceptOptions::new()),
    });
    let address = wire::run(wire::server().acceptor(acceptor), wire::echo);
    for path in ["/page", "/empty", "/framed", "/"] {
        let ask = |method: &str| {
            answer_to(address, format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
        };
        let (of_get, of_head) = (ask("GET"), ask("HEAD"));
        let fields = |answer: &str| {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let mut lines: Vec<_> = head.lines().map(str::to_ascii_lowercase).collect();
            lines.sort();
            (lines, body.len())
        };
        assert_eq!(fields(&of_head), (fields(&of_get).0, 0), "{path}");
    }
}

#[test]
fn many_connections_are_served_at_once() {
    let address = wire::echo_server();
    let mut all: Vec<_> =
        (0..100).map(|_| tightwire::connect(&format!("ws://{address}/")).unwrap()).collect();
    for (i, ws) in all.iter().enumerate() {
        ws.send(i.to_string()).unwrap();
    }
    for (i, ws) in all.iter_mut().enumerate().rev() {
        assert_eq!(ws.recv().unwrap(), Some(Message::Text(i.to_string())));
    }
}

// proves 6455-4.2.2-7, 6455-4.2.2-8, 6455-10.2-1, 6455-10.2-2
#[test]
fn an_origin_that_is_not_allowed_gets_403() {
    let allowed = ["https://example.com", "localhost"];
    let strict = Acceptor::new().origins(allowed);
    let strict = wire::run(wire::server().acceptor(strict), wire::echo);
    let open = wire::echo_server();
    let cases = [
        ("https://example.com", "101"),
        ("https://example.com:8443", "403"),
        ("https://localhost:3000", "101"),
        ("null", "403"),
    ];
    for (origin, expected) in cases {
        let request = REQUEST.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
        for (address, expected) in [(strict, expected), (open, "101")] {
            let mut raw = Raw::connect(address);
            raw.send(&request);
            assert_eq!(status(&raw.read_head()), expected, "{origin:?}");
        }
    }
    assert_eq!(Raw::upgraded(strict).stream.peer_addr().unwrap(), strict, "no browser, no origin");
}

// proves 6455-8.1-2
#[test]
fn non_ascii_bytes_are_refused_where_they_have_no_meaning() {
    let address = wire::echo_server();
    for (line, other) in [
        ("/chat?room=1", "/ch\u{e4}t"),
        ("Upgrade: websocket", "Upgrade: websoc\u{212a}et"),
        ("Version: 13", "Version: \u{b9}3"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j\u{e4}=="),
        ("Host: localhost", "Host: l\u{f6}calhost"),
        ("Host: localhost", "Host: localhost\r\nSec-WebSocket-Protocol: ch\u{e4}t"),
        ("Host: localhost", "Host: localhost\r\nSec-WebSocket-Extensions: f\u{f6}o"),
    ] {
        let answer = answer_to(address, REQUEST.replace(line, other));
        assert!(status(&answer).starts_with('4'), "{other}: {answer}");
    }
}

// proves 6455-4.2.2-18, 6455-4.2.2-20, 6455-9-3
#[test]
fn unknown_extensions_are_not_answered() {
    let mut raw = Raw::connect(wire::echo_server());
    let offers = "\r\nSec-WebSocket-Extensions: foo, permessage-deflate; a=1\r\n\r\n";
    raw.send(REQUEST.replace("\r\n\r\n", offers));
    assert_eq!(raw.read_head(), RESPONSE);
    // RSV1 has no meaning without a negotiated extension.
    raw.send_frame(0xc1, b"");
    assert_eq!(raw.read_frame().1[..2], [0x03, 0xea]);
}

#[test]
fn basic_authorization_admits_a_client() {
    let acceptor = Acceptor::new().on_request(|request| {
        match request.is_authorized_as("Aladdin", "open sesame") {
            true => Answer::Upgrade(AcceptOptions::new()),
            false => Answer::Respond(Response::new(401)),
        }
    });
    let address = wire::run(wire::server().acceptor(acceptor), wire::echo);
    let cases = [
        ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "101"),
        ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZSE=", "401"),
        ("X: y", "401"),
    ];
    for (field, expected) in cases {
        let mut raw = Raw::connect(address);
        raw.send(REQUEST.replace("\r\n\r\n", &format!("\r\n{field}\r\n\r\n")));
        assert_eq!(status(&raw.read_head()), expected, "{field}");
    }
    let url = format!("ws://Aladdin:open%20sesame@{address}/");
    tightwire::connect(&url).unwrap();
}

// proves 6455-10.1-2
#[test]
fn the_server_answers_garbage_and_survives_it() {
    let address = wire::echo_server();
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for round in 0..50 {
        let garbage: Vec<u8> = (0..1000).map(|_| random()).collect();
        let mut raw = Raw::connect(address);
        raw.send(&garbage);
        raw.end_writing();
        let answer = raw.read_to_end();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "round {round}");

        let mut raw = Raw::upgraded(address);
        raw.send(&garbage);
        raw.end_writing();
        // The server sends a Close frame, or nothing if the garbage was the beginning of a frame.
        let answer = raw.read_to_end();
        assert!(answer.is_empty() || answer.contains(&0x88), "round {round}");
    }
    let mut ws = tightwire::connect(&format!("ws://{address}/")).unwrap();
    ws.send("still there?").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("still there?")));
}

// proves 7692-5-18, 7692-5-27
#[test]
fn a_server_agrees_to_compress_only_if_it_can() {
    let decided =
        Acceptor::new().on_request(|_| AcceptOptions::new().deflate(DeflateConfig::new()));
    for (acceptor, is_asked) in [(Acceptor::new(), false), (decided, true)] {
        let address = wire::run(wire::server().acceptor(acceptor), wire::echo);
        let mut raw = Raw::connect(address);
        let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        raw.send(REQUEST.replace("\r\n\r\n", offer));
        let head = raw.read_head();
        let extension = wire::field(&head, "Sec-WebSocket-Extensions");
        let can = is_asked && cfg!(feature = "deflate");
        assert_eq!(extension.as_deref(), can.then_some("permessage-deflate"));
        // A compressed "Hello". The result shows what was negotiated.
        raw.send_frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
        match raw.read_frame() {
            (0x81, data) if can => assert_eq!(data, b"Hello"),
            (0x88, body) if !can => assert_eq!(body[..2], [0x03, 0xea]),
            frame => panic!("{frame:02x?}"),
        }
    }
}
