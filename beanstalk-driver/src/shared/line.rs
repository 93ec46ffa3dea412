//! A line of calls that wait, for the client that tasks share.

use alloc::{
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};
use core::task::Waker;

use beanstalk_proto::Instant;

/// Calls that wait in order, each with a number that grows.
#[derive(Debug)]
pub(super) struct Line<N> {
    waiters: VecDeque<Waiter<N>>,
    /// When those give up that do.
    deadlines: BTreeSet<(Instant, N)>,
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
        Self { waiters: VecDeque::new(), deadlines: BTreeSet::new() }
    }
}

impl<N: Copy + Ord> Line<N> {
    /// Who is first.
    pub(super) fn first(&self) -> Option<N> {
        self.waiters.front().map(|front| front.number)
    }

    /// Enters the line, ahead of those with higher numbers.
    pub(super) fn enter(&mut self, number: N, until: Option<Instant>, waker: Option<Waker>) {
        self.deadlines.extend(until.map(|until| (until, number)));
        let at = self.waiters.partition_point(|waiter| waiter.number <= number);
        self.waiters.insert(at, Waiter { number, until, waker });
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
        if let Some(waiter) = self.find(number).and_then(|at| self.waiters.remove(at)) {
            self.forget_deadline(&waiter);
        }
    }

    /// Wakes who is first, who stays in line.
    pub(super) fn wake_first(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.waiters.front_mut().and_then(|front| front.waker.take()));
    }

    /// Wakes all that wait, which stay in line.
    pub(super) fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.waiters.iter_mut().filter_map(|waiter| waiter.waker.take()));
    }

    /// Removes those at the front that are done.
    pub(super) fn release(&mut self, done: impl Fn(N) -> bool, woken: &mut Vec<Waker>) {
        while self.waiters.front().is_some_and(|front| done(front.number)) {
            let Some(waiter) = self.waiters.pop_front() else { return };
            self.forget_deadline(&waiter);
            woken.extend(waiter.waker);
        }
    }

    fn forget_deadline(&mut self, waiter: &Waiter<N>) {
        if let Some(until) = waiter.until {
            self.deadlines.remove(&(until, waiter.number));
        }
    }

    /// When the first of them gives up.
    pub(super) fn first_to_give_up(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Wakes those that give up by now, who stay in line until they do.
    pub(super) fn wake_late(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        while let Some((_, number)) = self.deadlines.first().copied().filter(|(until, _)| *until <= now) {
            self.deadlines.pop_first();
            if let Some(waiter) = self.find(number).and_then(|at| self.waiters.get_mut(at)) {
                waiter.until = None;
                woken.extend(waiter.waker.take());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };
    use std::{task::Wake, time::Duration};

    use super::*;

    /// Notes which of the waiters were woken, a bit each.
    struct Woken(Arc<AtomicU64>, u64);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_or(1 << self.1, Ordering::Relaxed);
        }
    }

    /// A line of these, which give up at the second of their number, and who is woken by this.
    fn woken_by(numbers: &[u64], act: impl FnOnce(&mut Line<u64>, &mut Vec<Waker>)) -> (Vec<u64>, Option<Instant>) {
        let bits = Arc::new(AtomicU64::new(0));
        let waker = |number| Waker::from(Arc::new(Woken(Arc::clone(&bits), number)));
        let (mut line, mut woken) = (Line::default(), Vec::new());
        for &number in numbers {
            line.enter(number, Some(at(number)), None);
            line.wait(number, &waker(number));
        }
        act(&mut line, &mut woken);
        woken.into_iter().for_each(Waker::wake);
        let bits = bits.load(Ordering::Relaxed);
        ((0..64).filter(|number| bits >> number & 1 == 1).collect(), line.first_to_give_up())
    }

    fn at(second: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(second)
    }

    #[test]
    fn whoever_enters_again_has_its_old_place() {
        for numbers in [[1, 2, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
            let mut order = Vec::new();
            woken_by(&numbers, |line, _| {
                while let Some(first) = line.first() {
                    order.push(first);
                    line.leave(first);
                }
            });
            assert_eq!(order, [1, 2, 3], "{numbers:?}");
        }
    }

    #[test]
    fn who_leaves_takes_no_other_along_nor_leaves_its_deadline() {
        let all = |line: &mut Line<u64>, woken: &mut Vec<Waker>| line.wake_all(woken);
        let (woken, first) = woken_by(&[1, 2, 3], |line, woken| {
            line.leave(2);
            all(line, woken);
        });
        assert_eq!((woken, first), (vec![1, 3], Some(at(1))));
        let (woken, first) = woken_by(&[1, 2, 3], |line, woken| {
            line.release(|number| number < 3, woken);
        });
        assert_eq!((woken, first), (vec![1, 2], Some(at(3))));
        let (woken, first) = woken_by(&[1, 2, 3], |line, woken| {
            line.wake_late(at(2), woken);
        });
        assert_eq!((woken, first), (vec![1, 2], Some(at(3))));
    }
}
