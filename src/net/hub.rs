use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::connection::{Offer, Wait};
use super::deadline::Deadline;
use super::{Prepared, Sender, State};
use crate::frame::CloseCode;
use crate::protocol::MessageRef;

/// A set of connections that are sent the same messages.
///
/// Clones are the same hub. Any thread may broadcast, join and leave at any time, several at
/// once, and handlers of connections too. There is no thread behind it: who broadcasts writes.
///
/// A chat server, in which everybody hears everybody:
///
/// ```no_run
/// use tightwire::{Hub, Server, SlowMember};
///
/// let hub = Hub::new(SlowMember::Disconnect);
/// let server = Server::bind("127.0.0.1:9001")?;
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
/// No member holds up the others. A broadcast waits for nobody who sends on the same
/// connection, and writes to a member only if that has taken all that was written before, for
/// 10 ms at most. What the peer does not take in that time is kept, and goes out when somebody
/// next sends or receives on the connection: messages arrive whole and in order, or not at all.
///
/// Meanwhile up to 16 broadcasts wait for the connection, also while another thread writes to
/// it, or a [`MessageWriter`](crate::MessageWriter) is not finished. A member further behind is
/// _slow_, and the hub does to it what its [`SlowMember`] says, after all others were served.
///
/// Each connection needs somebody to receive on it, as always: it is there that a peer is missed
/// which is gone, and that what was kept is sent. A receiver that is waiting already may see to
/// that only after [`Timeouts::close`](crate::Timeouts), so messages larger than what the system
/// buffers, some 100 KB, are best sent by a hub that waits.
///
/// # Order
///
/// A member gets the broadcasts of one thread in their order. Those of several threads may
/// come to different members in different order. What is sent on a connection otherwise may
/// overtake broadcasts that wait for it.
#[derive(Clone, Debug)]
pub struct Hub {
    shared: Arc<Shared>,
}

/// What a [`Hub`] does to a member that is slow to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SlowMember {
    /// Ends its connection, if it does not even take more when asked a last time. It is sent
    /// Close 1008, which only reaches a peer that reads again just then. So every member gets
    /// every message, or is gone.
    Disconnect,
    /// Does not send the message to it. It may be asked to take more, once a second.
    Drop,
    /// Waits until it has taken what was broadcast before and all of this message, but for
    /// all slow members together no longer than this; then, as `Drop`.
    Wait(Duration),
}

/// What became of a message for each member, or of all messages so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Broadcast {
    /// Members for which it was accepted: it is on its way, or waits behind what is.
    pub delivered: u64,
    /// Members that were slow and did not get it.
    pub dropped: u64,
    /// Members that were slow and whose connection was ended.
    pub disconnected: u64,
}

/// The place of a connection in a [`Hub`]: it leaves the hub when this is dropped.
///
/// A broadcast that has begun by then may still reach it.
#[derive(Debug)]
#[must_use = "the connection leaves the hub when this is dropped"]
pub struct Member {
    shared: Arc<Shared>,
    id: u64,
}

#[derive(Debug)]
struct Shared {
    policy: SlowMember,
    registry: Mutex<Registry>,
    totals: Mutex<Broadcast>,
}

/// Who is in the hub. A broadcast holds on to the map as it was, and no lock.
#[derive(Debug, Default)]
struct Registry {
    next_id: u64,
    entries: Arc<BTreeMap<u64, Arc<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    sender: Sender,
    /// Until when it is not asked again to take what it left over.
    rest: Mutex<Deadline>,
}

/// A slow member whose messages are dropped costs its broadcasters a write in this time.
const RETRY: Duration = Duration::from_secs(1);

/// Other threads write to a member all the time: the longest wait for a place in its backlog.
/// One that writes to a slow peer says so earlier.
const BUSY_MAX: Duration = Duration::from_secs(1);

/// Between two rounds over members that did not take all.
const PAUSE: Duration = Duration::from_millis(1);

