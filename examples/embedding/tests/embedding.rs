//! Runs each host as a process, with a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tightwire::handshake::HandshakeError;
use tightwire::{Client, Error, Message, Timeouts};

const PATIENCE: Duration = Duration::from_secs(20);
const HOSTS: [(&str, bool); 3] = [
    // The program, and whether it is full duplex.
    (env!("CARGO_BIN_EXE_on-axum"), true),
    (env!("CARGO_BIN_EXE_on-blocking"), true),
    (env!("CARGO_BIN_EXE_on-tiny-http"), false),
];

struct Host(Child, String);

impl Host {
    fn start(program: &str) -> Self {
        let mut command = Command::new(program);
        command.arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        Self(child, address)
    }

    fn get(&self, path: &str, fields: &str) -> String {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_host_serves_its_page_and_the_echo() {
    for (program, _) in HOSTS {
        let host = Host::start(program);
        let page = host.get("/", "");
        assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("/ws.\n"), "{program}: {page}");
        assert!(host.get("/elsewhere", "").starts_with("HTTP/1.1 404 "), "{program}");

        let url = format!("ws://{}/ws", host.1);
        let timeouts = Timeouts::new().close(PATIENCE);
        let mut ws = Client::new().timeouts(timeouts).connect(&url).unwrap();
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            let message = Message::Binary(vec![7; len]);
            ws.send(&message).unwrap();
            assert_eq!(ws.recv().unwrap(), Some(message), "{program}: {len} bytes");
        }
        ws.send("wörld").unwrap();
        ws.ping(b"there?").unwrap();
        assert_eq!(ws.recv().unwrap(), Some("wörld".into()), "{program}");
        ws.close().unwrap();
        assert!(ws.close_status().unwrap().was_clean(), "{program}");
    }
}

#[test]
fn each_host_refuses_what_is_no_handshake() {
    for (program, _) in HOSTS {
        let host = Host::start(program);
        assert!(host.get("/ws", "").starts_with("HTTP/1.1 426 "), "{program}");
        let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
        let answer = host.get("/ws", fields);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{program}: {answer}");
        assert!(answer.contains("Sec-WebSocket-Key"), "{program}: {answer}");
        let url = format!("ws://{}/elsewhere", host.1);
        let error = tightwire::connect(&url).unwrap_err();
        assert!(
            matches!(&error, Error::Handshake(HandshakeError::Refused(r)) if r.status() == 404),
            "{program}: {error:#}"
        );
    }
}

/// Both directions carry messages at the same time.
#[test]
fn a_host_that_hands_out_a_stream_is_full_duplex() {
    const COUNT: usize = 64;
    for (program, _) in HOSTS.into_iter().filter(|(_, is_duplex)| *is_duplex) {
        let host = Host::start(program);
        let (sender, mut receiver) =
            tightwire::connect(&format!("ws://{}/ws", host.1)).unwrap().split();
        let writer = thread::spawn(move || {
            (0..COUNT)
                .try_for_each(|_| sender.send(vec![7; 256 << 10]))
                .and_then(|()| sender.close())
        });
        let mut count = 0;
        while let Some(message) = receiver.recv().unwrap() {
            assert_eq!(message.len(), 256 << 10);
            count += 1;
        }
        writer.join().unwrap().unwrap();
        assert_eq!(count, COUNT, "{program}");
    }
}
