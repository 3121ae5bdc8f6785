//! A stream that looks at the frames that pass through it. The public API does not report Pongs, so
//! only the bytes show whether a Ping was answered.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tightwire::Stream;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The frames that one end has sent and received. The record outlives the stream.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The opening handshake is over: frames follow.
    is_open: AtomicBool,
    sent: Mutex<Frames>,
    received: Mutex<Frames>,
    pings: Mutex<Pings>,
}

#[derive(Debug, Default)]
struct Pings {
    waiting: VecDeque<(Vec<u8>, Instant)>,
    /// Pongs whose Ping has no entry yet: the peer can answer before our `write` returns.
    early: Vec<Vec<u8>>,
    slowest: Duration,
    /// A Close frame has passed, after which no Ping needs an answer.
    is_over: bool,
    /// The opcode of a frame that followed our Close frame and may not.
    after_close: Option<u8>,
}

impl Record {
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    /// Returns whether the peer has yet to answer the Ping with this payload, or a later one.
    pub(crate) fn awaits(&self, payload: &[u8]) -> bool {
        self.lock().waiting.iter().any(|(waiting, _)| waiting == payload)
    }

    pub(crate) fn awaits_any(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Returns how long the slowest answer took, or has been missing.
    pub(crate) fn slowest_pong(&self) -> Duration {
        let pings = self.lock();
        let oldest = pings.waiting.front().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        pings.slowest.max(oldest)
    }

    /// Returns the opcode of a data frame or a second Close frame that followed our Close frame.
    pub(crate) fn after_close(&self) -> Option<u8> {
        self.lock().after_close
    }

    fn note_sent(&self, bytes: &[u8]) {
        each_frame(&self.sent, bytes, |opcode, payload, is_late| {
            if is_late && opcode <= CLOSE {
                self.lock().after_close = Some(opcode);
            }
            match opcode {
                PING => self.lock().sent(payload),
                CLOSE => self.lock().end(),
                _ => {}
            }
        });
    }

    fn note_received(&self, bytes: &[u8]) {
        each_frame(&self.received, bytes, |opcode, payload, _| match opcode {
            PONG => self.lock().answered(payload),
            CLOSE => self.lock().end(),
            _ => {}
        });
    }

    fn lock(&self) -> MutexGuard<'_, Pings> {
        self.pings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pings {
    fn sent(&mut self, payload: &[u8]) {
        if self.is_over {
            return;
        }
        self.waiting.push_back((payload.to_vec(), Instant::now()));
        if let Some(index) = self.early.iter().position(|early| early == payload) {
            self.early.remove(index);
            self.waiting.clear();
        }
    }

    /// The peer need only answer the latest of several Pings (§5.5.3).
    fn answered(&mut self, payload: &[u8]) {
        let Some(index) = self.waiting.iter().position(|(waiting, _)| waiting == payload) else {
            self.early.push(payload.to_vec());
            return;
        };
        for (_, since) in self.waiting.drain(..=index) {
            self.slowest = self.slowest.max(since.elapsed());
        }
    }

    fn end(&mut self) {
        self.is_over = true;
        for (_, since) in self.waiting.drain(..) {
            self.slowest = self.slowest.max(since.elapsed());
        }
    }
}

/// The position of one direction in its frames.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    /// The payload of a control frame.
    payload: Vec<u8>,
    left: u64,
    is_inside: bool,
    had_close: bool,
}

/// Calls `note` for each control frame that ends in these bytes, and for each data frame after a
/// Close frame. The last argument is whether there was a Close frame before.
fn each_frame(frames: &Mutex<Frames>, bytes: &[u8], mut note: impl FnMut(u8, &[u8], bool)) {
    let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bytes = bytes;
    while !bytes.is_empty() {
        bytes = frames.advance(bytes);
        if frames.is_inside && frames.left == 0 {
            let opcode = frames.header[0] & 0x0F;
            if opcode >= CLOSE || frames.had_close {
                note(opcode, &frames.unmasked(), frames.had_close);
            }
            frames.had_close |= opcode == CLOSE;
            frames.header.clear();
            frames.payload.clear();
            frames.is_inside = false;
        }
    }
}

impl Frames {
    /// Takes a byte of the header, or all available bytes of the payload.
    fn advance<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if !self.is_inside {
            self.header.push(bytes[0]);
            if let Some(len) = payload_len(&self.header) {
                self.left = len;
                self.is_inside = true;
            }
            return &bytes[1..];
        }
        let count = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if self.header[0] & 0x0F >= CLOSE {
            self.payload.extend(&bytes[..count]);
        }
        self.left -= count as u64;
        &bytes[count..]
    }

    fn unmasked(&self) -> Vec<u8> {
        let mut payload = self.payload.clone();
        if self.header[1] & 0x80 != 0 {
            let key = &self.header[self.header.len() - 4..];
            payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        payload
    }
}

/// Returns the length of the payload, once the header is complete (§5.2).
fn payload_len(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let extended = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    if header.len() < 2 + extended + mask {
        return None;
    }
    let bytes = &header[2..2 + extended];
    let long = bytes.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
    Some(if extended == 0 { u64::from(second & 0x7F) } else { long })
}

#[derive(Debug)]
pub(crate) struct Tap {
    stream: Arc<dyn Stream>,
    record: Arc<Record>,
}

impl Tap {
    pub(crate) fn new(stream: Arc<dyn Stream>, record: &Arc<Record>) -> Self {
        Self { stream, record: Arc::clone(record) }
    }

    fn is_open(&self) -> bool {
        self.record.is_open.load(Ordering::SeqCst)
    }
}

impl Stream for Tap {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        if self.is_open() {
            self.record.note_received(&buffer[..count]);
        }
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(buffer)?;
        if self.is_open() {
            self.record.note_sent(&buffer[..count]);
        }
        Ok(count)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn max_read_timeout(&self) -> Option<Duration> {
        self.stream.max_read_timeout()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.stream.prepare()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr()
    }
}
