//! What beanstalkd does, written down as plainly as can be, for tests to compare the real engine with.
//!
//! Everything is kept once, in lists, and found by looking through all of it: a job has its tube, its state and its numbers,
//! and whatever else there is to know is counted when it is asked for. Slow, and hard to get wrong. It was written from the
//! protocol's description and from what beanstalkd does, not from the engine.
//!
//! The order in which beanstalkd serves those who wait, and lists tubes, comes from arrays in which the last entry fills the
//! hole that a removed one leaves. That can be seen from outside, so it is copied here.
//!
//! ```
//! use beanstalk_model::Model;
//! use beanstalk_proto::{Command, Instant, JobId, Priority, Reply, server::Event};
//!
//! let (now, worker, producer) = (Instant::ZERO, 0, 1);
//! let mut model = Model::new(now);
//! model.connect(now, worker);
//! model.connect(now, producer);
//! model.handle_event(now, worker, Event::Command(Command::Reserve));
//! let put = Command::Put { priority: Priority(0), delay: 0, ttr: 60, body: b"hello".to_vec() };
//! model.handle_event(now, producer, Event::Command(put));
//! let replies = model.take_replies();
//! assert!(matches!(replies[..], [(0, Reply::Reserved(_)), (1, Reply::Inserted(JobId(1)))]));
//! ```

mod commands;
mod stats;
mod time;
mod waiting;

use std::collections::HashMap;

use beanstalk_proto::{Dialect, Instant, JobId, Kind, Reply, TubeName, server::Event};

use crate::waiting::Waiters;

/// Names a connection. The caller chooses; of two connections to which something happens at the same moment, the one with the
/// lower number comes first.
pub type Key = usize;

const SECOND: u64 = 1_000_000_000;

/// A server.
#[derive(Clone, Debug)]
pub struct Model {
    /// The release it speaks as.
    pub dialect: Dialect,
    /// The longest body it takes.
    pub max_job_size: u32,
    /// Whether it refuses new jobs.
    pub draining: bool,
    started: u64,
    next_id: u64,
    /// Numbers what happens, for what is kept in the order of happening.
    happened: u64,
    tubes: Vec<Tube>,
    jobs: Vec<Job>,
    conns: Vec<Conn>,
    counts: HashMap<Kind, u64>,
    timeouts: u64,
    total_jobs: u64,
    total_connections: u64,
    replies: Vec<(Key, Reply)>,
}

#[derive(Clone, Debug)]
struct Tube {
    name: TubeName,
    waiting: Waiters,
    pause: Option<Pause>,
    total_jobs: u64,
    deletes: u64,
    pauses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    seconds: u32,
    until: u64,
}

#[derive(Clone, Debug)]
struct Job {
    id: u64,
    tube: TubeName,
    state: State,
    pri: u32,
    delay: u32,
    ttr: u32,
    created: u64,
    body: Vec<u8>,
    reserves: u64,
    timeouts: u64,
    releases: u64,
    buries: u64,
    kicks: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Delayed { until: u64 },
    Reserved { by: Key, until: u64, order: u64 },
    Buried { order: u64 },
}

#[derive(Clone, Debug)]
struct Conn {
    key: Key,
    using: TubeName,
    watching: Vec<TubeName>,
    /// A reserve that waits, until then or without end.
    waits: Option<Option<u64>>,
    half_closed: bool,
    producer: bool,
    worker: bool,
    /// The id and the time that a put was given before its body came.
    announced: Option<(u64, u64)>,
}

