//! A stream that looks for Pings and Pongs in the bytes that pass through it, because the library
//! does not report them.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tightwire::frame::{FrameHeader, Opcode};
use tightwire::{Error, Sender, State, Stream};

use crate::screen::{Screen, millis};

/// The most Pings whose answers are awaited. With more, the oldest is dropped from the list.
const PINGS_MAX: usize = 16;

/// A stream that is watched: a socket, or TLS on one.
#[derive(Debug)]
pub(crate) struct Tap<S> {
    stream: S,
    incoming: Mutex<Incoming>,
    screen: Arc<Screen>,
    pings: Arc<Pings>,
}

/// Our Pings that await an answer. The Pings of keepalive are not among them.
#[derive(Debug, Default)]
pub(crate) struct Pings(Mutex<VecDeque<(Vec<u8>, Instant)>>);

/// Sends Pings, and records them so that a [`Tap`] recognises their answers.
#[derive(Clone)]
pub(crate) struct Pinger {
    pub(crate) sender: Sender,
    pub(crate) screen: Arc<Screen>,
    pub(crate) pings: Arc<Pings>,
}

/// The state of the incoming direction.
#[derive(Debug, Default)]
struct Incoming {
    /// The opening handshake is over.
    has_opened: bool,
    /// The beginning of a head or frame whose end has not arrived.
    pending: Vec<u8>,
    /// How many bytes of a data frame are left to skip.
    skip: u64,
    /// The peer sent an invalid frame. The library reports it, and this tap stops looking.
    is_lost: bool,
}

impl<S: Stream> Tap<S> {
    pub(crate) fn new(stream: S, screen: Arc<Screen>, pings: Arc<Pings>) -> Self {
        Self { stream, incoming: Mutex::default(), screen, pings }
    }

    fn show(&self, opcode: Opcode, data: &[u8]) {
        match opcode {
            Opcode::Ping => self.screen.control(&format!("< ping{}, answered", quote(data))),
            Opcode::Pong => {
                let took = match self.pings.answered(data) {
                    Some(took) => format!(" after {}", millis(took)),
                    None => String::new(),
                };
                self.screen.control(&format!("< pong{}{took}", quote(data)));
            }
            _ => {}
        }
    }
}

impl Pinger {
    /// Sends a Ping at this interval until the connection ends.
    pub(crate) fn run(self, interval: Duration) {
        let mut count = 0_u32;
        while self.sender.state() == State::Open {
            thread::sleep(interval);
            count = count.wrapping_add(1);
            if self.ping(&count.to_string()).is_err() {
                return;
            }
        }
    }

    pub(crate) fn ping(&self, text: &str) -> Result<(), Error> {
        self.screen.control(&format!("> ping{}", quote(text.as_bytes())));
        let mut pings = lock(&self.pings.0);
        if pings.len() == PINGS_MAX {
            pings.pop_front();
        }
        // Before the Ping is sent, because its Pong may arrive at once.
        pings.push_back((text.into(), Instant::now()));
        drop(pings);
        self.sender.ping(text.as_bytes())
    }
}

impl Pings {
    fn answered(&self, data: &[u8]) -> Option<Duration> {
        let mut pings = lock(&self.0);
        let answered = pings.iter().position(|(ping, _)| ping == data)?;
        // One Pong may answer all the Pings before it (RFC 6455 §5.5.3).
        pings.drain(..=answered).next_back().map(|(_, sent)| sent.elapsed())
    }
}

impl Incoming {
    /// Returns the control frames that end within these bytes.
    fn push(&mut self, bytes: &[u8]) -> Vec<(Opcode, Vec<u8>)> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        self.pending.extend(bytes.get(skipped..).unwrap_or_default());
        let mut seen = Vec::new();
        while !self.is_lost && self.advance(&mut seen) {}
        if self.is_lost {
            self.pending = Vec::new();
        }
        seen
    }

    /// Removes a head or a frame from the front. Returns whether it was complete.
    fn advance(&mut self, seen: &mut Vec<(Opcode, Vec<u8>)>) -> bool {
        if !self.has_opened {
            let end = self.pending.windows(4).position(|window| window == b"\r\n\r\n");
            let Some(end) = end else { return false };
            // Informational responses may precede the one that switches protocols.
            self.has_opened = self.pending.starts_with(b"HTTP/1.1 101");
            self.pending.drain(..end + 4);
            return true;
        }
        let (header, header_len) = match FrameHeader::decode(&self.pending) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => return false,
            Err(_) => {
                self.is_lost = true;
                return false;
            }
        };
        let payload_len = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
        let frame_len = header_len.saturating_add(payload_len);
        if header.opcode.is_control() {
            let Some(data) = self.pending.get(header_len..frame_len) else { return false };
            seen.push((header.opcode, data.to_vec()));
        } else {
            self.skip = frame_len.saturating_sub(self.pending.len()) as u64;
        }
        self.pending.drain(..frame_len.min(self.pending.len()));
        self.skip == 0
    }
}

impl<S: Stream> Stream for Tap<S> {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        let seen = lock(&self.incoming).push(buffer.get(..count).unwrap_or_default());
        seen.iter().for_each(|(opcode, data)| self.show(*opcode, data));
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.write(buffer)
    }

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.try_write(buffer)
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Formats the data of a control frame, if it has any: as text, or otherwise in hexadecimal.
fn quote(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok("") => String::new(),
        Ok(text) if !text.contains(char::is_control) => format!(" {text:?}"),
        _ => data.iter().fold(" 0x".into(), |hex, byte| format!("{hex}{byte:02x}")),
    }
}
