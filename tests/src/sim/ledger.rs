//! What the server did, written down from its commands and replies alone, and held against what it should have done.

use std::collections::{BTreeMap, BTreeSet};

use beanstalk_proto::{Command, Instant, JobId, Kind, Reply, ReplySet, TubeName, server::Event};
use beanstalk_server::engine::Engine;

use super::{
    effects::{Effect, EffectKind},
    link::LinkId,
};

const SECOND: u64 = 1_000_000_000;

/// A command that was answered.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    /// The command; only its kind for one that was refused by its first line.
    pub(super) command: Result<Command, Kind>,
    /// What the server said.
    pub(super) reply: Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready { since: u64 },
    Delayed { until: u64 },
    Buried { order: u64 },
    Held { by: LinkId, until: u64 },
}

#[derive(Debug)]
pub(super) struct Job {
    tube: TubeName,
    priority: u32,
    ttr: u64,
    pub(super) body: Vec<u8>,
    pub(super) state: State,
}

#[derive(Debug)]
struct Conn {
    using: TubeName,
    watching: BTreeSet<TubeName>,
    pending: Option<Result<Command, Kind>>,
}

/// When a job was last given to a link, or confirmed to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    /// The moment.
    pub(super) at: Instant,
    /// When it was given, and not only confirmed.
    pub(super) given: Instant,
    /// Nothing kept the reply from being sent at once.
    pub(super) prompt: bool,
}

/// The truth about every job.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) jobs: BTreeMap<JobId, Job>,
    conns: BTreeMap<LinkId, Conn>,
    pub(super) paused: BTreeMap<TubeName, u64>,
    put: BTreeSet<Vec<u8>>,
    /// Jobs that somebody waited for and was given before the command that made them ready was answered, and whether they
    /// were buried.
    pub(super) early: Vec<(JobId, bool)>,
    happened: u64,
    /// What each link was answered, but for its reserves.
    pub(super) answered: BTreeMap<LinkId, Vec<Answered>>,
    /// What was done since somebody last looked, if somebody does.
    pub(super) effects: Option<Vec<Effect>>,
    /// When each link was last given a job.
    pub(super) grants: BTreeMap<(LinkId, JobId), Grant>,
    /// How often a link was given a job by a reserve of any sort.
    pub(super) given: BTreeMap<(LinkId, JobId), u64>,
    /// Ids of jobs there have been, for clients to ask about.
    pub(super) known: Vec<JobId>,
}

impl Ledger {
    /// Somebody connected.
    pub(super) fn connect(&mut self, link: LinkId) {
        let default: TubeName = "default".parse().expect("a name");
        let conn = Conn { using: default.clone(), watching: BTreeSet::from([default]), pending: None };
        self.conns.insert(link, conn);
        self.answered.insert(link, Vec::new());
    }

    /// Somebody is gone, and what was held is ready.
    pub(super) fn disconnect(&mut self, now: Instant, link: LinkId) {
        self.settle(now);
        self.conns.remove(&link);
        for job in self.jobs.values_mut() {
            if matches!(job.state, State::Held { by, .. } if by == link) {
                job.state = State::Ready { since: now.as_nanos() };
            }
        }
    }

    /// A connection said something.
    pub(super) fn event(&mut self, link: LinkId, event: &Event) -> Result<(), String> {
        let command = match event {
            Event::Command(command) => Ok(command.clone()),
            Event::Refused(refused) => Err(refused.kind.ok_or("a client sent what is no command")?),
            Event::PutAnnounced { .. } | Event::HalfClosed | Event::Closed => return Ok(()),
        };
        let conn = self.conns.get_mut(&link).ok_or("a command from nobody")?;
        match conn.pending.replace(command) {
            None => Ok(()),
            Some(pending) => Err(format!("link {link}: {pending:?} was not answered")),
        }
    }

