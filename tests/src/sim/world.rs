//! The server, the network and the clock: everything but the clients.
//!
//! [`World::step`] jumps to the next thing that happens. Nothing happens in between, and nothing depends on anything but the
//! seed and what the clients do.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    mem,
    task::Waker,
    time::Duration,
};

use beanstalk_proto::{
    Instant, Reply,
    server::{self, Event},
};
use beanstalk_server::engine::{ConnId, Engine, Settings};

use super::{
    ledger::Ledger,
    link::{Link, LinkId, Pipe, ServerEnd, Way},
    network::Weather,
    outage::Outage,
    rng::Rng,
    trace::Trace,
};

/// The longest that a packet takes, at its worst.
pub(super) const SLOWEST: Duration = Duration::from_secs(3);
/// The longest body that the server takes.
pub(super) const MAX_JOB_SIZE: u32 = 3000;
/// What a server's connection may have to say before it stops listening.
const BACKLOG: usize = 2000;
/// The longest reply: statistics, or a job.
const LONGEST_REPLY: usize = MAX_JOB_SIZE as usize + 300;

/// Names a timer.
pub(super) type TimerId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    Accept(LinkId),
    Arrive(LinkId, Way),
    Reset(LinkId),
    /// The server receives a reset.
    ServerReset(LinkId),
    /// The client receives the end of the server.
    Died(LinkId),
    /// One direction ends, whatever its writer wanted.
    Cut(LinkId, Way),
    Timer(TimerId),
}

#[derive(Debug, Default)]
pub(super) struct Timer {
    pub(super) at: Instant,
    pub(super) waker: Option<Waker>,
}

/// All that the clients share.
#[derive(Debug)]
pub(super) struct World {
    /// What time it is.
    pub(super) now: Instant,
    /// Chances of the network's.
    pub(super) rng: Rng,
    /// Whether things go wrong.
    pub(super) faults: bool,
    /// How much goes wrong then.
    pub(super) weather: Weather,
    /// Why there is no server, if there is none.
    pub(super) outage: Option<Outage>,
    /// Whether the clients are to come to an end.
    pub(super) finishing: bool,
    /// How long clients were kept from doing anything, all together.
    pub(super) stalled: Duration,
    /// What the server did.
    pub(super) ledger: Ledger,
    /// What happened.
    pub(super) trace: Trace,
    /// The first promise that was broken.
    pub(super) violation: Option<String>,
    pub(super) engine: Engine,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) peers: BTreeMap<ConnId, LinkId>,
    pub(super) timers: BTreeMap<TimerId, Timer>,
    queue: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    pub(super) numbered: u64,
    pub(super) turns: Vec<LinkId>,
    /// Reads that found the end of a stream since anything happened.
    pub(super) ends: u32,
}

impl World {
    /// A server that nobody is connected to.
    pub(super) fn new(rng: Rng, trace: Trace) -> Self {
        Self {
            now: Instant::ZERO,
            rng,
            faults: true,
            weather: Weather::default(),
            outage: None,
            finishing: false,
            stalled: Duration::ZERO,
            ledger: Ledger::default(),
            trace,
            violation: None,
            engine: Self::empty_engine(Instant::ZERO),
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            timers: BTreeMap::new(),
            queue: BinaryHeap::new(),
            numbered: 0,
            turns: Vec::new(),
            ends: 0,
        }
    }

    pub(super) fn empty_engine(now: Instant) -> Engine {
        Engine::new(now, Settings { max_job_size: MAX_JOB_SIZE, ..Settings::default() })
    }

