//! What was put, what was said of it, and what became of it: the promises, held against each other.
//!
//! ```text
//!   producers: put, acknowledged, unknown ─┐                       ┌─ inserted, reserved, touched, expired
//!                                          ├──▶ each job's page ◀──┤        (what the servers did)
//!   handlers: begun, done, failed, bury  ──┘                       └─ deleted, released, buried
//! ```

use std::collections::{BTreeMap, BTreeSet};

use beanstalk_driver::policy::Metrics;
use beanstalk_proto::{Error, Instant, JobId, Lost, TubeName};

use super::{
    super::{
        effects::{Effect, EffectKind},
        link::LinkId,
        world::World,
    },
    cluster::Owner,
};

/// A job is buried when it has failed so often.
pub(super) const BURY_AFTER: u64 = 4;

/// What a handler, or the holder of a job, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Done,
    Retry,
    Bury,
    /// Retry or bury, as the policy will have it.
    Failed,
}

/// What its producer was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Acknowledged,
    /// That it was not put, and won't be.
    NotPut,
}

/// Everything about one job.
#[derive(Debug, Default)]
struct Page {
    tube: Option<TubeName>,
    told: Told,
    inserted: Option<(usize, JobId, Instant)>,
    /// How often it was begun, and when first.
    begun: u64,
    first_begun: Option<Instant>,
    /// The connections that it was reserved on.
    reserved_on: BTreeSet<(usize, LinkId)>,
    done: u64,
    retry: u64,
    bury: u64,
    failed: u64,
    deleted: u64,
    released: u64,
    buried: u64,
    timeouts: u64,
    died: bool,
}

impl Page {
    /// How often a server has carried out what somebody said.
    const fn finished(&self) -> u64 {
        self.deleted + self.released + self.buried
    }

    /// How often somebody came to an end with it.
    const fn said(&self) -> u64 {
        self.done + self.retry + self.bury + self.failed
    }
}

/// Somebody who runs jobs in slots.
#[derive(Debug, Default)]
struct WorkerPage {
    /// Until when it has to have ended.
    deadline: Option<Instant>,
    /// Until when its slots of a server have.
    removed: BTreeMap<usize, Instant>,
    ended: Option<Instant>,
    /// Verdicts that servers carried out for it.
    carried_out: u64,
}

/// What a run came to, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that were acknowledged.
    pub acknowledged: u64,
    /// Jobs that were put although their producer does not know.
    pub unknown: u64,
    /// Runs of handlers.
    pub begun: u64,
    /// Jobs that were deleted as done.
    pub done: u64,
    /// Jobs that somebody worked on more than once.
    pub repeated: u64,
    /// Jobs that are buried in the end.
    pub buried: u64,
    /// Jobs that died with a server that remembers nothing.
    pub died: u64,
    /// Jobs that were touched, and did not expire for that.
    pub touched: u64,
    /// Jobs that expired because a connection was not good.
    pub expired: u64,
    /// Jobs that the retry policy has buried.
    pub given_up: u64,
    /// Jobs that were reserved together with what finished the one before.
    pub pipelined: u64,
    /// Servers that died.
    pub outages: u64,
    /// Workers that were shut down, or dropped.
    pub ended: u64,
    /// What workers count.
    pub metrics: Metrics,
}

impl Counts {
    /// Adds what another run came to.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.unknown, other.unknown),
            (&mut self.begun, other.begun),
            (&mut self.done, other.done),
            (&mut self.repeated, other.repeated),
            (&mut self.buried, other.buried),
            (&mut self.died, other.died),
            (&mut self.touched, other.touched),
            (&mut self.expired, other.expired),
            (&mut self.given_up, other.given_up),
            (&mut self.pipelined, other.pipelined),
            (&mut self.outages, other.outages),
            (&mut self.ended, other.ended),
        ];
        for (sum, other) in pairs {
            *sum += other;
        }
        self.metrics.merge(&other.metrics);
    }
}

