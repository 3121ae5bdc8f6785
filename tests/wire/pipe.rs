//! A stream in memory, which a test feeds, blocks and inspects.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use std::{fmt, mem};

use tightwire::handshake::Negotiated;
use tightwire::{Acceptor, Client, Role, Stream, Timeouts, WebSocket};

use super::wire::{PATIENCE, masked};

/// A frame: its first byte and its payload, unmasked.
pub type Frame = (u8, Vec<u8>);

/// The end of the peer. Clones refer to the same end.
#[derive(Clone)]
pub struct Pipe(Arc<Shared>);

/// Our end of the stream, which the library owns. It obeys its timeouts.
pub struct PipeStream(Arc<Shared>);

struct Shared {
    /// The role of our end.
    role: Role,
    state: Mutex<State>,
    changed: Condvar,
    after_write: Mutex<Option<Arc<Act>>>,
    during_try_write: Mutex<Option<Arc<Act>>>,
}

type Act = dyn Fn() + Send + Sync;

#[derive(Default)]
pub struct State {
    incoming: VecDeque<u8>,
    /// The event after the last incoming byte.
    then: Then,
    /// The number of bytes that reads have returned.
    pub given: usize,
    /// The number of reads that found nothing and began to wait.
    pub idle_reads: usize,
    /// Whether a write that does not wait is running. Reads then do not wait either.
    is_nonblocking: bool,
    /// The number of reads that found nothing and did not wait.
    pub refused_reads: usize,
    /// The bytes that writes have accepted.
    pub written: Vec<u8>,
    /// The frames in `written`, and the number of bytes that they take.
    pub frames: Vec<Frame>,
    parsed: usize,
    /// The number of bytes that writes still accept. `usize::MAX` means all.
    room: usize,
    /// Whether writes block, even when the stream is shut down.
    is_stuck: bool,
    /// The number of threads that are in a write.
    pub writers: usize,
    /// The sum of the timeouts of reads that found nothing.
    pub waited: Duration,
    /// The sum of the timeouts of writes that accepted nothing.
    pub blocked: Duration,
    pub read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// Whether the library has ended its side.
    pub has_ended: bool,
    /// Whether the library has ended both sides.
    pub is_shut: bool,
    pub is_dropped: bool,
}

/// The result of a read after all fed bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Then {
    #[default]
    Silence,
    End,
    /// The peer has reset the connection.
    Reset,
    /// Zeros without end.
    Noise,
}

impl Pipe {
    /// Creates a stream for an end of this role. It accepts every byte.
    pub fn new(role: Role) -> Self {
        let state = State { room: usize::MAX, ..State::default() };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let (after_write, during_try_write) = Default::default();
        Self(Arc::new(Shared { role, state, changed, after_write, during_try_write }))
    }

    /// Creates a stream for a server whose peer stops reading after this many bytes.
    pub fn with_room(room: usize) -> Self {
        let pipe = Self::new(Role::Server);
        pipe.set_room(room);
        pipe
    }

    pub fn stream(&self) -> PipeStream {
        PipeStream(Arc::clone(&self.0))
    }

    /// Opens the connection on this stream.
    pub fn open(&self, timeouts: Timeouts) -> WebSocket {
        let (stream, negotiated) = (self.stream(), Negotiated::default());
        match self.0.role {
            Role::Client => Client::new()
                .timeouts(timeouts)
                .from_upgraded(stream, negotiated, Vec::new())
                .unwrap(),
            Role::Server => Acceptor::new()
                .timeouts(timeouts)
                .from_upgraded(stream, negotiated, Vec::new())
                .unwrap(),
        }
    }

    /// Sends bytes to the library, followed by this event.
    pub fn feed(&self, bytes: &[u8], then: Then) {
        let mut state = self.state();
        state.incoming.extend(bytes);
        state.then = then;
        self.0.changed.notify_all();
    }

    /// Builds a short frame as the peer sends it.
    pub fn frame(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        match self.0.role {
            Role::Server => masked(first, payload),
            Role::Client => [&[first, payload.len() as u8], payload].concat(),
        }
    }

    pub fn feed_frame(&self, first: u8, payload: &[u8]) {
        self.feed(&self.frame(first, payload), Then::Silence);
    }

    pub fn set_room(&self, room: usize) {
        self.state().room = room;
        self.0.changed.notify_all();
    }

    pub fn set_stuck(&self, is_stuck: bool) {
        self.state().is_stuck = is_stuck;
        self.0.changed.notify_all();
    }

    /// Sets a function that each write calls after it has accepted its bytes and before it returns.
    pub fn after_write(&self, act: impl Fn() + Send + Sync + 'static) {
        *self.0.after_write.lock().unwrap() = Some(Arc::new(act));
    }

