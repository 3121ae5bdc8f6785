//! Sends every message back as it came, compressed if the client wants that.
//!
//! ```text
//! cargo run --release --features deflate --example echo_server [ADDR]
//! ```

use tightwire::{Acceptor, Server};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let server = Server::bind(address)?;
    println!("listening on ws://{}", server.local_addr()?);

    server.acceptor(acceptor()).run(|ws, _request| {
        // Messages that came together are answered together: `recv` writes what was fed
        // before it waits for more.
        while let Some(message) = ws.recv()? {
            ws.feed(&message)?;
        }
        Ok(())
    })
}

fn acceptor() -> Acceptor {
    let acceptor = Acceptor::new();
    #[cfg(feature = "deflate")]
    let acceptor = acceptor.deflate(tightwire::deflate::Deflate::new());
    acceptor
}
