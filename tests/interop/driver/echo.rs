//! An echo server of ours that keeps to the contract of a peer: the one behind proxies.

use std::net::SocketAddr;
use std::time::Duration;
use std::{io, thread};

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{AcceptOptions, Answer, Request, Response};
use tightwire::{Acceptor, CloseCode, HandlerResult, Message, Server, ServerHandle, WebSocket};

use crate::Failure;
use crate::session::{REFUSAL, server_config};

pub(crate) struct EchoServer {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl EchoServer {
    pub(crate) fn start(is_tls: bool) -> Result<Self, Failure> {
        let mut acceptor =
            Acceptor::new().subprotocols(["chat"]).deflate(DeflateConfig::new()).on_request(answer);
        if is_tls {
            acceptor = acceptor.tls(server_config()?);
        }
        Self::run(acceptor).map_err(|error| format!("no echo server: {error}"))
    }

    fn run(acceptor: Acceptor) -> io::Result<Self> {
        let server = Server::bind("127.0.0.1:0")?.acceptor(acceptor);
        let (address, handle) = (server.local_addr()?, server.handle());
        thread::spawn(move || server.run(serve));
        Ok(Self { address, handle })
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.handle.shutdown(Duration::ZERO);
    }
}

/// Answers requests as a server of a peer must.
pub(crate) fn answer(request: &Request) -> Answer {
    if request.path() == "/refuse" {
        return Response::new(403).with_body(REFUSAL).into();
    }
    Answer::Upgrade(AcceptOptions::new())
}

fn serve(ws: &mut WebSocket, request: &Request) -> HandlerResult {
    let code = CloseCode::new(4001).ok_or("4001 is a code")?;
    while let Some(message) = ws.recv()? {
        match message.as_text() {
            Some("!close") => ws.close_with(code, "bye")?,
            Some("!ping") => ws.ping(b"interop")?,
            Some("!header") => {
                ws.send(request.headers().get("X-Interop").unwrap_or_default())?;
            }
            Some("!fragments") => send_fragments(ws)?,
            _ => ws.send(&message)?,
        }
    }
    Ok(())
}

fn send_fragments(ws: &WebSocket) -> io::Result<()> {
    use io::Write;
    let mut writer = ws.writer(tightwire::MessageKind::Text);
    for part in ["one ", "two "] {
        writer.write_all(part.as_bytes())?;
        writer.flush()?;
    }
    writer.write_all(b"three")?;
    Ok(writer.finish()?)
}

/// A message of text.
pub(crate) fn text(text: impl Into<String>) -> Message {
    Message::Text(text.into())
}
