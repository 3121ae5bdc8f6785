//! Tests the client side of the opening handshake (§4.1): its request, and the responses that it
//! accepts.

use std::error::Error as _;

use proptest::collection::vec;
use proptest::prelude::*;
use tightwire::handshake::{
    AcceptOptions, ClientHandshake, Extension, ExtensionSyntaxError, HandshakeError, HeadLimits,
    HttpError, InvalidHeader, Key, Negotiated, Offer, RepeatedHeader, Request, Response, Upgrade,
    Uri, accept_value,
};

const SAMPLE_KEY: Key = Key::new(*b"the sample nonce");
const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The response to a handshake that offers nothing.
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn offer(subprotocols: &[&str]) -> Offer {
    Offer::new().subprotocols(subprotocols.iter().copied())
}

fn offer_with_header(name: &str, value: &str) -> Offer {
    Offer::new().header(name, value)
}

fn offer_extensions(extensions: impl Into<Vec<Extension>>) -> Offer {
    Offer::new().extensions(extensions.into())
}

fn handshake(uri: &str, offer: &Offer) -> Result<ClientHandshake, HandshakeError> {
    ClientHandshake::new(&uri.parse::<Uri>().unwrap(), offer, SAMPLE_KEY)
}

fn request_text(uri: &str, offer: &Offer) -> String {
    let mut bytes = Vec::new();
    handshake(uri, offer).unwrap().encode(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// Returns the request as a server decodes it.
fn request(uri: &str, offer: &Offer) -> Request {
    let text = request_text(uri, offer);
    let (request, len) = Request::decode(text.as_bytes(), &HeadLimits::default()).unwrap().unwrap();
    assert_eq!(len, text.len(), "nothing follows the head");
    request
}

#[track_caller]
fn verify(offer: &Offer, answer: impl AsRef<[u8]>) -> Result<Negotiated, HandshakeError> {
    let handshake = handshake("ws://server.example.com/chat", offer).unwrap();
    let (response, _) =
        Response::decode(answer.as_ref(), &HeadLimits::default())?.expect("a whole head");
    handshake.verify(&response)
}

/// Returns the valid response with one part replaced.
fn answer_with(line: &str, other: &str) -> String {
    assert!(ANSWER.contains(line));
    ANSWER.replace(line, other)
}

// proves 6455-4.1-21, 6455-4.1-22, 6455-4.1-23, 6455-4.1-24, 6455-4.1-25, 6455-4.1-34, 6455-4.1-39
#[test]
fn the_request_matches_the_sample_of_the_rfc() {
    let offer = offer(&["chat", "superchat"]).origin("http://example.com");
    let text = "GET /chat HTTP/1.1\r\n\
        Host: server.example.com\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(request_text("ws://server.example.com/chat", &offer), text);
}

// proves 6455-4.1-26, 6455-4.1-27, 6455-4.1-28, 6455-4.1-29, 6455-4.1-30, 6455-4.1-36, 6455-4.1-37
#[test]
fn each_field_of_the_handshake_is_sent_once() {
    let plain = request("ws://h/", &Offer::new());
    let expected = [
        ("Host", "h"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    assert_eq!(plain.headers().iter().collect::<Vec<_>>(), expected);
}

// proves 6455-4.1-38, 6455-4.1-42, 6455-4.1-43
#[test]
fn options_that_are_not_set_send_no_field() {
    let plain = request("ws://h/", &Offer::new());
    for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "Authorization"] {
        assert_eq!(plain.headers().get(name), None, "{name}");
    }
}

// proves 6455-4.1-2, 6455-4.1-24, 6455-4.1-25, 6455-3-7
#[test]
fn the_uri_determines_target_and_host() {
    let cases = [
        ("ws://h", "GET / HTTP/1.1\r\nHost: h\r\n"),
        ("ws://h/chat?x=1", "GET /chat?x=1 HTTP/1.1\r\nHost: h\r\n"),
        ("ws://h?x=1", "GET /?x=1 HTTP/1.1\r\nHost: h\r\n"),
        ("ws://h:8080/", "GET / HTTP/1.1\r\nHost: h:8080\r\n"),
        ("ws://h:80/", "GET / HTTP/1.1\r\nHost: h\r\n"),
        ("wss://h:443/", "GET / HTTP/1.1\r\nHost: h\r\n"),
        ("wss://h:80/", "GET / HTTP/1.1\r\nHost: h:80\r\n"),
        ("ws://[::1]:81/", "GET / HTTP/1.1\r\nHost: [::1]:81\r\n"),
        ("ws://h/a%23b", "GET /a%23b HTTP/1.1\r\nHost: h\r\n"),
    ];
    for (uri, start) in cases {
        let text = request_text(uri, &Offer::new());
        assert!(text.starts_with(start), "{uri}: {text}");
    }
}

// proves 6455-4.1-31
#[test]
fn the_key_is_16_bytes_in_base64() {
    assert_eq!(SAMPLE_KEY.encoded(), "dGhlIHNhbXBsZSBub25jZQ==");
    let counting = Key::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(counting.encoded(), "AQIDBAUGBwgJCgsMDQ4PEA==");
    for byte in 0..=255 {
        let encoded = Key::new([byte; 16]).encoded();
        assert!(encoded.len() == 24 && encoded.ends_with("=="), "{encoded}");
        assert!(matches!(encoded.as_bytes()[21], b'A' | b'Q' | b'g' | b'w'), "{encoded}");
    }
}

// proves 6455-11.3.1-1
#[test]
fn the_request_has_the_key_of_the_handshake_once() {
    let uri: Uri = "ws://h/".parse().unwrap();
    for (nonce, key) in [(1, "AQEBAQEBAQEBAQEBAQEBAQ=="), (2, "AgICAgICAgICAgICAgICAg==")] {
        let handshake = ClientHandshake::new(&uri, &Offer::new(), Key::new([nonce; 16])).unwrap();
        let keys: Vec<_> = handshake.request().headers().get_all("Sec-WebSocket-Key").collect();
        assert_eq!(keys, [key]);
    }
}

// proves 6455-4.2.2-25, 6455-4.2.2-26, 6455-4.2.2-9
#[test]
fn the_accept_value_is_the_hash_of_the_encoded_key() {
    assert_eq!(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    for nonce in 0..=255 {
        let value = accept_value(&Key::new([nonce; 16]).encoded());
        let digits = value.strip_suffix('=').unwrap();
        assert_eq!(digits.len(), 27, "{value}");
        assert!(digits.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b)));
    }
}

// proves 6455-4.1-39, 6455-4.1-40, 6455-4.1-41
#[test]
fn subprotocols_must_be_distinct_tokens_and_keep_their_order() {
    let cases: &[(&[&str], &str)] = &[
        (&["chat"], "chat"),
        (&["superchat", "chat"], "superchat, chat"),
        (&["chat", "Chat"], "chat, Chat"),
        (
            &["v2.bookings.example.net", "!#$%&'*+-.^_`|~"],
            "v2.bookings.example.net, !#$%&'*+-.^_`|~",
        ),
    ];
    for &(names, value) in cases {
        let request = request("ws://h/", &offer(names));
        assert_eq!(request.headers().single("Sec-WebSocket-Protocol"), Ok(Some(value)));
    }
    let no_tokens = [
        "",
        " ",
        "a b",
        " a",
        "a,b",
        ",",
        "a/b",
        "a(b",
        "a)",
        "a\"",
        "a;b",
        "a=b",
        "a@b",
        "a\\b",
        "[a]",
        "{a}",
        "<a>",
        "a:b",
        "a?",
        "a\r\nX: y",
        "a\0",
        "a\t",
        "a\x7f",
        "\u{e9}",
        "\u{20ac}",
    ];
    for name in no_tokens {
        let error = handshake("ws://h/", &offer(&["good", name])).unwrap_err();
        assert_eq!(error, HandshakeError::Subprotocol(name.to_owned()));
    }
    let error = handshake("ws://h/", &offer(&["a", "chat", "b", "chat"])).unwrap_err();
    assert_eq!(error, HandshakeError::RepeatedSubprotocol("chat".to_owned()));
}

// proves 6455-4.1-43, 6455-9-1, 6455-9.1-1
#[test]
fn extensions_are_offered_in_the_grammar_of_section_9_1() {
    let mut foo = Extension::new("foo");
    foo.params.push(("a".to_owned(), Some("1".to_owned())));
    foo.params.push(("b".to_owned(), None));
    let request = request("ws://h/", &offer_extensions([foo, Extension::new("bar")]));
    let value = request.headers().single("sec-websocket-extensions");
    assert_eq!(value, Ok(Some("foo; a=1; b, bar")));

    let with_param = |name: &str, value: Option<&str>| {
        let mut extension = Extension::new("foo");
        extension.params.push((name.to_owned(), value.map(ToOwned::to_owned)));
        extension
    };
    let malformed = [
        Extension::new(""),
        Extension::new("foo bar"),
        Extension::new("foo, bar"),
        Extension::new("foo; bar"),
        Extension::new(" foo"),
        Extension::new("foo\r\nX: y"),
        Extension::new("\u{e9}"),
        with_param("", None),
        with_param("a=b", None),
        with_param("a; b", None),
        with_param("a", Some("")),
        with_param("a", Some("1, bar")),
        with_param("a", Some("1; b")),
        with_param("a", Some("\"1\"")),
        with_param("a", Some("1\r\nX: y")),
        with_param("a", Some("\u{e9}")),
    ];
    for extension in malformed {
        let case = format!("{extension:?}");
        let offer = offer_extensions([Extension::new("good"), extension]);
        let error = handshake("ws://h/", &offer).unwrap_err();
        assert_eq!(error, HandshakeError::Extensions(ExtensionSyntaxError), "{case}");
    }
}

// proves 6455-4.1-44
#[test]
fn fields_of_the_caller_are_sent_but_cannot_replace_those_of_the_handshake() {
    let offer =
        offer_with_header("Cookie", "a=b").header("Cookie", "c=d").header("User-Agent", "test");
    let request = request("ws://h/", &offer);
    assert_eq!(request.headers().get_all("Cookie").collect::<Vec<_>>(), ["a=b", "c=d"]);
    assert_eq!(request.headers().len(), 8);

    let owned = [
        "Host",
        "host",
        "Upgrade",
        "CONNECTION",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Whatever",
    ];
    for name in owned {
        let error = handshake("ws://h/", &offer_with_header(name, "x")).unwrap_err();
        assert_eq!(error, HandshakeError::OwnedHeader(name.to_owned()));
        assert!(error.to_string().contains(name));
    }
}

// proves 6455-4.1-34, 6455-4.1-44
#[test]
fn the_origin_is_sent_once_and_unchanged() {
    let with_field = offer_with_header("Origin", "http://field");
    let sent = request("ws://h/", &with_field);
    assert_eq!(sent.headers().single("Origin"), Ok(Some("http://field")));

    let both = with_field.origin("http://origin");
    let error = handshake("ws://h/", &both).unwrap_err();
    assert_eq!(error, HandshakeError::OwnedHeader("Origin".to_owned()));

    for origin in ["null", "HTTP://Example.com:81"] {
        let offer = Offer::new().origin(origin);
        let sent = request("ws://h/", &offer);
        assert_eq!(sent.headers().single("Origin"), Ok(Some(origin)));
    }
    for origin in ["http://h\r\nX: y", "a\0", "\n"] {
        let offer = Offer::new().origin(origin);
        let error = handshake("ws://h/", &offer).unwrap_err();
        let invalid = InvalidHeader::Value { name: "Origin".to_owned() };
        assert_eq!(error, HandshakeError::Header(invalid));
        assert!(error.source().is_none(), "it prints itself");
    }
}

#[test]
fn authorization_comes_from_the_uri_unless_the_caller_has_one() {
    let from_uri = request("ws://Aladdin:open%20sesame@h/", &Offer::new());
    let expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(from_uri.headers().single("Authorization"), Ok(Some(expected)));
    assert_eq!(from_uri.headers().get("Host"), Some("h"));
    assert_eq!(from_uri.target(), "/");

    let own = request("ws://u:p@h/", &offer_with_header("authorization", "Bearer x"));
    assert_eq!(own.headers().single("Authorization"), Ok(Some("Bearer x")));
}

// proves 6455-4.1-46, 6455-4.1-50, 6455-4.1-58
#[test]
fn the_sample_of_the_rfc_is_accepted() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\n\r\n";
    let negotiated = verify(&offer(&["chat", "superchat"]), answer).unwrap();
    assert_eq!(negotiated.subprotocol.as_deref(), Some("chat"));
    assert_eq!(negotiated.extensions, []);
    assert_eq!(verify(&Offer::new(), ANSWER), Ok(Negotiated::default()));
}

// proves 6455-4.1-48, 6455-4.1-49, 6455-4.1-51, 6455-4.1-55, 6455-2.1-2
#[test]
fn case_white_space_and_other_fields_do_not_matter() {
    let lines = [
        ("Upgrade: websocket", "upgrade:WebSocket"),
        ("Upgrade: websocket", "UPGRADE: \t WEBSOCKET \t"),
        ("Connection: Upgrade", "connection: keep-alive, UPGRADE"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: ,upgrade"),
        (ACCEPT, "Sec-WebSocket-Accept: \t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "),
        (ACCEPT, "SEC-WEBSOCKET-ACCEPT:s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        (" Switching Protocols", " Whatever"),
        (" Switching Protocols", " "),
        (" Switching Protocols", ""),
        ("HTTP/1.1", "HTTP/1.2"),
        (ACCEPT, &format!("Set-Cookie: a=b\r\nX: \u{e9}\r\n{ACCEPT}")),
    ];
    for (line, other) in lines {
        let answer = answer_with(line, other);
        assert_eq!(verify(&Offer::new(), &answer), Ok(Negotiated::default()), "{answer}");
    }
    assert_eq!(
        verify(
            &Offer::new(),
            ANSWER
                .to_ascii_lowercase()
                .replace("http/", "HTTP/")
                .replace("s3pplmbitxaq9kygzzhzrbk+xoo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        ),
        Ok(Negotiated::default())
    );
}

// proves 6455-4.1-48, 6455-4.1-49, 6455-2.1-2
#[test]
fn a_response_must_upgrade_to_websocket_only() {
    use HandshakeError::{Invalid, Missing, Repeated};
    let cases = [
        ("Upgrade: websocket\r\n", "", Missing("Upgrade")),
        ("Upgrade: websocket", "Upgrade:", Invalid("Upgrade")),
        ("Upgrade: websocket", "Upgrade: foo", Invalid("Upgrade")),
        ("Upgrade: websocket", "Upgrade: websocket2", Invalid("Upgrade")),
        ("Upgrade: websocket", "Upgrade: websocket/13", Invalid("Upgrade")),
        ("Upgrade: websocket", "Upgrade: h2c, websocket", Invalid("Upgrade")),
        ("Upgrade: websocket", "Upgrade: websocket,", Invalid("Upgrade")),
        ("Upgrade: websocket", "Upgrade: web\u{17f}ocket", Invalid("Upgrade")),
        ("Upgrade: websocket", "Upgrade: websoc\u{212a}et", Invalid("Upgrade")),
        (
            "Upgrade: websocket",
            "Upgrade: websocket\r\nUpgrade: websocket",
            Repeated(RepeatedHeader { name: "Upgrade" }),
        ),
        ("Connection: Upgrade\r\n", "", Missing("Connection")),
        ("Connection: Upgrade", "Connection:", Invalid("Connection")),
        ("Connection: Upgrade", "Connection: close", Invalid("Connection")),
        ("Connection: Upgrade", "Connection: noupgradeplease", Invalid("Connection")),
        ("Connection: Upgrade", "Connection: upgrade x", Invalid("Connection")),
    ];
    for (line, other, error) in cases {
        assert_eq!(verify(&Offer::new(), answer_with(line, other)), Err(error), "{other:?}");
    }
}

// proves 6455-4.1-50, 6455-4.1-54, 6455-4.3-8, 6455-11.3.3-1
#[test]
fn only_the_right_accept_value_is_accepted() {
    const NAME: &str = "Sec-WebSocket-Accept";
    let missing = answer_with(&format!("{ACCEPT}\r\n"), "");
    assert_eq!(verify(&Offer::new(), missing), Err(HandshakeError::Missing(NAME)));
    let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let wrong = [
        String::new(),
        right[..27].to_owned(),
        format!("{right}="),
        format!("{right}AAAA"),
        format!("{right}, {right}"),
        format!("\"{right}\""),
        right.replace('k', "K"),
        right.to_ascii_lowercase(),
        right.replace("+xOo", "+xOp"),
        right.replace('+', "-"),
        // The key itself, and the hash of the GUID alone.
        "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
        accept_value(""),
        "TOTALLYWRONG".to_owned(),
        "A".repeat(28),
        "A".repeat(10_000),
        "\u{e9}".repeat(14),
    ];
    for value in wrong {
        let answer = answer_with(ACCEPT, &format!("{NAME}: {value}"));
        let result = verify(&Offer::new(), answer);
        assert_eq!(result, Err(HandshakeError::Invalid(NAME)), "{value}");
    }
    let twice = answer_with(ACCEPT, &format!("{ACCEPT}\r\n{ACCEPT}"));
    let error = HandshakeError::Repeated(RepeatedHeader { name: NAME });
    assert_eq!(verify(&Offer::new(), twice), Err(error));
}

// proves 6455-4.1-53, 6455-4.1-54, 6455-4.1-58, 6455-4.3-9, 6455-11.3.4-2
#[test]
fn only_a_single_offered_subprotocol_is_accepted() {
    let answer =
        |value: &str| answer_with(ACCEPT, &format!("{ACCEPT}\r\nSec-WebSocket-Protocol: {value}"));
    let unoffered = |name: &str| Err(HandshakeError::UnofferedSubprotocol(name.to_owned()));
    let (none, both) = (Offer::new(), offer(&["chat", "superchat"]));
    assert_eq!(verify(&none, answer("chat")), unoffered("chat"));
    assert_eq!(verify(&offer(&["chat"]), answer("superchat")), unoffered("superchat"));
    for value in ["", "CHAT", "chat, superchat", "chat,", "\"chat\"", "chat chat", "cha", "chatt"] {
        assert_eq!(verify(&both, answer(value)), unoffered(value));
    }
    assert_eq!(verify(&none, answer("")), unoffered(""));
    let twice = answer("chat\r\nSec-WebSocket-Protocol: chat");
    let error = HandshakeError::Repeated(RepeatedHeader { name: "Sec-WebSocket-Protocol" });
    assert_eq!(verify(&both, twice), Err(error));

    for name in ["chat", "superchat"] {
        let negotiated = verify(&both, answer(name)).unwrap();
        assert_eq!(negotiated.subprotocol.as_deref(), Some(name));
    }
    assert_eq!(verify(&both, ANSWER), Ok(Negotiated::default()));
}

// proves 6455-4.1-52, 6455-4.1-57, 6455-4.2.2-28, 6455-9.1-12, 6455-11.3.2-2
#[test]
fn only_offered_extensions_are_accepted() {
    let answer = |values: &[&str]| {
        let lines: Vec<_> =
            values.iter().map(|v| format!("Sec-WebSocket-Extensions: {v}\r\n")).collect();
        answer_with(&format!("{ACCEPT}\r\n"), &format!("{ACCEPT}\r\n{}", lines.concat()))
    };
    let unoffered = |name: &str| Err(HandshakeError::UnofferedExtension(name.to_owned()));
    let deflate = offer_extensions([Extension::new("permessage-deflate")]);
    let both = offer_extensions([Extension::new("foo"), Extension::new("bar")]);
    let none = Offer::new();
    assert_eq!(verify(&none, answer(&["permessage-deflate"])), unoffered("permessage-deflate"));
    assert_eq!(verify(&deflate, answer(&["foo"])), unoffered("foo"));
    assert_eq!(verify(&deflate, answer(&["permessage-deflate, foo"])), unoffered("foo"));
    assert_eq!(verify(&deflate, answer(&["permessage-deflate", "foo"])), unoffered("foo"));
    assert_eq!(verify(&both, answer(&["Foo"])), unoffered("Foo"));

    let negotiated = verify(&both, answer(&["bar; baz=\"2\"", "foo"])).unwrap();
    assert_eq!(negotiated, verify(&both, answer(&["bar; baz=2, foo"])).unwrap());
    let printed: Vec<_> = negotiated.extensions.iter().map(ToString::to_string).collect();
    assert_eq!(printed, ["bar; baz=2", "foo"]);
    assert_eq!(verify(&both, ANSWER).unwrap().extensions, []);
}

// proves 6455-9.1-2, 6455-4.3-7
#[test]
fn malformed_extensions_fail_the_handshake() {
    let offer = offer_extensions([Extension::new("foo")]);
    for value in ["foo;;", "foo; =1", "foo bar", "", ",", "foo=1", "foo; a=\"", "\u{e9}"] {
        let line = format!("{ACCEPT}\r\nSec-WebSocket-Extensions: {value}");
        let error = verify(&offer, answer_with(ACCEPT, &line)).unwrap_err();
        assert_eq!(error, HandshakeError::Extensions(ExtensionSyntaxError), "{value:?}");
        assert!(error.source().is_none(), "it prints itself");
    }
}

// proves 6455-4.1-47, 6455-4.3-10, 6455-11.3.5-2
#[test]
fn any_other_status_is_a_refusal_with_the_response() {
    let rest = ANSWER.split_once("\r\n").unwrap().1;
    for status in [100, 102, 200, 204, 301, 302, 400, 401, 404, 426, 500, 503, 999] {
        // The other parts of a valid response make no difference.
        let error = verify(&Offer::new(), format!("HTTP/1.1 {status} X\r\n{rest}")).unwrap_err();
        let HandshakeError::Refused(response) = &error else { panic!("{error:?}") };
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().get("Upgrade"), Some("websocket"));
        assert!(error.to_string().contains(&status.to_string()));
    }
    let error = verify(
        &Offer::new(),
        "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8, 7\r\n\
         Location: /there\r\n\r\n",
    )
    .unwrap_err();
    assert!(error.to_string().contains("/there"));
    let HandshakeError::Refused(response) = error else { panic!("{error:?}") };
    for version in ["13", "8", "7"] {
        assert!(response.headers().has_token("Sec-WebSocket-Version", version));
    }
    assert!(!response.headers().has_token("Sec-WebSocket-Version", "1"));
}

// proves 6455-4.1-54
#[test]
fn invalid_http_fails_the_handshake() {
    let cases = [
        ("HTTP/1.1 101", "HTTP/1.0 101", HttpError::Version),
        ("HTTP/1.1 101", "HTTP/1.1 1x1", HttpError::StartLine),
        ("Upgrade: websocket", "Upgrade websocket", HttpError::Field),
        ("Upgrade: websocket", "Upgrade : websocket", HttpError::Field),
        ("Upgrade: websocket", "Upgrade:\r\n websocket", HttpError::Folded),
        ("websocket\r\n", "websocket\n", HttpError::LineEnd),
    ];
    for (line, other, error) in cases {
        let failed = verify(&Offer::new(), answer_with(line, other)).unwrap_err();
        assert_eq!(failed, HandshakeError::Http(error), "{other:?}");
        assert!(failed.source().is_none(), "it prints itself");
    }
}

#[test]
fn each_client_error_has_its_own_text() {
    let errors = [
        HandshakeError::Http(HttpError::StartLine),
        HandshakeError::Missing("Upgrade"),
        HandshakeError::Invalid("Upgrade"),
        HandshakeError::Repeated(RepeatedHeader { name: "Upgrade" }),
        HandshakeError::Extensions(ExtensionSyntaxError),
        HandshakeError::Refused(Box::new(Response::new(404))),
        HandshakeError::UnofferedSubprotocol("name".to_owned()),
        HandshakeError::UnofferedExtension("name".to_owned()),
        HandshakeError::Answered(403),
        HandshakeError::Header(InvalidHeader::Name("na me".to_owned())),
        HandshakeError::OwnedHeader("name".to_owned()),
        HandshakeError::Subprotocol("name".to_owned()),
        HandshakeError::RepeatedSubprotocol("name".to_owned()),
    ];
    let texts: std::collections::BTreeSet<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), errors.len());
}

// proves 6455-4.1-50, 6455-4.2.2-25
#[test]
fn accept_values_match_those_of_other_implementations() {
    // Computed with `hashlib` and `base64` in Python.
    let cases = [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        // The sample of §4.1 as printed, and as intended (erratum 3150).
        ("AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
        ("AQIDBAUGBwgJCgsMDQ4PEA==", "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ("/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
        ("", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w="),
    ];
    for (key, value) in cases {
        assert_eq!(accept_value(key), value, "{key}");
    }
}

#[test]
fn a_location_cannot_write_control_characters_to_a_terminal() {
    let bytes = b"HTTP/1.1 302 Found\r\nLocation: /\x9b2J\xe9\r\n\r\n";
    let error = verify(&Offer::new(), bytes).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("302") && text.contains("2J"), "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

#[test]
fn a_refusal_names_the_target_of_a_redirect_shortened() {
    for status in [301, 302, 303, 307, 308] {
        let head = format!("HTTP/1.1 {status} x\r\nLocation: wss://other.example/chat\r\n\r\n");
        let text = verify(&Offer::new(), head.as_bytes()).unwrap_err().to_string();
        assert!(text.contains(&status.to_string()), "{text}");
        assert!(text.ends_with("redirects to \"wss://other.example/chat\""), "{text}");
    }
    // Each character has two bytes, and the text is cut between characters.
    for (len, shown) in [(200, "\""), (201, "\"..."), (4000, "\"...")] {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", "\u{fc}".repeat(len));
        let text = verify(&Offer::new(), head.as_bytes()).unwrap_err().to_string();
        assert_eq!(text.matches('\u{fc}').count(), 200);
        assert!(text.ends_with(&format!("\u{fc}{shown}")), "{text}");
    }
}

/// All values within the limits are processed in linear time (CVE-2021-32640).
#[test]
fn long_responses_of_separators_are_refused() {
    const LEN: usize = 64 << 10;
    let offer = offer_extensions([Extension::new("foo")]);
    let handshake = handshake("ws://h/", &offer).unwrap();
    for filler in [" ", "\t", ",", ";", "; ", " ,", ",;"] {
        let value = format!("bar{}", filler.repeat(LEN));
        for name in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
            let response = Response::new(101)
                .with_header("Upgrade", "websocket")
                .and_then(|response| response.with_header("Connection", "Upgrade"))
                .and_then(|response| {
                    response.with_header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                })
                .and_then(|response| response.with_header(name, value.clone()))
                .unwrap();
            let error = handshake.verify(&response).unwrap_err();
            let expected = match name {
                "Sec-WebSocket-Protocol" => {
                    HandshakeError::UnofferedSubprotocol(value.trim_end().to_owned())
                }
                _ if filler.contains(';') => HandshakeError::Extensions(ExtensionSyntaxError),
                _ => HandshakeError::UnofferedExtension("bar".to_owned()),
            };
            assert!(error == expected, "{name}: bar{filler:?}...");
        }
    }
}

// proves 6455-4.1-52
#[test]
fn extensions_with_odd_names_are_not_taken_for_offered_ones() {
    for name in ["constructor", "__proto__", "toString", "hasOwnProperty", "length", "0"] {
        for offer in [Offer::new(), offer_extensions([Extension::new("foo")])] {
            let line = format!("{ACCEPT}\r\nSec-WebSocket-Extensions: {name}");
            let error = verify(&offer, answer_with(ACCEPT, &line)).unwrap_err();
            assert_eq!(error, HandshakeError::UnofferedExtension(name.to_owned()));
        }
    }
}

#[test]
fn the_rules_are_checked_in_the_order_of_the_rfc() {
    use HandshakeError::{Invalid, Missing};
    // Each response corrects one fault of the previous one.
    let (upgrade, connection) = ("Upgrade: websocket\r\n", "Connection: Upgrade\r\n");
    let accept = format!("{ACCEPT}\r\n");
    let extensions = "Sec-WebSocket-Extensions: ;\r\n";
    let subprotocol = "Sec-WebSocket-Protocol: chat\r\n";
    let cases = [
        (String::new(), Missing("Upgrade")),
        ("Upgrade: x\r\n".to_owned(), Invalid("Upgrade")),
        (upgrade.to_owned(), Missing("Connection")),
        (format!("{upgrade}Connection: x\r\n"), Invalid("Connection")),
        (format!("{upgrade}{connection}"), Missing("Sec-WebSocket-Accept")),
        (
            format!("{upgrade}{connection}Sec-WebSocket-Accept: x\r\n"),
            Invalid("Sec-WebSocket-Accept"),
        ),
        (
            format!("{upgrade}{connection}{accept}{extensions}"),
            HandshakeError::Extensions(ExtensionSyntaxError),
        ),
        (
            format!("{upgrade}{connection}{accept}"),
            HandshakeError::UnofferedSubprotocol("chat".to_owned()),
        ),
    ];
    for (fields, error) in cases {
        let answer = format!("HTTP/1.1 101 \r\n{subprotocol}{fields}\r\n");
        assert_eq!(verify(&Offer::new(), answer), Err(error), "{fields}");
    }
}

const TOKEN: &str = "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,9}";

fn any_extension() -> impl Strategy<Value = Extension> {
    (TOKEN, vec((TOKEN, prop::option::of(TOKEN)), 0..3)).prop_map(|(name, params)| {
        let mut extension = Extension::new(name);
        extension.params = params;
        extension
    })
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let field = ("X-[A-Za-z0-9]{1,9}", "[!-~é]([ \t!-~é]{0,12}[!-~é])?");
    let origin = prop::option::of("[a-z]{1,5}://[a-z0-9.:]{1,9}");
    (vec(field, 0..4), prop::collection::hash_set(TOKEN, 0..4), origin, vec(any_extension(), 0..3))
        .prop_map(|(fields, subprotocols, origin, extensions)| {
            let offer = Offer::new().subprotocols(subprotocols).extensions(extensions);
            let offer = origin.into_iter().fold(offer, Offer::origin);
            fields.into_iter().fold(offer, |offer, (name, value)| offer.header(name, value))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    // proves 6455-4.1-2, 6455-4.1-21, 6455-4.1-39, 6455-4.1-43, 6455-4.2.2-13, 6455-4.2.2-20
    #[test]
    fn any_offer_arrives_and_its_response_is_accepted(
        offer in any_offer(),
        nonce in any::<[u8; 16]>(),
        resource in "/[a-z0-9?]{0,9}",
        choice in any::<prop::sample::Index>(),
    ) {
        let uri: Uri = format!("ws://server.example.com:81{resource}").parse().unwrap();
        let handshake = ClientHandshake::new(&uri, &offer, Key::new(nonce)).unwrap();
        let mut bytes = Vec::new();
        handshake.encode(&mut bytes);
        let (request, len) = Request::decode(&bytes, &HeadLimits::default()).unwrap().unwrap();
        prop_assert_eq!((&request, len), (handshake.request(), bytes.len()));

        let upgrade = Upgrade::from_request(&request).unwrap();
        prop_assert_eq!(request.target(), uri.resource_name());
        prop_assert_eq!(request.host(), Some("server.example.com:81"));
        prop_assert_eq!(upgrade.subprotocols(), offer.get_subprotocols());
        prop_assert_eq!(upgrade.extensions(), offer.get_extensions());
        prop_assert!(upgrade.origin().as_deref() == offer.get_origin());
        for (name, value) in offer.get_headers() {
            prop_assert!(request.headers().get_all(name).any(|other| other == value));
        }

        let mut accept = AcceptOptions::new();
        if !offer.get_subprotocols().is_empty() {
            accept = accept.subprotocol(choice.get(offer.get_subprotocols()));
        }
        let (response, negotiated) = upgrade.accept(&accept).unwrap();
        let mut bytes = Vec::new();
        response.encode(&mut bytes);
        let (response, len) = Response::decode(&bytes, &HeadLimits::default()).unwrap().unwrap();
        prop_assert_eq!(len, bytes.len());
        prop_assert_eq!(handshake.verify(&response), Ok(negotiated));
        // For another key, the response is invalid.
        let other = ClientHandshake::new(&uri, &offer, Key::new(nonce.map(|byte| !byte))).unwrap();
        prop_assert_eq!(
            other.verify(&response),
            Err(HandshakeError::Invalid("Sec-WebSocket-Accept"))
        );
    }

    #[test]
    fn no_offer_can_inject_a_line(
        subprotocol in any::<String>(),
        origin in any::<String>(),
        name in any::<String>(),
        param in any::<String>(),
        value in prop::option::of(any::<String>()),
    ) {
        let plain = request_text("ws://h/", &Offer::new()).matches(['\r', '\n']).count();
        let with_header = offer_with_header("X-Own", &param);
        let mut extension = Extension::new(name);
        extension.params.push((param, value));
        let with_origin = Offer::new().origin(origin);
        let offers =
            [offer(&[&subprotocol]), with_origin, with_header, offer_extensions([extension])];
        for offer in offers {
            if let Ok(handshake) = handshake("ws://h/", &offer) {
                let mut bytes = Vec::new();
                handshake.encode(&mut bytes);
                let lines = bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
                prop_assert_eq!(lines, plain + 2);
            }
        }
    }

    // proves 6455-4.1-46
    #[test]
    fn no_response_causes_a_panic(
        fields in vec(
            (
                prop::sample::select(&[
                    "Upgrade",
                    "Connection",
                    "Sec-WebSocket-Accept",
                    "Sec-WebSocket-Extensions",
                    "Sec-WebSocket-Protocol",
                ][..]),
                prop_oneof![
                    "[ -~é]{0,20}",
                    Just("websocket".to_owned()),
                    Just("Upgrade".to_owned()),
                    Just("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()),
                    Just("foo".to_owned()),
                ],
            ),
            0..7,
        ),
        status in prop_oneof![9 => Just(101), 1 => 100..999_u16],
    ) {
        let offer = offer_extensions([Extension::new("foo")]).subprotocols(["foo"]);
        let mut response = Response::new(status);
        for (name, value) in &fields {
            response.headers_mut().append(*name, value).unwrap();
        }
        let count = |name| response.headers().get_all(name).count();
        if let Ok(negotiated) = handshake("ws://h/", &offer).unwrap().verify(&response) {
            prop_assert_eq!(status, 101);
            prop_assert_eq!(response.headers().single("Sec-WebSocket-Accept"), Ok(Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
            prop_assert!(count("Upgrade") == 1 && count("Connection") > 0);
            prop_assert_eq!(negotiated.subprotocol.is_some(), count("Sec-WebSocket-Protocol") == 1);
            prop_assert!(negotiated.extensions.iter().all(|extension| extension.name == "foo"));
        }
    }
}

#[test]
fn debug_output_hides_passwords_and_cookies() {
    let uri: Uri = "ws://edna:secret@server.example.com/".parse().unwrap();
    let offer = offer_with_header("cookie", "secret=1").header("User-Agent", "a test");
    let handshake = ClientHandshake::new(&uri, &offer, SAMPLE_KEY).unwrap();
    let mut bytes = Vec::new();
    handshake.encode(&mut bytes);
    let (request, _) = Request::decode(&bytes, &HeadLimits::default()).unwrap().unwrap();
    let basic = uri.authorization().unwrap();
    assert_eq!(request.headers().get("Authorization"), Some(basic.as_str()));
    let response = ANSWER.replace("\r\n\r\n", "\r\nSet-Cookie: secret=1\r\nServer: a test\r\n\r\n");
    let (response, _) =
        Response::decode(response.as_bytes(), &HeadLimits::default()).unwrap().unwrap();
    let client = tightwire::Client::new()
        .header("Authorization", &basic)
        .header("Proxy-Authorization", &basic)
        .header("Cookie", "secret=1")
        .header("User-Agent", "a test");
    for shown in [
        format!("{handshake:?} {offer:?}"),
        format!("{request:?}"),
        format!("{response:?}"),
        format!("{client:?}"),
    ] {
        assert!(shown.contains("a test"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains(basic.as_str()), "{shown}");
    }
}
