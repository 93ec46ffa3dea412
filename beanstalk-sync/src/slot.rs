//! One slot of a worker: a connection, and the two threads that drive its machine.
//!
//! ```text
//!   work:  advance ─▶ Start ─▶ unlock, run the handler, lock ─▶ handle_finished ─▶ advance ─ …
//!   keep:                      alarm ─▶ lock, advance, unlock ─▶ alarm ─ …
//! ```
//!
//! The working thread runs handlers itself, so a short job costs no change of threads. While a handler runs, the keeping
//! thread drives the machine: it touches, connects again, and at the deadline of a shutdown closes the connection. Every
//! slot has a keeper of its own, so that a server which is slow to answer delays no other job's heartbeat. It sleeps until
//! its alarm; handlers that end before their first heartbeat wake it about three times a second, all together.
//!
//! Whoever wants a slot to stop can't take the lock of one that waits in a reserve. So what is said to a slot from outside
//! is its [`Signal`], behind a lock of its own, never held while waiting; and a socket that a read waits on is shut down.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{self, Duration},
};

use beanstalk_driver::{
    ConnectOptions, Endpoint, Route, policy,
    policy::{Action, Deferrals, Metrics, Verdict, WorkerConfig, WorkerEvent},
};
use beanstalk_proto::{Command, Error, Instant, Job, Lost, Request, TubeName};

use crate::{client::Client, listener::Listener, transport::Stream};

const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// What all slots of a worker share.
pub(crate) struct Shop {
    /// What the machines' clock counts from.
    pub(crate) epoch: time::Instant,
    pub(crate) policy: WorkerConfig,
    pub(crate) connection: ConnectOptions,
    pub(crate) listener: Listener,
    pub(crate) deferrals: Mutex<Deferrals>,
    /// Called when a slot has ended.
    pub(crate) ended: Box<dyn Fn() + Send + Sync>,
}

impl Shop {
    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// The tube that every job comes from, if there is only one.
    pub(crate) fn only_tube(&self) -> Option<TubeName> {
        match &self.policy.tubes[..] {
            [] => Some(TubeName::default()),
            [tube] => Some(tube.clone()),
            _ => None,
        }
    }
}

pub(crate) struct Slot {
    pub(crate) shop: Arc<Shop>,
    pub(crate) server: Endpoint,
    route: Route,
    number: usize,
    state: Mutex<State>,
    signal: Mutex<Signal>,
    to_work: Condvar,
    to_keep: Condvar,
    /// As of the last command: the state's lock may be held for as long as a reserve waits.
    /// And what they would be if the slot had to stop now.
    metrics: Mutex<(Metrics, Metrics)>,
    lost: AtomicBool,
}

/// The machine and its connection, driven by whoever holds the lock.
struct State {
    machine: policy::Worker,
    client: Option<Client>,
    /// A handler runs: the keeper drives.
    running: bool,
    /// As much of the signal as the machine was told.
    shutdown: Option<Instant>,
}

/// What is said to the slot from outside, and what must be known there.
struct Signal {
    shutdown: Option<Instant>,
    /// A reserve waits, which can be broken off.
    waiting: bool,
    /// The socket of the client, if there is one.
    wire: Option<Stream>,
    /// When the keeper has to look; only while a handler runs.
    alarm: Instant,
    over: bool,
}

/// What is left for the thread that drives.
enum Todo {
    Start(Job),
    Wait(Instant),
    Stop,
}

impl Slot {
    pub(crate) fn new(shop: &Arc<Shop>, server: &Endpoint, number: usize) -> Self {
        let seed = RandomState::new().hash_one(number);
        let state =
            State { machine: policy::Worker::new(&shop.policy, seed), client: None, running: false, shutdown: None };
        Self {
            shop: Arc::clone(shop),
            server: server.clone(),
            // Each begins at another node, if there are several.
            route: Route::beginning_at(server.clone(), number),
            number,
            state: Mutex::new(state),
            signal: Mutex::new(Signal { shutdown: None, waiting: false, wire: None, alarm: NEVER, over: false }),
            to_work: Condvar::new(),
            to_keep: Condvar::new(),
            metrics: Mutex::default(),
            lost: AtomicBool::new(false),
        }
    }

