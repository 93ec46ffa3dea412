//! What the calls and the driver of a shared client have in common.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use core::{mem, task::Waker};

use super::{
    line::Line,
    link::{Clocks, Link, Used, ended},
};
use crate::{
    connect::{ConnectOptions, Route},
    driver::{Driver, PollTransport},
    observe,
    policy::{self, Event, Tubes, copy_of},
    runtime::Runtime,
    sync::{Mutex, lock, lock_or_mend},
};
use beanstalk_proto::{
    Error, Expect, Instant, Lost, Reply, Request, TubeName,
    client::{Config, Connection, Ticket, TicketId, Timeout},
};

type Listener = Box<dyn Fn(&Event) + Send + Sync>;

/// Everything that the handles of one client share.
pub(super) struct Inner<R> {
    state: Mutex<State>,
    pub(super) runtime: R,
    /// Where to connect to, for a client that does.
    pub(super) server: Option<Route>,
    options: ConnectOptions,
    listener: Mutex<Option<Arc<Listener>>>,
}

impl<R: Runtime> Inner<R> {
    pub(super) fn new(runtime: R, server: Option<Route>, machine: policy::Shared, options: ConnectOptions) -> Self {
        let state = State {
            machine,
            handles: 1,
            closing: false,
            cause: None,
            driver: DriverState::default(),
            woken: Vec::new(),
            room: Line::default(),
            next_in_room: 0,
            greeted: (!options.greeting.is_empty()).then(|| Tubes::greeted(&options.greeting).used().clone()),
            link: Link::new(0, ended(options.config), Clocks::default()),
            retired: Vec::new(),
            watchers: BTreeMap::new(),
            next_watcher: 0,
        };
        Self { state: Mutex::new(state), runtime, server, options, listener: Mutex::new(None) }
    }

    /// Timeouts and limits of each connection.
    pub(super) const fn config(&self) -> &Config {
        &self.options.config
    }

    /// Connects, to the server that it has.
    pub(super) async fn connect(&self) -> Result<Driver<R::Transport>, Error> {
        match &self.server {
            Some(server) => self.runtime.connect(server, &self.options).await,
            None => Err(Error::Closed { lost: Lost::NotSent }),
        }
    }

    /// Does something under the lock, and wakes whom it concerns when the lock is free again.
    pub(super) fn with<X>(&self, act: impl FnOnce(&mut State) -> X) -> X {
        // A request panicked while it wrote itself: half of it may be queued.
        let mut state = lock_or_mend(&self.state, |state| state.link.connection.abort());
        let result = act(&mut state);
        let woken = mem::take(&mut state.woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        result
    }

    pub(super) fn listen(&self, listener: Listener) {
        *lock(&self.listener) = Some(Arc::new(listener));
        self.report();
    }

    /// Reports to the listener what has happened. Without the lock, as it may call.
    pub(super) fn report(&self) {
        if observe::IS_ON {
            while let Some(event) = self.with(|state| state.machine.observe_event().cloned()) {
                observe::connection(observe::Client::Shared, self.server.as_ref().map(Route::endpoint), &event);
            }
        }
        // Kept until there is one.
        let Some(listener) = lock(&self.listener).clone() else { return };
        while let Some(event) = self.with(|state| state.machine.poll_event()) {
            let _panicked = policy::guarded(|| listener(&event));
        }
    }
}

pub(super) struct State {
    pub(super) machine: policy::Shared,
    /// How many handles there are.
    pub(super) handles: usize,
    /// Whether the connection is to be ended although there are some.
    pub(super) closing: bool,
    /// What the last connection broke with, or could not be made.
    pub(super) cause: Option<Error>,
    pub(super) driver: DriverState,
    /// Whom to wake once the lock is free.
    pub(super) woken: Vec<Waker>,
    /// Calls whose requests were not sent yet.
    pub(super) room: Line<u64>,
    pub(super) next_in_room: u64,
    /// The tube that a new connection uses, as far as is known, if it was greeted.
    greeted: Option<TubeName>,
    /// The connection, or the last one.
    pub(super) link: Link,
    /// Those before it with unclaimed replies.
    retired: Vec<Link>,
    /// Who waits for the end.
    pub(super) watchers: BTreeMap<u64, Waker>,
    next_watcher: u64,
}

/// What is known of the task that moves the bytes.
#[derive(Debug, Default)]
pub(super) struct DriverState {
    /// The task, if it sleeps.
    pub(super) waker: Option<Waker>,
    /// Which of them it is. Another that finds itself replaced ends.
    pub(super) number: u64,
    /// Whether there is one.
    pub(super) is_alive: bool,
    /// The runtime that it was spawned on, or polled.
    pub(super) runtime: Option<u64>,
    /// How often it was polled.
    pub(super) polls: u64,
}

/// A request that was sent.
pub(super) struct Sent {
    pub(super) link: u64,
    pub(super) ticket: Ticket<Reply>,
    pub(super) used: Option<Arc<Used>>,
}

impl State {
    pub(super) fn wake_driver(&mut self) {
        self.woken.extend(self.driver.waker.take());
    }

    /// Whether a task has to be started that moves the bytes.
    pub(super) const fn needs_driver(&self) -> bool {
        !self.driver.is_alive && !self.is_closing() && !self.machine.has_ended()
    }

    /// Has another task move the bytes from now on, on this runtime. Returns its number.
    pub(super) fn new_driver(&mut self, runtime: Option<u64>) -> u64 {
        self.wake_driver();
        let DriverState { number, polls, .. } = self.driver;
        let number = number.saturating_add(1);
        self.driver = DriverState { waker: None, number, is_alive: true, runtime, polls };
        number
    }

