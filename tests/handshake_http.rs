//! Tests the heads of HTTP messages: their parsing, their encoding, their limits, and the search
//! for their end in a stream that is cut anywhere.

use proptest::collection::vec;
use proptest::prelude::*;
use tightwire::handshake::{
    HeadLimits, HeadScanner, Headers, HttpError, InvalidHeader, RepeatedHeader, Request, Response,
};

fn limits(max_len: usize, max_fields: usize) -> HeadLimits {
    HeadLimits::new().max_len(max_len).max_fields(max_fields)
}

#[track_caller]
fn decode(bytes: impl AsRef<[u8]>) -> Result<Option<(Request, usize)>, HttpError> {
    let decoded = Request::decode(bytes.as_ref(), &HeadLimits::default());
    assert_scanner_agrees(bytes.as_ref(), &decoded);
    decoded
}

#[track_caller]
fn request(bytes: impl AsRef<[u8]>) -> Request {
    decode(bytes).expect("a valid head").expect("a whole head").0
}

#[track_caller]
fn decode_response(bytes: impl AsRef<[u8]>) -> Result<Option<(Response, usize)>, HttpError> {
    let decoded = Response::decode(bytes.as_ref(), &HeadLimits::default());
    assert_scanner_agrees(bytes.as_ref(), &decoded);
    decoded
}

#[track_caller]
fn response(bytes: impl AsRef<[u8]>) -> Response {
    decode_response(bytes).expect("a valid head").expect("a whole head").0
}

fn encoded(response: &Response) -> String {
    let mut out = Vec::new();
    response.encode(&mut out);
    String::from_utf8(out).unwrap()
}

/// Shows a scanner `bytes` up to each of `ends`, and returns its last result.
fn scan(bytes: &[u8], limits: HeadLimits, ends: &[usize]) -> Result<Option<usize>, HttpError> {
    let mut scanner = HeadScanner::new(limits);
    for &end in ends {
        match scanner.find_end(&bytes[..end]) {
            Ok(None) => {}
            found => return found,
        }
    }
    Ok(None)
}

/// Scans `bytes` for many different cuts, and asserts that the result is always the same.
#[track_caller]
fn scan_every_way(bytes: &[u8], limits: HeadLimits) -> Result<Option<usize>, HttpError> {
    let whole = scan(bytes, limits, &[bytes.len()]);
    for split in 0..=bytes.len() {
        assert_eq!(scan(bytes, limits, &[split, bytes.len()]), whole, "split at {split}");
    }
    let ends: Vec<usize> = (0..=bytes.len()).collect();
    assert_eq!(scan(bytes, limits, &ends), whole, "byte by byte");
    whole
}

/// Asserts that the scanner finds the same end as `decode` for every cut. The scanner checks only
/// lines and sizes. `decode` finds all other faults.
#[track_caller]
fn assert_scanner_agrees<T>(bytes: &[u8], decoded: &Result<Option<(T, usize)>, HttpError>) {
    match scan_every_way(bytes, HeadLimits::default()) {
        Err(error) => assert_eq!(decoded.as_ref().err(), Some(&error)),
        Ok(None) => assert!(matches!(decoded, Ok(None))),
        Ok(Some(len)) => match decoded {
            Ok(Some((_, head_len))) => assert_eq!(len, *head_len),
            Ok(None) => panic!("the scanner found an end at {len}"),
            Err(error) => assert!(
                !matches!(
                    error,
                    HttpError::LineEnd
                        | HttpError::StartLineTooLong { .. }
                        | HttpError::TooLong { .. }
                        | HttpError::TooManyFields { .. }
                ),
                "only the decoder says {error:?}"
            ),
        },
    }
}

const HEADS: &[&str] = &[
    "GET / HTTP/1.1\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\n\r\n",
    "GET /chat?x HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /chat HTTP/1.1\r\nHost:h\r\nA:\r\nB: \t b c \t\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.1 101\r\n\r\n",
    "GET / HTTP/1.1\r\nA: caf\u{e9}\r\n\r\n",
];

// proves 6455-4.2.1-1
#[test]
fn the_end_of_a_head_is_found_for_every_cut() {
    for head in HEADS {
        let len = head.len();
        for rest in ["", "\r\n", "\r", "\n\n\0", "GET / HTTP/1.1\r\n\r\n", "\u{81}\u{85}1234"] {
            let bytes = [head.as_bytes(), rest.as_bytes()].concat();
            assert_eq!(scan_every_way(&bytes, HeadLimits::default()), Ok(Some(len)), "{bytes:?}");
        }
        for end in 0..len {
            let part = &head.as_bytes()[..end];
            assert_eq!(scan_every_way(part, HeadLimits::default()), Ok(None), "{part:?}");
        }
    }
}

