//! TLS over a stream in memory that cuts, delays and interrupts, with `rustls` itself at the other
//! end. Each side must read what the other side wrote, in order, as far as the stream carried it,
//! and learn of the end only where there is one.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tightwire::rustls::pki_types::PrivateKeyDer;
use tightwire::rustls::version::{TLS12, TLS13};
use tightwire::rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};
use tightwire::{Error, Stream, TlsStream};

use super::frames::any_bytes;

/// The longest script of calls that is run.
const MAX_CALLS: usize = 60;
/// More calls of the stream than one call of the library needs.
const MAX_STREAM_CALLS: usize = 10_000;

/// Input: the options, the scripts of the reads and writes, and that of the calls.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let _ = run(&mut u);
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let options: u8 = u.arbitrary()?;
    let (reads, writes) = (any_bytes(u)?, any_bytes(u)?);
    let configs = &CONFIGS[usize::from(options >> 1 & 1)];
    let is_server = options & 1 == 0;
    let peer: Connection = match is_server {
        true => {
            let name = "localhost".try_into().expect("it is a name");
            ClientConnection::new(Arc::clone(&configs.client), name).expect("it is valid").into()
        }
        false => ServerConnection::new(Arc::clone(&configs.server)).expect("it is valid").into(),
    };
    let wire = Wire::new(peer, reads.into(), writes.into());
    let enough = Duration::from_secs(8);
    let opened = match is_server {
        true => TlsStream::server(wire.clone(), Arc::clone(&configs.server), enough),
        false => TlsStream::client(wire.clone(), "localhost", Arc::clone(&configs.client), enough),
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(Error::Io(error)) => panic!("the stream did not fail: {error:?}"),
        Err(error) => panic!("{error:?}"),
    };
    let mut program = Program { stream, wire, queue: Vec::new(), written: 0, read: 0, shut: false };
    for _ in 0..MAX_CALLS {
        if u.is_empty() {
            break;
        }
        program.act(u)?;
    }
    program.finish();
    Ok(())
}

struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// The configurations for TLS 1.2, and for 1.3.
static CONFIGS: LazyLock<[Configs; 2]> = LazyLock::new(|| {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    let certificate = identity.cert.der().clone();
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    [&TLS12, &TLS13].map(|version| Configs {
        client: Arc::new(
            ClientConfig::builder_with_protocol_versions(&[version])
                .with_root_certificates(roots.clone())
                .with_no_client_auth(),
        ),
        server: Arc::new(
            ServerConfig::builder_with_protocol_versions(&[version])
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], key.clone_key())
                .expect("they belong together"),
        ),
    })
});

/// The side of the library.
struct Program {
    stream: TlsStream,
    wire: Wire,
    /// All that the program has given to `write`.
    queue: Vec<u8>,
    /// How many bytes of it the library has accepted.
    written: usize,
    /// How many bytes of the peer the library has returned.
    read: usize,
    /// The program has ended its direction.
    shut: bool,
}

impl Program {
    /// Makes one call of the program or of the peer.
    fn act(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.wire.state().calls = 0;
        let first: u8 = u.arbitrary()?;
        let len = usize::from(u.arbitrary::<u8>()?) * if first & 0x10 == 0 { 1 } else { 150 };
        match first % 16 {
            0..5 => _ = self.read(len),
            5..9 if !self.shut => {
                let start = self.queue.len();
                self.queue.extend((start..start + len).map(number));
                _ = self.write(first & 0x20 == 0);
            }
            9..12 => self.wire.state().send(len),
            12 => self.wire.state().update_keys(),
            // Rarely, because they end a direction.
            13 if len > 200 => self.wire.state().close(),
            14 if len > 200 => self.wire.state().is_cut = true,
            // rustls 0.23 asserts, in debug builds, that no bad record follows its close_notify.
            14 if len > 100 && !self.shut => self.wire.state().garble(),
            15 if len > 200 && !self.wire.state().is_garbled => self.shut_down(),
            _ => {}
        }
        self.check_peer();
        Ok(())
    }

    /// Reads once. Returns whether there may be more.
    fn read(&mut self, len: usize) -> bool {
        let mut buffer = vec![0; len];
        let outcome = self.stream.read(&mut buffer);
        let state = self.wire.state();
        match outcome {
            Ok(0) if len == 0 => true,
            Ok(0) => {
                assert!(state.has_closed, "an end that nobody announced");
                assert_eq!(self.read, state.sent.len(), "the end came before the data");
                false
            }
            Ok(count) => {
                let expected = state.sent.get(self.read..self.read + count);
                assert_eq!(Some(&buffer[..count]), expected, "other data than was sent");
                self.read += count;
                true
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => true,
                ErrorKind::UnexpectedEof => {
                    assert!(state.is_cut, "{error:?}, but the stream has not ended");
                    false
                }
                ErrorKind::InvalidData => {
                    assert!(state.is_garbled, "{error:?}, but the records are right");
                    false
                }
                _ => panic!("{error:?}"),
            },
        }
    }