/// All notes of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    jobs: BTreeMap<Vec<u8>, Page>,
    workers: BTreeMap<Owner, WorkerPage>,
    links: BTreeMap<(usize, LinkId), Owner>,
    /// When a job was last deleted on a link.
    deleted: BTreeMap<(usize, LinkId), Instant>,
    pub(super) counts: Counts,
    pub(super) violation: Option<String>,
}

impl Tally {
    /// Notes that a job is about to be put into this tube.
    pub(super) fn put(&mut self, body: &[u8], tube: &TubeName) {
        let page = Page { tube: Some(tube.clone()), ..Page::default() };
        let before = self.jobs.insert(body.to_vec(), page);
        assert!(before.is_none(), "bodies are unique");
    }

    /// Notes that a job was acknowledged, by this server and under this number, if that is known.
    pub(super) fn acknowledged(&mut self, body: &[u8], server: usize, id: JobId) {
        let page = self.jobs.entry(body.to_vec()).or_default();
        page.told = Told::Acknowledged;
        let inserted = page.inserted;
        if inserted.is_none_or(|(at, as_id, _)| (at, as_id) != (server, id)) {
            self.violate(format!("{} was acknowledged by server {server} as {id}; it is {inserted:?}", shown(body)));
        }
    }

    /// Notes why a put failed.
    pub(super) fn failed(&mut self, body: &[u8], error: &Error) {
        if matches!(error, Error::Protocol { .. } | Error::Ticket(_) | Error::Stats { .. } | Error::Argument(_)) {
            self.violate(format!("nobody did anything wrong, and yet: {error}"));
        }
        // Refused, or not sent.
        if error.lost() != Some(Lost::Unknown) {
            self.jobs.entry(body.to_vec()).or_default().told = Told::NotPut;
        }
    }

    /// Notes that a worker gave a job to a handler, or a session to its user, and gives how often that was.
    pub(super) fn begin(&mut self, body: &[u8], watched: &[TubeName], now: Instant) -> u64 {
        self.counts.begun += 1;
        let Some(page) = self.jobs.get_mut(body) else {
            self.violate(format!("{} was never put", shown(body)));
            return 0;
        };
        page.begun += 1;
        page.first_begun.get_or_insert(now);
        let (begun, tube) = (page.begun, page.tube.clone());
        if tube.is_none_or(|tube| !watched.contains(&tube)) {
            self.violate(format!("{} came to somebody who watches {watched:?}", shown(body)));
        }
        begun
    }

    /// Notes what was decided on a job, before anybody acts on it.
    pub(super) fn said(&mut self, body: &[u8], said: Said) {
        let page = self.jobs.entry(body.to_vec()).or_default();
        *match said {
            Said::Done => &mut page.done,
            Said::Retry => &mut page.retry,
            Said::Bury => &mut page.bury,
            Said::Failed => &mut page.failed,
        } += 1;
    }

    /// Whether the server has deleted it.
    pub(super) fn is_deleted(&self, body: &[u8]) -> bool {
        self.jobs.get(body).is_some_and(|page| page.deleted > 0)
    }

    /// Notes a worker.
    pub(super) fn worker(&mut self, owner: Owner) {
        self.workers.insert(owner, WorkerPage::default());
    }

    /// Notes that a worker was told to end by then.
    pub(super) fn shut_down(&mut self, owner: Owner, by: Instant) {
        let worker = self.workers.entry(owner).or_default();
        worker.deadline = Some(worker.deadline.map_or(by, |earlier| earlier.min(by)));
    }

    /// Notes that a worker was told to leave a server by then.
    pub(super) fn removed(&mut self, owner: Owner, server: usize, by: Instant) {
        self.workers.entry(owner).or_default().removed.insert(server, by);
    }

    /// Notes that a worker was told to work for a server again.
    pub(super) fn added(&mut self, owner: Owner, server: usize) {
        self.workers.entry(owner).or_default().removed.remove(&server);
    }

    /// Notes when a worker's `run` has ended.
    pub(super) fn ended(&mut self, owner: Owner, now: Instant) {
        self.counts.ended += 1;
        self.workers.entry(owner).or_default().ended = Some(now);
    }

