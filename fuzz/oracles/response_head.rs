//! The head of a response from a server or a proxy, with any bytes, as a client handles it.
//!
//! The first byte of the input is the limit on the length in units of 16 bytes, and the second one
//! the limit on the fields. The rest is the head, or after a zero a plan for one.

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{
    ClientHandshake, Extension, HandshakeError, HttpError, Key, Offer, Proxy, ProxyError, Response,
};

use super::edits;
use super::extensions::{is_answer, naive_lists};
use super::heads::{self, lists, values};
use super::reading::{self, version_fault};

/// The offer of the client.
const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];
const EXTENSIONS: [&str; 2] = ["permessage-deflate", "foo"];
/// The most bits that the client allows for the window of the server.
const WINDOW_BITS: u8 = 12;
/// The value that proves the key of the client (RFC 6455 §1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Fails if a head is misread, or wrongly accepted or refused.
pub fn check(data: &[u8]) {
    let Some((limits, bytes)) = heads::limits_and_head(data, &edits::RESPONSE) else { return };
    let bytes = &*bytes;
    heads::check_cuts(bytes, &limits, Response::decode);
    let reading = reading::read(bytes, &limits, |line| {
        let mut faults = line_faults(line);
        // Only a request may follow an empty line (RFC 9112 §2.2).
        faults.extend(bytes.starts_with(b"\r\n").then_some(HttpError::StartLine));
        faults
    });
    if let Ok(Some((response, lines))) = reading::agree(Response::decode(bytes, &limits), reading) {
        check_decoded(&response, &lines);
        check_again(&response);
        check_judgement(&response);
        check_proxy(&response);
    }
}

/// Returns the faults of a status line (RFC 9112 §4). The phrase may be missing, with its space.
fn line_faults(line: &[u8]) -> Vec<HttpError> {
    let line = String::from_utf8_lossy(line);
    let mut parts = line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default();
    let status = parts.next().unwrap_or_default();
    let phrase = parts.next().unwrap_or_default();
    // Only a 101 needs HTTP/1.1, which introduced it.
    let oldest = if status == "101" { "HTTP/1.1" } else { "HTTP/1.0" };
    let mut faults = Vec::from_iter(version_fault(version, oldest));
    let is_number = status.len() == 3 && status.chars().all(|c| c.is_ascii_digit());
    if !is_number || status.starts_with('0') {
        faults.push(HttpError::StartLine);
    }
    if phrase.chars().any(|c| c != '\t' && c.is_ascii_control()) {
        faults.push(HttpError::Control);
    }
    faults
}

/// Checks that the response matches its lines.
fn check_decoded(response: &Response, lines: &[&[u8]]) {
    assert_eq!(lines[0][8..12], *format!(" {}", response.status()).as_bytes());
    assert!(response.body().is_empty());
    heads::check_fields(&lines[1..], response.headers());
}

/// Checks that the response is the same after encoding and decoding, except for fields that a final
/// response needs.
fn check_again(response: &Response) {
    let mut printed = Vec::new();
    response.encode(&mut printed);
    let (again, len) = Response::decode(&printed, &heads::wide()).unwrap().expect("a whole head");
    assert_eq!((again.status(), len), (response.status(), printed.len()));
    let (status, headers) = (response.status(), response.headers());
    let has = |name| !values(headers, name).is_empty();
    let mut expected = Vec::new();
    let has_body = status >= 200 && ![204, 304].contains(&status);
    if has_body && !has("Content-Length") && !has("Transfer-Encoding") {
        expected.push(("Content-Length", "0"));
    }
    if status >= 200 && !has("Connection") {
        expected.push(("Connection", "close"));
    }
    expected.extend(headers.iter());
    assert_eq!(again.headers().iter().collect::<Vec<_>>(), expected);
}

fn client() -> ClientHandshake {
    let offer = Offer::new()
        .subprotocols(SUBPROTOCOLS)
        .extensions([Extension::new(EXTENSIONS[1])])
        .deflate([DeflateConfig::new().recv_window_bits(WINDOW_BITS)]);
    let uri = "ws://example.com/".parse().expect("a URI");
    ClientHandshake::new(&uri, &offer, Key::new(*b"the sample nonce")).expect("an offer")
}

/// Checks that a response opens the connection if and only if it breaks no rule.
fn check_judgement(response: &Response) {
    let broken = broken_rule(response);
    let headers = response.headers();
    match client().verify(response) {
        Ok(negotiated) => {
            assert_eq!(broken, None, "accepted");
            let named = values(headers, "Sec-WebSocket-Protocol");
            assert_eq!(negotiated.subprotocol.as_deref(), named.first().copied());
            let listed = naive_lists(&values(headers, "Sec-WebSocket-Extensions"));
            assert_eq!(Some(&negotiated.extensions), listed.as_ref());
            let deflates = negotiated.extensions.iter().any(is_deflate);
            assert_eq!(deflates, negotiated.deflate.is_some());
            assert!(
                negotiated.deflate.is_none_or(|params| params.server.window_bits <= WINDOW_BITS)
            );
        }
        Err(error) => {
            assert!(broken.is_some(), "{error:?}, but no rule is broken");
            assert_eq!(matches!(error, HandshakeError::Refused(_)), response.status() != 101);
            let text = error.to_string();
            assert!(!text.contains(char::is_control) && text.len() < 5_000, "{text:?}");
        }
    }
}

/// Checks the rules of RFC 6455 §4.1 for the client one by one, and that the server chose from the
/// offer.
fn broken_rule(response: &Response) -> Option<&'static str> {
    let headers = response.headers();
    let upgrade = values(headers, "Upgrade");
    let named = values(headers, "Sec-WebSocket-Protocol");
    let listed = naive_lists(&values(headers, "Sec-WebSocket-Extensions"));
    let extensions = listed.as_deref().unwrap_or_default();
    let is_offered = |extension: &Extension| EXTENSIONS.contains(&&*extension.name);
    let mut answers = extensions.iter().filter(|extension| is_deflate(extension));
    let rules = [
        ("status 101", response.status() == 101),
        ("Upgrade is websocket", upgrade.len() == 1 && lists(headers, "Upgrade", "websocket")),
        ("Upgrade is nothing else", upgrade.iter().all(|value| value.len() == 9)),
        ("Connection lists Upgrade", lists(headers, "Connection", "upgrade")),
        ("the proof of the key", values(headers, "Sec-WebSocket-Accept") == [ACCEPT]),
        ("at most one subprotocol", named.len() <= 1),
        ("an offered subprotocol", named.iter().all(|name| SUBPROTOCOLS.contains(name))),
        ("a list of extensions", listed.is_some()),
        ("offered extensions", extensions.iter().all(is_offered)),
        ("at most one answer to permessage-deflate", answers.clone().count() <= 1),
        ("parameters that fit the offer", answers.all(|answer| is_answer(answer, WINDOW_BITS))),
    ];
    rules.iter().find(|(_, holds)| !holds).map(|(rule, _)| *rule)
}

fn is_deflate(extension: &Extension) -> bool {
    extension.name == EXTENSIONS[0]
}

/// Checks that a proxy opens a tunnel only with a status of 2xx.
fn check_proxy(response: &Response) {
    match (response.status(), Proxy::opens_tunnel(response)) {
        (200..=299, Ok(true)) | (100 | 102..=199, Ok(false)) => {}
        (101 | 300.., Err(ProxyError::Refused(refusal))) => assert_eq!(*refusal, *response),
        (status, outcome) => panic!("{status}: {outcome:?}"),
    }
}