    /// The place of a call that comes now.
    pub(super) const fn next_number(&mut self) -> u64 {
        let number = self.next_in_room;
        self.next_in_room = number.saturating_add(1);
        number
    }

    /// Makes this client's connection the current one, and leaves the client without it. Returns whether it has: unless this task was
    /// replaced.
    pub(super) fn install<R: Runtime, T: PollTransport>(
        &mut self,
        task: u64,
        runtime: &R,
        driver: &mut Driver<T>,
    ) -> bool {
        if self.driver.number != task {
            return false;
        }
        let closed = ended(*driver.connection.config());
        let connection = mem::replace(&mut driver.connection, closed);
        self.connected(connection, Clocks::of(runtime, &driver.link.transport), runtime.now());
        true
    }

    pub(super) fn connected(&mut self, connection: Connection, clocks: Clocks, now: Instant) {
        let mut link = Link::new(self.link.number.saturating_add(1), connection, clocks);
        link.moved = clocks.transport_time(now);
        if let Some(tube) = &self.greeted {
            // A command that has no name here may do anything to the tubes.
            link.greeted(tube.clone());
        }
        let last = mem::replace(&mut self.link, link);
        if last.claims != 0 {
            self.retired.push(last);
        }
        self.cause = None;
        self.machine.handle_connected(now);
        self.wake_answered();
    }

    /// There is no connection any more, or again none.
    pub(super) fn disconnected(&mut self, error: Error, now: Instant) {
        self.link.connection.abort();
        self.machine.handle_lost(&error, now);
        self.cause = Some(error);
        self.wake_answered();
    }

    /// Has this woken at the end, in the place of that number, or in a new one.
    pub(super) fn watch(&mut self, place: &mut Option<u64>, waker: &Waker) {
        let number = *place.get_or_insert_with(|| {
            self.next_watcher = self.next_watcher.wrapping_add(1);
            self.next_watcher
        });
        self.watchers.insert(number, waker.clone());
    }

    /// What a call fails with that finds the connection with this number closed: that one side refuses the other, if so.
    pub(super) fn reason_for(&self, number: u64, closed: Error) -> Error {
        match (&self.cause, closed.lost()) {
            (Some(cause), Some(lost)) if self.link.number == number && cause.is_refusal() => {
                copy_of(cause).with_lost(lost)
            }
            _ => closed,
        }
    }

    /// There will be no other connection.
    pub(super) fn end(&mut self) {
        self.link.connection.abort();
        self.machine.end();
        self.wake_answered();
    }

    /// Whether the connection is to be ended.
    pub(super) const fn is_closing(&self) -> bool {
        self.handles == 0 || self.closing
    }

    /// The connection with this number, as long as there is a ticket of it.
    pub(super) fn link(&mut self, number: u64) -> Option<&mut Link> {
        match self.link.number == number {
            true => Some(&mut self.link),
            false => self.retired.iter_mut().find(|link| link.number == number),
        }
    }

    /// Takes note that a ticket of this connection is claimed or abandoned.
    pub(super) fn ticket_leaves(&mut self, number: u64, id: TicketId) {
        if let Some(link) = self.link(number) {
            link.answers.leave(id);
            link.claims = link.claims.saturating_sub(1);
        }
        self.retired.retain(|link| link.claims != 0);
        self.wake_room();
    }

    /// Why a request can't be sent that is like this.
    pub(super) fn check_send(&self, expect: &Expect) -> Result<(), Error> {
        self.link.connection.check_send(expect)
    }

    /// Queues a request, and a `use` ahead of it if it needs one. One request over the limits is let pass: who calls
    /// this has made sure that there was room.
    pub(super) fn send<Q: Request>(
        &mut self,
        now: Instant,
        tube: Option<&TubeName>,
        request: Q,
        timeout: Timeout,
        until: Option<Instant>,
    ) -> Result<Sent, Error> {
        self.wake_driver();
        let link = &mut self.link;
        let now = link.clocks.transport_time(now);
        let used = match tube {
            Some(tube) => Some(link.use_tube(now, tube, timeout)?),
            None => None,
        };
        let ticket = link.send_now(now, request, timeout)?;
        link.answers.enter(ticket.id(), until, None);
        link.claims = link.claims.saturating_add(1);
        Ok(Sent { link: link.number, ticket: ticket.untyped(), used })
    }

    /// Wakes those whose replies are here, and who is first in line if there is room.
    pub(super) fn wake_answered(&mut self) {
        let Self { link, woken, .. } = self;
        link.answers.release(|id| link.connection.is_ready(id), woken);
        woken.append(&mut link.flushing);
        if link.connection.is_ended() {
            // Some may have to give up, and if there is no driver the first that comes starts one.
            self.room.wake_all(woken);
            if self.machine.has_ended() {
                woken.extend(mem::take(&mut self.watchers).into_values());
            }
        } else {
            self.wake_room();
        }
    }

    pub(super) fn wake_room(&mut self) {
        let connection = &self.link.connection;
        let limits = connection.config().limits;
        if connection.in_flight() < limits.in_flight && connection.queued() < limits.queued {
            self.room.wake_first(&mut self.woken);
        }
    }

    /// When the first call gives up, by the runtime's clock.
    pub(super) fn first_to_give_up(&self) -> Option<Instant> {
        [self.room.first_to_give_up(), self.link.answers.first_to_give_up()].into_iter().flatten().min()
    }

    pub(super) fn wake_late(&mut self, now: Instant) {
        self.room.wake_late(now, &mut self.woken);
        self.link.answers.wake_late(now, &mut self.woken);
    }
}
