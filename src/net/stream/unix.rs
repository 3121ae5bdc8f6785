//! TCP and Unix sockets, on Linux, macOS, the BSDs, and every other system except Windows.
//!
//! A socket has a timeout for reads and one for writes, and a call that ends by its timeout has
//! done nothing. `shutdown` wakes a thread that is blocked in a read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Stream;

/// How many bytes one write takes, if the timeout applies to each of several waits inside the call:
/// a call that must be over soon must not have many of them.
const WRITE_MAX: usize = 64 << 10;

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        // On Linux the timeout bounds the whole call. In XNU, `sosend` applies it to each wait
        // inside the call. Other systems are treated like XNU.
        let buffer = if cfg!(target_os = "linux") { buffer } else { front(buffer) };
        (&mut &*self).write(buffer)
    }

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        let outcome = (&mut &*self).write(buffer);
        self.set_nonblocking(false)?;
        outcome
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        unless_ended(Self::set_read_timeout(self, timeout))
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        unless_ended(Self::set_write_timeout(self, timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)?;
        unless_ended(self.set_nodelay(true))
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        Self::peer_addr(self).ok()
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        // Linux too cuts this into pieces of 32 KiB, and waits for each.
        (&mut &*self).write(front(buffer))
    }

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        let outcome = (&mut &*self).write(buffer);
        self.set_nonblocking(false)?;
        outcome
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        unless_ended(Self::set_read_timeout(self, timeout))
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        unless_ended(Self::set_write_timeout(self, timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)
    }
}

fn front(buffer: &[u8]) -> &[u8] {
    buffer.get(..WRITE_MAX).unwrap_or(buffer)
}

/// Returns the outcome of setting an option, but ignores that the socket has ended.
///
/// macOS and illumos refuse options with `EINVAL` once both directions are over, for instance after
/// a reset (`sosetoptlock` in XNU). There may still be bytes to read, and no call waits any more.
/// Only the read returns the reason of the end.
fn unless_ended(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_refused_does_not_hide_the_end() {
        let refused = io::Error::from(ErrorKind::InvalidInput);
        assert!(unless_ended(Err(refused)).is_ok());
        let other = io::Error::from(ErrorKind::NotConnected);
        assert_eq!(unless_ended(Err(other)).unwrap_err().kind(), ErrorKind::NotConnected);
    }
}
