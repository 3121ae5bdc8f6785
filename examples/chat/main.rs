//! A chat with rooms, in one process with std threads. It serves the page, and the WebSocket that
//! the page uses.
//!
//! ```text
//! cargo run --release --example chat [ADDR] [--origin ORIGIN]... [--for SECONDS] [--until-eof]
//! ```
//!
//! Then open <http://127.0.0.1:8080/>. Ctrl-C or SIGTERM shuts the server down cleanly. With
//! `--for`, it also shuts down after SECONDS. With `--until-eof`, it also does so when standard
//! input ends, for a program that starts it and holds the other end. If browsers reach the page
//! under another name or port than ADDR, name that origin with `--origin`.
//!
//! `words.rs` defines the JSON messages, and `room.rs` the rooms with their members and lines.
//! `talk.rs` serves one connection, and `site.rs` the page.

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

/// The longest message that a member may send, in bytes.
const MESSAGE_MAX: usize = 16 << 10;
/// The maximum number of connections at once: those of members, and of browsers that load the page.
const CONNECTIONS_MAX: usize = 1_000;
/// How long clients have to answer our Close frames when the server shuts down.
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
                let seconds = value.parse().map_err(|_| format!("{value:?} is not a number"))?;
                options.duration = Some(Duration::from_secs(seconds));
            }
            "--until-eof" => options.until_eof = true,
            _ if argument.starts_with('-') => return Err(format!("unknown option {argument}")),
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
        // The program that read the address may have closed the pipe.
        let _ = writeln!(io::stdout(), "Shutting down");
        handle.shutdown(GOODBYE);
    });
    println!("The chat is at http://{address}/ (stop it with Ctrl-C)");
    let rooms = Arc::new(Rooms::default());
    server.run(move |ws, _request| talk::serve(&rooms, ws))?;
    let _ = stopping.join();
    Ok(())
}

/// Returns the origins of the page. Scripts of other sites are refused.
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

/// Returns the timeouts. The Pings of keepalive are frequent, because they measure the latency that
/// the page shows.
fn timeouts() -> Timeouts {
    Timeouts::new()
        .ping(Duration::from_secs(2))
        .pong(Duration::from_secs(8))
        .write(Duration::from_secs(5))
        .close(Duration::from_secs(2))
}

/// Sends to `stop` when the server must shut down: on a signal, after the duration, or at the end
/// of input.
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
        // At a second signal, the shutdown is already in progress.
        let _ = stop.send(());
    })?;
    Ok(())
}
