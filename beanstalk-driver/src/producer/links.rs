//! What the handles of one producer share: the servers, and a client for each.

use alloc::{
    collections::BTreeMap,
    string::ToString,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::{
    future::poll_fn,
    mem,
    task::{Poll, Waker},
    time::Duration,
};

use crate::{
    connect::{ConnectOptions, Route},
    policy::{Next, Pick, ServerId, Servers, SharedConfig, Waiting, copy_of},
    runtime::{Alarm, Runtime},
    shared::SharedClient,
    sync::{Mutex, lock},
};
use beanstalk_proto::{Error, Instant, ListTubeUsed, Lost};

pub(super) struct Inner<R: Runtime> {
    pub(super) runtime: R,
    connection: ConnectOptions,
    /// What each server's client is like.
    shared: SharedConfig,
    pub(super) state: Mutex<State<R>>,
}

pub(super) struct State<R: Runtime> {
    pub(super) servers: Servers,
    links: Vec<Link<R>>,
    next_number: u64,
    /// How often there was something new for puts that wait for a server.
    changes: u64,
    /// Those that wait.
    waiting: BTreeMap<u64, Waker>,
    next_waiting: u64,
    /// How many of them there are, and how much they hold.
    room: Waiting,
}

struct Link<R: Runtime> {
    id: ServerId,
    route: Route,
    client: Option<Numbered<R>>,
    /// When it failed last, and with what.
    failed: Option<(Instant, Error)>,
}

/// A client, and which of its server's it is.
struct Numbered<R: Runtime> {
    number: u64,
    client: SharedClient<R>,
    /// Whether the server has answered anything on it.
    has_answered: bool,
}

impl<R: Runtime> Clone for Numbered<R> {
    fn clone(&self) -> Self {
        let Self { number, client, has_answered } = self;
        Self { number: *number, client: client.clone(), has_answered: *has_answered }
    }
}

/// What a put does next.
pub(super) enum Step<R: Runtime> {
    Ask(Attempt<R>),
    /// Nothing until then, or until there were more changes than these.
    Wait(Instant, u64),
    /// There is none in time, or none but such that refuse: what the last failed with.
    GiveUp(Option<Error>),
}

/// A put on one server.
pub(super) struct Attempt<R: Runtime> {
    pub(super) server: ServerId,
    /// The number of the client.
    pub(super) number: u64,
    pub(super) client: SharedClient<R>,
    pub(super) began: Instant,
    /// How long it waits until it is sent.
    pub(super) patience: Option<Duration>,
    /// Whether the server has answered anything on this connection.
    pub(super) has_answered: bool,
}

impl<R: Runtime> State<R> {
    fn link(&mut self, id: ServerId) -> Option<&mut Link<R>> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    fn next_number(&mut self) -> u64 {
        self.next_number = self.next_number.saturating_add(1);
        self.next_number
    }

    /// Applies a server's result to the servers, and returns whom to wake if that gave those who wait something new.
    fn change<X>(
        &mut self,
        id: ServerId,
        result: Result<(), &Error>,
        now: Instant,
        act: impl FnOnce(&mut Servers) -> X,
    ) -> (X, Vec<Waker>) {
        let before = (self.servers.is_healthy(id), self.servers.all_refuse());
        let acted = act(&mut self.servers);
        let after = (self.servers.is_healthy(id), self.servers.all_refuse());
        if let (Err(error), (false, _), Some(link)) = (result, after, self.link(id)) {
            link.failed = Some((now, copy_of(error)));
        }
        let mut woken = Vec::new();
        if (!before.0 && after.0) || (!before.1 && after.1) {
            self.changes = self.changes.wrapping_add(1);
            woken.extend(mem::take(&mut self.waiting).into_values());
        }
        (acted, woken)
    }

    /// What the server failed with that failed last, of those that are out.
    fn last_failure(&self) -> Option<Error> {
        let out = self.links.iter().filter(|link| !self.servers.is_healthy(link.id));
        let (_, error) = out.filter_map(|link| link.failed.as_ref()).max_by_key(|(at, _)| *at)?;
        Some(copy_of(error).with_lost(Lost::NotSent))
    }
}

impl<R: Runtime> Inner<R> {
    /// Puts wait for a healthy server in `room`, and as many for each server's connection and for their turn on it.
    pub(super) fn new(
        runtime: R,
        servers: Servers,
        connection: ConnectOptions,
        (calls, bytes): (usize, usize),
    ) -> Self {
        let state = State {
            servers,
            links: Vec::new(),
            next_number: 0,
            changes: 0,
            waiting: BTreeMap::new(),
            next_waiting: 0,
            room: Waiting::new(calls, bytes),
        };
        let shared = SharedConfig::default().reconnect(None).patience(None).waiting(calls, bytes);
        Self { runtime, connection, shared, state: Mutex::new(state) }
    }

    pub(super) fn add(&self, route: Route) -> ServerId {
        let mut state = lock(&self.state);
        let id = state.servers.add(&route.endpoint().to_string());
        if state.link(id).is_none() {
            state.links.push(Link { id, route, client: None, failed: None });
        }
        // It is new, or no longer taken for one that refuses.
        state.changes = state.changes.wrapping_add(1);
        let woken = mem::take(&mut state.waiting);
        drop(state);
        woken.into_values().for_each(Waker::wake);
        id
    }

    pub(super) fn remove(&self, id: ServerId) -> bool {
        let mut state = lock(&self.state);
        let place = state.links.iter().position(|link| link.id == id);
        let gone = place.map(|place| state.links.remove(place));
        let was_there = state.servers.remove(id);
        state.changes = state.changes.wrapping_add(1);
        let woken = mem::take(&mut state.waiting);
        drop(state);
        drop(gone);
        woken.into_values().for_each(Waker::wake);
        was_there
    }

    /// The client of a server, to which a new connection is made if there is none.
    pub(super) fn client(&self, id: ServerId) -> Result<SharedClient<R>, Error> {
        Ok(self.numbered_client(&mut lock(&self.state), id)?.client)
    }

    fn numbered_client(&self, state: &mut State<R>, id: ServerId) -> Result<Numbered<R>, Error> {
        let number = state.next_number();
        let options = self.options(&state.servers);
        let Some(link) = state.link(id) else { return Err(Error::Closed { lost: Lost::NotSent }) };
        match &link.client {
            // One that ended while nothing was put has failed no put.
            Some(last) if !last.client.is_closed() => Ok(last.clone()),
            _ => {
                let client = connecting(&link.route, self.shared, options)?;
                Ok(link.client.insert(Numbered { number, client, has_answered: false }).clone())
            }
        }
    }

    /// Takes note that the server has answered on the client with this number.
    pub(super) fn handle_answer(&self, id: ServerId, number: u64) {
        let mut state = lock(&self.state);
        if let Some(last) = state.link(id).and_then(|link| link.client.as_mut()).filter(|last| last.number == number) {
            last.has_answered = true;
        }
    }

    /// An attempt to connect takes no longer than any put would wait for it.
    fn options(&self, servers: &Servers) -> ConnectOptions {
        let timeout = self.connection.config.connect_timeout;
        let now = self.runtime.now();
        self.connection.clone().connect_timeout(servers.connect_timeout(now, timeout, now))
    }

    pub(super) fn step(&self, key: Option<&[u8]>, since: Instant, began: Instant) -> Result<Step<R>, Error> {
        let mut state = lock(&self.state);
        Ok(match state.servers.pick(key, since, began) {
            Pick::Server(server) => {
                let patience = state.servers.wait_limit(since, began);
                let Numbered { number, client, has_answered } = self.numbered_client(&mut state, server)?;
                Step::Ask(Attempt { server, number, client, began, patience, has_answered })
            }
            Pick::WaitUntil(until) => Step::Wait(until, state.changes),
            Pick::GiveUp => Step::GiveUp(state.last_failure()),
        })
    }

    /// Takes in the result of a put, and drops the client with this number if it has ended.
    pub(super) fn handle_result(
        &self,
        id: ServerId,
        result: Result<(), &Error>,
        began: Instant,
        now: Instant,
        ended: Option<u64>,
    ) -> Next {
        let mut state = lock(&self.state);
        let (next, woken) = state.change(id, result, now, |servers| servers.handle_result(id, result, began, now));
        let gone = state.link(id).and_then(|link| link.client.take_if(|last| Some(last.number) == ended));
        drop(state);
        drop(gone);
        woken.into_iter().for_each(Waker::wake);
        next
    }

    /// Waits with a body of so many bytes until then, or until there were more changes than those seen.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if there are too many already.
    pub(super) async fn wait(&self, until: Instant, seen: u64, body: usize) -> Result<(), Error> {
        let mut place = Place { inner: self, number: None, body };
        let mut alarm = Alarm::default();
        poll_fn(|cx| {
            let mut state = lock(&self.state);
            if state.changes != seen {
                return Poll::Ready(Ok(()));
            }
            let number = match place.number {
                Some(number) => number,
                None => {
                    state.room.enter(body)?;
                    state.next_waiting = state.next_waiting.wrapping_add(1);
                    *place.number.insert(state.next_waiting)
                }
            };
            state.waiting.insert(number, cx.waker().clone());
            drop(state);
            alarm.poll(&self.runtime, until, cx).map(Ok)
        })
        .await
    }

    /// What a server failed with that is out.
    pub(super) fn failure(&self, id: ServerId) -> Option<Error> {
        let mut state = lock(&self.state);
        let is_out = !state.servers.is_healthy(id);
        state.link(id).and_then(|link| link.failed.as_ref()).filter(|_| is_out).map(|(_, error)| copy_of(error))
    }

    /// Starts the probes that it is time for, each a task of its own.
    pub(super) fn start_probes(self: &Arc<Self>, now: Instant) {
        // Nothing can be spawned outside of any runtime.
        while let Some(id) = R::current().and_then(|_| lock(&self.state).servers.poll_probe(now)) {
            let probe = Probe { inner: Arc::downgrade(self), id, began: now, outcome: None };
            let client = {
                let mut state = lock(&self.state);
                let options = self.options(&state.servers);
                state.link(id).map(|link| connecting(&link.route, self.shared, options))
            };
            let Some(Ok(client)) = client else { continue };
            self.runtime.spawn(async move {
                let result = client.run_within(None, None, ListTubeUsed::new()).await;
                probe.end(result.map(|_| client));
            });
        }
    }
}

/// A client that connects with its first call, once.
fn connecting<R: Runtime>(
    route: &Route,
    shared: SharedConfig,
    options: ConnectOptions,
) -> Result<SharedClient<R>, Error> {
    SharedClient::on(R::default(), route.clone(), shared, options)
}

/// A put among those that wait for a server.
struct Place<'i, R: Runtime> {
    inner: &'i Inner<R>,
    number: Option<u64>,
    body: usize,
}

