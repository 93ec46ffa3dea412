//! beanstalkd's behaviour without its I/O: commands and the time go in, replies come out.
//!
//! An [`Engine`] has no clock, no sockets and no randomness: the same calls give the same replies. A driver
//! follows one rule: **after every call that changes it, take replies until there are none, then call again with the
//! next event, or when the time of [`Engine::poll_timeout`] has come.**
//!
//! ```text
//!   connect / handle_event / disconnect ──▶ ┌────────┐ ──▶ poll_reply
//!   handle_timeout                      ──▶ │ Engine │
//!                                           └────────┘ ──▶ poll_timeout
//! ```
//!
//! A reply may be for any connection: a `put` also answers the connection that waits for the job.
//!
//! What is due at the time that a call names is dealt with before and after the call itself, in the order in which
//! beanstalkd's event loop does: delays that end, then pauses that end, then each connection's deadlines and timeouts.
//!
//! ```
//! use beanstalk_proto::{Command, Instant, JobId, Priority, Reply};
//! use beanstalk_server::engine::{Engine, Settings};
//!
//! let now = Instant::ZERO;
//! let mut engine = Engine::new(now, Settings::default());
//! let (worker, producer) = (engine.connect(now), engine.connect(now));
//!
//! engine.command(now, worker, Command::Reserve);
//! assert_eq!(engine.poll_reply(), None);
//!
//! let body = b"hello".to_vec();
//! let put = Command::Put { priority: Priority(0), delay: 0, ttr: 60, body };
//! engine.command(now, producer, put);
//! let (to, reply) = engine.poll_reply().unwrap();
//! assert_eq!((to, reply.body()), (worker, Some(&b"hello"[..])));
//! assert_eq!(engine.poll_reply(), Some((producer, Reply::Inserted(JobId(1)))));
//! ```

mod commands;
mod conns;
mod jobs;
mod queues;
mod settings;
mod slab;
mod stats;
mod tubes;
mod waiters;

use std::collections::VecDeque;

use beanstalk_proto::{Command, Instant, Kind, Reply, server::Event};

pub use conns::ConnId;
use conns::Conns;
use jobs::Jobs;
pub use settings::{Facts, Settings};
use stats::Counters;
use tubes::Tubes;

/// All tubes, jobs and connections of one server.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    started: Instant,
    draining: bool,
    tubes: Tubes,
    jobs: Jobs,
    conns: Conns,
    counters: Counters,
    replies: VecDeque<(ConnId, Reply)>,
}

impl Engine {
    /// Makes an empty server that starts now.
    #[must_use]
    pub fn new(now: Instant, settings: Settings) -> Self {
        Self {
            settings,
            started: now,
            draining: false,
            tubes: Tubes::new(),
            jobs: Jobs::default(),
            conns: Conns::default(),
            counters: Counters::default(),
            replies: VecDeque::new(),
        }
    }

    /// Adds a connection, which uses and watches `default`.
    pub fn connect(&mut self, now: Instant) -> ConnId {
        self.settle(now);
        let id = self.conns.insert(Tubes::DEFAULT);
        self.tubes.hold(Tubes::DEFAULT);
        self.tubes.get_mut(Tubes::DEFAULT).using += 1;
        self.watch(id.slot(), Tubes::DEFAULT);
        self.counters.connections += 1;
        id
    }

    /// Handles a command of a connection. Commands to a connection that is gone are dropped.
    ///
    /// Every [`Event::Command`] and [`Event::Refused`] is answered once through [`poll_reply`](Self::poll_reply), a
    /// reserve that waits perhaps much later. Nothing else is answered. After [`Event::Closed`] the connection is gone.
    pub fn handle_event(&mut self, now: Instant, id: ConnId, event: Event) {
        self.settle(now);
        let Some(conn) = self.conns.slot(id) else { return };
        match event {
            Event::PutAnnounced { too_big } => self.announce_put(now, conn, too_big),
            Event::Command(command) => {
                if let Some(reply) = self.run(now, conn, command) {
                    self.replies.push_back((id, reply));
                }
            }
            Event::Refused(refused) => {
                self.conns.get_mut(conn).announced = None;
                if let (true, Some(kind)) = (refused.counted, refused.kind) {
                    self.counters.count(kind);
                }
                self.replies.push_back((id, refused.reply));
            }
            Event::HalfClosed => {
                self.conns.get_mut(conn).half_closed = true;
                if self.stop_waiting(conn) {
                    self.replies.push_back((id, Reply::TimedOut));
                }
            }
            Event::Closed => self.drop_connection(now, conn),
        }
        self.settle(now);
    }

    /// Handles a command that a connection sends. Short for [`handle_event`](Self::handle_event).
    pub fn command(&mut self, now: Instant, id: ConnId, command: Command) {
        self.handle_event(now, id, Event::Command(command));
    }

    /// Ends a connection, by `quit` or however. The jobs it held become ready at once.
    pub fn disconnect(&mut self, now: Instant, id: ConnId) {
        self.handle_event(now, id, Event::Closed);
    }

    /// Returns the next reply, and whom it is for. Poll after every call that changes the engine, until there is none.
    pub fn poll_reply(&mut self) -> Option<(ConnId, Reply)> {
        loop {
            let (id, reply) = self.replies.pop_front()?;
            if self.conns.slot(id).is_some() {
                return Some((id, reply));
            }
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), if nothing else happens before. Ask again after every
    /// call that changes the engine.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let delay = self.jobs.delayed.first().map(|&(until, _)| until);
        let tick = self.conns.first_tick().map(|(at, _)| at);
        [delay, self.tubes.first_unpause(), tick].into_iter().flatten().min()
    }

    /// Deals with everything that is due. Calling it too early does nothing.
    ///
    /// Time that passes in one jump is one moment to the engine, as it is to a server that was stopped meanwhile: a
    /// delay and a timeout that both fall into the jump end together. To live through time step by step, call it for
    /// each [`poll_timeout`](Self::poll_timeout) in between.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    /// Sets whether new jobs are refused with `DRAINING`. beanstalkd does that from SIGUSR1 on.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// Sets the processor time spent, for `stats`.
    pub fn set_cpu_time(&mut self, user: std::time::Duration, system: std::time::Duration) {
        self.counters.cpu_time = (user, system);
    }

    /// Returns whether a connection waits in a reserve.
    #[must_use]
    pub fn is_waiting(&self, id: ConnId) -> bool {
        self.conns.slot(id).is_some_and(|conn| self.conns.get(conn).waiting.is_some())
    }

    fn settle(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.tick(now);
        }
    }

    /// The line of a put was read: the command counts, and if it can succeed, an id is spent.
    fn announce_put(&mut self, now: Instant, conn: usize, too_big: bool) {
        self.counters.count(Kind::Put);
        if !too_big {
            self.set_producer(conn);
            self.conns.get_mut(conn).announced = Some((self.jobs.spend_id(), now));
        }
    }

    fn drop_connection(&mut self, now: Instant, conn: usize) {
        self.stop_waiting(conn);
        self.put_back_reserved(now, conn);
        let gone = self.conns.get(conn);
        self.counters.producers -= u64::from(gone.producer);
        self.counters.workers -= u64::from(gone.worker);
        let using = gone.using;
        while let Some(tube) = self.conns.get_mut(conn).watch.remove(0) {
            self.tubes.get_mut(tube).watching -= 1;
            self.tubes.release(tube);
        }
        self.tubes.get_mut(using).using -= 1;
        self.tubes.release(using);
        self.conns.remove(conn);
    }
}
