//! The locks and atomics of a connection: those of `std`, or those of the model checker.
//!
//! `tests/model/run` builds the crate with `--cfg loom`. Then loom tries every order in which the
//! threads of `connection/model` can meet, and every value that an atomic may still show to each of
//! them. A run can also leave out one named part of the mechanism, to check that a model notices.

#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
#[cfg(not(loom))]
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU16, AtomicU32, Ordering};

#[cfg(loom)]
pub(super) use self::checked::{
    Condvar, Mutex, MutexGuard, end_slices_at_once, left_out, slices_are_over,
};

/// A fence between the accesses of this thread before and after it. All such fences are in one
/// total order (`SeqCst`). Each has a name, by which a run of the model can leave it out.
pub(super) fn fence(name: &str) {
    if left_out(name) {
        return;
    }
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
    #[cfg(not(loom))]
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// Whether this run of the model leaves out the part with this name. Without the model, always
/// `false`.
#[cfg(not(loom))]
pub(super) const fn left_out(_: &str) -> bool {
    false
}

#[cfg(loom)]
mod checked {
    use std::cell::Cell;
    use std::ops::{Deref, DerefMut};
    use std::sync::{LockResult, OnceLock, TryLockError, TryLockResult};
    use std::time::Duration;

    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::thread;

    /// Whether this run of the model leaves out the part with this name.
    pub(in crate::net) fn left_out(name: &str) -> bool {
        static LEFT_OUT: OnceLock<String> = OnceLock::new();
        let left_out = LEFT_OUT.get_or_init(|| std::env::var("LEFT_OUT").unwrap_or_default());
        left_out.as_str() == name
    }

    std::thread_local! {
        static SLICES_ARE_OVER: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether the slices of this model are over from the start. Otherwise they never end, because
    /// a model has no clock.
    pub(in crate::net) fn slices_are_over() -> bool {
        // A thread-local variable is enough: loom runs all threads of a model in one thread of the
        // system.
        SLICES_ARE_OVER.get()
    }

    pub(in crate::net) fn end_slices_at_once() {
        SLICES_ARE_OVER.set(true);
    }

    /// A mutex that is as weak as `std` allows: `try_lock` may fail because of an earlier value of
    /// the lock, and then orders nothing. Loom's own mutex is stronger.
    #[derive(Debug, Default)]
    pub(in crate::net) struct Mutex<T> {
        is_locked: AtomicBool,
        /// A lock of `std`, which never blocks here: loom runs one thread at a time, and
        /// `is_locked` keeps all but one out.
        value: std::sync::Mutex<T>,
    }

    #[derive(Debug)]
    pub(in crate::net) struct MutexGuard<'a, T> {
        // The fields are dropped in this order, so the value is released before the lock.
        value: std::sync::MutexGuard<'a, T>,
        unlock: Unlock<'a, T>,
    }

    #[derive(Debug)]
    struct Unlock<'a, T>(&'a Mutex<T>);

    impl<T> Mutex<T> {
        pub(in crate::net) fn new(value: T) -> Self {
            Self { is_locked: AtomicBool::new(false), value: std::sync::Mutex::new(value) }
        }

        pub(in crate::net) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            while !self.take() {
                thread::yield_now();
            }
            Ok(self.guard())
        }

        pub(in crate::net) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
            if self.is_locked.load(Ordering::Relaxed) || !self.take() {
                return Err(TryLockError::WouldBlock);
            }
            Ok(self.guard())
        }

        fn take(&self) -> bool {
            let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
            self.is_locked.compare_exchange(false, true, acquire, relaxed).is_ok()
        }

        fn guard(&self) -> MutexGuard<'_, T> {
            let value = self.value.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            MutexGuard { value, unlock: Unlock(self) }
        }
    }

    impl<T> Drop for Unlock<'_, T> {
        fn drop(&mut self) {
            self.0.is_locked.store(false, Ordering::Release);
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.value
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.value
        }
    }

    /// A condition variable whose waits end by themselves. The model has no clock, so a timeout can
    /// come at any moment, and a notification adds nothing.
    #[derive(Debug, Default)]
    pub(in crate::net) struct Condvar;

    impl Condvar {
        pub(in crate::net) const fn new() -> Self {
            Self
        }

        pub(in crate::net) const fn notify_all(&self) {}

        pub(in crate::net) fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, ())> {
            let mutex = guard.unlock.0;
            drop(guard);
            thread::yield_now();
            let guard = mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Ok((guard, ()))
        }
    }
}
