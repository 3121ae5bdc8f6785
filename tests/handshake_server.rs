//! Tests the server side of the opening handshake (§4.2): which requests are valid, and the
//! responses to valid and invalid ones.

use std::error::Error as _;

use proptest::collection::vec;
use proptest::prelude::*;
use tightwire::handshake::{
    AcceptOptions, Extension, ExtensionSyntaxError, HandshakeError, HeadLimits, HeadScanner,
    HttpError, InvalidHeader, Rejection, RepeatedHeader, Request, Response, Upgrade,
    is_upgrade_request,
};

const REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const KEY_LINE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION_LINE: &str = "Sec-WebSocket-Version: 13\r\n";
const PROTOCOL_LINE: &str = "Sec-WebSocket-Protocol: chat, superchat\r\n";

/// Handles these bytes as a server does: decodes them, validates the request, and accepts it.
fn answer(bytes: impl AsRef<[u8]>, accept: &AcceptOptions) -> Result<Response, Rejection> {
    let decoded = Request::decode(bytes.as_ref(), &HeadLimits::default())?;
    let (request, _) = decoded.expect("a whole head");
    let upgrade = Upgrade::from_request(&request)?;
    let (response, negotiated) = upgrade.accept(accept)?;
    assert_eq!(negotiated.subprotocol.as_deref(), accept.chosen_subprotocol());
    assert_eq!(negotiated.extensions, []);
    Ok(response)
}

/// Returns the start of a head, for the message of a failed test.
fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().chars().take(600).collect()
}

#[track_caller]
fn accepted(bytes: impl AsRef<[u8]>) {
    if let Err(rejection) = answer(bytes.as_ref(), &AcceptOptions::new()) {
        panic!("{}: {rejection:?}", shown(bytes.as_ref()));
    }
}

#[track_caller]
fn rejected(bytes: impl AsRef<[u8]>) -> Rejection {
    match answer(bytes.as_ref(), &AcceptOptions::new()) {
        Ok(_) => panic!("{} was accepted", shown(bytes.as_ref())),
        Err(rejection) => rejection,
    }
}

#[track_caller]
fn assert_rejected(bytes: impl AsRef<[u8]>, status: u16, error: &HandshakeError) {
    let rejection = rejected(bytes.as_ref());
    let case = shown(bytes.as_ref());
    assert_eq!((rejection.response().status(), rejection.error()), (status, error), "{case}");
}

#[track_caller]
fn decoded(text: &str) -> Request {
    Request::decode(text.as_bytes(), &HeadLimits::default()).unwrap().unwrap().0
}

/// Returns the valid request with one part replaced.
#[track_caller]
fn with(line: &str, other: &str) -> String {
    assert!(REQUEST.contains(line), "{line:?}");
    REQUEST.replace(line, other)
}

#[track_caller]
fn with_line(line: &str) -> String {
    with(VERSION_LINE, &format!("{VERSION_LINE}{line}\r\n"))
}

fn encoded(response: &Response) -> String {
    let mut out = Vec::new();
    response.encode(&mut out);
    String::from_utf8(out).unwrap()
}

// proves 6455-4.2.2-1, 6455-4.2.2-21, 6455-4.2.2-22, 6455-4.2.2-23, 6455-4.2.2-24, 6455-4.2.2-25
#[test]
fn the_response_matches_the_sample_of_the_rfc() {
    let response = answer(REQUEST, &AcceptOptions::new().subprotocol("chat")).unwrap();
    let text = "HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\n\r\n";
    assert_eq!(encoded(&response), text);
}

