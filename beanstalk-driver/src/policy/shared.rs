//! A client that many tasks share, as a state machine: when to connect again, who may wait for that, and what is repeated.
//!
//! ```text
//!                     handle_connected
//!   Connect, WaitUntil ──────────────▶ Drive ──── Ready: a call sends its request
//!       ▲    │ reconnect is off          │
//!       │    └─────────────▶ End ◀───────┤ reconnect is off, or `end`
//!       └──────── handle_lost ───────────┘
//! ```
//!
//! One task drives it, and asks [`Shared::poll_driver`] what to do. Each call asks [`Shared::poll_call`] whether it may send, and after a
//! connection broke under it [`Shared::handle_broken_off`] whether to begin anew. Which requests are repeated is the same for all clients:
//! see [`Session`].

use core::time::Duration;

use super::{
    backoff::Backoff,
    call::{Call, breaks},
    session::{Event, Next, Session, SessionConfig, Step, is_refusal},
    tubes::Tubes,
    waiting::Waiting,
};
use crate::argument::setters;
use beanstalk_proto::{ArgumentError, Error, Full, Instant};

/// How a shared client connects again, and what may wait meanwhile.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::policy::SharedConfig;
///
/// // For handlers of a web server: fail soon, and let few wait.
/// let config = SharedConfig::default()
///     .patience(Duration::from_secs(2))
///     .waiting(256, 4 * 1024 * 1024);
/// assert!(!config.repeat_puts);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct SharedConfig {
    /// How long to wait between attempts to connect. `None` does not reconnect: what breaks the connection ends the client.
    pub reconnect: Option<Backoff>,
    /// How long a call waits until its request is sent, for a connection or for its turn: 30 s unless changed. `None` waits as long as it
    /// takes.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::maybe_seconds"))]
    pub patience: Option<Duration>,
    /// How many calls may wait for that: 16,384 unless changed. One more fails with [`Full::Waiting`].
    pub waiting: usize,
    /// How many bytes of bodies they may have: 64 MiB unless changed. One more call with a body fails with [`Full::WaitingBytes`], but one
    /// may always wait.
    pub waiting_bytes: usize,
    /// Whether a put is repeated although it may have run, so that there may be two jobs of it: not unless changed.
    pub repeat_puts: bool,
}

impl Default for SharedConfig {
    fn default() -> Self {
        let SessionConfig { reconnect, patience } = SessionConfig::default();
        Self { reconnect, patience, waiting: 16 * 1024, waiting_bytes: 64 * 1024 * 1024, repeat_puts: false }
    }
}

impl SharedConfig {
    setters! {
        /// Sets how long to wait between attempts to connect; `None` does not reconnect.
        reconnect: impl Into<Option<Backoff>>;
        /// Sets how long a call waits until its request is sent; `None` waits as long as it takes.
        patience: impl Into<Option<Duration>>;
    }

    /// Sets how many calls may wait, and how many bytes of bodies they may have.
    #[must_use]
    pub const fn waiting(mut self, calls: usize, bytes: usize) -> Self {
        (self.waiting, self.waiting_bytes) = (calls, bytes);
        self
    }

    /// Sets whether a put is repeated although it may have run.
    #[must_use]
    pub const fn repeat_puts(mut self, repeat_puts: bool) -> Self {
        self.repeat_puts = repeat_puts;
        self
    }

    /// Refuses a first delay that is longer than the longest.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Setting`].
    pub fn check(&self) -> Result<(), ArgumentError> {
        SessionConfig { reconnect: self.reconnect, patience: self.patience }.check()
    }
}

/// What the driver of a [`Shared`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverStep {
    /// Connect; then [`Shared::handle_connected`] or [`Shared::handle_lost`].
    Connect,
    /// Nothing until then.
    WaitUntil(Instant),
    /// Move the connection's bytes; [`Shared::handle_lost`] once it has ended.
    Drive,
    /// There will be no other connection.
    End,
}

/// What a call does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// Send its request, if it is its turn.
    Send,
    /// Wait for a connection.
    Wait,
    /// Fail with [`Call::given_up`].
    GiveUp,
}

