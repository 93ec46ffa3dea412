//! A line of calls that wait, for the connection that tasks share.

use alloc::{collections::VecDeque, vec::Vec};
use core::task::Waker;

use beanstalk_proto::Instant;

/// Calls that wait in order, each with a number that grows.
#[derive(Debug)]
pub(super) struct Line<N> {
    pub(super) waiters: VecDeque<Waiter<N>>,
    /// The last that is late, if nothing else came.
    late: Option<N>,
}

#[derive(Debug)]
pub(super) struct Waiter<N> {
    pub(super) number: N,
    /// Set by the driver, which has the clock.
    pub(super) deadline: Option<Instant>,
    pub(super) waker: Option<Waker>,
}

impl<N> Default for Line<N> {
    fn default() -> Self {
        Self { waiters: VecDeque::new(), late: None }
    }
}

impl<N: Copy + Ord> Line<N> {
    pub(super) fn is_late(&self, number: N) -> bool {
        self.late.is_some_and(|late| number <= late)
    }

    pub(super) fn push(&mut self, number: N, waker: Option<Waker>) {
        self.waiters.push_back(Waiter { number, deadline: None, waker });
    }

    pub(super) fn find(&self, number: N) -> Option<usize> {
        self.waiters.binary_search_by_key(&number, |waiter| waiter.number).ok()
    }

    pub(super) fn wait(&mut self, number: N, waker: &Waker) {
        if let Some(waiter) = self.find(number).and_then(|at| self.waiters.get_mut(at)) {
            match &mut waiter.waker {
                Some(last) => last.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    pub(super) fn leave(&mut self, number: N) {
        if let Some(at) = self.find(number) {
            self.waiters.remove(at);
        }
    }

    /// Lets go of everybody at the front that is done.
    pub(super) fn release(&mut self, done: impl Fn(N) -> bool, woken: &mut Vec<Waker>) {
        while self.waiters.front().is_some_and(|front| done(front.number)) {
            woken.extend(self.waiters.pop_front().and_then(|front| front.waker));
        }
    }

    /// When the first in line is late, having given `at` to those who came since this was last asked.
    pub(super) fn first_deadline(&mut self, at: Instant) -> Option<Instant> {
        for waiter in self.waiters.iter_mut().rev().take_while(|waiter| waiter.deadline.is_none()) {
            waiter.deadline = Some(at);
        }
        self.waiters.front().and_then(|front| front.deadline)
    }

    pub(super) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        while let Some(front) = self.waiters.front().filter(|front| front.deadline.is_some_and(|at| at <= now)) {
            let late = front.number;
            self.late = Some(late);
            self.release(|number| number <= late, woken);
        }
    }
}
