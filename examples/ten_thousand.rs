//! Opens up to 10,000 connections to its own server, and prints the memory that each one takes.
//! Linux only, because it reads the memory and the limits of a process from `/proc`.
//!
//! ```text
//! ulimit -n 10100 && cargo run --release --example ten_thousand [CONNECTIONS]
//! ```
//!
//! The server is a separate process. So each end has the file descriptors of a whole process (std
//! cannot raise their limit), and the measured memory is the server's alone.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use tightwire::{Client, CloseCode, Message, Server, Timeouts, WebSocket};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The time limit for the whole run, and the time for which the connections are idle.
const BOUND: Duration = Duration::from_secs(300);
const IDLE: Duration = Duration::from_secs(3);
/// Descriptors for everything except connections.
const OTHER_FILES: usize = 50;

fn main() -> Outcome<()> {
    match env::args().nth(1).as_deref() {
        Some("serve") => serve(),
        wanted => measure(wanted.map_or(Ok(10_000), str::parse)?),
    }
}

/// Runs the server, which echoes until its input ends.
fn serve() -> Outcome<()> {
    let server = Server::bind("127.0.0.1:0")?.on_error(|_, error| eprintln!("server: {error:#}"));
    let handle = server.handle();
    println!("{}", server.local_addr()?);
    let stopper = thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        handle.shutdown(Duration::from_secs(30))
    });
    server.run(|ws, _request| {
        while let Some(message) = ws.recv()? {
            ws.send(&message)?;
        }
        Ok(())
    })?;
    println!("{:?}", stopper.join());
    Ok(())
}

fn measure(wanted: usize) -> Outcome<()> {
    let start = Instant::now();
    let count = wanted.min(max_files()?.saturating_sub(OTHER_FILES));
    if count < wanted {
        println!("only {count} connections: `ulimit -n` allows no more");
    }
    let mut server = Command::new(env::current_exe()?)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let outcome = drive(&mut server, count, start);
    if outcome.is_err() {
        server.kill()?;
    }
    server.wait()?;
    outcome
}

fn drive(server: &mut Child, count: usize, start: Instant) -> Outcome<()> {
    let mut output = BufReader::new(server.stdout.take().ok_or("no output")?);
    let mut address = String::new();
    output.read_line(&mut address)?;
    let url = format!("ws://{}/", address.trim());

    // One echo first, so that memory which the server needs only once is not counted.
    let mut all = connect(&url, 1, start)?;
    echo(&mut all, start)?;
    let before = rss_kib(server)?;

    all.extend(connect(&url, count - 1, start)?);
    println!("{:5.1} s: {} connections are open", start.elapsed().as_secs_f32(), all.len());
    let opened = rss_kib(server)?;
    echo(&mut all, start)?;
    thread::sleep(IDLE);
    let idle = rss_kib(server)?;
    echo(&mut all, start)?;
    println!(
        "{:5.1} s: each has received an echo, and another after the idle time",
        start.elapsed().as_secs_f32()
    );

    println!("resident memory of the server: {before} KiB with one connection");
    let each = |rss: usize| rss.saturating_sub(before) as f64 / (all.len() - 1).max(1) as f64;
    println!("  opened: {opened} KiB, {:.1} KiB per connection", each(opened));
    println!("  idle after an echo: {idle} KiB, {:.1} KiB per connection", each(idle));

    // The end of its input shuts the server down.
    drop(server.stdin.take());
    for ws in &mut all {
        let left = BOUND.saturating_sub(start.elapsed());
        assert!(ws.recv_timeout(left)?.is_none());
        assert_eq!(
            ws.close_status().map(|status| status.code()),
            Some(CloseCode::GOING_AWAY.get())
        );
    }
    drop(all);
    let mut report = String::new();
    output.read_to_string(&mut report)?;
    println!("{:5.1} s: {}", start.elapsed().as_secs_f32(), report.trim());
    Ok(())
}

/// Opens `count` connections, or fewer if the server or the system allows no more.
fn connect(url: &str, count: usize, start: Instant) -> Outcome<Vec<WebSocket>> {
    let timeouts = Timeouts::new().ping(None);
    let client = Client::new().timeouts(timeouts);
    let mut all = Vec::with_capacity(count);
    while all.len() < count && start.elapsed() < BOUND {
        match client.connect(url) {
            Ok(ws) => all.push(ws),
            Err(error) => {
                println!("only {} more connections: {error:#}", all.len());
                break;
            }
        }
    }
    Ok(all)
}

fn echo(all: &mut [WebSocket], start: Instant) -> Outcome<()> {
    for (i, ws) in all.iter().enumerate() {
        ws.send(i.to_string())?;
    }
    for (i, ws) in all.iter_mut().enumerate() {
        let answer = ws.recv_timeout(BOUND.saturating_sub(start.elapsed()))?;
        assert_eq!(answer, Some(Message::Text(i.to_string())));
    }
    Ok(())
}

fn rss_kib(process: &Child) -> Outcome<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}

/// Returns how many descriptors this process may have. Its child may have as many.
fn max_files() -> Outcome<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).ok_or("no limit")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}
