//! Tests the checks of a request that decide whether a client may connect (§10.2, §10.5).

mod support;

use std::error::Error;

use tightwire::handshake::{HandshakeError, Rejection, Request, Upgrade};

/// A valid opening handshake with one more field.
fn request(field: Option<(&str, &str)>) -> Request {
    let mut request = support::deflate::request(&[]);
    if let Some((name, value)) = field {
        request.headers_mut().append(name, value).unwrap();
    }
    request
}

// proves 6455-10.2-1, 6455-10.2-2
#[test]
fn only_listed_origins_are_allowed() {
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
fn basic_authorization_must_match_completely() {
    let cases = [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true),
        ("BASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true),
        // No padding, another last letter, one letter more, one letter less, and the name alone.
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
    // With two Authorization fields, nobody is authorized.
    let mut twice = request(Some(("Authorization", cases[0].0)));
    twice.headers_mut().append("Authorization", cases[0].0).unwrap();
    assert!(!twice.is_authorized_as("Aladdin", "open sesame"));
    // Two equal wrong letters do not cancel each other out.
    let request = request(Some(("Authorization", "Basic YTpiYg==")));
    assert!(request.is_authorized_as("a", "bb"));
    assert!(!request.is_authorized_as("a", "cc"));
}

#[test]
fn a_bearer_token_must_match_completely() {
    let cases = [
        ("Bearer mF_9.B5f-4.1JqM", true),
        ("bearer  mF_9.B5f-4.1JqM", true),
        ("Bearer mF_9.B5f-4.1Jq", false),
        ("Bearer mF_9.B5f-4.1JqMM", false),
        ("Bearer mf_9.b5f-4.1jqm", false),
        ("Bearer", false),
        ("Bearer ", false),
        ("Basic mF_9.B5f-4.1JqM", false),
        ("mF_9.B5f-4.1JqM", false),
    ];
    for (value, expected) in cases {
        let request = request(Some(("Authorization", value)));
        assert_eq!(request.is_bearer("mF_9.B5f-4.1JqM"), expected, "{value:?}");
    }
    assert!(!request(None).is_bearer(""));
    assert!(!request(Some(("Authorization", "Bearer "))).is_bearer(""));
    let mut twice = request(Some(("Authorization", "Bearer a")));
    twice.headers_mut().append("Authorization", "Bearer a").unwrap();
    assert!(!twice.is_bearer("a"), "which of the two counts?");
}

#[test]
fn a_cookie_is_found_by_its_name() {
    type Found = Result<Option<&'static str>, ()>;
    let cases: &[(&[&str], Found)] = &[
        (&["session=1"], Ok(Some("1"))),
        (&["a=b; session=1; c=d"], Ok(Some("1"))),
        (&["a=b", "session=1"], Ok(Some("1"))),
        (&["session=1; session=2"], Ok(Some("1"))),
        (&[" session = \"quoted\" ;"], Ok(Some("quoted"))),
        (&["session="], Ok(Some(""))),
        (&["session=a=b=="], Ok(Some("a=b=="))),
        (&["Session=1; xsession=2; session"], Ok(None)),
        (&[""], Ok(None)),
        (&[], Ok(None)),
        // Invalid cookies of other names are ignored.
        (&["odd=\u{e9}, ; session=1"], Ok(Some("1"))),
        (&["session=a b"], Err(())),
        (&["session=a,b"], Err(())),
        (&["session=\u{e9}"], Err(())),
        (&["session=a\\b"], Err(())),
        (&["session=\"a"], Err(())),
        (&["session=\"\"\""], Err(())),
        (&["session=\""], Err(())),
    ];
    for (fields, expected) in cases {
        let fields = fields.iter().map(|value| ("Cookie", value));
        let request = Request::from_parts("GET", "/", fields).unwrap();
        assert_eq!(request.cookie("session").map_err(drop), *expected, "{request:?}");
    }
    let request = Request::from_parts("GET", "/", [("Cookie", "a=b c")]).unwrap();
    let error = request.cookie("a").unwrap_err();
    assert_eq!(error.name, "a");
    assert!(error.to_string().contains("the cookie \"a\""), "{error}");
}
