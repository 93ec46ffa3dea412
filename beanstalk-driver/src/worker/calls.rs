//! The calls that wait for a job of a consumer, in the order in which they came.

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};
use core::{
    mem,
    task::{Context, Poll, Waker},
};
use std::sync::Mutex;

use super::{hand::ConsumerJob, state::SharedState};
use crate::runtime::{Runtime, lock};

#[derive(Default)]
pub(super) struct Calls(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Waker)>,
    /// What came for a call that has not taken it yet.
    came: BTreeMap<u64, ConsumerJob>,
    begun: u64,
    /// No other job will come.
    closed: bool,
    /// The jobs that came are finished, too.
    ended: bool,
    /// Who waits for that.
    ends: Vec<Waker>,
}

impl Calls {
    /// Gives a job to the call that waits longest. Without one it is given back.
    pub(super) fn deliver<R: Runtime>(&self, job: ConsumerJob, shared: &SharedState<R>) {
        let mut state = lock(&self.0);
        let Some((call, waker)) = state.waiting.pop_front() else {
            drop(state);
            return drop(job);
        };
        state.came.insert(call, job);
        shared.set_waiting(state.waiting.len());
        drop(state);
        waker.wake();
    }

    /// No other job will come.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        state.closed = true;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// No job is held any more.
    pub(super) fn end(&self) {
        self.close();
        let mut state = lock(&self.0);
        state.ended = true;
        let ends = mem::take(&mut state.ends);
        drop(state);
        ends.into_iter().for_each(Waker::wake);
    }

    /// Ready once no job is held any more.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.ended {
            return Poll::Ready(());
        }
        if !state.ends.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.ends.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// A call for the next job. Dropping it ends the wait; a job that has come for it is given back.
pub(super) struct Call<R: Runtime> {
    shared: Arc<SharedState<R>>,
    /// Its number, if it waits.
    number: Option<u64>,
}

impl<R: Runtime> Call<R> {
    pub(super) const fn new(shared: Arc<SharedState<R>>) -> Self {
        Self { shared, number: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConsumerJob>> {
        let mut state = lock(&self.shared.calls.0);
        if let Some(job) = self.number.and_then(|number| state.came.remove(&number)) {
            self.number = None;
            return Poll::Ready(Some(job));
        }
        if state.closed {
            drop(state);
            self.leave();
            return Poll::Ready(None);
        }
        match self.number {
            Some(number) => {
                if let Some((_, waker)) = state.waiting.iter_mut().find(|(waiting, _)| *waiting == number) {
                    waker.clone_from(cx.waker());
                }
            }
            None => {
                state.begun = state.begun.saturating_add(1);
                let number = state.begun;
                self.number = Some(number);
                state.waiting.push_back((number, cx.waker().clone()));
                self.shared.set_waiting(state.waiting.len());
            }
        }
        Poll::Pending
    }

    fn leave(&mut self) {
        let Some(number) = self.number.take() else { return };
        let mut state = lock(&self.shared.calls.0);
        let came = state.came.remove(&number);
        let before = state.waiting.len();
        state.waiting.retain(|(waiting, _)| *waiting != number);
        if state.waiting.len() < before {
            self.shared.set_waiting(state.waiting.len());
        }
        drop(state);
        drop(came);
    }
}

impl<R: Runtime> Drop for Call<R> {
    fn drop(&mut self) {
        self.leave();
    }
}
