//! Sends five bytes, and prints the reply.
//!
//! ```text
//! cargo run --example binary [URL]
//! ```

use tightwire::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/".into());
    let mut ws = tightwire::connect(&url)?;

    ws.send([1, 2, 3, 4, 5])?;
    match ws.recv()? {
        Some(Message::Binary(data)) => println!("Received bytes: {data:?}"),
        Some(Message::Text(text)) => println!("Received text: {text}"),
        None => println!("The server closed"),
    }

    ws.close()?;
    Ok(())
}
