//! The jobs of whole queues: what a queue begins with, and the ids around that.
//!
//! ```text
//!   peek ─▶ id ─▶ look at id + 1, id + 2, … and at id - 1, id - 2, … for as long as jobs of the queue are among them ─┐
//!     ▲                                                                                                              │
//!     └──── NOT_FOUND: the next queue ◀──────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A queue names only its first job, so that going by that alone costs the time to the server for each job. But jobs of a tube were
//! mostly put one after the other, and the ids near one are mostly its own.

use alloc::vec::{self, Vec};

use super::Queue;

/// How many ids to look at in vain, at first.
const FIRST: u32 = 32;
/// And at most, after many that were not in vain.
const MOST: u32 = 512;
/// A job that is at the beginning so often in succession is one that nothing can be done with.
const PATIENCE: u32 = 64;

/// Where an id came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

#[derive(Debug)]
pub(super) struct Walk {
    queue: Option<Queue>,
    left: vec::IntoIter<Queue>,
    up: Reach,
    down: Reach,
    /// What the queue began with last, and how often in succession.
    first: (u64, u32),
    /// How many jobs may still be found.
    at_most: u64,
}

/// How far to look in one direction.
#[derive(Debug)]
struct Reach {
    next: Option<u64>,
    /// Ids looked at that no answer has come for, and in vain since the last that was not.
    open: u32,
    vain: u32,
    hits: u32,
    /// How many of both there may be.
    allowed: u32,
    /// What `allowed` begins with.
    first: u32,
}

impl Reach {
    const NEW: Self = Self { next: None, open: 0, vain: 0, hits: 0, allowed: 0, first: FIRST };

    /// Begins at an id, with more confidence if there was something last time.
    fn begin(&mut self, next: Option<u64>) {
        if self.allowed > 0 {
            self.first = if self.hits > 0 { self.first.saturating_mul(2).min(FIRST) } else { (self.first / 2).max(1) };
        }
        *self = Self { next, allowed: self.first, first: self.first, ..Self::NEW };
    }

    const fn may_look(&self) -> bool {
        self.open.saturating_add(self.vain) < self.allowed
    }

    fn looked_at(&mut self, hit: bool) {
        self.open = self.open.saturating_sub(1);
        if hit {
            (self.vain, self.hits) = (0, self.hits.saturating_add(1));
            self.allowed = self.allowed.saturating_add(2).min(MOST);
        } else {
            self.vain = self.vain.saturating_add(1);
        }
    }
}

impl Walk {
    pub(super) fn new(queues: &[Queue], at_most: u64) -> Self {
        let mut left = Vec::from(queues).into_iter();
        Self { queue: left.next(), left, up: Reach::NEW, down: Reach::NEW, first: (0, 0), at_most }
    }

    /// The queue whose jobs are looked for.
    pub(super) const fn queue(&self) -> Option<Queue> {
        self.queue
    }

    /// The next id to look at.
    pub(super) fn next_id(&mut self) -> Option<(u64, Way)> {
        let Self { up, down, at_most, .. } = self;
        for (reach, way) in [(up, Way::Up), (down, Way::Down)] {
            if let (Some(id), true, true) = (reach.next, reach.may_look(), *at_most > 0) {
                reach.next = match way {
                    Way::Up => id.checked_add(1),
                    Way::Down => id.checked_sub(1).filter(|id| *id > 0),
                };
                reach.open = reach.open.saturating_add(1);
                return Some((id, way));
            }
        }
        None
    }

    /// The queue to peek into, once there is no id to look at; `None` at the end.
    pub(super) fn next_peek(&self) -> Option<Queue> {
        self.queue.filter(|_| self.at_most > 0)
    }

    /// Takes what an id was that was looked at.
    pub(super) fn looked_at(&mut self, way: Way, hit: bool) {
        match way {
            Way::Up => self.up.looked_at(hit),
            Way::Down => self.down.looked_at(hit),
        }
        self.at_most = self.at_most.saturating_sub(hit.into());
    }

