//! What a worker's slots and handles share: which servers there are, what became of slots that have ended, when to stop.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
    time::Duration,
};

use super::{
    calls::Calls,
    handler::OnFailure,
    slot_state::{ServerState, SlotState, Timers},
};
use crate::runtime::Runtime;
use crate::sync::{Mutex, lock};
use crate::{
    connect::{ConnectOptions, Endpoint, Route},
    observe,
    policy::{Deferrals, Demand, Metrics, Permit, Stage, WorkerConfig, WorkerEvent, guarded},
};
use beanstalk_proto::Instant;

pub(super) type OnEvent = Box<dyn Fn(&WorkerEvent) + Send + Sync>;

pub(super) struct SharedState<R> {
    pub(super) runtime: R,
    pub(super) connection: ConnectOptions,
    pub(super) worker: WorkerConfig,
    concurrency: Concurrency,
    on_event: Option<OnEvent>,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) deferrals: Mutex<Deferrals>,
    /// Who waits for a job, if this is a consumer's.
    pub(super) calls: Calls,
    /// Asked by all slots, if they share anything.
    demand: Mutex<Demand>,
    is_shared: AtomicBool,
    state: Mutex<State>,
}

/// How many jobs are worked on at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concurrency {
    pub(super) total: Option<usize>,
    pub(super) per_server: usize,
}

#[derive(Default)]
struct State {
    servers: Vec<Endpoint>,
    /// How many servers were added so far.
    added: u64,
    /// Slots that have not ended, of servers that were removed too.
    slots: Vec<Arc<SlotState>>,
    /// Those of them that do not run yet.
    new: Vec<Arc<SlotState>>,
    ended: Metrics,
    shutdown: Option<Instant>,
    run: Option<Waker>,
}

/// What a worker's `run` is to do.
pub(super) enum Step {
    Spawn(Vec<Arc<SlotState>>),
    /// Nothing, until it is woken or until then.
    Wait(Option<Instant>),
    End,
}

impl<R: Runtime> SharedState<R> {
    pub(super) fn new(
        connection: ConnectOptions,
        worker: WorkerConfig,
        concurrency: Concurrency,
        on_event: Option<OnEvent>,
        on_failure: Option<OnFailure>,
    ) -> Self {
        Self {
            runtime: R::default(),
            connection,
            worker,
            concurrency,
            on_event,
            on_failure,
            deferrals: Mutex::default(),
            calls: Calls::default(),
            demand: Mutex::new(Demand::new(concurrency.total, false)),
            is_shared: AtomicBool::new(concurrency.total.is_some()),
            state: Mutex::default(),
        }
    }

    /// Adds a server, or to one that is there the slots that have ended.
    pub(super) fn add_server(&self, address: Endpoint) {
        let tube = match &self.worker.tubes[..] {
            [tube] => Some(tube.clone()),
            [] => Some(beanstalk_proto::TubeName::default()),
            _ => None,
        };
        let mut state = lock(&self.state);
        if state.shutdown.is_some() {
            return;
        }
        let is_there = state.servers.contains(&address);
        let there = state.slots.iter().filter(|slot_state| is_there && slot_state.works_for(&address));
        let there = there.cloned().collect::<Vec<_>>();
        let missing = (0..self.concurrency.per_server).filter(|slot| there.iter().all(|there| there.slot != *slot));
        let missing = missing.collect::<Vec<_>>();
        let server_state = match there.first() {
            Some(there) => Arc::clone(&there.server_state),
            None => {
                let number = state.added;
                state.added = number.saturating_add(1);
                Arc::new(ServerState::new(number))
            }
        };
        server_state.add_slots(missing.len());
        for slot in missing {
            let number = lock(&self.demand).add_slot(server_state.number);
            // Each begins at another node, if there are several.
            let route = Route::beginning_at(address.clone(), slot);
            let (tube, server_state) = (tube.clone(), Arc::clone(&server_state));
            let timers = Timers::of::<R>(self.connection.config.reply_timeout);
            let slot_state = Arc::new(SlotState::new(route, slot, number, tube, server_state, timers));
            state.slots.push(Arc::clone(&slot_state));
            state.new.push(slot_state);
        }
        if !is_there {
            state.servers.push(address);
        }
        drop(state);
        self.wake();
    }

