//! The jobs, by id and by the time their delay ends.

use std::collections::{BTreeMap, BTreeSet};

use beanstalk_proto::Instant;

use super::tubes::TubeKey;

/// Where a job is in its life.
///
/// ```text
///   put ─┬─▶ Ready ◀──────┬── reserve ──▶ Reserved ── delete ──▶ gone
///        │     ▲          │                │  │  │
///        │     │ time     └── ttr over, ───┘  │  └─ bury ──▶ Buried ── kick ──▶ Ready
///        └─▶ Delayed ◀──── release, closed ───┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Delayed {
        until: Instant,
    },
    Reserved {
        by: usize,
        until: Instant,
        /// Counts reservations, so that a connection's jobs can be put back in the order it got them.
        order: u64,
    },
    Buried {
        /// Counts burials: the first buried is the first kicked.
        order: u64,
    },
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) tube: TubeKey,
    pub(super) state: State,
    pub(super) pri: u32,
    /// As it was put or released with, in seconds; it outlives a kick.
    pub(super) delay: u32,
    pub(super) ttr: u32,
    pub(super) created: Instant,
    pub(super) body: Vec<u8>,
    pub(super) reserves: u32,
    pub(super) timeouts: u32,
    pub(super) releases: u32,
    pub(super) buries: u32,
    pub(super) kicks: u32,
}

#[derive(Debug, Default)]
pub(super) struct Jobs {
    by_id: BTreeMap<u64, Box<Job>>,
    last_id: u64,
    /// Every delayed job, over all tubes.
    pub(super) delayed: BTreeSet<(Instant, u64)>,
}

impl Jobs {
    /// A new id. It may never become a job: a put that fails spends one too.
    pub(super) fn spend_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn insert(&mut self, id: u64, job: Job) {
        self.by_id.insert(id, Box::new(job));
    }

    pub(super) fn get(&self, id: u64) -> Option<&Job> {
        self.by_id.get(&id).map(|job| &**job)
    }

    /// A job that is known to exist, since its id came from a queue.
    pub(super) fn known(&mut self, id: u64) -> &mut Job {
        self.by_id.get_mut(&id).expect("a queue holds only ids of jobs")
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.by_id.remove(&id);
    }
}
