//! Two threads on one connection: one sends the lines that you type, the other prints the messages
//! that arrive.
//!
//! ```text
//! cargo run --example duplex [URL]
//! ```

use std::io::BufRead;
use std::thread;

use tightwire::{CloseCode, Error, Sender};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/".into());
    let (sender, mut receiver) = tightwire::connect(&url)?.split();
    println!("Connected to {url}: type lines, and press Ctrl-D to end");

    let stopper = sender.clone();
    ctrlc::set_handler(move || {
        let _ = stopper.close_with(CloseCode::GOING_AWAY, "interrupted");
    })?;

    // This thread may still wait for a line when the connection has ended, so nothing joins it.
    thread::spawn(move || {
        if let Err(error) = send_lines(&sender) {
            eprintln!("Cannot send: {error:#}");
        }
    });

    for message in receiver.messages() {
        println!("{}", message?.as_text().unwrap_or("(binary)"));
    }
    println!("Disconnected");
    Ok(())
}

fn send_lines(sender: &Sender) -> Result<(), Error> {
    for line in std::io::stdin().lock().lines() {
        sender.send(&line?)?;
    }
    sender.close()
}
