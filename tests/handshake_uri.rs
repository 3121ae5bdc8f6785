//! WebSocket URIs (§3, §11.1): which there are, and what each of them means.

use tightwire::handshake::{Uri, UriError};

#[track_caller]
fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[track_caller]
fn refusal(text: &str) -> UriError {
    match text.parse::<Uri>() {
        Ok(uri) => panic!("{text:?} was taken for {uri:?}"),
        Err(error) => error,
    }
}

// proves 6455-3-1, 6455-3-2, 6455-3-3, 6455-4.1-25
#[test]
fn scheme_host_and_port_say_where_to_connect() {
    // The URI; whether it is secure, host, port; and the value of the Host field.
    let cases: &[(&str, bool, &str, u16, &str)] = &[
        ("ws://h", false, "h", 80, "h"),
        ("ws://h/", false, "h", 80, "h"),
        ("ws://h:/", false, "h", 80, "h"),
        ("ws://h:80/", false, "h", 80, "h"),
        ("ws://h:080/", false, "h", 80, "h"),
        ("ws://h:443/", false, "h", 443, "h:443"),
        ("ws://h:1/", false, "h", 1, "h:1"),
        ("ws://h:65535/", false, "h", 65535, "h:65535"),
        ("ws://h:8080?x", false, "h", 8080, "h:8080"),
        ("wss://h", true, "h", 443, "h"),
        ("wss://h:/", true, "h", 443, "h"),
        ("wss://h:443/", true, "h", 443, "h"),
        ("wss://h:80/", true, "h", 80, "h:80"),
        ("ws://1.2.3.4/%20", false, "1.2.3.4", 80, "1.2.3.4"),
        ("ws://[::1]:80/a?b", false, "::1", 80, "[::1]"),
        ("ws://[::1]", false, "::1", 80, "[::1]"),
        ("ws://[::1]:", false, "::1", 80, "[::1]"),
        ("wss://[2001:DB8::1]:8443/", true, "2001:DB8::1", 8443, "[2001:DB8::1]:8443"),
        ("ws://[::ffff:1.2.3.4]:81/", false, "::ffff:1.2.3.4", 81, "[::ffff:1.2.3.4]:81"),
        ("ws://Server.Example.COM:81", false, "Server.Example.COM", 81, "Server.Example.COM:81"),
        ("ws://a_b-c~d!$&'()*+,;=.e/", false, "a_b-c~d!$&'()*+,;=.e", 80, "a_b-c~d!$&'()*+,;=.e"),
        (
            "ws://xn--bcher-kva.example/",
            false,
            "xn--bcher-kva.example",
            80,
            "xn--bcher-kva.example",
        ),
    ];
    for &(text, secure, host, port, authority) in cases {
        let uri = uri(text);
        assert_eq!((uri.is_secure(), uri.host(), uri.port()), (secure, host, port), "{text}");
        assert_eq!(uri.authority(), authority, "{text}");
        assert_eq!(uri.authorization(), None, "{text}");
    }
}

// proves 6455-3-4
#[test]
fn the_secure_flag_comes_from_the_scheme_whatever_its_case() {
    for text in ["wss://h/", "WSS://h/", "wSs://h/"] {
        assert!(uri(text).is_secure(), "{text}");
    }
    for text in ["ws://h/", "WS://h/", "Ws://h/wss"] {
        assert!(!uri(text).is_secure(), "{text}");
    }
}

