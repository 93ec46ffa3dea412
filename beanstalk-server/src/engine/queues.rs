//! Jobs on their way between ready, delayed, reserved and buried; and who gets them.
//!
//! Between two calls no tube that is not paused has both a ready job and a connection that waits for it. So a job that
//! becomes ready can only be awaited in its own tube, and a connection that begins to wait can only be served from the
//! tubes it watches: nothing here looks at all tubes or all connections.

use std::{cmp::Reverse, collections::BinaryHeap};

use beanstalk_proto::{Instant, Job, JobId, Priority, Reply};

use super::{Engine, conns::Waiting, jobs::State, tubes::TubeKey, waiters::Waiter};

impl Engine {
    /// Makes a job ready, or delayed, and lets it be served.
    pub(super) fn enqueue(&mut self, now: Instant, id: u64, delay: u32) {
        if delay > 0 {
            let until = now + seconds(delay);
            let job = self.jobs.known(id);
            job.state = State::Delayed { until };
            self.tubes.get_mut(job.tube).delayed.insert((until, id));
            self.jobs.delayed.insert((until, id));
        } else {
            let tube = self.push_ready(id);
            self.serve(now, tube);
        }
    }

    /// Makes a job ready, and gives its tube.
    fn push_ready(&mut self, id: u64) -> TubeKey {
        let job = self.jobs.known(id);
        job.state = State::Ready;
        let tube = self.tubes.get_mut(job.tube);
        tube.ready.insert((job.pri, id));
        self.counters.ready += 1;
        if job.pri < Priority::URGENT_BELOW.0 {
            tube.urgent += 1;
            self.counters.urgent += 1;
        }
        job.tube
    }

    /// Takes a job out of whatever queue it is in, unless another connection holds it.
    pub(super) fn take(&mut self, id: u64, holder: Option<usize>) -> bool {
        let Some(job) = self.jobs.get(id) else { return false };
        let (key, pri) = (job.tube, job.pri);
        let tube = self.tubes.get_mut(key);
        match job.state {
            State::Ready => {
                tube.ready.remove(&(pri, id));
                self.left_ready(key, pri);
            }
            State::Delayed { until } => {
                tube.delayed.remove(&(until, id));
                self.jobs.delayed.remove(&(until, id));
            }
            State::Buried { order } => {
                tube.buried.remove(&(order, id));
                self.counters.buried -= 1;
            }
            State::Reserved { by, until, order } if holder == Some(by) => {
                tube.reserved -= 1;
                self.counters.reserved -= 1;
                self.conns.get_mut(by).reserved.remove(&(until, order));
                self.conns.schedule(by);
            }
            State::Reserved { .. } => return false,
        }
        true
    }

    fn left_ready(&mut self, tube: TubeKey, pri: u32) {
        self.counters.ready -= 1;
        if pri < Priority::URGENT_BELOW.0 {
            self.tubes.get_mut(tube).urgent -= 1;
            self.counters.urgent -= 1;
        }
    }

    pub(super) fn bury(&mut self, id: u64) {
        let order = self.counters.next_order();
        let job = self.jobs.known(id);
        job.state = State::Buried { order };
        job.buries += 1;
        self.tubes.get_mut(job.tube).buried.insert((order, id));
        self.counters.buried += 1;
    }

    /// Gives a job that is in no queue to a connection.
    pub(super) fn reserve(&mut self, now: Instant, conn: usize, id: u64) -> Reply {
        let order = self.counters.next_order();
        let job = self.jobs.known(id);
        let until = now + seconds(job.ttr);
        job.state = State::Reserved { by: conn, until, order };
        job.reserves += 1;
        self.tubes.get_mut(job.tube).reserved += 1;
        self.counters.reserved += 1;
        self.conns.get_mut(conn).reserved.insert((until, order), id);
        self.conns.schedule(conn);
        Reply::Reserved(Job { id: JobId(id), body: job.body.clone() })
    }

    /// `touch`: the whole ttr again.
    pub(super) fn touch(&mut self, now: Instant, conn: usize, id: u64) -> bool {
        let Some(State::Reserved { by, until, order }) = self.jobs.get(id).map(|job| job.state) else { return false };
        if by != conn {
            return false;
        }
        let job = self.jobs.known(id);
        let later = now + seconds(job.ttr);
        job.state = State::Reserved { by, until: later, order };
        let held = &mut self.conns.get_mut(conn).reserved;
        held.remove(&(until, order));
        held.insert((later, order), id);
        self.conns.schedule(conn);
        true
    }

    /// Makes at most `bound` jobs of a tube ready: buried ones, or if there are none, delayed ones.
    pub(super) fn kick(&mut self, now: Instant, tube: TubeKey, bound: u32) -> u64 {
        let buried = !self.tubes.get(tube).buried.is_empty();
        let mut kicked = 0;
        while kicked < u64::from(bound) {
            let tube = self.tubes.get(tube);
            let first =
                if buried { tube.buried.first().map(|&(_, id)| id) } else { tube.delayed.first().map(|&(_, id)| id) };
            let Some(id) = first else { break };
            self.kick_job(now, id);
            kicked += 1;
        }
        kicked
    }

    /// Makes one job that is buried or delayed ready.
    pub(super) fn kick_job(&mut self, now: Instant, id: u64) {
        self.take(id, None);
        self.jobs.known(id).kicks += 1;
        self.enqueue(now, id, 0);
    }