    /// When the next thing happens.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let next = self.queue.peek().map(|Reverse((at, ..))| *at);
        [self.engine.poll_timeout(), next].into_iter().flatten().min().map(|at| at.max(self.now))
    }

    /// Lets the next thing happen. `false` if there is none.
    pub(super) fn step(&mut self) -> bool {
        self.ends = 0;
        let due = self.engine.poll_timeout();
        let next = self.queue.peek().map(|Reverse((at, ..))| *at);
        match (due, next) {
            (None, None) => return false,
            (Some(due), next) if next.is_none_or(|next| due <= next) => {
                self.now = self.now.max(due);
                self.engine.handle_timeout(self.now);
                self.trace.note(self.now, "time", 0, b"");
                self.deliver(None);
            }
            _ => {
                if let Some(Reverse((at, _, happening))) = self.queue.pop() {
                    self.now = self.now.max(at);
                    self.happen(happening);
                }
            }
        }
        while let Some(link) = self.turns.pop() {
            self.turn(link);
        }
        true
    }

    pub(super) fn plan(&mut self, at: Instant, happening: Happening) {
        self.numbered += 1;
        self.queue.push(Reverse((at, self.numbered, happening)));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Accept(link) => self.accept(link),
            Happening::Arrive(link, way) => self.arrive(link, way),
            Happening::Reset(link) if self.faults => self.reset(link),
            Happening::Cut(link, way) if self.faults => self.cut(link, way),
            Happening::Reset(_) | Happening::Cut(..) => {}
            Happening::ServerReset(link) => self.server_reset(link),
            Happening::Died(link) => self.reset(link),
            Happening::Timer(timer) => {
                let now = self.now;
                if let Some(timer) = self.timers.get_mut(&timer).filter(|timer| timer.at <= now) {
                    timer.waker.take().map(Waker::wake).unwrap_or_default();
                }
            }
        }
    }

    pub(super) fn delay(&mut self) -> Duration {
        if !self.faults {
            return Duration::from_millis(1);
        }
        let most = match self.rng.below(self.weather.late) {
            0 => SLOWEST.as_nanos() as u64,
            1..6 => 50_000_000,
            _ => 2_000_000,
        };
        Duration::from_nanos(self.rng.between(1, most))
    }

    /// Opens a connection, or fails to.
    pub(super) fn connect(&mut self) -> Option<LinkId> {
        self.numbered += 1;
        let id = self.numbered;
        let refused = self.outage.is_some() || self.faults && self.rng.one_in(self.weather.refused);
        self.trace.note(self.now, if refused { "refused" } else { "connect" }, id, b"");
        if refused {
            return None;
        }
        let accepted = self.now + self.delay();
        let mut link = Link::default();
        link.up.last = accepted;
        self.links.insert(id, link);
        self.plan(accepted, Happening::Accept(id));
        if self.faults {
            let end = self.now + Duration::from_millis(self.rng.between(1, self.weather.within));
            match self.rng.below(self.weather.five_break) {
                0..3 => self.plan(end, Happening::Reset(id)),
                3 => self.plan(end, Happening::Cut(id, Way::Up)),
                4 => self.plan(end, Happening::Cut(id, Way::Down)),
                _ => {}
            }
        }
        Some(id)
    }

    fn accept(&mut self, link: LinkId) {
        if self.outage.is_some() || self.links.get(&link).is_none_or(|end| end.reset) {
            return;
        }
        let id = self.engine.connect(self.now);
        self.peers.insert(id, link);
        self.ledger.connect(link);
        let config = server::Config { max_job_size: MAX_JOB_SIZE, max_backlog: BACKLOG, ..server::Config::default() };
        if let Some(end) = self.links.get_mut(&link) {
            end.server = Some(ServerEnd { id, connection: server::Connection::new(config) });
        }
        self.deliver(None);
        self.arrive(link, Way::Up);
    }

    pub(super) fn server_reset(&mut self, link: LinkId) {
        if let Some(server) = self.links.get_mut(&link).and_then(|end| end.server.take()) {
            self.gone(link, server.id);
            self.engine.disconnect(self.now, server.id);
            self.deliver(None);
        }
        self.forget(link);
    }

    pub(super) fn gone(&mut self, link: LinkId, id: ConnId) {
        self.ledger.disconnect(self.now, link);
        self.peers.remove(&id);
        if let Some(end) = self.links.get_mut(&link) {
            end.up.cut();
            end.up.writer.take().map(Waker::wake).unwrap_or_default();
        }
    }

    /// Lets the server deal with one connection until there is nothing to do.
    fn turn(&mut self, link: LinkId) {
        let Some(mut server) = self.links.get_mut(&link).and_then(|end| end.server.take()) else { return };
        loop {
            let mut moved = false;
            while let Some(event) = server.connection.poll_event() {
                moved = true;
                if matches!(event, Event::Closed) {
                    self.gone(link, server.id);
                    self.engine.handle_event(self.now, server.id, event);
                    self.deliver(None);
                    self.fin(link, Way::Down);
                    return self.forget(link);
                }
                let noted = self.ledger.event(link, &event);
                self.check(noted);
                self.engine.handle_event(self.now, server.id, event);
                self.deliver(Some((link, &mut server)));
            }
            while let Some(segment) = server.connection.transmit().next() {
                let room = self.links.get(&link).map_or(0, |end| end.down.room());
                if room == 0 {
                    break;
                }
                let n = self.write(link, Way::Down, segment);
                server.connection.transmitted(n);
                moved = true;
            }
            let piece = self.piece();
            if let Some(end) = self.links.get_mut(&link).filter(|_| server.connection.wants_input()) {
                let read = end.up.take(piece, server.connection.receive_buf());
                if read > 0 {
                    server.connection.received(read);
                    end.up.writer.take().map(Waker::wake).unwrap_or_default();
                    moved = true;
                } else if end.up.fin {
                    server.connection.received_eof();
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        if let Some(end) = self.links.get_mut(&link) {
            end.server = Some(server);
        }
    }

    /// Hands the engine's replies to those they are for.
    pub(super) fn deliver(&mut self, mut current: Option<(LinkId, &mut ServerEnd)>) {
        while let Some((id, reply)) = self.engine.poll_reply() {
            let Some(&link) = self.peers.get(&id) else { continue };
            match &mut current {
                Some((is, server)) if *is == link => self.respond(link, server, reply),
                _ => {
                    if let Some(mut server) = self.links.get_mut(&link).and_then(|end| end.server.take()) {
                        self.respond(link, &mut server, reply);
                        if let Some(end) = self.links.get_mut(&link) {
                            end.server = Some(server);
                        }
                    }
                    self.turns.push(link);
                }
            }
        }
    }

    fn respond(&mut self, link: LinkId, server: &mut ServerEnd, reply: Reply) {
        let room = self.links.get(&link).map_or(0, |end| end.down.room());
        let prompt = server.connection.backlog() == 0 && room > LONGEST_REPLY;
        let mut line = Vec::new();
        reply.encode_line(&mut line);
        self.trace.note(self.now, "server says", link, &line);
        let noted = self.ledger.reply(self.now, link, &reply, prompt);
        self.check(noted);
        server.connection.respond(reply);
        if server.connection.backlog() > BACKLOG + LONGEST_REPLY {
            self.violate(format!("link {link}: a backlog of {} bytes", server.connection.backlog()));
        }
    }

    /// Notes a broken promise.
    pub(super) fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// Notes what is wrong, if something is.
    pub(super) fn check(&mut self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.violate(what);
        }
    }

    /// Compares the engine's word with the ledger's.
    pub(super) fn audit(&mut self) {
        let now = self.now;
        if self.engine.poll_timeout().is_some_and(|due| due <= now) {
            return;
        }
        let mut ledger = mem::take(&mut self.ledger);
        let checked = ledger.audit(now, &self.engine);
        self.ledger = ledger;
        self.check(checked);
    }

    /// Whether a connection is there from end to end.
    pub(super) fn is_up(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|end| end.server.is_some() && !end.reset && !end.up.fin && !end.down.fin)
    }
}

/// Room that a pipe always has in the end, whatever is announced.
const _: () = assert!(Pipe::CAPACITY > LONGEST_REPLY);
