//! When to send a Ping into silence, and when to give up (§5.5.2).
//!
//! Keepalive has no timer thread. The receiver asks after each read that timed out, and tells when
//! something was read. So a busy connection never reads the clock for this.

use std::time::{Duration, Instant};

use crate::net::Timeouts;
use crate::net::deadline::Deadline;

/// Notices a peer that is gone: silence brings a Ping, and further silence the end.
///
/// There is no timer: it is asked whenever a read has timed out, and told whenever something
/// was read. So it costs a clock reading only when there is nothing else to do.
#[derive(Debug)]
pub(super) struct Keepalive {
    ping_after: Option<Duration>,
    pong_within: Duration,
    /// Since when nothing was heard, if a read has timed out since.
    silent_since: Option<Instant>,
    /// Until when something has to be heard, once a Ping was sent into the silence.
    give_up_at: Option<Deadline>,
}

/// What silence calls for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Nothing,
    /// A Ping.
    Ping,
    /// The end of the connection.
    GiveUp,
}

impl Keepalive {
    pub(super) const fn new(timeouts: &Timeouts) -> Self {
        Self {
            ping_after: timeouts.ping,
            pong_within: timeouts.pong,
            silent_since: None,
            give_up_at: None,
        }
    }

    /// How long a read may wait before silence calls for something.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let ping_after = self.ping_after?;
        match (self.give_up_at, self.silent_since) {
            (Some(end), _) => end.left(),
            (None, Some(since)) => Some(ping_after.saturating_sub(since.elapsed())),
            (None, None) => Some(ping_after),
        }
    }

    /// Whether nothing timed out since the peer was heard: the time-out is that of a Ping then.
    #[inline]
    pub(super) const fn is_calm(&self) -> bool {
        self.silent_since.is_none() && self.give_up_at.is_none()
    }

    /// Something was read.
    #[inline]
    pub(super) const fn heard(&mut self) {
        self.silent_since = None;
        self.give_up_at = None;
    }

    /// Nothing was read for so long, since the last word or the last call.
    pub(super) fn silent(&mut self, waited: Duration) -> Action {
        let Some(ping_after) = self.ping_after else { return Action::Nothing };
        let now = Instant::now();
        let since =
            *self.silent_since.get_or_insert_with(|| now.checked_sub(waited).unwrap_or(now));
        match self.give_up_at {
            Some(end) if end.is_over() => Action::GiveUp,
            Some(_) => Action::Nothing,
            None if now.saturating_duration_since(since) >= ping_after => {
                self.give_up_at = Some(Deadline::after(Some(self.pong_within)));
                Action::Ping
            }
            None => Action::Nothing,
        }
    }
}
