//! What each command does.

use beanstalk_proto::{Command, Job as Body, JobId, Kind, Reply, TIMEOUT_FOREVER, TubeName};

use crate::{Job, Key, Model, Pause, SECOND, State};

impl Model {
    /// The line of a put was read.
    pub(crate) fn announce_put(&mut self, now: u64, key: Key, too_big: bool) {
        self.count(Kind::Put);
        if !too_big {
            self.conn(key).announced = Some((self.next_id, now));
            self.conn(key).producer = true;
            self.next_id += 1;
        }
    }

    pub(crate) fn command(&mut self, now: u64, key: Key, command: Command) {
        if command.kind() != Kind::Put {
            self.count(command.kind());
        }
        let used = self.conn(key).using.clone();
        let reply = match command {
            Command::Put { priority, delay, ttr, body } => self.put(now, key, (priority.0, delay, ttr.max(1)), body),
            Command::Reserve => return self.reserve_or_wait(now, key, None),
            Command::ReserveWithTimeout { timeout: TIMEOUT_FOREVER } => return self.reserve_or_wait(now, key, None),
            Command::ReserveWithTimeout { timeout } => {
                return self.reserve_or_wait(now, key, Some(now + u64::from(timeout) * SECOND));
            }
            Command::ReserveJob { id } => match self.state(id) {
                None | Some(State::Reserved { .. }) => Reply::NotFound,
                Some(_) => {
                    self.conn(key).worker = true;
                    return self.reserve(now, key, id.0);
                }
            },
            Command::Delete { id } => match self.state(id) {
                None => Reply::NotFound,
                Some(State::Reserved { by, .. }) if by != key => Reply::NotFound,
                Some(_) => {
                    let at = self.jobs.iter().position(|job| job.id == id.0).expect("it has a state");
                    let job = self.jobs.remove(at);
                    self.tube(&job.tube).deletes += 1;
                    self.drop_if_unused(&job.tube);
                    Reply::Deleted
                }
            },
            Command::Release { id, priority, delay } => self.if_held(key, id, Reply::Released, |model| {
                let job = model.job(id.0);
                job.pri = priority.0;
                job.delay = delay;
                job.releases += 1;
                model.enqueue(now, id.0, delay);
            }),
            Command::Bury { id, priority } => self.if_held(key, id, Reply::Buried, |model| {
                let order = model.next();
                let job = model.job(id.0);
                job.pri = priority.0;
                job.buries += 1;
                job.state = State::Buried { order };
            }),
            Command::Touch { id } => self.if_held(key, id, Reply::Touched, |model| {
                let job = model.job(id.0);
                let ttr = u64::from(job.ttr) * SECOND;
                if let State::Reserved { until, .. } = &mut job.state {
                    *until = now + ttr;
                }
            }),
            Command::Peek { id } => self.found(Some(id.0)),
            Command::PeekReady => self.found(self.first_ready(&used).map(|(_, id)| id)),
            Command::PeekDelayed => self.found(self.first_delayed(|job| job.tube == used).map(|(_, id)| id)),
            Command::PeekBuried => self.found(self.first_buried(&used)),
            Command::Kick { bound } => Reply::KickedCount(self.kick(now, &used, bound)),
            Command::KickJob { id } => match self.state(id) {
                Some(State::Buried { .. } | State::Delayed { .. }) => {
                    self.kick_one(now, id.0);
                    Reply::Kicked
                }
                _ => Reply::NotFound,
            },
            Command::Use { tube } => {
                self.find_or_make(&tube);
                self.conn(key).using = tube.clone();
                self.drop_if_unused(&used);
                Reply::Using(tube)
            }
            Command::Watch { tube } => {
                self.find_or_make(&tube);
                let watching = &mut self.conn(key).watching;
                if !watching.contains(&tube) {
                    watching.push(tube);
                }
                Reply::Watching(watching.len() as u64)
            }
            Command::Ignore { tube } => {
                let watching = &mut self.conn(key).watching;
                match watching.iter().position(|name| *name == tube) {
                    Some(_) if watching.len() == 1 => Reply::NotIgnored,
                    None => Reply::Watching(watching.len() as u64),
                    Some(at) => {
                        watching.swap_remove(at);
                        let left = watching.len() as u64;
                        self.drop_if_unused(&tube);
                        Reply::Watching(left)
                    }
                }
            }
            Command::PauseTube { tube, delay } => match self.tubes.iter_mut().find(|known| known.name == tube) {
                None => Reply::NotFound,
                Some(tube) => {
                    tube.pause = Some(Pause { seconds: delay, until: now + u64::from(delay) * SECOND });
                    tube.pauses += 1;
                    Reply::Paused
                }
            },
            Command::ListTubes => self.list(self.tubes.iter().map(|tube| &tube.name)),
            Command::ListTubesWatched => {
                let watching = self.conn(key).watching.clone();
                self.list(watching.iter())
            }
            Command::ListTubeUsed => Reply::Using(used),
            Command::Stats => Reply::Ok(self.stats(now).into_bytes()),
            Command::StatsTube { tube } => self.stats_tube(now, &tube),
            Command::StatsJob { id } => self.stats_job(now, id),
            Command::Quit => return self.disconnect(now, key),
        };
        self.reply(key, reply);
    }

