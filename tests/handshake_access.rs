//! Who may connect, as far as the request tells (§10.2, §10.5).

mod support;

use std::error::Error;

use tightwire::handshake::{HandshakeError, Rejection, Request, Upgrade};

/// A request that opens a connection, with one field more.
fn request(field: Option<(&str, &str)>) -> Request {
    let mut request = support::deflate::request(&[]);
    if let Some((name, value)) = field {
        request.headers_mut().append(name, value).unwrap();
    }
    request
}

// proves 6455-10.2-1, 6455-10.2-2
#[test]
fn an_origin_is_one_that_was_listed() {
    let allowed = ["https://example.com", "localhost", "[::1]"];
    let is_from = |origin: Option<&str>| {
        let request = request(origin.map(|origin| ("Origin", origin)));
        Upgrade::from_request(&request).unwrap().is_from(&allowed)
    };
    let cases = [
        ("https://example.com", true),
        ("HTTPS://Example.COM", true),
        ("http://example.com", false),
        ("https://example.com:8443", false),
        ("https://example.com.evil.org", false),
        ("https://sub.example.com", false),
        ("http://localhost", true),
        ("http://LocalHost", true),
        ("https://localhost:3000", true),
        ("https://localhost:evil.org", false),
        ("https://localhost:80:evil.org", false),
        ("https://evil-localhost", false),
        ("http://[::1]:80", true),
        ("http://[::1]", true),
        ("http://[::2]:1", false),
        ("null", false),
        ("localhost", false),
        ("", false),
    ];
    for (origin, expected) in cases {
        assert_eq!(is_from(Some(origin)), expected, "{origin:?}");
    }
    assert!(is_from(None), "no browser");
    let refused = Rejection::from(HandshakeError::Origin("null".to_owned()));
    assert_eq!(refused.response().status(), 403);
    assert_eq!(refused.to_string(), refused.error().to_string());
    assert!(refused.source().is_none(), "the reason prints itself");
}

#[test]
fn basic_authorization_is_checked_as_a_whole() {
    let cases = [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true),
        ("BASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true),
        // Not padded; another last letter, one letter more, one less; nothing but the name.
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", false),
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZg==", false),
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZSE=", false),
        ("Basic QWxhZGRpbjpvcGVuIHNlc2Ft", false),
        ("Basic QWxhZGRpbjo=", false),
        ("Basic ", false),
        ("Basic", false),
        ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", false),
        ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", false),
    ];
    for (value, expected) in cases {
        let request = request(Some(("Authorization", value)));
        let is_authorized = request.is_authorized_as("Aladdin", "open sesame");
        assert_eq!(is_authorized, expected, "{value:?}");
    }
    assert!(!request(None).is_authorized_as("", ""));
    // Two of them are none.
    let mut twice = request(Some(("Authorization", cases[0].0)));
    twice.headers_mut().append("Authorization", cases[0].0).unwrap();
    assert!(!twice.is_authorized_as("Aladdin", "open sesame"));
    // Twice the same letters cancel nothing out.
    let request = request(Some(("Authorization", "Basic YTpiYg==")));
    assert!(request.is_authorized_as("a", "bb"));
    assert!(!request.is_authorized_as("a", "cc"));
}
