//! Lists of extensions in a header field (RFC 6455 §9.1), and answers to lists that offer
//! permessage-deflate (RFC 7692 §7.1).

use arbitrary::{Result, Unstructured};
use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{AcceptOptions, Extension, Request, Upgrade};

use super::heads::is_token;

/// The only extension of the library.
pub const DEFLATE: &str = "permessage-deflate";

/// Checks that the library reads the same list as a naive parser, also after encoding it, and from
/// two fields.
pub fn check_list(text: &str) {
    let read = Extension::decode_list([text]).ok();
    assert_eq!(read, naive_list(text), "{text:?}");
    let Some(list) = read else { return };
    let printed: Vec<String> = list.iter().map(ToString::to_string).collect();
    assert_eq!(Extension::decode_list([&*printed.join(", ")]), Ok(list.clone()));
    assert_eq!(Extension::decode_list(printed.iter().map(String::as_str)), Ok(list.clone()));
    for (extension, printed) in list.iter().zip(&printed) {
        assert_eq!(extension.to_string(), *printed);
    }
    let twice = Extension::decode_list([text, text]).expect("a valid list, twice");
    assert_eq!(twice, [&list[..], &list].concat());
}

/// Parses the lists in all fields naively. Each must have an element.
pub fn naive_lists(fields: &[&str]) -> Option<Vec<Extension>> {
    let lists: Option<Vec<_>> = fields.iter().map(|text| naive_list(text)).collect();
    lists.map(|lists| lists.concat())
}

/// Parses a list naively. A quoted value must be a token after unescaping, so every comma is a
/// separator.
fn naive_list(text: &str) -> Option<Vec<Extension>> {
    let elements = text.split(',').map(trim).filter(|element| !element.is_empty());
    let list: Vec<_> = elements.map(naive_extension).collect::<Option<_>>()?;
    (!list.is_empty()).then_some(list)
}

fn naive_extension(element: &str) -> Option<Extension> {
    let mut parts = element.split(';').map(trim);
    let mut extension = Extension::new(parts.next().filter(|name| is_token(name))?);
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (trim(name), Some(naive_value(trim(value))?)),
            None => (part, None),
        };
        extension.params.push((is_token(name).then(|| name.to_owned())?, value));
    }
    Some(extension)
}

fn naive_value(written: &str) -> Option<String> {
    let mut value = String::new();
    match written.strip_prefix('"') {
        None => value.push_str(written),
        Some(quoted) => {
            let mut chars = quoted.strip_suffix('"')?.chars();
            while let Some(c) = chars.next() {
                value.push(if c == '\\' { chars.next()? } else { c });
            }
        }
    }
    is_token(&value).then_some(value)
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Checks that a server answers the first offer that it can accept, within the terms of that offer,
/// or none.
pub fn check_answer(text: &str, wish: Wish) {
    let mut request = Request::new("GET", "/");
    let fields = [
        ("Host", "example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Extensions", text),
    ];
    for (name, value) in fields {
        if request.headers_mut().append(name, value).is_err() {
            return assert!(text.contains(char::is_control), "{text:?}");
        }
    }
    let upgrade = Upgrade::from_request(&request);
    let list = naive_list(text);
    assert_eq!(upgrade.is_ok(), list.is_some(), "{text:?}");
    let (Ok(upgrade), Some(list)) = (upgrade, list) else { return };
    let accept = AcceptOptions::new().deflate(wish.deflate());
    let (_, negotiated) = upgrade.accept(&accept).expect("a valid answer");
    let offers = list.iter().filter(|extension| extension.name == DEFLATE);
    let offer = offers.filter_map(Params::read).find(|params| params.is_offer());
    let answer = match &negotiated.extensions[..] {
        [] => None,
        [answer] => Some(answer),
        answers => panic!("{answers:?}"),
    };
    assert_eq!(answer.is_some(), offer.is_some(), "{answer:?} to {text:?}");
    assert_eq!(negotiated.deflate.is_some(), offer.is_some());
    if let (Some(offer), Some(answer)) = (offer, answer) {
        assert_eq!(answer.name, DEFLATE);
        offer.check(&Params::read(answer).expect("parameters that exist"), wish);
    }
}

/// The parameters of RFC 7692 §7.1, those of window bits with their values.
#[derive(Debug, Default)]
struct Params<'a> {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<Option<&'a str>>,
    client_bits: Option<Option<&'a str>>,
}

