//! Finding jobs by looking at ids, without reserving any.

use alloc::{boxed::Box, collections::VecDeque};

use super::{
    FoundJob, JobFilter, Progress, Queue, found,
    walk::{Walk, Way},
};
use beanstalk_proto::{
    Command, Error, JobId, Reply, Subject, TubeName,
    stats::{self, JobState, JobStats, StatsError},
};

/// The tube of the job that is put to learn how far ids have come, and deleted at once. Scans of a whole server pass over it.
pub const PROBE_TUBE: &str = "beanstalk.probe";

/// Jobs that match are looked for no further than so many ahead of what is done with them.
const AHEAD: usize = 128;

/// Which ids to look at.
#[derive(Debug)]
enum Ids {
    Range(Range),
    Walk(Walk),
}

/// All ids from one to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) next: u64,
    pub(crate) end: u64,
}

/// What was asked.
#[derive(Debug)]
enum Look {
    Peek(Queue),
    Stats(JobId, Way),
    /// The body of the first of those that wait for theirs.
    Body,
}

/// Looks at ids, and gives the jobs that match.
pub(crate) struct Finder<'f> {
    tube: Option<TubeName>,
    filter: JobFilter<'f>,
    /// Whether all statistics of what is found are read, and so what a queue begins with is looked at as well.
    needs_stats: bool,
    ids: Ids,
    /// In flight.
    looks: VecDeque<Look>,
    /// Jobs whose body is to be read, and for how many of them it was asked for.
    bodies: VecDeque<FoundJob>,
    bodies_asked: usize,
    found: VecDeque<FoundJob>,
    looked_at: u64,
}

impl<'f> Finder<'f> {
    /// Finds what matches by what its queues begin with. `at_most` bounds how many that are.
    pub(crate) fn walk(tube: TubeName, filter: JobFilter<'f>, needs_stats: bool, at_most: u64) -> Self {
        let walk = Walk::new(&filter.queues, at_most);
        Self::new(Some(tube), filter, needs_stats, Ids::Walk(walk))
    }

    /// Finds what matches among these ids, of a tube or of all of them. Without a queue in the filter jobs of any state match.
    pub(crate) fn range(tube: Option<TubeName>, filter: JobFilter<'f>, needs_stats: bool, range: Range) -> Self {
        Self::new(tube, filter, needs_stats, Ids::Range(range))
    }

    fn new(tube: Option<TubeName>, filter: JobFilter<'f>, needs_stats: bool, ids: Ids) -> Self {
        Self {
            tube,
            filter,
            needs_stats,
            ids,
            looks: VecDeque::new(),
            bodies: VecDeque::new(),
            bodies_asked: 0,
            found: VecDeque::new(),
            looked_at: 0,
        }
    }

    /// Takes the next job that matches, in the order of the ids if those of a range are looked at.
    pub(crate) fn take(&mut self) -> Option<FoundJob> {
        self.found.pop_front()
    }

    pub(crate) fn next_command(&mut self) -> Option<Command> {
        if let Some(job) = self.bodies.get(self.bodies_asked) {
            self.bodies_asked = self.bodies_asked.saturating_add(1);
            self.looks.push_back(Look::Body);
            return Some(Command::Peek { id: job.id });
        }
        if self.found.len().saturating_add(self.bodies.len()) >= AHEAD {
            return None;
        }
        let (id, way) = match &mut self.ids {
            Ids::Range(range) if range.next <= range.end && range.next != 0 => {
                let id = range.next;
                // Past the last there is 0, which is no id.
                range.next = id.wrapping_add(1);
                (id, Way::Up)
            }
            Ids::Range(_) => return None,
            Ids::Walk(walk) => match walk.next_id() {
                Some(next) => next,
                // What the queue begins with would be what was found, and is not taken yet.
                None if self.found.is_empty() && self.looks.is_empty() => {
                    let queue = walk.next_peek()?;
                    self.looks.push_back(Look::Peek(queue));
                    return Some(queue.peek());
                }
                None => return None,
            },
        };
        self.looks.push_back(Look::Stats(JobId(id), way));
        Some(Command::StatsJob { id: JobId(id) })
    }

