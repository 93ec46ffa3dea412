//! What each command does.

use std::time::Duration;

use beanstalk_proto::{Command, Instant, Job, JobId, Reply, TIMEOUT_FOREVER, TubeName, stats};

use super::{
    Engine,
    jobs::{self, State},
    tubes::{Pause, TubeKey},
};

impl Engine {
    /// Runs a command. `None` is a reserve that waits.
    pub(super) fn run(&mut self, now: Instant, conn: usize, command: Command) -> Option<Reply> {
        // A put was counted when it was announced.
        if !matches!(command, Command::Put { .. }) {
            self.counters.count(command.kind());
        }
        let using = self.conns.get(conn).using;
        Some(match command {
            Command::Put { priority, delay, ttr, body } => self.put(now, conn, [priority.0, delay, ttr], body),
            Command::Reserve => return self.reserve_or_wait(now, conn, None),
            Command::ReserveWithTimeout { timeout } => {
                let timeout = (timeout != TIMEOUT_FOREVER).then(|| Duration::from_secs(timeout.into()));
                return self.reserve_or_wait(now, conn, timeout);
            }
            Command::ReserveJob { id } => self.reserve_job(now, conn, id.0),
            Command::Delete { id } => self.delete(conn, id.0),
            Command::Release { id, priority, delay } => {
                let held = self.holds(conn, id.0) && self.take(id.0, Some(conn));
                if held {
                    let job = self.jobs.known(id.0);
                    job.pri = priority.0;
                    job.delay = delay;
                    job.releases += 1;
                    self.enqueue(now, id.0, delay);
                }
                if_found(held, Reply::Released)
            }
            Command::Bury { id, priority } => {
                let held = self.holds(conn, id.0) && self.take(id.0, Some(conn));
                if held {
                    self.jobs.known(id.0).pri = priority.0;
                    self.bury(id.0);
                }
                if_found(held, Reply::Buried)
            }
            Command::Touch { id } => if_found(self.touch(now, conn, id.0), Reply::Touched),
            Command::Peek { id } => self.found(Some(id.0)),
            Command::PeekReady => self.found(self.tubes.get(using).ready.first().map(|&(_, id)| id)),
            Command::PeekDelayed => self.found(self.tubes.get(using).delayed.first().map(|&(_, id)| id)),
            Command::PeekBuried => self.found(self.tubes.get(using).buried.first().map(|&(_, id)| id)),
            Command::Kick { bound } => Reply::KickedCount(self.kick(now, using, bound)),
            Command::KickJob { id } => {
                let state = self.jobs.get(id.0).map(|job| job.state);
                let kickable = matches!(state, Some(State::Buried { .. } | State::Delayed { .. }));
                if kickable {
                    self.kick_job(now, id.0);
                }
                if_found(kickable, Reply::Kicked)
            }
            Command::Use { tube } => self.use_tube(conn, tube),
            Command::Watch { tube } => {
                let tube = self.tubes.find_or_make(tube);
                if self.conns.get(conn).watch.place(tube).is_none() {
                    self.watch(conn, tube);
                }
                self.watching(conn)
            }
            Command::Ignore { tube } => self.ignore(conn, &tube),
            Command::Stats => {
                let dialect = self.settings.dialect;
                ok(|body| self.stats(now).encode(dialect, body))
            }
            Command::StatsTube { tube } => match self.stats_tube(now, &tube) {
                Some(stats) => ok(|body| stats.encode(self.settings.dialect, body)),
                None => Reply::NotFound,
            },
            Command::StatsJob { id } => match self.stats_job(now, id) {
                Some(stats) => ok(|body| stats.encode(self.settings.dialect, body)),
                None => Reply::NotFound,
            },
            Command::ListTubes => ok(|body| stats::encode_names(self.tubes.names(), body)),
            Command::ListTubesWatched => {
                let watched = self.conns.get(conn).watch.tubes().iter().map(|&tube| &self.tubes.get(tube).name);
                ok(|body| stats::encode_names(watched, body))
            }
            Command::ListTubeUsed => Reply::Using(self.tubes.get(using).name.clone()),
            Command::PauseTube { tube, delay } => self.pause_tube(now, &tube, delay),
            Command::Quit => {
                self.drop_connection(now, conn);
                return None;
            }
        })
    }

