//! The negotiation of permessage-deflate (RFC 7692 §7.1): offer, acceptance and verification.
//!
//! Tricky: a parameter means different things in an offer and in a response. In an offer, the
//! `server_` parameters are demands, and the `client_` parameters are hints that the server may
//! take up. In a response, all of them are binding.

use core::fmt;

use super::config::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use super::{DeflateConfig, DirectionParams};
use crate::excerpt::excerpt;

/// The negotiated parameters of permessage-deflate (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Params {
    /// The parameters of messages from the server.
    pub server: DirectionParams,
    /// The parameters of messages from the client.
    pub client: DirectionParams,
}

/// Parameters as they are in the header field. The value is `None` if there is none.
type RawParams = Vec<(String, Option<String>)>;

/// The reason why parameters of permessage-deflate are refused (RFC 7692 §7).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ParamsError {
    /// RFC 7692 does not define the parameter.
    Unknown(String),
    /// The parameter is repeated.
    Repeated(String),
    /// The parameter lacks the value that it needs, or has an invalid one.
    Value(String),
    /// The server did not grant the parameter that the client asked for.
    NotGranted(&'static str),
}

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// The parameters of an offer or a response, each valid on its own.
#[derive(Clone, Copy, Debug, Default)]
struct ParsedParams {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// `Some(None)` is the parameter without a value, which only an offer may have.
    client_bits: Option<Option<u8>>,
}

impl ParsedParams {
    fn new(params: &[(String, Option<String>)]) -> Result<Self, ParamsError> {
        let mut read = Self::default();
        for (index, (name, value)) in params.iter().enumerate() {
            if params.iter().take(index).any(|(earlier, _)| earlier == name) {
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

/// Decodes a decimal number from 8 to 15, without a leading zero.
fn window_bits(value: &str) -> Option<u8> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    let bits = value.parse().ok().filter(|_| is_number)?;
    (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).contains(&bits).then_some(bits)
}

impl Params {
    /// Returns the parameters that a client offers.
    pub(crate) fn offer(config: &DeflateConfig) -> RawParams {
        let mut params = Vec::new();
        push(&mut params, config.recv(), SERVER_NO_TAKEOVER, SERVER_BITS);
        push(&mut params, config.send(), CLIENT_NO_TAKEOVER, CLIENT_BITS);
        // This costs nothing, and a server may ask for a smaller window only if it was offered.
        if config.send_window_bits == MAX_WINDOW_BITS {
            params.push((CLIENT_BITS.to_owned(), None));
        }
        params
    }

    /// Evaluates an offer as a server. Returns the negotiated parameters, and those to respond.
    pub(crate) fn accept(
        config: &DeflateConfig,
        offer: &[(String, Option<String>)],
    ) -> Result<(Self, RawParams), ParamsError> {
        let offer = ParsedParams::new(offer)?;
        let server = DirectionParams {
            context_takeover: config.send_context_takeover && !offer.server_no_takeover,
            // RFC 7692 §7.1.2.1 allows the parameter without an offer too, but some clients refuse
            // it. The deflater uses the smaller window anyway, which needs no agreement.
            window_bits: match offer.server_bits {
                Some(bits) => bits.min(config.send_window_bits),
                None => MAX_WINDOW_BITS,
            },
        };
        let client = DirectionParams {
            // We take up the hint of the client, because it saves us memory.
            context_takeover: config.recv_context_takeover && !offer.client_no_takeover,
            // Only a parameter that was offered may be in the response (RFC 7692 §7.1.2.2).
            window_bits: match offer.client_bits {
                Some(hint) => hint.unwrap_or(MAX_WINDOW_BITS).min(config.recv_window_bits),
                None => MAX_WINDOW_BITS,
            },
        };
        let mut params = Vec::new();
        push(&mut params, server, SERVER_NO_TAKEOVER, SERVER_BITS);
        // A client that asked for at most 15 bits expects the parameter in the response.
        if offer.server_bits.is_some() && server.window_bits == MAX_WINDOW_BITS {
            params.push((SERVER_BITS.to_owned(), Some(MAX_WINDOW_BITS.to_string())));
        }
        push(&mut params, client, CLIENT_NO_TAKEOVER, CLIENT_BITS);
        Ok((Self { server, client }, params))
    }

    /// Validates a response, as the client that offered this configuration.
    pub(crate) fn verify(
        config: &DeflateConfig,
        response: &[(String, Option<String>)],
    ) -> Result<Self, ParamsError> {
        let response = ParsedParams::new(response)?;
        if !config.recv_context_takeover && !response.server_no_takeover {
            return Err(ParamsError::NotGranted(SERVER_NO_TAKEOVER));
        }
        let server_bits = response.server_bits.unwrap_or(MAX_WINDOW_BITS);
        if server_bits > config.recv_window_bits {
            return Err(ParamsError::NotGranted(SERVER_BITS));
        }
        // Our offers always have the parameter. In a response it must have a value.
        let client_bits = match response.client_bits {
            Some(None) => return Err(ParamsError::Value(CLIENT_BITS.to_owned())),
            Some(Some(bits)) => bits,
            None => MAX_WINDOW_BITS,
        };
        let takeover = !response.server_no_takeover;
        let server = DirectionParams { context_takeover: takeover, window_bits: server_bits };
        let takeover = !response.client_no_takeover;
        let client = DirectionParams { context_takeover: takeover, window_bits: client_bits };
        Ok(Self { server, client })
    }
}

/// Adds the parameters by which a direction differs from the defaults of RFC 7692.
fn push(params: &mut RawParams, direction: DirectionParams, no_takeover: &str, bits: &str) {
    if !direction.context_takeover {
        params.push((no_takeover.to_owned(), None));
    }
    if direction.window_bits < MAX_WINDOW_BITS {
        params.push((bits.to_owned(), Some(direction.window_bits.to_string())));
    }
}

impl fmt::Display for ParamsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(f, "permessage-deflate has no parameter {}", excerpt(name))
            }
            Self::Repeated(name) => write!(f, "the parameter {} is repeated", excerpt(name)),
            Self::Value(name) => write!(f, "the parameter {name} has an invalid value"),
            Self::NotGranted(name) => {
                write!(
                    f,
                    "the server did not grant {name}: add a second offer without it, for example \
                     with another call of Client::deflate, to connect anyway"
                )
            }
        }?;
        f.write_str(" (RFC 7692 §7)")
    }
}

impl core::error::Error for ParamsError {}