impl Model {
    /// A server that starts now, with the settings of the public fields as beanstalkd has them.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let mut model = Self {
            dialect: Dialect::default(),
            max_job_size: 65535,
            draining: false,
            started: now.as_nanos(),
            next_id: 1,
            happened: 0,
            tubes: Vec::new(),
            jobs: Vec::new(),
            conns: Vec::new(),
            counts: HashMap::new(),
            timeouts: 0,
            total_jobs: 0,
            total_connections: 0,
            replies: Vec::new(),
        };
        model.find_or_make(&TubeName::default());
        model
    }

    /// Somebody connects, and is called this from now on.
    pub fn connect(&mut self, now: Instant, key: Key) {
        self.handle_timeout(now);
        assert!(self.conns.iter().all(|conn| conn.key != key), "{key} is connected already");
        self.total_connections += 1;
        self.conns.push(Conn {
            key,
            using: TubeName::default(),
            watching: vec![TubeName::default()],
            waits: None,
            half_closed: false,
            producer: false,
            worker: false,
            announced: None,
        });
    }

    /// A connection sends something.
    pub fn handle_event(&mut self, now: Instant, key: Key, event: Event) {
        self.handle_timeout(now);
        let time = now.as_nanos();
        match event {
            Event::PutAnnounced { too_big } => self.announce_put(time, key, too_big),
            Event::Command(command) => self.command(time, key, command),
            Event::Refused(refused) => {
                self.conn(key).announced = None;
                if let (true, Some(kind)) = (refused.counted, refused.kind) {
                    self.count(kind);
                }
                self.reply(key, refused.reply);
            }
            Event::HalfClosed => {
                self.conn(key).half_closed = true;
                if self.is_waiting(key) {
                    self.stop_waiting(key);
                    self.reply(key, Reply::TimedOut);
                }
            }
            Event::Closed => self.disconnect(time, key),
        }
        self.handle_timeout(now);
    }

    /// The replies since this was last asked, oldest first.
    pub fn take_replies(&mut self) -> Vec<(Key, Reply)> {
        std::mem::take(&mut self.replies)
    }

    /// Whether a connection waits in a reserve.
    #[must_use]
    pub fn is_waiting(&self, key: Key) -> bool {
        self.conns.iter().any(|conn| conn.key == key && conn.waits.is_some())
    }

    /// The ids of all jobs, in the order in which they were put.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.jobs.iter().map(|job| JobId(job.id))
    }

    /// The connection that holds a job.
    #[must_use]
    pub fn holder(&self, id: JobId) -> Option<Key> {
        self.jobs.iter().find(|job| job.id == id.0).and_then(|job| match job.state {
            State::Reserved { by, .. } => Some(by),
            _ => None,
        })
    }

    fn disconnect(&mut self, now: u64, key: Key) {
        self.stop_waiting(key);
        while let Some(id) = self.held(key).min_by_key(|&(_, order, _)| order).map(|(.., id)| id) {
            self.make_ready(now, id);
        }
        let at = self.conns.iter().position(|conn| conn.key == key).expect("it is connected");
        let mut gone = self.conns.swap_remove(at);
        while !gone.watching.is_empty() {
            let name = gone.watching.swap_remove(0);
            // Until now this connection kept it.
            if !gone.watching.contains(&name) && gone.using != name {
                self.drop_if_unused(&name);
            }
        }
        self.drop_if_unused(&gone.using);
    }

    /// The jobs a connection holds: deadline, order of reserving, id.
    fn held(&self, key: Key) -> impl Iterator<Item = (u64, u64, u64)> {
        self.jobs.iter().filter_map(move |job| match job.state {
            State::Reserved { by, until, order } if by == key => Some((until, order, job.id)),
            _ => None,
        })
    }

    fn first_delayed(&self, wanted: impl Fn(&Job) -> bool) -> Option<(u64, u64)> {
        let delayed = self.jobs.iter().filter(|job| wanted(job)).filter_map(|job| match job.state {
            State::Delayed { until } => Some((until, job.id)),
            _ => None,
        });
        delayed.min()
    }

    fn first_ready(&self, tube: &TubeName) -> Option<(u32, u64)> {
        let ready = self.jobs.iter().filter(|job| job.tube == *tube && job.state == State::Ready);
        ready.map(|job| (job.pri, job.id)).min()
    }

    fn first_buried(&self, tube: &TubeName) -> Option<u64> {
        let buried = self.jobs.iter().filter(|job| job.tube == *tube).filter_map(|job| match job.state {
            State::Buried { order } => Some((order, job.id)),
            _ => None,
        });
        buried.min().map(|(_, id)| id)
    }

    fn find_or_make(&mut self, name: &TubeName) {
        if self.tubes.iter().all(|tube| tube.name != *name) {
            self.tubes.push(Tube {
                name: name.clone(),
                waiting: Waiters::default(),
                pause: None,
                total_jobs: 0,
                deletes: 0,
                pauses: 0,
            });
        }
    }

    /// A tube goes when no job is in it and nobody uses or watches it.
    fn drop_if_unused(&mut self, name: &TubeName) {
        let kept = *name == TubeName::default()
            || self.jobs.iter().any(|job| job.tube == *name)
            || self.conns.iter().any(|conn| conn.using == *name || conn.watching.contains(name));
        if !kept {
            if let Some(at) = self.tubes.iter().position(|tube| tube.name == *name) {
                self.tubes.swap_remove(at);
            }
        }
    }

    fn tube(&mut self, name: &TubeName) -> &mut Tube {
        self.tubes.iter_mut().find(|tube| tube.name == *name).expect("a tube in use exists")
    }

    fn job(&mut self, id: u64) -> &mut Job {
        self.jobs.iter_mut().find(|job| job.id == id).expect("it was found before")
    }

    fn conn(&mut self, key: Key) -> &mut Conn {
        self.conns.iter_mut().find(|conn| conn.key == key).expect("it is connected")
    }

    fn next(&mut self) -> u64 {
        self.happened += 1;
        self.happened
    }

    fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind).or_default() += 1;
    }

    fn reply(&mut self, key: Key, reply: Reply) {
        self.replies.push((key, reply));
    }
}
