//! The servers, each in a separate process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::{env, io};

mod buffer;
mod fastwebsockets;
mod raw;
mod tightwire;
mod tokio_websockets;
mod tungstenite;
pub mod upgrade;

/// The stack of a connection's thread, in bytes: the same for all servers that have one.
const STACK_SIZE: usize = 256 << 10;

/// The task of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Task {
    /// Send each message back.
    Echo,
    /// Send each message to all connections.
    Broadcast,
}

/// How a server is run.
#[derive(Clone, Copy)]
pub enum Run {
    /// By this program, on a listener.
    Listen(fn(TcpListener) -> io::Result<()>),
    /// As an example of the library, which is built together with this program.
    Example(&'static str),
    /// As a program below this package, if it was built.
    Program(&'static str),
}

pub struct Server {
    pub name: &'static str,
    echo: Run,
    broadcast: Option<Run>,
    /// The server differs from another one only in how connections begin.
    pub only_handshakes: bool,
}

/// The bound, with which the others are compared.
pub const BOUND: &str = "raw";

pub const ALL: &[Server] = &[
    Server {
        name: BOUND,
        echo: Run::Listen(raw::echo),
        broadcast: Some(Run::Listen(raw::broadcast)),
        only_handshakes: false,
    },
    Server {
        name: "raw-spawning",
        echo: Run::Listen(raw::echo_spawning),
        broadcast: None,
        only_handshakes: true,
    },
    Server {
        name: "tightwire",
        echo: Run::Example("echo_server"),
        broadcast: Some(Run::Listen(tightwire::broadcast)),
        only_handshakes: false,
    },
    Server {
        name: "event-loop",
        echo: Run::Example("event_loop"),
        broadcast: None,
        only_handshakes: false,
    },
    Server {
        name: "tungstenite",
        echo: Run::Listen(tungstenite::echo),
        broadcast: Some(Run::Listen(tungstenite::broadcast)),
        only_handshakes: false,
    },
    Server {
        name: "fastwebsockets",
        echo: Run::Listen(fastwebsockets::echo),
        broadcast: None,
        only_handshakes: false,
    },
    Server {
        name: "tokio-websockets",
        echo: Run::Listen(tokio_websockets::echo),
        broadcast: None,
        only_handshakes: false,
    },
    Server {
        name: "uwebsockets",
        echo: Run::Program("uwebsockets/echo"),
        broadcast: Some(Run::Program("uwebsockets/echo")),
        only_handshakes: false,
    },
];

impl Server {
    /// Returns how the server runs for this task, if it can do it.
    pub fn run(&self, task: Task) -> Option<Run> {
        match task {
            Task::Echo => Some(self.echo),
            Task::Broadcast => self.broadcast,
        }
    }

    /// Returns whether its program exists.
    pub fn is_there(&self) -> bool {
        self.echo.program().is_ok_and(|path| path.exists())
    }
}

impl Run {
    /// Returns the program to start. It listens on the address in its first argument, and prints
    /// it.
    pub fn program(self) -> io::Result<PathBuf> {
        let this = env::current_exe()?;
        Ok(match self {
            Self::Listen(_) => this,
            Self::Example(name) => this.with_file_name(name),
            Self::Program(path) => Path::new(env!("CARGO_MANIFEST_DIR")).join(path),
        })
    }
}

pub fn find(name: &str) -> Option<&'static Server> {
    ALL.iter().find(|server| server.name == name)
}

/// Runs the process of a server: prints where it listens, and serves until it is killed.
pub fn serve(run: Run) -> io::Result<()> {
    let Run::Listen(serve) = run else { return Err(io::ErrorKind::Unsupported.into()) };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on ws://{}", listener.local_addr()?);
    serve(listener)
}
