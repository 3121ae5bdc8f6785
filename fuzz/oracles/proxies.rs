//! The proxy that environment variables choose for a URI. A naive reader of the documentation of
//! `Proxies::from_variables` chooses too, by text and by lists of bits, and both must agree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use arbitrary::{Result, Unstructured};
use tightwire::handshake::{Proxies, Proxy, ProxyError, Uri};

/// Names of variables, in both cases and in a mixed one.
const NAMES: [&str; 15] = [
    "ws_proxy",
    "WS_PROXY",
    "wss_proxy",
    "WSS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "REQUEST_METHOD",
    "Http_Proxy",
    "request_method",
];

/// Pieces of values that random bytes would hardly ever form.
const WORDS: [&str; 32] = [
    "",
    " ",
    ",",
    "http://",
    "https://",
    "socks5://",
    "proxy.example.com",
    ":3128",
    ":80",
    ":0",
    "edna:secret@",
    "/",
    "example.com",
    ".example.com",
    "*.example.com",
    "*",
    "a.",
    ".",
    "::1",
    "[::1]",
    "127.0.0.1",
    "127.0.0.0/8",
    "/0",
    "/32",
    "/33",
    "/129",
    "2001:db8::/32",
    "::ffff:127.0.0.1",
    "::ffff:0:0/96",
    "::/95",
    "EXAMPLE.COM.",
    "\t",
];

/// Hosts and ports of the URI.
const HOSTS: [&str; 12] = [
    "example.com",
    "a.example.com",
    "badexample.com",
    "EXAMPLE.com.",
    "127.0.0.1",
    "127.1.2.3",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[2001:db8::7]",
    "localhost",
    "com",
    "a",
];

/// Input: the URI, and the variables with their values.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    if let Ok((uri, variables)) = any_case(&mut u) {
        check_case(&uri, &variables);
    }
}

fn any_case(u: &mut Unstructured<'_>) -> Result<(String, BTreeMap<&'static str, String>)> {
    let scheme = if u.arbitrary()? { "ws" } else { "wss" };
    let port = ["", ":80", ":443", ":3128"][usize::from(u.arbitrary::<u8>()?) % 4];
    let uri = format!("{scheme}://{}{port}/", u.choose(&HOSTS)?);
    let mut variables = BTreeMap::new();
    for _ in 0..u.arbitrary::<u8>()? % 8 {
        let name = u.choose(&NAMES)?;
        let mut value = String::new();
        for _ in 0..u.arbitrary::<u8>()? % 8 {
            match u.arbitrary::<u8>()? {
                byte @ 0x80.. => value.push_str(WORDS[usize::from(byte) % WORDS.len()]),
                byte => value.push(char::from(byte)),
            }
        }
        variables.insert(*name, value);
    }
    Ok((uri, variables))
}

fn check_case(uri: &str, variables: &BTreeMap<&str, String>) {
    let parsed: Uri = uri.parse().expect("the hosts are valid");
    let proxies = Proxies::from_variables(|name| variables.get(name).cloned());
    let found = proxies.proxy_for(&parsed);
    let seen = match &found {
        Ok(None) => Choice::Direct,
        Ok(Some(proxy)) => Choice::Through(format!("{}:{}", proxy.host(), proxy.port())),
        Err(ProxyError::Uri | ProxyError::Unsupported) => Choice::Unusable,
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(seen, choose(&parsed, variables), "{uri} {variables:?}");
    if let Ok(Some(proxy)) = found {
        assert!(!format!("{proxy} {proxy:?}").contains("secret"), "a password is shown");
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Choice {
    Direct,
    Through(String),
    Unusable,
}

/// Returns the choice of the naive parser.
fn choose(uri: &Uri, variables: &BTreeMap<&str, String>) -> Choice {
    let is_set = |name: &str| variables.get(name).is_some_and(|value| !value.trim().is_empty());
    let names: &[&str] = match uri.is_secure() {
        true => &["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        false => &[
            "ws_proxy",
            "WS_PROXY",
            "https_proxy",
            "HTTPS_PROXY",
            "http_proxy",
            "all_proxy",
            "ALL_PROXY",
        ],
    };
    let is_cgi = is_set("REQUEST_METHOD");
    let mut named = names.iter().filter(|name| is_set(name));
    let Some(name) = named.find(|name| **name != "http_proxy" || !is_cgi) else {
        return Choice::Direct;
    };
    let list = ["no_proxy", "NO_PROXY"].into_iter().find(|name| is_set(name));
    let list = list.map_or("", |name| variables[name].as_str());
    let is_separator = |c: char| matches!(c, ',' | ' ' | '\t' | '\n' | '\r' | '\x0C');
    if list.split(is_separator).any(|element| covers(element, uri)) {
        return Choice::Direct;
    }
    // The text of a proxy is what the target `uri` checks.
    match variables[*name].trim().parse::<Proxy>() {
        Ok(proxy) => Choice::Through(format!("{}:{}", proxy.host(), proxy.port())),
        Err(_) => Choice::Unusable,
    }
}

/// Returns whether an element of `no_proxy` covers the server of `uri`.
fn covers(element: &str, uri: &Uri) -> bool {
    let address = bits(uri.host());
    if let Some((start, len)) = element.split_once('/') {
        let (Some(start), Ok(len)) = (range_bits(start), len.parse::<usize>()) else {
            return false;
        };
        let (start, len) = match start {
            Ok(four) if len <= 32 => (four, len + 96),
            Err(sixteen) if len <= 128 => (sixteen, len),
            _ => return false,
        };
        // A range of IPv6 addresses that is not within ::ffff:0:0/96 has no IPv4 addresses.
        return address.is_some_and(|address| {
            address[..len] == start[..len] && (is_v4(&address) == (is_v4(&start) && len >= 96))
        });
    }
    if let Some(start) = bits(element) {
        return address == Some(start);
    }
    let (host, port) = match element.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if port.is_empty() || port.starts_with(':') => {
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                (host, port.strip_prefix(':').unwrap_or(""))
            }
            _ => return false,
        },
        None => element.split_once(':').unwrap_or((element, "")),
    };
    if !port.is_empty() {
        match port.parse::<u16>() {
            Ok(port) if port == uri.port() => {}
            _ => return false,
        }
    }
    if host == "*" {
        return true;
    }
    if let Some(start) = bits(host) {
        return address == Some(start);
    }
    let domain = host.strip_prefix('*').unwrap_or(host);
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let domain = domain.strip_suffix('.').unwrap_or(&domain);
    let server = uri.host().to_ascii_lowercase();
    let server = server.strip_suffix('.').unwrap_or(&server);
    address.is_none()
        && !domain.is_empty()
        && (server == domain || server.ends_with(&format!(".{domain}")))
}

/// The bits of an address, one of IPv4 as `::ffff:a.b.c.d`.
fn bits(text: &str) -> Option<Vec<bool>> {
    let octets = match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    Some(octets.iter().flat_map(|octet| (0..8).map(move |bit| octet << bit & 0x80 != 0)).collect())
}

/// The same, and whether the length of a range counts from the start of IPv4's four octets.
fn range_bits(text: &str) -> Option<core::result::Result<Vec<bool>, Vec<bool>>> {
    let bits = bits(text)?;
    let is_written_as_v4 = matches!(text.parse(), Ok(IpAddr::V4(_)));
    Some(if is_written_as_v4 { Ok(bits) } else { Err(bits) })
}

fn is_v4(bits: &[bool]) -> bool {
    bits[..80].iter().all(|bit| !bit) && bits[80..96].iter().all(|bit| *bit)
}