#[test]
fn a_partial_head_decodes_to_none() {
    for head in HEADS {
        for end in 0..head.len() {
            let part = &head.as_bytes()[..end];
            assert_eq!(decode(part), Ok(None), "{part:?}");
            assert_eq!(decode_response(part).map(|r| r.is_some()), Ok(false), "{part:?}");
        }
    }
    let bytes = "GET / HTTP/1.1\r\n\r\n\r\nnext";
    assert_eq!(decode(bytes).unwrap().unwrap().1, 18);
    assert_eq!(decode("\r\nGET / HTTP/1.1\r\n\r\n").unwrap().unwrap().1, 20);
    assert_eq!(decode_response("HTTP/1.1 200 OK\r\n\r\nbody").unwrap().unwrap().1, 19);
}

/// With quadratic work, this test would not finish (CVE-2023-43669).
#[test]
fn a_head_in_a_million_pieces_is_scanned_once() {
    const LEN: usize = 1 << 20;
    let mut bytes = b"GET / HTTP/1.1\r\nA: ".to_vec();
    bytes.resize(LEN, b'x');
    let mut scanner = HeadScanner::new(limits(LEN, 100));
    for end in 0..=LEN {
        assert_eq!(scanner.find_end(&bytes[..end]), Ok(None));
    }
    bytes.push(b'x');
    assert_eq!(scanner.find_end(&bytes), Err(HttpError::TooLong { limit: LEN }));
}

#[test]
fn the_scanner_repeats_its_last_result() {
    let bytes = b"GET / HTTP/1.1\r\n\r\nmore\nand \0 more";
    let mut scanner = HeadScanner::new(HeadLimits::default());
    for end in 18..=bytes.len() {
        assert_eq!(scanner.find_end(&bytes[..end]), Ok(Some(18)));
    }
    let bytes = b"GET / HTTP/1.1\nA: b\r\n\r\n";
    let mut scanner = HeadScanner::new(HeadLimits::default());
    for end in 15..=bytes.len() {
        assert_eq!(scanner.find_end(&bytes[..end]), Err(HttpError::LineEnd));
    }
}

// proves 6455-4.2.1-2, 6455-4.2.1-4, 6455-4.1-21
#[test]
fn an_invalid_request_is_refused_with_the_right_error() {
    let in_first_line: &[(HttpError, &[&str])] = &[
        (
            HttpError::StartLine,
            &["hello", "GET", "GET /", "GET / ", "GET HTTP/1.1", "/ HTTP/1.1", " / HTTP/1.1"],
        ),
        (
            HttpError::StartLine,
            &["GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1"],
        ),
        (
            HttpError::StartLine,
            &["GET /a b HTTP/1.1", "G@T / HTTP/1.1", "GET\t/\tHTTP/1.1", "G\u{c9}T / HTTP/1.1"],
        ),
        (
            HttpError::StartLine,
            &["GET / http/1.1", "GET / HTTP/11", "GET / HTTP/1.1.1", "GET / HTTP/1.x"],
        ),
        (
            HttpError::StartLine,
            &["GET / HTTP/", "GET / HTTP/1", "GET / HTTP/1.10", "GET / HTTPS/1.1"],
        ),
        (HttpError::StartLine, &["GET / HTTP/+1.1", "GET / HTTP/1.\u{b9}"]),
        (
            HttpError::Version,
            &["GET / HTTP/1.0", "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/3.1"],
        ),
        (
            HttpError::Target,
            &[
                "GET  HTTP/1.1",
                "GET * HTTP/1.1",
                "GET chat HTTP/1.1",
                "GET h:80 HTTP/1.1",
                "GET ?x HTTP/1.1",
            ],
        ),
        (
            HttpError::Target,
            &["GET ws://h/ HTTP/1.1", "GET ftp://h/ HTTP/1.1", "GET http:/a HTTP/1.1"],
        ),
        (
            HttpError::Target,
            &["GET http:///a HTTP/1.1", "GET http://?a HTTP/1.1", "GET http:// HTTP/1.1"],
        ),
        (
            HttpError::Target,
            &["GET http://u@h/ HTTP/1.1", "GET http://h:x/ HTTP/1.1", "GET http://[::1/ HTTP/1.1"],
        ),
        (
            HttpError::Target,
            &["GET /a#b HTTP/1.1", "GET http://h/#b HTTP/1.1", "GET /caf\u{e9} HTTP/1.1"],
        ),
        (HttpError::Target, &["GET /\x01 HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /a\tb HTTP/1.1"]),
        (HttpError::LineEnd, &["GET / HTTP/1.1\nA: b", "GET /\n HTTP/1.1", "GET /\r HTTP/1.1"]),
        (HttpError::LineEnd, &["\nGET / HTTP/1.1", "\rGET / HTTP/1.1", "GET / HTTP/1.1\r"]),
        (HttpError::StartLine, &["\r\n\r\nGET / HTTP/1.1", "\r\n GET / HTTP/1.1"]),
        (HttpError::Control, &["\0", "GET /\0 HTTP/1.1", "GET / HTTP/1.1\0"]),
    ];
    for &(error, lines) in in_first_line {
        for line in lines {
            let bytes = format!("{line}\r\nHost: h\r\n\r\n");
            assert_eq!(decode(&bytes), Err(error), "{bytes:?}");
        }
    }
    let in_fields: &[(HttpError, &[&str])] = &[
        (
            HttpError::Field,
            &["A", ": b", "A : b", "A\t: b", "A B: c", "A(: b", "\u{c9}: b", "@: b"],
        ),
        (HttpError::Folded, &[" b", "\tb", " A: b", " ", "\t"]),
        (
            HttpError::Control,
            &["A: \x01", "A: b\x7f", "A: \x0b", "A: \x1b[0m", "A: b\0c", "A\0: b"],
        ),
        (HttpError::Field, &["A\x01: b", "\x7f: b"]),
        (HttpError::LineEnd, &["A: b\nC: d", "A: b\rC: d", "A: b\r\r", "\n", "\r", "A\r: b"]),
    ];
    for &(error, lines) in in_fields {
        for line in lines {
            for head in [format!("X: y\r\n{line}\r\nZ: z"), format!("{line}\r\nZ: z")] {
                let bytes = format!("GET / HTTP/1.1\r\n{head}\r\n\r\n");
                assert_eq!(decode(&bytes), Err(error), "{bytes:?}");
                let bytes = format!("HTTP/1.1 101 \r\n{head}\r\n\r\n");
                assert_eq!(decode_response(&bytes), Err(error), "{bytes:?}");
            }
        }
    }
}

