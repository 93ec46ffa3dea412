//! A model of what the blocking runtime waits by, as loom schedules it: threads that park, a bell, one socket that is always writable, and a
//! clock.
//!
//! Time passes only when a test lets it (`advance`), at any point of the other threads' courses; what has a time then is woken.

use std::{
    cell::Cell,
    io,
    os::fd::BorrowedFd,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use nix::poll::PollFlags;

pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

std::thread_local! {
    /// That of the run under way: all its threads are run by one of the system's.
    static WORLD: Cell<Option<&'static Mutex<World>>> = const { Cell::new(None) };
}

/// A run begins. What is left of the one before stays allocated, as threads may look at it to their end.
pub(super) fn begin() {
    WORLD.set(Some(Box::leak(Box::new(Mutex::new(World::default())))));
}

#[derive(Default)]
struct World {
    passed: Duration,
    /// Time passes by itself from now on, and nobody waits for it any more.
    is_over: bool,
    /// Whoever waits until a time, or something else.
    sleepers: Vec<(Instant, Arc<Signal>)>,
    /// Of the one socket, and who waits for it.
    unread: usize,
    ended: bool,
    waiting: Vec<Arc<Signal>>,
}

fn world() -> MutexGuard<'static, World> {
    WORLD.get().expect("a run has begun").lock().expect("a world that is whole")
}

fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}

pub(crate) fn now() -> Instant {
    beginning() + world().passed
}

/// Whether it is then, or time is over.
fn has_come(until: Instant) -> bool {
    let world = world();
    world.is_over || until <= beginning() + world.passed
}

/// Lets time pass.
pub(crate) fn advance(by: Duration) {
    pass(by, false);
}

fn pass(by: Duration, is_over: bool) {
    let mut world = world();
    world.passed += by;
    world.is_over |= is_over;
    let now = beginning() + world.passed;
    let (due, asleep) = std::mem::take(&mut world.sleepers).into_iter().partition(|(until, _)| *until <= now);
    world.sleepers = asleep;
    drop(world);
    let due: Vec<(Instant, Arc<Signal>)> = due;
    due.into_iter().for_each(|(_, signal)| signal.raise());
}

/// Has nobody wait for a time any more: for what is left to be done at the end of a run.
pub(super) fn end() {
    pass(Duration::from_secs(3600), true);
}

/// What one thread waits for, and any other raises. It stays raised until it was waited for.
pub(super) struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { raised: Mutex::new(false), changed: Condvar::new() })
    }

    pub(super) fn raise(&self) {
        *self.raised.lock().expect("a signal that is whole") = true;
        self.changed.notify_all();
    }

    /// Waits until it is raised, or until then.
    pub(super) fn wait(self: &Arc<Self>, until: Option<Instant>) {
        if let Some(until) = until {
            let mut world = world();
            if world.is_over {
                drop(world);
                loom::thread::yield_now();
                return;
            }
            if beginning() + world.passed >= until {
                return;
            }
            world.sleepers.push((until, Arc::clone(self)));
        }
        let mut raised = self.raised.lock().expect("a signal that is whole");
        while !std::mem::take(&mut *raised) {
            raised = self.changed.wait(raised).expect("a signal that is whole");
        }
    }
}

pub(crate) fn wait_for<'a, T>(
    _: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    let until = now() + time;
    drop(guard);
    // Being notified only ends it earlier.
    Signal::new().wait(Some(until));
    mutex.lock().expect("a lock that is whole")
}

/// The threads of a model, which park by a signal, so that each step of that is one of the schedule.
pub(crate) mod thread {
    use super::{Arc, Signal};

    pub(crate) use loom::thread::Builder;

    loom::thread_local! {
        static PARKED: Arc<Signal> = Signal::new();
    }

    #[derive(Clone)]
    pub(crate) struct Thread(Arc<Signal>);

    impl Thread {
        pub(crate) fn unpark(&self) {
            self.0.raise();
        }
    }

    pub(crate) fn current() -> Thread {
        Thread(PARKED.with(Arc::clone))
    }

    pub(crate) fn park() {
        current().0.wait(None);
    }

    pub(crate) fn park_timeout(time: super::Duration) {
        current().0.wait(Some(super::now() + time));
    }
}

/// A variable of each thread.
macro_rules! local {
    ($(#[$meta:meta])* $name:ident: $ty:ty = $init:expr) => {
        loom::thread_local! { $(#[$meta])* static $name: $ty = $init; }
    };
}
pub(crate) use local;

/// What any thread rings, and what one waits for together with its socket.
pub(crate) struct Bell {
    rung: Mutex<bool>,
    signal: Arc<Signal>,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { rung: Mutex::new(false), signal: Signal::new() })
    }

    pub(crate) fn ring(&self) {
        *self.rung.lock().expect("a bell that is whole") = true;
        self.signal.raise();
    }

    pub(crate) fn wait(&self, sockets: &[(BorrowedFd<'_>, PollFlags)], until: Option<Instant>) -> Vec<bool> {
        loop {
            let mut world = world();
            let is_readable = world.unread > 0 || world.ended;
            let happened: Vec<bool> =
                sockets.iter().map(|(_, event)| is_readable || event.contains(PollFlags::POLLOUT)).collect();
            world.waiting.push(Arc::clone(&self.signal));
            drop(world);
            let is_rung = std::mem::take(&mut *self.rung.lock().expect("a bell that is whole"));
            if is_rung || happened.contains(&true) || until.is_some_and(has_come) {
                return happened;
            }
            self.signal.wait(until);
        }
    }
}

/// Bytes arrive on the socket, and perhaps its end.
pub(super) fn arrive(bytes: usize, ends: bool) {
    let mut world = world();
    world.unread += bytes;
    world.ended |= ends;
    let waiting = std::mem::take(&mut world.waiting);
    drop(world);
    waiting.into_iter().for_each(|signal| signal.raise());
}

/// Reads from the socket what there is, without waiting.
pub(super) fn read(room: usize) -> io::Result<usize> {
    let mut world = world();
    let n = world.unread.min(room);
    world.unread -= n;
    if n == 0 && !world.ended { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
}