/// The valid numbers of window bits.
const BITS: [&str; 8] = ["8", "9", "10", "11", "12", "13", "14", "15"];

impl<'a> Params<'a> {
    /// Reads parameters. Returns `None` if one is unknown, is repeated, or has an invalid value.
    fn read(extension: &'a Extension) -> Option<Self> {
        let mut params = Self::default();
        for (name, value) in &extension.params {
            let value = value.as_deref();
            let is_new = match &**name {
                "server_no_context_takeover" if value.is_none() => {
                    !core::mem::replace(&mut params.server_no_takeover, true)
                }
                "client_no_context_takeover" if value.is_none() => {
                    !core::mem::replace(&mut params.client_no_takeover, true)
                }
                "server_max_window_bits" => params.server_bits.replace(value).is_none(),
                "client_max_window_bits" => params.client_bits.replace(value).is_none(),
                _ => false,
            };
            if !is_new || value.is_some_and(|value| !BITS.contains(&value)) {
                return None;
            }
        }
        Some(params)
    }

    /// Returns whether these are valid in an offer, where only the client's window may lack a
    /// value.
    fn is_offer(&self) -> bool {
        self.server_bits != Some(None)
    }

    /// Checks that this offer allows the answer, and that the answer fits the server's settings.
    fn check(&self, answer: &Params<'_>, wish: Wish) {
        let bits = |written: Option<Option<&str>>| {
            written.map_or(15, |value| value.expect("a value").parse::<u8>().expect("a number"))
        };
        // A requested parameter is granted (§7.1.1.1, §7.1.2.1).
        assert_eq!(answer.server_no_takeover, self.server_no_takeover || !wish.send_takeover);
        // The answer has it only if the offer does.
        assert_eq!(self.server_bits.is_some(), answer.server_bits.is_some(), "{answer:?}");
        if self.server_bits.is_some() {
            assert_eq!(bits(answer.server_bits), bits(self.server_bits).min(wish.send_bits));
        }
        // The server respects the hint, and asks nothing of a client that gave none (§7.1.2.2).
        assert_eq!(answer.client_no_takeover, self.client_no_takeover || !wish.recv_takeover);
        let Some(hint) = self.client_bits else {
            return assert_eq!(answer.client_bits, None);
        };
        let hint = hint.map_or(15, |value| value.parse().expect("a number"));
        assert_eq!(bits(answer.client_bits), wish.recv_bits.min(hint));
    }
}

/// Returns whether these are parameters of a server (RFC 7692 §7.1) whose window is at most this
/// large. Without the parameter, it has 15 bits.
pub fn is_answer(extension: &Extension, max_server_bits: u8) -> bool {
    let bits = |written: Option<Option<&str>>| match written {
        None => Some(15),
        Some(value) => value.and_then(|value| value.parse::<u8>().ok()),
    };
    Params::read(extension).is_some_and(|params| {
        bits(params.client_bits).is_some()
            && bits(params.server_bits).is_some_and(|bits| bits <= max_server_bits)
    })
}

/// The settings of one end for permessage-deflate.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub send_takeover: bool,
    pub recv_takeover: bool,
    pub send_bits: u8,
    pub recv_bits: u8,
}

impl Wish {
    pub fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        let [windows, takeovers]: [u8; 2] = u.arbitrary()?;
        Ok(Self {
            send_takeover: takeovers & 1 == 0,
            recv_takeover: takeovers & 2 == 0,
            send_bits: 8 + windows % 8,
            recv_bits: 8 + (windows >> 4) % 8,
        })
    }

    /// Returns the same settings as a type of the library.
    pub fn deflate(self) -> DeflateConfig {
        DeflateConfig::new()
            .send_context_takeover(self.send_takeover)
            .recv_context_takeover(self.recv_takeover)
            .send_window_bits(self.send_bits)
            .recv_window_bits(self.recv_bits)
    }
}
