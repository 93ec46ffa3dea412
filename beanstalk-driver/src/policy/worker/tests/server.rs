//! As much of a server as a slot of a worker can tell from a real one.

use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::time::Duration;

use beanstalk_proto::{Command, Dialect, Instant, Job, JobId, Priority, Reply, TubeName, stats::JobStats};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Delayed(Instant),
    /// By which connection, and until when.
    Reserved(u64, Instant),
    Buried,
    Deleted,
}

#[derive(Clone, Debug)]
pub(super) struct ServerJob {
    pub(super) body: Vec<u8>,
    pub(super) state: State,
    pub(super) priority: Priority,
    pub(super) ttr: Duration,
    pub(super) since: Instant,
    pub(super) reserves: u64,
    pub(super) releases: u64,
    pub(super) timeouts: u64,
    pub(super) buries: u64,
    pub(super) kicks: u64,
    /// How many verdicts the server has carried out, and how many handlers have run for it.
    pub(super) finished: u64,
    pub(super) ran: u64,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) jobs: BTreeMap<JobId, ServerJob>,
    pub(super) out_of_memory: bool,
    pub(super) draining: bool,
    /// Has no memory to release jobs.
    pub(super) buries_releases: bool,
    /// The tube in use, and what was put there: nobody reserves from it.
    pub(super) used: Option<TubeName>,
    pub(super) dead: Vec<(TubeName, Vec<u8>, Priority, u32)>,
}

impl Server {
    pub(super) fn put(&mut self, ttr: u64, priority: u32, now: Instant) -> JobId {
        let id = JobId(self.jobs.len() as u64 + 1);
        let job = ServerJob {
            body: alloc::format!("body {id}").into_bytes(),
            state: State::Ready,
            priority: Priority(priority),
            ttr: Duration::from_secs(ttr),
            since: now,
            reserves: 0,
            releases: 0,
            timeouts: 0,
            buries: 0,
            kicks: 0,
            finished: 0,
            ran: 0,
        };
        self.jobs.insert(id, job);
        id
    }

    /// Lets delays and ttrs end; gives the jobs whose ttr did, and who held them.
    pub(super) fn pass_time(&mut self, now: Instant) -> Vec<(JobId, u64)> {
        let mut expired = vec![];
        for (&id, job) in &mut self.jobs {
            match job.state {
                State::Delayed(at) if at <= now => job.state = State::Ready,
                State::Reserved(holder, at) if at <= now => {
                    job.state = State::Ready;
                    job.timeouts += 1;
                    expired.push((id, holder));
                }
                _ => {}
            }
        }
        expired
    }

    /// When that happens next.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let times = self.jobs.values().filter_map(|job| match job.state {
            State::Delayed(at) | State::Reserved(_, at) => Some(at),
            _ => None,
        });
        times.min()
    }

    pub(super) fn reserve(&mut self, connection: u64, now: Instant) -> Option<Job> {
        let ready = self.jobs.iter_mut().filter(|(_, job)| job.state == State::Ready);
        let (&id, job) = ready.min_by_key(|(id, job)| (job.priority, **id))?;
        job.state = State::Reserved(connection, now + job.ttr);
        job.reserves += 1;
        Some(Job { id, body: job.body.clone() })
    }

    /// It has forgotten all its jobs, and others with equal bodies have got their ids.
    pub(super) fn replace(&mut self, now: Instant) {
        for job in self.jobs.values_mut() {
            let (body, priority, ttr) = (job.body.clone(), job.priority, job.ttr);
            let state = State::Ready;
            *job = ServerJob {
                body,
                state,
                priority,
                ttr,
                since: now,
                reserves: 0,
                releases: 0,
                timeouts: 0,
                buries: 0,
                kicks: 0,
                finished: 0,
                ran: 0,
            };
        }
    }

    /// The connection is gone: what it held is ready again.
    pub(super) fn close(&mut self, connection: u64) {
        self.used = None;
        for job in self.jobs.values_mut() {
            if matches!(job.state, State::Reserved(holder, _) if holder == connection) {
                job.state = State::Ready;
            }
        }
    }

    /// Carries out a command of this connection.
    pub(super) fn serve(&mut self, connection: u64, command: Command, now: Instant) -> Reply {
        if self.out_of_memory && !matches!(command, Command::Watch { .. } | Command::Ignore { .. }) {
            return Reply::OutOfMemory;
        }
        let id = match command {
            Command::Use { tube } => {
                self.used = Some(tube.clone());
                return Reply::Using(tube);
            }
            Command::Put { .. } if self.draining => return Reply::Draining,
            Command::Put { priority, ttr, body, .. } => {
                let tube = self.used.clone().expect("a tube of its own");
                self.dead.push((tube, body, priority, ttr));
                return Reply::Inserted(JobId(1000 + self.dead.len() as u64));
            }
            Command::Watch { .. } | Command::Ignore { .. } => return Reply::Watching(1),
            Command::Delete { id } | Command::Release { id, .. } | Command::Bury { id, .. } => id,
            Command::Touch { id } | Command::StatsJob { id } | Command::Peek { id } | Command::ReserveJob { id } => id,
            command => panic!("a worker has no business to say {command:?}"),
        };
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.state != State::Deleted) else {
            return Reply::NotFound;
        };
        let ours = matches!(job.state, State::Reserved(holder, _) if holder == connection);
        let held = matches!(job.state, State::Reserved(..));
        match command {
            Command::StatsJob { .. } => {
                let age = now.saturating_duration_since(job.since).as_secs();
                let stats = JobStats {
                    tube: Some(TubeName::default()),
                    age: Some(Duration::from_secs(age)),
                    reserves: Some(job.reserves),
                    pri: Some(job.priority),
                    ttr: Some(job.ttr),
                    releases: Some(job.releases),
                    timeouts: Some(job.timeouts),
                    buries: Some(job.buries),
                    kicks: Some(job.kicks),
                    ..JobStats::default()
                };
                let mut body = vec![];
                stats.encode(Dialect::default(), &mut body);
                return Reply::Ok(body);
            }
            Command::Peek { .. } => return Reply::Found(Job { id, body: job.body.clone() }),
            Command::ReserveJob { .. } if !held => {
                job.state = State::Reserved(connection, now + job.ttr);
                return Reply::Reserved(Job { id, body: job.body.clone() });
            }
            _ if !ours => return Reply::NotFound,
            Command::Touch { .. } => {
                job.state = State::Reserved(connection, now + job.ttr);
                return Reply::Touched;
            }
            _ => {}
        }
        job.finished += 1;
        match command {
            Command::Release { .. } if self.buries_releases => {
                job.state = State::Buried;
                Reply::Buried
            }
            Command::Release { priority, delay, .. } => {
                assert_eq!(priority, job.priority, "a released job keeps its priority");
                job.releases += 1;
                job.state = State::Delayed(now + Duration::from_secs(delay.into()));
                Reply::Released
            }
            Command::Bury { priority, .. } => {
                assert_eq!(priority, job.priority, "a buried job keeps its priority");
                job.buries += 1;
                job.state = State::Buried;
                Reply::Buried
            }
            _ => {
                job.state = State::Deleted;
                Reply::Deleted
            }
        }
    }
}
