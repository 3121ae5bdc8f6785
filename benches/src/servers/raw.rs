//! The bound: the least cost of a thread per connection. It has a crude upgrade, enforces no rules
//! of the protocol, and accepts only messages of one frame.

use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::buffer::Buffer;
use super::{STACK_SIZE, upgrade};

/// The maximum number of threads that wait for the next connection instead of ending.
const IDLE_THREADS: usize = 4;
/// A longer payload is not copied behind the header of its answer. It is written from the buffer.
const COPY_MAX: usize = 4 << 10;
/// Answers are written once they have this many bytes.
const FLUSH_AT: usize = 64 << 10;

/// Echoes. A thread whose connection has ended takes the next one.
pub fn echo(listener: TcpListener) -> io::Result<()> {
    let idle = Arc::new(Idle::default());
    for stream in listener.incoming() {
        if let Some(stream) = idle.hand_over(stream?) {
            let idle = Arc::clone(&idle);
            thread::Builder::new().stack_size(STACK_SIZE).spawn(move || {
                let mut next = Some(stream);
                while let Some(stream) = next {
                    let _ = serve(stream, answer);
                    next = idle.wait();
                }
            })?;
        }
    }
    Ok(())
}

/// Echoes, with a new thread for each connection.
pub fn echo_spawning(listener: TcpListener) -> io::Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        thread::Builder::new().stack_size(STACK_SIZE).spawn(|| serve(stream, answer))?;
    }
    Ok(())
}

