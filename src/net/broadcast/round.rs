//! One broadcast on its way to the members of a hub.
//!
//! A broadcast goes round twice. First it is offered to each member: a connection whose peer has
//! taken all earlier bytes writes it at once, any other one keeps it in its inbox. The first member
//! whose peer does not take all of it has held the others up for a slice, and after that one no
//! write waits. Then the broadcast comes back to those members that did not take all, or had no
//! place for it, and to each again, until all have it or the time of the policy is over. So a slow
//! member costs the others a bounded time, however many are slow.

use super::policy::{BroadcastReport, SlowPolicy};
use crate::frame::CloseCode;
use crate::net::connection::Offer;
use crate::net::deadline::{Deadline, Wait};
use crate::net::{PreparedMessage, Sender};

/// A broadcast that is going on.
pub(super) struct Round<'a> {
    policy: SlowPolicy,
    message: &'a PreparedMessage,
    pub(super) report: BroadcastReport,
    pub(super) gone: Vec<u64>,
    /// The end of the time that those members share which did not take all of it, once there is
    /// one.
    slice: Option<Deadline>,
}

/// How far a message has come on its way to a member.
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

    /// Offers it to a member. The first one that does not take all has held the broadcast up for
    /// a slice. No further one does.
    pub(super) fn offer(&self, sender: &Sender) -> Offer {
        let wait = if self.slice.is_none() { Wait::Slice } else { Wait::Never };
        sender.offer(self.message, wait)
    }

    /// Whether all was done with this member that there is to do, or never is.
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

    /// Goes on with a member that did not take all, and says whether that is over.
    pub(super) fn retry(&mut self, delivery: &mut Delivery<'_>) -> bool {
        let sender = delivery.sender;
        // The flusher writes the bytes that a slow member did not take. A message that the policy
        // drops adds none.
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

    /// Counts what came of it, and parts with members that are slow if they are to go.
    pub(super) fn conclude(&mut self, delivery: &Delivery<'_>) {
        match (delivery.offer, self.policy) {
            (Offer::Taken | Offer::Kept, _) => self.report.delivered += 1,
            (Offer::Closed, _) => self.gone.push(delivery.id),
            (Offer::Busy | Offer::Slow, SlowPolicy::Disconnect) => {
                let sender = delivery.sender;
                sender.close_soon(CloseCode::POLICY_VIOLATION, Wait::Never);
                // Another broadcast may do the same just now.
                self.report.disconnected += u64::from(sender.abort_as_slow());
                self.gone.push(delivery.id);
            }
            (Offer::Busy | Offer::Slow, SlowPolicy::Drop | SlowPolicy::Wait(_)) => {
                self.report.dropped += 1;
            }
        }
    }
}
