//! A chat with rooms, in one process on std threads: it serves the page and the WebSocket behind
//! it.
//!
//! ```text
//! cargo run --release --example chat [ADDR] [--origin ORIGIN]... [--for SECONDS] [--until-eof]
//! ```
//!
//! Then open <http://127.0.0.1:8080/>. Ctrl-C or SIGTERM shuts it down in order. So does the time
//! of `--for`, and with `--until-eof` the end of standard input, for a program that starts it and
//! holds the other end. Behind another name or port than the one it listens on, say with `--origin`
//! as what browsers know the page.
//!
//! `words.rs` has the JSON that goes over the wire, `room.rs` who is where and what was said,
//! `talk.rs` one connection, `site.rs` the page.

mod room;
mod site;
mod talk;
mod words;

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
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
    until_eof: bool,
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
    let mut options = Options {
        address: "127.0.0.1:8080".into(),
        origins: Vec::new(),
        duration: None,
        until_eof: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--origin" => options.origins.push(value()?),
            "--for" => {
                let value = value()?;
                let seconds = value.parse().map_err(|_| format!("{value:?} is no number"))?;
                options.duration = Some(Duration::from_secs(seconds));
            }
            "--until-eof" => options.until_eof = true,
            _ if argument.starts_with('-') => return Err(format!("no option {argument}")),
            _ => options.address = argument,
        }
    }
    Ok(options)
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let (stop, stopped) = mpsc::channel();
    stop_on_request(stop, &options)?;
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
        let _ = stopped.recv();
        // Whoever has read where to go may have closed the pipe since.
        let _ = writeln!(io::stdout(), "Shutting down");
        handle.shutdown(GOODBYE);
    });
    println!("The chat is at http://{address}/ (Ctrl-C ends it)");
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

/// Has `stop` told when the server is to end: by a signal, by the clock, or with its input.
fn stop_on_request(stop: mpsc::Sender<()>, options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(duration) = options.duration {
        let stop = stop.clone();
        thread::spawn(move || {
            thread::sleep(duration);
            stop.send(())
        });
    }
    if options.until_eof {
        let stop = stop.clone();
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            stop.send(())
        });
    }
    ctrlc::set_handler(move || {
        // A second signal finds the shutdown under way.
        let _ = stop.send(());
    })?;
    Ok(())
}