    /// Takes the result of the oldest command.
    pub(crate) fn handle_reply(&mut self, result: Result<Reply, Error>) -> Result<(), Error> {
        let Some(look) = self.looks.pop_front() else { return Ok(()) };
        let reply = found(result).map(|reply| reply.unwrap_or(Reply::NotFound));
        match look {
            Look::Peek(queue) => self.peeked(queue, reply),
            Look::Stats(id, way) => {
                self.looked_at = self.looked_at.saturating_add(1);
                let job = match reply? {
                    Reply::Ok(body) => self.read(id, &body)?,
                    _ => None,
                };
                if let Ids::Walk(walk) = &mut self.ids {
                    walk.looked_at(way, job.is_some());
                }
                match job {
                    Some(job) if self.filter.bodies => self.bodies.push_back(job),
                    Some(job) => self.found_one(job),
                    None => {}
                }
                Ok(())
            }
            Look::Body => {
                self.bodies_asked = self.bodies_asked.saturating_sub(1);
                let job = self.bodies.pop_front();
                if let (Some(mut job), Reply::Found(read)) = (job, reply?) {
                    job.body = Some(read.body);
                    self.found_one(job);
                }
                Ok(())
            }
        }
    }

    fn peeked(&mut self, queue: Queue, reply: Result<Reply, Error>) -> Result<(), Error> {
        let Ids::Walk(walk) = &mut self.ids else { return Ok(()) };
        let id = match reply {
            Ok(Reply::Found(job)) => job.id,
            // What is too long to be read is no reason not to find it.
            Err(Error::ReplyTooBig { id: Some(id), .. }) => id,
            Ok(_) => {
                walk.queue_is_empty();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if walk.peeked(id.0, self.needs_stats) && !self.needs_stats {
            let tube = self.tube.clone().unwrap_or_default();
            self.found.push_back(FoundJob { id, tube, state: queue.state(), stats: JobStats::default(), body: None });
        }
        Ok(())
    }

    /// Reads statistics: of a job that is not meant only its tube and state, and of others all only if all are needed.
    fn read(&self, id: JobId, body: &[u8]) -> Result<Option<FoundJob>, Error> {
        let failed = |error: StatsError| Error::Stats {
            command: "stats-job",
            subject: Subject::Job(id),
            error: Box::new(error),
        };
        let value = |key| stats::value_of(body, key).ok_or_else(|| failed(StatsError::Missing { key }));
        let (tube, state) = (value("tube")?, JobState::from(value("state")?));
        let in_tube = self.tube.as_ref().map_or(PROBE_TUBE != tube, |wanted| *wanted == *tube);
        let queue = match &self.ids {
            Ids::Walk(walk) => Queue::of(&state).is_some() && Queue::of(&state) == walk.queue(),
            Ids::Range(_) => match Queue::of(&state) {
                _ if self.filter.queues.is_empty() => true,
                Some(queue) => self.filter.queues.contains(&queue),
                None => false,
            },
        };
        if !in_tube || !queue {
            return Ok(None);
        }
        let all_stats = self.needs_stats || self.filter.matches.is_some();
        let (tube, stats) = match &self.tube {
            Some(tube) if !all_stats => (tube.clone(), JobStats::default()),
            _ => {
                let stats = JobStats::decode(body).map_err(failed)?;
                (stats.tube.clone().ok_or_else(|| failed(StatsError::Missing { key: "tube" }))?, stats)
            }
        };
        Ok(Some(FoundJob { id, tube, state, stats, body: None }))
    }

    fn found_one(&mut self, job: FoundJob) {
        if self.filter.matches.as_mut().is_none_or(|matches| matches(&job)) {
            self.found.push_back(job);
        }
    }

    /// Keeps bodies with the jobs, whatever the filter looks at.
    pub(crate) const fn with_bodies(mut self, bodies: bool) -> Self {
        self.filter.bodies |= bodies;
        self
    }

    /// How far it is, with so many done.
    pub(crate) fn progress(&self, done: u64) -> Progress {
        let looked_at = self.looked_at;
        let Ids::Range(range) = &self.ids else { return Progress { done, looked_at, ..Progress::default() } };
        let looking = self.looks.iter().find_map(|look| match look {
            Look::Stats(id, _) => Some(id.0),
            _ => None,
        });
        let left = [self.found.front(), self.bodies.front()].into_iter().flatten().map(|job| job.id.0);
        let next = left.chain(looking).min().unwrap_or(range.next);
        // Past the last id there is 0.
        let ahead = range.end.checked_sub(next).filter(|_| next > 0).map_or(0, |left| left.saturating_add(1));
        Progress { done, looked_at, ahead: Some(ahead), next: Some(JobId(next)) }
    }
}

/// The functions in it are not shown.
impl core::fmt::Debug for Finder<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Finder").field("tube", &self.tube).field("ids", &self.ids).finish_non_exhaustive()
    }
}
