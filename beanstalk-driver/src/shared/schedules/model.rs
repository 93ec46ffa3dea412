//! A runtime whose threads, locks and time are loom's to schedule, and an honest server at the other end of its connections.

use std::{
    cell::Cell,
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use beanstalk_proto::{
    Command, Error, Instant, Job, Lost, Reply, Segments,
    client::Connection,
    server::{self, Event},
};
use loom::{sync::Condvar, thread::JoinHandle};

use crate::{
    Block, ConnectOptions, Driver, Futures, PollTransport, Route, Runtime,
    sync::{Mutex, MutexGuard, lock},
};

loom::thread_local! {
    static CURRENT: Cell<u64> = Cell::new(0);
}

/// Starts a thread, with a larger stack than loom gives it unasked.
pub(super) fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    loom::thread::Builder::new().stack_size(1 << 16).spawn(run).expect("a thread")
}

/// Runs what follows in this thread on another runtime than the first.
pub(super) fn move_elsewhere() {
    CURRENT.with(|current| current.set(1));
}

/// Runs a future to its end, in this thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken { woken: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut is_woken = lock(&woken.woken);
        while !std::mem::take(&mut *is_woken) {
            is_woken = woken.changed.wait(is_woken).expect("a flag that is whole");
        }
    }
}

struct Woken {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        *lock(&self.woken) = true;
        self.changed.notify_one();
    }
}

#[derive(Clone)]
pub(super) struct Model(Arc<Mutex<World>>);

struct World {
    now: Instant,
    sleepers: Vec<(Instant, Waker)>,
    conns: Vec<Conn>,
    /// The server answers nothing.
    silent: bool,
}

struct Conn {
    server: server::Connection,
    unanswered: Option<Command>,
    to_client: VecDeque<u8>,
    ended: bool,
    reader: Option<Waker>,
    timer: Option<Instant>,
    timer_waker: Option<Waker>,
}

impl Default for Model {
    fn default() -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        Self(Arc::new(Mutex::new(World { now, sleepers: Vec::new(), conns: Vec::new(), silent: false })))
    }
}

impl Model {
    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.0)
    }

    /// Whether the server answers.
    pub(super) fn set_silent(&self, silent: bool) {
        let mut world = self.world();
        world.silent = silent;
        for conn in &mut world.conns {
            conn.serve(silent);
        }
        let readers: Vec<Waker> = world.conns.iter_mut().filter_map(|conn| conn.reader.take()).collect();
        drop(world);
        readers.into_iter().for_each(Waker::wake);
    }

    /// The server ends its connections.
    pub(super) fn break_off(&self) {
        let mut world = self.world();
        world.conns.iter_mut().for_each(|conn| conn.ended = true);
        let readers: Vec<Waker> = world.conns.iter_mut().filter_map(|conn| conn.reader.take()).collect();
        drop(world);
        readers.into_iter().for_each(Waker::wake);
    }

    /// Lets time pass, and wakes who waited for that.
    pub(super) fn advance(&self, by: Duration) {
        let mut world = self.world();
        world.now = world.now + by;
        let now = world.now;
        let due = |conn: &mut Conn| conn.timer.filter(|at| *at <= now).and_then(|_| conn.timer_waker.take());
        let mut woken: Vec<Waker> = world.conns.iter_mut().filter_map(due).collect();
        world.sleepers.retain(|(until, waker)| {
            let is_due = *until <= now;
            woken.extend(is_due.then(|| waker.clone()));
            !is_due
        });
        drop(world);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Runtime for Model {
    type Handlers = Futures;
    type Transport = Wire;

    async fn connect(&self, _: &Route, options: &ConnectOptions) -> Result<Driver<Wire>, Error> {
        let mut world = self.world();
        world.conns.push(Conn {
            server: server::Connection::new(server::Config::default()),
            unanswered: None,
            to_client: VecDeque::new(),
            ended: false,
            reader: None,
            timer: None,
            timer_waker: None,
        });
        let wire = Wire { runtime: self.clone(), at: world.conns.len() - 1 };
        drop(world);
        Ok(Driver::new(Connection::new(options.config), wire))
    }

    fn now(&self) -> Instant {
        self.world().now
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        let runtime = self.clone();
        poll_fn(move |cx| {
            let mut world = runtime.world();
            if world.now >= until {
                return Poll::Ready(());
            }
            world.sleepers.push((until, cx.waker().clone()));
            Poll::Pending
        })
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let here = CURRENT.with(Cell::get);
        let _runs_on = spawn(move || {
            CURRENT.with(|current| current.set(here));
            block_on(task);
        });
    }

    fn current() -> Option<u64> {
        Some(CURRENT.with(Cell::get))
    }

    fn pass() -> impl Future<Output = ()> + Send + 'static {
        std::future::ready(())
    }

    fn seed(&self) -> u64 {
        7
    }
}

impl Conn {
    /// Answers what has come, if the server does.
    fn serve(&mut self, silent: bool) {
        if silent {
            return;
        }
        loop {
            let command = match self.unanswered.take() {
                Some(command) => command,
                None => match self.server.poll_event() {
                    Some(Event::Command(command)) => command,
                    Some(Event::PutAnnounced { .. } | Event::HalfClosed | Event::Closed) => continue,
                    Some(Event::Refused(refused)) => panic!("{refused:?}, which nobody has sent"),
                    None => return,
                },
            };
            self.server.respond(match command {
                Command::Peek { id } => Reply::Found(Job { id, body: id.to_string().into_bytes() }),
                Command::Kick { bound } => Reply::KickedCount(bound.into()),
                other => panic!("{other:?} was never sent"),
            });
            let bytes: Vec<u8> = self.server.transmit().flatten().copied().collect();
            self.server.transmitted(bytes.len());
            self.to_client.extend(bytes);
        }
    }
}

/// The client's end of a connection.
pub(super) struct Wire {
    runtime: Model,
    at: usize,
}

impl PollTransport for Wire {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut world = self.runtime.world();
        let conn = &mut world.conns[self.at];
        let n = buf.len().min(conn.to_client.len());
        if n == 0 && !conn.ended && !conn.server.is_closed() {
            conn.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buf.iter_mut().zip(conn.to_client.drain(..n)).for_each(|(to, from)| *to = from);
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        let mut world = self.runtime.world();
        assert_eq!(self.at + 1, world.conns.len(), "something is written to a connection that has a successor");
        let silent = world.silent;
        let conn = &mut world.conns[self.at];
        if conn.ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut written = 0;
        for segment in segments {
            let mut rest = segment;
            while !rest.is_empty() {
                let buf = conn.server.receive_buf();
                let n = buf.len().min(rest.len());
                buf[..n].copy_from_slice(&rest[..n]);
                conn.server.received(n);
                rest = &rest[n..];
                written += n;
                conn.serve(silent);
            }
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut world = self.runtime.world();
        let silent = world.silent;
        let conn = &mut world.conns[self.at];
        conn.server.received_eof();
        conn.serve(silent);
        Poll::Ready(Ok(()))
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let runtime = self.runtime.clone();
        move || runtime.now()
    }

    fn set_timer(&mut self, at: Instant) {
        self.runtime.world().conns[self.at].timer = Some(at);
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut world = self.runtime.world();
        let now = world.now;
        let conn = &mut world.conns[self.at];
        if conn.timer.is_none_or(|at| at <= now) {
            return Poll::Ready(());
        }
        conn.timer_waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
