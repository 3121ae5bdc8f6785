//! The process of a server, and the resources that it has used.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::servers::{self, Server, Task};

/// Names the server that a process of this program runs. This is not an argument, because some
/// servers read the arguments.
const SERVER: &str = "BENCH_SERVER";
const TASK: &str = "BENCH_TASK";

pub struct Process {
    child: Child,
    cpu_clock: ClockId,
    pub address: SocketAddr,
}

impl Process {
    /// Starts a server and waits until it listens.
    pub fn start(server: &Server, task: Task) -> io::Result<Self> {
        let run = server.run(task).ok_or(io::ErrorKind::Unsupported)?;
        let child = Command::new(run.program()?)
            .arg("127.0.0.1:0")
            .env(SERVER, server.name)
            .env(TASK, if task == Task::Broadcast { "broadcast" } else { "echo" })
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let cpu_clock = clock_getcpuclockid(Pid::from_raw(child.id() as i32))?;
        let mut process = Self { child, cpu_clock, address: ([127, 0, 0, 1], 0).into() };
        let mut line = String::new();
        if let Some(output) = process.child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let address = line.trim().rsplit('/').next().unwrap_or_default().parse();
        process.address = address.map_err(|_| io::Error::other(format!("it printed {line:?}")))?;
        Ok(process)
    }

    /// Returns the processor time so far of all its threads, including those that have ended.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        Ok(self.cpu_clock.now()?.into())
    }

    /// Returns its resident memory, in KiB.
    pub fn resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = value.and_then(|value| value.trim().strip_suffix(" kB"));
        value.and_then(|value| value.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the server and the task of this process, if it runs a server.
pub fn role() -> Option<(&'static Server, Task)> {
    let server = servers::find(&env::var(SERVER).ok()?)?;
    let broadcasts = env::var(TASK).is_ok_and(|task| task == "broadcast");
    Some((server, if broadcasts { Task::Broadcast } else { Task::Echo }))
}