// proves 6455-4.2.1-1
#[test]
fn a_request_means_the_same_for_every_cut() {
    let whole = answer(REQUEST, &AcceptOptions::new()).unwrap();
    let bytes = [REQUEST.as_bytes(), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"].concat();
    for split in 0..=bytes.len() {
        let mut scanner = HeadScanner::new(HeadLimits::default());
        let end = match scanner.find_end(&bytes[..split]).unwrap() {
            Some(end) => end,
            None => scanner.find_end(&bytes).unwrap().unwrap(),
        };
        assert_eq!(end, REQUEST.len());
        assert_eq!(answer(&bytes[..end], &AcceptOptions::new()).unwrap(), whole);
    }
    let mut scanner = HeadScanner::new(HeadLimits::default());
    for end in 0..REQUEST.len() {
        assert_eq!(scanner.find_end(&bytes[..end]), Ok(None));
    }
    assert_eq!(scanner.find_end(&bytes[..REQUEST.len()]), Ok(Some(REQUEST.len())));
}

// proves 6455-4.2.1-3, 6455-4.2.1-11, 6455-4.2.1-15, 6455-4.4-2
#[test]
fn order_and_other_fields_do_not_matter() {
    let (line, fields) = REQUEST.trim_end().split_once("\r\n").unwrap();
    let mut fields: Vec<_> = fields.split("\r\n").collect();
    for _ in 0..fields.len() {
        fields.rotate_left(1);
        accepted(format!("{line}\r\n{}\r\n\r\n", fields.join("\r\n")));
        let backwards: Vec<_> = fields.iter().rev().copied().collect();
        accepted(format!("{line}\r\n{}\r\n\r\n", backwards.join("\r\n")));
    }
    accepted(with("Origin: http://example.com\r\n", ""));
    accepted(with(PROTOCOL_LINE, ""));
    for line in ["X-Foo: bar", "Cookie: a=b\r\nCookie: c", "Authorization: Basic x", "X: \u{e9}"] {
        accepted(with_line(line));
    }
    accepted(with_line("Content-Length: 0"));
    let latin_1 = [with_line("X: y").replace("y\r\n\r\n", "").as_bytes(), b"\xe9\r\n\r\n"].concat();
    accepted(latin_1);
}

// proves 6455-4.1-55, 6455-4.2.1-7, 6455-4.2.1-8, 6455-4.2.1-5, 6455-2.1-2
#[test]
fn permitted_variations_are_accepted() {
    let cases = [
        ("Upgrade: websocket", "UPGRADE: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade:websocket"),
        ("Connection: Upgrade", "connection:keep-alive, upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: UPGRADE"),
        ("Connection: Upgrade", "Connection: ,,\tUpgrade ,"),
        ("Host:", "HOST:"),
        ("Sec-WebSocket-Key: ", "sec-websocket-key:\t "),
        ("Sec-WebSocket-Version: 13", "SEC-WEBSOCKET-VERSION:13\t"),
        ("/chat HTTP/1.1", "/chat HTTP/1.2"),
        ("/chat HTTP", "/ HTTP"),
        ("/chat HTTP", "http://server.example.com/chat?x HTTP"),
        ("GET", "\r\nGET"),
    ];
    for (line, other) in cases {
        accepted(with(line, other));
    }
    assert_eq!(decoded(&with("/chat", "http://h/chat?x")).host(), Some("h"));
}

// proves 6455-4.2.1-6
#[test]
fn exactly_one_valid_host_field_is_required() {
    let without = with("Host: server.example.com\r\n", "");
    assert_rejected(without, 400, &HandshakeError::Missing("Host"));
    let twice = with_line("Host: server.example.com");
    let error = HandshakeError::Repeated(RepeatedHeader { name: "Host" });
    assert_rejected(twice, 400, &error);
    for host in ["h", "h:80", "h:", "1.2.3.4:9001", "[::1]", "[::1]:80", "a_b.example", "a%20b"] {
        accepted(with("server.example.com", host));
    }
    let bad = [
        "", ":80", "a b", "a,b", "a/b", "u@h", "h:x", "h:80:80", "http://h", "[::1", "::1", "[h]",
        "[]", "a?b", "a#b", "a\\b", "\u{e9}", "a%2", "h:-1", "[::1]x", "[::1]:x",
    ];
    for host in bad {
        let request = with("server.example.com", host);
        assert_rejected(request, 400, &HandshakeError::Invalid("Host"));
    }
}

// proves 6455-4.2.1-2, 6455-4.2.1-7, 6455-4.2.1-8
#[test]
fn a_request_without_an_upgrade_to_websocket_gets_426() {
    let cases = [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Upgrade: websocket", "Upgrade:"),
        ("Upgrade: websocket", "Upgrade: websockets"),
        ("Upgrade: websocket", "Upgrade: websocket/13"),
        ("Upgrade: websocket", "Upgrade: web\u{17f}ocket"),
        ("Upgrade: websocket", "Upgrade: websoc\u{212a}et"),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade", "Connection: close"),
        ("Connection: Upgrade", "Connection: noupgradeplease"),
        ("Connection: Upgrade", "Connection:"),
    ];
    for (line, other) in cases {
        let request = with(line, other);
        let rejection = rejected(&request);
        assert_eq!(rejection.error(), &HandshakeError::NoUpgrade, "{other:?}");
        assert_names_websocket(rejection.response());
        assert!(!is_upgrade_request(&decoded(&request)));
    }
    let rejection = rejected("POST /chat HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(rejection.error(), &HandshakeError::NoUpgrade);
}

#[track_caller]
fn assert_names_websocket(response: &Response) {
    assert_eq!(response.status(), 426);
    let headers = response.headers();
    assert_eq!(headers.single("Upgrade"), Ok(Some("websocket")));
    assert_eq!(headers.single("Sec-WebSocket-Version"), Ok(Some("13")));
    assert!(headers.has_token("Connection", "Upgrade"));
}

// proves 6455-4.2.1-10, 6455-4.2.2-10, 6455-4.3-4, 6455-4.3-10, 6455-4.4-3, 6455-11.3.5-1
#[test]
fn another_version_gets_426_with_the_supported_version() {
    let versions = [
        "25",
        "8",
        "0",
        "255",
        "256",
        "12",
        "14",
        "013",
        "13, 8",
        "13,",
        "+13",
        "-1",
        "13.0",
        "",
        "0xd",
        "1 3",
        "\"13\"",
        "\u{661}\u{663}",
    ];
    for version in versions {
        let request = with("Version: 13", &format!("Version: {version}"));
        let rejection = rejected(&request);
        assert_eq!(rejection.error(), &HandshakeError::Version, "{version:?}");
        assert_names_websocket(rejection.response());
        assert!(is_upgrade_request(&decoded(&request)));
    }
    let without = with(VERSION_LINE, "");
    assert_rejected(without, 400, &HandshakeError::Missing("Sec-WebSocket-Version"));
}

// proves 6455-11.3.5-3
#[test]
fn two_version_fields_are_refused() {
    let error = HandshakeError::Repeated(RepeatedHeader { name: "Sec-WebSocket-Version" });
    assert_rejected(with_line("Sec-WebSocket-Version: 13"), 400, &error);
    assert_rejected(with_line("sec-websocket-version: 8"), 400, &error);
}

// proves 6455-4.2.1-9, 6455-4.3-2
#[test]
fn the_key_is_16_bytes_in_base64() {
    const NAME: &str = "Sec-WebSocket-Key";
    assert_rejected(with(KEY_LINE, ""), 400, &HandshakeError::Missing(NAME));
    // The sample of §4.1, whose padding bits are not zero (erratum 3150), is accepted.
    for key in ["AQIDBAUGBwgJCgsMDQ4PEC==", "AQIDBAUGBwgJCgsMDQ4PEA==", "////////////////////+w=="]
    {
        accepted(with("dGhlIHNhbXBsZSBub25jZQ==", key));
    }
    let bad = [
        "",
        "abc",
        "====",
        "A===",
        "AA=A",
        "AAA",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZWU=",
        "dGhlIHNhbXBsZSBub25jZWVl",
        "dGhlIHNhbXBsZSBub25jZWVlZQ==",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25j====",
        "dGhl=HNhbXBsZSBub25jZQ==",
        "dGhl-HNhbXBsZSBub25jZQ==",
        "dGhl_HNhbXBsZSBub25jZQ==",
        "dGhl HNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==,",
        "\"GhlIHNhbXBsZSBub25jZQ=\"",
        "\u{e9}GhlIHNhbXBsZSBub25jZ==",
    ];
    for key in bad {
        let request = with("dGhlIHNhbXBsZSBub25jZQ==", key);
        assert_rejected(request, 400, &HandshakeError::Invalid(NAME));
    }
}

// proves 6455-4.2.2-9, 6455-4.2.2-26
#[test]
fn the_key_is_hashed_as_it_was_sent() {
    let accept_of = |key: &str| {
        let request = with("dGhlIHNhbXBsZSBub25jZQ==", key);
        let response = answer(request, &AcceptOptions::new()).unwrap();
        response.headers().single("Sec-WebSocket-Accept").unwrap().unwrap().to_owned()
    };
    let (zero, other) = ("AQIDBAUGBwgJCgsMDQ4PEA==", "AQIDBAUGBwgJCgsMDQ4PEC==");
    assert_ne!(accept_of(zero), accept_of(other));
    assert_eq!(accept_of(" \tdGhlIHNhbXBsZSBub25jZQ==\t "), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn two_key_fields_are_refused() {
    let error = HandshakeError::Repeated(RepeatedHeader { name: "Sec-WebSocket-Key" });
    assert_rejected(with_line(KEY_LINE.trim_end()), 400, &error);
    assert_rejected(with_line("sec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA=="), 400, &error);
}

// proves 6455-4.2.1-4
#[test]
fn another_method_gets_405_with_the_allowed_method() {
    for method in ["POST", "HEAD", "OPTIONS", "CONNECT", "get", "Get", "GETS"] {
        let request = with("GET ", &format!("{method} "));
        let rejection = rejected(&request);
        assert_eq!(rejection.error(), &HandshakeError::Method, "{method}");
        assert_eq!(rejection.response().status(), 405);
        assert_eq!(rejection.response().headers().single("Allow"), Ok(Some("GET")));
        assert!(!is_upgrade_request(&decoded(&request)));
    }
    assert!(is_upgrade_request(&decoded(REQUEST)));
}

#[test]
fn a_request_with_a_body_is_refused() {
    let lines = [
        "Content-Length: 1",
        "Content-Length: 00",
        "Content-Length: +0",
        "Content-Length:",
        "Content-Length: 0, 0",
        "Content-Length: 0\r\nContent-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
        "content-length: 0\r\ntransfer-encoding: chunked",
    ];
    for line in lines {
        assert_rejected(with_line(line), 400, &HandshakeError::Body);
    }
}

// proves 6455-4.2.1-2, 6455-4.2.1-4, 6455-4.2.1-5, 6455-11.1.1-4
#[test]
fn invalid_http_gets_the_matching_status() {
    let long = "x".repeat(9000);
    let cases = [
        (400, HttpError::StartLine, with("GET /chat HTTP/1.1", "GET /")),
        (400, HttpError::Target, with("/chat", "*")),
        (400, HttpError::Target, with("/chat", "chat")),
        (400, HttpError::Target, with("/chat", "")),
        (400, HttpError::Field, with("Host:", "Host :")),
        (400, HttpError::Folded, with("Upgrade: ", "Upgrade:\r\n ")),
        (400, HttpError::LineEnd, with("\r\n", "\n")),
        (400, HttpError::Control, with("websocket", "web\x01socket")),
        (505, HttpError::Version, with("HTTP/1.1", "HTTP/1.0")),
        (505, HttpError::Version, with("HTTP/1.1", "HTTP/2.0")),
        (414, HttpError::StartLineTooLong { limit: 8192 }, with("/chat", &format!("/{long}"))),
        (431, HttpError::TooLong { limit: 16384 }, with_line(&format!("X: {long}{long}"))),
        (431, HttpError::TooManyFields { limit: 100 }, with_line("X: y\r\n".repeat(94).trim_end())),
    ];
    for (status, error, request) in cases {
        assert_rejected(request, status, &HandshakeError::Http(error));
    }
}

#[test]
fn each_rejection_explains_itself_in_a_short_text() {
    let requests = [
        with("Host: server.example.com\r\n", ""),
        with("GET ", "POST "),
        with("Version: 13", "Version: 8"),
        with("Upgrade: websocket\r\n", ""),
        with("HTTP/1.1", "HTTP/1.0"),
        with("/chat", "*"),
        with("/chat", &"/".repeat(9000)),
        with_line(&format!("X: {}", "x".repeat(17_000))),
        with_line("Sec-WebSocket-Extensions: ;"),
    ];
    for request in requests {
        let rejection = rejected(request);
        let text = encoded(rejection.response());
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(body.ends_with('\n') && body.len() < 200 && body.len() > 10, "{body}");
        assert_eq!(body.trim_end(), rejection.error().to_string());
        assert!(head.contains("\r\nContent-Type: text/plain"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
        let (response, _) =
            Response::decode(text.as_bytes(), &HeadLimits::default()).unwrap().unwrap();
        assert!(response.headers().has_token("Connection", "close"), "{head}");
        assert_eq!(response.status(), rejection.response().status());
        assert_eq!(rejection.clone().into_error(), *rejection.error());
    }
}

// proves 6455-4.2.1-13, 6455-4.3-3, 6455-11.3.4-1
#[test]
fn subprotocols_are_read_from_lists_and_repeated_fields() {
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["a"], &["a"]),
        (&["a,b"], &["a", "b"]),
        (&["a, b"], &["a", "b"]),
        (&["a", "b"], &["a", "b"]),
        (&[" a\t,\tb , c", "d"], &["a", "b", "c", "d"]),
        (&[",a,, ,b,"], &["a", "b"]),
        (&["a, a", "A"], &["a", "a", "A"]),
        (&["!#$%&'*+-.^_`|~"], &["!#$%&'*+-.^_`|~"]),
    ];
    for &(values, names) in cases {
        let lines: Vec<_> =
            values.iter().map(|value| format!("Sec-WebSocket-Protocol: {value}\r\n")).collect();
        let request = decoded(&with(PROTOCOL_LINE, &lines.concat()));
        let upgrade = Upgrade::from_request(&request).unwrap();
        assert_eq!(upgrade.subprotocols(), names);
        assert_eq!(upgrade.request(), &request);
    }
}

// proves 6455-4.2.1-13, 6455-4.2.2-16, 6455-4.3-3
#[test]
fn malformed_subprotocols_are_refused() {
    let error = HandshakeError::Invalid("Sec-WebSocket-Protocol");
    for value in
        ["", ",", " , ,", "a b", "a,,/b", "a, b/c", "\"a\"", "a;b", "a=b", "\u{e9}", "a\tb"]
    {
        let line = format!("Sec-WebSocket-Protocol: {value}\r\n");
        assert_rejected(with(PROTOCOL_LINE, &line), 400, &error);
        assert_rejected(with_line(line.trim_end()), 400, &error);
    }
}

/// All values within the limits are processed in linear time (CVE-2021-32640).
#[test]
fn a_long_list_of_separators_is_read() {
    let limits = HeadLimits::new().max_len(1 << 20);
    for filler in [" ", ",", "\t", " ,"] {
        let filler = filler.repeat(64 << 10);
        for (value, names) in [(filler.clone(), &[][..]), (format!("a{filler},b"), &["a", "b"][..])]
        {
            let text = with("chat, superchat", &value);
            let (request, _) = Request::decode(text.as_bytes(), &limits).unwrap().unwrap();
            match Upgrade::from_request(&request) {
                Ok(upgrade) => assert_eq!(upgrade.subprotocols(), names),
                Err(rejection) => {
                    let error = HandshakeError::Invalid("Sec-WebSocket-Protocol");
                    assert_eq!((rejection.error(), names), (&error, &[][..]));
                }
            }
        }
    }
}

// proves 6455-4.2.2-13, 6455-4.2.2-14
#[test]
fn the_order_of_the_server_decides_the_subprotocol() {
    let request = decoded(REQUEST);
    let upgrade = Upgrade::from_request(&request).unwrap();
    let cases: &[(&[&str], Option<&str>)] = &[
        (&["superchat", "chat"], Some("superchat")),
        (&["chat", "superchat"], Some("chat")),
        (&["foo", "superchat"], Some("superchat")),
        (&["foo"], None),
        (&["Chat"], None),
        (&[""], None),
        (&[], None),
    ];
    for &(supported, selected) in cases {
        assert_eq!(upgrade.select_subprotocol(supported), selected, "{supported:?}");
        let owned: Vec<String> = supported.iter().map(ToString::to_string).collect();
        assert_eq!(upgrade.select_subprotocol(&owned), selected, "{supported:?}");
    }
    let request = decoded(&with(PROTOCOL_LINE, ""));
    let upgrade = Upgrade::from_request(&request).unwrap();
    assert_eq!(upgrade.select_subprotocol(&["chat"]), None);
}

// proves 6455-4.2.2-14, 6455-4.2.2-15, 6455-4.2.2-17, 6455-4.2.2-27
#[test]
fn the_response_names_the_selected_subprotocol_or_none() {
    let response = answer(REQUEST, &AcceptOptions::new().subprotocol("superchat")).unwrap();
    assert_eq!(response.headers().single("Sec-WebSocket-Protocol"), Ok(Some("superchat")));
    for request in [REQUEST, &with(PROTOCOL_LINE, "")] {
        let response = answer(request, &AcceptOptions::new()).unwrap();
        assert!(!encoded(&response).to_ascii_lowercase().contains("protocol:"));
    }
}

// proves 6455-4.2.2-13, 6455-4.2.2-16
#[test]
fn selecting_an_unoffered_subprotocol_gives_500() {
    for name in ["foo", "Chat", "", "chat, superchat", "chat\r\nX: y"] {
        let rejection = answer(REQUEST, &AcceptOptions::new().subprotocol(name)).unwrap_err();
        assert_eq!(rejection.response().status(), 500);
        assert_eq!(rejection.error(), &HandshakeError::UnofferedSubprotocol(name.to_owned()));
        // The client does not learn the details of a fault of the server.
        assert!(!encoded(rejection.response()).contains("chat"));
    }
}

// proves 6455-4.2.1-14, 6455-4.2.2-19, 6455-4.2.2-20
#[test]
fn extensions_are_read_and_not_answered() {
    let text = with_line(
        "Sec-WebSocket-Extensions: foo; a=\"1\"\r\nsec-websocket-extensions: permessage-deflate",
    );
    let request = decoded(&text);
    let upgrade = Upgrade::from_request(&request).unwrap();
    let printed: Vec<_> = upgrade.extensions().iter().map(ToString::to_string).collect();
    assert_eq!(printed, ["foo; a=1", "permessage-deflate"]);
    let response = answer(&text, &AcceptOptions::new()).unwrap();
    assert_eq!(response.headers().get("Sec-WebSocket-Extensions"), None);

    let request = decoded(REQUEST);
    assert_eq!(Upgrade::from_request(&request).unwrap().extensions(), &[] as &[Extension]);
}

// proves 6455-9.1-2, 6455-4.2.2-19
#[test]
fn malformed_extensions_are_refused() {
    for value in ["foo;;", "foo; =1", "foo bar", "", ",", "foo=1", "foo; a=\"1", "\u{e9}"] {
        let request = with_line(&format!("Sec-WebSocket-Extensions: {value}"));
        assert_rejected(request, 400, &HandshakeError::Extensions(ExtensionSyntaxError));
    }
}

// proves 6455-4.2.1-11, 6455-4.2.1-12, 6455-4.2.2-6, 6455-2.1-1
#[test]
fn the_origin_is_reported_in_lower_case() {
    let origin = |line: &str| {
        let request = decoded(&with("Origin: http://example.com\r\n", line));
        Upgrade::from_request(&request).unwrap().origin()
    };
    assert_eq!(origin("Origin: HTTP://Example.COM\r\n").as_deref(), Some("http://example.com"));
    assert_eq!(origin("Origin: ABCXYZ@[\u{c9}\r\n").as_deref(), Some("abcxyz@[\u{c9}"));
    assert_eq!(origin("Origin: null\r\n").as_deref(), Some("null"));
    assert_eq!(origin("Origin:\r\n").as_deref(), Some(""));
    assert_eq!(origin(""), None);
    let error = HandshakeError::Repeated(RepeatedHeader { name: "Origin" });
    assert_rejected(with_line("Origin: http://other"), 400, &error);
}

#[test]
fn the_server_may_add_fields_but_not_those_of_the_handshake() {
    let accept = AcceptOptions::new().header("Set-Cookie", "a=b").header("Set-Cookie", "c=d");
    let response = answer(REQUEST, &accept).unwrap();
    assert_eq!(response.headers().get_all("Set-Cookie").collect::<Vec<_>>(), ["a=b", "c=d"]);

    let owned = [
        "Upgrade",
        "connection",
        "Sec-WebSocket-Accept",
        "sec-websocket-protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Version",
        "Content-Length",
        "Transfer-Encoding",
    ];
    for name in owned {
        let rejection = answer(REQUEST, &AcceptOptions::new().header(name, "x")).unwrap_err();
        assert_eq!(rejection.response().status(), 500);
        assert_eq!(rejection.error(), &HandshakeError::OwnedHeader(name.to_owned()));
    }
    let invalid = [
        ("a b", "x", InvalidHeader::Name("a b".to_owned())),
        ("X", "a\r\nb", InvalidHeader::Value { name: "X".to_owned() }),
        ("X", "a\0", InvalidHeader::Value { name: "X".to_owned() }),
    ];
    for (name, value, error) in invalid {
        let rejection = answer(REQUEST, &AcceptOptions::new().header(name, value)).unwrap_err();
        assert_eq!(rejection.response().status(), 500);
        assert_eq!(rejection.error(), &HandshakeError::Header(error));
        assert!(rejection.error().source().is_none(), "it prints itself");
    }
}

#[test]
fn each_error_of_the_server_cites_its_section() {
    let errors = [HandshakeError::NoUpgrade, HandshakeError::Method, HandshakeError::Version];
    for error in errors {
        assert!(error.to_string().ends_with("(RFC 6455 §4.2.1)"), "{error}");
        assert!(error.source().is_none());
    }
    let repeated = rejected(REQUEST.replace("Host", "Host: elsewhere\r\nHost"));
    assert!(matches!(repeated.error(), HandshakeError::Repeated(RepeatedHeader { .. })));
    assert!(repeated.error().source().is_none(), "it prints itself");
}

/// Replaces every byte of a valid request by every other value. The server responds, and never
/// panics.
#[test]
fn a_request_with_one_wrong_byte_gets_a_response() {
    for position in 0..REQUEST.len() {
        let mut bytes = REQUEST.as_bytes().to_vec();
        for byte in 0..=255 {
            bytes[position] = byte;
            match Request::decode(&bytes, &HeadLimits::default()) {
                // A byte of the last line end is missing.
                Ok(None) => assert!(position >= REQUEST.len() - 4, "{position} {byte}"),
                Ok(Some((request, _))) => match Upgrade::from_request(&request) {
                    Ok(upgrade) => assert!(upgrade.accept(&AcceptOptions::new()).is_ok()),
                    Err(rejection) => {
                        let status = rejection.response().status();
                        assert!([400, 405, 426].contains(&status), "{position} {byte}");
                    }
                },
                Err(error) => assert!([400, 505].contains(&error.status()), "{position} {byte}"),
            }
        }
    }
}

// proves 6455-4.2.1-2, 6455-4.2.2-10, 6455-4.3-10, 6455-4.4-3, 6455-11.3.5-1
#[test]
fn each_rejection_has_the_expected_bytes() {
    const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\n";
    const CLOSE: &str = "Connection: close\r\n";
    let upgrade = format!(
        "{TEXT}Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
    );
    let plain = format!("{CLOSE}{TEXT}");
    let bad = || ("400 Bad Request", plain.clone());
    let cases = [
        (with("Host: server.example.com\r\n", ""), bad()),
        (with("server.example.com", "a b"), bad()),
        (with_line("Host: h"), bad()),
        (with_line("Origin: http://h"), bad()),
        (with("Upgrade: websocket\r\n", ""), ("426 Upgrade Required", upgrade.clone())),
        (with("Connection: Upgrade\r\n", ""), ("426 Upgrade Required", upgrade.clone())),
        (with("Version: 13", "Version: 25"), ("426 Upgrade Required", upgrade)),
        (with(VERSION_LINE, ""), bad()),
        (with_line("Sec-WebSocket-Version: 13"), bad()),
        (with("GET ", "POST "), ("405 Method Not Allowed", format!("{plain}Allow: GET\r\n"))),
        (with_line("Content-Length: 1"), bad()),
        (with_line("Transfer-Encoding: chunked"), bad()),
        (with(KEY_LINE, ""), bad()),
        (with(KEY_LINE, "Sec-WebSocket-Key: abc\r\n"), bad()),
        (with_line(KEY_LINE.trim_end()), bad()),
        (with("chat, superchat", "a b"), bad()),
        (with_line("Sec-WebSocket-Extensions: ;"), bad()),
        (with(" HTTP/1.1", ""), bad()),
        (with("/chat", "*"), bad()),
        (with("Host:", "Host"), bad()),
        (with("Host:", "Host :"), bad()),
        (with("Host: ", "Host:\r\n "), bad()),
        (with("Host: ", "Host: \x08"), bad()),
        (with("\r\n", "\n"), bad()),
        (with("HTTP/1.1", "HTTP/1.0"), ("505 HTTP Version Not Supported", plain.clone())),
        (with("/chat", &"/".repeat(9000)), ("414 URI Too Long", plain.clone())),
        (
            with_line(&format!("X: {}", "x".repeat(17_000))),
            ("431 Request Header Fields Too Large", plain.clone()),
        ),
        (
            with_line("X: y\r\n".repeat(94).trim_end()),
            ("431 Request Header Fields Too Large", plain.clone()),
        ),
    ];
    for (request, (status, fields)) in cases {
        let rejection = rejected(&request);
        let body = format!("{}\n", rejection.error());
        let len = format!("Content-Length: {}\r\n", body.len());
        let text = format!("HTTP/1.1 {status}\r\n{len}{fields}\r\n{body}");
        assert_eq!(encoded(rejection.response()), text, "{}", shown(request.as_bytes()));
    }
    let rejection = answer(REQUEST, &AcceptOptions::new().subprotocol("foo")).unwrap_err();
    let (status, body) = ("500 Internal Server Error", "the server's response is invalid\n");
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 33\r\n{plain}\r\n{body}");
    assert_eq!(encoded(rejection.response()), text);
}

/// Too many fields are refused, even if others are missing (CVE-2024-37890).
#[test]
fn a_hundred_fields_are_served_and_one_more_is_not() {
    let with_fields = |line: &str, count: usize| {
        let text = with(line, "");
        let missing = count - text.matches("\r\n").count() + 2;
        text.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(missing)))
    };
    assert_eq!(decoded(&with_fields("Origin: http://example.com\r\n", 100)).headers().len(), 100);
    accepted(with_fields("Origin: http://example.com\r\n", 100));
    let error = HandshakeError::Http(HttpError::TooManyFields { limit: 100 });
    for line in ["Origin: http://example.com\r\n", "Upgrade: websocket\r\n", KEY_LINE] {
        assert_rejected(with_fields(line, 101), 431, &error);
    }
    let without = with_fields("Upgrade: websocket\r\n", 100);
    assert_rejected(without, 426, &HandshakeError::NoUpgrade);
}

/// All values within the limits are processed in linear time (CVE-2021-32640).
#[test]
fn long_values_of_the_other_fields_are_checked() {
    const LEN: usize = 64 << 10;
    let limits = HeadLimits::new().max_len(1 << 20);
    let error_of = |text: &str| {
        let (request, _) = Request::decode(text.as_bytes(), &limits).unwrap().unwrap();
        Upgrade::from_request(&request).err().map(Rejection::into_error)
    };
    for filler in [" ", "\t", ",", ";", " ,", " ;", ";,", "\""] {
        let filler = filler.repeat(LEN);
        let is_list = !filler.contains([';', '"']);
        let malformed = HandshakeError::Extensions(ExtensionSyntaxError);
        let text = with_line(&format!("Sec-WebSocket-Extensions: {filler}"));
        assert!(error_of(&text).as_ref() == Some(&malformed));
        let text = with_line(&format!("Sec-WebSocket-Extensions: a{filler},b"));
        assert!(error_of(&text) == (!is_list).then_some(malformed));

        let malformed = HandshakeError::Invalid("Sec-WebSocket-Protocol");
        let text = with("chat, superchat", &format!("a{filler},b"));
        assert!(error_of(&text) == (!is_list).then_some(malformed));

        let text = with("Connection: Upgrade", &format!("Connection: a{filler},Upgrade"));
        assert!(error_of(&text).is_none());
        let text = with("Upgrade: websocket", &format!("Upgrade: a{filler},websocket"));
        assert!(error_of(&text).is_none());
        let text = with("dGhl", &format!("dGhl{filler}"));
        assert!(error_of(&text) == Some(HandshakeError::Invalid("Sec-WebSocket-Key")));
        let text = with("server.example.com", &format!("h{filler}h"));
        let is_name = filler.starts_with(';') && !filler.contains(',');
        assert!(
            error_of(&text) == (!is_name).then_some(HandshakeError::Invalid("Host")),
            "{:?}",
            &filler[..2]
        );
    }
}

// proves 6455-4.2.1-14, 6455-9.1-1
#[test]
fn extensions_with_odd_names_are_ignored() {
    for name in ["constructor", "__proto__", "toString", "hasOwnProperty", "length", "0"] {
        let text = with_line(&format!("sec-websocket-EXTENSIONS: \t{name}; {name}={name} "));
        let request = decoded(&text);
        let upgrade = Upgrade::from_request(&request).unwrap();
        assert_eq!(upgrade.extensions().len(), 1);
        assert_eq!(upgrade.extensions()[0].name, name);
        accepted(text);
    }
}

// proves 6455-4.2.1-5, 6455-4.2.1-6
#[test]
fn an_absolute_target_names_the_host_but_does_not_replace_the_host_field() {
    for target in ["http://other/chat?x", "https://other:81/chat?x", "HTTP://OTHER/chat?x"] {
        let request = decoded(&with("/chat", target));
        let upgrade = Upgrade::from_request(&request).unwrap();
        assert_eq!((upgrade.request().path(), upgrade.request().query()), ("/chat", Some("x")));
        assert_ne!(upgrade.request().host(), Some("server.example.com"));
        let without = with("/chat", target).replace("Host: server.example.com\r\n", "");
        assert_rejected(without, 400, &HandshakeError::Missing("Host"));
    }
}

/// The response reports the first rule that the request breaks.
#[test]
fn the_rules_are_checked_in_a_fixed_order() {
    use HandshakeError::{Invalid, Missing};
    let body = "Transfer-Encoding: chunked\r\n";
    let protocol = "Sec-WebSocket-Protocol: ;\r\n";
    let mut fields = format!("{body}{protocol}Sec-WebSocket-Extensions: ;\r\n");
    // Each step corrects the fault of the previous one.
    let steps = [
        ("", "", 400, Missing("Host")),
        ("Host: h\r\n", "", 426, HandshakeError::NoUpgrade),
        ("Upgrade: websocket\r\nConnection: Upgrade\r\n", "", 400, HandshakeError::Body),
        ("", body, 400, Missing("Sec-WebSocket-Version")),
        (VERSION_LINE, "", 400, Missing("Sec-WebSocket-Key")),
        (KEY_LINE, "", 400, Invalid("Sec-WebSocket-Protocol")),
        ("", protocol, 400, HandshakeError::Extensions(ExtensionSyntaxError)),
    ];
    for (added, removed, status, error) in steps {
        fields = fields.replace(removed, "") + added;
        assert_rejected(format!("GET / HTTP/1.1\r\n{fields}\r\n"), status, &error);
    }
}

/// Fields that get further than random ones.
fn field() -> impl Strategy<Value = String> {
    let names = &[
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Origin",
        "Content-Length",
        "Transfer-Encoding",
    ];
    let values = &[
        "",
        "h",
        "websocket",
        "Upgrade",
        "keep-alive, upgrade",
        "dGhlIHNhbXBsZSBub25jZQ==",
        "13",
        "0",
        "chat, superchat",
        "foo; a=\"1\", bar",
        ",",
        ";",
    ];
    let value = prop_oneof![
        3 => prop::sample::select(&values[..]).prop_map(ToOwned::to_owned),
        1 => "[ -~é\t]{0,12}",
    ];
    (prop::sample::select(&names[..]), value)
        .prop_map(|(name, value)| format!("{name}: {value}\r\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    // proves 6455-4.2.1-2, 6455-4.2.2-21, 6455-4.2.2-26
    #[test]
    fn any_request_gets_a_response(
        removed in vec(0..8_usize, 0..3),
        added in vec((0..9_usize, field()), 0..3),
        method in prop_oneof![9 => Just("GET"), 1 => Just("POST")],
    ) {
        let (_, fields) = REQUEST.trim_end().split_once("\r\n").unwrap();
        let mut fields: Vec<_> = fields.split("\r\n").map(|field| format!("{field}\r\n")).collect();
        for index in removed {
            fields.remove(index % fields.len());
        }
        for (index, field) in added {
            fields.insert(index % (fields.len() + 1), field);
        }
        let request = format!("{method} /chat HTTP/1.1\r\n{}\r\n", fields.concat());
        let (response, is_open) = match answer(&request, &AcceptOptions::new()) {
            Ok(response) => (response, true),
            Err(rejection) => (rejection.response().clone(), false),
        };
        prop_assert_eq!(is_open, response.status() == 101);
        prop_assert!([101, 400, 405, 426].contains(&response.status()));
        let mut bytes = Vec::new();
        response.encode(&mut bytes);
        let (read, len) = Response::decode(&bytes, &HeadLimits::default()).unwrap().unwrap();
        prop_assert_eq!(read.status(), response.status());
        prop_assert_eq!(&bytes[len..], if is_open { b"" } else { response.body() });
        prop_assert_eq!(read.headers().has_token("Connection", "close"), !is_open);
        let request = decoded(&request);
        if is_open {
            prop_assert!(is_upgrade_request(&request));
            for name in ["Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
                prop_assert!(request.headers().single(name).unwrap().is_some());
            }
            let accept = read.headers().single("Sec-WebSocket-Accept").unwrap().unwrap();
            let digits = accept.strip_suffix('=').unwrap();
            prop_assert_eq!(digits.len(), 27);
            prop_assert!(digits.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b)));
            for name in ["Content-Length", "Transfer-Encoding"] {
                prop_assert_eq!(read.headers().get(name), None);
            }
        }
    }

    #[test]
    fn only_offered_subprotocols_are_selected(
        offered in vec("[a-c]", 0..4),
        supported in vec("[a-c]", 0..4),
    ) {
        let line = match &offered[..] {
            [] => String::new(),
            names => format!("Sec-WebSocket-Protocol: {}\r\n", names.join(",")),
        };
        let request = decoded(&with(PROTOCOL_LINE, &line));
        let upgrade = Upgrade::from_request(&request).unwrap();
        let selected = upgrade.select_subprotocol(&supported);
        let expected = supported.iter().find(|name| offered.contains(name));
        prop_assert_eq!(selected, expected.map(String::as_str));
    }
}