impl Hub {
    /// A hub without members that does this to slow ones.
    pub fn new(policy: SlowMember) -> Self {
        let (registry, totals) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { policy, registry, totals }) }
    }

    /// Adds a connection, until the `Member` is dropped or the connection closes.
    pub fn join(&self, sender: Sender) -> Member {
        let entry = Arc::new(Entry { sender, rest: Mutex::new(Deadline::over()) });
        let mut registry = self.shared.lock_registry();
        let id = registry.next_id;
        registry.next_id += 1;
        Arc::make_mut(&mut registry.entries).insert(id, entry);
        Member { shared: Arc::clone(&self.shared), id }
    }

    /// Sends a message to all members: a `&str` as text, bytes as binary, or a
    /// [`&Message`](crate::Message) as what it is.
    ///
    /// Members whose connection is closing or closed are forgotten, and not counted.
    pub fn broadcast<'a>(&self, message: impl Into<MessageRef<'a>>) -> Broadcast {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// As [`broadcast`](Self::broadcast), with a message that was encoded before.
    pub fn broadcast_prepared(&self, message: &Prepared) -> Broadcast {
        let policy = self.shared.policy;
        let deadline = Deadline::after(Some(match policy {
            SlowMember::Wait(patience) => patience,
            SlowMember::Disconnect | SlowMember::Drop => BUSY_MAX,
        }));
        let entries = Arc::clone(&self.shared.lock_registry().entries);
        let mut round = Round::new(policy, message);
        let mut late = Vec::new();
        for (&id, entry) in entries.iter() {
            let offer = round.offer(&entry.sender);
            let delivery = Delivery { id, entry, offer };
            if round.is_over_for(&delivery) {
                round.conclude(&delivery);
            } else {
                late.push(delivery);
            }
        }
        // From here on, everybody has it who is not slow.
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

    /// How many connections are in the hub and open.
    pub fn len(&self) -> usize {
        let entries = Arc::clone(&self.shared.lock_registry().entries);
        entries.values().filter(|entry| entry.sender.state() == State::Open).count()
    }

    /// Whether no open connection is in the hub.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sums of what all broadcasts so far have returned.
    pub fn totals(&self) -> Broadcast {
        *self.shared.lock_totals()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.remove(&[self.id]);
    }
}

/// A broadcast that is going on.
struct Round<'a> {
    policy: SlowMember,
    message: &'a Prepared,
    report: Broadcast,
    gone: Vec<u64>,
    /// How long a write may wait for the next member. One that has become slow costs a slice, each
    /// further one a moment.
    wait: Wait,
}

/// How far a message has come on its way to a member.
struct Delivery<'a> {
    id: u64,
    entry: &'a Entry,
    offer: Offer,
}

impl<'a> Round<'a> {
    fn new(policy: SlowMember, message: &'a Prepared) -> Self {
        let (report, gone) = (Broadcast::default(), Vec::new());
        Self { policy, message, report, gone, wait: Wait::Slice }
    }

    fn offer(&mut self, sender: &Sender) -> Offer {
        let offer = sender.offer(self.message, self.wait);
        if offer == Offer::Kept {
            self.wait = Wait::Moment;
        }
        offer
    }

    /// Whether all was done with this member that there is to do, or never is.
    fn is_over_for(&self, delivery: &Delivery<'_>) -> bool {
        let waits = matches!(self.policy, SlowMember::Wait(_));
        match delivery.offer {
            Offer::Taken | Offer::Kept => !waits || !delivery.entry.sender.is_behind(),
            Offer::Busy | Offer::Slow => false,
            Offer::Closed => true,
        }
    }

    /// Goes on with a member that did not take all, and says whether that is over.
    fn retry(&mut self, delivery: &mut Delivery<'_>) -> bool {
        let Entry { sender, rest } = delivery.entry;
        match self.policy {
            SlowMember::Disconnect | SlowMember::Wait(_) => sender.retry(Wait::Moment),
            SlowMember::Drop => {
                let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
                if rest.is_over() {
                    *rest = Deadline::after(Some(RETRY));
                    drop(rest);
                    sender.retry(Wait::Moment);
                }
            }
        }
        if matches!(delivery.offer, Offer::Busy | Offer::Slow) {
            delivery.offer = self.offer(sender);
        }
        let is_lost = delivery.offer == Offer::Slow && !matches!(self.policy, SlowMember::Wait(_));
        let is_over = is_lost || self.is_over_for(delivery);
        if is_over {
            self.conclude(delivery);
        }
        is_over
    }

    /// Counts what came of it, and parts with members that are slow if they are to go.
    fn conclude(&mut self, delivery: &Delivery<'_>) {
        match (delivery.offer, self.policy) {
            (Offer::Taken | Offer::Kept, _) => self.report.delivered += 1,
            (Offer::Closed, _) => self.gone.push(delivery.id),
            (Offer::Busy | Offer::Slow, SlowMember::Disconnect) => {
                let sender = &delivery.entry.sender;
                sender.close_soon(CloseCode::POLICY_VIOLATION, Wait::Moment);
                // Another broadcast may do the same just now.
                self.report.disconnected += u64::from(sender.abort_first());
                self.gone.push(delivery.id);
            }
            (Offer::Busy | Offer::Slow, SlowMember::Drop | SlowMember::Wait(_)) => {
                self.report.dropped += 1;
            }
        }
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
        // The last one that holds a stream ends it, which may take its time.
        drop(removed);
    }

    fn add(&self, report: Broadcast) {
        let mut totals = self.lock_totals();
        totals.delivered += report.delivered;
        totals.dropped += report.dropped;
        totals.disconnected += report.disconnected;
    }

    fn lock_registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_totals(&self) -> MutexGuard<'_, Broadcast> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
