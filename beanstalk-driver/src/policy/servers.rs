//! Several servers as one place to put jobs: whose turn it is, who is out, where a key belongs.
//!
//! ```text
//!             connection lost, DRAINING, OUT_OF_MEMORY
//!   Healthy ──────────────────────────────────────────▶ Out, until a delay has passed, and no shorter than the failure took
//!      ▲                                                 │ then, while another is healthy: a probe aside
//!      ├───────── the probe is answered ◀────────────────┤       and while none is: the next job
//!      └───────── it takes a job ◀───────────────────────┘
//!
//!             it refuses to be connected to
//!   any ──────────────────────────────────────────▶ Refused: not probed, and asked for a job only while all others refuse as well
//! ```
//!
//! Many jobs can be asked of a server at once. What was begun before its last failure is part of that failure, however it ends: a connection that
//! breaks under a hundred puts is one failure, and an answer that was on its way does not make the server healthy again.
//!
//! A server that does not answer costs each call that waits for it a whole timeout. So one that was out gets no job as long as another is
//! healthy: it is connected to and asked something else meanwhile, and no caller waits for the answer.
//!
//! One that refuses us (a token, a certificate) would do so again. The job that met that fails with it, and others stay away until the server is
//! [added](Servers::add) once more: then a probe finds out whether the cause was removed. Where all servers refuse, each job after that asks
//! one anew, after a delay.
//!
//! beanstalkd servers are independent of each other: a job lives on the one that took it, and only that one can find it by
//! its id. So a job's place is a [`Placed`].
//!
//! Without a key, healthy servers take turns. With one, each server gets a weight for it, and the heaviest that is healthy
//! takes the job ("rendezvous hashing"): jobs of a key stay together, and when a server goes, only its keys move, to all
//! the others evenly. The weight is SplitMix64's step applied to the 64-bit FNV-1a of the server's name, a zero byte and
//! the key; the same names give the same places in every program.

use alloc::{boxed::Box, vec::Vec};
use core::{cmp::Reverse, fmt, time::Duration};

use super::{
    backoff::{Backoff, Delays},
    call::breaks,
    hash,
    patience::Patience,
    session::{Next, is_refusal},
};
use beanstalk_proto::{ArgumentError, CommandError, Error, Instant, JobId, Lost};

/// Names a server of a set, as of a producer's. A number is never used again within its set, even if its server is removed.
///
/// ```
/// use beanstalk_driver::policy::ServerId;
///
/// /// For a health check: the servers that a producer passes over, from its `servers` and
/// /// its `is_healthy`.
/// fn away(
///     servers: impl Iterator<Item = (ServerId, String)>,
///     is_healthy: impl Fn(ServerId) -> bool,
/// ) -> Vec<String> {
///     servers.filter(|(id, _)| !is_healthy(*id)).map(|(_, endpoint)| endpoint).collect()
/// }
/// # assert!(away(std::iter::empty(), |_| true).is_empty());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServerId(u64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A job among several servers: what a producer's `put` returns, as ids are unique in one server only.
///
/// ```
/// use std::collections::HashMap;
///
/// use beanstalk_driver::policy::Placed;
///
/// /// Remembers which job does an order's work. It is looked after by the client that
/// /// `producer.client(placed.server)` returns.
/// fn remember(jobs: &mut HashMap<u64, Placed>, order: u64, placed: Placed) {
///     println!("order {order} is job {} on server {}", placed.id, placed.server);
///     jobs.insert(order, placed);
/// }
/// # let _ = remember;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Placed {
    /// The server that has it.
    pub server: ServerId,
    /// Its id there.
    pub id: JobId,
}

/// Which server to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This one, connected to within [`Servers::connect_timeout`]; then [`Servers::handle_result`].
    Server(ServerId),
    /// None is to be asked until then.
    WaitUntil(Instant),
    /// There is none, or none in time.
    GiveUp,
}

#[derive(Debug)]
struct Server {
    id: ServerId,
    name: Box<str>,
    delays: Delays,
    /// Not healthy, and not to be asked until then.
    out_until: Option<Instant>,
    /// When it failed last.
    failed_at: Option<Instant>,
    /// Whether its last failure was a refusal, and so no outage.
    has_refused: bool,
    is_probed: bool,
}

