//! A line of calls that wait, for the connection that tasks share.

use alloc::{collections::VecDeque, vec::Vec};
use core::task::Waker;

use beanstalk_proto::Instant;

/// Calls that wait in order, each with a number that grows.
#[derive(Debug)]
pub(super) struct Line<N> {
    waiters: VecDeque<Waiter<N>>,
}

#[derive(Debug)]
struct Waiter<N> {
    number: N,
    /// When it gives up.
    until: Option<Instant>,
    waker: Option<Waker>,
}

impl<N> Default for Line<N> {
    fn default() -> Self {
        Self { waiters: VecDeque::new() }
    }
}

impl<N: Copy + Ord> Line<N> {
    /// Who is first.
    pub(super) fn first(&self) -> Option<N> {
        self.waiters.front().map(|front| front.number)
    }

    pub(super) fn push(&mut self, number: N, until: Option<Instant>, waker: Option<Waker>) {
        self.waiters.push_back(Waiter { number, until, waker });
    }

    fn find(&self, number: N) -> Option<usize> {
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

    /// Wakes who is first, who stays in line.
    pub(super) fn wake_first(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.waiters.front_mut().and_then(|front| front.waker.take()));
    }

    /// Lets go of everybody at the front that is done.
    pub(super) fn release(&mut self, done: impl Fn(N) -> bool, woken: &mut Vec<Waker>) {
        while self.waiters.front().is_some_and(|front| done(front.number)) {
            woken.extend(self.waiters.pop_front().and_then(|front| front.waker));
        }
    }

    /// When the first of them gives up.
    pub(super) fn first_to_give_up(&self) -> Option<Instant> {
        self.waiters.iter().filter_map(|waiter| waiter.until).min()
    }

    /// Wakes those that give up by now, who stay in line until they do.
    pub(super) fn wake_late(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        let late = self.waiters.iter_mut().filter(|waiter| waiter.until.is_some_and(|until| until <= now));
        for waiter in late {
            waiter.until = None;
            woken.extend(waiter.waker.take());
        }
    }
}