impl<R: Runtime> Drop for Place<'_, R> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut state = lock(&self.inner.state);
            state.room.leave(self.body);
            let gone = state.waiting.remove(&number);
            drop(state);
            drop(gone);
        }
    }
}

/// A task that finds out whether a server answers again, by what changes nothing. One that is gone with its runtime has found nothing.
struct Probe<R: Runtime> {
    inner: Weak<Inner<R>>,
    id: ServerId,
    began: Instant,
    outcome: Option<Result<SharedClient<R>, Error>>,
}

impl<R: Runtime> Probe<R> {
    fn end(mut self, outcome: Result<SharedClient<R>, Error>) {
        self.outcome = Some(outcome);
    }
}

impl<R: Runtime> Drop for Probe<R> {
    fn drop(&mut self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let (id, began) = (self.id, self.began);
        let outcome = self.outcome.take().unwrap_or(Err(Error::Closed { lost: Lost::NotSent }));
        let now = inner.runtime.now();
        let mut state = lock(&inner.state);
        let result = outcome.as_ref().map(drop);
        let ((), woken) = state.change(id, result, now, |servers| servers.handle_probed(id, result, began, now));
        let number = state.next_number();
        let mut gone = outcome.ok().map(|client| Numbered { number, client, has_answered: true });
        if let Some(link) =
            state.link(id).filter(|link| link.client.as_ref().is_none_or(|last| last.client.is_closed()))
        {
            gone = mem::replace(&mut link.client, gone);
        }
        drop(state);
        drop(gone);
        woken.into_iter().for_each(Waker::wake);
    }
}
