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
/// Clones are the same hub. Several threads, such as handlers of connections, may broadcast,
/// join and leave at the same time. The hub has no thread: the thread that broadcasts writes.
///
/// A chat server that sends each message to all of its clients:
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
/// No member holds up the others. A broadcast does not wait for threads that send on the same
/// connection, and writes to a member only if the peer has taken all earlier bytes. The first
/// member whose peer does not take all of the message holds the broadcast up for 10 ms. All
/// further ones share another 10 ms. Then the connection keeps the rest of the message. The
/// receiver, or the next thread that sends on the connection, writes it, so messages arrive whole
/// and in order.
///
/// In the meantime up to 16 broadcasts wait for the connection. They also wait while another
/// thread writes to it, or until a [`MessageWriter`](crate::MessageWriter) is finished. If 16 wait
/// already, the member is _slow_. The hub serves all others first, and then treats the slow ones
/// as its [`SlowMember`] specifies. If 16 wait only because other threads write faster than the
/// connection takes the bytes, the broadcast first tries again, for a second at most.
///
/// Each connection needs a thread that receives on it. That thread notices a dead peer, and writes
/// the bytes that the peer did not take before. If it is already waiting in a read when a
/// broadcast leaves such bytes, it may notice them only after [`Timeouts::ping`] or
/// [`Timeouts::close`], whichever is shorter. So messages larger than the buffers of the system,
/// some 100 KB, are best sent by a hub that waits.
///
/// [`Timeouts::ping`]: crate::Timeouts
/// [`Timeouts::close`]: crate::Timeouts
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
    /// Disconnects the member after a last attempt to write. It is sent Close 1008, which arrives
    /// only if its peer starts to read again at that moment. With this policy every member either
    /// gets every message or is disconnected.
    Disconnect,
    /// Does not send this message to the member. Once a second, a broadcast tries to write the
    /// bytes that wait for it.
    Drop,
    /// Waits until the peer has taken the earlier broadcasts and all of this message, for all slow
    /// members together no longer than this duration. After that, as `Drop`. The first member that
    /// becomes slow during the broadcast may add 10 ms.
    Wait(Duration),
}

/// Counts of what happened to one broadcast, or to all of them ([`Hub::totals`]).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Broadcast {
    /// Members for which it was accepted: it was written, or waits after earlier bytes.
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

/// The longest wait for a place in the inbox of a member to which other threads write all the
/// time. If its peer does not read, the member is slow, and this wait does not apply.
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
    /// The end of the time that those members share which did not take all of it, once there is
    /// one.
    slice: Option<Deadline>,
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
        Self { policy, message, report, gone, slice: None }
    }

    /// Offers it to a member. The first one that does not take all has held the broadcast up for
    /// a slice. No further one does.
    fn offer(&self, sender: &Sender) -> Offer {
        let wait = if self.slice.is_none() { Wait::Slice } else { Wait::Never };
        sender.offer(self.message, wait)
    }

    /// Whether all was done with this member that there is to do, or never is.
    fn is_over_for(&mut self, delivery: &Delivery<'_>) -> bool {
        let waits = matches!(self.policy, SlowMember::Wait(_));
        let has_got_it = !delivery.entry.sender.is_behind();
        match delivery.offer {
            Offer::Taken => !waits || has_got_it,
            Offer::Kept => {
                let is_over = self.slice.is_none_or(Deadline::is_over);
                self.slice.get_or_insert_with(Deadline::slice);
                has_got_it || !waits && is_over
            }
            Offer::Busy | Offer::Slow => false,
            Offer::Closed => true,
        }
    }

    /// Goes on with a member that did not take all, and says whether that is over.
    fn retry(&mut self, delivery: &mut Delivery<'_>) -> bool {
        let Entry { sender, rest } = delivery.entry;
        match self.policy {
            SlowMember::Drop if delivery.offer != Offer::Kept => {
                let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
                if rest.is_over() {
                    *rest = Deadline::after(Some(RETRY));
                    drop(rest);
                    sender.retry(Wait::Never);
                }
            }
            _ => sender.retry(Wait::Never),
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
                sender.close_soon(CloseCode::POLICY_VIOLATION, Wait::Never);
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
