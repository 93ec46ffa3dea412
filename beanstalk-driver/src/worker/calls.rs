//! The calls that wait for a job of a consumer, in the order in which they came.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::{
    mem,
    task::{Context, Poll, Waker},
};

use super::hand::ConsumerJob;
use crate::sync::{Mutex, lock};

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
    /// Gives a job to the call that waits longest. Without one it is given back. As everywhere here, `waiting` receives how many wait
    /// from then on, in the order in which that changes.
    pub(super) fn deliver(&self, job: ConsumerJob, waiting: impl FnOnce(usize)) {
        let mut state = lock(&self.0);
        let Some((call, waker)) = state.waiting.pop_front() else {
            drop(state);
            return drop(job);
        };
        state.came.insert(call, job);
        waiting(state.waiting.len());
        drop(state);
        waker.wake();
    }

    /// Waits for a job in the place of this number, which it takes if it has none, and gives up with the job, or the end of all.
    pub(super) fn poll_job(
        &self,
        place: &mut Option<u64>,
        cx: &Context<'_>,
        waiting: impl FnOnce(usize),
    ) -> Poll<Option<ConsumerJob>> {
        let mut state = lock(&self.0);
        if let Some(job) = place.and_then(|number| state.came.remove(&number)) {
            *place = None;
            return Poll::Ready(Some(job));
        }
        if state.closed {
            drop(state);
            self.leave(place, waiting);
            return Poll::Ready(None);
        }
        match *place {
            Some(number) => {
                if let Some((_, waker)) = state.waiting.iter_mut().find(|(waiting, _)| *waiting == number) {
                    waker.clone_from(cx.waker());
                }
            }
            None => {
                state.begun = state.begun.saturating_add(1);
                let number = state.begun;
                *place = Some(number);
                state.waiting.push_back((number, cx.waker().clone()));
                waiting(state.waiting.len());
            }
        }
        Poll::Pending
    }

    /// Gives up a place. A job that has come for it is given back.
    pub(super) fn leave(&self, place: &mut Option<u64>, waiting: impl FnOnce(usize)) {
        let Some(number) = place.take() else { return };
        let mut state = lock(&self.0);
        let came = state.came.remove(&number);
        let before = state.waiting.len();
        state.waiting.retain(|(waiting, _)| *waiting != number);
        if state.waiting.len() < before {
            waiting(state.waiting.len());
        }
        drop(state);
        drop(came);
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
