use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long one write waits for the peer to read. Short, so that a thread that may not wait need
/// not first tell the stream so; one that may calls again.
pub(super) const WRITE_SLICE: Duration = Duration::from_millis(10);

/// How many bytes are read from a peer that has been sent our last ones, while it is waited for to
/// end its side.
pub(super) const LINGER_MAX: usize = 4 << 20;

/// A byte stream that one thread may read while another writes: hence `&self`.
///
/// It is what a WebSocket runs on: a [`TcpStream`], on Unix a `UnixStream`, or a type of your
/// own, for instance around TLS. Reading must not wait for a write in progress, nor the other
/// way round: two peers that both send would stop each other for ever.
pub trait Stream: Debug + Send + Sync + 'static {
    /// Reads what has arrived into `buffer`, or waits for some; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` or `TimedOut` when the read time-out is over, and `Interrupted` if the caller
    /// is to look at its deadline and call again; nothing was read then. An `Interrupted` that
    /// does not come from the system ([`raw_os_error`](io::Error::raw_os_error)) says besides
    /// that the peer is there: it has sent something that is no data yet.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes from the front of `buffer`, and returns how many bytes it took.
    ///
    /// The next call begins with the first byte that was not taken, unless there is none: the
    /// caller may add to the bytes that wait, but not change them. An encrypting stream relies on
    /// that, because part of a record may be gone before all of it is.
    ///
    /// # Errors
    ///
    /// `WouldBlock` or `TimedOut` when the write time-out is over; nothing was taken then.
    fn write(&self, buffer: &[u8]) -> io::Result<usize>;

    /// Bounds how long a later read waits; never called with zero.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Bounds how long a later write waits; never called with zero.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends one direction or both, which also wakes a thread that is blocked in them.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Called once, before everything else: makes the calls of the stream wait, if it could be
    /// one that does not (`O_NONBLOCK`), and small writes go out at once, if it would hold them
    /// back (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What the system says.
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    /// The address of the peer, if it has one.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }
}

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(buffer)
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
        self.set_nonblocking(false)?;
        self.set_nodelay(true)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        Self::peer_addr(self).ok()
    }
}

impl<S: Stream + ?Sized> Stream for Arc<S> {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read(buffer)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        (**self).write(buffer)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        (**self).shutdown(how)
    }

    fn prepare(&self) -> io::Result<()> {
        (**self).prepare()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        (**self).peer_addr()
    }
}

/// Linux cuts a write to a Unix socket into pieces of 32 KiB, and applies the time-out to each of
/// them: a call that is to be over soon must not have many.
#[cfg(unix)]
const UNIX_WRITE_MAX: usize = 64 << 10;

#[cfg(unix)]
impl Stream for std::os::unix::net::UnixStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(buffer.get(..UNIX_WRITE_MAX).unwrap_or(buffer))
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
