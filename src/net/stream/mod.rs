//! What a connection asks of the bytes below it, and how TCP and Unix sockets give it.

#[cfg(unix)]
mod unix;

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long one write waits for the peer to read, and how long a thread works for others. It is
/// short, so that a thread that must not wait can write without changing the timeout of the
/// stream first. A thread that may wait longer calls again.
pub(in crate::net) const WRITE_SLICE: Duration = Duration::from_millis(10);

/// How many bytes we read while we wait for the peer to end its side of the stream.
pub(in crate::net) const LINGER_MAX: usize = 4 << 20;

/// A byte stream that one thread may read while another writes: hence `&self`.
///
/// A WebSocket runs on a [`TcpStream`], on Unix a `UnixStream`, or a type of your own, for
/// instance around TLS. A read must not wait for a write in progress, nor a write for a read:
/// otherwise two peers that both send could stop each other for ever.
pub trait Stream: Debug + Send + Sync + 'static {
    /// Reads what has arrived into `buffer`, or waits for some; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// `WouldBlock` or `TimedOut` when the read timeout is over, and `Interrupted` if the caller
    /// must look at its deadline and call again; nothing was read then. An `Interrupted` that
    /// does not come from the system ([`raw_os_error`](io::Error::raw_os_error)) also means that
    /// the peer is alive: it has sent bytes that are not data yet, such as a part of a record.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes from the front of `buffer`, and returns how many bytes it took.
    ///
    /// The next call begins with the first byte that was not taken, unless there is none: the
    /// caller may add to the bytes that wait, but not change them. An encrypting stream relies on
    /// that, because it may have written a part of a record.
    ///
    /// There is no call for several buffers: on Linux, `writev` raises SIGPIPE where the peer has
    /// closed its end, and the `send` behind [`TcpStream`] does not.
    ///
    /// # Errors
    ///
    /// `WouldBlock` or `TimedOut` when the write timeout is over; nothing was taken then.
    fn write(&self, buffer: &[u8]) -> io::Result<usize>;

    /// As [`write`](Self::write), but does not wait: it takes what there is room for. Threads that
    /// have other connections to serve call it, such as one that broadcasts.
    ///
    /// A read in another thread that begins in the meantime may fail with `WouldBlock`. It is then
    /// called again.
    ///
    /// By default it calls `write`, which waits for 10 ms at most: the write time-out.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; nothing was taken then.
    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.write(buffer)
    }

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

    /// Ends one direction or both, which also wakes a thread that is blocked in them. Any thread
    /// may call this, while others read and write: see [`Sender::abort`](crate::Sender::abort).
    ///
    /// # Errors
    ///
    /// What the system says.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Prepares the stream, before any other call: sets it to blocking, if it could be in
    /// non-blocking mode (`O_NONBLOCK`), and has small writes sent at once, if the system would
    /// delay them (`TCP_NODELAY`). It may be called twice, for TLS and for the opening handshake.
    ///
    /// By default it does nothing.
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

    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        (**self).try_write(buffer)
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