// proves 6455-3-5, 6455-3-7
#[test]
fn the_resource_name_is_path_and_query() {
    let cases = [
        ("ws://h", "/"),
        ("ws://h/", "/"),
        ("ws://h?", "/"),
        ("ws://h?x=1", "/?x=1"),
        ("ws://h:81?x=1", "/?x=1"),
        ("ws://h/a?b", "/a?b"),
        ("ws://h/a?", "/a"),
        ("ws://h/a?b?c", "/a?b?c"),
        ("ws://h/a/b//c/", "/a/b//c/"),
        ("ws://h//", "//"),
        ("ws://h/a%23b", "/a%23b"),
        ("ws://h/%C3%A9%2f", "/%C3%A9%2f"),
        ("ws://h/a?b=c/d:e@f", "/a?b=c/d:e@f"),
        ("ws://h/?u=ws://u@h", "/?u=ws://u@h"),
    ];
    for (text, resource_name) in cases {
        assert_eq!(uri(text).resource_name(), resource_name, "{text}");
    }
}

// proves 6455-3-1, 6455-3-6, 6455-4.1-5
#[test]
fn what_is_no_websocket_uri_is_refused() {
    let cases: &[(UriError, &[&str])] = &[
        (
            UriError::Scheme,
            &["", "h", "/a", "ws", "ws:", "ws:h", "ws:/h", "http://h", "https://h", "wsss://h"],
        ),
        (UriError::Scheme, &["://h", " ws://h", "ws ://h", "w\u{17f}://h", "ws\u{17f}://h"]),
        (UriError::NoHost, &["ws://", "ws:///p", "ws://?x", "ws://:80/", "ws://u@/", "ws://::1/"]),
        (
            UriError::Host,
            &["ws://a b/", "ws://h\t/", "ws://h\r\nX: y/", "ws://h\0/", "ws://a\"b/", "ws://a\\b/"],
        ),
        (UriError::Host, &["ws://a<b/", "ws://a^b/", "ws://a|b/", "ws://{a}/", "ws://a]b/"]),
        (
            UriError::Host,
            &["ws://[::1/", "ws://[]/", "ws://[h]/", "ws://[1.2.3.4]/", "ws://[::g]/", "ws://[:]/"],
        ),
        (UriError::Host, &["ws://[::1%25eth0]/", "ws://[1:2:3:4:5:6:7:8:9]/", "ws://[v1.a:b]/"]),
        (UriError::Host, &["ws://a%/", "ws://a%4/", "ws://a%zz/", "ws://a%0d%0ab/"]),
        (
            UriError::Port,
            &[
                "ws://h:99999",
                "ws://h:65536/",
                "ws://h:0/",
                "ws://h:00/",
                "ws://h:+1/",
                "ws://h:-1",
            ],
        ),
        (UriError::Port, &["ws://h:x/", "ws://h:1x/", "ws://h:1:2/", "ws://h: 1/", "ws://[::1]x/"]),
        (UriError::Port, &["ws://h:\u{661}/", "ws://h:80 /", "ws://h:18446744073709551696/"]),
        (
            UriError::ResourceName,
            &["ws://h/a b", "ws://h/a\tb", "ws://h/\r\nX: y", "ws://h/\0", "ws://h/\x7f"],
        ),
        (
            UriError::ResourceName,
            &["ws://h/%", "ws://h/%4", "ws://h/%4g", "ws://h/?%", "ws://h?%g0"],
        ),
        (UriError::ResourceName, &["ws://h/a[0]", "ws://h?a=<b>", "ws://h/\"", "ws://h/a\\b"]),
        (UriError::Fragment, &["ws://h/a#f", "ws://h/#", "ws://h#", "ws://h/?#x", "ws://h/#?x"]),
        (
            UriError::Userinfo,
            &["ws://u%@h/", "ws://u%4@h/", "ws://u:%zz@h/", "ws://u%0a@h/", "ws://u:%00@h/"],
        ),
        (UriError::Userinfo, &["ws://u:%7f@h/", "ws://a b@h/", "ws://a@b@h/", "ws://a%3Ab:c@h/"]),
        (UriError::Userinfo, &["ws://\u{e9}@h/", "ws://u:p\r\n@h/"]),
    ];
    for &(error, texts) in cases {
        for text in texts {
            assert_eq!(refusal(text), error, "{text:?}");
        }
    }
}

