//! A node of the chat: one of several processes that serve the same rooms, with Redis between
//! them. [`README.md`](../README.md) has the whole of it, `./start` runs it on one machine.
//!
//! ```text
//! node [--listen ADDR] [--redis URL] [--name NAME] [--origin ORIGIN]... [--drain SECONDS]
//! ```
//!
//! `GET /health` says 200 while the node can do its work, and 503 while Redis is away or the node
//! is about to end. SIGTERM and Ctrl-C end it in order.
//!
//! `words.rs` has the JSON that goes over the wire, `talk.rs` one connection, `rooms.rs` and
//! `room.rs` who of this node is where, `store.rs` what Redis knows, `engine.rs` the connections
//! to it, `reader.rs` the threads that listen to it. The page is that of the chat in one process.

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

/// No message of a member is longer, in bytes.
const MESSAGE_MAX: usize = 16 << 10;
/// As many may be on one node, with those that load the page, and the checks of the proxy.
const CONNECTIONS_MAX: usize = 1_000;
/// How long everybody has to say goodbye when the node ends.
const GOODBYE: Duration = Duration::from_secs(3);

struct Options {
    listen: String,
    redis: String,
    name: String,
    origins: Vec<String>,
    /// How long to go on serving as one that is about to end: the proxy has to notice.
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
                let seconds = value.parse().map_err(|_| format!("{value:?} is no number"))?;
                options.drain = Duration::from_secs(seconds);
            }
            _ => return Err(format!("no option {argument}")),
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

    // From here on a signal is no sudden end.
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

/// What the proxy asks before it sends somebody here.
fn health(rooms: &Rooms, is_draining: &AtomicBool) -> Response {
    if is_draining.load(Ordering::Acquire) {
        Response::new(503).with_body("this node is about to end\n")
    } else if !rooms.store().engine().is_up() {
        Response::new(503).with_body("the store of messages is away\n")
    } else {
        Response::new(200).with_body("fine\n")
    }
}

/// Waits for a signal, lets the proxy know that nobody is to come here any more, and then asks
/// those who are here to go elsewhere.
fn stop(mut signals: Signals, handle: &ServerHandle, is_draining: &AtomicBool, drain: Duration) {
    if signals.forever().next().is_some() {
        is_draining.store(true, Ordering::Release);
        // Nobody may listen any more.
        let _ = writeln!(io::stdout(), "Draining");
        thread::sleep(drain);
        let report = handle.shutdown(GOODBYE);
        let _ =
            writeln!(io::stdout(), "{} said goodbye, {} did not", report.closed, report.aborted);
    }
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
