//! An echo server that prints what happens, and answers 403 to requests that do not ask for a
//! WebSocket. Ctrl-C and SIGTERM shut it down cleanly.
//!
//! ```text
//! cargo run --example server [ADDR]
//! ```

use std::error::Error;
use std::time::Duration;

use tightwire::handshake::{AcceptOptions, Answer, Response, is_upgrade_request};
use tightwire::{Acceptor, Server};

fn main() -> Result<(), Box<dyn Error>> {
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

    // The peers get a Close frame, and three seconds to answer it.
    let handle = server.handle();
    ctrlc::set_handler(move || {
        let _ = handle.shutdown(Duration::from_secs(3));
    })?;

    server.run(|ws, _request| {
        println!("Client connected");
        while let Some(message) = ws.recv()? {
            match message.as_text() {
                Some(text) => {
                    println!("Received: {text}");
                    ws.send(format!("Echo: {text}"))?;
                }
                None => {
                    println!("Received: {} bytes", message.len());
                    ws.send(&message)?;
                }
            }
        }
        println!("Client disconnected");
        Ok(())
    })?;
    Ok(())
}