#[test]
fn an_invalid_head_is_refused_before_its_end() {
    let cases: &[(&[u8], HttpError)] = &[
        (b"GET / HTTP/1.1\n", HttpError::LineEnd),
        (b"GET / HTTP/1.1\rX", HttpError::LineEnd),
        (b"\n", HttpError::LineEnd),
        (b"\r\n\r\n", HttpError::StartLine),
        (b"\r\r", HttpError::LineEnd),
        (b"GET / HTTP/1.1\r\n\0", HttpError::Control),
        (b"\x16\x03\x01\x00", HttpError::Control),
    ];
    for &(bytes, error) in cases {
        assert_eq!(scan_every_way(bytes, HeadLimits::default()), Err(error), "{bytes:?}");
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(scan_every_way(before, HeadLimits::default()), Ok(None), "{before:?}");
    }
}

#[test]
fn limits_are_exact_to_the_byte_and_to_the_field() {
    const MAX_LEN: usize = 200;
    let defaults = HeadLimits::default();
    assert_eq!((defaults.get_max_len(), defaults.get_max_fields()), (16 << 10, 100));

    let of_len = |len: usize| {
        let head = "GET / HTTP/1.1\r\nA: \r\n\r\n";
        head.replace("A: ", &format!("A: {}", "x".repeat(len - head.len())))
    };
    let head = of_len(MAX_LEN);
    assert_eq!(head.len(), MAX_LEN);
    assert_eq!(scan_every_way(head.as_bytes(), limits(MAX_LEN, 9)), Ok(Some(MAX_LEN)));
    assert!(matches!(Request::decode(head.as_bytes(), &limits(MAX_LEN, 9)), Ok(Some(_))));
    let head = of_len(MAX_LEN + 1);
    let error = HttpError::TooLong { limit: MAX_LEN };
    assert_eq!(scan_every_way(head.as_bytes(), limits(MAX_LEN, 9)), Err(error));
    assert_eq!(Request::decode(head.as_bytes(), &limits(MAX_LEN, 9)), Err(error));

    let with_fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    for max_fields in [0, 1, 2, 7] {
        let head = with_fields(max_fields);
        assert_eq!(scan_every_way(head.as_bytes(), limits(400, max_fields)), Ok(Some(head.len())));
        let head = with_fields(max_fields + 1);
        let error = HttpError::TooManyFields { limit: max_fields };
        assert_eq!(scan_every_way(head.as_bytes(), limits(400, max_fields)), Err(error));
        // The error comes at once, not at the end of the head.
        let head = head.strip_suffix("\r\n").unwrap();
        assert_eq!(scan_every_way(head.as_bytes(), limits(400, max_fields)), Err(error));
    }

    // The first line, including its end, may fill half of the head.
    let with_line = |len: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(len - 16));
    let head = with_line(MAX_LEN / 2);
    assert_eq!(scan_every_way(head.as_bytes(), limits(MAX_LEN, 9)), Ok(Some(MAX_LEN / 2 + 2)));
    let head = with_line(MAX_LEN / 2 + 1);
    let error = HttpError::StartLineTooLong { limit: MAX_LEN / 2 };
    assert_eq!(scan_every_way(head.as_bytes(), limits(MAX_LEN, 9)), Err(error));
    // RFC 9112 §3 recommends supporting this length.
    let head = with_line(8000);
    assert!(matches!(Request::decode(head.as_bytes(), &defaults), Ok(Some(_))));
}

