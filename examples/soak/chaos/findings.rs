//! Violations, running threads, and figures.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Outcome;

/// The notes that all threads of a part share.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// How often each kind of violation was seen, and the first example of it.
    violations: Mutex<BTreeMap<&'static str, (u64, String)>>,
    running: Mutex<BTreeMap<u64, String>>,
    threads: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) broadcasts: AtomicU64,
    pub(crate) pings: AtomicU64,
    slowest_pong: Mutex<Duration>,
    ends: Mutex<BTreeMap<&'static str, u64>>,
}

impl Notes {
    pub(crate) fn violation(&self, kind: &'static str, example: impl fmt::Display) {
        let mut violations = lock(&self.violations);
        violations.entry(kind).or_insert_with(|| (0, example.to_string())).0 += 1;
    }

    pub(crate) fn end(&self, how: &'static str) {
        *lock(&self.ends).entry(how).or_default() += 1;
    }

    pub(crate) fn pong(&self, took: Duration) {
        let mut slowest = lock(&self.slowest_pong);
        *slowest = took.max(*slowest);
    }

    /// Starts a thread, and lists it until it ends.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        name: String,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let running = Running { notes: Arc::clone(self), number: add(&self.threads, 1) };
        lock(&self.running).insert(running.number, name);
        thread::spawn(move || {
            let _running = running;
            work()
        })
    }

    /// Waits for a thread, and returns its result. A panic is a violation.
    pub(crate) fn join<T>(&self, thread: JoinHandle<T>) -> Option<T> {
        let outcome = thread.join();
        if outcome.is_err() {
            self.violation("a thread panicked", "see the output above");
        }
        outcome.ok()
    }

    /// Returns the threads that have not ended.
    pub(crate) fn running(&self) -> String {
        lock(&self.running).values().cloned().collect::<Vec<_>>().join("\n  ")
    }

    /// Fails if there was a violation, with an example of each kind.
    pub(crate) fn outcome(&self) -> Outcome<()> {
        let violations = lock(&self.violations);
        if violations.is_empty() {
            return Ok(());
        }
        let lines = violations
            .iter()
            .map(|(kind, (count, example))| format!("\n  {count} times: {kind}; first: {example}"));
        Err(lines.collect::<String>().into())
    }
}

/// The figures, as one line.
impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let (messages, broadcasts) = (count(&self.messages), count(&self.broadcasts));
        write!(f, "{messages} messages, {broadcasts} broadcasts")?;
        let (pings, slowest) = (count(&self.pings), lock(&self.slowest_pong).as_millis());
        if pings > 0 {
            write!(f, ", {pings} Pings (slowest Pong {slowest} ms)")?;
        }
        write!(f, "; connections:")?;
        let mut separator = " ";
        for (how, count) in &*lock(&self.ends) {
            write!(f, "{separator}{count} {how}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// A thread's place on the list.
#[derive(Debug)]
struct Running {
    notes: Arc<Notes>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.notes.running).remove(&self.number);
    }
}

/// Adds to a counter, and returns what it was.
pub(crate) fn add(counter: &AtomicU64, count: u64) -> u64 {
    counter.fetch_add(count, Ordering::SeqCst)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
