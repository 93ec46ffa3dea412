//! Who polls a task while its own thread runs a handler.
//!
//! One thread watches all tasks of a runtime that have handlers. It looks 50 times a second while handlers come and go, and sleeps while
//! none does. A handler that takes longer than that, or whose task is woken, gets the task a keeper: a thread that polls it until the
//! handler has ended.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::lock;

/// How long a handler may keep its task from being polled.
const PATIENCE: Duration = Duration::from_millis(20);

/// Whether this is the number of a handler that runs, and not of the time between two.
pub(super) const fn is_handling(run: u64) -> bool {
    run % 2 == 1
}

/// A task, as far as it is watched.
pub(super) trait Kept: Send + Sync {
    /// The number of the handler that runs, or of the time between two: see [`is_handling`].
    fn run(&self) -> u64;

    /// Whether its future is to be polled at once.
    fn is_woken(&self) -> bool;

    /// Polls it for as long as this handler runs.
    fn keep(&self, run: u64);
}

#[derive(Debug, Default)]
pub(super) struct Keeper {
    watched: Mutex<Watched>,
    changed: Condvar,
    /// Whoever watches waits for as long as it takes.
    asleep: AtomicBool,
}

#[derive(Debug, Default)]
struct Watched {
    entries: Vec<Entry>,
    /// There is a thread that watches.
    thread: bool,
}

struct Entry {
    task: Arc<dyn Kept>,
    /// The handler that ran, or not, when it was looked at last, and since when it does.
    seen: u64,
    since: Instant,
    /// The last handler whose task was given a keeper.
    kept: u64,
}

/// A task that is watched, until this is dropped.
pub(super) struct Watch(Arc<Keeper>, Arc<dyn Kept>);

impl Keeper {
    /// Watches a task from now on.
    pub(super) fn watch(self: &Arc<Self>, task: Arc<dyn Kept>) -> Watch {
        let mut watched = lock(&self.watched);
        let (seen, since) = (task.run(), Instant::now());
        watched.entries.push(Entry { task: Arc::clone(&task), seen, since, kept: 0 });
        if !watched.thread {
            let keeper = Arc::clone(self);
            let thread = thread::Builder::new().name("beanstalk-watch".into());
            watched.thread = thread.spawn(move || keeper.look_on()).is_ok();
        }
        Watch(Arc::clone(self), task)
    }

    /// A handler begins to run.
    pub(super) fn handler_begins(&self) {
        if self.asleep.load(Ordering::SeqCst) {
            self.look();
        }
    }

    /// Has all tasks looked at now.
    pub(super) fn look(&self) {
        let _watched = lock(&self.watched);
        self.changed.notify_all();
    }

    fn look_on(&self) {
        let mut watched = lock(&self.watched);
        while !watched.entries.is_empty() {
            // A handler that begins from here on ends the sleep.
            self.asleep.store(true, Ordering::SeqCst);
            let now = Instant::now();
            let busy = watched.entries.iter_mut().fold(false, |busy, entry| entry.look(now) | busy);
            watched = if busy {
                self.asleep.store(false, Ordering::SeqCst);
                self.changed.wait_timeout(watched, PATIENCE).unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.changed.wait(watched).unwrap_or_else(PoisonError::into_inner)
            };
        }
        watched.thread = false;
    }
}

impl Entry {
    /// Gives the task a keeper if it needs one. Returns whether it has to be looked at again soon.
    fn look(&mut self, now: Instant) -> bool {
        let run = self.task.run();
        let is_new = run != self.seen;
        if is_new {
            (self.seen, self.since) = (run, now);
        }
        if !is_handling(run) {
            return is_new;
        }
        if self.kept == run {
            return false;
        }
        if self.task.is_woken() || now.duration_since(self.since) >= PATIENCE {
            let task = Arc::clone(&self.task);
            let thread = thread::Builder::new().name("beanstalk-keeper".into());
            // Without a thread it is tried again.
            if thread.spawn(move || task.keep(run)).is_ok() {
                self.kept = run;
                return false;
            }
        }
        true
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("seen", &self.seen).field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Self(keeper, task) = self;
        lock(&keeper.watched).entries.retain(|entry| !Arc::ptr_eq(&entry.task, task));
        keeper.changed.notify_all();
    }
}
