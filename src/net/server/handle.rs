use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use super::registry::{GRACE, Registry};
use super::report::{OpenConnection, ShutdownReport};
use crate::net::Counters;
use crate::net::deadline::Deadline;

/// Controls a server from other threads, and from its handlers. Clones control the same one.
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

/// How long one try to wake the thread that accepts may take.
const WAKE: Duration = Duration::from_millis(100);

impl ServerHandle {
    pub(super) const fn new(
        registry: Arc<Registry>,
        local_addr: Result<SocketAddr, io::ErrorKind>,
    ) -> Self {
        Self { registry, local_addr }
    }

    /// Shuts the server down, and waits for that.
    ///
    /// No more connections are accepted. Handshakes in flight are answered with 503, and open
    /// connections are sent a Close frame with 1001: their handlers get `None` from `recv` when
    /// the peer has answered, as if it had closed first. What is not over by the deadline is
    /// cut: then calls that wait for the peer fail. Handlers that do something else are waited
    /// for one more second; there is no way to end them. [`Server::run`](crate::Server::run)
    /// returns when all that is done.
    ///
    /// Any thread may call this, also several times: the earliest deadline counts, so that a
    /// second call can put an end to the patience of the first. Before `run` it has that return
    /// at once.
    ///
    /// A handler may call it too. It does not wait for itself then, nor for other handlers that
    /// have called it; those connections are in no number of the report. A handler that waits
    /// for another thread which calls this is waited for until the deadline.
    #[allow(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let deadline = Deadline::after(Some(deadline));
        self.registry.begin_shutdown(deadline);
        self.wake(deadline);
        let report = self.registry.wind_down();
        // If it could not be woken for want of file descriptors, there are some now.
        self.wake(Deadline::after(Some(GRACE)));
        report
    }

    /// Wakes the thread that is blocked in `accept`, by connecting to it: std has no other way.
    fn wake(&self, deadline: Deadline) {
        let Ok(address) = self.local_addr.map(reachable) else { return };
        // It may take more than one try, as when there is no file descriptor left for now.
        while !self.registry.wait_for_accepting(Duration::ZERO) {
            let woken = TcpStream::connect_timeout(&address, WAKE);
            if self.registry.wait_for_accepting(WAKE) || deadline.is_over() {
                return;
            }
            drop(woken);
        }
    }

    /// The address that the server listens on, or listened.
    ///
    /// # Errors
    ///
    /// What the system said when the server was made.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr.map_err(io::Error::from)
    }

    /// How many connections there are now, with those in the opening or closing handshake:
    /// those that count for [`Server::max_connections`](crate::Server::max_connections). If
    /// [`on_request`](crate::Acceptor::on_request) calls this, the connection whose request it
    /// answers is left out.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.registry.len()
    }

    /// What has passed over all connections of the server so far, those that have ended included.
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

    /// The connections whose handlers run now, the oldest first.
    ///
    /// It is a picture of this moment: some may be over when they are looked at, and then to
    /// send fails with `Send(Closed)` or `Io`. A sender that is kept keeps the memory of its
    /// connection.
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

/// Where to connect to what listens on this address: one that stands for all addresses of the
/// machine is none to connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