    /// Takes what the queue begins with, which is looked at as well if it `is_unknown`. `false` if nothing can be done with it.
    pub(super) fn peeked(&mut self, id: u64, is_unknown: bool) -> bool {
        self.first = if self.first.0 == id { (id, self.first.1.saturating_add(1)) } else { (id, 0) };
        if self.first.1 >= PATIENCE {
            self.queue_is_empty();
            return false;
        }
        self.up.begin(if is_unknown { Some(id) } else { id.checked_add(1) });
        self.down.begin(id.checked_sub(1).filter(|id| *id > 0));
        if !is_unknown {
            self.at_most = self.at_most.saturating_sub(1);
        }
        true
    }

    pub(super) fn queue_is_empty(&mut self) {
        self.queue = self.left.next();
        (self.up.next, self.down.next, self.first) = (None, None, (0, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All ids that are to be looked at as long as each is in vain, or none but the first of each way is.
    fn look(walk: &mut Walk, hits: bool) -> Vec<u64> {
        let (mut ids, mut hit) = (Vec::new(), [hits; 2]);
        while let Some((id, way)) = walk.next_id() {
            ids.push(id);
            assert!(ids.len() < 1000, "there is no end");
            walk.looked_at(way, core::mem::take(&mut hit[way as usize]));
        }
        ids
    }

    #[test]
    fn ids_around_are_looked_at_less_each_time_in_vain_and_more_each_time_not() {
        let mut walk = Walk::new(&[Queue::Ready], u64::MAX);
        assert!(walk.peeked(1000, false));
        let ids = look(&mut walk, false);
        assert_eq!(ids, (1001..=1032).chain((968..=999).rev()).collect::<Vec<_>>());
        let mut looks = |from, hits| {
            assert!(walk.peeked(from, false));
            look(&mut walk, hits).len() / 2
        };
        assert_eq!([2000, 3000, 4000, 5000, 6000, 7000].map(|from| looks(from, false)), [16, 8, 4, 2, 1, 1]);
        // The one that was a job of the queue, and two more in vain than otherwise.
        let hits = [8000, 8100, 8200, 8300, 8400, 8500, 8600].map(|from| looks(from, true));
        assert_eq!(hits, [1, 2, 4, 8, 16, 32, 32].map(|first| 1 + first + 2));
    }

    #[test]
    fn ids_begin_with_1_and_what_is_peeked_is_looked_at_only_if_it_is_unknown() {
        let mut walk = Walk::new(&[Queue::Ready], u64::MAX);
        for (first, is_unknown, ids) in [(1, false, 2..34), (1, true, 1..17)] {
            assert!(walk.peeked(first, is_unknown));
            assert_eq!(look(&mut walk, false), ids.collect::<Vec<_>>());
        }
        assert!(walk.peeked(3, false));
        assert_eq!(look(&mut walk, false)[8..], [2, 1]);
    }

    #[test]
    fn no_more_is_looked_for_than_may_be_found() {
        let mut walk = Walk::new(&[Queue::Buried], 3);
        // What is unknown may be another's by now.
        assert!(walk.peeked(10, true));
        for id in 10..=12 {
            assert_eq!((walk.next_peek(), walk.next_id()), (Some(Queue::Buried), Some((id, Way::Up))));
            walk.looked_at(Way::Up, true);
        }
        assert_eq!((walk.next_peek(), walk.next_id()), (None, None));
        let mut walk = Walk::new(&[Queue::Buried], 1);
        assert!(walk.peeked(10, false));
        assert_eq!((walk.next_peek(), walk.next_id()), (None, None));
    }

    #[test]
    fn a_queue_that_begins_with_the_same_job_again_and_again_is_left() {
        let mut walk = Walk::new(&[Queue::Buried, Queue::Ready], u64::MAX);
        for _ in 0..2 * PATIENCE {
            assert!(walk.peeked(7, false) && walk.peeked(8, false));
        }
        assert!((0..PATIENCE).all(|_| walk.peeked(9, false)));
        assert!(!walk.peeked(9, false));
        assert_eq!((walk.next_id(), walk.next_peek()), (None, Some(Queue::Ready)));
    }
}
