//! Who waits for a job, and who gets which.

use beanstalk_proto::{Job as Body, JobId, Reply};

use crate::{Key, Model, SECOND, State};

/// Those who wait for a job of a tube, as beanstalkd keeps them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiters {
    pub(crate) list: Vec<Key>,
    /// Where the next one is taken from.
    at: usize,
}

impl Model {
    pub(crate) fn make_ready(&mut self, now: u64, id: u64) {
        self.job(id).state = State::Ready;
        self.serve_waiters(now);
    }

    /// Hands out jobs for as long as there is one that somebody waits for.
    pub(crate) fn serve_waiters(&mut self, now: u64) {
        loop {
            let mut best = None;
            for at in 0..self.tubes.len() {
                let tube = &mut self.tubes[at];
                if tube.pause.is_some_and(|pause| pause.until > now) {
                    continue;
                }
                tube.pause = None;
                let (awaited, name) = (!tube.waiting.list.is_empty(), tube.name.clone());
                if let (true, Some((pri, id))) = (awaited, self.first_ready(&name)) {
                    best = best.into_iter().chain([(pri, id, at)]).min();
                }
            }
            let Some((_, id, at)) = best else { return };
            let waiting = &mut self.tubes[at].waiting;
            waiting.at %= waiting.list.len();
            let key = waiting.list.swap_remove(waiting.at);
            waiting.at += 1;
            self.stop_waiting(key);
            self.reserve(now, key, id);
        }
    }

    pub(crate) fn reserve(&mut self, now: u64, key: Key, id: u64) {
        let order = self.next();
        let job = self.job(id);
        job.state = State::Reserved { by: key, until: now + u64::from(job.ttr) * SECOND, order };
        job.reserves += 1;
        let body = Body { id: JobId(id), body: job.body.clone() };
        self.reply(key, Reply::Reserved(body));
    }

    pub(crate) fn start_waiting(&mut self, key: Key, until: Option<u64>) {
        self.conn(key).waits = Some(until);
        for name in self.conn(key).watching.clone() {
            self.tube(&name).waiting.list.push(key);
        }
    }

    pub(crate) fn stop_waiting(&mut self, key: Key) {
        if self.conn(key).waits.take().is_none() {
            return;
        }
        for name in self.conn(key).watching.clone() {
            let list = &mut self.tube(&name).waiting.list;
            if let Some(at) = list.iter().position(|&waits| waits == key) {
                list.swap_remove(at);
            }
        }
    }
}
