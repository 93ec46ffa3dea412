//! A runtime whose tasks, timers and connections do what the fuzzer likes, and a server that counts what it runs.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use beanstalk_driver::{ConnectOptions, Driver, Futures, Route, Runtime};
use beanstalk_proto::{Error, Instant, Lost, TubeName, client::Connection};

use super::wire::{Conn, Wire};

thread_local! {
    /// The runtime of what is polled now; `None` is outside of any.
    static CURRENT: Cell<Option<u64>> = const { Cell::new(Some(0)) };
}

pub(super) fn set_current(runtime: Option<u64>) {
    CURRENT.set(runtime);
}

/// Notes that it was woken.
#[derive(Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A future with its waker.
pub(super) struct Task {
    pub(super) runtime: Option<u64>,
    flag: Arc<Flag>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// When a request was made: in which place, and how many connections there had been.
#[derive(Clone, Copy)]
pub(super) struct Born {
    pub(super) place: u32,
    pub(super) connections: usize,
}

/// One time that the server ran a request.
pub(super) struct Ran {
    /// The tube in use.
    pub(super) tube: TubeName,
    pub(super) refused: bool,
}

pub(super) struct World {
    input: Vec<u8>,
    at: usize,
    pub(super) now: Instant,
    /// Nothing more is done to anybody.
    pub(super) honest: bool,
    /// Nobody can connect.
    pub(super) away: bool,
    /// The server answers nothing.
    pub(super) silent: bool,
    /// The runtime that does not poll its tasks.
    pub(super) stalled: Option<u64>,
    sleepers: BTreeMap<u64, (Instant, Waker)>,
    last_sleeper: u64,
    tasks: Vec<Task>,
    pub(super) conns: Vec<Conn>,
    /// By the requests' numbers.
    pub(super) born: BTreeMap<u32, Born>,
    pub(super) ran: BTreeMap<u32, Vec<Ran>>,
}

#[derive(Clone)]
pub(super) struct Virtual(pub(super) Arc<Mutex<World>>);

impl Default for Virtual {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Virtual {
    pub(super) fn new(input: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(World {
            input: input.to_vec(),
            at: 0,
            now: Instant::ZERO + Duration::from_secs(1),
            honest: false,
            away: false,
            silent: false,
            stalled: None,
            sleepers: BTreeMap::new(),
            last_sleeper: 0,
            tasks: Vec::new(),
            conns: Vec::new(),
            born: BTreeMap::new(),
            ran: BTreeMap::new(),
        })))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("a world that is whole")
    }

    pub(super) fn u8(&self) -> u8 {
        self.world().u8()
    }

    pub(super) fn is_empty(&self) -> bool {
        let world = self.world();
        world.at >= world.input.len()
    }