#[test]
fn each_error_has_its_own_status_and_text() {
    let cases = [
        (HttpError::StartLine, 400),
        (HttpError::Target, 400),
        (HttpError::Field, 400),
        (HttpError::Folded, 400),
        (HttpError::LineEnd, 400),
        (HttpError::Control, 400),
        (HttpError::Version, 505),
        (HttpError::StartLineTooLong { limit: 77 }, 414),
        (HttpError::TooLong { limit: 77 }, 431),
        (HttpError::TooManyFields { limit: 77 }, 431),
    ];
    for (error, status) in cases {
        assert_eq!(error.status(), status, "{error:?}");
        assert_eq!(error.to_string().contains("77"), format!("{error:?}").contains("77"));
    }
}

// proves 6455-4.2.1-5, 6455-11.1.1-4
#[test]
fn a_request_line_is_parsed() {
    // Target, path, query, and host.
    let cases = [
        ("/", "/", None, "field"),
        ("/chat", "/chat", None, "field"),
        ("/chat?x", "/chat", Some("x"), "field"),
        ("/chat?", "/chat", Some(""), "field"),
        ("/chat?x?y", "/chat", Some("x?y"), "field"),
        ("//h/a", "//h/a", None, "field"),
        ("/a%20b", "/a%20b", None, "field"),
        ("/?u=http://h/", "/", Some("u=http://h/"), "field"),
        ("http://h", "/", None, "h"),
        ("http://h/", "/", None, "h"),
        ("http://h/chat?x", "/chat", Some("x"), "h"),
        ("http://h?x", "/", Some("x"), "h"),
        ("HTTPS://h:81/chat", "/chat", None, "h:81"),
        ("http://[::1]:81/chat", "/chat", None, "[::1]:81"),
    ];
    for version in ["HTTP/1.1", "HTTP/1.2", "HTTP/1.9"] {
        for (target, path, query, host) in cases {
            let bytes = format!("GET {target} {version}\r\nHost: field\r\n\r\n");
            let request = request(bytes);
            assert_eq!((request.method(), request.target()), ("GET", target));
            assert_eq!((request.path(), request.query()), (path, query), "{target}");
            assert_eq!(request.host(), Some(host), "{target}");
        }
    }
    assert_eq!(request("get / HTTP/1.1\r\n\r\n").method(), "get");
    assert_eq!(request("GET / HTTP/1.1\r\n\r\n").host(), None);
}

// proves 6455-4.1-55
#[test]
fn fields_keep_their_order_and_are_found_in_any_case() {
    let request = request(
        "GET / HTTP/1.1\r\nHost:h\r\nX-A: \t one  two \t\r\nx-a:three\r\nEmpty:\r\nB: a:b\tc\r\n\r\n",
    );
    let headers = request.headers();
    let all: Vec<_> = headers.iter().collect();
    let expected =
        [("Host", "h"), ("X-A", "one  two"), ("x-a", "three"), ("Empty", ""), ("B", "a:b\tc")];
    assert_eq!(all, expected);
    assert_eq!((headers.len(), headers.is_empty()), (5, false));
    for name in ["X-A", "x-a", "x-A"] {
        assert_eq!(headers.get(name), Some("one  two"));
        assert_eq!(headers.get_all(name).collect::<Vec<_>>(), ["one  two", "three"]);
    }
    assert_eq!(headers.single("X-a"), Err(RepeatedHeader { name: "X-a" }));
    assert_eq!(headers.single("HOST"), Ok(Some("h")));
    assert_eq!(headers.single("empty"), Ok(Some("")));
    assert_eq!(headers.single("C"), Ok(None));
    assert_eq!((headers.get("C"), headers.get_all("C").count()), (None, 0));
    assert!(RepeatedHeader { name: "Host" }.to_string().contains("Host"));
}

#[test]
fn bytes_above_7f_in_a_value_are_read_as_utf8_or_latin1() {
    let head = |value: &[u8]| [b"GET / HTTP/1.1\r\nA: ", value, b"\r\n\r\n"].concat();
    let cases: &[(&[u8], &str)] = &[
        ("caf\u{e9} \u{20ac}".as_bytes(), "caf\u{e9} \u{20ac}"),
        (b"caf\xe9", "caf\u{e9}"),
        (b" \t\xff \xfe\t ", "\u{ff} \u{fe}"),
        (b"\xc3\xa9\xe9", "\u{c3}\u{a9}\u{e9}"),
        // These characters are not white space in HTTP.
        ("\u{a0}x\u{3000}".as_bytes(), "\u{a0}x\u{3000}"),
        (b"\xa0x\x85", "\u{a0}x\u{85}"),
    ];
    for &(bytes, value) in cases {
        assert_eq!(request(head(bytes)).headers().get("A"), Some(value), "{bytes:?}");
    }
}

