//! Who polls a task while its own thread runs a handler.
//!
//! One thread watches all tasks of a runtime that have handlers. It looks 50 times a second while handlers come and go, and sleeps while
//! none does. A handler that takes longer than that, or whose task is woken, gets the task a keeper: a thread that polls it until the
//! handler has ended.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    lock,
    sync::{AtomicBool, Condvar, Mutex, Ordering, now, thread, wait_for},
};

/// How long a handler may keep its task from being polled.
const PATIENCE: Duration = Duration::from_millis(20);

/// What is watched: a task, whose thread polls it or runs a handler.
pub(super) trait Kept: Send + Sync {
    /// The number of the handler that runs, which is odd, or of the time between two.
    fn run(&self) -> u64;

    /// Whether the future is to be polled at once.
    fn is_woken(&self) -> bool;

    /// Polls the future until it has ended, or until another one runs than this.
    fn poll_while(self: Arc<Self>, run: u64);
}

#[derive(Default)]
pub(super) struct Keeper {
    watched: Mutex<Watched>,
    changed: Condvar,
    /// The watching thread waits for as long as it takes.
    asleep: AtomicBool,
}

#[derive(Default)]
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
pub(super) struct Watch(Arc<dyn Kept>, Arc<Keeper>);

impl Keeper {
    /// Watches a task from now on.
    pub(super) fn watch(self: &Arc<Self>, task: Arc<dyn Kept>) -> Watch {
        let mut watched = lock(&self.watched);
        let (seen, since) = (task.run(), now());
        watched.entries.push(Entry { task: Arc::clone(&task), seen, since, kept: 0 });
        if !watched.thread {
            let keeper = Arc::clone(self);
            let thread = thread::Builder::new().name("beanstalk-watch".into());
            watched.thread = thread.spawn(move || keeper.look_on()).is_ok();
        }
        Watch(task, Arc::clone(self))
    }

    /// A handler begins to run.
    pub(super) fn handler_begins(&self) {
        // Written by both, so that whichever comes second has seen what the first did before: that a handler runs, or that nobody looks.
        if self.asleep.fetch_or(false, Ordering::SeqCst) {
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
            self.asleep.swap(true, Ordering::SeqCst);
            let now = now();
            let busy = watched.entries.iter_mut().fold(false, |busy, entry| entry.look(now) | busy);
            watched = if busy {
                self.asleep.store(false, Ordering::SeqCst);
                wait_for(&self.changed, &self.watched, watched, PATIENCE)
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
        if !is_handler(run) || self.kept == run {
            return is_new;
        }
        if self.task.is_woken() || now.duration_since(self.since) >= PATIENCE {
            let task = Arc::clone(&self.task);
            let thread = thread::Builder::new().name("beanstalk-keeper".into());
            // Without a thread it is tried again.
            if thread.spawn(move || task.poll_while(run)).is_ok() {
                self.kept = run;
                return false;
            }
        }
        true
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Self(task, keeper) = self;
        lock(&keeper.watched).entries.retain(|entry| !Arc::ptr_eq(&entry.task, task));
        keeper.changed.notify_all();
    }
}

/// Whether this is the number of a handler that runs, and not of the time between two.
pub(super) const fn is_handler(run: u64) -> bool {
    run % 2 == 1
}
