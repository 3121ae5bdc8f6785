//! A chat with rooms, in one process on std threads: it serves the page and the WebSocket behind
//! it.
//!
//! ```text
//! cargo run --release --example chat [ADDR] [--origin ORIGIN]... [--for SECONDS]
//! ```
//!
//! Then open <http://127.0.0.1:8080/>. The end of standard input, Ctrl-D, shuts it down in order;
//! with `--for` it is the time that does. Behind another name or port than the one it listens
//! on, say with `--origin` as what browsers know the page.
//!
//! `words.rs` has the JSON that goes over the wire, `room.rs` who is where and what was said,
//! `talk.rs` one connection, `site.rs` the page.

mod room;
mod site;
mod talk;
mod words;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io, thread};

use tightwire::{Acceptor, Limits, Server, Timeouts};

use room::Rooms;

/// No message of a member is longer, in bytes.
const MESSAGE_MAX: usize = 16 << 10;
/// As many may be in the chat, and loading its page, at once.
const CONNECTIONS_MAX: usize = 1_000;
/// How long everybody has to say goodbye when the server shuts down.
const GOODBYE: Duration = Duration::from_secs(3);

struct Options {
    address: String,
    origins: Vec<String>,
    duration: Option<Duration>,
}

fn main() -> ExitCode {
    match parse(env::args().skip(1)).and_then(|options| run(options).map_err(|e| e.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut arguments = arguments;
    let mut options =
        Options { address: "127.0.0.1:8080".into(), origins: Vec::new(), duration: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--origin" => options.origins.push(value()?),
            "--for" => {
                let value = value()?;
                let seconds = value.parse().map_err(|_| format!("{value:?} is no number"))?;
                options.duration = Some(Duration::from_secs(seconds));
            }
            _ if argument.starts_with('-') => return Err(format!("no option {argument}")),
            _ => options.address = argument,
        }
    }
    Ok(options)
}

fn run(options: Options) -> io::Result<()> {
    let server = Server::bind(&options.address)?;
    let address = server.local_addr()?;
    let acceptor = Acceptor::new()
        .on_request(site::on_request)
        .origins(origins(address, options.origins))
        .limits(limits())
        .timeouts(timeouts());
    let server =
        server.acceptor(acceptor).max_connections(CONNECTIONS_MAX).on_error(|peer, error| {
            eprintln!("{}: {error:#}", peer.map_or_else(|| "-".into(), |peer| peer.to_string()))
        });

    let handle = server.handle();
    let stopping = thread::spawn(move || {
        wait_for_the_end(options.duration);
        // Whoever has read where to go may have closed the pipe since.
        let _ = writeln!(io::stdout(), "Shutting down");
        handle.shutdown(GOODBYE);
    });
    println!("The chat is at http://{address}/ (Ctrl-D ends it)");
    let rooms = Arc::new(Rooms::default());
    server.run(move |ws, _request| talk::serve(&rooms, ws))?;
    let _ = stopping.join();
    Ok(())
}

/// What the page may be called in browsers. Scripts of other sites are kept out by that.
fn origins(address: SocketAddr, others: Vec<String>) -> Vec<String> {
    let port = address.port();
    let mut origins = others;
    origins.push(format!("http://{address}"));
    origins.push(format!("http://localhost:{port}"));
    origins
}

fn limits() -> Limits {
    Limits::new().max_message_len(MESSAGE_MAX).max_frame_len(MESSAGE_MAX as u64)
}

/// The Pings of the keepalive measure the latency that the page shows, so they are frequent.
fn timeouts() -> Timeouts {
    Timeouts::new()
        .ping(Duration::from_secs(2))
        .pong(Duration::from_secs(8))
        .write(Duration::from_secs(5))
        .close(Duration::from_secs(2))
}

/// There is no Ctrl-C in std; the end of standard input takes its place.
fn wait_for_the_end(duration: Option<Duration>) {
    match duration {
        Some(duration) => thread::sleep(duration),
        None => {
            let mut buffer = [0; 256];
            while matches!(io::stdin().lock().read(&mut buffer), Ok(1..)) {}
        }
    }
}
