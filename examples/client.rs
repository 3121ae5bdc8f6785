//! Connects, says hello, prints the reply, and closes.
//!
//! ```text
//! cargo run --example client [URL]
//! ```

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/".into());
    let mut ws = tightwire::connect(&url)?;
    println!("Connected to {url}");

    ws.send("Hello from Rust!")?;
    if let Some(message) = ws.recv()? {
        println!("Received: {}", message.as_text().unwrap_or("(binary)"));
    }

    ws.close()?;
    println!("Disconnected");
    Ok(())
}
