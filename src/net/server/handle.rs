//! The handle that controls a running server, and the way it wakes the accepting thread.
//!
//! The shutdown itself is in `registry`. The tricky part here is the order: the registry must know
//! of the shutdown before the accepting thread is woken, and waking it may fail for a while, if the
//! system has no file descriptor left.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use super::registry::{GRACE, Registry};
use super::report::{OpenConnection, ShutdownReport};
use crate::net::Counters;
use crate::net::deadline::Deadline;

/// A handle that controls a server from other threads, and from its handlers. Clones control the
/// same server.
///
/// ```
/// use std::time::Duration;
/// use tightwire::Server;
///
/// let server = Server::bind("127.0.0.1:0")?;
/// let handle = server.handle();
/// let thread = std::thread::spawn(move || server.run(|_, _| Ok(())));
///
/// let report = handle.shutdown(Duration::from_secs(5));
/// assert_eq!(report.aborted, 0);
/// thread.join().expect("no panic")?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    registry: Arc<Registry>,
    local_addr: Result<SocketAddr, io::ErrorKind>,
}

/// The timeout of one attempt to wake the accepting thread.
const WAKE: Duration = Duration::from_millis(100);

impl ServerHandle {
    pub(super) const fn new(
        registry: Arc<Registry>,
        local_addr: Result<SocketAddr, io::ErrorKind>,
    ) -> Self {
        Self { registry, local_addr }
    }

    /// Shuts the server down, and waits until that is done.
    ///
    /// 1. No more connections are accepted. Handshakes in progress are answered with 503.
    /// 2. Open connections are sent a Close frame with 1001. Their handlers get `None` from `recv`
    ///    when the peer has answered, as if it had closed first.
    /// 3. Connections that are not over by the deadline are aborted, so calls that wait for the
    ///    peer fail.
    /// 4. Handlers that are busy with something else get one more second. There is no way to end
    ///    them.
    ///
    /// Then [`Server::run`](crate::Server::run) returns.
    ///
    /// Any thread may call this, also several times. The earliest deadline counts, so a second call
    /// can shorten the wait of the first. A call before `run` makes `run` return at once.
    ///
    /// A handler may call it too. The call then waits neither for that handler nor for other
    /// handlers that have called it, and the report does not count their connections. But if a
    /// handler waits for another thread that calls this, the call waits for the handler until the
    /// deadline.
    #[allow(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let deadline = Deadline::after(Some(deadline));
        self.registry.begin_shutdown(deadline);
        self.wake(deadline);
        let report = self.registry.wind_down();
        // If no file descriptor was left to wake it before, there are some now.
        self.wake(Deadline::after(Some(GRACE)));
        report
    }

    /// Wakes the thread that is blocked in `accept`, by connecting to it: `std` has no other way.
    fn wake(&self, deadline: Deadline) {
        let Ok(address) = self.local_addr.map(reachable) else { return };
        // It may take more than one attempt, for instance if there is no file descriptor left now.
        while !self.registry.wait_for_accepting(Duration::ZERO) {
            let woken = TcpStream::connect_timeout(&address, WAKE);
            if self.registry.wait_for_accepting(WAKE) || deadline.is_over() {
                return;
            }
            drop(woken);
        }
    }

    /// Returns the address that the server listens on, or listened on.
    ///
    /// # Errors
    ///
    /// The error that the system returned when the handle was created.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr.map_err(io::Error::from)
    }

    /// Returns the number of connections, including those in the opening or closing handshake:
    /// those that count for [`Server::max_connections`](crate::Server::max_connections).
    ///
    /// If [`on_request`](crate::Acceptor::on_request) calls this, the connection whose request it
    /// answers is left out.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.registry.len()
    }

    /// Returns how many messages and bytes were sent and received over all connections of the
    /// server so far, including those that have ended.
    ///
    /// ```
    /// let server = tightwire::Server::bind("127.0.0.1:0")?;
    /// assert_eq!(server.handle().counters().messages_received, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.registry.counters()
    }

    /// Returns the connections whose handlers are running, the oldest first.
    ///
    /// This is a snapshot: a connection in it may have ended since, and then sending fails with
    /// `Send(Closed)` or `Io`. A sender that you keep keeps the memory of its connection.
    #[must_use]
    pub fn connections(&self) -> Vec<OpenConnection> {
        self.registry.open_connections()
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("local_addr", &self.local_addr)
            .field("connection_count", &self.connection_count())
            .finish_non_exhaustive()
    }
}

/// Returns the address at which a listener on `address` can be reached. An unspecified address,
/// which stands for all addresses of the machine, becomes the loopback address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