// proves 6455-2.1-2
#[test]
fn tokens_are_found_in_lists_over_several_fields() {
    let mut headers = Headers::new();
    for value in ["keep-alive", "\u{17f}ocks, a b,, UPGRADE\t, x", "last"] {
        headers.append("Connection", value).unwrap();
    }
    for token in ["upgrade", "Upgrade", "Keep-Alive", "x", "LAST", "a b"] {
        assert!(headers.has_token("connection", token), "{token}");
    }
    for token in ["", "up", "upgrade2", "keep", "socks", "a", "alive", "\u{212a}eep-alive"] {
        assert!(!headers.has_token("connection", token), "{token}");
    }
    assert!(!headers.has_token("Upgrade", "upgrade"));
}

// proves 6455-4.1-44
#[test]
fn a_field_with_invalid_characters_cannot_be_made() {
    let mut headers = Headers::new();
    for name in ["", "a b", "a:", "a\r\nb", "a\0", "\u{e9}", "a,b", " a"] {
        let error = headers.append(name, "x").unwrap_err();
        assert_eq!(error, InvalidHeader::Name(name.to_owned()));
    }
    for value in ["a\r\nX: y", "a\rb", "a\nb", "a\0b", "\x01", "a\x7f", "\x1b", "a\r\n", "\n"] {
        let error = headers.append("Name", value).unwrap_err();
        assert_eq!(error, InvalidHeader::Value { name: "Name".to_owned() }, "{value:?}");
        assert!(error.to_string().contains("Name") && !error.to_string().contains("X: y"));
        assert!(Response::new(200).with_header("Name", value).is_err());
    }
    assert!(headers.is_empty());
    let good = [
        ("", ""),
        ("a\tb", "a\tb"),
        (" \ta b\t ", "a b"),
        ("\u{e9}", "\u{e9}"),
        // These characters are not white space in HTTP.
        ("\u{a0}a\u{3000}", "\u{a0}a\u{3000}"),
    ];
    for (value, kept) in good {
        headers.append("Name", value).unwrap();
        assert_eq!(headers.iter().last(), Some(("Name", kept)));
    }
    assert_eq!(headers.len(), good.len());
}

// proves 6455-4.1-21, 6455-4.1-24
#[test]
fn an_encoded_request_decodes_to_the_same_request() {
    let mut sent = Request::new("GET", "/chat?x=1");
    sent.headers_mut().append("Host", "h").unwrap();
    sent.headers_mut().append("X-Empty", "").unwrap();
    sent.headers_mut().append("X-More", "caf\u{e9}, b").unwrap();
    let mut out = b"before".to_vec();
    sent.encode(&mut out);
    let text =
        "beforeGET /chat?x=1 HTTP/1.1\r\nHost: h\r\nX-Empty: \r\nX-More: caf\u{e9}, b\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), text);
    assert_eq!(request(&text["before".len()..]), sent);
}

#[test]
fn a_target_cannot_inject_a_second_request() {
    let cases = [
        ("GET", "/ HTTP/1.1\r\nX: y\r\n\r\n", "GET /%20HTTP/1.1%0D%0AX:%20y%0D%0A%0D%0A"),
        ("GET", "/caf\u{e9}\0\t", "GET /caf%C3%A9%00%09"),
        ("GET /x HTTP/1.1\r\n", "/", "GET%20%2Fx%20HTTP%2F1.1%0D%0A /"),
        ("GET", "/a%20b", "GET /a%20b"),
    ];
    for (method, target, line) in cases {
        let mut out = Vec::new();
        Request::new(method, target).encode(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line} HTTP/1.1\r\n\r\n"));
    }
}

#[test]
fn a_status_line_is_parsed() {
    let cases: &[(&[u8], u16)] = &[
        (b"HTTP/1.1 101 Switching Protocols", 101),
        (b"HTTP/1.1 101 ", 101),
        (b"HTTP/1.1 101", 101),
        (b"HTTP/1.2 200 OK", 200),
        (b"HTTP/1.1 404 Not  Found (404)", 404),
        (b"HTTP/1.1 999 \tWhat?", 999),
        // The reason phrase may be in any language.
        ("HTTP/1.1 404 Non trouv\u{e9}".as_bytes(), 404),
        (b"HTTP/1.1 404 Non trouv\xe9", 404),
    ];
    for &(line, status) in cases {
        let response = response([line, b"\r\nA: b\r\n\r\nthe body"].concat());
        assert_eq!((response.status(), response.body()), (status, &b""[..]), "{line:?}");
        assert_eq!(response.headers().get("a"), Some("b"));
    }
}

