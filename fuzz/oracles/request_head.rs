//! The head of a request, with any bytes, as a server handles it.
//!
//! The first byte of the input is the limit on the length in units of 16 bytes, and the second one
//! the limit on the fields. The rest is the head, or after a zero a plan for one.

use std::str;

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{
    AcceptOptions, HandshakeError, HeadLimits, HttpError, Rejection, Request, Response, Upgrade,
    accept_value, is_upgrade_request,
};

use super::edits;
use super::heads::{self, is_token, lists, values};

/// Fails if a head is misread, or answered wrongly.
pub fn check(data: &[u8]) {
    let Some((limits, bytes)) = heads::limits_and_head(data, &edits::REQUEST) else { return };
    let bytes = &*bytes;
    heads::check_cuts(bytes, &limits, Request::decode);
    match Request::decode(bytes, &limits) {
        Ok(None) => assert!(bytes.len() <= limits.get_max_len(), "{} bytes wait", bytes.len()),
        Ok(Some((request, len))) => {
            check_decoded(&request, &bytes[..len], &limits);
            check_again(&request);
            check_authorization(&request);
            check_upgrade(&request);
        }
        Err(error) => {
            heads::check_reason(bytes, &limits, error);
            check_rejection(&error.into(), http_status(error));
        }
    }
}

