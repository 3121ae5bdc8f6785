//! Tests HTTP proxies without I/O: their selection, the requests to them, and the meaning of their
//! responses.

use std::error::Error as _;

use proptest::prelude::*;
use tightwire::handshake::{HeadLimits, HttpError, Proxies, Proxy, ProxyError, Response, Uri};

#[track_caller]
fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[track_caller]
fn request(proxy: &str, server: &str) -> String {
    let proxy: Proxy = proxy.parse().unwrap_or_else(|error| panic!("{proxy:?}: {error}"));
    let mut bytes = b"before ".to_vec();
    proxy.encode_request(&uri(server), &mut bytes);
    String::from_utf8(bytes).unwrap().strip_prefix("before ").unwrap().to_owned()
}

// proves 6455-4.1-12
#[test]
fn the_request_names_host_and_port_and_the_user_of_the_proxy() {
    let cases = [
        // The example of §4.1, except for its Host field and one space.
        (
            "http://ednamode:nocapes!@p",
            "ws://example.com/chat",
            "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\
             Proxy-Authorization: Basic ZWRuYW1vZGU6bm9jYXBlcyE=\r\n\r\n",
        ),
        (
            "http://p:3128/",
            "wss://a:b@Example.com/?x",
            "CONNECT Example.com:443 HTTP/1.1\r\nHost: Example.com:443\r\n\r\n",
        ),
        (
            "http://p",
            "ws://[2001:db8::1]:8080/",
            "CONNECT [2001:db8::1]:8080 HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
        ),
        (
            // No password, and percent-encoded bytes: "ü:", which is not Latin-1.
            "http://%C3%BC@p",
            "ws://1.2.3.4/",
            "CONNECT 1.2.3.4:80 HTTP/1.1\r\nHost: 1.2.3.4:80\r\n\
             Proxy-Authorization: Basic w7w6\r\n\r\n",
        ),
    ];
    for (proxy, server, expected) in cases {
        assert_eq!(request(proxy, server), expected, "{proxy} {server}");
    }
}

#[test]
fn a_proxy_is_an_http_uri_without_a_path() {
    let cases = [
        ("http://proxy.example.com:3128", "proxy.example.com", 3128),
        ("HTTP://proxy/", "proxy", 80),
        ("http://proxy:/", "proxy", 80),
        ("http://u:p@[::1]:8080", "::1", 8080),
        ("http://@proxy:1", "proxy", 1),
        ("proxy.example.com:3128", "proxy.example.com", 3128),
        ("u:p@10.0.0.1", "10.0.0.1", 80),
    ];
    for (text, host, port) in cases {
        let proxy: Proxy = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((proxy.host(), proxy.port()), (host, port), "{text}");
    }
    let refused = [
        ("", ProxyError::Uri),
        ("http://", ProxyError::Uri),
        ("http:///", ProxyError::Uri),
        ("http://:80", ProxyError::Uri),
        ("http://proxy:0", ProxyError::Uri),
        ("http://proxy:65536", ProxyError::Uri),
        ("http://proxy:port", ProxyError::Uri),
        ("http://proxy/path", ProxyError::Uri),
        ("http://proxy//", ProxyError::Uri),
        ("http://proxy?x", ProxyError::Uri),
        ("http://proxy#x", ProxyError::Uri),
        ("http://pro xy", ProxyError::Uri),
        ("http://proxy\r\nX: y", ProxyError::Uri),
        ("http://u:p%0d%0aX@proxy", ProxyError::Uri),
        ("http://u%3Av:p@proxy", ProxyError::Uri),
        ("http://u:p@ss@proxy", ProxyError::Uri),
        ("http://u:p/ss@proxy", ProxyError::Uri),
        ("http://[::1", ProxyError::Uri),
        ("::1", ProxyError::Uri),
        ("ws://proxy", ProxyError::Uri),
        ("ftp://proxy", ProxyError::Uri),
        ("://proxy", ProxyError::Uri),
        ("https://proxy", ProxyError::Unsupported),
        ("HTTPS://u:p@proxy:443/", ProxyError::Unsupported),
        ("socks://proxy", ProxyError::Unsupported),
        ("socks4a://proxy", ProxyError::Unsupported),
        ("SOCKS5h://u:p@proxy:1080", ProxyError::Unsupported),
    ];
    for (text, expected) in refused {
        assert_eq!(text.parse::<Proxy>().unwrap_err(), expected, "{text:?}");
    }
    // Each error suggests a remedy.
    assert!(ProxyError::Uri.to_string().contains("http://[name:password@]host[:port]"));
    let unsupported = ProxyError::Unsupported.to_string();
    assert!(unsupported.contains("https://") && unsupported.contains("SOCKS"), "{unsupported}");
}

