//! The choice of a proxy for a URI, and the syntax of `no_proxy`.
//!
//! No RFC defines the variables. [`Proxies::from_variables`] lists the rules, which are those of
//! `curl` and other programs. Tricky: in `no_proxy`, an IPv6 address looks as if it had a port.

use core::net::IpAddr;

use super::connect::{Proxy, ProxyError};
use crate::handshake::http::Uri;
use crate::handshake::http::uri::split_port;

/// The rules by which connections use a proxy. By default none does.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// The proxy for `ws:`. A malformed address is an error only when it is needed.
    ws: Option<Result<Proxy, ProxyError>>,
    /// The proxy for `wss:`.
    wss: Option<Result<Proxy, ProxyError>>,
    bypass: Vec<Bypass>,
}

impl Proxies {
    /// Sends all connections through the proxy with this URI. See [`Proxy`] for its form.
    #[must_use]
    pub fn always(uri: &str) -> Self {
        let proxy = Some(uri.parse());
        Self { ws: proxy.clone(), wss: proxy, bypass: Vec::new() }
    }

    /// Reads the proxies from environment variables, whose values `value_of` returns.
    ///
    /// The first variable that is set and not empty counts:
    ///
    /// - for `wss:`, of `wss_proxy`, `https_proxy`, `all_proxy`;
    /// - for `ws:`, of `ws_proxy`, `https_proxy`, `http_proxy`, `all_proxy`. RFC 6455 §4.1 prefers
    ///   the proxy for HTTPS, which must support `CONNECT`. A proxy for HTTP need not.
    ///
    /// `no_proxy` lists the hosts to which we connect directly, separated by commas or white space:
    ///
    /// | element | hosts |
    /// | --- | --- |
    /// | `example.com` | this host, and all hosts whose names end in `.example.com` |
    /// | `.example.com`, `*.example.com` | the same |
    /// | `192.0.2.1`, `::1` | this address |
    /// | `192.0.2.0/24`, `2001:db8::/32` | the addresses in this range |
    /// | `example.com:8080`, `[::1]:8080` | as above, but with this port only; not for ranges |
    /// | `*` | all hosts |
    ///
    /// Addresses and ranges apply only if the URI has an address, because names are not looked up.
    /// `::ffff:192.0.2.1` is the same as `192.0.2.1`. Every other element is ignored. No address is
    /// special, not even those of this machine.
    ///
    /// The name of a variable counts in lower case first, and then in upper case. `http_proxy`
    /// counts in lower case only, and not if `REQUEST_METHOD` is set: CGI turns the `Proxy` field
    /// of a request into `HTTP_PROXY`, through which a sender could redirect our connections
    /// (CVE-2016-5385), and some systems ignore the case of variables.
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

    /// Returns the proxy through which to connect to the server of `uri`, or `None` to connect
    /// directly.
    ///
    /// # Errors
    ///
    /// `Uri` or `Unsupported` if the address of the proxy cannot be used.
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
    /// The port to which the element applies. Without one, it applies to all ports.
    port: Option<u16>,
}

/// The hosts to which an element of `no_proxy` applies.
#[derive(Clone, Debug)]
enum Hosts {
    All,
    /// The host with this name, and all hosts whose names end in a dot and this name.
    Domain(String),
    /// The addresses that begin with this many bits of this address.
    Range(IpAddr, u32),
}

impl Bypass {
    /// Decodes an element. `None` means that it applies to no host.
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
            // A domain never covers an address, because the end of an address is not a domain.
            (Hosts::Domain(name), Err(_)) => is_within(without_last_dot(uri.host()), name),
            _ => false,
        }
    }
}

/// The number of bits of the longest address.
const MAX_BITS: u32 = 128;

/// Decodes an address, or an address with the number of bits that count.
fn decode_range(text: &str) -> Option<Hosts> {
    let Some((address, bits)) = text.split_once('/') else {
        return Some(Hosts::Range(text.parse::<IpAddr>().ok()?.to_canonical(), MAX_BITS));
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= most)?;
    // A range of at least 96 bits can consist of IPv4 addresses that are written as IPv6.
    match (address.to_canonical(), bits.checked_sub(96)) {
        (v4 @ IpAddr::V4(_), Some(bits)) => Some(Hosts::Range(v4, bits)),
        _ => Some(Hosts::Range(address, bits)),
    }
}

/// Returns whether two addresses begin with the same bits.
fn have_same_start(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    let differing_bits_start = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) if a == b => MAX_BITS,
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing_bits_start >= bits
}

/// Removes the dot at the end of a name. It marks a full name, which is assumed anyway.
fn without_last_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Returns whether a host is this domain or is below it.
fn is_within(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let is_end = host.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(domain));
    is_end && (start == 0 || host.get(..start).is_some_and(|rest| rest.ends_with('.')))
}
