//! A `Stream` in memory, with a session of `rustls` at its other end. Two scripts, with a byte for
//! each call, decide what reads and writes do. Nothing waits: a read or write that times out does
//! so at once.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tightwire::Stream;
use tightwire::rustls::Connection;

/// More calls of the stream than one call of the library needs.
const MAX_CALLS: usize = 10_000;

/// The stream. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Mutex<State>>);

/// The peer, the bytes of both directions, and the scripts.
#[derive(Debug)]
pub struct State {
    peer: Connection,
    /// The encrypted bytes that the peer sent.
    pub records: Vec<u8>,
    /// How much of `records` the library has read.
    pub start: usize,
    /// The bytes that the peer sent.
    pub sent: Vec<u8>,
    /// The bytes that the peer received.
    pub heard: Vec<u8>,
    pub heard_end: bool,
    pub reads: VecDeque<u8>,
    pub writes: VecDeque<u8>,
    pub has_closed: bool,
    /// How often the peer has changed its keys.
    updates: usize,
    /// The stream ends behind `records`.
    pub is_cut: bool,
    /// A byte of `records` was changed.
    pub is_garbled: bool,
    /// The library reported garbled records, after which the peer hears nothing more.
    pub is_deaf: bool,
    pub calls: usize,
}

impl Wire {
    pub fn new(peer: Connection, reads: VecDeque<u8>, writes: VecDeque<u8>) -> Self {
        let mut state = State {
            peer,
            records: Vec::new(),
            start: 0,
            sent: Vec::new(),
            heard: Vec::new(),
            heard_end: false,
            reads,
            writes,
            has_closed: false,
            updates: 0,
            is_cut: false,
            is_garbled: false,
            is_deaf: false,
            calls: 0,
        };
        state.collect();
        Self(Arc::new(Mutex::new(state)))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.has_closed || self.is_cut || self.is_garbled || self.is_deaf
    }

    pub fn send(&mut self, len: usize) {
        if self.is_over() {
            return;
        }
        let data: Vec<u8> = (self.sent.len()..self.sent.len() + len).map(number).collect();
        self.peer.writer().write_all(&data).expect("there is room");
        self.sent.extend(data);
        self.collect();
    }

    pub fn update_keys(&mut self) {
        // rustls takes many updates in a row for an attack.
        if !self.is_over() && self.updates < 8 {
            self.updates += 1;
            // TLS 1.2 has no key updates.
            let _ = self.peer.refresh_traffic_keys();
            self.collect();
        }
    }

    pub fn close(&mut self) {
        if !self.is_over() {
            self.peer.send_close_notify();
            self.has_closed = true;
            self.collect();
        }
    }

    /// Changes the last byte of a record that the library has not read.
    pub fn garble(&mut self) {
        if self.start < self.records.len() && !self.is_over() {
            if let Some(last) = self.records.last_mut() {
                *last ^= 1;
            }
            self.is_garbled = true;
        }
    }

    /// Appends the records of the peer's session to `records`.
    fn collect(&mut self) {
        while self.peer.wants_write() {
            self.peer.write_tls(&mut self.records).expect("memory takes all");
        }
    }

    fn count_call(&mut self) {
        self.calls += 1;
        assert!(self.calls <= MAX_CALLS, "one call makes {MAX_CALLS} of the stream");
    }

    /// Runs a step of the script: below 0xC0 it delivers that many bytes and one more; above, it
    /// fills the buffer, times out or is interrupted.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.count_call();
        let step = self.reads.pop_front().unwrap_or(0xC0);
        match step {
            0xE0..0xF0 => return Err(ErrorKind::WouldBlock.into()),
            0xF0.. => return Err(ErrorKind::Interrupted.into()),
            _ if self.start == self.records.len() && self.is_cut => return Ok(0),
            _ if self.start == self.records.len() => return Err(ErrorKind::TimedOut.into()),
            _ => {}
        }
        let most = if step < 0xC0 { usize::from(step) + 1 } else { usize::MAX };
        let count = (self.records.len() - self.start).min(buffer.len()).min(most);
        buffer[..count].copy_from_slice(&self.records[self.start..self.start + count]);
        self.start += count;
        Ok(count)
    }

    /// Runs a step of the script: below 0x80 the peer takes that many bytes and one more; above,
    /// it takes all, or the write times out or is interrupted.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.count_call();
        assert!(!buffer.is_empty(), "a write of nothing");
        let most = match self.writes.pop_front().unwrap_or(0x80) {
            step @ 0..0x80 => usize::from(step) + 1,
            0xD0..0xF0 => return Err(ErrorKind::WouldBlock.into()),
            0xF0.. => return Err(ErrorKind::Interrupted.into()),
            _ => buffer.len(),
        };
        let taken = &buffer[..most.min(buffer.len())];
        self.hear(taken);
        Ok(taken.len())
    }

    fn hear(&mut self, mut records: &[u8]) {
        while !records.is_empty() && !self.is_deaf {
            self.peer.read_tls(&mut records).expect("memory does not fail");
            match self.peer.process_new_packets() {
                Ok(state) => {
                    let mut data = vec![0; state.plaintext_bytes_to_read()];
                    self.peer.reader().read_exact(&mut data).expect("it is there");
                    self.heard.extend(data);
                    self.heard_end |= state.peer_has_closed();
                }
                Err(error) => {
                    assert!(self.is_garbled, "the library wrote bad records: {error:?}");
                    self.is_deaf = true;
                }
            }
        }
        if !self.is_garbled {
            self.collect();
        }
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

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

/// The byte at a place of a direction.
pub fn number(index: usize) -> u8 {
    (index ^ index >> 8) as u8
}
