//! Redis, three nodes and HAProxy on ports of the loopback interface. They all end with the test.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use super::PATIENCE;

pub const NAMES: [&str; 3] = ["one", "two", "three"];

/// The data that Redis keeps when it is killed.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Persistence {
    Nothing,
    /// Each write is on the disk before it is answered.
    Everything,
}

/// A program that is killed when this is dropped, even if the test fails.
pub struct Program(Child);

pub struct Node {
    program: Program,
    pub address: SocketAddr,
    /// Keeps the pipe open to which the node writes.
    _output: BufReader<ChildStdout>,
}

pub struct Cluster {
    /// In the order in which they end.
    _proxy: Program,
    pub nodes: Vec<Node>,
    redis: Program,
    pub address: SocketAddr,
    state: SocketAddr,
    redis_port: u16,
    persistence: Persistence,
    home: Home,
}

/// A folder for the files of the programs. The logs are shown if the test fails.
struct Home(PathBuf);

/// Returns whether the programs are installed. If not, the test is skipped, and standard error says
/// so.
pub fn are_there() -> bool {
    let is_there = |program: &&str| {
        let version = if *program == "haproxy" { "-v" } else { "--version" };
        Command::new(program).arg(version).stdout(Stdio::null()).status().is_ok()
    };
    let missing: Vec<_> =
        ["redis-server", "haproxy"].into_iter().filter(|program| !is_there(program)).collect();
    if !missing.is_empty() {
        assert!(
            env::var_os("TIGHTWIRE_CLUSTER_REQUIRED").is_none(),
            "there is no {}",
            missing.join(" and no ")
        );
        let name = thread::current().name().unwrap_or_default().to_owned();
        // Not with a macro, because the test harness hides its output while a test passes.
        let _ = writeln!(
            io::stderr(),
            "\n!!! SKIPPED: {name}. There is no {}.",
            missing.join(" and no ")
        );
    }
    missing.is_empty()
}

impl Cluster {
    pub fn start(persistence: Persistence) -> Self {
        let home = Home::new();
        let redis_port = free_port();
        let redis = start_redis(&home.0, redis_port, persistence);
        let any = "127.0.0.1:0".parse().unwrap();
        let nodes: Vec<_> =
            NAMES.iter().map(|name| start_node(&home.0, name, any, redis_port)).collect();
        let [address, state] =
            [free_port(), free_port()].map(|p| SocketAddr::from(([127, 0, 0, 1], p)));
        let mut proxy = Command::new("haproxy");
        proxy.arg("-q").arg("-f").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("haproxy.cfg"));
        proxy.env("CHAT_BIND", address.to_string()).env("CHAT_STATE", state.to_string());
        for (n, node) in nodes.iter().enumerate() {
            proxy.env(format!("CHAT_NODE_{}", n + 1), node.address.to_string());
        }
        let _proxy = Program::start(proxy.stdout(Stdio::null()).stderr(home.log("haproxy")));
        let cluster = Self { _proxy, nodes, redis, address, state, redis_port, persistence, home };
        for name in NAMES {
            cluster.until_state_is(name, "UP");
        }
        cluster
    }

    pub fn node(&mut self, name: &str) -> &mut Node {
        let n = NAMES.iter().position(|other| *other == name).unwrap();
        &mut self.nodes[n]
    }

    /// Starts a node that has ended, on the same port.
    pub fn restart_node(&mut self, name: &str) {
        let address = self.node(name).address;
        let node = start_node(&self.home.0, name, address, self.redis_port);
        *self.node(name) = node;
        self.until_state_is(name, "UP");
    }

    pub fn redis_url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.redis_port)
    }

    pub fn redis(&mut self) -> &mut Program {
        &mut self.redis
    }

    pub fn restart_redis(&mut self) {
        self.redis = start_redis(&self.home.0, self.redis_port, self.persistence);
    }

    /// Waits until HAProxy reports this state of a node.
    pub fn until_state_is(&self, name: &str, state: &str) {
        until(&format!("node {name} {state}"), || {
            let Some((_, table)) = get(self.state, "/;csv") else { return false };
            let row = table.lines().find(|row| row.starts_with(&format!("nodes,{name},")));
            row.is_some_and(|row| row.split(',').nth(17) == Some(state))
        });
    }
}

impl Node {
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Waits until the health check of the node returns this status.
    pub fn until_health_is(&self, status: u16) {
        until(&format!("health {status} of {}", self.address), || {
            get(self.address, "/health").is_some_and(|(got, _)| got == status)
        });
    }
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).spawn();
        Self(started.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Kills it as if its machine had been switched off.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Sends a signal. It runs a program for that, because std can only send SIGKILL.
    pub fn signal(&self, name: &str) {
        let (name, id) = (format!("-{name}"), self.0.id().to_string());
        assert!(Command::new("kill").args([name, id]).status().unwrap().success());
    }

    pub fn until_it_ends(&mut self) -> ExitStatus {
        let mut status = None;
        until("the end of a program", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Home {
    fn new() -> Self {
        let name = format!("tightwire-cluster-{}-{}", process::id(), free_port());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn log(&self, of: &str) -> File {
        log(&self.0, of)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if thread::panicking() {
            for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "log") {
                    let text = fs::read_to_string(entry.path()).unwrap_or_default();
                    eprintln!("--- {}\n{text}", entry.path().display());
                }
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start_redis(home: &Path, port: u16, persistence: Persistence) -> Program {
    let keeps = if persistence == Persistence::Everything { "yes" } else { "no" };
    let mut redis = Command::new("redis-server");
    redis.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    redis.args(["--appendonly", keeps, "--appendfsync", "always"]).arg("--dir").arg(home);
    Program::start(redis.stdout(log(home, "redis")))
}

fn start_node(home: &Path, name: &str, address: SocketAddr, redis_port: u16) -> Node {
    let mut node = Command::new(env!("CARGO_BIN_EXE_node"));
    node.args(["--name", name, "--listen", &address.to_string(), "--drain", "2"]);
    node.args(["--redis", &format!("redis://127.0.0.1:{redis_port}/")]);
    let mut program = Program::start(node.stdout(Stdio::piped()).stderr(log(home, name)));
    let mut output = BufReader::new(program.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.trim_end().strip_suffix('/'));
    let address = address.and_then(|address| address.parse().ok());
    let node = Node { program, address: address.expect(&line), _output: output };
    node.until_health_is(200);
    node
}

fn log(home: &Path, of: &str) -> File {
    let path = home.join(format!("{of}.log"));
    File::options().create(true).append(true).open(path).unwrap()
}

/// Returns a free port outside of the range from which the system assigns ports.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (process::id() % 1_000) as u16 * 12;
    loop {
        let port = 20_000 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Polls until a condition holds, because the programs do not report changes of their state.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "timed out: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the status and the body of the answer, if there is one.
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}
