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

#[test]
fn a_bearer_token_is_compared_as_a_whole() {
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
        // Those of others are of no interest.
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
