//! Sends a message a second, prints the replies, and handles each way in which a connection can
//! end.
//!
//! ```text
//! cargo run --example error_handling [URL]
//! ```

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use tightwire::handshake::HandshakeError;
use tightwire::{CloseCode, Error, Operation, Receiver, Sender};

const MESSAGES: [&str; 2] = ["Ping", "Ping 2"];

fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/".into());
    let ws = match tightwire::connect(&url) {
        Ok(ws) => ws,
        Err(error) => {
            // Nothing is open here, so there is nothing to clean up.
            eprintln!("Failed to connect to {url}: {error:#}");
            if let Error::Handshake(HandshakeError::Refused(response)) = error {
                eprintln!("The server said: {}", String::from_utf8_lossy(response.body()));
            }
            return ExitCode::FAILURE;
        }
    };
    println!("Connected to {url}");

    let (sender, mut receiver) = ws.split();
    let writer = thread::spawn(move || talk(&sender));
    let heard = listen(&mut receiver);
    let said = writer.join().expect("talk does not panic");

    match receiver.close_status() {
        Some(status) => println!(
            "Done: code {}, reason {:?}, closed by {:?}, {}",
            status.code(),
            status.reason(),
            status.closed_by(),
            if status.was_clean() { "cleanly" } else { "not cleanly" },
        ),
        None => println!("Done, and still open"),
    }
    if heard.and(said).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Sends the messages, one a second, then closes.
fn talk(sender: &Sender) -> Result<(), Error> {
    for text in MESSAGES {
        if let Err(error) = sender.send(text) {
            eprintln!("Error while sending: {error:#}");
            return Err(error);
        }
        println!("Sent: {text}");
        thread::sleep(Duration::from_secs(1));
    }
    sender.close_with(CloseCode::NORMAL, "done")
}

/// Prints messages until the connection ends.
fn listen(receiver: &mut Receiver) -> Result<(), Error> {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        match receiver.recv_timeout(Duration::from_secs(5)) {
            Ok(Some(message)) => println!("Received: {}", message.as_text().unwrap_or("(binary)")),
            Ok(None) => return Ok(()),
            Err(Error::Timeout(Operation::Receive)) if Instant::now() < patience => {
                println!("Nothing for five seconds");
            }
            Err(error) => {
                eprintln!("Error while receiving: {error:#}");
                return Err(error);
            }
        }
    }
}
