//! A `Stream` in memory, and the peer at its other end. Two scripts, with a byte for each call,
//! decide what reads and writes do. Nothing waits: a read or write that times out does so at
//! once.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tightwire::Stream;
use tightwire::handshake::accept_value;

/// More calls of the stream than one call of the library needs: a script has 255 steps at most.
const MAX_CALLS: usize = 10_000;
/// Unix's number for an interrupted call.
const EINTR: i32 = 4;

/// How the peer ends the stream once the library has read all of it.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Eof,
    Error(ErrorKind),
}

/// The stream. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Mutex<State>>);

/// The bytes of both directions, and the scripts.
#[derive(Debug)]
pub struct State {
    /// All that the peer sends.
    pub incoming: Vec<u8>,
    /// How many bytes of it the library has read.
    pub read: usize,
    /// All that the library has written.
    pub written: Vec<u8>,
    /// The peer answers the request of a client before it sends anything else.
    pub answers: bool,
    /// The peer ends the stream only after it has taken what the library offered it.
    pub is_patient: bool,
    pub reads: VecDeque<u8>,
    pub writes: VecDeque<u8>,
    pub end: End,
    /// The library has read the end of the stream.
    pub has_ended: bool,
    /// A write has failed, and so does every later one.
    pub broken: Option<ErrorKind>,
    /// The bytes that the last write offered and the peer did not take.
    refused: Vec<u8>,
    shut: [bool; 2],
    calls: usize,
}

impl Wire {
    pub fn new(incoming: Vec<u8>, reads: VecDeque<u8>, writes: VecDeque<u8>, end: End) -> Self {
        Self(Arc::new(Mutex::new(State {
            incoming,
            read: 0,
            written: Vec::new(),
            answers: false,
            is_patient: false,
            reads,
            writes,
            end,
            has_ended: false,
            broken: None,
            refused: Vec::new(),
            shut: [false; 2],
            calls: 0,
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        // The library may still use it while a panic unwinds.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts calls of the stream from zero again, before the next call of the library.
    pub fn rearm(&self) {
        self.state().calls = 0;
    }
}

impl State {
    /// Returns whether the peer has taken all that the last write offered.
    pub fn took_all(&self) -> bool {
        self.refused.is_empty()
    }

    fn count_call(&mut self) {
        self.calls += 1;
        assert!(self.calls <= MAX_CALLS, "one call of the library makes {MAX_CALLS} of the stream");
    }

    /// Puts the response to the request in `written` in front of the other bytes of the peer.
    fn answer(&mut self) {
        let request = String::from_utf8(self.written.clone()).expect("a head is ASCII");
        assert!(request.ends_with("\r\n\r\n"), "the client reads before its request is out");
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = accept_value(key.expect("a request has a key"));
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.incoming.splice(0..0, response.into_bytes());
    }

    /// Runs a step of the script. Below 0xC0 it delivers that many bytes and one more; above, it
    /// fills the buffer, fills it and claims more, times out, is interrupted, or ends the stream
    /// early.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.count_call();
        if self.shut[0] {
            return Ok(0);
        }
        if self.answers && self.broken.is_some() {
            // The request never came, so nothing answers it.
            return Ok(0);
        }
        if core::mem::take(&mut self.answers) {
            self.answer();
        }
        let left = self.incoming.len() - self.read;
        if self.has_ended || left == 0 && self.reads.is_empty() {
            return self.end_with(self.end);
        }
        let step = self.reads.pop_front().unwrap_or(0xC0);
        match step {
            0xE0..0xF0 => return Err(timed_out(step)),
            0xF0..0xFC => return Err(interrupted(step)),
            0xFC | 0xFD => return self.end_with(End::Eof),
            0xFE | 0xFF => return self.end_with(End::Error(broken_by(step))),
            _ if left == 0 => return Err(timed_out(step)),
            _ => {}
        }
        let most = if step < 0xC0 { usize::from(step) + 1 } else { usize::MAX };
        let count = left.min(buffer.len()).min(most);
        buffer[..count].copy_from_slice(&self.incoming[self.read..self.read + count]);
        self.read += count;
        Ok(if step >= 0xD0 && count == buffer.len() { claim(count, step) } else { count })
    }

    /// Ends the stream. A patient peer first takes what the library offered it.
    fn end_with(&mut self, end: End) -> io::Result<usize> {
        if self.is_patient && !self.took_all() && self.broken.is_none() && !self.has_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.end = end;
        self.has_ended = true;
        match end {
            End::Eof => Ok(0),
            End::Error(kind) => Err(kind.into()),
        }
    }

    /// Runs a step of the script. Below 0x80 the peer takes that many bytes and one more; above,
    /// it takes all, or all and claims more, or half; or the write times out, is interrupted, or
    /// breaks.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.count_call();
        assert!(!buffer.is_empty(), "a write of nothing");
        if let Some(kind) = self.broken {
            return Err(kind.into());
        }
        if self.shut[1] {
            return Err(ErrorKind::BrokenPipe.into());
        }
        assert!(buffer.starts_with(&self.refused), "a write does not begin where the last ended");
        let step = self.writes.pop_front().unwrap_or(0x80);
        let most = match step {
            0..0x80 => usize::from(step) + 1,
            0xC0..0xD0 => buffer.len().div_ceil(2),
            0xD0..0xF0 => 0,
            0xF0..0xFC => 0,
            0xFC.. => {
                self.broken = Some(broken_by(step));
                return if step == 0xFC { Ok(0) } else { Err(broken_by(step).into()) };
            }
            _ => buffer.len(),
        };
        let (taken, refused) = buffer.split_at(most.min(buffer.len()));
        self.written.extend_from_slice(taken);
        self.refused.clear();
        self.refused.extend_from_slice(refused);
        match step {
            0xD0..0xF0 => Err(timed_out(step)),
            0xF0.. => Err(interrupted(step)),
            0xB0..0xC0 => Ok(claim(taken.len(), step)),
            _ => Ok(taken.len()),
        }
    }
}

fn claim(count: usize, step: u8) -> usize {
    if step & 1 == 0 { count + 1 } else { usize::MAX }
}

fn timed_out(step: u8) -> io::Error {
    if step & 1 == 0 { ErrorKind::WouldBlock.into() } else { ErrorKind::TimedOut.into() }
}

/// An interruption by the system, or by the stream itself. Windows interrupts no call.
fn interrupted(step: u8) -> io::Error {
    if cfg!(unix) && step & 1 == 0 {
        io::Error::from_raw_os_error(EINTR)
    } else {
        ErrorKind::Interrupted.into()
    }
}

fn broken_by(step: u8) -> ErrorKind {
    match step {
        0xFC => ErrorKind::WriteZero,
        0xFD => ErrorKind::BrokenPipe,
        0xFE => ErrorKind::ConnectionReset,
        _ => ErrorKind::Other,
    }
}

impl Stream for Wire {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.state().read(buffer)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.state().write(buffer)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        Ok(())
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let [read, write] = &mut self.state().shut;
        *read |= how != Shutdown::Write;
        *write |= how != Shutdown::Read;
        Ok(())
    }
}