/// Writes each message to all connections, one after the other.
pub fn broadcast(listener: TcpListener) -> io::Result<()> {
    let members: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    for stream in listener.incoming() {
        let stream = stream?;
        let members = Arc::clone(&members);
        thread::Builder::new().stack_size(STACK_SIZE).spawn(move || {
            members.lock().unwrap().push(stream.try_clone()?);
            serve(stream, |_: &_, header: &_, payload: &_, _: &mut _| {
                let frame = [header, payload].concat();
                for mut member in members.lock().unwrap().iter() {
                    member.write_all(&frame)?;
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

#[derive(Default)]
struct Idle {
    threads: Mutex<Waiting>,
    woken: Condvar,
}

#[derive(Default)]
struct Waiting {
    count: usize,
    streams: Vec<TcpStream>,
}

impl Idle {
    /// Gives the connection to a thread that waits for one, or returns it.
    fn hand_over(&self, stream: TcpStream) -> Option<TcpStream> {
        let mut threads = self.threads.lock().unwrap();
        if threads.streams.len() == threads.count {
            return Some(stream);
        }
        threads.streams.push(stream);
        drop(threads);
        self.woken.notify_one();
        None
    }

    fn wait(&self) -> Option<TcpStream> {
        let mut threads = self.threads.lock().unwrap();
        if threads.count == IDLE_THREADS {
            return None;
        }
        threads.count += 1;
        loop {
            if let Some(stream) = threads.streams.pop() {
                threads.count -= 1;
                return Some(stream);
            }
            threads = self.woken.wait(threads).unwrap();
        }
    }
}

/// The action for a message. Its arguments are the stream, the header and the payload of the
/// answer, and the answers that wait to be written.
trait Act: Fn(&TcpStream, &[u8], &[u8], &mut Vec<u8>) -> io::Result<()> {}

impl<F: Fn(&TcpStream, &[u8], &[u8], &mut Vec<u8>) -> io::Result<()>> Act for F {}

fn serve(stream: TcpStream, act: impl Act) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Buffer::new();
    let Some(head_len) = read_head(&stream, &mut buffer)? else {
        return Ok(());
    };
    (&stream).write_all(&upgrade::response(&buffer.unread()[..head_len]))?;
    buffer.eat(head_len);
    let mut out = Vec::new();
    let mut partial = Partial::default();
    loop {
        if handle(&stream, &mut buffer, &mut partial, &mut out, &act)? {
            // If bytes of the peer were left unread, it might lose the Close frame.
            stream.shutdown(Shutdown::Write)?;
            while buffer.fill(&mut &stream)? > 0 {
                let len = buffer.unread().len();
                buffer.eat(len);
            }
            return Ok(());
        }
        if buffer.fill(&mut &stream)? == 0 {
            return Ok(());
        }
    }
}

fn read_head(stream: &TcpStream, buffer: &mut Buffer) -> io::Result<Option<usize>> {
    loop {
        if buffer.unread().ends_with(b"\r\n\r\n") {
            return Ok(Some(buffer.unread().len()));
        }
        if buffer.fill(&mut &*stream)? == 0 {
            return Ok(None);
        }
    }
}

/// How many bytes of an incomplete frame are unmasked.
#[derive(Default)]
struct Partial {
    unmasked: usize,
}

/// Answers all complete frames. Returns whether a Close frame was among them.
fn handle(
    stream: &TcpStream,
    buffer: &mut Buffer,
    partial: &mut Partial,
    out: &mut Vec<u8>,
    act: &impl Act,
) -> io::Result<bool> {
    let mut closed = false;
    while !closed {
        let unread = buffer.unread();
        let Some((header_len, payload_len)) = decode(unread)? else { break };
        let (first, frame_len) = (unread[0], header_len + payload_len);
        let here = frame_len.min(unread.len());
        let (header, payload) = unread[..here].split_at_mut(header_len);
        let key = [0, 1, 2, 3].map(|i| header[header_len - 4 + i]);
        // A frame that comes in pieces is unmasked piece by piece, while they are in the cache.
        let done = partial.unmasked;
        let ready = if here == frame_len { payload.len() } else { payload.len() & !3 };
        unmask(key, &mut payload[done..ready]);
        partial.unmasked = ready;
        if here < frame_len {
            buffer.reserve(frame_len);
            break;
        }
        partial.unmasked = 0;
        let mut answer = [0; 10];
        let answer_len = header_len - 4;
        answer[..answer_len].copy_from_slice(&header[..answer_len]);
        answer[1] &= 0x7F;
        if first & 0x08 == 0 {
            act(stream, &answer[..answer_len], payload, out)?;
        } else {
            closed = first & 0x0F == 0x8;
            // A Ping gets a Pong, and a Close frame gets a Close frame.
            answer[0] = if closed { 0x88 } else { 0x8A };
            out.extend_from_slice(&answer[..answer_len]);
            out.extend_from_slice(payload);
        }
        buffer.eat(frame_len);
    }
    if !out.is_empty() {
        (&*stream).write_all(out)?;
        out.clear();
    }
    Ok(closed)
}

fn answer(
    mut stream: &TcpStream,
    header: &[u8],
    payload: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    out.extend_from_slice(header);
    if payload.len() <= COPY_MAX {
        out.extend_from_slice(payload);
        if out.len() < FLUSH_AT {
            return Ok(());
        }
        stream.write_all(out)?;
    } else {
        let count = stream.write_vectored(&[IoSlice::new(out), IoSlice::new(payload)])?;
        stream.write_all(out.get(count..).unwrap_or_default())?;
        stream.write_all(&payload[count.saturating_sub(out.len())..])?;
    }
    out.clear();
    Ok(())
}

/// Returns the lengths of header and payload, once the header is complete.
fn decode(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    if first & 0x80 == 0 || second & 0x80 == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let lens = match (second & 0x7F, bytes) {
        (126, &[_, _, a, b, _, _, _, _, ..]) => (8, usize::from(u16::from_be_bytes([a, b]))),
        (127, &[_, _, a, b, c, d, e, f, g, h, _, _, _, _, ..]) => {
            (14, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize)
        }
        (len @ 0..126, &[_, _, _, _, _, _, ..]) => (6, usize::from(len)),
        _ => return Ok(None),
    };
    Ok(Some(lens))
}

fn unmask(key: [u8; 4], data: &mut [u8]) {
    let word = u32::from_ne_bytes(key);
    let mut wide = data.chunks_exact_mut(32);
    for step in &mut wide {
        for bytes in step.chunks_exact_mut(4) {
            let value = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) ^ word;
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }
    for (byte, key) in wide.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
