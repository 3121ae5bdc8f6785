//! The byte stream below a connection, and its implementations for TCP and Unix sockets.
//!
//! Systems differ in how a call waits. Only `unix` and `windows` depend on that: each implements
//! [`Stream`] for the sockets of its system. If you change the requirements of [`Stream`], change
//! both, `tls/stream` and the table of systems in `docs/threads.md` together.

#[cfg(not(windows))]
mod unix;
#[cfg(windows)]
mod windows;

use std::fmt::Debug;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long one write waits for the peer to read, and how long a thread works for others. It is
/// short, so that a thread that must not wait can write without changing the timeout of the stream
/// first. A thread that may wait longer calls again.
pub(in crate::net) const WRITE_SLICE: Duration = Duration::from_millis(10);

/// How many bytes we read while we wait for the peer to end its side of the stream.
pub(in crate::net) const LINGER_MAX: usize = 4 << 20;

/// A byte stream that one thread may read while another writes: hence `&self`.
///
/// A WebSocket runs on a [`TcpStream`](std::net::TcpStream), on Unix also on a `UnixStream`, or on
/// a type of your own, for instance around TLS.
///
/// # Requirements
///
/// - **Both directions at once.** A read must not wait for a write in progress, nor a write for a
///   read. Otherwise two peers that both send could block each other forever. At any moment at
///   most one thread reads and at most one writes. Any thread may call [`shutdown`](Self::shutdown)
///   and set a timeout.
/// - **A write may take fewer bytes** than it was given. It waits for room until the write timeout
///   at most, and returns how many it took by then.
/// - **A timeout loses nothing.** A read that ends with `WouldBlock` or `TimedOut` took no byte
///   from the stream. A write that does so took none of the caller's bytes, and the next write
///   starts with them.
/// - **A shutdown wakes the reader.** A read in progress returns when another thread calls
///   `shutdown` for its direction. If the system cannot do that,
///   [`max_read_timeout`](Self::max_read_timeout) returns how long a read may wait, and the next
///   read finds the end.
pub trait Stream: Debug + Send + Sync + 'static {
    /// Reads the bytes that have arrived into `buffer`, or waits for some. 0 is the end of the
    /// stream.
    ///
    /// # Errors
    ///
    /// - `WouldBlock` or `TimedOut` when the read timeout is over. Nothing was read.
    /// - `Interrupted` if the caller must look at its deadline and call again. Nothing was read. An
    ///   `Interrupted` that does not come from the system
    ///   ([`raw_os_error`](io::Error::raw_os_error) is `None`) also means that the peer is alive:
    ///   it has sent bytes that are not data yet, such as a part of a record.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes from the front of `buffer`, and returns how many bytes it took.
    ///
    /// The next call starts with the first byte that was not taken, if there is one: the caller may
    /// append to the bytes that wait, but not change them. An encrypting stream relies on that,
    /// because it may have written a part of a record.
    ///
    /// There is no call for several buffers: on Linux, `writev` raises SIGPIPE if the peer has
    /// closed its end, and the `send` behind a `TcpStream` does not.
    ///
    /// # Errors
    ///
    /// `WouldBlock` or `TimedOut` when the write timeout is over. Nothing was taken.
    fn write(&self, buffer: &[u8]) -> io::Result<usize>;

    /// Writes as [`write`](Self::write) does, but does not wait: it takes the bytes for which there
    /// is room. Threads that have other connections to serve call it, such as one that broadcasts.
    ///
    /// A read that another thread starts in the meantime may fail with `WouldBlock`. It is then
    /// called again.
    ///
    /// The default implementation calls `write`, which waits for the write timeout: 10 ms.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room. Nothing was taken.
    fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.write(buffer)
    }

    /// Sets how long later reads may wait. `None` means without a limit. It is never called with
    /// zero.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns the longest timeout that a read may have, if [`shutdown`](Self::shutdown) does not
    /// wake a thread that is blocked in one. `None` if it does wake it.
    ///
    /// On Windows this is half a second for a `TcpStream`. A stream around another one should
    /// return the value of that one. The default implementation returns `None`.
    fn max_read_timeout(&self) -> Option<Duration> {
        None
    }

    /// Sets how long later writes may wait. `None` means without a limit. It is never called with
    /// zero.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends one direction or both. Later reads return 0, and later writes fail. A thread that is
    /// blocked in a read returns: see [`Sender::abort`](crate::Sender::abort).
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Prepares the stream, before any other call.
    ///
    /// It switches a stream that could be in non-blocking mode (`O_NONBLOCK`) to blocking, and
    /// makes the system send small writes at once, if it would delay them (`TCP_NODELAY`). It may
    /// be called twice, for TLS and for the opening handshake.
    ///
    /// The default implementation does nothing.
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the address of the peer, if it has one.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
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

    fn max_read_timeout(&self) -> Option<Duration> {
        (**self).max_read_timeout()
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
