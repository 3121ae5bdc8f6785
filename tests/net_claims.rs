//! Tests streams that claim to have read or written more bytes than their buffer holds. Any program
//! can implement `Stream`, so such a claim must not cause a panic or lose bytes.

#[cfg(feature = "tls")]
#[path = "wire/tls.rs"]
mod tls;
mod wire;

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tightwire::{Acceptor, Client, Message, Stream};
use wire::PATIENCE;

/// A stream that claims too much in each call that used its whole buffer.
#[derive(Clone, Debug)]
struct Overclaiming {
    stream: Arc<TcpStream>,
    excess: usize,
    claims: Arc<AtomicUsize>,
}

impl Overclaiming {
    fn new(stream: TcpStream, excess: usize) -> Self {
        Self { stream: Arc::new(stream), excess, claims: Arc::default() }
    }

    fn claim(&self, count: usize, len: usize) -> usize {
        if count < len {
            return count;
        }
        self.claims.fetch_add(1, Ordering::Relaxed);
        count.saturating_add(self.excess)
    }
}

impl Stream for Overclaiming {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = Stream::read(&*self.stream, buffer)?;
        Ok(self.claim(count, buffer.len()))
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let count = Stream::write(&*self.stream, buffer)?;
        Ok(self.claim(count, buffer.len()))
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
        Stream::shutdown(&*self.stream, how)
    }
}

const EXCESSES: [usize; 3] = [1, 100_000, usize::MAX];

fn overclaiming(excess: usize) -> [Overclaiming; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    [near, far].map(|stream| Overclaiming::new(stream, excess))
}

/// Opens a connection over the two streams, and asserts that the server echoes.
fn assert_echoes(near: impl Stream, far: impl Stream) {
    let server = thread::spawn(move || {
        let mut ws = Acceptor::new().accept(far).unwrap().0;
        while let Some(message) = ws.recv().unwrap() {
            ws.send(&message).unwrap();
        }
    });
    let mut ws = Client::new().connect_stream("ws://localhost/", near).unwrap();
    for len in [5, 3000, 1 << 20] {
        let data: Vec<u8> = (0..len).map(|i: u32| i.to_le_bytes()[0]).collect();
        ws.send(&*data).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Message::Binary(data)));
    }
    ws.close().unwrap();
    assert!(ws.close_status().unwrap().was_clean());
    server.join().unwrap();
}

#[test]
fn byte_counts_beyond_the_buffer_are_ignored() {
    for excess in EXCESSES {
        let [near, far] = overclaiming(excess);
        assert_echoes(near.clone(), far.clone());
        for stream in [near, far] {
            assert!(stream.claims.load(Ordering::Relaxed) > 0);
        }
    }
}

#[cfg(feature = "tls")]
#[test]
fn byte_counts_beyond_the_buffer_are_ignored_below_tls() {
    for excess in EXCESSES {
        let [near, far] = overclaiming(excess);
        let (client, server) = tls::streams(near, far);
        assert_echoes(client, server);
    }
}
