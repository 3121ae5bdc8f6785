use std::net::SocketAddr;

use crate::net::Sender;

/// The result of a shutdown: counts of the connections that existed when it began, by how they
/// ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that ended with a complete closing handshake.
    pub closed: usize,
    /// Connections that ended in another way before the deadline, for instance because the peer was
    /// gone.
    pub failed: usize,
    /// Connections that were in the opening handshake, and got 503.
    pub refused: usize,
    /// Connections that were aborted at the deadline.
    pub aborted: usize,
    /// Handlers that have not returned, although their connections are over.
    pub running: usize,
}

/// A connection of a server whose handler is running: see
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

    /// Returns the number of the connection, which is unique in its server.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Returns the address of the peer.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }

    /// Returns a sender for the connection.
    #[must_use]
    pub const fn sender(&self) -> &Sender {
        &self.sender
    }
}
