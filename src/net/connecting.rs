use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::deadline::Deadline;
use super::{Error, Operation};

/// The addresses to which this process has a connection in the CONNECTING state, among the
/// clients that ask for no more than one (§4.1).
static CONNECTING: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
static ENDED: Condvar = Condvar::new();

/// The right to be in the CONNECTING state with an address; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Connecting(SocketAddr);

impl Connecting {
    /// Waits until nobody else is.
    pub(super) fn wait(address: SocketAddr, deadline: Deadline) -> Result<Self, Error> {
        let taken = CONNECTING.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = deadline.left().unwrap_or(Duration::MAX);
        let is_taken = |taken: &mut BTreeSet<SocketAddr>| taken.contains(&address);
        let waited = ENDED.wait_timeout_while(taken, timeout, is_taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if taken.insert(address) {
            Ok(Self(address))
        } else {
            Err(Error::Timeout(Operation::Connect))
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        CONNECTING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        ENDED.notify_all();
    }
}