    pub(super) fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[usize::from(self.u8()) % of.len()]
    }

    /// Time passes, and who waited for it is woken.
    pub(super) fn advance(&self, by: Duration) {
        let mut world = self.world();
        world.now = world.now + by;
        let now = world.now;
        let mut due: Vec<Waker> = world.conns.iter_mut().filter_map(|conn| conn.timer_due(now)).collect();
        let late: Vec<u64> =
            world.sleepers.iter().filter(|(_, (until, _))| *until <= now).map(|(number, _)| *number).collect();
        due.extend(late.iter().filter_map(|number| world.sleepers.remove(number)).map(|(_, waker)| waker));
        drop(world);
        due.into_iter().for_each(Waker::wake);
    }

    /// How long it is until the next timer goes off that somebody waits for.
    pub(super) fn next_timer(&self) -> Option<Duration> {
        let world = self.world();
        let timers = world.conns.iter().filter_map(Conn::timer);
        let next = timers.chain(world.sleepers.values().map(|(until, _)| *until)).min()?;
        Some(next.saturating_duration_since(world.now))
    }

    /// Polls a task, whether or not it was woken. Returns whether there was one that could be polled.
    pub(super) fn poll_task(&self, at: usize) -> bool {
        let mut world = self.world();
        let stalled = world.stalled;
        if at >= world.tasks.len() || stalled.is_some() && world.tasks[at].runtime == stalled {
            return false;
        }
        let mut task = world.tasks.remove(at);
        drop(world);
        task.flag.take();
        let outer = CURRENT.replace(task.runtime);
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&task.flag))));
        CURRENT.set(outer);
        if polled.is_pending() {
            let mut world = self.world();
            let at = at.min(world.tasks.len());
            world.tasks.insert(at, task);
        }
        true
    }

    /// Polls the tasks that were woken, until none is. Returns whether there were any.
    pub(super) fn run_tasks(&self) -> bool {
        let mut ran = false;
        for _ in 0..100_000 {
            let world = self.world();
            let stalled = world.stalled;
            let runs = |task: &Task| (stalled.is_none() || task.runtime != stalled) && task.flag.take();
            let Some(at) = world.tasks.iter().position(runs) else { return ran };
            drop(world);
            ran |= self.poll_task(at);
        }
        panic!("tasks wake themselves without end");
    }

    pub(super) fn tasks(&self) -> usize {
        self.world().tasks.len()
    }

    /// A runtime is shut down: its tasks are dropped.
    pub(super) fn shut_down(&self, runtime: u64) {
        let mut world = self.world();
        let (gone, left) = std::mem::take(&mut world.tasks).into_iter().partition(|task| task.runtime == Some(runtime));
        world.tasks = left;
        drop(world);
        let gone: Vec<Task> = gone;
        drop(gone);
    }

    /// A server that can be reached, or the connection to it.
    pub(super) fn connect_now(&self) -> Wire {
        let mut world = self.world();
        world.conns.push(Conn::default());
        Wire { runtime: self.clone(), at: world.conns.len() - 1 }
    }

    fn poll_connect(&self, cx: &mut Context<'_>, options: &ConnectOptions) -> Poll<Result<Driver<Wire>, Error>> {
        let mut world = self.world();
        if !world.honest && world.u8() > 180 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if world.away {
            return Poll::Ready(Err(Error::Io { error: io::ErrorKind::ConnectionRefused.into(), lost: Lost::NotSent }));
        }
        drop(world);
        Poll::Ready(Ok(Driver::new(Connection::new(options.config), self.connect_now())))
    }
}

impl World {
    pub(super) fn u8(&mut self) -> u8 {
        let byte = self.input.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }

    /// Whoever waits for a connection looks at it again.
    pub(super) fn wake_connections(&mut self) {
        for conn in &mut self.conns {
            conn.wake();
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks: Vec<_> = self.tasks.iter().map(|task| task.runtime).collect();
        write!(f, "tasks of {tasks:?}, {:?} stands still, connections: {:?}", self.stalled, self.conns)
    }
}

impl Runtime for Virtual {
    type Handlers = Futures;
    type Transport = Wire;

    async fn connect(&self, _: &Route, options: &ConnectOptions) -> Result<Driver<Wire>, Error> {
        poll_fn(|cx| self.poll_connect(cx, options)).await
    }

    fn now(&self) -> Instant {
        self.world().now
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        let mut world = self.world();
        world.last_sleeper += 1;
        Sleep { number: world.last_sleeper, runtime: self.clone(), until }
    }

    fn seed(&self) -> u64 {
        7
    }

    fn current() -> Option<u64> {
        CURRENT.get()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let flag = Arc::new(Flag::default());
        Arc::clone(&flag).wake();
        self.world().tasks.push(Task { runtime: CURRENT.get(), flag, future: Box::pin(task) });
    }
}

struct Sleep {
    number: u64,
    runtime: Virtual,
    until: Instant,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut world = self.runtime.world();
        if world.now >= self.until {
            return Poll::Ready(());
        }
        world.sleepers.insert(self.number, (self.until, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.runtime.world().sleepers.remove(&self.number);
    }
}
