//! The jobs of the tube that is looked into: what its queues begin with, which is asked for again and again, and below that all others by
//! their ids, which a scan finds as far as one scrolls.

use std::{collections::BTreeMap, time::Duration};

use beanstalk_sync::{
    FoundJob, JobId, TubeName,
    stats::{JobState, JobStats},
};

use crate::verbs::tube::jobs;

/// How much of a body is kept for the table.
const PREFIX: usize = 200;
/// How many jobs are listed at most.
const LISTED: usize = 100_000;

/// A job as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) state: String,
    pub(super) priority: Option<u32>,
    pub(super) age: Option<Duration>,
    pub(super) left: Option<Duration>,
    pub(super) reserves: Option<u64>,
    /// Its body, or the beginning of it, and how long it is.
    pub(super) body: Vec<u8>,
    pub(super) length: usize,
}

/// What was found in a tube in one go.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What its queues begin with.
    pub(super) heads: Vec<Job>,
    /// What became of the jobs that were asked about; `None` is one that is gone.
    pub(super) again: Vec<(JobId, Option<JobStats>)>,
    /// What a scan has found.
    pub(super) page: Option<Page>,
    /// The job whose body was asked for, all of it.
    pub(super) whole: Option<Job>,
}

/// Jobs with an id in a range, found by a scan.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) from: JobId,
    pub(super) jobs: Vec<Job>,
    /// Where the next one begins, and what the last id is.
    pub(super) next: JobId,
    pub(super) end: JobId,
}

/// What is asked for: see [`Seen`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) tube: TubeName,
    pub(super) again: Vec<JobId>,
    /// Where the scan begins or goes on, and its last id if that is known.
    pub(super) page: Option<(JobId, Option<JobId>)>,
    pub(super) whole: Option<JobId>,
}

#[derive(Debug, Default)]
pub(super) struct Listing {
    heads: Vec<Job>,
    found: BTreeMap<JobId, Job>,
    /// Where the scan goes on, and the last id.
    scanned: Option<(JobId, JobId)>,
    /// The job that the cursor is on, and at which place it was.
    cursor: Option<JobId>,
    place: usize,
}

impl Job {
    /// With all of its body.
    pub(super) fn new(id: JobId, stats: &JobStats, body: Vec<u8>) -> Self {
        let mut job = Self {
            id,
            state: String::new(),
            priority: None,
            age: None,
            left: None,
            reserves: None,
            length: body.len(),
            body,
        };
        job.update(stats);
        job
    }

    fn update(&mut self, stats: &JobStats) {
        stats.state.as_ref().map_or("?", JobState::as_str).clone_into(&mut self.state);
        self.priority = stats.pri.map(|priority| priority.0);
        (self.age, self.left, self.reserves) = (stats.age, stats.time_left, stats.reserves);
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.body.len() == self.length
    }

    /// With what the table shows of its body.
    pub(super) fn shortened(mut self) -> Self {
        self.body.truncate(PREFIX);
        self.body.shrink_to_fit();
        self
    }
}

impl From<FoundJob> for Job {
    fn from(job: FoundJob) -> Self {
        Self::new(job.id, &job.stats, job.body.unwrap_or_default()).shortened()
    }
}

impl Listing {
    /// What the queues begin with, then the others by their ids.
    pub(super) fn rows(&self) -> Vec<&Job> {
        let others = self.found.values().filter(|job| !self.is_head(job.id));
        self.heads.iter().chain(others).collect()
    }

    pub(super) fn is_head(&self, id: JobId) -> bool {
        self.heads.iter().any(|head| head.id == id)
    }

    /// At which of these rows the cursor is.
    pub(super) fn cursor(&self, rows: &[&Job]) -> usize {
        let at = self.cursor.and_then(|id| rows.iter().position(|job| job.id == id));
        at.unwrap_or_else(|| self.place.min(rows.len().saturating_sub(1)))
    }

    pub(super) fn go(&mut self, to: impl FnOnce(usize) -> usize) {
        let rows = self.rows();
        let place = to(self.cursor(&rows)).min(rows.len().saturating_sub(1));
        (self.cursor, self.place) = (rows.get(place).map(|job| job.id), place);
    }

    /// The job that the cursor is on.
    pub(super) fn selected(&self) -> Option<&Job> {
        let rows = self.rows();
        rows.get(self.cursor(&rows)).copied()
    }

    /// What to look at while so many rows are shown from one of them on.
    pub(super) fn wants(&self, tube: &TubeName, from: usize, room: usize) -> Inside {
        let rows = self.rows();
        let again = rows.iter().skip(from).take(room).map(|job| job.id).filter(|id| !self.is_head(*id)).collect();
        // A screen ahead of what is shown.
        let more = self.is_ahead() && rows.len() < from.saturating_add(room.saturating_mul(2));
        let page = match self.scanned {
            None => Some((JobId(1), None)),
            Some((next, end)) => more.then_some((next, Some(end))),
        };
        Inside { tube: tube.clone(), again, page, whole: None }
    }

    fn is_ahead(&self) -> bool {
        self.found.len() < LISTED && self.scanned.is_none_or(|(next, end)| next <= end)
    }

    pub(super) fn take(&mut self, seen: Seen) {
        // It stays where it is, whatever comes in above.
        self.go(|place| place);
        self.heads = seen.heads;
        for (id, stats) in seen.again {
            match (stats, self.found.get_mut(&id)) {
                (Some(stats), Some(job)) => job.update(&stats),
                (None, _) => drop(self.found.remove(&id)),
                (Some(_), None) => {}
            }
        }
        if let Some(page) = seen.page
            && self.scanned.map_or(JobId(1), |(next, _)| next) == page.from
        {
            self.found.extend(page.jobs.into_iter().map(|job| (job.id, job)));
            self.scanned = Some((page.next, page.end));
        }
    }

    /// How far the scan is.
    pub(super) fn progress(&self) -> String {
        match self.scanned {
            Some((next, end)) if next <= end => {
                format!("{} with ids below {next} of {end}", jobs(self.found.len() as u64))
            }
            Some(_) => jobs(self.found.len() as u64),
            None => String::new(),
        }
    }
}
