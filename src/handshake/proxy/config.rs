use core::net::IpAddr;

use super::connect::{Proxy, ProxyError};
use crate::handshake::http::Uri;
use crate::handshake::http::uri::split_port;

/// Which connections go through which proxy. By default none does.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For `ws:`. What is wrong with an address matters only to those who need it.
    ws: Option<Result<Proxy, ProxyError>>,
    /// For `wss:`.
    wss: Option<Result<Proxy, ProxyError>>,
    bypass: Vec<Bypass>,
}

impl Proxies {
    /// All connections go through the proxy with this URI, for which see [`Proxy`].
    #[must_use]
    pub fn always(uri: &str) -> Self {
        let proxy = Some(uri.parse());
        Self { ws: proxy.clone(), wss: proxy, bypass: Vec::new() }
    }

    /// Proxies as environment variables name them; `value_of` gives the values. Of several
    /// variables the first one counts that is there and not empty:
    ///
    /// - for `wss:` of `wss_proxy`, `https_proxy`, `all_proxy`;
    /// - for `ws:` of `ws_proxy`, `https_proxy`, `http_proxy`, `all_proxy`. §4.1 prefers the proxy
    ///   for HTTPS: it is used to `CONNECT`, and the other one may know nothing else than pages.
    ///
    /// `no_proxy` lists those to which we connect directly, separated by commas or blanks:
    ///
    /// - `example.com`: this host, and those whose names end in `.example.com`; `.example.com`
    ///   and `*.example.com` mean the same;
    /// - `192.0.2.1`, `::1`, `192.0.2.0/24`, `2001:db8::/32`: an address, or a range of them, if
    ///   the URI has an address. Names are not looked up for this, and `::ffff:192.0.2.1` is
    ///   `192.0.2.1`;
    /// - each of them but a range may be followed by a port, an IPv6 address then in brackets:
    ///   `example.com:8080`, `[::1]:8080`;
    /// - `*`: all.
    ///
    /// What is none of these is skipped. No address is special, not even those of this machine.
    ///
    /// A name counts in lower case first and then in upper case, but `http_proxy` in lower case
    /// only, and not where there is a `REQUEST_METHOD`: CGI makes `HTTP_PROXY` of the `Proxy`
    /// field of a request, by which its sender could have our connections (CVE-2016-5385), and
    /// some systems do not tell the cases apart.
    ///
    /// ```
    /// use tightwire::handshake::Proxies;
    ///
    /// let proxies = Proxies::from_variables(|name| match name {
    ///     "https_proxy" => Some("http://proxy.example.com:3128".into()),
    ///     "NO_PROXY" => Some("localhost,.example.com".into()),
    ///     _ => None,
    /// });
    /// assert!(proxies.proxy_for(&"ws://example.org/".parse()?)?.is_some());
    /// assert!(proxies.proxy_for(&"ws://chat.example.com/".parse()?)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_variables(value_of: impl Fn(&str) -> Option<String>) -> Self {
        let filled = |name: &str| value_of(name).filter(|value| !value.trim().is_empty());
        let is_cgi = filled("REQUEST_METHOD").is_some();
        let lookup = |name: &&str| match *name {
            "http_proxy" if is_cgi => None,
            "http_proxy" => filled(name),
            name => filled(name).or_else(|| filled(&name.to_ascii_uppercase())),
        };
        let first = |names: &[&str]| names.iter().find_map(lookup).map(|uri| uri.trim().parse());
        let bypass = lookup(&"no_proxy").unwrap_or_default();
        let elements = bypass.split(|c: char| c == ',' || c.is_ascii_whitespace());
        Self {
            ws: first(&["ws_proxy", "https_proxy", "http_proxy", "all_proxy"]),
            wss: first(&["wss_proxy", "https_proxy", "all_proxy"]),
            bypass: elements.filter_map(Bypass::decode).collect(),
        }
    }

    /// The proxy through which to connect to the server of `uri`, if it is to be one.
    ///
    /// # Errors
    ///
    /// `Uri` or `Unsupported`, if it is to be one that cannot be used.
    pub fn proxy_for(&self, uri: &Uri) -> Result<Option<&Proxy>, ProxyError> {
        let proxy = if uri.is_secure() { &self.wss } else { &self.ws };
        if self.bypass.iter().any(|bypass| bypass.covers(uri)) {
            return Ok(None);
        }
        proxy.as_ref().map(Result::as_ref).transpose().map_err(Clone::clone)
    }
}

/// An element of `no_proxy`.
#[derive(Clone, Debug)]
struct Bypass {
    hosts: Hosts,
    /// Without one, all ports.
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// A name and all that end in a dot and it.
    Domain(String),
    /// The addresses that begin with the first so many bits of this one.
    Range(IpAddr, u32),
}

impl Bypass {
    /// `None` if it covers nothing.
    fn decode(element: &str) -> Option<Self> {
        // An IPv6 address without brackets looks as if it had a port.
        if let Some(hosts) = decode_range(element) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = split_port(element).ok()?;
        let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
        if host == "*" {
            return Some(Self { hosts: Hosts::All, port });
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self { hosts: Hosts::Range(address.to_canonical(), MAX_BITS), port });
        }
        let name = host.strip_prefix('*').unwrap_or(host);
        let name = without_last_dot(name.strip_prefix('.').unwrap_or(name));
        (!name.is_empty()).then(|| Self { hosts: Hosts::Domain(name.to_owned()), port })
    }

    fn covers(&self, uri: &Uri) -> bool {
        if self.port.is_some_and(|port| port != uri.port()) {
            return false;
        }
        match (&self.hosts, uri.host().parse::<IpAddr>()) {
            (Hosts::All, _) => true,
            (Hosts::Range(first, bits), Ok(address)) => {
                have_same_start(*first, address.to_canonical(), *bits)
            }
            // Not every suffix of an address is a part of it.
            (Hosts::Domain(name), Err(_)) => is_within(without_last_dot(uri.host()), name),
            _ => false,
        }
    }
}

/// As many bits as any address has.
const MAX_BITS: u32 = 128;

/// An address, or one with the number of bits that count.
fn decode_range(text: &str) -> Option<Hosts> {
    let Some((address, bits)) = text.split_once('/') else {
        return Some(Hosts::Range(text.parse::<IpAddr>().ok()?.to_canonical(), MAX_BITS));
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= most)?;
    // A range of IPv4 addresses that are written as ones of IPv6: no others have so many bits.
    match (address.to_canonical(), bits.checked_sub(96)) {
        (v4 @ IpAddr::V4(_), Some(bits)) => Some(Hosts::Range(v4, bits)),
        _ => Some(Hosts::Range(address, bits)),
    }
}

/// Whether two addresses begin with the same bits.
fn have_same_start(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    let differing_bits_start = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) if a == b => MAX_BITS,
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing_bits_start >= bits
}

/// A dot at the end says that a name is a full one, which it is anyway.
fn without_last_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn is_within(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let is_end = host.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(domain));
    is_end && (start == 0 || host.get(..start).is_some_and(|rest| rest.ends_with('.')))
}