// proves 6455-3-1, 6455-4.1-24
#[test]
fn each_character_is_allowed_where_rfc_3986_allows_it() {
    const UNRESERVED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    const SUB_DELIMITERS: &str = "!$&'()*+,;=";
    let is_any_of = |c: char, sets: &[&str]| sets.iter().any(|set| set.contains(c));
    for c in (0..=0xff).map(char::from) {
        let in_name = is_any_of(c, &[UNRESERVED, SUB_DELIMITERS]);
        let in_path = in_name || is_any_of(c, &[":@/"]);
        let in_query = in_path || c == '?';
        let accepts = |text: String| text.parse::<Uri>().is_ok();
        // What ends the host is another question.
        if !is_any_of(c, &[":@/?"]) {
            assert_eq!(accepts(format!("ws://a{c}b/")), in_name, "host, {c:?}");
        }
        if c != '?' {
            assert_eq!(accepts(format!("ws://h/a{c}b")), in_path, "path, {c:?}");
        }
        assert_eq!(accepts(format!("ws://h/?a{c}b")), in_query, "query, {c:?}");
    }
}

// proves 6455-11.1.1-2, 6455-11.1.1-3, 6455-11.1.2-2, 6455-11.1.2-3
#[test]
fn other_characters_than_ascii_are_refused_and_not_sent_raw() {
    for scheme in ["ws", "wss"] {
        assert_eq!(refusal(&format!("{scheme}://b\u{fc}cher.example/")), UriError::Host);
        assert_eq!(refusal(&format!("{scheme}://h/caf\u{e9}")), UriError::ResourceName);
        assert_eq!(refusal(&format!("{scheme}://h/?q=\u{20ac}")), UriError::ResourceName);
    }
    assert!(UriError::Host.to_string().contains("punycode"));
    assert!(UriError::ResourceName.to_string().contains("percent-encoded"));
}

#[test]
fn name_and_password_become_basic_authorization() {
    let cases = [
        // The sample of RFC 7617 §2.
        ("ws://Aladdin:open%20sesame@h/", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("ws://u@h/", "Basic dTo="),
        ("ws://u:@h/", "Basic dTo="),
        ("ws://:p@h/", "Basic OnA="),
        ("ws://u:a:b@h/", "Basic dTphOmI="),
        ("ws://u:p%40%3A%2F@[::1]:81/", "Basic dTpwQDov"),
        ("ws://u:%C3%A9@h/", "Basic dTrDqQ=="),
        ("ws://u:%FF@h/", "Basic dTr/"),
    ];
    for (text, authorization) in cases {
        let uri = uri(text);
        assert_eq!(uri.authorization().as_deref(), Some(authorization), "{text}");
        assert!(!uri.authority().contains('@'), "{text}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let uri = uri("wss://someone:secret@h:81/a?b");
    assert_eq!(uri.to_string(), "wss://h:81/a?b");
    for text in [uri.to_string(), format!("{uri:?}"), format!("{uri:#?}")] {
        assert!(!text.contains("secret") && !text.contains("someone"), "{text}");
    }
}

#[test]
fn what_is_displayed_means_the_same() {
    for text in ["ws://h", "WSS://h:443?x", "ws://[::1]:81/a?b", "ws://1.2.3.4/%20", "wss://h:80/"]
    {
        let first = uri(text);
        let second = uri(&first.to_string());
        assert_eq!(second, first, "{text}");
    }
    assert_ne!(uri("ws://h/"), uri("wss://h/"));
}

#[test]
fn each_refusal_cites_its_section() {
    let errors = [
        UriError::Scheme,
        UriError::NoHost,
        UriError::Host,
        UriError::Port,
        UriError::ResourceName,
        UriError::Fragment,
        UriError::Userinfo,
    ];
    for error in errors {
        assert!(error.to_string().ends_with("(RFC 6455 §3)"), "{error}");
    }
}
