//! The thread that writes what a peer did not take in time.
//!
//! A thread that releases the writer may have to leave bytes behind: the peer does not read, and
//! the time of the call is over. The receiver writes them before its next read, but it may be in a
//! long read already, or in a long call of its user, and std cannot wake a thread that reads. So the
//! leaving thread hands the connection over to the flusher, which tries again until the peer has
//! taken all, or the connection has ended.
//!
//! A program has one flusher, for all its connections, and only while a peer is behind. It never
//! waits for a peer, and it leaves a peer that takes nothing alone for longer and longer, up to
//! [`PAUSE_MAX`]. Any thread that has the writer before that writes the bytes as well.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::net::connection::shared::Shared;

/// How often the flusher wakes up.
const TICK: Duration = Duration::from_millis(10);
/// For how many ticks a peer that takes nothing is left alone, at most.
const PAUSE_MAX: u32 = 16;
/// As for a connection of a server: the flusher compresses and encrypts as those threads do.
const STACK_SIZE: usize = 256 << 10;

/// The connections that were handed over, and whether there is a thread for them.
#[derive(Debug)]
struct Flusher {
    connections: Vec<Weak<Shared>>,
    is_running: bool,
}

static FLUSHER: Mutex<Flusher> = Mutex::new(Flusher { connections: Vec::new(), is_running: false });

/// A connection in the hands of the flusher.
struct Entry {
    shared: Weak<Shared>,
    /// For how many ticks it is left alone after it took nothing.
    pause: u32,
    /// How many of these are left.
    ticks: u32,
}

/// What is left of a connection's bytes after an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::net::connection) enum Rest {
    Nothing,
    /// The peer took some.
    Less,
    /// The peer took nothing, or another thread has the writer.
    Same,
}

/// Hands a connection over to the flusher, and returns whether that was possible: the system may
/// have no thread left. The caller holds the writer of the connection.
pub(super) fn hand_over(shared: &Weak<Shared>) -> bool {
    // In the model, its threads play the flusher.
    if cfg!(loom) {
        return true;
    }
    let mut flusher = lock();
    if !flusher.is_running {
        let builder = thread::Builder::new().name("tightwire flusher".to_owned());
        flusher.is_running = builder.stack_size(STACK_SIZE).spawn(run).is_ok();
    }
    if flusher.is_running {
        flusher.connections.push(Weak::clone(shared));
    }
    flusher.is_running
}

fn run() {
    let mut entries = Vec::new();
    loop {
        let mut flusher = lock();
        let new = |shared| Entry { shared, pause: 1, ticks: 1 };
        entries.extend(mem::take(&mut flusher.connections).into_iter().map(new));
        if entries.is_empty() {
            flusher.is_running = false;
            return;
        }
        drop(flusher);
        thread::sleep(TICK);
        entries.retain_mut(Entry::tick);
    }
}

impl Entry {
    /// Tries again if it is time, and returns whether there is anything left.
    fn tick(&mut self) -> bool {
        self.ticks -= 1;
        if self.ticks > 0 {
            return true;
        }
        let Some(shared) = self.shared.upgrade() else { return false };
        // A stream is anybody's code, and the other connections need this thread. After a panic in
        // it nothing can follow.
        let rest = catch_unwind(AssertUnwindSafe(|| shared.write_rest())).unwrap_or(Rest::Nothing);
        self.pause = match rest {
            Rest::Nothing => return false,
            Rest::Less => 1,
            Rest::Same => (2 * self.pause).min(PAUSE_MAX),
        };
        self.ticks = self.pause;
        true
    }
}

fn lock() -> MutexGuard<'static, Flusher> {
    FLUSHER.lock().unwrap_or_else(PoisonError::into_inner)
}