// proves 6455-4.1-54, 6455-11.1.1-4
#[test]
fn an_invalid_response_is_refused() {
    let cases: &[(HttpError, &[&str])] = &[
        (
            HttpError::StartLine,
            &["hello", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 1O1 X", "HTTP/1.1 10"],
        ),
        (
            HttpError::StartLine,
            &["HTTP/1.1 1011 X", "HTTP/1.1 +10 X", "HTTP/1.1  101 X", " HTTP/1.1 101 X"],
        ),
        (
            HttpError::StartLine,
            &["http/1.1 101 X", "HTTP/1.1\t101\tX", "HTTP/1.1 101\tX", "HTTP 101 X", "ICY 200 OK"],
        ),
        (HttpError::StartLine, &["HTTP/1.\u{b9} 101 X", "HTTP/1.1 \u{b9}01 X", "GET / HTTP/1.1"]),
        (HttpError::StartLine, &["\r\nHTTP/1.1 101 X", "\r\n\r\nHTTP/1.1 101 X"]),
        (HttpError::Version, &["HTTP/1.0 101 X", "HTTP/2.0 101 X", "HTTP/0.9 101 X"]),
        (HttpError::Control, &["HTTP/1.1 101 \x01", "HTTP/1.1 101 a\x7f", "HTTP/1.1 101 a\0"]),
    ];
    for &(error, lines) in cases {
        for line in lines {
            let bytes = format!("{line}\r\n\r\n");
            assert_eq!(decode_response(&bytes), Err(error), "{bytes:?}");
        }
    }
}

// proves 6455-4.2.2-21, 6455-4.2.2-22
#[test]
fn a_final_response_declares_its_length_and_an_interim_one_does_not() {
    let cases = [
        (Response::new(101), "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (Response::new(101).with_body("no"), "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (
            Response::new(204).with_body("no"),
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        ),
        (
            Response::new(304).with_body("no"),
            "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",
        ),
        (
            Response::new(404),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        (
            Response::new(200).with_body("caf\u{e9}"),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ncaf\u{e9}",
        ),
        (
            Response::new(299).with_header("connection", "Upgrade").unwrap(),
            "HTTP/1.1 299 \r\nContent-Length: 0\r\nconnection: Upgrade\r\n\r\n",
        ),
    ];
    for (response, text) in cases {
        assert_eq!(encoded(&response), text);
        let (decoded, head_len) = decode_response(text).unwrap().unwrap();
        assert_eq!(decoded.status(), response.status());
        assert!(response.status() < 200 || text[head_len..].len() <= response.body().len());
    }
}

/// The names in RFC 9110 §15.
#[test]
fn statuses_used_in_handshakes_have_their_names() {
    let names = [
        (101, "Switching Protocols"),
        (200, "OK"),
        (204, "No Content"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (408, "Request Timeout"),
        (414, "URI Too Long"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (503, "Service Unavailable"),
        (505, "HTTP Version Not Supported"),
        (599, ""),
    ];
    for (status, name) in names {
        let text = encoded(&Response::new(status));
        assert!(text.starts_with(&format!("HTTP/1.1 {status} {name}\r\n")), "{text}");
    }
}

#[test]
fn a_response_has_the_fields_it_was_given() {
    let mut response = Response::new(302)
        .with_header("Location", "/elsewhere")
        .unwrap()
        .with_header("Set-Cookie", "a=b")
        .unwrap();
    response.headers_mut().append("Set-Cookie", "c=d").unwrap();
    let text = encoded(&response);
    assert!(text.starts_with("HTTP/1.1 302 Found\r\n"), "{text}");
    for text in [text.clone(), text.replace("302 Found", "101 Switching Protocols")] {
        let decoded = decode_response(&text).unwrap().unwrap().0;
        assert_eq!(decoded.headers().get("location"), Some("/elsewhere"));
        assert_eq!(decoded.headers().get_all("set-cookie").collect::<Vec<_>>(), ["a=b", "c=d"]);
    }
}

/// Returns a head with this byte in one place.
fn with_byte(before: &str, byte: u8, after: &str) -> Vec<u8> {
    [before.as_bytes(), &[byte], after.as_bytes()].concat()
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[test]
fn each_byte_is_accepted_only_where_http_allows_it() {
    use HttpError::{Control, Field, LineEnd, StartLine, Target};
    for byte in 0..=255 {
        let is_line_end = matches!(byte, b'\r' | b'\n');
        // The scanner refuses these bytes anywhere.
        let scanned = match byte {
            0 => Some(Control),
            _ if is_line_end => Some(LineEnd),
            _ => None,
        };
        let expect = |is_allowed: bool, error: HttpError| match scanned {
            Some(error) => Some(error),
            None => (!is_allowed).then_some(error),
        };
        let is_control = byte != b'\t' && byte.is_ascii_control();

        let bytes = with_byte("GET / HTTP/1.1\r\nA: x", byte, "y\r\n\r\n");
        assert_eq!(decode(&bytes).err(), expect(!is_control, Control), "value, {byte}");
        let bytes = with_byte("HTTP/1.1 101 x", byte, "y\r\n\r\n");
        assert_eq!(decode_response(&bytes).err(), expect(!is_control, Control), "phrase, {byte}");

        let bytes = with_byte("GET / HTTP/1.1\r\nA", byte, "B: x\r\n\r\n");
        let is_allowed = is_token_byte(byte) || byte == b':';
        assert_eq!(decode(&bytes).err(), expect(is_allowed, Field), "name, {byte}");
        // Only a space splits the method, and the line then has four parts.
        let bytes = with_byte("G", byte, "T / HTTP/1.1\r\n\r\n");
        assert_eq!(decode(&bytes).err(), expect(is_token_byte(byte), StartLine), "method, {byte}");

        let bytes = with_byte("GET /a", byte, "b HTTP/1.1\r\n\r\n");
        let is_allowed = byte.is_ascii_graphic() && byte != b'#';
        let error = if byte == b' ' { StartLine } else { Target };
        assert_eq!(decode(&bytes).err(), expect(is_allowed, error), "target, {byte}");
    }
}

// proves 6455-4.2.1-4, 6455-11.1.1-4
#[test]
fn only_versions_from_http_1_1_are_accepted() {
    for major in 0..=9 {
        for minor in 0..=9 {
            let error = (major != 1 || minor == 0).then_some(HttpError::Version);
            let bytes = format!("GET / HTTP/{major}.{minor}\r\n\r\n");
            assert_eq!(decode(&bytes).err(), error, "{bytes:?}");
            let bytes = format!("HTTP/{major}.{minor} 101 \r\n\r\n");
            assert_eq!(decode_response(&bytes).err(), error, "{bytes:?}");
        }
    }
    // The preface of HTTP/2.
    assert_eq!(decode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").err(), Some(HttpError::Version));
}

/// Too many fields must not cause a panic either (CVE-2024-37890).
#[test]
fn a_hundred_fields_are_accepted_and_one_more_is_refused() {
    for (count, error) in [(100, None), (101, Some(HttpError::TooManyFields { limit: 100 }))] {
        let fields = "A: b\r\n".repeat(count);
        let bytes = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let decoded = decode(&bytes);
        assert_eq!(decoded.as_ref().err(), error.as_ref());
        assert!(error.is_some() || decoded.unwrap().unwrap().0.headers().len() == count);
        let bytes = format!("HTTP/1.1 101 \r\n{fields}\r\n");
        assert_eq!(decode_response(&bytes).err(), error);
    }
}

#[test]
fn the_largest_and_the_smallest_limits_work() {
    let head = "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
    let none = limits(usize::MAX, usize::MAX);
    assert_eq!(scan_every_way(head.as_bytes(), none), Ok(Some(head.len())));
    assert!(matches!(Request::decode(head.as_bytes(), &none), Ok(Some(_))));
    for max_len in [0, 1] {
        let error = HttpError::StartLineTooLong { limit: 0 };
        assert_eq!(scan_every_way(head.as_bytes(), limits(max_len, 9)), Err(error));
        assert_eq!(scan_every_way(b"", limits(max_len, 9)), Ok(None));
    }
}

#[test]
fn a_fragment_in_a_target_is_encoded() {
    let mut out = Vec::new();
    Request::new("GET", "/a#b?c").encode(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "GET /a%23b?c HTTP/1.1\r\n\r\n");
}

#[test]
fn framing_fields_of_the_caller_are_not_contradicted() {
    let with = |status, name: &str, value: &str, body: &str| {
        encoded(&Response::new(status).with_header(name, value).unwrap().with_body(body))
    };
    let cases = [
        (
            with(404, "content-length", "2", "no"),
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\ncontent-length: 2\r\n\r\nno",
        ),
        // A head with both fields enables request smuggling (RFC 9112 §6.2).
        (
            with(200, "Transfer-Encoding", "chunked", "0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        // A response without a body has no length either (RFC 9112 §6.3).
        (
            with(304, "ETag", "\"x\"", "no"),
            "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"x\"\r\n\r\n",
        ),
        (with(100, "A", "b", "no"), "HTTP/1.1 100 \r\nA: b\r\n\r\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(text, expected);
    }
}

#[test]
fn every_status_survives_a_round_trip() {
    for status in 100..=999 {
        let text = encoded(&Response::new(status));
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert_eq!(response(&text).status(), status);
    }
    for status in [101, 200, 204, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405] {
        assert!(!encoded(&Response::new(status)).contains(&format!(" {status} \r\n")), "{status}");
    }
    for status in [408, 414, 426, 429, 431, 500, 503, 505] {
        assert!(!encoded(&Response::new(status)).contains(&format!(" {status} \r\n")), "{status}");
    }
}

/// A value that survives a round trip: without spaces at its ends.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[!-~é€]([ \t!-~é€]{0,12}[!-~é€])?",
        Just(String::new()),
        Just("websocket".to_owned()),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof!["[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}", Just("Host".to_owned())];
    vec((name, value()), 0..8)
}

fn add_all(headers: &mut Headers, fields: &[(String, String)]) {
    for (name, value) in fields {
        headers.append(name, value).unwrap();
    }
}

/// Parts of heads, some of them corrupted. They get further than random bytes.
fn almost_a_head() -> impl Strategy<Value = Vec<u8>> {
    let parts: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"GET http://h/ HTTP/1.1\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n",
        b"HTTP/1.1 ",
        b"GET ",
        b"http://",
        b"Upgrade: websocket\r\n",
        b"A",
        b":",
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"\xe9",
        b"\xc3\xa9",
    ];
    let part = prop_oneof![
        8 => prop::sample::select(parts).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ];
    prop_oneof![
        3 => vec(part, 0..10).prop_map(|parts| parts.concat()),
        1 => vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_scanner_and_the_decoders_agree_on_any_input(bytes in almost_a_head()) {
        let as_request = decode(&bytes);
        let as_response = decode_response(&bytes);
        // No input is valid as both, and every decoded head can be encoded again.
        if let Ok(Some((request, _))) = as_request {
            prop_assert!(as_response.is_err());
            let mut out = Vec::new();
            request.encode(&mut out);
            prop_assert_eq!(decode(&out), Ok(Some((request, out.len()))));
        }
        if let Ok(Some((response, _))) = as_response {
            prop_assert!((0..1000).contains(&response.status()));
        }
    }

    #[test]
    fn limits_hold_for_any_input(
        bytes in almost_a_head(),
        max_len in 0..80_usize,
        max_fields in 0..3_usize,
    ) {
        let limits = limits(max_len, max_fields);
        if let Ok(Some(len)) = scan_every_way(&bytes, limits) {
            prop_assert!(len <= max_len);
        }
        if let Ok(Some((request, len))) = Request::decode(&bytes, &limits) {
            prop_assert!(len <= max_len && request.headers().len() <= max_fields);
        }
        if let Ok(Some((response, len))) = Response::decode(&bytes, &limits) {
            prop_assert!(len <= max_len && response.headers().len() <= max_fields);
        }
    }

    #[test]
    fn every_request_survives_a_round_trip(
        method in "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}",
        target in "(https?://[a-z0-9.-]{1,8}(:[0-9]{0,5})?)?/[!-\"$-~]{0,20}",
        fields in headers(),
    ) {
        let mut sent = Request::new(method, target);
        add_all(sent.headers_mut(), &fields);
        let mut out = Vec::new();
        sent.encode(&mut out);
        prop_assert_eq!(decode(&out), Ok(Some((sent, out.len()))));
    }

    #[test]
    fn every_response_survives_a_round_trip(
        status in 100..1000_u16,
        fields in headers(),
        body in vec(any::<u8>(), 0..20),
    ) {
        let mut sent = Response::new(status);
        add_all(sent.headers_mut(), &fields);
        let mut out = Vec::new();
        sent.clone().with_body(body.clone()).encode(&mut out);
        let (received, head_len) = decode_response(&out).unwrap().unwrap();
        prop_assert_eq!(received.status(), status);
        let added: Vec<_> = received.headers().iter().take(received.headers().len() - fields.len()).collect();
        prop_assert!(added.iter().all(|(name, _)| ["Content-Length", "Connection"].contains(name)));
        let own: Vec<_> = received.headers().iter().skip(added.len()).collect();
        prop_assert_eq!(own, sent.headers().iter().collect::<Vec<_>>());
        let has_body = status >= 200 && status != 204 && status != 304;
        prop_assert_eq!(&out[head_len..], if has_body { &body[..] } else { b"" });
    }

    #[test]
    fn appended_fields_are_found(fields in headers()) {
        let mut headers = Headers::new();
        add_all(&mut headers, &fields);
        prop_assert_eq!(headers.len(), fields.len());
        for (name, _) in &fields {
            let expected: Vec<_> = fields
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
                .collect();
            for name in [name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                prop_assert_eq!(headers.get_all(&name).collect::<Vec<_>>(), expected.clone());
                prop_assert_eq!(headers.get(&name), expected.first().copied());
            }
        }
    }

    #[test]
    fn no_name_or_value_can_inject_a_line(name in any::<String>(), value in any::<String>()) {
        let mut response = Response::new(101);
        let is_valid = response.headers_mut().append(&name, &value).is_ok();
        let text = encoded(&response);
        prop_assert_eq!(text.matches("\r\n").count(), 2 + usize::from(is_valid));
        prop_assert_eq!(text.matches(['\r', '\n']).count(), 4 + 2 * usize::from(is_valid));
    }
}
