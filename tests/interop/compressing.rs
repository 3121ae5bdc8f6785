//! The echo that the checks of compression talk to: a server or a client, with any settings.
//!
//! ```text
//! compressing ADDR|URL [NAME=VALUE]...
//! ```
//!
//! With a URL it is a client, which echoes until its server closes. Both print what was agreed on
//! for each connection, and how that ended.

use std::error::Error;

use tightwire::deflate::{DeflateConfig, Params};
use tightwire::{Acceptor, Client, CloseStatus, HandlerResult, Server, WebSocket};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let place = args.next().ok_or("an address or a URL is needed")?;
    // Short fragments are compressed one by one, which the peer has to join.
    let (mut config, mut fragment_len) = (Some(DeflateConfig::new()), 1 << 20);
    for setting in args {
        match setting.split_once('=') {
            Some(("fragment_len", value)) => fragment_len = value.parse()?,
            Some(("deflate", "no")) => config = None,
            Some((name, value)) => {
                config = config.map(|config| set(config, name, value)).transpose()?;
            }
            None => return Err(format!("{setting} is no setting").into()),
        }
    }
    if place.starts_with("ws:") {
        let mut client = Client::new().fragment_len(fragment_len);
        if let Some(config) = config {
            client = client.deflate(config);
        }
        return echo(&mut client.connect(&place)?);
    }
    let mut acceptor = Acceptor::new().fragment_len(fragment_len);
    if let Some(config) = config {
        acceptor = acceptor.deflate(config);
    }
    let server = Server::bind(place)?.acceptor(acceptor).on_error(|_, error| eprintln!("{error}"));
    println!("listening on ws://{}", server.local_addr()?);
    server.run(|ws, _request| echo(ws))?;
    Ok(())
}

fn set(config: DeflateConfig, name: &str, value: &str) -> Result<DeflateConfig, Failure> {
    Ok(match name {
        "level" => config.level(value.parse()?),
        "min_len" => config.min_len(value.parse()?),
        "send_context_takeover" => config.send_context_takeover(value.parse()?),
        "recv_context_takeover" => config.recv_context_takeover(value.parse()?),
        "send_window_bits" => config.send_window_bits(value.parse()?),
        "recv_window_bits" => config.recv_window_bits(value.parse()?),
        other => return Err(format!("{other} is no setting").into()),
    })
}

fn echo(ws: &mut WebSocket) -> HandlerResult {
    println!("{}", ws.negotiated().deflate.as_ref().map_or_else(|| "plain".into(), shown));
    while let Some(message) = ws.recv()? {
        ws.feed(&message)?;
    }
    println!("closed with {}", ws.close_status().map_or(0, CloseStatus::code));
    Ok(())
}

/// For each end whether its messages may refer to earlier ones, and its window.
fn shown(params: &Params) -> String {
    let Params { server, client, .. } = params;
    format!(
        "server {} {}, client {} {}",
        server.context_takeover, server.window_bits, client.context_takeover, client.window_bits,
    )
}
