use std::net::SocketAddr;

use crate::net::Sender;

/// How a shutdown went: what became of the connections that there were when it began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Ended with a complete closing handshake.
    pub closed: usize,
    /// Ended by themselves in another way, as when the peer was gone.
    pub failed: usize,
    /// Were in the opening handshake, and got 503.
    pub refused: usize,
    /// Were cut at the deadline.
    pub aborted: usize,
    /// Handlers that have not returned, although their connections are over.
    pub running: usize,
}

/// A connection of a server whose handler runs: from
/// [`ServerHandle::connections`](super::ServerHandle::connections).
#[derive(Clone, Debug)]
pub struct OpenConnection {
    id: u64,
    peer_addr: SocketAddr,
    sender: Sender,
}

impl OpenConnection {
    pub(super) const fn new(id: u64, peer_addr: SocketAddr, sender: Sender) -> Self {
        Self { id, peer_addr, sender }
    }

    /// The number of the connection; its server gives no other one the same.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The address of the peer.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }

    /// Speaks to the peer.
    #[must_use]
    pub const fn sender(&self) -> &Sender {
        &self.sender
    }
}