    /// The working thread: returns when the slot has ended.
    pub(crate) fn work(&self, handle: impl Fn(Job) -> Verdict) {
        let _ending = Ending(self);
        let mut state = lock(&self.state);
        loop {
            match self.advance(&mut state) {
                Todo::Start(job) => {
                    state.running = true;
                    let Todo::Wait(until) = self.advance(&mut state) else { return };
                    drop(state);
                    self.set_alarm(until);
                    let verdict = handle(job);
                    state = lock(&self.state);
                    state.running = false;
                    state.machine.handle_finished(verdict, &self.server, &mut lock(&self.shop.deferrals));
                }
                Todo::Wait(until) => {
                    let known = state.shutdown;
                    drop(state);
                    self.wait_to_work(until, known);
                    state = lock(&self.state);
                }
                Todo::Stop => return,
            }
        }
    }

    /// The keeping thread: returns when the slot has ended.
    pub(crate) fn keep(&self) {
        let _ending = Ending(self);
        while self.wait_for_alarm() {
            let mut state = lock(&self.state);
            // Else the working thread drives again.
            if state.running {
                if let Todo::Wait(until) = self.advance(&mut state) {
                    self.set_alarm(until);
                }
            }
        }
    }

    /// Stops it: at once if it holds nothing, else by the deadline.
    pub(crate) fn shut_down(&self, deadline: Instant) {
        let mut signal = lock(&self.signal);
        signal.shutdown = Some(signal.shutdown.map_or(deadline, |earlier| earlier.min(deadline)));
        signal.alarm = Instant::ZERO;
        if signal.waiting {
            signal.cut();
        }
        self.to_work.notify_all();
        self.to_keep.notify_all();
    }

    /// Breaks off whatever it waits for: its deadline has passed.
    pub(crate) fn cut(&self) {
        lock(&self.signal).cut();
    }

    pub(crate) fn shutdown(&self) -> Option<Instant> {
        lock(&self.signal).shutdown
    }

    pub(crate) fn is_over(&self) -> bool {
        lock(&self.signal).over
    }

    pub(crate) fn is_job_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn metrics(&self) -> Metrics {
        lock(&self.metrics).0
    }

    /// What is counted of a slot that nobody waits for any more.
    pub(crate) fn metrics_if_stopped(&self) -> Metrics {
        lock(&self.metrics).1
    }

    /// A command of the handler's, on the connection that holds its job.
    pub(crate) fn call<R: Request>(&self, request: R, lost: Error) -> Result<R::Reply, Error> {
        let mut state = lock(&self.state);
        if self.is_job_lost() {
            return Err(lost);
        }
        let Some(client) = &mut state.client else { return Err(Error::Closed { lost: Lost::NotSent }) };
        let result = client.call(request);
        if let Err(error) = &result {
            if error.is_fatal() || matches!(error, Error::TimedOut { .. }) {
                state.machine.handle_disconnected(error, self.shop.now());
                self.set_alarm(Instant::ZERO);
            }
        }
        result
    }

    /// Does what the machine says until that is to wait, to start or to stop.
    fn advance(&self, state: &mut State) -> Todo {
        loop {
            if self.heed_signal(state) {
                self.close(state);
                return Todo::Stop;
            }
            let todo = match state.machine.poll_action(self.shop.now()) {
                Action::Connect => self.connect(state),
                Action::Send(command) => self.send(state, command),
                Action::Close => self.close(state),
                Action::Start(job) => Some(Todo::Start(job)),
                Action::Wait(until) => Some(Todo::Wait(until.unwrap_or(NEVER))),
                Action::Stop => {
                    self.close(state);
                    Some(Todo::Stop)
                }
            };
            self.report(state);
            if let Some(todo) = todo {
                if matches!(todo, Todo::Stop) {
                    self.end();
                }
                return todo;
            }
        }
    }

    /// Tells the machine of a shutdown; says whether the slot is over.
    fn heed_signal(&self, state: &mut State) -> bool {
        let (shutdown, over) = {
            let signal = lock(&self.signal);
            (signal.shutdown, signal.over)
        };
        if let Some(deadline) = shutdown.filter(|_| shutdown != state.shutdown) {
            state.shutdown = shutdown;
            state.machine.handle_shutdown(deadline);
        }
        over
    }

