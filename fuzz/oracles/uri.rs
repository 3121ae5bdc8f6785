//! A WebSocket URI (RFC 6455 §3). The library accepts the same texts as a naive parser, and reads
//! the same parts from them.

use std::net::Ipv6Addr;
use std::str;

use tightwire::handshake::{ClientHandshake, Key, Offer, Proxy, Request, Uri};

use super::heads;

/// Fails if a text is misread, or leads to the wrong request.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let uri = text.parse::<Uri>();
    let seen = uri.as_ref().ok().map(|uri| Seen {
        is_secure: uri.is_secure(),
        host: uri.host().to_owned(),
        port: uri.port(),
        resource_name: uri.resource_name().to_owned(),
        has_userinfo: uri.authorization().is_some(),
    });
    assert_eq!(seen, read(text), "{text:?}");
    if let Ok(uri) = uri {
        check_parts(&uri);
        check_again(&uri);
        check_request(&uri);
        check_connect(&uri);
    }
    check_proxy(text);
}

#[derive(Debug, Eq, PartialEq)]
struct Seen {
    is_secure: bool,
    host: String,
    port: u16,
    resource_name: String,
    has_userinfo: bool,
}

/// The naive parser: RFC 3986 without the parts that RFC 6455 §3 excludes, or that cannot be sent.
fn read(text: &str) -> Option<Seen> {
    let colon = text.find("://")?;
    let is_secure = match text[..colon].to_ascii_lowercase().as_str() {
        "ws" => false,
        "wss" => true,
        _ => return None,
    };
    let rest = &text[colon + 3..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, resource) = (&rest[..end], &rest[end..]);

    let at = authority.rfind('@');
    let userinfo = at.map_or("", |at| &authority[..at]);
    if !is_made_of(userinfo, ":") || !is_userinfo(userinfo) {
        return None;
    }
    let (host, port) = read_server(&authority[at.map_or(0, |at| at + 1)..])?;
    let port = match port {
        "" if is_secure => 443,
        "" => 80,
        digits if digits.chars().all(|c| c.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    let mark = resource.find('?');
    let path = &resource[..mark.unwrap_or(resource.len())];
    let query = mark.map_or("", |mark| &resource[mark + 1..]);
    if port == 0 || !is_made_of(path, ":@/") || !is_made_of(query, ":@/?") {
        return None;
    }
    let slash = if path.is_empty() { "/" } else { "" };
    let mark = if query.is_empty() { "" } else { "?" };
    let resource_name = [slash, path, mark, query].concat();
    let has_userinfo = !userinfo.is_empty();
    Some(Seen { is_secure, host: host.to_owned(), port, resource_name, has_userinfo })
}

/// Returns a host, without its brackets, and the digits of the port.
fn read_server(server: &str) -> Option<(&str, &str)> {
    if server.starts_with('[') {
        let end = server.find(']')?;
        let _: Ipv6Addr = server[1..end].parse().ok()?;
        let port = &server[end + 1..];
        return (port.is_empty() || port.starts_with(':'))
            .then(|| (&server[1..end], port.trim_start_matches(':')))
            .filter(|_| !port.starts_with("::"));
    }
    let (host, port) = server.split_once(':').unwrap_or((server, ""));
    (!host.is_empty() && !host.contains('%') && is_made_of(host, "")).then_some((host, port))
}

/// Returns whether a text has only letters, digits, the punctuation that RFC 3986 allows
/// everywhere, `more`, and percent-encoded octets.
pub fn is_made_of(text: &str, more: &str) -> bool {
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default();
    let is_plain = |piece: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(c);
        piece.chars().all(|c| is_plain(c) || more.contains(c))
    };
    let is_encoded = |piece: &str| {
        let digits: Vec<char> = piece.chars().take(2).collect();
        digits.len() == 2 && digits.iter().all(char::is_ascii_hexdigit) && is_plain(&piece[2..])
    };
    is_plain(first) && pieces.all(is_encoded)
}

/// Returns whether Basic authentication can express this (RFC 7617 §2): no control characters, and
/// no colon in the user name.
fn is_userinfo(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default();
    let codes = text.split('%').skip(1).map(|piece| u8::from_str_radix(&piece[..2], 16));
    !name.to_ascii_uppercase().contains("%3A")
        && codes.into_iter().all(|code| code.is_ok_and(|code| !code.is_ascii_control()))
}

fn check_parts(uri: &Uri) {
    let (host, resource_name) = (uri.host(), uri.resource_name());
    assert!(!host.is_empty() && uri.port() != 0);
    assert!(resource_name.starts_with('/') && !resource_name.contains('#'), "{resource_name:?}");
    for text in [host, resource_name, &uri.authority()] {
        assert!(text.chars().all(|c| c.is_ascii_graphic()), "{text:?}");
    }
}

/// Checks that the URI is the same after printing and parsing, except for the user name and
/// password, which are not printed.
fn check_again(uri: &Uri) {
    let printed = uri.to_string();
    let again: Uri = printed.parse().expect("a URI");
    assert_eq!(again.to_string(), printed);
    assert_eq!(again == *uri, uri.authorization().is_none(), "{printed}");
    assert_eq!(format!("{uri:?}"), format!("Uri({printed})"));
}

/// Checks that the handshake requests the resource at this authority, and nothing else.
fn check_request(uri: &Uri) {
    let key = Key::new(*b"the sample nonce");
    let handshake = ClientHandshake::new(uri, &Offer::new(), key).expect("a handshake");
    let mut printed = Vec::new();
    handshake.encode(&mut printed);
    let (read, len) = Request::decode(&printed, &heads::wide()).unwrap().expect("a whole head");
    assert_eq!((read.target(), len), (uri.resource_name(), printed.len()));
    assert_eq!(heads::values(read.headers(), "Host"), [uri.authority()]);
    assert_eq!(read.headers().get("Authorization"), uri.authorization().as_deref());
    assert_eq!(read.headers().len(), 5 + usize::from(uri.authorization().is_some()));
}

/// Checks that a proxy is asked for the host and the port, in one request.
fn check_connect(uri: &Uri) {
    let proxy: Proxy = "http://edna:secret@proxy".parse().expect("a proxy");
    let mut printed = Vec::new();
    proxy.encode_request(uri, &mut printed);
    let printed = String::from_utf8(printed).expect("a request of ASCII");
    let host = uri.host();
    let brackets = if host.contains(':') { ["[", "]"] } else { ["", ""] };
    let server = format!("{}{host}{}:{}", brackets[0], brackets[1], uri.port());
    let expected = format!(
        "CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n\
         Proxy-Authorization: Basic ZWRuYTpzZWNyZXQ=\r\n\r\n"
    );
    assert_eq!(printed, expected);
}

/// Checks that the address of a proxy is the start of a URI, and that no password is printed.
fn check_proxy(text: &str) {
    let Ok(proxy) = text.parse::<Proxy>() else { return };
    let address = text.split_once("://").map_or(text, |(_, rest)| rest);
    let seen = read(&format!("ws://{address}")).expect("a URI with the same authority");
    assert_eq!((proxy.host(), proxy.port(), "/"), (&*seen.host, seen.port, &*seen.resource_name));
    let printed = proxy.to_string();
    let again: Proxy = printed.parse().expect("a proxy");
    assert_eq!(again.to_string(), printed);
    assert!(!printed.contains('@'), "{printed}");
}
