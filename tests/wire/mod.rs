//! Raw peers, and servers for tests.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::env;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tightwire::handshake::Request;
use tightwire::{HandlerResult, Server, WebSocket};

/// The maximum time that a test waits for anything. Only failing tests wait this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The masking key of every frame that a raw client sends.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A valid opening handshake, and the response to it.
pub const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\n\
    Host: localhost\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
pub const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A peer that uses only a socket, or TLS on top of one.
#[derive(Debug)]
pub struct Raw<S = TcpStream> {
    pub stream: S,
}

impl Raw {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    /// Connects as a client, and completes the opening handshake.
    pub fn upgraded(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        raw.send(REQUEST);
        assert_eq!(raw.read_head(), RESPONSE);
        raw
    }

    pub fn end_writing(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

impl<S: Read + Write> Raw<S> {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a masked frame.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send(masked(first, payload));
    }

    /// Reads up to the empty line, and not a byte more.
    pub fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.read(1)[0]);
        }
        String::from_utf8(head).unwrap()
    }

    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads a frame. Returns its first byte and its unmasked payload.
    pub fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.read(2);
        let len = match head[1] & 0x7f {
            126 => usize::from(u16::from_be_bytes(self.read(2).try_into().unwrap())),
            127 => u64::from_be_bytes(self.read(8).try_into().unwrap()) as usize,
            len => usize::from(len),
        };
        let key = if head[1] & 0x80 == 0 { vec![0; 4] } else { self.read(4) };
        let payload = self.read(len).iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
        (head[0], payload)
    }

    /// Reads to the end of the stream. A reset panics.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("an end of the stream, not a reset");
        bytes
    }
}

/// Builds a masked frame with this first byte.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k));
    frame
}

/// Builds the body of a Close frame.
pub fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Returns the bytes of a hexadecimal text, ignoring spaces.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Returns the command, with its arguments, that runs our programs if the system cannot run them
/// itself.
pub fn runner() -> Vec<String> {
    let runner = env::var("TIGHTWIRE_TEST_RUNNER").unwrap_or_default();
    runner.split_whitespace().map(String::from).collect()
}

/// Returns a command that runs this program.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let runner = runner();
    let Some((first, arguments)) = runner.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(arguments).arg(program);
    command
}

/// Runs a server for the rest of the test.
pub fn run<F>(server: Server, handler: F) -> SocketAddr
where
    F: Fn(&mut WebSocket, &Request) -> HandlerResult + Send + Sync + 'static,
{
    let address = server.local_addr().unwrap();
    thread::spawn(move || server.run(handler));
    address
}

pub fn server() -> Server {
    Server::bind("127.0.0.1:0").unwrap()
}

/// Starts a server that sends every message back.
pub fn echo_server() -> SocketAddr {
    run(server(), echo)
}

pub fn echo(ws: &mut WebSocket, _: &Request) -> HandlerResult {
    while let Some(message) = ws.recv()? {
        ws.send(&message)?;
    }
    Ok(())
}

/// Starts a server whose handler passes the outcome of its connection to the test.
pub fn reporting_server<T: Send + 'static>(
    server: Server,
    handler: impl Fn(&mut WebSocket) -> T + Send + Sync + 'static,
) -> (SocketAddr, Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    let address = run(server, move |ws, _| {
        let _ = sender.send(handler(ws));
        Ok(())
    });
    (address, receiver)
}

/// Starts a raw server for one connection.
pub fn raw_server<T: Send + 'static>(
    serve: impl FnOnce(Raw) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let thread = thread::spawn(move || serve(Raw::new(listener.accept().unwrap().0)));
    (url, thread)
}

/// Responds to the opening handshake of a client as a server does.
pub fn answer_upgrade<S: Read + Write>(raw: &mut Raw<S>) -> String {
    let request = raw.read_head();
    let key = field(&request, "Sec-WebSocket-Key").expect("a key");
    let accept = tightwire::handshake::accept_value(&key);
    raw.send(RESPONSE.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &accept));
    request
}

/// Asserts that these values, in order, look random. A constant, a counter, and values that follow
/// from the previous one by a sum or an XOR fail. A random sequence fails once in billions of runs.
#[track_caller]
pub fn assert_looks_random(values: &[Vec<u8>]) {
    let bits = values.iter().map(Vec::len).sum::<usize>() * 8;
    let ones: u32 = values.iter().flatten().map(|byte| byte.count_ones()).sum();
    // The standard deviation is half the square root of the number of bits. The margin is seven
    // times that.
    let margin = 3.5 * (bits as f64).sqrt();
    assert!((f64::from(ones) - bits as f64 / 2.0).abs() < margin, "{ones} of {bits} bits");
    let word = |value: &Vec<u8>| u32::from_be_bytes(value[..4].try_into().unwrap());
    let words: Vec<u32> = values.iter().map(word).collect();
    let pairs = || words.windows(2);
    let differences: Vec<u32> = pairs().map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let combinations: Vec<u32> = pairs().map(|pair| pair[1] ^ pair[0]).collect();
    for (what, mut steps) in
        [("values", words.clone()), ("differences", differences), ("combinations", combinations)]
    {
        steps.sort_unstable();
        let repeated = steps.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(repeated <= 2, "{repeated} of {} {what} are there twice", values.len());
    }
}

/// Returns the value of a field in a head.
pub fn field(head: &str, name: &str) -> Option<String> {
    head.lines().skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

pub fn is_eof(error: &tightwire::Error) -> bool {
    matches!(error, tightwire::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof)
}
