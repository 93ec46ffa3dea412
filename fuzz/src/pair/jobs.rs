//! The jobs that the server has given away, and what became of each.

use std::collections::BTreeMap;

use beanstalk_proto::{Job, JobId, Reply};

use super::{
    ASKED_FOR, JOBS,
    answers::{body_of, length_of},
};

#[derive(Default)]
pub(super) struct Jobs {
    given: BTreeMap<JobId, Given>,
    reserved: u64,
}

/// A job that was given away.
struct Given {
    fate: Fate,
    /// Which body it has.
    body: u64,
    /// The command that asked for it by its id, if one did.
    asked: Option<usize>,
    /// Where in what the server writes its reply ends.
    end: usize,
    arrived: bool,
    /// It arrived while nobody waited for it, and the server has not confirmed it since.
    parked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// With the client's core.
    Under,
    /// Somebody got it, or was told that it is too big.
    Delivered,
    /// The server said that it is not theirs any more.
    Gone,
}

impl Jobs {
    pub(super) fn len(&self) -> usize {
        self.given.len()
    }

    /// Whether an id is one of a job that may be given away.
    pub(super) fn concerns(id: JobId) -> bool {
        id.0 >= ASKED_FOR
    }

    /// The reply to a reserve that gives the next job. `written` is how much the server has to write before it.
    pub(super) fn reserve(&mut self, written: usize) -> Reply {
        let id = JobId(JOBS + self.reserved);
        self.reserved += 1;
        let reply = Reply::Reserved(Job { id, body: body_of(id.0) });
        self.give(id, id.0, None, &reply, written);
        reply
    }

    /// Takes note of a job that a command has asked for by its id.
    pub(super) fn give_asked(&mut self, id: JobId, command: usize, body: u64, reply: &Reply, written: usize) {
        self.give(id, body, Some(command), reply, written);
    }

    fn give(&mut self, id: JobId, body: u64, asked: Option<usize>, reply: &Reply, written: usize) {
        let mut encoded = Vec::new();
        reply.encode(&mut encoded);
        let end = written + encoded.len();
        let given = Given { fate: Fate::Under, body, asked, end, arrived: false, parked: false };
        assert!(self.given.insert(id, given).is_none(), "job {id} is given twice");
    }

    /// The client has read so much. Whoever waits gets what has come; `None` waits for any job.
    pub(super) fn arrive(&mut self, read: usize, waits: impl Fn(Option<usize>) -> bool) {
        for job in self.given.values_mut().filter(|job| !job.arrived && job.end <= read) {
            (job.arrived, job.parked) = (true, !waits(job.asked));
        }
    }

    /// The server has answered the client's own question whether it still has a job.
    pub(super) fn confirm(&mut self, id: JobId, is_theirs: bool) {
        match is_theirs {
            true => self.get(id).parked = false,
            false => self.end(id, Fate::Gone),
        }
    }

    /// Somebody gets it who has waited. The time to run of one that arrived for nobody may have passed.
    pub(super) fn hand_over(&mut self, job: &Job) {
        assert!(!self.get(job.id).parked, "job {} is handed over without a touch", job.id);
        self.deliver(job);
    }

    /// Somebody gets it.
    pub(super) fn deliver(&mut self, job: &Job) {
        assert_eq!(job.body, body_of(self.get(job.id).body), "another job's body");
        self.end(job.id, Fate::Delivered);
    }

    /// Somebody is told that it is too big.
    pub(super) fn too_big(&mut self, id: JobId) {
        self.end(id, Fate::Delivered);
    }

    fn end(&mut self, id: JobId, fate: Fate) {
        let job = self.get(id);
        assert_eq!(job.fate, Fate::Under, "job {id} has ended twice");
        job.fate = fate;
    }

    fn get(&mut self, id: JobId) -> &mut Given {
        self.given.get_mut(&id).unwrap_or_else(|| panic!("job {id} was never given away"))
    }

    /// No job is left, but for those that are over the limit.
    pub(super) fn check_all_ended(&self, limit: usize) {
        for (id, job) in &self.given {
            let too_big = length_of(job.body) > limit;
            assert!(job.fate != Fate::Under || too_big, "job {id} is lost");
        }
    }
}