    /// The engine answered.
    pub(super) fn reply(&mut self, now: Instant, link: LinkId, reply: &Reply, prompt: bool) -> Result<(), String> {
        self.settle(now);
        let conn = self.conns.get_mut(&link).ok_or("a reply to nobody")?;
        let command = conn.pending.take().ok_or_else(|| format!("link {link}: {reply:?} answers nothing"))?;
        let kind = command.as_ref().map_or_else(|&kind| kind, Command::kind);
        let allowed = kind.replies().or(ReplySet::GENERAL);
        if !reply.kind().is_some_and(|reply| allowed.contains(reply)) {
            return Err(format!("link {link}: {kind:?} was answered by {reply:?}"));
        }
        if let Ok(command) = &command {
            self.apply(now.as_nanos(), link, command, reply)?;
        }
        if let Reply::Reserved(job) = reply {
            self.grants.insert((link, job.id), Grant { at: now, given: now, prompt });
            *self.given.entry((link, job.id)).or_default() += 1;
        }
        if let (Ok(Command::Touch { id }), Reply::Touched) = (&command, reply) {
            if let Some(grant) = self.grants.get_mut(&(link, *id)) {
                (grant.at, grant.prompt) = (now, prompt);
            }
        }
        if !matches!(kind, Kind::Reserve | Kind::ReserveWithTimeout) {
            self.early.clear();
            let answered = Answered { command, reply: reply.clone() };
            self.answered.entry(link).or_default().push(answered);
        }
        Ok(())
    }

    fn apply(&mut self, now: u64, link: LinkId, command: &Command, reply: &Reply) -> Result<(), String> {
        let early = |id: &JobId| self.early.iter().any(|(early, _)| early == id);
        let conn = self.conns.get_mut(&link).ok_or("a reply to nobody")?;
        match (command, reply) {
            (Command::Put { .. }, Reply::Inserted(id)) if early(id) => {}
            (Command::Put { .. }, Reply::Inserted(id)) => self.insert(now, link, command, *id)?,
            (Command::KickJob { id }, Reply::Kicked) if early(id) => {}
            (Command::Release { id, .. }, Reply::Released) if early(id) => self.note(EffectKind::Released, link, *id),
            (Command::Use { tube }, Reply::Using(_)) => conn.using = tube.clone(),
            (Command::Watch { tube }, Reply::Watching(n)) => {
                conn.watching.insert(tube.clone());
                check_eq("tubes watched", *n, conn.watching.len() as u64)?;
            }
            (Command::Ignore { tube }, Reply::Watching(n)) => {
                conn.watching.remove(tube);
                check_eq("tubes watched", *n, conn.watching.len() as u64)?;
            }
            (Command::PauseTube { tube, delay }, Reply::Paused) => {
                self.paused.insert(tube.clone(), now + (u64::from(*delay) * SECOND).max(1));
            }
            (Command::Reserve | Command::ReserveWithTimeout { .. }, Reply::Reserved(job)) => {
                self.ready_early(now, job.id, &job.body)?;
                self.check_order(now, link, job.id)?;
                self.reserve(now, link, job)?;
            }
            (Command::ReserveJob { id }, Reply::Reserved(job)) => {
                check_eq("the job reserved", job.id, *id)?;
                self.reserve(now, link, job)?;
            }
            (Command::Delete { id }, Reply::Deleted) => {
                self.note(EffectKind::Deleted, link, *id);
                let job = self.jobs.remove(id).ok_or_else(|| format!("{id:?} was deleted and is not there"))?;
                if matches!(job.state, State::Held { by, .. } if by != link) {
                    return Err(format!("link {link} deleted {id:?} from under {:?}", job.state));
                }
            }
            (Command::Release { id, priority, delay }, Reply::Released) => {
                self.note(EffectKind::Released, link, *id);
                let job = self.held(link, *id)?;
                job.priority = priority.0;
                job.state = match *delay {
                    0 => State::Ready { since: now },
                    delay => State::Delayed { until: now + u64::from(delay) * SECOND },
                };
            }
            (Command::Bury { id, priority }, Reply::Buried) => {
                self.note(EffectKind::Buried, link, *id);
                self.happened += 1;
                let order = self.happened;
                let job = self.held(link, *id)?;
                job.priority = priority.0;
                job.state = State::Buried { order };
            }
            (Command::Touch { id }, Reply::Touched) => {
                self.note(EffectKind::Touched, link, *id);
                let job = self.held(link, *id)?;
                job.state = State::Held { by: link, until: now + job.ttr };
            }
            (Command::KickJob { id }, Reply::Kicked) => match self.jobs.get_mut(id) {
                Some(job) if matches!(job.state, State::Buried { .. } | State::Delayed { .. }) => {
                    job.state = State::Ready { since: now };
                }
                other => return Err(format!("{id:?} was kicked, which is {other:?}")),
            },
            (Command::Kick { bound }, Reply::KickedCount(n)) => {
                let using = conn.using.clone();
                self.kick(now, &using, u64::from(*bound), *n)?;
            }
            (Command::Peek { id }, Reply::Found(job)) => {
                check_eq("the job peeked at", job.id, *id)?;
                let known = self.jobs.get(id).ok_or_else(|| format!("{id:?} was peeked at and is not there"))?;
                check_eq("its body", &job.body, &known.body)?;
            }
            (Command::Peek { id }, Reply::NotFound) if self.jobs.contains_key(id) => {
                return Err(format!("{id:?} is lost"));
            }
            _ => {}
        }
        Ok(())
    }

