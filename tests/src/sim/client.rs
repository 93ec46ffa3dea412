//! What all simulated clients have in common: what they ask for, and how they note what they are told.

use std::{cell::RefCell, rc::Rc, time::Duration};

use beanstalk_driver::Driver;
use beanstalk_proto::{
    Command, Error, Instant, JobId, Priority, Reply, TubeName,
    client::{Config, Limits},
};

use super::{
    call_log::CallLog,
    link::LinkId,
    rng::Rng,
    stream::{Sim, Stream},
    world::MAX_JOB_SIZE,
};

/// How long these clients wait for a reply. Some packets take longer.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest that one call may take: until there is room, until the reserves before it and its own are over, and until
/// its reply is late.
const LONGEST_CALL: Duration = Duration::from_secs(12);
const TUBES: [&str; 3] = ["default", "a", "b"];

/// One client, over all its connections.
pub(super) struct Client {
    /// The world.
    pub(super) sim: Sim,
    /// Everybody's notes.
    pub(super) log: Rc<RefCell<CallLog>>,
    /// Its own chances.
    pub(super) rng: Rng,
    /// How it behaves.
    pub(super) config: Config,
    /// Which jobs it was given on this connection and has not let go of.
    pub(super) held: Vec<JobId>,
    /// Which client, and which time around.
    name: String,
    puts: u64,
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Called {
    /// The server's answer, or a refusal that leaves the connection usable.
    Told(Result<Reply, Error>),
    /// It was dropped before.
    Cancelled,
}

impl Called {
    /// Whether the connection is of no further use.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Told(Err(error)) if error.is_fatal())
    }
}

impl Client {
    /// A client that is not connected.
    pub(super) fn new(sim: &Sim, log: &Rc<RefCell<CallLog>>, mut rng: Rng, name: String) -> Self {
        let reply_body = if rng.one_in(3) { 300 } else { 1 << 20 };
        let unclaimed_replies = if rng.one_in(3) { 500 } else { 1 << 20 };
        let limits = Limits { reply_body, unclaimed_replies, in_flight: rng.between(4, 40) as usize, queued: 8000 };
        let config = Config { limits, reply_timeout: Some(REPLY_TIMEOUT), ..Config::default() };
        Self { sim: sim.clone(), log: Rc::clone(log), rng, config, held: Vec::new(), name, puts: 0 }
    }

    /// Whether to come to an end.
    pub(super) fn is_finishing(&self) -> bool {
        self.sim.world().finishing
    }

    /// Waits a little.
    pub(super) async fn rest(&mut self) {
        let millis = if self.rng.one_in(10) { self.rng.between(100, 1500) } else { self.rng.between(1, 40) };
        self.sim.sleep(Duration::from_millis(millis)).await;
    }

    fn tube(&mut self) -> TubeName {
        self.rng.pick(&TUBES).parse().expect("a name")
    }

    fn body(&mut self) -> Vec<u8> {
        self.puts += 1;
        let mut body = format!("{}/{} ", self.name, self.puts).into_bytes();
        let len = match self.rng.below(12) {
            0 => MAX_JOB_SIZE as usize - 20,
            1 => MAX_JOB_SIZE as usize + 200,
            2..5 => self.rng.between(250, 1500) as usize,
            _ => self.rng.between(20, 80) as usize,
        };
        body.resize(len.max(body.len()), b"\r\nx"[self.rng.index(3)]);
        body
    }

    fn some_job(&mut self) -> JobId {
        let known = self.sim.world().ledger.known.clone();
        match (self.rng.one_in(3), self.held.as_slice(), known.as_slice()) {
            (false, [_, ..], _) => self.held[self.rng.index(self.held.len())],
            // A young one, which is likely to be there.
            (_, _, [_, ..]) => known[known.len() - 1 - self.rng.index(known.len().min(12))],
            _ => JobId(1),
        }
    }

    /// Something to ask that the server answers at once.
    pub(super) fn command(&mut self) -> Command {
        let priority = Priority(self.rng.below(4) as u32);
        let delay = if self.rng.one_in(4) { self.rng.between(1, 3) as u32 } else { 0 };
        // Some jobs run out soon, and some are still held when everything ends.
        let ttr = if self.rng.one_in(3) { 100 } else { self.rng.below(5) as u32 };
        match self.rng.below(40) {
            0..14 => Command::Put { priority, delay, ttr, body: self.body() },
            14 => Command::Use { tube: self.tube() },
            15 | 16 => Command::Watch { tube: self.tube() },
            17 => Command::Ignore { tube: self.tube() },
            18 => Command::ListTubeUsed,
            19 => Command::ListTubesWatched,
            20 => Command::ListTubes,
            21 => Command::StatsTube { tube: self.tube() },
            22 => Command::StatsJob { id: self.some_job() },
            23..25 => Command::Peek { id: self.some_job() },
            25 => Command::PeekReady,
            26 => Command::PeekDelayed,
            27 => Command::PeekBuried,
            28 => Command::Kick { bound: self.rng.below(4) as u32 },
            29 => Command::KickJob { id: self.some_job() },
            30 => Command::ReserveJob { id: self.some_job() },
            31 => Command::Touch { id: self.some_job() },
            32 | 33 => Command::Release { id: self.some_job(), priority, delay },
            34 => Command::Bury { id: self.some_job(), priority },
            35 if self.rng.one_in(4) => Command::PauseTube { tube: self.tube(), delay: self.rng.below(2) as u32 },
            _ => Command::Delete { id: self.some_job() },
        }
    }

