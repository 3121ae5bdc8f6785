//! JSON in text messages: sends a greeting, and parses the reply into a type.
//!
//! ```text
//! cargo run --example json [URL]
//! ```

use serde::{Deserialize, Serialize};
use tightwire::Message;

#[derive(Debug, Deserialize, Serialize)]
struct Packet {
    r#type: String,
    content: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/".into());
    let mut ws = tightwire::connect(&url)?;

    let greeting = Packet { r#type: "greeting".into(), content: "Hello from Rust!".into() };
    ws.send(&serde_json::to_string(&greeting)?)?;

    match ws.recv()? {
        Some(Message::Text(text)) => match serde_json::from_str::<Packet>(&text) {
            Ok(reply) => println!("Received {}: {}", reply.r#type, reply.content),
            Err(error) => eprintln!("Received {text:?}, which is not a packet: {error:#}"),
        },
        Some(Message::Binary(data)) => {
            eprintln!("Received {} bytes, which are not JSON", data.len())
        }
        None => println!("The server closed"),
    }

    ws.close()?;
    Ok(())
}