/// The connections of a client that many tasks share, one after the other.
#[derive(Clone, Debug)]
pub struct Shared {
    config: SharedConfig,
    session: Session,
    /// Calls that wait.
    waiting: Waiting,
}

impl Shared {
    /// Makes a client without a connection yet. The seed is for the delays: no two clients should share one.
    #[must_use]
    pub fn new(config: SharedConfig, seed: u64) -> Self {
        let session = SessionConfig { reconnect: config.reconnect, patience: config.patience };
        let waiting = Waiting::new(config.waiting, config.waiting_bytes);
        Self { config, session: Session::new(&session, Tubes::default(), seed), waiting }
    }

    /// Returns what to do next. Ask again after each `handle_` and when the time has come.
    #[must_use]
    pub fn poll_driver(&self, now: Instant) -> DriverStep {
        match self.session.link_step(now) {
            // There are no tubes to be restored: each call brings its own.
            Step::Ready | Step::Replay(_) => DriverStep::Drive,
            Step::Connect => DriverStep::Connect,
            Step::WaitUntil(at) => DriverStep::WaitUntil(at),
            Step::GiveUp => DriverStep::End,
        }
    }

    /// Returns a call of this request that begins now.
    #[must_use]
    pub fn begin<R: beanstalk_proto::Request + Clone>(&self, request: &R, now: Instant) -> Call {
        Call::new(request, now).repeat_puts(self.config.repeat_puts)
    }

    /// Returns what a call does next. Ask again whenever there is a connection or none any more, and when its patience is over.
    #[must_use]
    pub fn poll_call(&self, call: &Call, now: Instant) -> CallStep {
        match self.session.poll_step(call, now) {
            Step::Ready | Step::Replay(_) => CallStep::Send,
            Step::Connect | Step::WaitUntil(_) => CallStep::Wait,
            Step::GiveUp => CallStep::GiveUp,
        }
    }

    /// Returns when the patience of a call is over.
    #[must_use]
    pub fn patience_ends(&self, call: &Call) -> Option<Instant> {
        self.config.patience.map(|patience| call.since() + patience)
    }

    /// Lets a call wait that has a body of so many bytes; then [`Shared::leave`].
    ///
    /// # Errors
    ///
    /// [`Full::Waiting`] and [`Full::WaitingBytes`].
    pub const fn enter(&mut self, body: usize) -> Result<(), Full> {
        self.waiting.enter(body)
    }

    /// Takes note that a call waits no more.
    pub const fn leave(&mut self, body: usize) {
        self.waiting.leave(body);
    }

    /// Reports that there is a connection.
    pub fn handle_connected(&mut self, now: Instant) {
        self.session.handle_connected(now);
    }

    /// Reports that the server has answered a call.
    pub const fn handle_answer(&mut self) {
        self.session.handle_answer();
    }

    /// Reports that the connection broke, or could not be made. One error for all calls; each then asks [`Shared::handle_broken_off`].
    ///
    /// What is neither a broken connection nor silence, or is a [refusal](Error::is_refusal), would be the same the next time: it ends the client.
    pub fn handle_lost(&mut self, error: &Error, now: Instant) {
        self.session.handle_lost(error, now);
        if !breaks(error) || is_refusal(error) {
            self.end();
        }
    }

    /// Returns whether a call begins anew that was on a connection which broke, and failed with this.
    pub fn handle_broken_off(&self, call: &mut Call, error: &Error, now: Instant) -> Next {
        match breaks(error) {
            true => self.session.handle_broken_off(call, error, now),
            false => Next::Return,
        }
    }

    /// Ends the client: there will be no other connection.
    pub fn end(&mut self) {
        self.session.end();
    }

    /// Returns whether there will be no other connection.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.session.has_ended()
    }

    /// Returns whether there is a connection, as far as is known.
    #[must_use]
    pub fn is_connected(&self, now: Instant) -> bool {
        self.poll_driver(now) == DriverStep::Drive
    }

    /// Returns the next thing that happened. The last 64 are kept.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.session.poll_event()
    }

    /// Returns each event once as well, and keeps it for [`poll_event`](Self::poll_event).
    pub fn observe_event(&mut self) -> Option<&Event> {
        self.session.observe_event()
    }
}

#[cfg(test)]
mod tests;