    fn put(&mut self, now: Instant, conn: usize, [pri, delay, ttr]: [u32; 3], body: Vec<u8>) -> Reply {
        if self.conns.get(conn).announced.is_none() {
            let too_big = body.len() > self.settings.max_job_size as usize;
            self.announce_put(now, conn, too_big);
        }
        let Some((id, created)) = self.conns.get_mut(conn).announced.take() else { return Reply::JobTooBig };
        if self.draining {
            return Reply::Draining;
        }
        let tube = self.conns.get(conn).using;
        self.jobs.insert(
            id,
            jobs::Job {
                tube,
                state: State::Ready,
                pri,
                delay,
                ttr: ttr.max(1),
                created,
                body,
                reserves: 0,
                timeouts: 0,
                releases: 0,
                buries: 0,
                kicks: 0,
            },
        );
        self.tubes.hold(tube);
        self.tubes.get_mut(tube).total_jobs += 1;
        self.counters.jobs += 1;
        self.enqueue(now, id, delay);
        Reply::Inserted(JobId(id))
    }

    fn reserve_or_wait(&mut self, now: Instant, conn: usize, timeout: Option<Duration>) -> Option<Reply> {
        self.set_worker(conn);
        if let Some(reply) = self.reserve_now(now, conn) {
            return Some(reply);
        }
        let asking = self.conns.get(conn);
        if asking.deadline_soon(now) {
            return Some(Reply::DeadlineSoon);
        }
        if asking.half_closed {
            return Some(Reply::TimedOut);
        }
        self.start_waiting(conn, timeout.map(|timeout| now + timeout));
        None
    }

    fn reserve_job(&mut self, now: Instant, conn: usize, id: u64) -> Reply {
        if !self.take(id, None) {
            return Reply::NotFound;
        }
        self.set_worker(conn);
        self.reserve(now, conn, id)
    }

    fn delete(&mut self, conn: usize, id: u64) -> Reply {
        if !self.take(id, Some(conn)) {
            return Reply::NotFound;
        }
        let tube = self.jobs.known(id).tube;
        self.tubes.get_mut(tube).deletes += 1;
        self.jobs.remove(id);
        self.tubes.release(tube);
        Reply::Deleted
    }

    fn use_tube(&mut self, conn: usize, name: TubeName) -> Reply {
        let new = self.tubes.find_or_make(name.clone());
        self.tubes.hold(new);
        self.tubes.get_mut(new).using += 1;
        let old = std::mem::replace(&mut self.conns.get_mut(conn).using, new);
        self.tubes.get_mut(old).using -= 1;
        self.tubes.release(old);
        Reply::Using(name)
    }

    pub(super) fn watch(&mut self, conn: usize, tube: TubeKey) {
        self.tubes.hold(tube);
        self.tubes.get_mut(tube).watching += 1;
        self.conns.get_mut(conn).watch.push(tube);
    }

    fn ignore(&mut self, conn: usize, name: &TubeName) -> Reply {
        let place = self.tubes.find(name).and_then(|tube| self.conns.get(conn).watch.place(tube));
        let watch = &mut self.conns.get_mut(conn).watch;
        if place.is_some() && watch.len() < 2 {
            return Reply::NotIgnored;
        }
        if let Some(tube) = place.and_then(|place| watch.remove(place)) {
            self.tubes.get_mut(tube).watching -= 1;
            self.tubes.release(tube);
        }
        self.watching(conn)
    }

    fn watching(&self, conn: usize) -> Reply {
        Reply::Watching(self.conns.get(conn).watch.len() as u64)
    }

    /// A pause of 0 s is over at once: it wakes who waits, and counts.
    fn pause_tube(&mut self, now: Instant, name: &TubeName, delay: u32) -> Reply {
        let Some(tube) = self.tubes.find(name) else { return Reply::NotFound };
        self.tubes.pause(tube, Pause { seconds: delay, until: now + Duration::from_secs(delay.into()) });
        self.tubes.get_mut(tube).pauses += 1;
        Reply::Paused
    }

    fn found(&self, id: Option<u64>) -> Reply {
        match id.and_then(|id| Some((id, self.jobs.get(id)?))) {
            Some((id, job)) => Reply::Found(Job { id: JobId(id), body: job.body.clone() }),
            None => Reply::NotFound,
        }
    }

    fn holds(&self, conn: usize, id: u64) -> bool {
        matches!(self.jobs.get(id), Some(jobs::Job { state: State::Reserved { by, .. }, .. }) if *by == conn)
    }

    pub(super) fn set_producer(&mut self, conn: usize) {
        let conn = self.conns.get_mut(conn);
        self.counters.producers += u64::from(!conn.producer);
        conn.producer = true;
    }

    fn set_worker(&mut self, conn: usize) {
        let conn = self.conns.get_mut(conn);
        self.counters.workers += u64::from(!conn.worker);
        conn.worker = true;
    }
}

fn if_found(found: bool, reply: Reply) -> Reply {
    if found { reply } else { Reply::NotFound }
}

fn ok(write: impl FnOnce(&mut Vec<u8>)) -> Reply {
    let mut body = Vec::new();
    write(&mut body);
    Reply::Ok(body)
}