    pub(super) fn remove_server(&self, address: &Endpoint, within: Duration) -> bool {
        let deadline = self.deadline(within);
        let mut state = lock(&self.state);
        let Some(at) = state.servers.iter().position(|server| server == address) else { return false };
        state.servers.remove(at);
        // What does not run yet has nothing to finish.
        state.new.retain(|slot_state| {
            let stays = *slot_state.server() != *address;
            if !stays {
                slot_state.end();
            }
            stays
        });
        let of_it =
            state.slots.iter().filter(|slot_state| *slot_state.server() == *address).cloned().collect::<Vec<_>>();
        drop(state);
        of_it.iter().for_each(|slot_state| slot_state.shut_down(deadline));
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
        let slots = state.slots.clone();
        drop(state);
        self.calls.close();
        slots.iter().for_each(|slot_state| slot_state.shut_down(of_slots));
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
        state.slots.iter().for_each(|slot_state| metrics.merge(&slot_state.metrics()));
        metrics
    }

    /// What was done, without waiting for those that have not stopped.
    pub(super) fn metrics_if_stopped(&self) -> Metrics {
        let state = lock(&self.state);
        let mut metrics = state.ended;
        state.slots.iter().for_each(|slot_state| metrics.merge(&slot_state.metrics_if_stopped()));
        metrics
    }

    /// Returns what to do next, and remembers whom to wake when that changes.
    pub(super) fn next_step(&self, waker: &Waker) -> Step {
        let now = self.runtime.now();
        let mut state = lock(&self.state);
        match &mut state.run {
            Some(run) => run.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        if state.shutdown.is_some() {
            // What does not run yet has nothing to finish.
            state.new.drain(..).for_each(|slot_state| slot_state.end());
        }
        let State { slots, ended, servers, .. } = &mut *state;
        let mut refused = Vec::new();
        slots.retain(|slot_state| {
            let over = slot_state.is_ended();
            if over {
                lock(&self.demand).remove_slot(slot_state.number, now);
                ended.merge(&slot_state.metrics());
                if slot_state.is_refused() {
                    refused.push(slot_state.server().clone());
                }
            }
            !over
        });
        // Connections that were made before the refusal are good.
        let works = |server: &Endpoint| slots.iter().any(|slot_state| slot_state.works_for(server));
        servers.retain(|server| !refused.contains(server) || works(server));
        let woken = lock(&self.demand).poll_wakes();
        slots.iter().filter(|slot_state| woken.contains(&slot_state.number)).for_each(|slot_state| slot_state.wake());
        if !refused.is_empty() && servers.is_empty() && slots.is_empty() && state.new.is_empty() {
            return Step::End;
        }
        match state.shutdown {
            None if !state.new.is_empty() => Step::Spawn(core::mem::take(&mut state.new)),
            Some(deadline) if state.slots.is_empty() || now >= deadline => {
                // Those that are left were stopped, and can't have got to it yet.
                let left = core::mem::take(&mut state.slots);
                left.iter().for_each(|slot_state| state.ended.merge(&slot_state.metrics_if_stopped()));
                Step::End
            }
            deadline => Step::Wait(deadline),
        }
    }

    /// Jobs are reserved only for calls that wait for them, from now on.
    pub(super) fn await_calls(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
        self.set_waiting(0);
    }

    /// So many calls wait for a job.
    pub(super) fn set_waiting(&self, calls: usize) {
        let mut demand = lock(&self.demand);
        demand.set_waiting(calls, self.runtime.now());
        let woken = demand.poll_wakes();
        drop(demand);
        self.wake_slots(&woken);
    }

    /// Returns whether a slot may go on, which is at this.
    pub(super) fn permit(&self, slot: &SlotState, stage: Stage, now: Instant) -> Permit {
        if !self.is_shared.load(Ordering::Relaxed) {
            return Permit::Go;
        }
        let mut demand = lock(&self.demand);
        let permit = demand.poll_permit(slot.number, stage, now);
        let woken = demand.poll_wakes();
        drop(demand);
        self.wake_slots(&woken);
        permit
    }

    fn wake_slots(&self, numbers: &[u64]) {
        if numbers.is_empty() {
            return;
        }
        let state = lock(&self.state);
        let slots = state.slots.iter().filter(|slot_state| numbers.contains(&slot_state.number));
        let slots = slots.cloned().collect::<Vec<_>>();
        drop(state);
        slots.iter().for_each(|slot_state| slot_state.wake());
    }

    /// Wakes `run`, as something has changed that it depends on.
    pub(super) fn wake(&self) {
        let run = lock(&self.state).run.clone();
        run.into_iter().for_each(Waker::wake);
    }

    pub(super) fn emit(&self, event: &WorkerEvent) {
        // A listener that panics, or a subscriber, shall not take a slot with it.
        let _panicked = guarded(|| self.emit_all(event));
    }

    /// Whether events are reported anywhere.
    pub(super) fn listens(&self) -> bool {
        self.on_event.is_some() || observe::IS_ON
    }

    fn emit_all(&self, event: &WorkerEvent) {
        observe::worker(event);
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }
}
