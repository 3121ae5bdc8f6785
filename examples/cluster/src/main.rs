//! A node of the chat: one of several processes that serve the same rooms, with Redis between
//! them. [`README.md`](../README.md) explains the cluster, and `./start` runs it on one machine.
//!
//! ```text
//! node [--listen ADDR] [--redis URL] [--name NAME] [--origin ORIGIN]... [--drain SECONDS]
//! ```
//!
//! `GET /health` answers 200 while the node can work, and 503 while Redis is unreachable or the
//! node is about to shut down. SIGTERM and Ctrl-C shut it down cleanly.
//!
//! `words.rs` defines the JSON messages, and `talk.rs` serves one connection. `rooms.rs` and
//! `room.rs` have the members on this node. `store.rs` has the data in Redis, `engine.rs` the
//! connections to it, and `reader.rs` the threads that read from it. The page is the one of the
//! chat in one process.

mod engine;
mod reader;
mod room;
mod rooms;
#[path = "../../chat/site.rs"]
mod site;
mod store;
mod talk;
mod words;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use rand::TryRng;
use rand::rngs::SysRng;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tightwire::handshake::Response;
use tightwire::{Acceptor, Limits, Server, ServerHandle, Timeouts};

use engine::Engine;
use rooms::Rooms;
use store::Store;

/// The longest message that a member may send, in bytes.
const MESSAGE_MAX: usize = 16 << 10;
/// The maximum number of connections of one node at once: those of members, of browsers that load
/// the page, and of the health checks.
const CONNECTIONS_MAX: usize = 1_000;
/// How long clients have to answer our Close frames when the node shuts down.
const GOODBYE: Duration = Duration::from_secs(3);

struct Options {
    listen: String,
    redis: String,
    name: String,
    origins: Vec<String>,
    /// How long to continue serving after a signal, until the proxy notices the failing check.
    drain: Duration,
}

fn main() -> ExitCode {
    match parse(env::args().skip(1)).map_err(Into::into).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut arguments = arguments;
    let mut options = Options {
        listen: "127.0.0.1:0".into(),
        redis: "redis://127.0.0.1:6379/".into(),
        name: "node".into(),
        origins: Vec::new(),
        drain: Duration::from_secs(2),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--listen" => options.listen = value()?,
            "--redis" => options.redis = value()?,
            "--name" => options.name = value()?,
            "--origin" => options.origins.push(value()?),
            "--drain" => {
                let value = value()?;
                let seconds = value.parse().map_err(|_| format!("{value:?} is not a number"))?;
                options.drain = Duration::from_secs(seconds);
            }
            _ => return Err(format!("unknown option {argument}")),
        }
    }
    Ok(options)
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let server = Server::bind(&options.listen)?;
    let address = server.local_addr()?;
    let store = Store::new(Engine::new(&options.redis)?);
    let id = format!("{}-{:016x}", options.name, SysRng.try_next_u64()?);
    let rooms = Arc::new(Rooms::new(id, options.name.clone(), store));
    for work in [reader::read, reader::stay] {
        let rooms = Arc::clone(&rooms);
        thread::spawn(move || work(&rooms));
    }
    let is_draining = Arc::new(AtomicBool::new(false));
    let server = server
        .acceptor(acceptor(address, options.origins, &rooms, &is_draining))
        .max_connections(CONNECTIONS_MAX)
        .on_error(|peer, error| {
            eprintln!("{}: {error:#}", peer.map_or_else(|| "-".into(), |peer| peer.to_string()))
        });

    // From here on, a signal shuts the node down cleanly.
    let signals = Signals::new([SIGINT, SIGTERM])?;
    let handle = server.handle();
    let stopping = thread::spawn(move || stop(signals, &handle, &is_draining, options.drain));
    println!("{} listens on http://{address}/", options.name);
    server.run(move |ws, _request| talk::serve(&rooms, ws))?;
    let _ = stopping.join();
    Ok(())
}

fn acceptor(
    address: SocketAddr,
    origins: Vec<String>,
    rooms: &Arc<Rooms>,
    is_draining: &Arc<AtomicBool>,
) -> Acceptor {
    let (rooms, is_draining) = (Arc::clone(rooms), Arc::clone(is_draining));
    let mut origins = origins;
    origins.push(format!("http://{address}"));
    Acceptor::new()
        .on_request(move |request| match request.path() {
            "/health" => health(&rooms, &is_draining).into(),
            _ => site::on_request(request),
        })
        .origins(origins)
        .limits(limits())
        .timeouts(timeouts())
}

/// Answers the health check of the proxy.
fn health(rooms: &Rooms, is_draining: &AtomicBool) -> Response {
    if is_draining.load(Ordering::Acquire) {
        Response::new(503).with_body("this node is about to shut down\n")
    } else if !rooms.store().engine().is_up() {
        Response::new(503).with_body("the message store is unreachable\n")
    } else {
        Response::new(200).with_body("fine\n")
    }
}

/// Waits for a signal. Then fails the health check, so that the proxy sends no new clients, and
/// after `drain` closes all connections, so that their clients go elsewhere.
fn stop(mut signals: Signals, handle: &ServerHandle, is_draining: &AtomicBool, drain: Duration) {
    if signals.forever().next().is_some() {
        is_draining.store(true, Ordering::Release);
        // The reader of our output may be gone.
        let _ = writeln!(io::stdout(), "Draining");
        thread::sleep(drain);
        let report = handle.shutdown(GOODBYE);
        let _ =
            writeln!(io::stdout(), "{} closed cleanly, {} aborted", report.closed, report.aborted);
    }
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
