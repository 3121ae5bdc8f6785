//! The head of a response from a server or a proxy, with any bytes, as a client handles it.
//!
//! The first byte of the input is the limit on the length in units of 16 bytes, and the second one
//! the limit on the fields. The rest is the head, or after a zero a plan for one.

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{
    ClientHandshake, Extension, HandshakeError, HeadLimits, Key, Offer, Proxy, ProxyError, Response,
};

use super::edits;
use super::heads::{self, lists, values};

/// The offer of the client.
const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];
const EXTENSIONS: [&str; 2] = ["permessage-deflate", "foo"];
/// The value that proves the key of the client (RFC 6455 §1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Fails if a head is misread, or wrongly accepted.
pub fn check(data: &[u8]) {
    let Some((limits, bytes)) = heads::limits_and_head(data, &edits::RESPONSE) else { return };
    let bytes = &*bytes;
    heads::check_cuts(bytes, &limits, Response::decode);
    match Response::decode(bytes, &limits) {
        Ok(None) => assert!(bytes.len() <= limits.get_max_len(), "{} bytes wait", bytes.len()),
        Ok(Some((response, len))) => {
            check_decoded(&response, &bytes[..len], &limits);
            check_again(&response);
            check_judgement(&response);
            check_proxy(&response);
        }
        Err(error) => heads::check_reason(bytes, &limits, error),
    }
}

/// Checks that the response matches its bytes.
fn check_decoded(response: &Response, head: &[u8], limits: &HeadLimits) {
    let lines = heads::lines(head, limits);
    // Only a 101 needs HTTP/1.1.
    let oldest = if response.status() == 101 { b'1' } else { b'0' };
    assert!(lines[0].starts_with(b"HTTP/1."), "no status line");
    assert!(lines[0][7] >= oldest, "a version that is too old");
    assert_eq!(lines[0][8..12], *format!(" {}", response.status()).as_bytes());
    assert!(matches!(lines[0].get(12), None | Some(b' ')));
    assert!((100..=999).contains(&response.status()));
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
        .deflate([DeflateConfig::new().recv_window_bits(12)]);
    let uri = "ws://example.com/".parse().expect("a URI");
    ClientHandshake::new(&uri, &offer, Key::new(*b"the sample nonce")).expect("an offer")
}

fn check_judgement(response: &Response) {
    match client().verify(response) {
        Ok(negotiated) => {
            assert_eq!(broken_rule(response), None);
            let named = values(response.headers(), "Sec-WebSocket-Protocol");
            assert_eq!(negotiated.subprotocol.as_deref(), named.first().copied());
            assert!(named.len() <= 1 && named.iter().all(|name| SUBPROTOCOLS.contains(name)));
            let is_offered = |extension: &Extension| EXTENSIONS.contains(&&*extension.name);
            assert!(negotiated.extensions.iter().all(is_offered), "{negotiated:?}");
            let is_deflate = |extension: &&Extension| extension.name == EXTENSIONS[0];
            let deflates = negotiated.extensions.iter().filter(is_deflate).count();
            assert_eq!(deflates, usize::from(negotiated.deflate.is_some()));
            assert!(negotiated.deflate.is_none_or(|params| params.server.window_bits <= 12));
        }
        Err(error) => {
            let has = |name| !values(response.headers(), name).is_empty();
            let by_choice = has("Sec-WebSocket-Protocol") || has("Sec-WebSocket-Extensions");
            assert!(by_choice || broken_rule(response).is_some(), "{error:?}");
            assert_eq!(matches!(error, HandshakeError::Refused(_)), response.status() != 101);
            let text = error.to_string();
            assert!(!text.contains(char::is_control) && text.len() < 5_000, "{text:?}");
        }
    }
}

/// Checks the rules of RFC 6455 §4.1 for the client one by one.
fn broken_rule(response: &Response) -> Option<&'static str> {
    let headers = response.headers();
    let upgrade = values(headers, "Upgrade");
    let rules = [
        ("status 101", response.status() == 101),
        ("Upgrade is websocket", upgrade.len() == 1 && lists(headers, "Upgrade", "websocket")),
        ("Upgrade is nothing else", upgrade.iter().all(|value| value.len() == 9)),
        ("Connection lists Upgrade", lists(headers, "Connection", "upgrade")),
        ("the proof of the key", values(headers, "Sec-WebSocket-Accept") == [ACCEPT]),
    ];
    rules.iter().find(|(_, holds)| !holds).map(|(rule, _)| *rule)
}

/// Checks that a proxy opens a tunnel only with a status of 2xx.
fn check_proxy(response: &Response) {
    match (response.status(), Proxy::opens_tunnel(response)) {
        (200..=299, Ok(true)) | (100 | 102..=199, Ok(false)) => {}
        (101 | 300.., Err(ProxyError::Refused(refusal))) => assert_eq!(*refusal, *response),
        (status, outcome) => panic!("{status}: {outcome:?}"),
    }
}