    /// Writes what has not been accepted. Returns whether to try again.
    fn write(&mut self, waits: bool) -> bool {
        let rest = &self.queue[self.written..];
        if rest.is_empty() {
            return false;
        }
        let outcome = if waits { self.stream.write(rest) } else { self.stream.try_write(rest) };
        match outcome {
            Ok(count) => {
                assert!((1..=rest.len()).contains(&count), "{count} of {}", rest.len());
                self.written += count;
                true
            }
            Err(error) => {
                use ErrorKind::{Interrupted, InvalidData, TimedOut, WouldBlock};
                let is_garbled = self.wire.state().is_garbled;
                match error.kind() {
                    WouldBlock | TimedOut | Interrupted => true,
                    // The session has failed, in both directions.
                    InvalidData if is_garbled => false,
                    _ => panic!("{error:?}"),
                }
            }
        }
    }

    fn shut_down(&mut self) {
        // A record in progress must be whole first.
        while !self.shut && self.write(true) {}
        self.stream.shutdown(Shutdown::Write).expect("the stream allows it");
        self.shut = true;
        let state = self.wire.state();
        assert!(state.heard_end || state.is_garbled, "no close_notify");
    }

    /// Checks that the peer decrypted the bytes of the program: at least those that the library
    /// accepted.
    fn check_peer(&self) {
        let state = self.wire.state();
        assert!(self.queue.starts_with(&state.heard), "the peer heard something else");
        assert!(state.heard.len() >= self.written || state.is_deaf, "accepted, but not written");
    }

    /// Without scripts the stream carries everything.
    fn finish(&mut self) {
        let mut state = self.wire.state();
        state.reads.clear();
        state.writes.clear();
        state.calls = 0;
        drop(state);
        while !self.shut && self.write(true) {}
        let mut attempts = 0;
        while self.read(50_000) {
            attempts += 1;
            let state = self.wire.state();
            if state.records.len() == state.start && !state.is_cut && self.read == state.sent.len()
            {
                break;
            }
            assert!(attempts < 1000, "data does not arrive");
        }
        self.check_peer();
        let state = self.wire.state();
        assert!(state.is_garbled || self.read == state.sent.len(), "data was lost");
        assert!(state.is_garbled || state.heard == self.queue, "bytes were lost");
    }
}

/// The byte at a place of a direction.
fn number(index: usize) -> u8 {
    (index ^ index >> 8) as u8
}

/// The stream. Clones are the same one.
#[derive(Clone, Debug)]
struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    peer: Connection,
    /// The encrypted bytes that the peer sent.
    records: Vec<u8>,
    /// How much of `records` the library has read.
    start: usize,
    /// The bytes that the peer sent.
    sent: Vec<u8>,
    /// The bytes that the peer received.
    heard: Vec<u8>,
    heard_end: bool,
    reads: VecDeque<u8>,
    writes: VecDeque<u8>,
    has_closed: bool,
    /// How often the peer has changed its keys.
    updates: usize,
    /// The stream ends behind `records`.
    is_cut: bool,
    /// A byte of `records` was changed.
    is_garbled: bool,
    /// The library reported garbled records, after which the peer hears nothing more.
    is_deaf: bool,
    calls: usize,
}

impl Wire {
    fn new(peer: Connection, reads: VecDeque<u8>, writes: VecDeque<u8>) -> Self {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.has_closed || self.is_cut || self.is_garbled || self.is_deaf
    }

    fn send(&mut self, len: usize) {
        if self.is_over() {
            return;
        }
        let data: Vec<u8> = (self.sent.len()..self.sent.len() + len).map(number).collect();
        self.peer.writer().write_all(&data).expect("there is room");
        self.sent.extend(data);
        self.collect();
    }

    fn update_keys(&mut self) {
        // rustls takes many updates in a row for an attack.
        if !self.is_over() && self.updates < 8 {
            self.updates += 1;
            // TLS 1.2 has no key updates.
            let _ = self.peer.refresh_traffic_keys();
            self.collect();
        }
    }

    fn close(&mut self) {
        if !self.is_over() {
            self.peer.send_close_notify();
            self.has_closed = true;
            self.collect();
        }
    }

    /// Changes the last byte of a record that the library has not read.
    fn garble(&mut self) {
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
        assert!(self.calls <= MAX_STREAM_CALLS, "one call makes {MAX_STREAM_CALLS} of the stream");
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
