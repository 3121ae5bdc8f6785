//! Threads of a test for which the test waits only a limited time.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{panic, thread};

use super::wire::PATIENCE;

/// A timeout that no test reaches. A call that waits for it fails the test.
pub const LONG: Duration = Duration::from_secs(3600);

/// A thread for whose end a test waits a limited time.
pub struct Task<T>(mpsc::Receiver<T>, thread::JoinHandle<()>);

impl<T: Send + 'static> Task<T> {
    pub fn spawn(act: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        let act = move || {
            let _ = sender.send(act());
        };
        Self(receiver, thread::spawn(act))
    }

    #[track_caller]
    pub fn end(self) -> T {
        match self.0.recv_timeout(PATIENCE) {
            Ok(value) => value,
            Err(RecvTimeoutError::Timeout) => panic!("the call does not return"),
            Err(RecvTimeoutError::Disconnected) => panic::resume_unwind(self.1.join().unwrap_err()),
        }
    }
}

/// Returns the result of `act`, and panics if it hangs.
#[track_caller]
pub fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    Task::spawn(act).end()
}

/// Polls a condition that no event announces.
#[track_caller]
pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}
