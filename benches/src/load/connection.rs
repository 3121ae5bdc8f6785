use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use super::incoming::Incoming;
use super::latency::Latencies;
use super::message::{Template, control};

/// One connection to the server under test. None of its calls wait.
pub struct Connection {
    pub stream: TcpStream,
    pub begun_at: Instant,
    phase: Phase,
    incoming: Incoming,
    /// Bytes to write, and the offset from which the rest of a frame follows them.
    out: Vec<u8>,
    written: usize,
    tail: Option<usize>,
    /// How many messages follow, and the number of the next one.
    queued: usize,
    number: u32,
    /// When the messages were sent that have not come back yet.
    sent_at: VecDeque<Instant>,
}

enum Phase {
    Connecting,
    /// The request is sent. These bytes of the response have arrived.
    Upgrading(Vec<u8>),
    Open,
}

/// The result of a read.
#[derive(Default)]
pub struct Progress {
    /// The connection has become open.
    pub opened: bool,
    /// The number of messages that arrived.
    pub messages: usize,
    /// The server has ended the connection cleanly.
    pub ended: bool,
}

const REQUEST: &str = "GET / HTTP/1.1\r\n\
    Host: 127.0.0.1\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Frames up to this length are written together, longer ones from their own memory.
const COPY_MAX: usize = 16 << 10;

impl Connection {
    /// Begins to connect, from a local address that has enough ports.
    pub fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let begun_at = Instant::now();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&from.into())?;
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            begun_at,
            phase: Phase::Connecting,
            incoming: Incoming::default(),
            out: Vec::new(),
            written: 0,
            tail: None,
            queued: 0,
            number: 0,
            sent_at: VecDeque::new(),
        })
    }

    /// Notes that a message will arrive, from whichever sender.
    pub fn expect(&mut self, now: Instant) {
        self.sent_at.push_back(now);
    }

    /// Sends `count` messages, and expects them back.
    pub fn send(&mut self, template: &Template, count: usize, now: Instant) -> io::Result<()> {
        self.sent_at.extend(std::iter::repeat_n(now, count));
        self.queued += count;
        self.write(template)
    }

    pub fn send_control(
        &mut self,
        template: &Template,
        opcode: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        control(opcode, payload, &mut self.out);
        self.write(template)
    }

    pub fn has_pong(&self) -> bool {
        self.incoming.pong_received
    }

    /// Continues after the stream has become writable.
    pub fn writable(&mut self, template: &Template) -> io::Result<()> {
        if let Phase::Connecting = self.phase {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            self.out.extend_from_slice(REQUEST.as_bytes());
            self.phase = Phase::Upgrading(Vec::new());
        }
        self.write(template)
    }

    fn write(&mut self, template: &Template) -> io::Result<()> {
        loop {
            if self.written == self.out.len() && self.tail.is_none() && !self.refill(template) {
                return Ok(());
            }
            let tail = self.tail.map_or(&[][..], |at| template.tail(at));
            let out = &self.out[self.written..];
            let count = match self.stream.write_vectored(&[IoSlice::new(out), IoSlice::new(tail)]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let of_out = count.min(out.len());
            self.written += of_out;
            let left = tail.len() - (count - of_out);
            self.tail = self.tail.map(|at| at + count - of_out).filter(|_| left > 0);
        }
    }

    /// Encodes the next frames. Returns whether there are any.
    fn refill(&mut self, template: &Template) -> bool {
        self.written = 0;
        self.out.clear();
        self.out.append(&mut self.incoming.pongs);
        while self.queued > 0 && self.out.len() < COPY_MAX {
            let tail = template.head(self.number, &mut self.out);
            self.number = self.number.wrapping_add(1);
            self.queued -= 1;
            if tail.len() > COPY_MAX {
                self.tail = Some(0);
                break;
            }
            self.out.extend_from_slice(tail);
        }
        !self.out.is_empty()
    }

    /// Reads into `buffer`, again as long as a read fills it.
    pub fn readable(
        &mut self,
        template: &Template,
        buffer: &mut [u8],
        latencies: &mut Latencies,
        to_the_end: bool,
    ) -> io::Result<Progress> {
        let mut progress = Progress::default();
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) if !self.incoming.close_received => {
                    return Err(io::Error::other("the server ended the connection"));
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(progress),
                // The server may have ended TCP before it had read everything.
                Err(_) if self.incoming.close_received => 0,
                Err(error) => return Err(error),
            };
            if count == 0 {
                progress.ended = true;
                return Ok(progress);
            }
            let messages = self.take(template, &buffer[..count], &mut progress)?;
            if messages > 0 {
                let now = Instant::now();
                for _ in 0..messages {
                    let sent_at = self.sent_at.pop_front();
                    let sent_at = sent_at.ok_or_else(|| io::Error::other("one echo too many"))?;
                    latencies.add(now - sent_at);
                }
                progress.messages += messages;
            }
            if count < buffer.len() && !to_the_end {
                return Ok(progress);
            }
        }
    }

    fn take(
        &mut self,
        template: &Template,
        bytes: &[u8],
        progress: &mut Progress,
    ) -> io::Result<usize> {
        let Phase::Upgrading(head) = &mut self.phase else {
            let messages = self.incoming.take(template, bytes)?;
            if !self.incoming.pongs.is_empty() {
                self.write(template)?;
            }
            return Ok(messages);
        };
        head.extend_from_slice(bytes);
        let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(0);
        };
        let rest = head.split_off(end + 4);
        let head = String::from_utf8_lossy(head);
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
            return Err(io::Error::other(format!("the server does not upgrade: {head:?}")));
        }
        self.phase = Phase::Open;
        progress.opened = true;
        self.incoming.take(template, &rest)
    }
}