    fn insert(&mut self, now: u64, link: LinkId, put: &Command, id: JobId) -> Result<(), String> {
        let conn = self.conns.get(&link).ok_or("a put from nobody")?;
        let Command::Put { priority, delay, ttr, body } = put else { return Err(format!("{id:?} was not put")) };
        if !self.put.insert(body.clone()) {
            return Err(format!("job {id:?} was put twice: {}", body.escape_ascii()));
        }
        let state = match *delay {
            0 => State::Ready { since: now },
            delay => State::Delayed { until: now + u64::from(delay) * SECOND },
        };
        let ttr = u64::from(*ttr).max(1) * SECOND;
        let using = conn.using.clone();
        let job = Job { tube: using.clone(), priority: priority.0, ttr, body: body.clone(), state };
        if self.jobs.insert(id, job).is_some() {
            return Err(format!("id {id:?} was given to two jobs"));
        }
        self.known.push(id);
        self.note(EffectKind::Inserted(using), link, id);
        Ok(())
    }

    /// Who waits for a job has it before the command that made it ready is answered. Then that command must be there.
    fn ready_early(&mut self, now: u64, id: JobId, given: &[u8]) -> Result<(), String> {
        let pending = |wanted: &dyn Fn(LinkId, &Conn, &Command) -> bool| {
            let found = self.conns.iter().find_map(|(&link, conn)| match &conn.pending {
                Some(Ok(command)) if wanted(link, conn, command) => Some((link, command.clone())),
                _ => None,
            });
            found.ok_or_else(|| format!("{id:?} was given away and nobody had made it ready"))
        };
        let Some((state, tube)) = self.jobs.get(&id).map(|job| (job.state, job.tube.clone())) else {
            let (link, put) = pending(&|_, _, command| matches!(command, Command::Put { body, .. } if body == given))?;
            self.early.push((id, false));
            return self.insert(now, link, &put, id);
        };
        let by_hand = match state {
            State::Ready { .. } => return Ok(()),
            State::Held { by, .. } => pending(&|link, _, command| {
                link == by && matches!(command, Command::Release { id: of, .. } if *of == id)
            }),
            State::Buried { .. } | State::Delayed { .. } => pending(&|_, conn, command| match command {
                Command::Kick { .. } => conn.using == tube,
                Command::KickJob { id: of } => *of == id,
                _ => false,
            }),
        }?;
        if let Some(job) = self.jobs.get_mut(&id) {
            if let Command::Release { priority, .. } = by_hand.1 {
                job.priority = priority.0;
            }
            job.state = State::Ready { since: now };
        }
        self.early.push((id, matches!(state, State::Buried { .. })));
        Ok(())
    }

    /// Nobody may have a job that another still holds.
    fn reserve(&mut self, now: u64, link: LinkId, given: &beanstalk_proto::Job) -> Result<(), String> {
        let id = given.id;
        let job = self.jobs.get_mut(&id).ok_or_else(|| format!("{id:?} was reserved and is not there"))?;
        check_eq("the body of a job reserved", &given.body, &job.body)?;
        if let State::Held { by, .. } = job.state {
            return Err(format!("{id:?} is held by link {by} and was given to link {link}"));
        }
        job.state = State::Held { by: link, until: now + job.ttr };
        self.note(EffectKind::Reserved, link, id);
        Ok(())
    }

