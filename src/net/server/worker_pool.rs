//! The threads that serve connections.
//!
//! Each connection has a thread of its own. A thread whose connection has ended waits a moment for
//! the next one, because starting and ending a thread costs about as much as an opening handshake.
//! Few threads wait, and not for long, so an idle server has none.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

/// The threads that serve the connections of one server.
#[derive(Debug)]
pub(super) struct WorkerPool {
    stack_size: usize,
    state: Mutex<PoolState>,
    wake: Condvar,
}

pub(super) type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct PoolState {
    /// The jobs for idle threads. There are never more jobs than idle threads.
    jobs: Vec<Job>,
    waiting: usize,
    is_dismissed: bool,
}

/// The number of threads that may be idle at once.
const MAX_WAITING: usize = 8;
/// How long an idle thread waits for a job.
const PATIENCE: Duration = Duration::from_secs(1);

impl WorkerPool {
    pub(super) fn new(stack_size: usize) -> Arc<Self> {
        let (state, wake) = (Mutex::default(), Condvar::new());
        Arc::new(Self { stack_size, state, wake })
    }

    /// Runs a job in an idle thread, or in a new one if none is idle.
    pub(super) fn start(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut state = self.lock();
        if state.waiting > state.jobs.len() {
            state.jobs.push(job);
            drop(state);
            self.wake.notify_one();
            return Ok(());
        }
        drop(state);
        let workers = Arc::clone(self);
        thread::Builder::new()
            .name("tightwire connection".into())
            .stack_size(self.stack_size)
            .spawn(move || workers.work(job))
            .map(drop)
    }

    /// Stops idle threads, and threads that become idle later.
    pub(super) fn dismiss(&self) {
        self.lock().is_dismissed = true;
        self.wake.notify_all();
    }

    fn work(&self, first: Job) {
        let mut job = Some(first);
        while let Some(now) = job {
            now();
            job = self.wait();
        }
    }

    fn wait(&self) -> Option<Job> {
        let mut state = self.lock();
        if state.waiting >= MAX_WAITING {
            return None;
        }
        state.waiting += 1;
        let idles = |state: &mut PoolState| state.jobs.is_empty() && !state.is_dismissed;
        let waited = self.wake.wait_timeout_while(state, PATIENCE, idles);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.jobs.pop()
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for PoolState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolState").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::ThreadId;

    use super::*;

    fn until(mut is_so: impl FnMut() -> bool) {
        while !is_so() {
            thread::yield_now();
        }
    }

    fn thread_of_next_job(workers: &Arc<WorkerPool>) -> ThreadId {
        let (sender, receiver) = mpsc::channel();
        let job = move || sender.send(thread::current().id()).unwrap();
        workers.start(Box::new(job)).unwrap();
        receiver.recv().unwrap()
    }

    #[test]
    fn a_thread_that_waits_takes_the_next_job_and_goes_when_dismissed() {
        let workers = WorkerPool::new(64 << 10);
        let first = thread_of_next_job(&workers);
        until(|| workers.lock().waiting == 1);
        assert_eq!(thread_of_next_job(&workers), first);
        until(|| workers.lock().waiting == 1);
        workers.dismiss();
        until(|| Arc::strong_count(&workers) == 1);
        assert_eq!(workers.lock().waiting, 0);
        thread_of_next_job(&workers);
        until(|| Arc::strong_count(&workers) == 1);
    }

    #[test]
    fn a_job_never_waits_for_a_thread_that_is_busy() {
        let workers = WorkerPool::new(64 << 10);
        thread_of_next_job(&workers);
        until(|| workers.lock().waiting == 1);
        // Each job ends only when the other has started.
        let meeting = Arc::new(std::sync::Barrier::new(3));
        for _ in 0..2 {
            let meeting = Arc::clone(&meeting);
            let meet = move || {
                meeting.wait();
            };
            workers.start(Box::new(meet)).unwrap();
        }
        meeting.wait();
        workers.dismiss();
    }
}