    /// Sets a function that each write that does not wait calls before it accepts any bytes.
    pub fn during_try_write(&self, act: impl Fn() + Send + Sync + 'static) {
        *self.0.during_try_write.lock().unwrap() = Some(Arc::new(act));
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Waits until this condition holds.
    #[track_caller]
    pub fn await_that(&self, what: &str, mut holds: impl FnMut(&State) -> bool) {
        let waits = |state: &mut State| !holds(state);
        let waited = self.0.changed.wait_timeout_while(self.state(), PATIENCE, waits).unwrap();
        let timed_out = waited.1.timed_out();
        drop(waited);
        assert!(!timed_out, "{what}");
    }

    #[track_caller]
    pub fn await_writer(&self) {
        self.await_that("a thread in a write", |state| state.writers > 0);
    }

    /// Waits for a read that finds nothing.
    #[track_caller]
    pub fn await_reader(&self) {
        let seen = mem::take(&mut self.state().idle_reads);
        if seen == 0 {
            self.await_that("a thread in a read", |state| state.idle_reads > 0);
        }
    }

    #[track_caller]
    pub fn await_frame(&self, first: u8, payload: &[u8]) {
        let what = format!("a frame {first:#x} {payload:?}");
        let is_it = |frame: &Frame| frame.0 == first && frame.1 == payload;
        self.await_that(&what, |state| state.frames.iter().any(is_it));
    }

    pub fn frames(&self) -> Vec<Frame> {
        self.state().frames.clone()
    }

    /// Returns the first bytes of the frames.
    pub fn opcodes(&self) -> Vec<u8> {
        self.state().frames.iter().map(|frame| frame.0).collect()
    }
}

impl State {
    /// Collects the frames that were completed since the last call.
    fn parse(&mut self) {
        while let Some((frame, len)) = parse_frame(&self.written[self.parsed..]) {
            self.frames.push(frame);
            self.parsed += len;
        }
    }

    fn has_input(&self) -> bool {
        !self.incoming.is_empty() || self.then != Then::Silence || self.is_shut
    }

    fn has_room(&self) -> bool {
        self.room > 0 || self.is_shut || self.has_ended
    }
}

/// Returns the frame at the start of `bytes`, if it is complete, and its length.
fn parse_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let &[first, second, ..] = bytes else { return None };
    let (len, mut at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()), 10),
        len => (u64::from(len), 2),
    };
    let mut key = [0; 4];
    if second & 0x80 != 0 {
        key.copy_from_slice(bytes.get(at..at + 4)?);
        at += 4;
    }
    let payload = bytes.get(at..at + usize::try_from(len).unwrap())?;
    let payload: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
    at += payload.len();
    Some(((first, payload), at))
}

impl Stream for PipeStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state.lock().unwrap();
        if !state.has_input() && state.is_nonblocking {
            state.refused_reads += 1;
            self.0.changed.notify_all();
            return Err(ErrorKind::WouldBlock.into());
        }
        if !state.has_input() {
            state.idle_reads += 1;
            self.0.changed.notify_all();
            let timeout = state.read_timeout.unwrap_or(PATIENCE);
            let waits = |state: &mut State| !state.has_input();
            state = self.0.changed.wait_timeout_while(state, timeout, waits).unwrap().0;
            if !state.has_input() {
                state.waited += timeout;
            }
        }
        let count = match state.incoming.len() {
            0 if state.then == Then::End || state.is_shut => 0,
            0 if state.then == Then::Silence => return Err(ErrorKind::WouldBlock.into()),
            0 if state.then == Then::Reset => return Err(ErrorKind::ConnectionReset.into()),
            0 => {
                buffer.fill(0);
                buffer.len()
            }
            len => {
                let count = len.min(buffer.len());
                let bytes = state.incoming.drain(..count);
                buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
                count
            }
        };
        state.given += count;
        self.0.changed.notify_all();
        Ok(count)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state.lock().unwrap();
        state.writers += 1;
        self.0.changed.notify_all();
        state = self.0.changed.wait_while(state, |state| state.is_stuck).unwrap();
        if !state.has_room() {
            let timeout = state.write_timeout.unwrap_or(PATIENCE);
            let waits = |state: &mut State| !state.has_room();
            state = self.0.changed.wait_timeout_while(state, timeout, waits).unwrap().0;
            if !state.has_room() {
                state.blocked += timeout;
            }
        }
        state.writers -= 1;
        if state.is_shut || state.has_ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = buffer.len().min(state.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if state.room < usize::MAX {
            state.room -= count;
        }
        state.written.extend_from_slice(&buffer[..count]);
        state.parse();
        self.0.changed.notify_all();
        drop(state);
        let after_write = self.0.after_write.lock().unwrap().clone();
        if let Some(act) = after_write {
            act();
        }
        Ok(count)
    }

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.0.state.lock().unwrap().is_nonblocking = true;
        let during = self.0.during_try_write.lock().unwrap().clone();
        if let Some(act) = during {
            act();
        }
        let has_room = self.0.state.lock().unwrap().has_room();
        let outcome = if has_room { self.write(buffer) } else { Err(ErrorKind::WouldBlock.into()) };
        self.0.state.lock().unwrap().is_nonblocking = false;
        outcome
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.state.lock().unwrap().read_timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.state.lock().unwrap().write_timeout = timeout;
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut state = self.0.state.lock().unwrap();
        state.has_ended |= how != Shutdown::Read;
        state.is_shut |= how == Shutdown::Both;
        self.0.changed.notify_all();
        Ok(())
    }
}

impl Drop for PipeStream {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().is_dropped = true;
        self.0.changed.notify_all();
    }
}

impl fmt::Debug for PipeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeStream").finish_non_exhaustive()
    }
}