    fn put(&mut self, now: u64, key: Key, (pri, delay, ttr): (u32, u32, u32), body: Vec<u8>) -> Reply {
        if self.conn(key).announced.is_none() {
            self.announce_put(now, key, body.len() > self.max_job_size as usize);
        }
        let Some((id, created)) = self.conn(key).announced.take() else { return Reply::JobTooBig };
        if self.draining {
            return Reply::Draining;
        }
        let tube = self.conn(key).using.clone();
        self.tube(&tube).total_jobs += 1;
        self.total_jobs += 1;
        self.jobs.push(Job {
            id,
            tube,
            state: State::Ready,
            pri,
            delay,
            ttr,
            created,
            body,
            reserves: 0,
            timeouts: 0,
            releases: 0,
            buries: 0,
            kicks: 0,
        });
        self.enqueue(now, id, delay);
        Reply::Inserted(JobId(id))
    }

    fn reserve_or_wait(&mut self, now: u64, key: Key, until: Option<u64>) {
        self.conn(key).worker = true;
        let soon = self.deadline_soon(now, key);
        let watching = self.conn(key).watching.clone();
        if soon && !watching.iter().any(|tube| self.first_ready(tube).is_some()) {
            return self.reply(key, Reply::DeadlineSoon);
        }
        self.start_waiting(key, until);
        self.serve_waiters(now);
        if self.is_waiting(key) && self.conn(key).half_closed {
            self.stop_waiting(key);
            self.reply(key, if soon { Reply::DeadlineSoon } else { Reply::TimedOut });
        }
    }

    fn enqueue(&mut self, now: u64, id: u64, delay: u32) {
        match delay {
            0 => self.make_ready(now, id),
            _ => self.job(id).state = State::Delayed { until: now + u64::from(delay) * SECOND },
        }
    }

    /// The buried jobs of a tube, or if there are none, the delayed ones.
    fn kick(&mut self, now: u64, tube: &TubeName, bound: u32) -> u64 {
        let buried = self.first_buried(tube).is_some();
        let mut kicked = 0;
        while kicked < u64::from(bound) {
            let next = match buried {
                true => self.first_buried(tube),
                false => self.first_delayed(|job| job.tube == *tube).map(|(_, id)| id),
            };
            let Some(id) = next else { break };
            self.kick_one(now, id);
            kicked += 1;
        }
        kicked
    }

    fn kick_one(&mut self, now: u64, id: u64) {
        self.job(id).kicks += 1;
        self.make_ready(now, id);
    }

    fn if_held(&mut self, key: Key, id: JobId, reply: Reply, then: impl FnOnce(&mut Self)) -> Reply {
        match self.state(id) {
            Some(State::Reserved { by, .. }) if by == key => {
                then(self);
                reply
            }
            _ => Reply::NotFound,
        }
    }

    fn state(&self, id: JobId) -> Option<State> {
        self.jobs.iter().find(|job| job.id == id.0).map(|job| job.state)
    }

    fn found(&self, id: Option<u64>) -> Reply {
        match self.jobs.iter().find(|job| Some(job.id) == id) {
            Some(job) => Reply::Found(Body { id: JobId(job.id), body: job.body.clone() }),
            None => Reply::NotFound,
        }
    }
}