impl Server {
    /// Whether it was out, and for long enough.
    fn is_due(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| until <= now)
    }

    /// Whether what began then is part of its last failure.
    fn has_failed_since(&self, began: Instant) -> bool {
        self.failed_at.is_some_and(|failed_at| began <= failed_at)
    }

    fn fail(&mut self, error: &Error, began: Instant, now: Instant) {
        if self.has_failed_since(began) {
            return;
        }
        self.failed_at = Some(now);
        self.has_refused = is_refusal(error);
        let took = now.saturating_duration_since(began);
        self.out_until = Some(now + self.delays.next_delay().max(took));
    }

    fn recover(&mut self) {
        (self.out_until, self.has_refused) = (None, false);
    }

    fn weight(&self, key: &[u8]) -> u64 {
        hash::scatter(hash::fnv1a([self.name.as_bytes(), b"\0", key]))
    }
}

/// A set of servers: which of them to ask for a job, and which to leave alone for a while.
///
/// ```
/// use beanstalk_driver::policy::{Backoff, Next, Pick, Servers};
/// use beanstalk_driver::proto::{Error, Instant, Lost};
///
/// let now = Instant::ZERO;
/// let mut servers = Servers::new(Backoff::default(), None, 7);
/// servers.add("queue-1:11300");
/// servers.add("queue-2:11300");
/// let Pick::Server(first) = servers.pick(None, now, now) else { panic!("both are healthy") };
///
/// // It could not be reached: the job goes elsewhere.
/// let error = Error::Closed { lost: Lost::NotSent };
/// assert_eq!(servers.handle_result(first, Err(&error), now, now), Next::Repeat);
/// assert!(!servers.is_healthy(first));
/// assert!(matches!(servers.pick(None, now, now), Pick::Server(other) if other != first));
/// ```
#[derive(Debug)]
pub struct Servers {
    servers: Vec<Server>,
    backoff: Backoff,
    patience: Patience,
    random: u64,
    next_id: u64,
    /// Whose turn was last.
    last: Option<ServerId>,
}

impl Servers {
    /// Makes a set without servers. One that failed is asked again after `backoff`; a job waits for a healthy one for as long as
    /// `patience`. If that is zero, it waits for none, and is offered to each that is healthy.
    #[must_use]
    pub const fn new(backoff: Backoff, patience: Option<Duration>, seed: u64) -> Self {
        Self { servers: Vec::new(), backoff, patience: Patience(patience), random: seed, next_id: 0, last: None }
    }

    /// Refuses a set without servers, and a first delay that is longer than the longest.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Setting`], which names the setting.
    pub fn check(&self) -> Result<(), ArgumentError> {
        if self.servers.is_empty() {
            return Err(ArgumentError::setting("servers", "there is none to put jobs on"));
        }
        self.backoff.check("backoff")
    }

    /// Adds a server, or finds the one that has this name, which is then no longer taken for one that refuses. Names are what keys are hashed
    /// with: write an address the same way everywhere.
    pub fn add(&mut self, name: &str) -> ServerId {
        if let Some(server) = self.servers.iter_mut().find(|server| &*server.name == name) {
            server.has_refused = false;
            return server.id;
        }
        let id = ServerId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        self.random = hash::scatter(self.random);
        let delays = Delays::new(self.backoff, self.random);
        self.servers.push(Server {
            id,
            name: name.into(),
            delays,
            out_until: None,
            failed_at: None,
            has_refused: false,
            is_probed: false,
        });
        id
    }

    /// Removes a server, and returns whether there was one.
    pub fn remove(&mut self, id: ServerId) -> bool {
        let before = self.servers.len();
        self.servers.retain(|server| server.id != id);
        self.servers.len() < before
    }

