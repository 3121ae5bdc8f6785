//! Unix sockets.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Stream;

/// Linux cuts a write to a Unix socket into pieces of 32 KiB, and applies the time-out to each of
/// them: a call that is to be over soon must not have many.
const UNIX_WRITE_MAX: usize = 64 << 10;

impl Stream for UnixStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(buffer.get(..UNIX_WRITE_MAX).unwrap_or(buffer))
    }

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        let outcome = (&mut &*self).write(buffer);
        self.set_nonblocking(false)?;
        outcome
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_write_timeout(self, timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)
    }
}
