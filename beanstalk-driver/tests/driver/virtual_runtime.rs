//! A runtime of virtual time, whose connections are wires.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_driver::{ConnectOptions, Driver, Futures, Route, Runtime};
use beanstalk_proto::{Error, Instant, Lost, client::Connection};

use crate::{executor::Task, wire::Wire};

thread_local! {
    /// The name of the runtime on which what is polled runs.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
    /// The one that clients get which make their own.
    static DEFAULT: RefCell<Option<Virtual>> = const { RefCell::new(None) };
}

/// Does something on another runtime.
pub(crate) fn elsewhere<T>(act: impl FnOnce() -> T) -> T {
    let here = CURRENT.replace(1);
    let done = act();
    CURRENT.set(here);
    done
}

/// One handle of it.
#[derive(Clone)]
pub(crate) struct Virtual(Arc<Mutex<World>>);

struct World {
    /// Shows the time.
    clock: Wire,
    sleepers: Vec<(Instant, Waker)>,
    tasks: Vec<Task>,
    /// What the next attempts to connect come to; afterwards they are refused.
    connections: VecDeque<Wire>,
    connected: Vec<Wire>,
    attempts: usize,
}

impl Default for Virtual {
    fn default() -> Self {
        DEFAULT.with_borrow(|runtime| runtime.clone().unwrap_or_else(|| Self::by(&Wire::new())))
    }
}

impl Virtual {
    /// One whose clock is this wire's.
    pub(crate) fn by(clock: &Wire) -> Self {
        Self(Arc::new(Mutex::new(World {
            clock: clock.clone(),
            sleepers: Vec::new(),
            tasks: Vec::new(),
            connections: VecDeque::new(),
            connected: Vec::new(),
            attempts: 0,
        })))
    }

    /// Gives this one to clients that make their own runtime, for as long as what this does takes.
    pub(crate) fn by_default<T>(&self, act: impl FnOnce() -> T) -> T {
        DEFAULT.set(Some(self.clone()));
        let done = act();
        DEFAULT.set(None);
        done
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// The server can be connected to once more.
    pub(crate) fn offer(&self) -> Wire {
        let wire = Wire::new();
        wire.world().now = self.now();
        self.world().connections.push_back(wire.clone());
        wire
    }

    /// How often somebody tried to connect.
    pub(crate) fn attempts(&self) -> usize {
        self.world().attempts
    }

    pub(crate) fn advance(&self, by: Duration) {
        let (clock, connected) = {
            let world = self.world();
            (world.clock.clone(), world.connected.clone())
        };
        clock.advance(by);
        connected.iter().for_each(|wire| wire.advance(by));
        let now = self.now();
        let mut world = self.world();
        let (due, asleep) = std::mem::take(&mut world.sleepers).into_iter().partition(|(until, _)| *until <= now);
        world.sleepers = asleep;
        drop(world);
        let due: Vec<(Instant, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Lets every task that was woken do what it can, and those that it wakes.
    pub(crate) fn run(&self) {
        loop {
            let mut tasks = std::mem::take(&mut self.world().tasks);
            if !tasks.iter().any(Task::is_woken) {
                return self.world().tasks.extend(tasks);
            }
            tasks.retain_mut(|task| !task.run());
            let mut world = self.world();
            tasks.append(&mut world.tasks);
            world.tasks = tasks;
        }
    }

    /// How many timers are set.
    pub(crate) fn sleepers(&self) -> usize {
        self.world().sleepers.len()
    }

    pub(crate) fn tasks(&self) -> usize {
        self.world().tasks.len()
    }

    /// The runtime is shut down, and goes on anew.
    pub(crate) fn shut_down(&self) {
        let tasks = std::mem::take(&mut self.world().tasks);
        drop(tasks);
    }
}

impl Runtime for Virtual {
    type Handlers = Futures;
    type Transport = Wire;

    async fn connect(&self, _: &Route, options: &ConnectOptions) -> Result<Driver<Wire>, Error> {
        let mut world = self.world();
        world.attempts += 1;
        match world.connections.pop_front() {
            Some(wire) => {
                wire.world().now = world.clock.world().now;
                world.connected.push(wire.clone());
                Ok(Driver::new(Connection::new(options.config), wire))
            }
            None => Err(Error::Io { error: io::ErrorKind::ConnectionRefused.into(), lost: Lost::NotSent }),
        }
    }

    fn now(&self) -> Instant {
        self.world().clock.time()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        Sleep { runtime: self.clone(), until }
    }

    fn seed(&self) -> u64 {
        7
    }

    fn current() -> Option<u64> {
        Some(CURRENT.get())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.world().tasks.push(Task::new(task));
    }
}

struct Sleep {
    runtime: Virtual,
    until: Instant,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.runtime.now() >= self.until {
            return Poll::Ready(());
        }
        self.runtime.world().sleepers.push((self.until, cx.waker().clone()));
        Poll::Pending
    }
}