    /// Returns the servers and their names, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &str)> {
        self.servers.iter().map(|server| (server.id, &*server.name))
    }

    /// Returns whether a server is taken for healthy.
    #[must_use]
    pub fn is_healthy(&self, id: ServerId) -> bool {
        self.servers.iter().any(|server| server.id == id && server.out_until.is_none())
    }

    /// Returns which server to ask for a job that has waited since `since`. Call it again when [`Servers::handle_result`] requests it,
    /// and when the time has come.
    pub fn pick(&mut self, key: Option<&[u8]>, since: Instant, now: Instant) -> Pick {
        let over = self.patience.ends(since).is_some_and(|ends| ends <= now && since < ends);
        if over {
            return Pick::GiveUp;
        }
        let healthy = self.servers.iter().any(|server| server.out_until.is_none());
        let all_refuse = self.all_refuse();
        // Those that were there when the last refused. For one that comes later the cause may have been removed.
        if all_refuse && self.servers.iter().any(|server| server.has_failed_since(since)) {
            return Pick::GiveUp;
        }
        let possible = self.servers.iter().filter(|server| all_refuse || !server.has_refused);
        let asked =
            possible.clone().filter(|server| if healthy { server.out_until.is_none() } else { server.is_due(now) });
        let chosen = match key {
            Some(key) => asked.max_by_key(|server| (server.weight(key), Reverse(&server.name))),
            // Ids grow: the next one after the last, else the first of all.
            None => asked.min_by_key(|server| (Some(server.id) <= self.last, server.id)),
        };
        if let Some(server) = chosen {
            if key.is_none() {
                self.last = Some(server.id);
            }
            return Pick::Server(server.id);
        }
        match (possible.filter_map(|server| server.out_until).min(), self.patience.ends(since)) {
            (None, _) => Pick::GiveUp,
            (Some(_), Some(ends)) if ends <= now => Pick::GiveUp,
            (Some(until), ends) => Pick::WaitUntil(ends.map_or(until, |ends| ends.min(until))),
        }
    }

    /// Returns whether no server is left that does not refuse, so that no caller waits for one.
    #[must_use]
    pub fn all_refuse(&self) -> bool {
        self.servers.iter().all(|server| server.has_refused)
    }

    /// Returns how long a job that has waited since `since` waits for one server: for a connection and for its turn. As long as that takes if its
    /// patience has no bound, or is zero.
    #[must_use]
    pub fn wait_limit(&self, since: Instant, now: Instant) -> Option<Duration> {
        self.patience.connect_timeout(since, now, None)
    }

    /// Returns how long connecting to a server may take for a job that has waited since `since`, where it has this timeout.
    #[must_use]
    pub fn connect_timeout(&self, since: Instant, timeout: Option<Duration>, now: Instant) -> Option<Duration> {
        self.patience.connect_timeout(since, now, timeout)
    }

    /// Returns a server to be probed while others take the jobs: connect to it, have it answer a command that changes nothing, and
    /// call [`Servers::handle_probed`]. Each is named once until then. Ask again until there is none.
    pub fn poll_probe(&mut self, now: Instant) -> Option<ServerId> {
        if self.servers.iter().all(|server| server.out_until.is_some()) {
            return None;
        }
        let server =
            self.servers.iter_mut().find(|server| server.is_due(now) && !server.has_refused && !server.is_probed)?;
        server.is_probed = true;
        Some(server.id)
    }

    /// Takes the result of a probe that began at `began`.
    pub fn handle_probed(&mut self, id: ServerId, result: Result<(), &Error>, began: Instant, now: Instant) {
        let Some(server) = self.servers.iter_mut().find(|server| server.id == id) else { return };
        server.is_probed = false;
        match result {
            // It answers. Its delays stay as they are until it takes a job.
            Ok(()) => server.recover(),
            Err(error) if server.out_until.is_some() => server.fail(error, began, now),
            // It took a job meanwhile.
            Err(_) => {}
        }
    }

    /// Takes the result of asking a server since `began`, and returns whether the job should go elsewhere. It should when the server did not take it
    /// and cannot have; a put that may have arrived never goes twice.
    ///
    /// After an error that is fatal or a timeout the connection must be dropped: only then is it true that what was not
    /// sent never will be.
    pub fn handle_result(&mut self, id: ServerId, result: Result<(), &Error>, began: Instant, now: Instant) -> Next {
        let refuses =
            |error: &Error| matches!(error.command_error(), Some(CommandError::Draining | CommandError::OutOfMemory));
        let server = self.servers.iter_mut().find(|server| server.id == id);
        match result {
            Err(error) if breaks(error) || refuses(error) => {
                if let Some(server) = server {
                    server.fail(error, began, now);
                }
                // What refuses us will do so again, and is no outage that others should make up for.
                if is_refusal(error) {
                    return Next::Return;
                }
                match refuses(error) || error.lost() == Some(Lost::NotSent) {
                    true => Next::Repeat,
                    false => Next::Return,
                }
            }
            _ => {
                // An argument or a limit of our own is no sign of the server's health.
                let answered = result.err().is_none_or(|error| error.lost().is_none());
                if let Some(server) = server.filter(|server| answered && !server.has_failed_since(began)) {
                    server.delays.reset();
                    server.recover();
                }
                Next::Return
            }
        }
    }
}

#[cfg(test)]
mod tests;
