//! The members of a hub.
//!
//! A broadcast takes the map of members as it is at that moment, and holds no lock while it writes.
//! A member that joins or leaves in the meantime changes a copy of the map.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::policy::{BroadcastReport, SlowPolicy};
use super::round::{Delivery, Round};
use crate::net::deadline::Deadline;
use crate::net::{PreparedMessage, Sender, State};
use crate::protocol::AsMessage;

/// A set of connections that get the same messages.
///
/// Clones are the same hub. Several threads, such as handlers of connections, may broadcast, join
/// and leave at the same time. The hub has no thread: the thread that broadcasts writes.
///
/// A chat server that sends each message to all of its clients:
///
/// ```no_run
/// use tightwire::{Hub, Server, SlowPolicy};
///
/// let hub = Hub::new(SlowPolicy::Disconnect);
/// let server = Server::bind("127.0.0.1:8080")?;
/// server.run(move |ws, _request| {
///     let _member = hub.join(ws.sender());
///     hub.broadcast("somebody came");
///     while let Some(message) = ws.recv()? {
///         hub.broadcast(&message);
///     }
///     hub.broadcast("somebody leaves");
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Slow members
///
/// No member delays the others for long. A broadcast does not wait for threads that send on the
/// same connection, and writes to a member only if the peer has taken all earlier bytes. The first
/// member whose peer does not take all of the message delays the broadcast by 10 ms. All further
/// ones share another 10 ms. Then the connection keeps the rest of the message, and a thread of the
/// library writes it as the peer takes it, so messages arrive whole and in order.
///
/// In the meantime up to 16 broadcasts wait for the connection. They also wait while another thread
/// writes to it, or until a [`MessageWriter`](crate::MessageWriter) is finished. If 16 wait
/// already, the member is _slow_. The hub serves all others first, and then treats the slow ones as
/// its [`SlowPolicy`] specifies. If 16 wait only because other threads write faster than the
/// connection takes the bytes, the broadcast first tries again, for a second at most.
///
/// Each connection needs a thread that receives on it. That thread detects a dead peer.
///
/// # Order
///
/// A member gets the broadcasts of one thread in order. Broadcasts of several threads may reach
/// different members in different orders. Other messages on a connection may overtake broadcasts
/// that wait for it.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

/// The membership of a connection in a [`Hub`], which ends when this is dropped.
///
/// A broadcast that has already started may still reach the connection.
#[derive(Debug)]
#[must_use = "dropping a `Member` removes the connection from the hub"]
pub struct Member {
    shared: Arc<Shared>,
    id: u64,
}

#[derive(Debug)]
struct Shared {
    policy: SlowPolicy,
    registry: Mutex<Registry>,
    totals: Arc<Mutex<BroadcastReport>>,
}

/// The members of a hub. A broadcast keeps the map as it was, and holds no lock.
#[derive(Debug, Default)]
struct Registry {
    next_id: u64,
    entries: Arc<BTreeMap<u64, Sender>>,
}

/// The longest wait for room in the inbox of a member to which other threads write all the time. If
/// its peer is not reading, the member is slow, and this wait does not apply.
const BUSY_MAX: Duration = Duration::from_secs(1);

/// The pause between two rounds over the members that did not take everything.
const PAUSE: Duration = Duration::from_millis(1);

impl Hub {
    /// Creates a hub without members, with this policy for slow ones.
    #[must_use]
    pub fn new(policy: SlowPolicy) -> Self {
        Self::counting_into(policy, Arc::default())
    }

    fn counting_into(policy: SlowPolicy, totals: Arc<Mutex<BroadcastReport>>) -> Self {
        Self { shared: Arc::new(Shared { policy, registry: Mutex::default(), totals }) }
    }

    /// Creates another hub without members, for rooms that come and go. It has the same policy and
    /// counts into the same [`totals`](Self::totals).
    ///
    /// ```
    /// use tightwire::{Hub, SlowPolicy};
    ///
    /// let hub = Hub::new(SlowPolicy::Drop);
    /// let room = hub.new_room();
    /// room.broadcast("somebody came");
    /// assert_eq!(hub.totals(), room.totals());
    /// ```
    #[must_use]
    pub fn new_room(&self) -> Self {
        Self::counting_into(self.shared.policy, Arc::clone(&self.shared.totals))
    }