    /// Returns whether it had ended before. At one time several alarms may go off, and a shutdown may be over by its own, before
    /// those of its slots.
    pub(super) fn had_ended(&self, owner: Owner, now: Instant) -> bool {
        self.workers.get(&owner).and_then(|worker| worker.ended).is_some_and(|ended| ended < now)
    }

    /// Notes what a worker's counts are, when all of it is over, and compares that with what servers did for it.
    pub(super) fn metrics(&mut self, owner: Owner, metrics: &Metrics) {
        self.counts.metrics.merge(metrics);
        let ended = metrics.done + metrics.retried + metrics.buried + metrics.lost + metrics.returned;
        let counted = metrics.done + metrics.retried + metrics.buried;
        let carried_out = self.workers.get(&owner).map_or(0, |worker| worker.carried_out);
        // The reply to what it counts as lost, or given back, may have got lost.
        let most = counted + metrics.lost + metrics.returned;
        if metrics.reserved != ended || carried_out < counted || carried_out > most {
            self.violate(format!("worker {owner}: {carried_out} verdicts were carried out, and it says {metrics:?}"));
        }
    }

    /// Notes that somebody begins to connect.
    pub(super) fn connects(&mut self, owner: Owner, server: usize, now: Instant) {
        let Some(worker) = self.workers.get(&owner) else { return };
        let deadline = [worker.deadline, worker.removed.get(&server).copied()].into_iter().flatten().min();
        if deadline.is_some_and(|deadline| now > deadline) {
            self.violate(format!("worker {owner} connects to server {server}, which it had to leave by {deadline:?}"));
        }
    }

    /// Notes whose link that is.
    pub(super) fn connected(&mut self, owner: Owner, server: usize, link: LinkId) {
        self.links.insert((server, link), owner);
    }

    /// Checks that no worker is later than it may be.
    pub(super) fn check_time(&mut self, now: Instant) {
        let late = self
            .workers
            .iter()
            .find(|(_, worker)| worker.ended.is_none() && worker.deadline.is_some_and(|deadline| now > deadline));
        if let Some((owner, WorkerPage { deadline, .. })) = late {
            self.violate(format!("worker {owner} had to end by {deadline:?} and still runs at {now:?}"));
        }
    }

    /// Notes jobs that died with their server.
    pub(super) fn died(&mut self, bodies: &[Vec<u8>]) {
        for body in bodies {
            self.jobs.entry(body.clone()).or_default().died = true;
            self.counts.died += 1;
        }
    }

