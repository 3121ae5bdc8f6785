//! An echo server with a word of its own: what asks for no WebSocket gets 403.
//!
//! ```text
//! cargo run --example server [ADDR]
//! ```

use tightwire::handshake::{AcceptOptions, Answer, Response, is_upgrade_request};
use tightwire::{Acceptor, Server};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let acceptor = Acceptor::new().on_request(|request| {
        if is_upgrade_request(request) {
            Answer::Upgrade(AcceptOptions::new())
        } else {
            Answer::Respond(Response::new(403).with_body("WebSocket connections only\n"))
        }
    });
    let server = Server::bind(address)?
        .acceptor(acceptor)
        .on_error(|peer, error| eprintln!("{peer:?}: {error:#}"));
    println!("listening on ws://{}", server.local_addr()?);

    server.run(|ws, request| {
        let peer = ws.peer_addr().map_or_else(|| "somebody".into(), |peer| peer.to_string());
        println!("{peer} connected to {}", request.target());
        while let Some(message) = ws.recv()? {
            match message.as_text() {
                Some(text) => ws.send(format!("Echo: {text}"))?,
                None => ws.send(&message)?,
            }
        }
        println!("{peer} disconnected");
        Ok(())
    })
}
