//! Tests the example `reconnect` as a process, against a server process that is killed, stopped and
//! started again. The test sends signals, which only Unix has.
#![cfg(unix)]

mod wire;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use tightwire::CloseCode;
use wire::{PATIENCE, Raw};

/// A running example, and its output.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts an example, which Cargo builds next to the tests.
    fn start(name: &str, arguments: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
        assert!(program.exists(), "run `cargo build --example {name}` first: {program:?}");
        // As for a service, there is no input.
        let mut command = wire::command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        Self { child, lines }
    }

    /// Waits for a line that begins like this, and skips others.
    #[track_caller]
    fn says(&self, start: &str) -> String {
        let mut others = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.starts_with(start) {
                return line;
            }
            others.push(line);
        }
        panic!("no line begins with {start:?}: {others:?}");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Returns the rest of the output, and the exit code.
    fn end(&mut self) -> (Vec<String>, Option<i32>) {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {rest:?}"),
            }
        }
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_subscriber_reconnects_to_a_server_that_was_killed_or_stopped() {
    let address = free_address().to_string();
    let url = format!("ws://{address}/");
    let mut client = Program::start("reconnect", &[&url, "news", "weather", "--ping", "0.3"]);
    client.says("lost: I/O error");

    let server = Program::start("server", &[&address]);
    client.says("connected to");
    client.says("received: Echo: subscribe news");
    client.says("received: Echo: subscribe weather");
    server.says("Received: subscribe weather");
    drop(server);
    client.says("lost: ");

    let server = Program::start("server", &[&address]);
    client.says("connected to");
    client.says("received: Echo: subscribe weather");
    // The server keeps its sockets open, and sends nothing.
    server.signal("-STOP");
    client.says("lost: timed out: the peer did not answer a Ping");
    drop(server);

    let mut server = Program::start("server", &[&address]);
    client.says("received: Echo: subscribe weather");
    // A server that shuts down cleanly asks its clients to return.
    server.signal("-TERM");
    server.says("Client disconnected");
    assert_eq!(server.end(), (vec![], Some(0)));
    client.says("lost: closed with 1001");
    client.signal("-TERM");
    assert_eq!(client.end().1, Some(0));
}

#[test]
fn a_subscriber_closes_cleanly_on_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let (url, server) = wire::raw_server(|mut raw: Raw| {
            wire::answer_upgrade(&mut raw);
            let subscribed = raw.read_frame();
            raw.send([0x81, 0x00]);
            (subscribed, raw.read_frame())
        });
        let mut client = Program::start("reconnect", &[&url, "news"]);
        client.says("received: ");
        client.signal(signal);
        let (subscribed, close) = server.join().unwrap();
        assert_eq!(subscribed.1, b"subscribe news");
        assert_eq!(close, (0x88, wire::close_body(1001, "client stopped")));
        let (rest, code) = client.end();
        assert!(rest.last().is_some_and(|line| line.starts_with("ended")), "{rest:?}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_rejected_subscriber_does_not_reconnect() {
    let address = wire::run(wire::server(), |ws, _| {
        Ok(ws.close_with(CloseCode::POLICY_VIOLATION, "not you")?)
    });
    let mut client = Program::start("reconnect", &[&format!("ws://{address}/")]);
    client.says("ended: closed with 1008 \"not you\"");
    assert_eq!(client.end().1, Some(0));
    let mut client = Program::start("reconnect", &["http://example.com/"]);
    client.says("ended: invalid WebSocket URI");
    assert_eq!(client.end().1, Some(1));
}

#[test]
fn servers_without_input_end_cleanly_on_a_signal() {
    for (name, path, signal) in [
        ("server", "", "-INT"),
        ("echo_server", "", "-TERM"),
        ("event_loop", "", "-TERM"),
        ("chat", "ws", "-TERM"),
    ] {
        let mut server = Program::start(name, &["127.0.0.1:0"]);
        let line = server.lines.recv_timeout(PATIENCE).unwrap();
        let address = line.split("//").nth(1).unwrap().split(['/', ' ']).next().unwrap();
        let mut ws = tightwire::connect(&format!("ws://{address}/{path}")).unwrap();
        server.signal(signal);
        assert_eq!(ws.recv().unwrap(), None, "{name}");
        assert_eq!(ws.close_status().unwrap().code(), 1001, "{name}");
        assert_eq!(server.end().1, Some(0), "{name}");
    }
}
