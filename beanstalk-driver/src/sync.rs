//! What threads synchronize by: the standard library's. Where schedules are explored (`--cfg schedules`), it is loom's, which runs each
//! order in which threads may come by it.

#[cfg(all(test, schedules))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(all(test, schedules)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// What is behind the locks here is whole after every step, so that a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for what a panic may leave half done: it is mended then, once.
#[cfg(not(all(test, schedules)))]
pub(crate) fn lock_or_mend<T>(mutex: &Mutex<T>, mend: impl FnOnce(&mut T)) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| {
        let mut guard = poisoned.into_inner();
        mend(&mut guard);
        mutex.clear_poison();
        guard
    })
}

#[cfg(all(test, schedules))]
pub(crate) fn lock_or_mend<T>(mutex: &Mutex<T>, _: impl FnOnce(&mut T)) -> MutexGuard<'_, T> {
    lock(mutex)
}
