//! Tests WebSocket URIs (§3, §11.1): which are valid, and what each of them means.

use std::collections::HashSet;

use proptest::prelude::*;
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
fn scheme_host_and_port_give_the_address() {
    // The URI, whether it is secure, its host, its port, and the value of the Host field.
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
fn invalid_uris_are_refused() {
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
        // Characters that end the host are tested elsewhere.
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
fn non_ascii_characters_are_refused_and_not_sent_raw() {
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
    assert_eq!(format!("{uri:?}"), "Uri(wss://h:81/a?b)");
    for text in [uri.to_string(), format!("{uri:?}"), format!("{uri:#?}")] {
        assert!(!text.contains("secret") && !text.contains("someone"), "{text}");
    }
}

#[test]
fn a_displayed_uri_means_the_same() {
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

#[test]
fn uris_are_equal_if_all_their_parts_are() {
    let same = [
        ("ws://h", "WS://h:80/"),
        ("wss://h", "wss://h:443/?"),
        ("ws://h/?x", "ws://h?x"),
        ("ws://[::1]/", "ws://[::1]:/"),
        ("ws://u@h/", "ws://u:@h/"),
    ];
    for (one, other) in same {
        assert_eq!(uri(one), uri(other));
        assert_eq!(HashSet::from([uri(one), uri(other)]).len(), 1);
    }
    let all = [
        "ws://h/",
        "wss://h/",
        "ws://i/",
        "ws://h:81/",
        "ws://h/a",
        "ws://h/?x",
        "ws://u@h/",
        "ws://u:p@h/",
    ];
    assert_eq!(all.map(uri).into_iter().collect::<HashSet<_>>().len(), all.len());
}

#[test]
fn long_uris_are_read_whole_or_refused() {
    const LEN: usize = 64 << 10;
    for filler in ["a", "/", "%41", "?", "@", ":", "%", "[", "]", "#", "\u{e9}"] {
        let filler = filler.repeat(LEN);
        for text in [format!("ws://h/{filler}"), format!("ws://{filler}"), filler.clone()] {
            if let Ok(uri) = text.parse::<Uri>() {
                assert!(uri.resource_name().len() + uri.host().len() > LEN / 2);
            }
        }
    }
}

const PATH: &str = "(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,5}){0,3}";
const QUERY: &str = "([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,9}";

fn host() -> impl Strategy<Value = (String, String)> {
    // The written form, and its meaning.
    prop_oneof![
        "[A-Za-z0-9._~!$&'()*+,;=-]{1,12}".prop_map(|name| (name.clone(), name)),
        any::<std::net::Ipv4Addr>().prop_map(|ip| (ip.to_string(), ip.to_string())),
        any::<std::net::Ipv6Addr>().prop_map(|ip| (format!("[{ip}]"), ip.to_string())),
    ]
}

/// Texts that get further than random ones.
fn almost_a_uri() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "wss?://([a0/?#@:%.,;=é \\t\\r\\n\\x00\\[\\]<>\\\\-]|\\[::1\\]|%4|%41|80|99999){0,12}",
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    // proves 6455-3-1, 6455-3-2, 6455-3-3, 6455-3-5
    #[test]
    fn every_valid_uri_is_parsed(
        secure in any::<bool>(),
        (written, host) in host(),
        port in prop::option::of(1..=u16::MAX),
        path in PATH,
        query in prop::option::of(QUERY),
    ) {
        let scheme = if secure { "wss" } else { "ws" };
        let port_text = port.map(|port| format!(":{port}")).unwrap_or_default();
        let query_text = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let text = format!("{scheme}://{written}{port_text}{path}{query_text}");
        let uri = uri(&text);
        let default_port = if secure { 443 } else { 80 };
        prop_assert_eq!(uri.is_secure(), secure);
        prop_assert_eq!(uri.host(), host);
        prop_assert_eq!(uri.port(), port.unwrap_or(default_port));
        prop_assert_eq!(uri.authorization(), None);
        let authority = match port {
            Some(port) if port != default_port => format!("{written}:{port}"),
            _ => written,
        };
        prop_assert_eq!(uri.authority(), authority);
        let path = if path.is_empty() { "/" } else { &path };
        let resource_name = match query {
            Some(query) if !query.is_empty() => format!("{path}?{query}"),
            _ => path.to_owned(),
        };
        prop_assert_eq!(uri.resource_name(), resource_name);
    }

    // proves 6455-3-6, 6455-11.1.1-3, 6455-11.1.2-3
    #[test]
    fn an_accepted_uri_is_safe_to_send(text in almost_a_uri()) {
        let Ok(uri) = text.parse::<Uri>() else { return Ok(()) };
        let is_safe = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        prop_assert!(uri.resource_name().starts_with('/'));
        prop_assert!(is_safe(uri.resource_name()) && is_safe(&uri.authority()));
        prop_assert!(!uri.host().is_empty() && uri.port() != 0);
        prop_assert!(!text.contains('#'));
        // The displayed URI is the same, except for the name and the password.
        let again = self::uri(&uri.to_string());
        prop_assert_eq!(again.resource_name(), uri.resource_name());
        prop_assert_eq!(again.authority(), uri.authority());
        prop_assert_eq!(again.is_secure(), uri.is_secure());
        prop_assert_eq!(again.authorization(), None);
        prop_assert_eq!(uri.authorization().is_some(), text.contains('@') && again != uri);
    }
}

/// The examples of RFC 3986 §5.4, normal and abnormal.
#[test]
fn a_reference_is_resolved_as_in_rfc_3986() {
    let base: Uri = "ws://a/b/c/d;p?q".parse().unwrap();
    let cases = [
        ("g", "ws://a/b/c/g"),
        ("./g", "ws://a/b/c/g"),
        ("g/", "ws://a/b/c/g/"),
        ("/g", "ws://a/g"),
        ("//g", "ws://g/"),
        ("?y", "ws://a/b/c/d;p?y"),
        ("g?y", "ws://a/b/c/g?y"),
        ("#s", "ws://a/b/c/d;p?q"),
        ("g#s", "ws://a/b/c/g"),
        ("g?y#s", "ws://a/b/c/g?y"),
        (";x", "ws://a/b/c/;x"),
        ("g;x", "ws://a/b/c/g;x"),
        ("g;x?y#s", "ws://a/b/c/g;x?y"),
        ("", "ws://a/b/c/d;p?q"),
        (".", "ws://a/b/c/"),
        ("./", "ws://a/b/c/"),
        ("..", "ws://a/b/"),
        ("../", "ws://a/b/"),
        ("../g", "ws://a/b/g"),
        ("../..", "ws://a/"),
        ("../../", "ws://a/"),
        ("../../g", "ws://a/g"),
        ("../../../g", "ws://a/g"),
        ("../../../../g", "ws://a/g"),
        ("/./g", "ws://a/g"),
        ("/../g", "ws://a/g"),
        ("g.", "ws://a/b/c/g."),
        (".g", "ws://a/b/c/.g"),
        ("g..", "ws://a/b/c/g.."),
        ("..g", "ws://a/b/c/..g"),
        ("./../g", "ws://a/b/g"),
        ("./g/.", "ws://a/b/c/g/"),
        ("g/./h", "ws://a/b/c/g/h"),
        ("g/../h", "ws://a/b/c/h"),
        ("g;x=1/./y", "ws://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "ws://a/b/c/y"),
        ("g?y/./x", "ws://a/b/c/g?y/./x"),
        ("g?y/../x", "ws://a/b/c/g?y/../x"),
        ("g#s/../x", "ws://a/b/c/g"),
        // Other hosts and schemes.
        ("http://b/../c", "ws://b/c"),
        ("HTTPS://b", "wss://b/"),
        ("wss://b:444/x/./y?z", "wss://b:444/x/y?z"),
        ("//b:8080", "ws://b:8080/"),
        ("a//b", "ws://a/b/c/a//b"),
    ];
    for (reference, expected) in cases {
        assert_eq!(
            base.join(reference).map(|uri| uri.to_string()),
            Ok(expected.into()),
            "{reference:?}"
        );
    }
    let errors = [
        ("g:h", UriError::Scheme),
        ("mailto:a@b", UriError::Scheme),
        ("ftp://b/", UriError::Scheme),
        ("http:", UriError::NoHost),
        ("http:g", UriError::NoHost),
        ("ws:///", UriError::NoHost),
        ("//", UriError::NoHost),
        ("//b:0/", UriError::Port),
        ("a b", UriError::ResourceName),
        ("/%zz", UriError::ResourceName),
        ("/\r\nX: y", UriError::ResourceName),
        ("/\u{e9}", UriError::ResourceName),
    ];
    for (reference, expected) in errors {
        assert_eq!(base.join(reference), Err(expected), "{reference:?}");
    }
}

#[test]
fn a_password_is_not_sent_to_another_host() {
    let base: Uri = "wss://name:secret@a:1/b".parse().unwrap();
    for reference in ["c", "/c", "?c", ""] {
        let joined = base.join(reference).unwrap();
        assert_eq!(joined.authorization(), base.authorization(), "{reference:?}");
        assert_eq!((joined.host(), joined.port(), joined.is_secure()), ("a", 1, true));
    }
    for reference in ["//b/", "https://a:1/c", "//a:1/c"] {
        assert_eq!(base.join(reference).unwrap().authorization(), None, "{reference:?}");
    }
}