    /// A reserve that waits, perhaps.
    pub(super) fn reserve(&mut self) -> Command {
        match self.rng.one_in(4) {
            true => Command::Reserve,
            false => Command::ReserveWithTimeout { timeout: self.rng.below(3) as u32 },
        }
    }

    /// Notes a request. Reserves are counted by the jobs that they bring.
    pub(super) fn ask(&self, link: LinkId, command: &Command) -> Option<usize> {
        let waits = matches!(command, Command::Reserve | Command::ReserveWithTimeout { .. });
        (!waits).then(|| self.log.borrow_mut().ask(link, command.clone()))
    }

    /// Notes what came of a request that was asked for at `asked`.
    pub(super) fn told(&mut self, link: LinkId, at: Option<usize>, asked: Instant, result: &Result<Reply, Error>) {
        let mut world = self.sim.world();
        let now = world.now;
        let hash = format!("{result:?}");
        world.trace.note(now, "client is told", link, hash.as_bytes());
        let mut log = self.log.borrow_mut();
        let noted = log.told(link, at, result);
        world.check(noted);
        // However a job is reserved: once the client knows, it is not lost any more.
        let (id, confirmed) = match result {
            Ok(Reply::Reserved(job)) => (job.id, at.is_none()),
            Err(Error::ReplyTooBig { id: Some(id), command, .. }) if command.starts_with("reserve") => (*id, false),
            _ => return,
        };
        let noted = log.hand_over(&world.ledger, (link, id), asked, now, confirmed);
        world.check(noted);
        self.held.push(id);
    }

    /// Checks that a call did not take too long.
    pub(super) fn check_time(&self, asked: Instant, stalled: Duration, what: &str) {
        let mut world = self.sim.world();
        let took = world.now.saturating_duration_since(asked);
        let allowed = LONGEST_CALL + world.stalled.saturating_sub(stalled);
        if took > allowed {
            world.violate(format!("{what} took {took:?}"));
        }
    }

    /// Calls, and perhaps does not wait for the end.
    pub(super) async fn call(&mut self, link: LinkId, driver: &mut Driver<Stream>, command: Command) -> Called {
        let (asked, stalled) = {
            let world = self.sim.world();
            (world.now, world.stalled)
        };
        let what = format!("{:?}", command.kind());
        let (after, polls) = match command {
            // As for a caller who waits for two things.
            Command::Reserve => (Duration::from_millis(self.rng.between(1, 3000)), u64::MAX),
            _ if self.rng.one_in(5) => (Duration::from_millis(self.rng.between(0, 2500)), self.rng.between(1, 4)),
            _ => (Duration::from_secs(3600), u64::MAX),
        };
        let at = self.ask(link, &command);
        let called = self.sim.clone().cancel(driver.call(command), after, polls).await;
        self.check_time(asked, stalled, &what);
        match called {
            None => Called::Cancelled,
            Some(result) => {
                self.told(link, at, asked, &result);
                Called::Told(result)
            }
        }
    }

    /// Asks for whatever there is, until every job that the server thinks is ours has been handed over.
    pub(super) async fn finale(&mut self, link: LinkId, mut driver: Driver<Stream>) {
        let mut tries = 0;
        loop {
            let reserved = self.call(link, &mut driver, Command::ReserveWithTimeout { timeout: 0 }).await;
            if reserved.is_fatal() || !self.sim.world().is_up(link) {
                return;
            }
            match reserved {
                Called::Told(Ok(Reply::TimedOut)) => {}
                Called::Told(Ok(Reply::DeadlineSoon)) => self.sim.sleep(Duration::from_millis(1100)).await,
                _ => {
                    while let Some(id) = self.held.pop() {
                        if self.call(link, &mut driver, Command::Delete { id }).await.is_fatal() {
                            return;
                        }
                    }
                    continue;
                }
            }
            tries += 1;
            if tries > 2 {
                for job in driver.take_orphaned() {
                    let now = self.sim.now();
                    self.log.borrow_mut().orphaned(link, job.id, now);
                }
            }
            let lost = self.unknown_to_us(link);
            if lost.is_empty() {
                break;
            }
            if tries > 30 {
                self.sim.world().violate(format!("link {link} holds {lost:?}, and nobody knows"));
                return;
            }
            self.sim.sleep(Duration::from_millis(200)).await;
        }
        let _ = driver.disconnect().await;
    }

    /// The jobs that the server thinks this link has, and that nobody was told of.
    fn unknown_to_us(&self, link: LinkId) -> Vec<JobId> {
        let mut world = self.sim.world();
        let now = world.now;
        let mut held = world.ledger.held_by(now, link);
        let log = self.log.borrow();
        held.retain(|&id| !log.knows(&world.ledger, link, id));
        held
    }
}
