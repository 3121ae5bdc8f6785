//! TLS over a stream in memory that cuts, delays and interrupts, with `rustls` itself at the other
//! end. Each side must read what the other side wrote, in order, as far as the stream carried it,
//! and learn of the end only where there is one.

mod wire;

use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tightwire::rustls::pki_types::PrivateKeyDer;
use tightwire::rustls::version::{TLS12, TLS13};
use tightwire::rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};
use tightwire::{Error, Stream, TlsStream};

use self::wire::{Wire, number};
use super::frames::any_bytes;

/// The longest script of calls that is run.
const MAX_CALLS: usize = 60;

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
