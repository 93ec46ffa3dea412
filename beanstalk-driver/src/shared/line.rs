//! A line of calls that wait, for the connection that tasks share.

use alloc::{collections::VecDeque, vec::Vec};
use core::task::Waker;

use beanstalk_proto::Instant;

/// Calls that wait in order, each with a number that grows.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) waiters: VecDeque<Waiter>,
    /// Whoever has a smaller number and nothing else to go by is late.
    pub(super) late: u64,
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) number: u64,
    /// Set by the driver, which has the clock.
    pub(super) deadline: Option<Instant>,
    pub(super) waker: Option<Waker>,
}

impl Line {
    pub(super) fn push(&mut self, number: u64, waker: Option<Waker>) {
        self.waiters.push_back(Waiter { number, deadline: None, waker });
    }

    pub(super) fn find(&self, number: u64) -> Option<usize> {
        self.waiters.binary_search_by_key(&number, |waiter| waiter.number).ok()
    }

    pub(super) fn wait(&mut self, number: u64, waker: &Waker) {
        if let Some(waiter) = self.find(number).and_then(|at| self.waiters.get_mut(at)) {
            match &mut waiter.waker {
                Some(last) => last.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    pub(super) fn leave(&mut self, number: u64) {
        if let Some(at) = self.find(number) {
            self.waiters.remove(at);
        }
    }

    /// Lets go of everybody with a smaller number.
    pub(super) fn release(&mut self, until: u64, woken: &mut Vec<Waker>) {
        while self.waiters.front().is_some_and(|front| front.number < until) {
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
            self.late = front.number.saturating_add(1);
            self.release(self.late, woken);
        }
    }
}
