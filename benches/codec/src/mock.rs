//! A stream that costs as little as possible: it returns the same bytes over and over, and takes
//! everything that is written.

use std::io::{self, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub struct Mock<'a> {
    wire: &'a [u8],
    at: usize,
}

impl<'a> Mock<'a> {
    pub fn new(wire: &'a [u8]) -> Self {
        Self { wire, at: 0 }
    }

    /// Returns the next bytes, as many as a read of `len` would return.
    fn next_bytes(&mut self, len: usize) -> &'a [u8] {
        if self.at == self.wire.len() {
            self.at = 0;
        }
        let rest = &self.wire[self.at..];
        let taken = &rest[..len.min(rest.len())];
        self.at += taken.len();
        taken
    }
}

impl Read for Mock<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.next_bytes(buffer.len());
        buffer[..taken.len()].copy_from_slice(taken);
        Ok(taken.len())
    }
}

impl Write for Mock<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(std::hint::black_box(buffer).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Mock<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let taken = self.next_bytes(buffer.remaining());
        buffer.put_slice(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Mock<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(std::hint::black_box(buffer).len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let buffers = std::hint::black_box(buffers);
        Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a future that never waits. No future over a [`Mock`] does.
pub fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a mock never waits"),
    }
}
