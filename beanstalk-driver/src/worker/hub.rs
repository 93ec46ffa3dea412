//! What a worker's slots and handles share: which servers there are, what became of slots that have ended, when to stop.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{task::Waker, time::Duration};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use super::desk::Desk;
use crate::runtime::{Runtime, lock};
use crate::{
    connect::Endpoint,
    policy::{Event, Metrics, WorkerConfig, WorkerEvent},
};
use beanstalk_proto::Instant;
use beanstalk_proto::client::Config;

pub(super) type OnEvent = Box<dyn Fn(&WorkerEvent) + Send + Sync>;

pub(super) struct Hub<R> {
    pub(super) runtime: R,
    pub(super) config: Config,
    pub(super) worker: WorkerConfig,
    concurrency: usize,
    on_event: Option<OnEvent>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    servers: Vec<Endpoint>,
    /// Slots that have not ended, of servers that were removed too.
    desks: Vec<Arc<Desk>>,
    /// Those of them that do not run yet.
    new: Vec<Arc<Desk>>,
    ended: Metrics,
    shutdown: Option<Instant>,
    run: Option<Waker>,
}

/// What a worker's `run` is to do.
pub(super) enum Duty {
    Spawn(Vec<Arc<Desk>>),
    /// Nothing, until it is woken or until then.
    Wait(Option<Instant>),
    End,
}

impl<R: Runtime> Hub<R> {
    pub(super) fn new(config: Config, worker: WorkerConfig, concurrency: usize, on_event: Option<OnEvent>) -> Self {
        let concurrency = concurrency.max(1);
        Self { runtime: R::default(), config, worker, concurrency, on_event, state: Mutex::default() }
    }

    pub(super) fn add_server(&self, address: Endpoint) {
        let tube = match &self.worker.tubes[..] {
            [tube] => Some(tube.clone()),
            [] => Some(beanstalk_proto::TubeName::default()),
            _ => None,
        };
        let mut state = lock(&self.state);
        if state.shutdown.is_some() || state.servers.contains(&address) {
            return;
        }
        for slot in 0..self.concurrency {
            let desk = Arc::new(Desk::new(address.clone(), slot, tube.clone()));
            state.desks.push(Arc::clone(&desk));
            state.new.push(desk);
        }
        state.servers.push(address);
        drop(state);
        self.wake();
    }

    pub(super) fn remove_server(&self, address: &Endpoint, within: Duration) -> bool {
        let deadline = self.deadline(within);
        let mut state = lock(&self.state);
        let Some(at) = state.servers.iter().position(|server| server == address) else { return false };
        state.servers.remove(at);
        // What does not run yet has nothing to finish.
        state.new.retain(|desk| {
            let stays = desk.server != *address;
            if !stays {
                desk.end();
            }
            stays
        });
        let of_it = state.desks.iter().filter(|desk| desk.server == *address).cloned().collect::<Vec<_>>();
        drop(state);
        of_it.iter().for_each(|desk| desk.shut_down(deadline));
        self.wake();
        true
    }

    pub(super) fn servers(&self) -> Vec<Endpoint> {
        lock(&self.state).servers.clone()
    }

    pub(super) fn shut_down(&self, within: Duration) {
        self.shut_down_at(self.runtime.now() + within, self.deadline(within));
    }

    /// Ends all there is, now.
    pub(super) fn abort(&self) {
        let now = self.runtime.now();
        self.shut_down_at(now, now);
    }

    fn shut_down_at(&self, deadline: Instant, of_slots: Instant) {
        let mut state = lock(&self.state);
        state.shutdown = Some(state.shutdown.map_or(deadline, |earlier| earlier.min(deadline)));
        let desks = state.desks.clone();
        drop(state);
        desks.iter().for_each(|desk| desk.shut_down(of_slots));
        self.wake();
    }

    /// A little of the time is kept for slots to notice that it is over.
    fn deadline(&self, within: Duration) -> Instant {
        let reserve = within.checked_div(10).unwrap_or_default().min(Duration::from_millis(200));
        self.runtime.now() + within.saturating_sub(reserve)
    }

    pub(super) fn metrics(&self) -> Metrics {
        let state = lock(&self.state);
        let mut metrics = state.ended;
        state.desks.iter().for_each(|desk| metrics.merge(&desk.metrics()));
        metrics
    }

    /// Says what to do next, and remembers whom to wake when that changes.
    pub(super) fn duty(&self, waker: &Waker) -> Duty {
        let now = self.runtime.now();
        let mut state = lock(&self.state);
        match &mut state.run {
            Some(run) => run.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        if state.shutdown.is_some() {
            // What does not run yet has nothing to finish.
            state.new.drain(..).for_each(|desk| desk.end());
        }
        let State { desks, ended, .. } = &mut *state;
        desks.retain(|desk| {
            let over = desk.is_ended();
            if over {
                ended.merge(&desk.metrics());
            }
            !over
        });
        match state.shutdown {
            None if !state.new.is_empty() => Duty::Spawn(core::mem::take(&mut state.new)),
            Some(deadline) if state.desks.is_empty() || now >= deadline => Duty::End,
            deadline => Duty::Wait(deadline),
        }
    }

    /// Something has changed that `run` should know of.
    pub(super) fn wake(&self) {
        let run = lock(&self.state).run.clone();
        run.into_iter().for_each(Waker::wake);
    }

    pub(super) fn tell(&self, event: &WorkerEvent) {
        #[cfg(feature = "tracing")]
        match event {
            WorkerEvent::Connection { event: Event::Lost { .. } | Event::Retrying { .. }, .. } => {
                tracing::info!(target: "beanstalk", "{event}");
            }
            WorkerEvent::Connection { .. } => tracing::debug!(target: "beanstalk", "{event}"),
            _ => tracing::warn!(target: "beanstalk", "{event}"),
        }
        if let Some(on_event) = &self.on_event {
            // A listener that panics shall not take a slot with it.
            let _ = catch_unwind(AssertUnwindSafe(|| on_event(event)));
        }
    }

    pub(super) fn tell_connection(&self, desk: &Desk, event: Event) {
        self.tell(&WorkerEvent::Connection { server: desk.server.clone(), slot: desk.slot, event });
    }
}