/// Checks that the request matches its bytes.
fn check_decoded(request: &Request, head: &[u8], limits: &HeadLimits) {
    let lines = heads::lines(head, limits);
    let first = str::from_utf8(lines[0]).expect("a request line of ASCII");
    let parts: Vec<&str> = first.split(' ').collect();
    assert_eq!(parts[..2], [request.method(), request.target()]);
    assert!(parts.len() == 3 && parts[2].len() == 8 && parts[2].starts_with("HTTP/1."));
    assert!(parts[2] > "HTTP/1.0", "{first}");
    assert!(is_token(request.method()));
    assert!(request.target().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    heads::check_fields(&lines[1..], request.headers());

    let (path, query) = (request.path(), request.query());
    assert!(path.starts_with('/') && !path.contains('?'), "{path}");
    if request.target().starts_with('/') {
        let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        assert_eq!(target, request.target());
        assert_eq!(request.host(), values(request.headers(), "Host").first().copied());
    } else {
        let absolute = request.target().to_lowercase();
        assert!(absolute.starts_with("http://") || absolute.starts_with("https://"));
        assert!(absolute.contains(&request.host().expect("an authority").to_lowercase()));
    }
}

/// Checks that the request is the same after encoding and decoding.
fn check_again(request: &Request) {
    let mut printed = Vec::new();
    request.encode(&mut printed);
    let (again, len) = Request::decode(&printed, &heads::wide()).unwrap().expect("a whole head");
    assert_eq!((&again, len), (request, printed.len()));
}

fn check_upgrade(request: &Request) {
    match Upgrade::from_request(request) {
        Ok(upgrade) => {
            assert_eq!(broken_rule(request), None);
            assert!(is_upgrade_request(request));
            check_origin(&upgrade);
            check_acceptance(&upgrade);
        }
        Err(rejection) => {
            let has = |name| !values(request.headers(), name).is_empty();
            let is_plain = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let by_grammar = has("Sec-WebSocket-Protocol")
                || has("Sec-WebSocket-Extensions")
                || !values(request.headers(), "Host").into_iter().all(is_plain);
            assert!(by_grammar || broken_rule(request).is_some(), "{rejection:?}");
            let status = match rejection.error() {
                HandshakeError::Method => 405,
                HandshakeError::NoUpgrade | HandshakeError::Version => 426,
                _ => 400,
            };
            check_rejection(&rejection, status);
        }
    }
}

/// Checks the rules of RFC 6455 §4.2.1 one by one, and those of HTTP for a request without a body.
fn broken_rule(request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    let all = |name| values(headers, name);
    let key = all("Sec-WebSocket-Key").concat();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let key_is_valid = key.len() == 24 && key.ends_with("==") && key[..22].chars().all(is_base64);
    let rules = [
        ("the method is GET", request.method() == "GET"),
        ("one host", all("Host").len() == 1 && !all("Host")[0].is_empty()),
        ("Upgrade lists websocket", lists(headers, "Upgrade", "websocket")),
        ("Connection lists Upgrade", lists(headers, "Connection", "upgrade")),
        ("one key", all("Sec-WebSocket-Key").len() == 1),
        ("a key of 16 bytes in base64", key_is_valid),
        ("version 13", all("Sec-WebSocket-Version") == ["13"]),
        ("at most one origin", all("Origin").len() <= 1),
        ("no body of unknown length", all("Transfer-Encoding").is_empty()),
        ("no body", all("Content-Length").iter().all(|len| *len == "0")),
    ];
    rules.iter().find(|(_, holds)| !holds).map(|(rule, _)| *rule)
}

/// Checks that a request is accepted from one origin, from one host at any port, and from clients
/// that are not browsers (§10.2).
fn check_origin(upgrade: &Upgrade<'_>) {
    let origins = values(upgrade.request().headers(), "Origin");
    let is_allowed = origins.first().is_none_or(|origin| {
        let origin = origin.to_lowercase();
        let server = origin.find("://").map(|colon| &origin[colon + 3..]);
        let is_port = |rest: &str| match rest.strip_prefix(':') {
            Some(digits) => digits.chars().all(|c| c.is_ascii_digit()),
            None => rest.is_empty(),
        };
        origin == "https://example.com"
            || server.and_then(|server| server.strip_prefix("example")).is_some_and(is_port)
    });
    assert_eq!(upgrade.is_from(&["https://example.com", "example"]), is_allowed, "{origins:?}");
    assert!(upgrade.is_from(&[""; 0]) == origins.is_empty(), "{origins:?}");
}

/// Checks that only one user name with one password is accepted, in one notation.
fn check_authorization(request: &Request) {
    let given = values(request.headers(), "Authorization");
    let is_right = given.len() == 1
        && given[0].split_once(' ').is_some_and(|(scheme, rest)| {
            scheme.to_lowercase() == "basic" && rest.trim_matches(' ') == "ZWRuYTpzZWNyZXQ="
        });
    assert_eq!(request.is_authorized_as("edna", "secret"), is_right, "{given:?}");
}

/// Checks that an accepting response has the required fields, and none that the client invented.
fn check_acceptance(upgrade: &Upgrade<'_>) {
    assert!(upgrade.subprotocols().iter().all(|name| is_token(name)));
    let mut accept = AcceptOptions::new().deflate(DeflateConfig::new());
    if let Some(name) = upgrade.subprotocols().last() {
        accept = accept.subprotocol(*name);
    }
    let (response, negotiated) = upgrade.accept(&accept).expect("a valid answer");
    assert_eq!(negotiated.subprotocol.as_deref(), upgrade.subprotocols().last().copied());
    let mut printed = Vec::new();
    response.encode(&mut printed);
    let (read, len) = Response::decode(&printed, &heads::wide()).unwrap().expect("a whole head");
    assert_eq!((read.status(), len), (101, printed.len()), "no more than a head");
    let key = values(upgrade.request().headers(), "Sec-WebSocket-Key")[0];
    let mut expected = vec![
        ("Upgrade", "websocket".to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Sec-WebSocket-Accept", accept_value(key)),
    ];
    expected.extend(negotiated.subprotocol.map(|name| ("Sec-WebSocket-Protocol", name)));
    let extension = negotiated.extensions.first().map(ToString::to_string);
    expected.extend(extension.map(|extension| ("Sec-WebSocket-Extensions", extension)));
    let fields: Vec<_> = read.headers().iter().map(|(n, v)| (n, v.to_owned())).collect();
    assert_eq!(fields, expected);
}

/// Returns the status for each fault in the form of a head (RFC 9110 §15.5 and §15.6, RFC 6585 §5).
fn http_status(error: HttpError) -> u16 {
    match error {
        HttpError::Version => 505,
        HttpError::StartLineTooLong { .. } => 414,
        HttpError::TooLong { .. } | HttpError::TooManyFields { .. } => 431,
        _ => 400,
    }
}

/// Checks that a rejection is one response with this status and its fields, which ends the
/// connection.
fn check_rejection(rejection: &Rejection, status: u16) {
    let mut printed = Vec::new();
    rejection.response().encode(&mut printed);
    let (read, len) = Response::decode(&printed, &heads::wide()).unwrap().expect("a whole head");
    assert_eq!(read.status(), status, "{rejection:?}");
    let body = &printed[len..];
    let one = |name| match values(read.headers(), name)[..] {
        [value] => value,
        ref others => panic!("{name}: {others:?}"),
    };
    assert_eq!(one("Content-Length"), body.len().to_string());
    assert!(lists(read.headers(), "Connection", "close"), "{read:?}");
    assert!(one("Content-Type").starts_with("text/plain"));
    let mut count = 3;
    if status == 405 {
        assert_eq!(one("Allow"), "GET");
        count += 1;
    }
    if status == 426 {
        assert_eq!((one("Upgrade"), one("Sec-WebSocket-Version")), ("websocket", "13"));
        assert!(lists(read.headers(), "Connection", "upgrade"), "{read:?}");
        count += 2;
    }
    assert_eq!(read.headers().len(), count, "{read:?}");
    assert!(!body.iter().any(|&byte| byte != b'\n' && byte.is_ascii_control()), "{rejection:?}");
}
