//! One connection at a time in the CONNECTING state to the same server (§4.1).
//!
//! The RFC requires this of clients to keep scripts from flooding a server through browsers.
//! Clients that ask for it wait for each other here, within one process. A server is an IP address
//! and a port (erratum 3473), or, if a proxy looks up the name, a name and a port.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::net::deadline::Deadline;
use crate::net::{Error, Operation};

/// The servers to which this process has a connection in the CONNECTING state, counting only
/// clients that serialize their connections (§4.1).
static CONNECTING: Mutex<Vec<Remote>> = Mutex::new(Vec::new());
static ENDED: Condvar = Condvar::new();

/// How many names `CONNECTING` may hold at once. Two names can mean the same server, so this bounds
/// the connections that one server gets (§4.1).
const MAX_NAMES: usize = 8;

/// Whether a connection waits for others to the same server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Serialize {
    No,
    Yes,
}

/// The identity of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Remote {
    Address(SocketAddr),
    /// A name that only a proxy looks up, in lower case, and a port.
    Name(String, u16),
}

impl Remote {
    /// The server at this address. An IPv4 address may be written as an IPv6 one.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self::Address(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// The server to which a proxy connects.
    pub(super) fn behind_proxy(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(ip) => Self::at(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(host.to_ascii_lowercase(), port),
        }
    }

    fn has_to_wait(&self, taken: &[Self]) -> bool {
        let is_name = |remote: &&Self| matches!(remote, Self::Name(..));
        taken.contains(self)
            || (is_name(&self) && taken.iter().filter(is_name).count() >= MAX_NAMES)
    }
}

/// The right to be in the CONNECTING state with a server. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Connecting(Remote);

impl Connecting {
    /// Waits until no other client is connecting to this server.
    pub(super) fn wait(remote: Remote, deadline: Deadline) -> Result<Self, Error> {
        let taken = CONNECTING.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = deadline.left().unwrap_or(Duration::MAX);
        let has_to_wait = |taken: &mut Vec<Remote>| remote.has_to_wait(taken);
        let waited = ENDED.wait_timeout_while(taken, timeout, has_to_wait);
        let (mut taken, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
        if outcome.timed_out() {
            return Err(Error::Timeout(Operation::Connect));
        }
        taken.push(remote.clone());
        Ok(Self(remote))
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let mut taken = CONNECTING.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|remote| *remote != self.0);
        drop(taken);
        ENDED.notify_all();
    }
}
