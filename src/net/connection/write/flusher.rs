//! The thread that writes the bytes that a peer did not take in time.
//!
//! A thread that releases the writer may have to leave bytes behind: the peer does not read, and
//! the time of the call is over. The receiver writes them before its next read. But it may be in a
//! long read already, or in a long call of its user, and `std` cannot wake a thread that reads. So
//! the thread that leaves bytes hands the connection over to the flusher, which tries again until
//! the peer has taken everything, or the connection has ended. The same goes for a control frame
//! that arrives when a thread has worked for others long enough.
//!
//! A program has one flusher for all its connections, and only while a peer is behind. The flusher
//! never waits for a peer. It leaves a peer that takes nothing alone for longer and longer, up to
//! [`PAUSE_MAX`] ticks. If another thread takes the writer before that, it writes the bytes as
//! well.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::net::connection::shared::Shared;

/// The interval at which the flusher wakes up.
const TICK: Duration = Duration::from_millis(10);
/// The maximum number of ticks for which a peer that takes nothing is left alone: 160 ms.
const PAUSE_MAX: u32 = 16;
/// The stack of the flusher, in bytes: the default for a connection of a server, because the
/// flusher compresses and encrypts as those threads do.
const STACK_SIZE: usize = 256 << 10;

/// The connections that were handed over, and whether a thread runs for them.
#[derive(Debug)]
struct Flusher {
    connections: Vec<Weak<Shared>>,
    is_running: bool,
}

static FLUSHER: Mutex<Flusher> = Mutex::new(Flusher { connections: Vec::new(), is_running: false });

/// A connection that was handed over.
struct Entry {
    shared: Weak<Shared>,
    /// The number of ticks for which the connection is left alone after it took nothing.
    pause: u32,
    /// How many of these ticks are left.
    ticks: u32,
}

/// The state of a connection's bytes after an attempt to write them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::net::connection) enum Rest {
    Nothing,
    /// The peer took some.
    Less,
    /// The peer took nothing, or another thread holds the writer.
    Same,
}

/// Hands a connection over to the flusher. Returns whether that was possible: the system may refuse
/// to start a thread. The caller holds the writer of the connection.
pub(super) fn hand_over(shared: &Weak<Shared>) -> bool {
    // In the model, the threads of the model play the flusher.
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
    /// Tries to write if it is time, and returns whether any bytes are left.
    fn tick(&mut self) -> bool {
        self.ticks -= 1;
        if self.ticks > 0 {
            return true;
        }
        let Some(shared) = self.shared.upgrade() else { return false };
        // A `Stream` may come from another crate, and the other connections need this thread, so it
        // must survive a panic. After a panic in a write, nothing can follow on that connection.
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
