use core::fmt;

use super::config::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use super::{Coding, Deflate};

/// What both ends settled on (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Params {
    /// How the messages of the server are compressed.
    pub server: Coding,
    /// How the messages of the client are compressed.
    pub client: Coding,
}

/// Parameters as they stand in a field, those without a value as `None`.
type Written = Vec<(String, Option<String>)>;

/// Why parameters cannot be agreed on (RFC 7692 §7).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ParamsError {
    /// A parameter that RFC 7692 does not define.
    Unknown(String),
    /// A parameter that stands twice.
    Repeated(String),
    /// A parameter without the value it needs, or with one it cannot have.
    Value(String),
    /// A server did not grant what was asked for.
    NotGranted(&'static str),
}

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// The parameters of an offer or a response, each checked by itself.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// In an offer it may stand without a value.
    client_bits: Option<Option<u8>>,
}

impl Read {
    fn new(written: &[(String, Option<String>)]) -> Result<Self, ParamsError> {
        let mut read = Self::default();
        for (index, (name, value)) in written.iter().enumerate() {
            if written.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(ParamsError::Repeated(name.clone()));
            }
            let bits = value.as_deref().map(window_bits);
            match (name.as_str(), bits) {
                (SERVER_NO_TAKEOVER, None) => read.server_no_takeover = true,
                (CLIENT_NO_TAKEOVER, None) => read.client_no_takeover = true,
                (SERVER_BITS, Some(Some(bits))) => read.server_bits = Some(bits),
                (CLIENT_BITS, None) => read.client_bits = Some(None),
                (CLIENT_BITS, Some(Some(bits))) => read.client_bits = Some(Some(bits)),
                (SERVER_NO_TAKEOVER | CLIENT_NO_TAKEOVER | SERVER_BITS | CLIENT_BITS, _) => {
                    return Err(ParamsError::Value(name.clone()));
                }
                _ => return Err(ParamsError::Unknown(name.clone())),
            }
        }
        Ok(read)
    }
}

/// A decimal number from 8 to 15, without a zero in front.
fn window_bits(value: &str) -> Option<u8> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    let bits = value.parse().ok().filter(|_| is_number)?;
    (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).contains(&bits).then_some(bits)
}

impl Params {
    /// The parameters that a client offers.
    pub(crate) fn offer(wishes: &Deflate) -> Written {
        let mut written = Vec::new();
        push(&mut written, wishes.recv(), SERVER_NO_TAKEOVER, SERVER_BITS);
        push(&mut written, wishes.send(), CLIENT_NO_TAKEOVER, CLIENT_BITS);
        // To say so costs nothing, and a server may ask for less only if it was said.
        if wishes.send_window_bits == MAX_WINDOW_BITS {
            written.push((CLIENT_BITS.to_owned(), None));
        }
        written
    }

    /// Judges an offer as a server: what is settled then, and the parameters that say so.
    pub(crate) fn accept(
        wishes: &Deflate,
        offer: &[(String, Option<String>)],
    ) -> Result<(Self, Written), ParamsError> {
        let offer = Read::new(offer)?;
        let server = Coding {
            context_takeover: wishes.send_context_takeover && !offer.server_no_takeover,
            window_bits: offer.server_bits.unwrap_or(MAX_WINDOW_BITS).min(wishes.send_window_bits),
        };
        let client = Coding {
            // A hint to take up: it spares us the memory.
            context_takeover: wishes.recv_context_takeover && !offer.client_no_takeover,
            // What was not offered may not be answered (RFC 7692 §7.1.2.2).
            window_bits: match offer.client_bits {
                Some(hint) => hint.unwrap_or(MAX_WINDOW_BITS).min(wishes.recv_window_bits),
                None => MAX_WINDOW_BITS,
            },
        };
        let mut written = Vec::new();
        push(&mut written, server, SERVER_NO_TAKEOVER, SERVER_BITS);
        // Who asked for at most 15 bits waits for the answer to it.
        if offer.server_bits.is_some() && server.window_bits == MAX_WINDOW_BITS {
            written.push((SERVER_BITS.to_owned(), Some(MAX_WINDOW_BITS.to_string())));
        }
        push(&mut written, client, CLIENT_NO_TAKEOVER, CLIENT_BITS);
        Ok((Self { server, client }, written))
    }

    /// Judges a response as the client that made an offer of these wishes.
    pub(crate) fn judge(
        wishes: &Deflate,
        response: &[(String, Option<String>)],
    ) -> Result<Self, ParamsError> {
        let response = Read::new(response)?;
        if !wishes.recv_context_takeover && !response.server_no_takeover {
            return Err(ParamsError::NotGranted(SERVER_NO_TAKEOVER));
        }
        let server_bits = response.server_bits.unwrap_or(MAX_WINDOW_BITS);
        if server_bits > wishes.recv_window_bits {
            return Err(ParamsError::NotGranted(SERVER_BITS));
        }
        // We offer it always; without a value it says nothing in a response.
        let client_bits = match response.client_bits {
            Some(None) => return Err(ParamsError::Value(CLIENT_BITS.to_owned())),
            Some(Some(bits)) => bits,
            None => MAX_WINDOW_BITS,
        };
        let takeover = !response.server_no_takeover;
        let server = Coding { context_takeover: takeover, window_bits: server_bits };
        let takeover = !response.client_no_takeover;
        let client = Coding { context_takeover: takeover, window_bits: client_bits };
        Ok(Self { server, client })
    }
}

/// Writes down in what a direction falls short of the most.
fn push(written: &mut Written, coding: Coding, no_takeover: &str, bits: &str) {
    if !coding.context_takeover {
        written.push((no_takeover.to_owned(), None));
    }
    if coding.window_bits < MAX_WINDOW_BITS {
        written.push((bits.to_owned(), Some(coding.window_bits.to_string())));
    }
}

impl fmt::Display for ParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "permessage-deflate has no parameter {name:?}"),
            Self::Repeated(name) => write!(f, "the parameter {name} stands twice"),
            Self::Value(name) => write!(f, "the parameter {name} has no value that it can have"),
            Self::NotGranted(name) => write!(f, "the parameter {name} was asked for in vain"),
        }?;
        f.write_str(" (RFC 7692 §7)")
    }
}

impl core::error::Error for ParamsError {}
