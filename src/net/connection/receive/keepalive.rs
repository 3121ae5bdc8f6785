//! The decisions of keepalive: when to send a Ping, and when to give up (§5.5.2).
//!
//! Keepalive has no timer thread. The receiver asks it after each read that timed out, and tells it
//! when bytes were read. So a busy connection never reads the clock for keepalive.

use std::time::{Duration, Instant};

use crate::net::Timeouts;
use crate::net::deadline::Deadline;

/// Detects a dead peer: after a time of silence it asks for a Ping, and after more silence for the
/// end.
#[derive(Debug)]
pub(super) struct Keepalive {
    ping_after: Option<Duration>,
    pong_within: Duration,
    /// The start of the present silence, if a read has timed out since.
    silent_since: Option<Instant>,
    /// The deadline for any byte of the peer, once a Ping was sent.
    give_up_at: Option<Deadline>,
}

/// The receiver's reaction to silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Nothing,
    /// Send a Ping.
    Ping,
    /// End the connection.
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

    /// Returns how long a read may wait before the silence calls for an action.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let ping_after = self.ping_after?;
        match (self.give_up_at, self.silent_since) {
            (Some(end), _) => end.left(),
            (None, Some(since)) => Some(ping_after.saturating_sub(since.elapsed())),
            (None, None) => Some(ping_after),
        }
    }

    /// Whether no read has timed out since the peer was last heard. Then the timeout is the whole
    /// time before a Ping.
    #[inline]
    pub(super) const fn is_calm(&self) -> bool {
        self.silent_since.is_none() && self.give_up_at.is_none()
    }

    /// Records that bytes were read.
    #[inline]
    pub(super) const fn heard(&mut self) {
        self.silent_since = None;
        self.give_up_at = None;
    }

    /// Records that nothing was read for `waited`, since the peer was last heard or since the last
    /// call. Returns what to do about it.
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