    fn connect(&self, state: &mut State) -> Option<Todo> {
        self.close(state);
        let mut options = self.shop.connection.clone();
        if let Some(deadline) = state.shutdown {
            let left = deadline.saturating_duration_since(self.shop.now());
            let timeout = options.config.connect_timeout.map_or(left, |timeout| timeout.min(left));
            options.config.connect_timeout = Some(timeout);
        }
        let connected = Client::open(&self.route, &options).and_then(|client| {
            let wire = client.get_ref().try_clone().map_err(|error| Error::Io { error, lost: Lost::NotSent })?;
            Ok((client, wire))
        });
        match connected {
            Ok((client, wire)) => {
                state.client = Some(client);
                lock(&self.signal).wire = Some(wire);
                state.machine.handle_connected(self.shop.now());
            }
            Err(error) => state.machine.handle_disconnected(&error, self.shop.now()),
        }
        None
    }

    fn send(&self, state: &mut State, command: Command) -> Option<Todo> {
        let waits = matches!(command, Command::ReserveWithTimeout { .. });
        if waits {
            let mut signal = lock(&self.signal);
            if signal.shutdown.is_some() {
                // It came in this very moment: the machine is told of it before anything else.
                return None;
            }
            signal.waiting = true;
        }
        let result = match &mut state.client {
            Some(client) => client.call(command),
            None => Err(Error::Closed { lost: Lost::NotSent }),
        };
        if waits {
            lock(&self.signal).waiting = false;
            self.heed_signal(state);
            if state.shutdown.is_some() && result.is_err() {
                return None;
            }
        }
        state.machine.handle_reply(result, self.shop.now());
        None
    }

    fn close(&self, state: &mut State) -> Option<Todo> {
        // Both, or the socket stays open.
        state.client = None;
        lock(&self.signal).wire = None;
        None
    }

    /// Publishes what has become of the machine.
    fn report(&self, state: &mut State) {
        *lock(&self.metrics) = (state.machine.metrics(), state.machine.metrics_if_stopped());
        self.lost.store(state.machine.is_job_lost(), Ordering::Relaxed);
        while let Some(event) = state.machine.poll_event() {
            let server = self.server.clone();
            self.shop.listener.tell(&WorkerEvent::Connection { server, slot: self.number, event });
        }
    }

    fn end(&self) {
        self.lost.store(true, Ordering::Relaxed);
        let was_over = std::mem::replace(&mut lock(&self.signal).over, true);
        self.to_keep.notify_all();
        if !was_over {
            (self.shop.ended)();
        }
    }

    /// Wakes the keeper then, if not before.
    fn set_alarm(&self, at: Instant) {
        let mut signal = lock(&self.signal);
        if at < signal.alarm {
            signal.alarm = at;
            self.to_keep.notify_all();
        }
    }

    /// Waits until the keeper has to look; `false` if the slot has ended.
    fn wait_for_alarm(&self) -> bool {
        let mut signal = lock(&self.signal);
        while !signal.over {
            let left = signal.alarm.saturating_duration_since(self.shop.now());
            if left.is_zero() {
                signal.alarm = NEVER;
                return true;
            }
            signal = wait(&self.to_keep, signal, left);
        }
        false
    }

    /// Waits until then, or until more is said of a shutdown than is known.
    fn wait_to_work(&self, until: Instant, known: Option<Instant>) {
        let mut signal = lock(&self.signal);
        while signal.shutdown == known {
            let left = until.saturating_duration_since(self.shop.now());
            if left.is_zero() {
                return;
            }
            signal = wait(&self.to_work, signal, left);
        }
    }
}

/// Ends a slot one of whose threads ends, in whatever way it does.
struct Ending<'s>(&'s Slot);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let Self(slot) = self;
        if !slot.is_over() {
            // What the connection holds is given back. The other thread finds that it is over.
            slot.cut();
            lock(&slot.metrics).0 = slot.metrics_if_stopped();
            slot.end();
            let server = slot.server.clone();
            slot.shop.listener.tell(&WorkerEvent::SlotEnded { server, slot: slot.number });
        }
    }
}

impl Signal {
    fn cut(&self) {
        if let Some(wire) = &self.wire {
            wire.shutdown();
        }
    }
}

/// Locks; no handler runs under a lock, so a panic leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
    condvar.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
}