    /// A connection goes: what it held becomes ready, in the order in which it was reserved.
    pub(super) fn put_back_reserved(&mut self, now: Instant, conn: usize) {
        let held = &self.conns.get(conn).reserved;
        let mut held: Vec<(u64, u64)> = held.iter().map(|(&(_, order), &id)| (order, id)).collect();
        held.sort_unstable();
        for (_, id) in held {
            self.take(id, Some(conn));
            self.enqueue(now, id, 0);
        }
    }

    /// Serves the connections that wait for one tube, as long as it has jobs.
    fn serve(&mut self, now: Instant, key: TubeKey) {
        while self.serve_one(now, key) {}
    }

    /// Serves several tubes that became ready at the same moment: of all their jobs the best one first.
    fn serve_all(&mut self, now: Instant, tubes: &[TubeKey]) {
        if let &[only] = tubes {
            return self.serve(now, only);
        }
        let best = |engine: &Self, key: TubeKey| {
            let tube = engine.tubes.get(key);
            tube.available().filter(|_| tube.is_awaited()).map(|(pri, id)| Reverse((pri, id, key)))
        };
        let mut heap: BinaryHeap<_> = tubes.iter().filter_map(|&key| best(self, key)).collect();
        // Serving one tube takes its waiter from the others, so each is looked at anew when its turn comes.
        while let Some(first) = heap.pop() {
            let Reverse((_, _, key)) = first;
            if best(self, key) == Some(first) {
                self.serve_one(now, key);
            }
            heap.extend(best(self, key));
        }
    }

    /// Gives the best job of a tube to the connection whose turn it is. Returns whether there were both.
    fn serve_one(&mut self, now: Instant, key: TubeKey) -> bool {
        let tube = self.tubes.get_mut(key);
        let Some((pri, id)) = tube.available() else { return false };
        let Some(Waiter { conn, .. }) = tube.waiters.choose() else { return false };
        tube.ready.pop_first();
        self.left_ready(key, pri);
        self.stop_waiting(conn);
        let reply = self.reserve(now, conn, id);
        self.replies.push_back((self.conns.id(conn), reply));
        true
    }

    /// Takes the best job of the watched tubes, if there is any.
    pub(super) fn reserve_now(&mut self, now: Instant, conn: usize) -> Option<Reply> {
        let watched = self.conns.get(conn).watch.tubes();
        let best = watched.iter().filter_map(|&key| self.tubes.get(key).available().map(|best| (best, key))).min();
        let ((pri, id), key) = best?;
        let tube = self.tubes.get_mut(key);
        tube.ready.pop_first();
        // No connection waits for a tube that has jobs, so the connection would have been the only one.
        tube.waiters.pass_through();
        self.left_ready(key, pri);
        Some(self.reserve(now, conn, id))
    }

    pub(super) fn start_waiting(&mut self, conn: usize, until: Option<Instant>) {
        let waiting = self.conns.get_mut(conn);
        waiting.waiting = Some(Waiting { until });
        for (watch, &tube) in waiting.watch.tubes().iter().enumerate() {
            let place = self.tubes.get_mut(tube).waiters.push(Waiter { conn, watch });
            waiting.places.push(place);
        }
        self.counters.waiting += 1;
        self.conns.schedule(conn);
    }

    /// Returns whether it did wait.
    pub(super) fn stop_waiting(&mut self, conn: usize) -> bool {
        if self.conns.get_mut(conn).waiting.take().is_none() {
            return false;
        }
        let mut places = std::mem::take(&mut self.conns.get_mut(conn).places);
        for (watch, &place) in places.iter().enumerate() {
            let tube = self.conns.get(conn).watch.tubes()[watch];
            if let Some(moved) = self.tubes.get_mut(tube).waiters.remove(place) {
                self.conns.get_mut(moved.conn).places[moved.watch] = place;
            }
        }
        places.clear();
        self.conns.get_mut(conn).places = places;
        self.counters.waiting -= 1;
        self.conns.schedule(conn);
        true
    }

    /// Deals with what is due: delays, then pauses, then connections.
    pub(super) fn tick(&mut self, now: Instant) {
        // Pauses that are over end before the first job is given away, those of other tubes too.
        let mut awaited = Vec::new();
        while let Some(tube) = self.tubes.unpause_one(now) {
            awaited.push(tube);
        }
        while let Some(&(_, id)) = self.jobs.delayed.first().filter(|&&(until, _)| until <= now) {
            self.take(id, None);
            let tube = self.push_ready(id);
            awaited.push(tube);
            self.serve_all(now, &awaited);
            awaited.clear();
        }
        self.serve_all(now, &awaited);
        while let Some((at, conn)) = self.conns.first_tick().filter(|&(at, _)| at <= now) {
            self.tick_connection(now, conn);
            debug_assert_ne!(self.conns.first_tick(), Some((at, conn)), "what was due is done, or this never ends");
        }
    }

    /// A connection's tick is due: its held jobs have expired, or are about to while it waits, or its wait is over.
    fn tick_connection(&mut self, now: Instant, conn: usize) {
        let deadline_soon = self.conns.get(conn).deadline_soon(now);
        while let Some((&(until, _), &id)) = self.conns.get(conn).reserved.first_key_value() {
            if until > now {
                break;
            }
            self.take(id, Some(conn));
            self.counters.timeouts += 1;
            self.jobs.known(id).timeouts += 1;
            self.enqueue(now, id, 0);
        }
        // It may have been given one of those jobs, and wait no longer.
        if self.stop_waiting(conn) {
            let reply = if deadline_soon { Reply::DeadlineSoon } else { Reply::TimedOut };
            self.replies.push_back((self.conns.id(conn), reply));
        }
    }
}

fn seconds(seconds: u32) -> std::time::Duration {
    std::time::Duration::from_secs(seconds.into())
}
