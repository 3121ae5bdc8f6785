//! Tunnels through HTTP proxies. [`handshake`](crate::handshake) makes the requests and interprets
//! the responses.

use std::env;
use std::net::TcpStream;

use super::dial;
use super::serialize::{Connecting, Remote, Serialize};
use crate::handshake::{
    HandshakeError, HeadLimits, HttpError, Proxies, Proxy, ProxyError, Response, Uri,
};
use crate::net::deadline::Deadline;
use crate::net::{Error, handshake_io};

/// Returns the proxies that the environment names.
pub(super) fn from_env() -> Proxies {
    // A value that is not UTF-8 is set, but is not an address. It must not pass for an unset one.
    Proxies::from_variables(|name| Some(env::var_os(name)?.to_string_lossy().into_owned()))
}

/// Like [`dial`](dial::dial), but through a proxy, which alone looks up the name of the server of
/// `uri`. No bytes beyond the proxy's response were read from the stream.
pub(super) fn dial(
    proxy: &Proxy,
    uri: &Uri,
    serialize: Serialize,
    limits: HeadLimits,
    deadline: Deadline,
) -> Result<(TcpStream, Option<Connecting>), Error> {
    let remote = || Remote::behind_proxy(uri.host(), uri.port());
    let connecting = match serialize {
        Serialize::No => None,
        Serialize::Yes => Some(Connecting::wait(remote(), deadline)?),
    };
    // The rule protects servers. A proxy serves many clients, so connections to it are not
    // serialized.
    let dialed = dial::dial(proxy.host(), proxy.port(), Serialize::No, deadline);
    let (stream, _) = dialed.map_err(of_proxy)?;
    open_tunnel(proxy, uri, limits, &stream, deadline).map_err(of_proxy)?;
    Ok((stream, connecting))
}

fn open_tunnel(
    proxy: &Proxy,
    uri: &Uri,
    limits: HeadLimits,
    stream: &TcpStream,
    deadline: Deadline,
) -> Result<(), Error> {
    let mut request = Vec::new();
    proxy.encode_request(uri, &mut request);
    handshake_io::write_all(stream, deadline, &request)?;

    let mut buffer = Vec::new();
    loop {
        let head_len = handshake_io::read_head(stream, deadline, limits, &mut buffer)?;
        let decoded = Response::decode(&buffer, &limits).map_err(ProxyError::from)?;
        let (response, _) = decoded.ok_or(ProxyError::Http(HttpError::StartLine))?;
        buffer.drain(..head_len);
        match Proxy::opens_tunnel(&response) {
            Ok(true) if buffer.is_empty() => return Ok(()),
            Ok(true) => return Err(ProxyError::EarlyBytes.into()),
            Ok(false) => {}
            Err(_) => {
                let body = handshake_io::read_body(stream, deadline, &response, buffer);
                return Err(ProxyError::Refused(Box::new(response.with_body(body))).into());
            }
        }
    }
}

/// Turns an error into the corresponding error of a proxy.
fn of_proxy(error: Error) -> Error {
    match error {
        Error::Io(error) => Error::ProxyIo(error),
        Error::Handshake(HandshakeError::Http(error)) => ProxyError::Http(error).into(),
        error => error,
    }
}