#[test]
fn the_password_is_not_shown() {
    let texts = [
        "http://edna:secret@proxy:3128",
        "edna:secret@proxy",
        "https://edna:secret@proxy",
        "socks5://edna:secret@proxy",
        "edna:secret://proxy",
        "http://edna:secret/@proxy",
        "http://edna:secret@proxy:x",
    ];
    for text in texts {
        let parsed = text.parse::<Proxy>();
        let proxies = Proxies::always(text);
        let found = proxies.proxy_for(&uri("ws://h/"));
        let shown = match &parsed {
            Ok(proxy) => proxy.to_string(),
            Err(error) => error.to_string(),
        };
        let everything = format!("{shown} {parsed:?} {proxies:?} {found:?}");
        assert!(!everything.contains("secret") && !everything.contains("edna"), "{everything}");
    }
    assert_eq!(format!("{:?}", "u:p@[::1]".parse::<Proxy>()), "Ok(Proxy(http://[::1]:80))");
}

fn decode(bytes: &[u8]) -> Result<Option<(Response, usize)>, HttpError> {
    Response::decode(bytes, &HeadLimits::default())
}

#[test]
fn any_2xx_opens_the_tunnel_and_1xx_announces_another_response() {
    let cases = [
        ("HTTP/1.1 200 Connection established\r\n\r\n", true),
        ("HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n", true),
        ("HTTP/1.1 200\r\n\r\n", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 299 \r\n\r\n", true),
        // No body follows, whatever the fields (RFC 9110 §9.3.6).
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\nContent-Length: y\r\n\r\n", true),
        ("HTTP/1.1 100 Continue\r\n\r\n", false),
        ("HTTP/1.0 103 Early Hints\r\nLink: x\r\n\r\n", false),
    ];
    for (head, opens) in cases {
        let (response, len) = decode(format!("{head}of the server").as_bytes()).unwrap().unwrap();
        assert_eq!(len, head.len(), "{head}");
        assert_eq!(Proxy::opens_tunnel(&response), Ok(opens), "{head}");
        for end in 0..len {
            assert_eq!(decode(&head.as_bytes()[..end]), Ok(None), "{head}");
        }
    }
}

#[test]
fn every_other_status_refuses_the_tunnel_and_the_error_holds_the_response() {
    for status in [101, 300, 302, 307, 400, 403, 404, 407, 500, 502, 504, 999] {
        let head = format!("HTTP/1.1 {status} x\r\nProxy-Authenticate: Basic\r\n\r\n");
        let (response, _) = decode(head.as_bytes()).unwrap().unwrap();
        let error = Proxy::opens_tunnel(&response).unwrap_err();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(error, ProxyError::Refused(Box::new(response)));
    }
    let unknown = ProxyError::Refused(Box::new(Response::new(407)));
    assert!(unknown.to_string().contains("name and a password"), "{unknown}");
}

#[test]
fn the_response_of_a_proxy_must_be_valid_http_within_the_limits() {
    let cases: [(&[u8], HttpError); 9] = [
        (b"HTTP/2.0 200 OK\r\n\r\n", HttpError::Version),
        (b"HTTP/0.9 200 OK\r\n\r\n", HttpError::Version),
        (b"SSH-2.0-OpenSSH\r\n\r\n", HttpError::StartLine),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", HttpError::StartLine),
        (b"HTTP/1.1 2000 OK\r\n\r\n", HttpError::StartLine),
        (b"HTTP/1.1 200 OK\n\n", HttpError::LineEnd),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", HttpError::Folded),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HttpError::Field),
        (b"\x05\x00\x00\x01", HttpError::Control),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decode(bytes).unwrap_err(), expected, "{}", bytes.escape_ascii());
    }
    let limits = HeadLimits::new().max_len(100).max_fields(2);
    let cases = [
        (format!("HTTP/1.0 200 {}", "x".repeat(50)), HttpError::StartLineTooLong { limit: 50 }),
        (format!("HTTP/1.0 200\r\nA: {}", "x".repeat(100)), HttpError::TooLong { limit: 100 }),
        (
            format!("HTTP/1.0 200\r\n{}\r\n", "A: b\r\n".repeat(3)),
            HttpError::TooManyFields { limit: 2 },
        ),
    ];
    for (head, expected) in cases {
        assert_eq!(Response::decode(head.as_bytes(), &limits).unwrap_err(), expected);
    }
}

