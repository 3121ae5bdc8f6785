//! What a connection asks of the bytes below it, and how TCP and Unix sockets give it.
//!
//! Systems differ in how a call waits. `unix` and `windows` know that, and no other file does: each
//! implements [`Stream`] for the sockets of its system.

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
/// short, so that a thread that must not wait can write without changing the timeout of the
/// stream first. A thread that may wait longer calls again.
pub(in crate::net) const WRITE_SLICE: Duration = Duration::from_millis(10);

/// How many bytes we read while we wait for the peer to end its side of the stream.
pub(in crate::net) const LINGER_MAX: usize = 4 << 20;

/// A byte stream that one thread may read while another writes: hence `&self`.
///
/// A WebSocket runs on a [`TcpStream`](std::net::TcpStream), on Unix a `UnixStream`, or a type of
/// your own, for instance around TLS.
///
/// # What a stream owes
///
/// - **Both directions at once.** A read must not wait for a write in progress, nor a write for a
///   read: otherwise two peers that both send could stop each other for ever. At any moment at most
///   one thread reads and at most one writes. Any thread may call [`shutdown`](Self::shutdown) and
///   set a time-out.
/// - **A write may take less** than it was given. It waits for room until the write time-out at most,
///   and returns how much it took by then.
/// - **A time-out loses nothing.** A read that ends with `WouldBlock` or `TimedOut` took no byte from
///   the stream. A write that does so took none of the caller's bytes, and the next write begins with
///   them.
/// - **A shutdown wakes the reader.** A read that is in progress comes back when another thread
///   calls `shutdown` for its direction. Where it does not, [`max_read_timeout`](Self::max_read_timeout)
///   says how long a read may wait, and the next read meets the end.
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
    /// closed its end, and the `send` behind a `TcpStream` does not.
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
    /// By default it calls `write`, which waits for the write time-out: 10 ms.
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

    /// The longest time-out that a read may have, because [`shutdown`](Self::shutdown) does not wake
    /// a thread that is blocked in one: `None` if it does. On Windows this is half a second for a
    /// `TcpStream`. A stream around another one passes it on.
    ///
    /// By default it is `None`.
    fn max_read_timeout(&self) -> Option<Duration> {
        None
    }

    /// Bounds how long a later write waits; never called with zero.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends one direction or both. Later reads return 0 then, and later writes fail. A thread that
    /// is blocked in a read comes back; see [`Sender::abort`](crate::Sender::abort).
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