    /// Adds a connection, until the returned `Member` is dropped or the connection closes.
    pub fn join(&self, sender: Sender) -> Member {
        let mut registry = self.shared.lock_registry();
        let id = registry.next_id;
        registry.next_id += 1;
        Arc::make_mut(&mut registry.entries).insert(id, sender);
        Member { shared: Arc::clone(&self.shared), id }
    }

    /// Sends a message to all members: a string as text, bytes as binary, and a
    /// [`Message`](crate::Message) as its own kind.
    ///
    /// Members whose connection is closing or closed leave the hub, and are not counted.
    ///
    /// ```no_run
    /// # let hub = tightwire::Hub::new(tightwire::SlowPolicy::Drop);
    /// let report = hub.broadcast("It is noon.");
    /// println!("{} got it, {} did not", report.delivered, report.dropped);
    /// ```
    pub fn broadcast(&self, message: impl AsMessage) -> BroadcastReport {
        self.broadcast_prepared(&PreparedMessage::new(message))
    }

    /// Sends a message that is already encoded to all members, as [`broadcast`](Self::broadcast)
    /// does.
    #[allow(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn broadcast_prepared(&self, message: &PreparedMessage) -> BroadcastReport {
        let policy = self.shared.policy;
        let deadline = Deadline::after(Some(match policy {
            SlowPolicy::Wait(patience) => patience,
            SlowPolicy::Disconnect | SlowPolicy::Drop => BUSY_MAX,
        }));
        let entries = Arc::clone(&self.shared.lock_registry().entries);
        let mut round = Round::new(policy, message);
        let mut late = Vec::new();
        for (&id, sender) in entries.iter() {
            let delivery = Delivery { id, sender, offer: round.offer(sender) };
            if round.is_over_for(&delivery) {
                round.conclude(&delivery);
            } else {
                late.push(delivery);
            }
        }
        // At this point, all members have it except the slow ones.
        while !late.is_empty() {
            late.retain_mut(|delivery| deadline.is_over() || !round.retry(delivery));
            if deadline.is_over() {
                late.drain(..).for_each(|delivery| round.conclude(&delivery));
            } else if !late.is_empty() {
                thread::sleep(PAUSE);
            }
        }
        self.shared.remove(&round.gone);
        self.shared.add(round.report);
        round.report
    }

    /// Returns the number of connections in the hub that are open.
    #[must_use]
    pub fn len(&self) -> usize {
        let entries = Arc::clone(&self.shared.lock_registry().entries);
        entries.values().filter(|sender| sender.state() == State::Open).count()
    }

    /// Returns whether the hub has no open connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the sums of the reports of all broadcasts so far, including those of the rooms that
    /// [`new_room`](Self::new_room) created.
    #[must_use]
    pub fn totals(&self) -> BroadcastReport {
        *self.shared.lock_totals()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.remove(&[self.id]);
    }
}

impl Shared {
    fn remove(&self, ids: &[u64]) {
        if ids.is_empty() {
            return;
        }
        let mut removed = Vec::new();
        let mut registry = self.lock_registry();
        if ids.iter().any(|id| registry.entries.contains_key(id)) {
            let entries = Arc::make_mut(&mut registry.entries);
            removed.extend(ids.iter().filter_map(|id| entries.remove(id)));
        }
        drop(registry);
        // Dropping the last sender of a connection frees its memory, which may take a while, so it
        // happens outside the lock.
        drop(removed);
    }

    fn add(&self, report: BroadcastReport) {
        let mut totals = self.lock_totals();
        totals.delivered += report.delivered;
        totals.dropped += report.dropped;
        totals.disconnected += report.disconnected;
    }

    fn lock_registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_totals(&self) -> MutexGuard<'_, BroadcastReport> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
