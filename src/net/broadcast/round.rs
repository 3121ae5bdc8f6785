//! One broadcast on its way to the members of a hub.
//!
//! A broadcast has two phases. First it is offered to each member. A connection whose peer has
//! taken all earlier bytes writes it at once; any other connection keeps it in its inbox. The first
//! member whose peer does not take all of it delays the broadcast by a slice, and after that no
//! write waits. In the second phase the broadcast returns to the members that did not take all of
//! it, or had no room for it, again and again, until all have it or the time of the policy is over.
//! So slow members cost the others a bounded time, however many there are.

use super::policy::{BroadcastReport, SlowPolicy};
use crate::frame::CloseCode;
use crate::net::connection::Offer;
use crate::net::deadline::{Deadline, Wait};
use crate::net::{PreparedMessage, Sender};

/// A broadcast in progress.
pub(super) struct Round<'a> {
    policy: SlowPolicy,
    message: &'a PreparedMessage,
    pub(super) report: BroadcastReport,
    pub(super) gone: Vec<u64>,
    /// The end of the time that all members share that did not take all of it. `None` until there
    /// is one.
    slice: Option<Deadline>,
}

/// The progress of a message on its way to a member.
pub(super) struct Delivery<'a> {
    pub(super) id: u64,
    pub(super) sender: &'a Sender,
    pub(super) offer: Offer,
}

impl<'a> Round<'a> {
    pub(super) fn new(policy: SlowPolicy, message: &'a PreparedMessage) -> Self {
        let (report, gone) = (BroadcastReport::default(), Vec::new());
        Self { policy, message, report, gone, slice: None }
    }

    const fn waits(&self) -> bool {
        matches!(self.policy, SlowPolicy::Wait(_))
    }

    /// Offers the message to a member. The first member that does not take all of it delays the
    /// broadcast by a slice. No further one does.
    pub(super) fn offer(&self, sender: &Sender) -> Offer {
        let wait = if self.slice.is_none() { Wait::Slice } else { Wait::Never };
        sender.offer(self.message, wait)
    }

    /// Whether nothing more must be done for this member in this broadcast.
    pub(super) fn is_over_for(&mut self, delivery: &Delivery<'_>) -> bool {
        let waits = self.waits();
        let has_got_it = || !delivery.sender.is_behind();
        match delivery.offer {
            Offer::Taken => !waits || has_got_it(),
            Offer::Kept => {
                let is_over = self.slice.is_none_or(Deadline::is_over);
                self.slice.get_or_insert_with(Deadline::slice);
                has_got_it() || !waits && is_over
            }
            Offer::Busy | Offer::Slow => false,
            Offer::Closed => true,
        }
    }

    /// Tries again with a member that did not take all of it, and returns whether that is complete.
    pub(super) fn retry(&mut self, delivery: &mut Delivery<'_>) -> bool {
        let sender = delivery.sender;
        // The flusher writes the bytes that a slow member did not take. A message that the policy
        // drops adds no bytes.
        if self.policy != SlowPolicy::Drop || delivery.offer != Offer::Slow {
            sender.retry(Wait::Never);
        }
        if matches!(delivery.offer, Offer::Busy | Offer::Slow) {
            delivery.offer = self.offer(sender);
        }
        let is_lost = delivery.offer == Offer::Slow && !self.waits();
        let is_over = is_lost || self.is_over_for(delivery);
        if is_over {
            self.conclude(delivery);
        }
        is_over
    }

    /// Counts the outcome, and disconnects a slow member if the policy requires it.
    pub(super) fn conclude(&mut self, delivery: &Delivery<'_>) {
        match (delivery.offer, self.policy) {
            (Offer::Taken | Offer::Kept, _) => self.report.delivered += 1,
            (Offer::Closed, _) => self.gone.push(delivery.id),
            (Offer::Busy | Offer::Slow, SlowPolicy::Disconnect) => {
                let sender = delivery.sender;
                sender.close_soon(CloseCode::POLICY_VIOLATION, Wait::Never);
                // Another broadcast may do the same at this moment.
                self.report.disconnected += u64::from(sender.abort_as_slow());
                self.gone.push(delivery.id);
            }
            (Offer::Busy | Offer::Slow, SlowPolicy::Drop | SlowPolicy::Wait(_)) => {
                self.report.dropped += 1;
            }
        }
    }
}
