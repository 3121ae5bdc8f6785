//! The load: one connection, on which `IN_FLIGHT` messages are always on their way.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tightwire::deflate::DeflateConfig;
use tightwire::{Client, Error, Message, Stream, WebSocket};

use crate::corpus::Corpus;
use crate::peer::{Mode, Peer};

/// The result of one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    /// Microseconds of processor time of the server, per message.
    pub(crate) cpu: f64,
    /// Bytes from the server, including headers, per byte of a message.
    pub(crate) wire: f64,
}

const IN_FLIGHT: usize = 16;
/// Our level. It is lower than that of the servers, so that they have more to do than the load.
const CLIENT_LEVEL: u8 = 1;

/// Has a server echo messages for this long.
pub(crate) fn measure(peer: &Peer, corpus: &Corpus, duration: Duration) -> Result<Sample, Error> {
    let received = Arc::new(AtomicU64::new(0));
    let mut ws = connect(peer, Arc::clone(&received))?;
    let head_len = received.load(Ordering::Relaxed);
    let mut load = Load { corpus: &corpus.messages, sent: 0, echoed: 0, bytes: 0 };
    for _ in 0..IN_FLIGHT {
        load.send(&ws)?;
    }
    // Until both ends have allocated all that they keep.
    let warm = Instant::now() + duration / 5;
    while Instant::now() < warm {
        load.exchange(&mut ws)?;
    }

    let (echoed, cpu, start) = (load.echoed, peer.cpu_time(), Instant::now());
    while start.elapsed() < duration {
        load.exchange(&mut ws)?;
    }
    let (cpu, elapsed) = (peer.cpu_time() - cpu, start.elapsed());
    let count = (load.echoed - echoed) as f64;

    // The bytes are counted for all messages, because some bytes arrive before their message is
    // complete.
    while load.echoed < load.sent {
        load.receive(&mut ws)?;
    }
    let wire = received.load(Ordering::Relaxed) - head_len;
    ws.close()?;
    Ok(Sample {
        per_second: count / elapsed.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / count,
        wire: wire as f64 / load.bytes as f64,
    })
}

fn connect(peer: &Peer, received: Arc<AtomicU64>) -> Result<WebSocket, Error> {
    let mut client = Client::new();
    let config = DeflateConfig::new().level(CLIENT_LEVEL);
    match peer.mode {
        Mode::None => {}
        Mode::Alone => client = client.deflate(config.no_context_takeover()),
        Mode::Takeover => client = client.deflate(config),
    }
    let stream = TcpStream::connect(peer.address)?;
    stream.set_nodelay(true)?;
    let ws = client.connect_stream(&peer.url(), Counted { stream, received })?;
    let negotiated = ws.negotiated().deflate;
    let takeover = negotiated.map(|params| params.server.context_takeover);
    let wanted = match peer.mode {
        Mode::None => None,
        Mode::Alone => Some(false),
        Mode::Takeover => Some(true),
    };
    assert_eq!(takeover, wanted, "{} agreed to something else: {negotiated:?}", peer.name);
    Ok(ws)
}

struct Load<'a> {
    corpus: &'a [Message],
    sent: usize,
    echoed: usize,
    bytes: usize,
}

impl Load<'_> {
    fn send(&mut self, ws: &WebSocket) -> Result<(), Error> {
        ws.feed(&self.corpus[self.sent % self.corpus.len()])?;
        self.sent += 1;
        Ok(())
    }

    fn receive(&mut self, ws: &mut WebSocket) -> Result<(), Error> {
        let echo = ws.recv()?.expect("the server closed the connection");
        assert!(echo == self.corpus[self.echoed % self.corpus.len()], "the echo differs");
        self.echoed += 1;
        self.bytes += echo.as_bytes().len();
        Ok(())
    }

    fn exchange(&mut self, ws: &mut WebSocket) -> Result<(), Error> {
        self.receive(ws)?;
        self.send(ws)
    }
}

/// A stream that counts the bytes that it receives.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

impl Stream for Counted {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = Stream::read(&self.stream, buffer)?;
        self.received.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        Stream::write(&self.stream, buffer)
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

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }
}
