//! What a slot shares with those who stop it, and those who count.

use alloc::{boxed::Box, sync::Arc};
use core::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Waker,
    time::Duration,
};

use crate::{
    connect::{Endpoint, Route},
    policy::{Event, Metrics, Presence, SlotPresence},
    runtime::{Boxed, Runtime},
    sync::{Mutex, lock},
};
use beanstalk_proto::{Instant, TubeName};

/// One for each server: what its slots share.
pub(super) struct ServerState {
    /// What [`Demand`](crate::policy::Demand) calls it.
    pub(super) number: u64,
    /// Slots that were added since the last event. The listener to that may add some, while the presence is locked.
    joined: AtomicUsize,
    presence: Mutex<Presence>,
}

impl ServerState {
    pub(super) fn new(number: u64) -> Self {
        Self { number, joined: AtomicUsize::new(0), presence: Mutex::default() }
    }

    pub(super) fn add_slots(&self, slots: usize) {
        self.joined.fetch_add(slots, Ordering::Relaxed);
    }
}

/// One for each slot.
pub(super) struct SlotState {
    pub(super) route: Route,
    pub(super) slot: usize,
    /// What [`Demand`](crate::policy::Demand) calls it.
    pub(super) number: u64,
    /// The tube of every job, if the worker watches only one.
    pub(super) tube: Option<TubeName>,
    pub(super) server_state: Arc<ServerState>,
    /// Of those who wait for what the slot does.
    pub(super) timers: Timers,
    state: Mutex<State>,
}

/// Makes a timer on the runtime of whoever calls; none outside of any.
#[derive(Clone, Copy)]
pub(super) struct Timers {
    /// How long a slot may leave what has woken it, if not for as long as it likes.
    pub(super) patience: Option<Duration>,
    pub(super) after: fn(Duration) -> Option<Boxed<()>>,
}

impl Timers {
    /// None at all.
    #[cfg(test)]
    pub(super) const NONE: Self = Self { patience: None, after: |_| None };

    /// Those of this runtime.
    pub(super) fn of<R: Runtime>(patience: Option<Duration>) -> Self {
        Self { patience, after: after::<R> }
    }
}

fn after<R: Runtime>(time: Duration) -> Option<Boxed<()>> {
    R::current()?;
    let runtime = R::default();
    Some(Box::pin(runtime.sleep(runtime.now() + time)))
}

#[derive(Default)]
struct State {
    shutdown: Option<Instant>,
    metrics: Metrics,
    /// What they would be if the slot had to stop now.
    if_stopped: Metrics,
    ended: bool,
    /// Since the server refused to be connected to.
    refused: bool,
    slot: Option<Waker>,
    /// How often the slot was polled.
    polled: u64,
    presence: SlotPresence,
}

impl SlotState {
    pub(super) fn new(
        route: Route,
        slot: usize,
        number: u64,
        tube: Option<TubeName>,
        server_state: Arc<ServerState>,
        timers: Timers,
    ) -> Self {
        Self { route, slot, number, tube, server_state, timers, state: Mutex::default() }
    }

    /// Whether it is a slot of this server that has neither ended nor is to stop.
    pub(super) fn works_for(&self, server: &Endpoint) -> bool {
        let state = lock(&self.state);
        self.server() == server && !state.ended && state.shutdown.is_none()
    }

    pub(super) const fn server(&self) -> &Endpoint {
        self.route.endpoint()
    }

    /// Reports an event of this slot's connection if it is news of the server. The server's slots report one after the other,
    /// so that what is news is reported in the order in which it happened.
    pub(super) fn report(&self, event: Event, emit: impl FnOnce(Event)) {
        let mut presence = lock(&self.server_state.presence);
        presence.add_slots(self.server_state.joined.swap(0, Ordering::Relaxed));
        let is_news = presence.is_news(&mut lock(&self.state).presence, &event);
        if is_news {
            emit(event);
        }
    }

    /// The slot waits, among other things, for what happens here.
    pub(super) fn register(&self, waker: &Waker) {
        let mut state = lock(&self.state);
        state.polled = state.polled.wrapping_add(1);
        match &mut state.slot {
            Some(slot) => slot.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Returns how often it was polled, and so registered.
    pub(super) fn polled(&self) -> u64 {
        lock(&self.state).polled
    }

    pub(super) fn shutdown(&self) -> Option<Instant> {
        lock(&self.state).shutdown
    }

    /// Of several deadlines the earliest counts.
    pub(super) fn shut_down(&self, deadline: Instant) {
        let mut state = lock(&self.state);
        state.shutdown = Some(state.shutdown.map_or(deadline, |earlier| earlier.min(deadline)));
        let waker = state.slot.clone();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn wake(&self) {
        let waker = lock(&self.state).slot.clone();
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn count(&self, metrics: Metrics, if_stopped: Metrics) {
        let mut state = lock(&self.state);
        (state.metrics, state.if_stopped) = (metrics, if_stopped);
    }

    /// The metrics of a slot that is no longer waited for.
    pub(super) fn metrics_if_stopped(&self) -> Metrics {
        lock(&self.state).if_stopped
    }

    pub(super) fn metrics(&self) -> Metrics {
        lock(&self.state).metrics
    }

    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        // If it was not stopped.
        state.metrics = state.if_stopped;
        state.slot = None;
    }

    /// The slot is about to end, since the server refused to be connected to.
    pub(super) fn refuse(&self) {
        lock(&self.state).refused = true;
    }

    pub(super) fn is_refused(&self) -> bool {
        lock(&self.state).refused
    }

    pub(super) fn is_ended(&self) -> bool {
        lock(&self.state).ended
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    #[test]
    fn events_of_a_server_are_reported_in_order_though_a_listener_is_slow() {
        let server_state = Arc::new(ServerState::new(0));
        server_state.add_slots(2);
        let slot = |slot| {
            let route = Route::beginning_at("queue:11300".parse().unwrap(), slot);
            SlotState::new(route, slot, 0, None, Arc::clone(&server_state), Timers::NONE)
        };
        let (first, second) = (slot(0), slot(1));
        let told = &Mutex::new(vec![]);
        let ((listening, listens), (reported, reports)) = (mpsc::channel(), mpsc::channel());
        thread::scope(|scope| {
            scope.spawn(|| {
                first.report(Event::Connected, move |_| {
                    listening.send(()).unwrap();
                    // The other slot has all the time it needs, if it could get past this.
                    assert!(reports.recv_timeout(Duration::from_millis(200)).is_err(), "the second event comes first");
                    lock(told).push("connected");
                });
            });
            listens.recv().unwrap();
            second.report(Event::Lost { reason: "it is gone".into() }, |_| lock(told).push("lost"));
            let _over = reported.send(());
        });
        assert_eq!(*lock(told), ["connected", "lost"]);
    }
}