    /// Notes what a server did.
    pub(super) fn effect(&mut self, server: usize, world: &World, effect: &Effect) {
        let owner = self.links.get(&(server, effect.link)).copied();
        let worker = owner.and_then(|owner| self.workers.get_mut(&owner));
        let is_worker = worker.is_some();
        if let (Some(worker), EffectKind::Deleted | EffectKind::Released | EffectKind::Buried) = (worker, &effect.what)
        {
            worker.carried_out += 1;
        }
        let Some(page) = self.jobs.get_mut(&effect.body) else {
            return self.violate(format!("server {server} has {}, which nobody put", shown(&effect.body)));
        };
        let wrong = match &effect.what {
            EffectKind::Inserted(tube) => {
                let before = page.inserted.replace((server, effect.id, world.now));
                match () {
                    () if before.is_some() => Some(format!("was put twice: {before:?} and on server {server}")),
                    () if page.told == Told::NotPut => Some("was put after all".to_string()),
                    () if page.tube.as_ref() != Some(tube) => Some(format!("was put into {tube}")),
                    () => None,
                }
            }
            EffectKind::Reserved => {
                page.reserved_on.insert((server, effect.link));
                let at_once = self.deleted.get(&(server, effect.link)) == Some(&world.now);
                self.counts.pipelined += u64::from(at_once);
                None
            }
            EffectKind::Touched => {
                self.counts.touched += u64::from(is_worker);
                None
            }
            EffectKind::Deleted => {
                page.deleted += 1;
                self.deleted.insert((server, effect.link), world.now);
                match () {
                    () if page.finished() > page.said() => {
                        Some("was finished more often than somebody said".to_string())
                    }
                    () if page.done == 0 => Some("was deleted, and nobody had done it".to_string()),
                    () if !page.reserved_on.contains(&(server, effect.link)) => {
                        Some("was deleted by its number alone".to_string())
                    }
                    () => None,
                }
            }
            EffectKind::Released => {
                page.released += 1;
                match () {
                    () if page.released > page.retry + page.failed => {
                        Some("was released, and nobody had said so".into())
                    }
                    () if page.finished() > page.said() => Some("was finished more often than somebody said".into()),
                    // All releases were the policy's then.
                    () if page.retry == 0 && page.released + page.timeouts >= BURY_AFTER => {
                        Some(format!("has failed {} times, and was released", page.released + page.timeouts))
                    }
                    () => None,
                }
            }
            EffectKind::Buried => {
                page.buried += 1;
                let unreadable = effect.body.len() > super::SMALL_LIMIT;
                self.counts.given_up += u64::from(page.bury == 0 && !unreadable);
                match () {
                    () if unreadable => None,
                    () if page.buried > page.bury + page.failed => Some("was buried, and nobody had said so".into()),
                    () if page.finished() > page.said() => Some("was finished more often than somebody said".into()),
                    () if page.bury == 0 && page.released + page.timeouts + 1 < BURY_AFTER => {
                        Some(format!("was buried after {} failures", page.released + page.timeouts + 1))
                    }
                    () => None,
                }
            }
            EffectKind::Expired(since) => {
                page.timeouts += 1;
                self.counts.expired += u64::from(is_worker);
                let good = is_worker && world.was_good_since(effect.link, *since);
                good.then(|| format!("expired on link {} of server {server}, which was good", effect.link))
            }
        };
        if let Some(wrong) = wrong {
            self.violate(format!("{} {wrong}: {:?}", shown(&effect.body), self.jobs.get(&effect.body)));
        }
    }

    /// Checks that of the jobs there were none is lost. These are those that are left, and whether they are buried.
    pub(super) fn check_end<'w>(&mut self, left: impl Iterator<Item = (&'w [u8], bool)>) {
        let left: BTreeMap<&[u8], bool> = left.collect();
        let mut lost = None;
        for (body, page) in &self.jobs {
            let left = left.get(&body[..]).copied();
            let counts = &mut self.counts;
            counts.acknowledged += u64::from(page.told == Told::Acknowledged);
            counts.unknown += u64::from(page.told == Told::Nothing && page.inserted.is_some());
            counts.done += page.deleted;
            counts.repeated += u64::from(page.begun > 1);
            counts.buried += u64::from(left == Some(true));
            let is_well = page.deleted > 0 || page.died || left == Some(true);
            if !is_well && (page.told == Told::Acknowledged || page.inserted.is_some()) {
                lost.get_or_insert_with(|| format!("{} is lost, or left: {left:?}, {page:?}", shown(body)));
            }
            if left == Some(true) && page.bury + page.failed == 0 && body.len() <= super::SMALL_LIMIT {
                lost.get_or_insert_with(|| format!("{} is buried and nobody had said so", shown(body)));
            }
        }
        if let Some(lost) = lost {
            self.violate(lost);
        }
    }

    /// The jobs of a server: when they came, and when a handler first began.
    pub(super) fn waits(&self, server: usize) -> impl Iterator<Item = (&[u8], Instant, Option<Instant>)> {
        self.jobs.iter().filter_map(move |(body, page)| {
            let (at, _, inserted) = page.inserted?;
            (at == server).then_some((&body[..], inserted, page.first_begun))
        })
    }

    /// Notes a broken promise.
    pub(super) fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }
}

/// The telling part of a body.
fn shown(body: &[u8]) -> String {
    body[..body.len().min(30)].escape_ascii().to_string()
}
