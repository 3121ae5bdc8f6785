//! Tests how a client reads a refusal in any form of HTTP.

mod wire;

use std::time::Duration;

use tightwire::handshake::{HandshakeError, Response};
use tightwire::{Client, Error, Timeouts};
use wire::Raw;

/// Returns the refusal that a client reports for this response. The server keeps the connection
/// open.
fn refused(answer: impl Into<Vec<u8>>) -> Response {
    let answer = answer.into();
    let (url, server) = wire::raw_server(move |mut raw: Raw| {
        raw.read_head();
        raw.send(answer);
        raw.read_to_end();
    });
    let error = tightwire::connect(&url).unwrap_err();
    server.join().unwrap();
    let Error::Handshake(HandshakeError::Refused(response)) = error else { panic!("{error:#}") };
    *response
}

#[test]
fn a_refusal_may_be_in_http_1_0() {
    let response = refused("HTTP/1.0 404 File not found\r\nContent-Length: 8\r\n\r\nnot here");
    assert_eq!((response.status(), response.body()), (404, b"not here".as_slice()));
    // The body ends with the stream.
    let (url, server) = wire::raw_server(|mut raw: Raw| {
        raw.read_head();
        raw.send("HTTP/1.0 403 Forbidden\r\nServer: old\r\n\r\nto the end");
    });
    let error = tightwire::connect(&url).unwrap_err();
    server.join().unwrap();
    assert!(format!("{error:#}").ends_with("403: \"to the end\""), "{error:#}");
}

#[test]
fn a_chunked_body_is_decoded_and_ends_with_its_last_chunk() {
    let cases = [
        ("7\r\ngo away\r\n0\r\n\r\n", "go away"),
        ("3\r\ngo \r\n4\r\naway\r\n0\r\n\r\n", "go away"),
        // A client ignores the extensions and trailers that it does not know.
        ("2;a=b\r\ngo\r\n2 ; c=\"d\"\r\n a\r\n000\r\nTrailer: x\r\n\r\n", "go a"),
        (
            "1A\r\nabcdefghijklmnopqrstuvwxyz\r\n1a\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n0\r\n\r\n",
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ),
        ("0\r\n\r\n", ""),
        // An invalid chunk ends the body.
        ("2\r\ngo\r\nx\r\naway\r\n", "go"),
        ("2\r\ngo\r\n\r\naway", "go"),
        ("\r\ngo", ""),
        (";\r\ngo", ""),
        ("-1\r\ngo", ""),
        ("2\r\ngo2\r\nno\r\n", "go"),
        ("11111111111111111\r\ntoo many digits\r\n", ""),
    ];
    // The client does not wait after the end of a body, although the server keeps the connection
    // open.
    let head = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, expected) in cases {
        let response = refused(format!("{head}{body}"));
        assert_eq!(String::from_utf8_lossy(response.body()), expected, "{body:?}");
    }
    let head = head
        .replace("chunked", "gzip, Chunked")
        .replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(refused(format!("{head}3\r\nzip\r\n0\r\n\r\n")).body(), b"zip");
}

#[test]
fn a_chunked_body_may_come_byte_by_byte() {
    let (url, server) = wire::raw_server(|mut raw: Raw| {
        raw.read_head();
        let head = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n";
        // The client may disconnect after the last chunk, before the line that ends the trailers.
        for byte in format!("{head}5;x\r\nlater\r\n0\r\n").bytes() {
            raw.send([byte]);
        }
        raw.read_to_end();
    });
    let error = tightwire::connect(&url).unwrap_err();
    server.join().unwrap();
    let Error::Handshake(HandshakeError::Refused(response)) = error else { panic!("{error:#}") };
    assert_eq!(response.body(), b"later");
}

#[test]
fn an_endless_chunked_body_is_read_up_to_a_bound() {
    let bodies = [
        // Long chunks, chunks of one byte, and an endless extension.
        "1000\r\n".to_owned() + &"x".repeat(100_000),
        "1\r\nx\r\n".repeat(100_000),
        "1;".to_owned() + &"x".repeat(1_000_000),
    ];
    for (body, len) in bodies.into_iter().zip([4096, 4096, 0]) {
        let (url, server) = wire::raw_server(move |mut raw: Raw| {
            raw.read_head();
            use std::io::Write;
            let head = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n";
            // The client may disconnect before it has read everything.
            let _ = raw.stream.write_all(head).and_then(|()| raw.stream.write_all(body.as_bytes()));
        });
        let error = tightwire::connect(&url).unwrap_err();
        server.join().unwrap();
        let Error::Handshake(HandshakeError::Refused(response)) = error else {
            panic!("{error:#}")
        };
        assert_eq!(response.body().len(), len);
    }
}

#[test]
fn a_refusal_without_a_body_does_not_wait() {
    // A client that waited would fail here, because the handshake has a deadline.
    let timeouts = Timeouts::new().connect(Duration::MAX);
    for status in [204, 304] {
        let (url, server) = wire::raw_server(move |mut raw: Raw| {
            raw.read_head();
            raw.send(format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n"));
            raw.read_to_end();
        });
        let error = Client::new().timeouts(timeouts).connect(&url).unwrap_err();
        server.join().unwrap();
        let Error::Handshake(HandshakeError::Refused(response)) = error else {
            panic!("{error:#}")
        };
        assert_eq!((response.status(), response.body()), (status, b"".as_slice()));
    }
}

#[test]
fn text_of_the_peer_is_shortened_in_errors_and_responses() {
    // Each character is escaped to six characters.
    let long = "\u{a0}".repeat(3_000);
    let server = wire::server().acceptor(tightwire::Acceptor::new().origins(["https://a.example"]));
    let address = wire::run(server, wire::echo);
    let error = Client::new().origin(&long).connect(&format!("ws://{address}/")).unwrap_err();
    let Error::Handshake(HandshakeError::Refused(response)) = error else { panic!("{error:#}") };
    assert_eq!(response.status(), 403);
    let len: usize = response.headers().get("Content-Length").unwrap().parse().unwrap();
    assert!(len < 2_000, "{len} bytes");

    let good = "HTTP/1.1 101\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let fields = [
        format!("Sec-WebSocket-Protocol: {long}"),
        format!("Sec-WebSocket-Extensions: {}", "x".repeat(8_000)),
    ];
    for field in fields {
        let (url, server) = wire::raw_server(move |mut raw: Raw| {
            let key = wire::field(&raw.read_head(), "Sec-WebSocket-Key").unwrap();
            let accept = tightwire::handshake::accept_value(&key);
            raw.send(format!("{good}Sec-WebSocket-Accept: {accept}\r\n{field}\r\n\r\n"));
        });
        let error = tightwire::connect(&url).unwrap_err();
        server.join().unwrap();
        let text = format!("{error:#}");
        assert!(text.contains("...") && text.len() < 2_000, "{} bytes", text.len());
    }
}

// RFC 9110 §10.1.1: a request without content has nothing to wait for.
#[test]
fn a_handshake_that_expects_100_continue_gets_its_response_at_once() {
    let address = wire::echo_server();
    let expects = "\r\nExpect: 100-continue\r\n\r\n";
    let mut raw = Raw::connect(address);
    raw.send(wire::REQUEST.replace("\r\n\r\n", expects));
    assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
    // A request with content is refused before the content is sent.
    let mut raw = Raw::connect(address);
    raw.send(wire::REQUEST.replace("\r\n\r\n", &format!("\r\nContent-Length: 5{expects}")));
    assert!(raw.read_head().starts_with("HTTP/1.1 400 "));
}