    /// What has been ready for some time goes by (priority, id). What becomes ready at one moment is given away one by one.
    fn check_order(&self, now: u64, link: LinkId, id: JobId) -> Result<(), String> {
        let Some((conn, job)) = self.conns.get(&link).zip(self.jobs.get(&id)) else { return Ok(()) };
        if !conn.watching.contains(&job.tube) {
            return Err(format!("link {link} was given {id:?} of tube {}, which it does not watch", job.tube));
        }
        for (&other, better) in &self.jobs {
            let ready = matches!(better.state, State::Ready { since } if since < now);
            let paused = self.paused.get(&better.tube).is_some_and(|&until| until >= now);
            let before = (better.priority, other) < (job.priority, id);
            if ready && !paused && before && conn.watching.contains(&better.tube) {
                return Err(format!("link {link} was given {id:?}, and {other:?} is before it"));
            }
        }
        Ok(())
    }

    fn held(&mut self, link: LinkId, id: JobId) -> Result<&mut Job, String> {
        match self.jobs.get_mut(&id) {
            Some(job) if matches!(job.state, State::Held { by, .. } if by == link) => Ok(job),
            other => Err(format!("link {link} did something to {id:?} as its holder: {other:?}")),
        }
    }

    fn kick(&mut self, now: u64, tube: &TubeName, bound: u64, kicked: u64) -> Result<(), String> {
        let in_tube = || self.jobs.iter().filter(|(_, job)| job.tube == *tube);
        let mut places: Vec<_> = in_tube()
            .filter_map(|(&id, job)| if let State::Buried { order } = job.state { Some((order, id)) } else { None })
            .collect();
        let early = self.early.len() as u64;
        if places.is_empty() && !self.early.iter().any(|&(_, buried)| buried) {
            places = in_tube()
                .filter_map(
                    |(&id, job)| if let State::Delayed { until } = job.state { Some((until, id)) } else { None },
                )
                .collect();
        }
        places.sort_unstable();
        check_eq("jobs kicked", kicked, bound.min(places.len() as u64 + early))?;
        for (_, id) in places.into_iter().take((kicked - early) as usize) {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.state = State::Ready { since: now };
            }
        }
        Ok(())
    }

    /// Lets pass what has passed.
    pub(super) fn settle(&mut self, now: Instant) {
        for (&id, job) in &mut self.jobs {
            let (State::Delayed { until } | State::Held { until, .. }) = job.state else { continue };
            if until > now.as_nanos() {
                continue;
            }
            if let (State::Held { by, .. }, Some(effects)) = (job.state, &mut self.effects) {
                let since = Instant::from_nanos(until - job.ttr);
                effects.push(Effect { what: EffectKind::Expired(since), link: by, id, body: job.body.clone() });
            }
            job.state = State::Ready { since: until };
        }
    }

    /// Holds the engine's own word on every job against this one. It must have dealt with all that is due.
    pub(super) fn audit(&mut self, now: Instant, engine: &Engine) -> Result<(), String> {
        self.settle(now);
        for (&id, job) in &self.jobs {
            let state = match job.state {
                State::Ready { .. } => "ready",
                State::Delayed { .. } => "delayed",
                State::Buried { .. } => "buried",
                State::Held { .. } => "reserved",
            };
            let stats = engine.stats_job(now, id).ok_or_else(|| format!("{id:?} is lost; it was {state}"))?;
            let is = stats.state.map(|state| format!("{state:?}").to_lowercase());
            check_eq(&format!("the state of {id:?}"), is.as_deref(), Some(state))?;
        }
        let stats = engine.stats(now);
        let there = [
            stats.current_jobs_ready,
            stats.current_jobs_delayed,
            stats.current_jobs_buried,
            stats.current_jobs_reserved,
        ];
        check_eq("jobs there are", there.into_iter().flatten().sum(), self.jobs.len() as u64)?;
        check_eq("connections", stats.current_connections, Some(self.conns.len() as u64))
    }

    /// The jobs that a link holds.
    pub(super) fn held_by(&mut self, now: Instant, link: LinkId) -> Vec<JobId> {
        self.settle(now);
        let held = |(&id, job): (&JobId, &Job)| matches!(job.state, State::Held { by, .. } if by == link).then_some(id);
        self.jobs.iter().filter_map(held).collect()
    }
}

/// Fails with what is compared.
pub(super) fn check_eq<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), String> {
    if is == should { Ok(()) } else { Err(format!("{what}: {is:?}, and should be {should:?}")) }
}
