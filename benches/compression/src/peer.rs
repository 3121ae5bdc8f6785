//! The servers, each in a separate process.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The parameters of compression that a server agrees to, in both directions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// No compression.
    None,
    /// Each message on its own.
    Alone,
    /// Messages may refer to earlier ones.
    Takeover,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Alone, Self::Takeover];

    pub(crate) const fn shown(self) -> &'static str {
        match self {
            Self::None => "not compressed",
            Self::Alone => "without context takeover",
            Self::Takeover => "with context takeover",
        }
    }
}

/// The level of compression, and the length below which messages are not compressed: the same for
/// all servers.
const LEVEL: &str = "4";
const MIN_LEN: &str = "128";

/// In the order of the tables. The others are compared with the first one.
pub(crate) const NAMES: [&str; 4] = ["tightwire", "yawc", "ws", "websockets"];

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Peer {
    /// Starts a server, or returns the reason why that fails.
    pub(crate) fn start(name: &'static str, mode: Mode) -> Result<Self, String> {
        let mut command = command(name, mode)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let mut out = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        let read = out.read_line(&mut line);
        // The server prints more later. Its pipe must be neither closed nor full then.
        std::thread::spawn(move || out.lines().for_each(drop));
        let address = line.trim().strip_prefix("listening on ws://").and_then(|a| a.parse().ok());
        match (read, address) {
            (Ok(_), Some(address)) => Ok(Self { name, mode, address, child }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("{command:?} does not listen"))
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Returns the processor time of all its live threads.
    pub(crate) fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let nanoseconds = tasks.into_iter().flatten().flatten().filter_map(|task| {
            let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(name: &str, mode: Mode) -> Result<Command, String> {
    let word = match mode {
        Mode::None => "none",
        Mode::Alone => "alone",
        Mode::Takeover => "takeover",
    };
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers");
    let home = env::var_os("COMPRESSION_BENCH_HOME").map(PathBuf::from);
    let mut command = match name {
        "tightwire" => return sibling("compressing").map(|path| tightwire(path, mode)),
        "yawc" => Command::new(sibling("yawc")?),
        "ws" => {
            let mut command = Command::new("node");
            command.arg(servers.join("ws.mjs"));
            command
        }
        _ => {
            let home = home.ok_or("COMPRESSION_BENCH_HOME, the folder with Python, is not set")?;
            let mut command = Command::new(home.join("venv/bin/python"));
            command.arg(servers.join("websockets_server.py"));
            command
        }
    };
    command.args([word, LEVEL, MIN_LEN]);
    Ok(command)
}

fn tightwire(path: PathBuf, mode: Mode) -> Command {
    let mut command = Command::new(path);
    command.args(["127.0.0.1:0", &format!("level={LEVEL}"), &format!("min_len={MIN_LEN}")]);
    match mode {
        Mode::None => command.arg("deflate=no"),
        Mode::Alone => command.args(["send_context_takeover=false", "recv_context_takeover=false"]),
        Mode::Takeover => &mut command,
    };
    command
}

/// Returns the path of a program that was built together with this one.
fn sibling(name: &str) -> Result<PathBuf, String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    Ok(this.with_file_name(name))
}
