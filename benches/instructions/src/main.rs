//! Echoes messages on a stream in memory, so that `run` can count the instructions. Nothing here is
//! timed. `run` counts inside `echo`, `core`, `broadcast` and `prepared`, but not inside [`Peer`],
//! which stands for the system.
//!
//! ```text
//! tightwire-instructions KIND DEPTH LEN COUNT
//! ```

#[cfg(feature = "tls")]
mod tls;

use std::env;
use std::error::Error;
use std::io;
use std::net::Shutdown;
use std::sync::Mutex;
use std::time::Duration;

use tightwire::deflate::DeflateConfig;
use tightwire::handshake::{AcceptOptions, Negotiated, Request, Upgrade};
use tightwire::protocol::{Connection, Event, Outbound};
use tightwire::{Acceptor, Client, Hub, Limits, PreparedMessage, SlowPolicy, Stream, WebSocket};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [kind, depth, len, count] = arguments.as_slice() else {
        return Err("KIND DEPTH LEN COUNT".into());
    };
    let (depth, len, count) = (depth.parse()?, len.parse()?, count.parse::<usize>()?);
    match kind.as_str() {
        "threads" => {
            let stream = Peer::new(&masked(0x82, &vec![7; len]), depth, count);
            echo(Acceptor::new().from_upgraded(stream, Negotiated::default(), Vec::new())?, depth)
        }
        "client" => {
            let stream = Peer::new(&unmasked(0x82, &vec![7; len]), depth, count);
            echo(Client::new().from_upgraded(stream, Negotiated::default(), Vec::new())?, depth)
        }
        #[cfg(feature = "tls")]
        "tls" => {
            let stream = tls::server(&masked(0x82, &vec![7; len]), depth, count)?;
            echo(Acceptor::new().from_upgraded(stream, Negotiated::default(), Vec::new())?, depth)
        }
        "deflate" => {
            let acceptor = Acceptor::new().deflate(DeflateConfig::new().min_len(0));
            let stream = Peer::new(&masked(0xc1, &deflated(len)), depth, count);
            echo(acceptor.from_upgraded(stream, negotiated()?, Vec::new())?, depth)
        }
        "core" => core(&masked(0x82, &vec![7; len]), depth, count),
        "broadcast" => {
            broadcast(&connections(depth)?, &PreparedMessage::new(vec![7; len]), count);
            Ok(())
        }
        "prepared" => prepared(&connections(depth)?, &PreparedMessage::new(vec![7; len]), count),
        kind => Err(format!("no kind {kind}").into()),
    }
}

/// Answers messages together that arrive together, as `examples/echo_server.rs` does.
#[inline(never)]
fn echo(mut ws: WebSocket, depth: usize) -> Outcome {
    // The end of the stream is an error, because no Close frame comes.
    while let Ok(Some(message)) = ws.recv() {
        if depth == 1 { ws.send(&message)? } else { ws.feed(&message)? }
    }
    Ok(())
}

/// The protocol without I/O, as an event loop drives it.
#[inline(never)]
fn core(frame: &[u8], depth: usize, count: usize) -> Outcome {
    let input = frame.repeat(depth);
    let mut connection = Connection::new(Outbound::server(), Limits::new());
    let mut out = Vec::new();
    for _ in 0..count / depth {
        let mut input = input.as_slice();
        while let Some(event) = connection.next_event(&mut input, &mut out)? {
            if let Event::Message(message) = event {
                connection.outbound().encode_message((&message).into(), &mut out)?;
            }
        }
        out.clear();
    }
    Ok(())
}

fn connections(count: usize) -> Result<Vec<WebSocket>, Box<dyn Error>> {
    let open = |_| {
        let stream = Peer::new(&[], 1, 0);
        Ok(Acceptor::new().from_upgraded(stream, Negotiated::default(), Vec::new())?)
    };
    (0..count).map(open).collect()
}

/// Sends each message to all members of a hub. A message counts once for each member.
#[inline(never)]
fn broadcast(connections: &[WebSocket], message: &PreparedMessage, count: usize) {
    let hub = Hub::new(SlowPolicy::Drop);
    let _members: Vec<_> = connections.iter().map(|ws| hub.join(ws.sender())).collect();
    for _ in 0..count / connections.len() {
        hub.broadcast_prepared(message);
    }
}

/// The same without a hub.
#[inline(never)]
fn prepared(connections: &[WebSocket], message: &PreparedMessage, count: usize) -> Outcome {
    for _ in 0..count / connections.len() {
        for ws in connections {
            ws.send_prepared(message)?;
        }
    }
    Ok(())
}

const STEP: usize = 1 << 10;

/// A peer that sends `count` frames, `depth` of them at once, and that takes everything.
#[derive(Debug)]
struct Peer {
    frames: Vec<u8>,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    rounds: usize,
    /// Where the next read begins in the frames of this round.
    start: usize,
}

impl Peer {
    fn new(frame: &[u8], depth: usize, count: usize) -> Self {
        let left = Left { rounds: count / depth, start: 0 };
        Self { frames: frame.repeat(depth), left: Mutex::new(left) }
    }
}

impl Stream for Peer {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut left = self.left.lock().map_err(|_| io::ErrorKind::Other)?;
        if left.rounds == 0 {
            return Ok(0);
        }
        let unread = &self.frames[left.start..];
        let count = unread.len().min(buffer.len());
        // In short pieces: libc copies long ones with an instruction that is counted for each byte.
        for (to, from) in buffer[..count].chunks_mut(STEP).zip(unread.chunks(STEP)) {
            to.copy_from_slice(&from[..to.len()]);
        }
        left.start += count;
        if left.start == self.frames.len() {
            *left = Left { rounds: left.rounds - 1, start: 0 };
        }
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    push_len(payload.len(), 0, &mut frame);
    frame.extend_from_slice(payload);
    frame
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [1, 2, 3, 4];
    let mut frame = vec![first];
    push_len(payload.len(), 0x80, &mut frame);
    frame.extend_from_slice(&KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Up to 65,535 bytes (§5.2).
fn push_len(len: usize, mask_bit: u8, frame: &mut Vec<u8>) {
    if len < 126 {
        frame.push(mask_bit | len as u8);
    } else {
        frame.push(mask_bit | 126);
        frame.extend_from_slice(&(len as u16).to_be_bytes());
    }
}

/// Text in a stored block, and the empty one that ends a message (RFC 7692 §7.2.1).
fn deflated(len: usize) -> Vec<u8> {
    let len_field = len as u16;
    let mut block = vec![0];
    block.extend_from_slice(&len_field.to_le_bytes());
    block.extend_from_slice(&(!len_field).to_le_bytes());
    block.extend((0..len).map(|i| b"It is noon. "[i % 12]));
    block.push(0);
    block
}

/// permessage-deflate without options.
fn negotiated() -> Result<Negotiated, Box<dyn Error>> {
    let fields = [
        ("Host", "localhost"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ];
    let request = Request::from_parts("GET", "/", fields)?;
    let options = AcceptOptions::new().deflate(DeflateConfig::new().min_len(0));
    Ok(Upgrade::from_request(&request)?.accept(&options)?.1)
}
