//! The round-trip time of Pings (§5.5.2).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The Pings that were not answered yet, and the round-trip time of the latest answer.
///
/// Keepalive sends Pings, and so does a program that asks for a measurement. The peer may answer
/// only the latest of several (§5.5.3), so a Pong settles all Pings before its own.
#[derive(Debug, Default)]
pub(super) struct Latency(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of each Ping and the time at which it was posted, the oldest first.
    pings: Vec<(u64, Instant)>,
    count: u64,
    latest: Option<Duration>,
}

/// The maximum number of Pings that are remembered, for a peer that answers none.
const MAX_PINGS: usize = 16;

impl Latency {
    /// Records that a Ping is about to be sent, and returns its data.
    pub(super) fn begin(&self) -> [u8; 8] {
        let mut state = self.lock();
        state.count += 1;
        // The oldest are kept: if Pings are sent faster than they are answered, their Pongs come
        // first.
        if state.pings.len() < MAX_PINGS {
            let ping = (state.count, Instant::now());
            state.pings.push(ping);
        }
        state.count.to_be_bytes()
    }

    /// Records a Pong with this data.
    pub(super) fn pong(&self, data: &[u8]) {
        let Ok(number) = data.try_into().map(u64::from_be_bytes) else { return };
        let mut state = self.lock();
        let sent = state.pings.iter().find(|(sent, _)| *sent == number).map(|(_, at)| *at);
        if let Some(sent) = sent {
            state.latest = Some(sent.elapsed());
        }
        // A Ping that was not remembered still settles those before it.
        if number <= state.count {
            state.pings.retain(|(sent, _)| *sent > number);
        }
    }

    /// Returns how long the latest answer took.
    pub(super) fn latest(&self) -> Option<Duration> {
        self.lock().latest
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
