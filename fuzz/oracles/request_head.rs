//! The head of a request, with any bytes, as a server handles it.
//!
//! The first byte of the input is the limit on the length in units of 16 bytes, and the second one
//! the limit on the fields. The rest is the head, or after a zero a plan for one.

use std::net::Ipv6Addr;
use std::str;

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{
    AcceptOptions, HandshakeError, HttpError, Rejection, Request, Response, Upgrade, accept_value,
    is_upgrade_request,
};

use super::edits;
use super::extensions::naive_lists;
use super::heads::{self, elements, is_token, lists, values};
use super::reading::{self, version_fault};
use super::uri::is_made_of;

/// Fails if a head is misread, or answered wrongly.
pub fn check(data: &[u8]) {
    let Some((limits, bytes)) = heads::limits_and_head(data, &edits::REQUEST) else { return };
    let bytes = &*bytes;
    heads::check_cuts(bytes, &limits, Request::decode);
    let reading = reading::read(bytes, &limits, line_faults);
    match reading::agree(Request::decode(bytes, &limits), reading) {
        Ok(None) => {}
        Ok(Some((request, lines))) => {
            check_decoded(&request, &lines);
            check_again(&request);
            check_authorization(&request);
            check_upgrade(&request);
        }
        Err(error) => check_rejection(&error.into(), http_status(error)),
    }
}

/// Returns the faults of a request line (RFC 9112 §3).
fn line_faults(line: &[u8]) -> Vec<HttpError> {
    let line = String::from_utf8_lossy(line);
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = parts[..] else { return vec![HttpError::StartLine] };
    let mut faults = Vec::from_iter(version_fault(version, "HTTP/1.1"));
    faults.extend((!is_token(method)).then_some(HttpError::StartLine));
    faults.extend((!is_target(target)).then_some(HttpError::Target));
    faults
}

/// Returns whether a target is a path or an absolute URI of HTTP, and cannot end early.
fn is_target(target: &str) -> bool {
    let absolute = target.split_once("://").filter(|(scheme, _)| {
        let scheme = scheme.to_ascii_lowercase();
        scheme == "http" || scheme == "https"
    });
    let has_form = match absolute {
        Some((_, rest)) => is_authority(rest.split(['/', '?']).next().unwrap_or_default()),
        None => target.starts_with('/'),
    };
    has_form && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// Returns whether a text is a host with an optional port (RFC 9110 §7.2). A comma shows that two
/// fields were joined, and the port may be empty or any number.
fn is_authority(text: &str) -> bool {
    let (host_is_valid, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (!host.is_empty() && !host.contains(',') && is_made_of(host, ""), port)
    };
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => digits.chars().all(|c| c.is_ascii_digit()),
        None => port.is_empty(),
    };
    host_is_valid && port_is_valid
}

/// Checks that the request matches its lines.
fn check_decoded(request: &Request, lines: &[&[u8]]) {
    let first = str::from_utf8(lines[0]).expect("a request line of ASCII");
    let parts: Vec<&str> = first.split(' ').collect();
    assert_eq!(parts[..2], [request.method(), request.target()]);
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

/// Checks that a request is accepted if and only if it breaks no rule, and that the status of a
/// refusal is that of a broken rule.
fn check_upgrade(request: &Request) {
    let headers = request.headers();
    let asks = lists(headers, "Upgrade", "websocket") && lists(headers, "Connection", "upgrade");
    assert_eq!(is_upgrade_request(request), asks && request.method() == "GET");
    let broken = broken_rules(request);
    match Upgrade::from_request(request) {
        Ok(upgrade) => {
            assert!(broken.is_empty(), "accepted, but broken: {broken:?}");
            check_origin(&upgrade);
            check_acceptance(&upgrade);
        }
        Err(rejection) => {
            let status = match rejection.error() {
                HandshakeError::Method => 405,
                HandshakeError::NoUpgrade | HandshakeError::Version => 426,
                _ => 400,
            };
            let is_due = broken.iter().any(|(_, expected)| *expected == status);
            assert!(is_due, "{rejection:?}, but broken: {broken:?}");
            check_rejection(&rejection, status);
        }
    }
}

/// Checks the rules of RFC 6455 §4.2.1 one by one, and those of HTTP for a request without a body.
/// Returns the broken ones, each with the status of its refusal.
fn broken_rules(request: &Request) -> Vec<(&'static str, u16)> {
    let headers = request.headers();
    let all = |name| values(headers, name);
    let key = all("Sec-WebSocket-Key").concat();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let key_is_valid = key.len() == 24 && key.ends_with("==") && key[..22].chars().all(is_base64);
    let versions = all("Sec-WebSocket-Version");
    let is_list_of_names =
        |value: &&str| elements(value).next().is_some() && elements(value).all(is_token);
    let rules = [
        ("the method is GET", 405, request.method() == "GET"),
        ("one host", 400, all("Host").len() == 1),
        ("a valid host", 400, all("Host").into_iter().all(is_authority)),
        ("Upgrade lists websocket", 426, lists(headers, "Upgrade", "websocket")),
        ("Connection lists Upgrade", 426, lists(headers, "Connection", "upgrade")),
        ("one key", 400, all("Sec-WebSocket-Key").len() == 1),
        ("a key of 16 bytes in base64", 400, key_is_valid),
        ("one version", 400, versions.len() == 1),
        ("version 13", 426, versions.len() != 1 || versions == ["13"]),
        ("at most one origin", 400, all("Origin").len() <= 1),
        ("subprotocols", 400, all("Sec-WebSocket-Protocol").iter().all(is_list_of_names)),
        ("extensions", 400, naive_lists(&all("Sec-WebSocket-Extensions")).is_some()),
        ("no body of unknown length", 400, all("Transfer-Encoding").is_empty()),
        ("no body", 400, all("Content-Length").iter().all(|len| *len == "0")),
    ];
    let broken = rules.iter().filter(|(_, _, holds)| !holds);
    broken.map(|(rule, status, _)| (*rule, *status)).collect()
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
    let headers = upgrade.request().headers();
    let offered = values(headers, "Sec-WebSocket-Protocol").into_iter().flat_map(elements);
    assert_eq!(upgrade.subprotocols(), offered.collect::<Vec<_>>());
    let offered = naive_lists(&values(headers, "Sec-WebSocket-Extensions"));
    assert_eq!(Some(upgrade.extensions()), offered.as_deref());
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
