//! The load on a server, and the measurement.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

mod connection;
mod engine;
mod incoming;
mod latency;
mod message;
#[cfg(test)]
mod tests;

use connection::Connection;
use engine::Engine;
pub use message::Content;
use message::Template;

use crate::process::Process;
use crate::servers::{Server, Task};

/// A load on a server.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Each connection has `depth` messages on their way at any time.
    Echo { connections: usize, depth: usize, content: Content, len: usize },
    /// One connection sends, all receive. The next message follows when all have the last.
    Broadcast { connections: usize, len: usize },
    /// This many connections at a time are opened, closed, and opened again.
    Handshakes { at_once: usize },
    /// Each connection has one message echoed, and is then left alone.
    Idle { connections: usize },
}

/// How long a measurement takes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub warm_up: Duration,
    pub window: Duration,
}

/// The result of a measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// The number of messages that arrived, or of handshakes.
    pub count: f64,
    pub seconds: f64,
    /// The processor time of the server for each of them, in nanoseconds.
    pub cpu: f64,
    /// Latencies, in nanoseconds. That of a handshake is from the start of connecting to the end of
    /// the closing handshake.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// The resident memory of the server, in KiB. With idle connections, the memory for each.
    pub resident: f64,
}

const CLOSE: u8 = 8;
const PING: u8 = 9;
/// The code 1000, as a Close frame encodes it.
const NORMAL: [u8; 2] = 1000u16.to_be_bytes();

impl Load {
    const fn task(&self) -> Task {
        match self {
            Self::Broadcast { .. } => Task::Broadcast,
            _ => Task::Echo,
        }
    }

    /// Returns whether the server can handle this load.
    pub fn suits(&self, server: &Server) -> bool {
        let is_handshakes = matches!(self, Self::Handshakes { .. });
        server.run(self.task()).is_some() && (is_handshakes || !server.only_handshakes)
    }

    /// Returns the same load, with no more connections than the file limit allows.
    pub fn within(self, files: usize) -> Self {
        match self {
            Self::Idle { connections } if connections > files => {
                println!("only {files} connections are idle: `ulimit -Hn` allows no more");
                Self::Idle { connections: files }
            }
            load => load,
        }
    }

    /// Returns how many rounds give a useful result, or a quick one.
    pub const fn rounds(&self, quick: bool) -> usize {
        match self {
            Self::Idle { .. } if quick => 1,
            // Memory does not depend on what else the machine does.
            Self::Idle { .. } => 3,
            _ if quick => 3,
            _ => 8,
        }
    }

    /// Starts a server and measures it.
    pub fn measure(&self, server: &Server, timing: Timing) -> io::Result<Sample> {
        let process = Process::start(server, self.task())?;
        match *self {
            Self::Echo { connections, depth, content, len } => {
                let mut engine = Engine::new(process.address, Template::new(content, len))?;
                engine.open(connections)?;
                engine.sends_again = true;
                engine.send_all(depth)?;
                measure(&process, &mut engine, timing, |engine| {
                    engine.step()?;
                    Ok(engine.messages())
                })
            }
            Self::Broadcast { connections, len } => {
                let template = Template::new(Content::Binary, len);
                let mut engine = Engine::new(process.address, template)?;
                engine.open(connections)?;
                // A connection that answers a Ping is ready for broadcasts.
                engine.control_all(PING, &[])?;
                while !engine.connections.iter().all(Connection::has_pong) {
                    engine.step()?;
                }
                measure(&process, &mut engine, timing, broadcast)
            }
            Self::Handshakes { at_once } => {
                let mut engine = Engine::new(process.address, Template::new(Content::Binary, 8))?;
                engine.open(at_once)?;
                engine.may_end = true;
                engine.control_all(CLOSE, &NORMAL)?;
                measure(&process, &mut engine, timing, handshakes)
            }
            Self::Idle { connections } => idle(&process, connections),
        }
    }
}

/// Calls `act` for the duration of the timing, and measures the server in the meantime. `act`
/// returns how many messages arrived.
fn measure(
    process: &Process,
    engine: &mut Engine,
    timing: Timing,
    mut act: impl FnMut(&mut Engine) -> io::Result<usize>,
) -> io::Result<Sample> {
    let start = Instant::now();
    while start.elapsed() < timing.warm_up {
        act(engine)?;
    }
    engine.latencies.clear();
    let mut count = 0;
    let (start, cpu_before) = (Instant::now(), process.cpu_time()?);
    while start.elapsed() < timing.window {
        count += act(engine)?;
    }
    let (seconds, cpu) = (start.elapsed(), process.cpu_time()? - cpu_before);
    if count == 0 {
        return Err(io::Error::other("no message arrived in time"));
    }
    Ok(Sample {
        count: count as f64,
        seconds: seconds.as_secs_f64(),
        cpu: cpu.as_nanos() as f64 / count as f64,
        p50: engine.latencies.quantile(0.5),
        p99: engine.latencies.quantile(0.99),
        p999: engine.latencies.quantile(0.999),
        resident: process.resident_kib()? as f64,
    })
}

/// Sends one message, and waits until all have it.
fn broadcast(engine: &mut Engine) -> io::Result<usize> {
    let now = Instant::now();
    let Some((first, others)) = engine.connections.split_first_mut() else { return Ok(0) };
    others.iter_mut().for_each(|connection| connection.expect(now));
    first.send(&engine.template, 1, now)?;
    let mut count = 0;
    while count < engine.connections.len() {
        engine.step()?;
        count += engine.messages();
    }
    Ok(count)
}

/// Continues all connections, and counts those that have ended.
fn handshakes(engine: &mut Engine) -> io::Result<usize> {
    engine.step()?;
    let mut count = 0;
    for (index, progress) in std::mem::take(&mut engine.news) {
        if progress.opened {
            engine.connections[index].send_control(&engine.template, CLOSE, &NORMAL)?;
        }
        if progress.ended {
            engine.latencies.add(engine.connections[index].begun_at.elapsed());
            engine.replace(index)?;
            count += 1;
        }
    }
    Ok(count)
}

/// How long connections are left alone before the memory is measured.
const REST: Duration = Duration::from_secs(1);

fn idle(process: &Process, connections: usize) -> io::Result<Sample> {
    let mut engine = Engine::new(process.address, Template::new(Content::Binary, 125))?;
    // Memory that the server needs only once must not be counted.
    exchange(&mut engine, 1)?;
    let (start, cpu_before) = (Instant::now(), process.cpu_time()?);
    let resident_before = process.resident_kib()?;
    exchange(&mut engine, connections)?;
    let (seconds, cpu) = (start.elapsed(), process.cpu_time()? - cpu_before);
    thread::sleep(REST);
    let count = (connections - 1) as f64;
    let resident = process.resident_kib()? as f64 - resident_before as f64;
    Ok(Sample {
        count,
        seconds: seconds.as_secs_f64(),
        cpu: cpu.as_nanos() as f64 / count,
        p50: f64::NAN,
        p99: f64::NAN,
        p999: f64::NAN,
        resident: resident / count,
    })
}

/// Opens connections until there are `connections`, and has one message echoed on each new one.
fn exchange(engine: &mut Engine, connections: usize) -> io::Result<()> {
    let before = engine.connections.len();
    engine.open(connections)?;
    engine.latencies.clear();
    let mut missing = connections - before;
    for index in before..connections {
        engine.connections[index].send(&engine.template, 1, Instant::now())?;
    }
    while missing > 0 {
        engine.step()?;
        missing -= engine.messages();
    }
    Ok(())
}
