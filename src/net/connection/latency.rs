//! How long the peer takes to answer a Ping (§5.5.2).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The Pings whose Pong has not come, and how long the latest answer took.
///
/// Keepalive sends Pings, and so does a program that asks for a measurement. The peer may answer
/// only the latest of several (§5.5.3), so a Pong settles all Pings before its own.
#[derive(Debug, Default)]
pub(super) struct Latency(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of each Ping, and when it was sent: the oldest first.
    pings: Vec<(u64, Instant)>,
    count: u64,
    latest: Option<Duration>,
}

/// A peer that answers none makes us remember no more Pings than this.
const MAX_PINGS: usize = 16;

impl Latency {
    /// Notes that a Ping is about to be sent, and returns its data.
    pub(super) fn begin(&self) -> [u8; 8] {
        let mut state = self.lock();
        state.count += 1;
        // The oldest are kept: if Pings are sent faster than answered, their Pongs come first.
        if state.pings.len() < MAX_PINGS {
            let ping = (state.count, Instant::now());
            state.pings.push(ping);
        }
        state.count.to_be_bytes()
    }

    /// Notes a Pong with this data.
    pub(super) fn pong(&self, data: &[u8]) {
        let Ok(number) = data.try_into().map(u64::from_be_bytes) else { return };
        let mut state = self.lock();
        let sent = state.pings.iter().find(|(sent, _)| *sent == number).map(|(_, at)| *at);
        if let Some(sent) = sent {
            state.latest = Some(sent.elapsed());
        }
        // Those before a Ping that was not remembered are settled, too.
        if number <= state.count {
            state.pings.retain(|(sent, _)| *sent > number);
        }
    }

    /// How long the latest answer took.
    pub(super) fn latest(&self) -> Option<Duration> {
        self.lock().latest
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
