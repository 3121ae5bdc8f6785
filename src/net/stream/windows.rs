//! TCP sockets on Windows, where a call that waits differs in three ways.
//!
//! - **A send that times out leaves the socket in no defined state**, and bytes may be sent twice
//!   or not at all. So no socket has a write timeout here. A write is made in non-blocking mode,
//!   and tried again until the slice is over.
//! - **A receive that times out may have taken bytes**, according to Windows. So a read first waits
//!   in a `peek`, which takes none, and then takes the bytes that are there. A timeout below half a
//!   second counts as half a second.
//! - **`shutdown` does not wake a thread that is blocked in a read.** So no read waits long: see
//!   [`READ_SLICE`]. A read that begins after the shutdown returns at once.
//!
//! A socket has one mode for both directions, so a read that begins while another thread writes
//! fails with `WouldBlock`. A timeout is `TimedOut`, so the two cannot be confused.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{Stream, WRITE_SLICE};

/// The longest wait of a read, so that a blocked thread notices the end of the connection.
const READ_SLICE: Duration = Duration::from_millis(500);

/// The pause between two attempts to write.
const WRITE_PAUSE: Duration = Duration::from_millis(1);
/// How often a read tries again without a pause. The other thread is in non-blocking mode for one
/// call.
const MAX_RETRIES: usize = 1000;

/// The error of a write after a shutdown, for which `std` has no kind. Other systems return a
/// broken pipe.
const WSAESHUTDOWN: i32 = 10058;

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut retries = 0;
        loop {
            let outcome = self.peek(&mut [0]).and_then(|_| (&mut &*self).read(buffer));
            match outcome {
                Err(error) if error.kind() == ErrorKind::WouldBlock && retries < MAX_RETRIES => {
                    retries += 1;
                    thread::yield_now();
                }
                outcome => return outcome,
            }
        }
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut start = None;
        loop {
            match self.try_write(buffer) {
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock
                        && start.get_or_insert_with(Instant::now).elapsed() < WRITE_SLICE =>
                {
                    thread::sleep(WRITE_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        let outcome = (&mut &*self).write(buffer);
        self.set_nonblocking(false)?;
        outcome.map_err(|error| match error.raw_os_error() {
            Some(WSAESHUTDOWN) => ErrorKind::BrokenPipe.into(),
            _ => error,
        })
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, timeout)
    }

    fn max_read_timeout(&self) -> Option<Duration> {
        Some(READ_SLICE)
    }

    fn set_write_timeout(&self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)?;
        self.set_nodelay(true)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        Self::peer_addr(self).ok()
    }
}