fn from(variables: &[(&str, &str)]) -> Proxies {
    Proxies::from_variables(|asked| {
        let found = variables.iter().find(|(name, _)| *name == asked);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn the_first_nonempty_variable_names_the_proxy() {
    // The variables, the proxy for `ws`, and the proxy for `wss`.
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);
    let cases: &[Case<'_>] = &[
        (&[], None, None),
        (&[("ws_proxy", "a")], Some("a"), None),
        (&[("WS_PROXY", "a")], Some("a"), None),
        (&[("wss_proxy", "a")], None, Some("a")),
        (&[("WSS_PROXY", "a")], None, Some("a")),
        (&[("https_proxy", "a")], Some("a"), Some("a")),
        (&[("HTTPS_PROXY", "a")], Some("a"), Some("a")),
        (&[("http_proxy", "a")], Some("a"), None),
        (&[("all_proxy", "a")], Some("a"), Some("a")),
        (&[("ALL_PROXY", "a")], Some("a"), Some("a")),
        // CVE-2016-5385, including systems where variable names ignore case.
        (&[("HTTP_PROXY", "a")], None, None),
        (&[("http_proxy", "a"), ("REQUEST_METHOD", "GET")], None, None),
        (
            &[("http_proxy", "a"), ("REQUEST_METHOD", "GET"), ("all_proxy", "b")],
            Some("b"),
            Some("b"),
        ),
        // Lower case precedes upper case, empty variables are ignored, and spaces are trimmed.
        (&[("https_proxy", "a"), ("HTTPS_PROXY", "b")], Some("a"), Some("a")),
        (&[("https_proxy", ""), ("HTTPS_PROXY", " b ")], Some("b"), Some("b")),
        (&[("ws_proxy", " "), ("all_proxy", "b")], Some("b"), Some("b")),
        // The order of precedence.
        (&[("all_proxy", "a"), ("http_proxy", "b")], Some("b"), Some("a")),
        (&[("http_proxy", "a"), ("https_proxy", "b")], Some("b"), Some("b")),
        (&[("https_proxy", "a"), ("ws_proxy", "b")], Some("b"), Some("a")),
        (&[("https_proxy", "a"), ("wss_proxy", "b")], Some("a"), Some("b")),
        (&[("ftp_proxy", "a"), ("proxy", "b"), ("socks_proxy", "c")], None, None),
    ];
    for (variables, ws, wss) in cases {
        let proxies = from(variables);
        for (server, expected) in [("ws://h/", ws), ("wss://h/", wss)] {
            let proxy = proxies.proxy_for(&uri(server)).unwrap();
            assert_eq!(proxy.map(Proxy::host), *expected, "{variables:?} {server}");
        }
    }
}

#[test]
fn an_unusable_variable_is_an_error_only_where_it_is_needed() {
    let proxies = from(&[
        ("ws_proxy", "socks5://proxy"),
        ("wss_proxy", "http://proxy/path"),
        ("http_proxy", "http://fine"),
        ("no_proxy", "direct"),
    ]);
    assert_eq!(proxies.proxy_for(&uri("ws://h/")).unwrap_err(), ProxyError::Unsupported);
    assert_eq!(proxies.proxy_for(&uri("wss://h/")).unwrap_err(), ProxyError::Uri);
    assert_eq!(proxies.proxy_for(&uri("ws://direct/")), Ok(None));
}

#[test]
fn no_proxy_lists_hosts_to_connect_to_directly() {
    // The list, hosts that match it, and hosts that do not.
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("", &[], &["h", "localhost", "127.0.0.1", "[::1]"]),
        (", ,\t", &[], &["h"]),
        ("*", &["h", "h:81", "1.2.3.4", "[::1]"], &[]),
        ("x, *", &["h"], &[]),
        ("*:81", &["h:81", "1.2.3.4:81"], &["h", "h:8181"]),
        (
            "example.com",
            &["example.com", "EXAMPLE.com:81", "a.example.com", "a.b.Example.Com", "example.com."],
            &["notexample.com", "example.com.org", "example.org", "com", "example.co", "m"],
        ),
        (".example.com", &["example.com", "a.example.com"], &["notexample.com"]),
        ("*.example.com", &["example.com", "a.example.com"], &["notexample.com"]),
        ("Example.Com.", &["example.com", "a.example.com."], &["notexample.com"]),
        ("a,b c\td\n,e", &["a", "b", "c", "d", "e"], &["f", "ab"]),
        ("h:81", &["h:81", "a.h:81"], &["h", "h:82"]),
        ("h:80", &["h", "h:80"], &["h:81"]),
        ("1.2.3.4", &["1.2.3.4", "1.2.3.4:81"], &["1.2.3.5", "a.1.2.3.4", "[::ffff:1.2.3.5]"]),
        // An IPv4 address that is mapped to IPv6 is the same address.
        ("1.2.3.4", &["[::ffff:1.2.3.4]"], &["[::1.2.3.4]"]),
        ("::ffff:1.2.3.4,[::ffff:1.2.3.5]:80", &["1.2.3.4", "1.2.3.5"], &["1.2.3.5:81"]),
        ("1.2.0.0/16", &["[::ffff:1.2.3.4]"], &["[::ffff:1.3.3.4]"]),
        ("::ffff:1.2.0.0/112", &["1.2.3.4", "[::ffff:102:304]"], &["1.3.3.4"]),
        ("::ffff:0:0/95", &["[::fffe:1:2]"], &["1.2.3.4"]),
        ("1.2.3.4:81", &["1.2.3.4:81"], &["1.2.3.4"]),
        // A part of an address is not a domain.
        ("3.4", &["a.3.4"], &["1.2.3.4"]),
        (".4", &[], &["1.2.3.4"]),
        ("::1", &["[::1]", "[0:0::1]:81"], &["[::2]", "[1::1]"]),
        ("[::1]", &["[::1]", "[::1]:81"], &["[::2]"]),
        ("[::1]:81", &["[::1]:81"], &["[::1]"]),
        ("10.0.0.0/8", &["10.0.0.0", "10.255.1.2:81"], &["11.0.0.0", "9.255.255.255", "ten"]),
        ("10.1.2.3/8", &["10.255.1.2"], &["11.1.2.3"]),
        ("10.1.2.4/31", &["10.1.2.4", "10.1.2.5"], &["10.1.2.3", "10.1.2.6"]),
        ("10.1.2.3/32", &["10.1.2.3"], &["10.1.2.2"]),
        ("0.0.0.0/0", &["1.2.3.4", "255.0.0.0"], &["h", "[::1]"]),
        ("2001:db8::/32", &["[2001:db8:ffff::1]"], &["[2001:db9::1]", "32.1.13.184"]),
        ("fe80::/10", &["[febf::1]"], &["[fec0::1]"]),
        ("::1/128", &["[::1]"], &["[::2]"]),
        ("::/0", &["[1::]"], &["1.2.3.4"]),
        // Invalid entries match nothing.
        ("10.0.0.0/33", &[], &["10.0.0.0"]),
        ("10.0.0.0/x,10.0.0.0/,10.0.0.0/-1,/8", &[], &["10.0.0.0"]),
        ("::/129,10.0.0/8", &[], &["[::]", "10.0.0.0"]),
        ("h:x,h:65536,:80,.,*.,[::1,[h]", &[], &["h", "h:80", "[::1]"]),
        ("http://h", &[], &["h"]),
        ("h*,a.*", &[], &["h", "ha", "a.b"]),
    ];
    for (list, covered, others) in cases {
        let proxies = from(&[("all_proxy", "proxy"), ("no_proxy", list)]);
        let is_direct =
            |server: &&&str| proxies.proxy_for(&uri(&format!("ws://{server}/"))).unwrap().is_none();
        assert_eq!(covered.iter().find(|server| !is_direct(server)), None, "{list:?}");
        assert_eq!(others.iter().find(is_direct), None, "{list:?}");
    }
    let upper = from(&[("all_proxy", "p"), ("NO_PROXY", "h")]);
    assert_eq!(upper.proxy_for(&uri("ws://h/")), Ok(None));
    let both = from(&[("all_proxy", "p"), ("no_proxy", "a"), ("NO_PROXY", "h")]);
    assert!(both.proxy_for(&uri("ws://h/")).unwrap().is_some());
    // `no_proxy` applies only to proxies from the environment.
    assert!(Proxies::always("p").proxy_for(&uri("ws://localhost/")).unwrap().is_some());
    assert_eq!(Proxies::default().proxy_for(&uri("ws://h/")), Ok(None));
}

proptest! {
    #[test]
    fn no_environment_can_inject_a_line(
        proxy in ".{0,40}",
        list in "[*./:,\\[\\] 0-9a-f]{0,60}",
        host in "[a-f0-9.]{1,12}",
    ) {
        let proxies = from(&[("all_proxy", &proxy), ("no_proxy", &list)]);
        if let (Ok(Some(found)), Ok(uri)) = (
            proxies.proxy_for(&uri("ws://h/")).map(|found| found.cloned()),
            format!("ws://{host}/").parse(),
        ) {
            let _ = proxies.proxy_for(&uri);
            let mut bytes = Vec::new();
            found.encode_request(&uri, &mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            // The values of the environment cannot add a line.
            prop_assert!(text.lines().count() <= 4 && text.ends_with("\r\n\r\n"), "{:?}", text);
        }
    }
}

#[test]
fn an_http_error_prints_itself_and_is_not_a_source() {
    let error = ProxyError::from(HttpError::LineEnd);
    assert_eq!(error.to_string(), HttpError::LineEnd.to_string());
    assert!(error.source().is_none());
}
