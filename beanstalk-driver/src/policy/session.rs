//! A client that outlives its connections: when to connect again, what to send first, and what to repeat.
//!
//! ```text
//!          handle_connected            the last replay answered
//!   Down ──────────────────▶ Restoring ────────────────────────▶ Up
//!    ▲ │ it is not time yet:     │                               │
//!    │ └─▶ WaitUntil             │                               │
//!    └────── handle_lost ────────┴───────────────────────────────┤  of a refusal: the call is over, the next one connects
//!                                                                │ quit, or no reconnecting
//!                                                                ▼
//!                                                              Ended
//! ```
//!
//! Its driver carries out, before each request, what [`Session::poll_step`] returns until that is [`Step::Ready`], sends the
//! request, and asks [`Session::handle_result`] whether to do all of it once more. Steps have no effect by themselves,
//! so a caller that goes away in the middle of one leaves nothing behind: the next call gets the same step.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
};
use core::time::Duration;

mod event;

use super::{
    backoff::{Backoff, Delays},
    call::{Call, Repeat, breaks},
    patience::Patience,
    tubes::Tubes,
};
use crate::argument::setters;
use beanstalk_proto::{ArgumentError, Command, Error, Instant, Kind, Lost};
pub use event::Event;

/// After this long without a call, 100 ms, the server may well have gone, so the connection is looked at first.
pub const IDLE: Duration = Duration::from_millis(100);

/// How a session connects again, and how long a call waits for that.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::policy::{Backoff, SessionConfig};
///
/// // An attempt to connect every few seconds, for as long as it takes.
/// let config = SessionConfig::default()
///     .reconnect(Backoff { first: Duration::from_secs(1), max: Duration::from_secs(5) })
///     .patience(None);
/// config.check()?;
///
/// // What breaks the connection ends the session.
/// let once = SessionConfig::default().reconnect(None);
/// assert_eq!(once.reconnect, None);
/// # Ok::<(), beanstalk_driver::proto::ArgumentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct SessionConfig {
    /// How long to wait between attempts to connect. `None` does not reconnect: what breaks the connection ends the
    /// session.
    pub reconnect: Option<Backoff>,
    /// How long a call waits for a connection and repeats what was broken off: 30 s unless changed. `None` waits as long
    /// as it takes. For a reserve that waited, it begins when the connection broke, or when its timeout ended. An attempt to connect is given up when it ends; a reply that is awaited then has its own timeout.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::maybe_seconds"))]
    pub patience: Option<Duration>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { reconnect: Some(Backoff::default()), patience: Some(Duration::from_secs(30)) }
    }
}

impl SessionConfig {
    setters! {
        /// Sets how long to wait between attempts to connect; `None` does not reconnect.
        reconnect: impl Into<Option<Backoff>>;
        /// Sets how long a call waits for a connection and repeats what was broken off; `None` waits as long as it takes.
        patience: impl Into<Option<Duration>>;
    }

    /// Refuses a first delay that is longer than the longest.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Setting`].
    pub fn check(&self) -> Result<(), ArgumentError> {
        self.reconnect.map_or(Ok(()), |backoff| backoff.check("reconnect"))
    }
}

/// What to do before a request can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Drop the connection there may be and make one, within [`Session::connect_timeout`]; then
    /// [`Session::handle_connected`] or [`Session::handle_lost`].
    Connect,
    /// Send this and wait for its reply; then [`Session::handle_replayed`] or [`Session::handle_lost`].
    Replay(Command),
    /// Send the request.
    Ready,
    /// Nothing until then.
    WaitUntil(Instant),
    /// The call fails with [`Call::given_up`]: the session has ended, or patience has.
    GiveUp,
}

/// What to do with a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Give it to the caller.
    Return,
    /// Do it once more, from [`Session::poll_step`] on (or [`Servers::pick`](super::Servers::pick)).
    Repeat,
}

#[derive(Clone, Debug)]
enum Link {
    Down { retry_at: Instant, refused: Option<Instant> },
    Restoring { since: Instant, left: VecDeque<Command> },
    Up { since: Instant },
    Ended,
}

/// A client's connections, one after the other, as a state machine.
#[derive(Clone, Debug)]
pub struct Session {
    reconnect: bool,
    patience: Patience,
    delays: Delays,
    tubes: Tubes,
    /// What a new connection uses and watches.
    fresh: Tubes,
    link: Link,
    connections: u64,
    events: VecDeque<Event>,
    /// How many of them [`Session::observe_event`] has returned.
    observed: usize,
}

impl Session {
    /// Events kept for [`Session::poll_event`]; the oldest go first.
    const MAX_EVENTS: usize = 64;

    /// Makes a session without a connection yet. The seed is for the delays: no two sessions should share one.
    #[must_use]
    pub fn new(config: &SessionConfig, tubes: Tubes, seed: u64) -> Self {
        Self {
            reconnect: config.reconnect.is_some(),
            patience: Patience(config.patience),
            delays: Delays::new(config.reconnect.unwrap_or_default(), seed),
            tubes,
            fresh: Tubes::default(),
            link: Link::Down { retry_at: Instant::ZERO, refused: None },
            connections: 0,
            events: VecDeque::new(),
            observed: 0,
        }
    }

    /// Takes note of what a new connection uses and watches, if that is not `default`: see [`Tubes::greeted`].
    #[must_use]
    pub fn greeted(mut self, fresh: Tubes) -> Self {
        self.fresh = fresh;
        self
    }

    /// Returns what to do next for a call. Ask again after each `handle_` and when the time has come.
    #[must_use]
    pub fn poll_step(&self, call: &Call, now: Instant) -> Step {
        self.step(call.since, now)
    }

    /// As [`Session::poll_step`], for a caller whose patience began at `since`.
    pub(super) fn step(&self, since: Instant, now: Instant) -> Step {
        let impatient_at = self.patience.ends(since);
        // The calls that were there when it came. For a later one the cause may have been removed.
        if matches!(self.link, Link::Down { refused: Some(at), .. } if since <= at) {
            return Step::GiveUp;
        }
        match self.link_step(now) {
            step @ (Step::Ready | Step::GiveUp) => step,
            _ if impatient_at.is_some_and(|at| at <= now) => Step::GiveUp,
            Step::WaitUntil(retry_at) => Step::WaitUntil(impatient_at.map_or(retry_at, |at| at.min(retry_at))),
            step => step,
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.link, Link::Ended)
    }

    /// As [`Session::poll_step`], for a caller without a deadline.
    pub(super) fn link_step(&self, now: Instant) -> Step {
        match &self.link {
            Link::Up { .. } => Step::Ready,
            Link::Ended => Step::GiveUp,
            Link::Down { retry_at, .. } if *retry_at > now => Step::WaitUntil(*retry_at),
            Link::Down { .. } => Step::Connect,
            Link::Restoring { left, .. } => left.front().cloned().map_or(Step::Ready, Step::Replay),
        }
    }

    /// Returns how long the attempt to connect may take that [`Step::Connect`] asks for, where connecting has this timeout.
    #[must_use]
    pub fn connect_timeout(&self, call: &Call, timeout: Option<Duration>, now: Instant) -> Option<Duration> {
        self.patience.connect_timeout(call.since, now, timeout)
    }

    /// Reports a connection on which nothing was sent yet.
    pub fn handle_connected(&mut self, now: Instant) {
        if matches!(self.link, Link::Ended) {
            return;
        }
        self.connections = self.connections.saturating_add(1);
        self.report(Event::Connected);
        self.link = Link::Restoring { since: now, left: self.tubes.replay(&self.fresh).into() };
        self.restored_if_done();
    }

    /// Reports that the server has agreed to [`Step::Replay`].
    pub fn handle_replayed(&mut self) {
        if let Link::Restoring { left, .. } = &mut self.link {
            left.pop_front();
        }
        self.restored_if_done();
    }

    /// Reports that the connection broke, was given up, could not be made, or the server refused a replay. Drop it if there is one.
    pub fn handle_lost(&mut self, error: &Error, now: Instant) {
        let since = match &self.link {
            Link::Ended => return,
            Link::Down { .. } => None,
            Link::Restoring { since, .. } | Link::Up { since } => Some(*since),
        };
        // A connection that was only ever waited on has proved itself by lasting longer than any delay.
        if since.is_some_and(|since| now.saturating_duration_since(since) > self.delays.longest()) {
            self.delays.reset();
        }
        let reason = String::into_boxed_str(error.to_string());
        let refused = is_refusal(error).then_some(now);
        self.report(if refused.is_some() { Event::Refused { reason } } else { Event::Lost { reason } });
        if !self.reconnect {
            self.end();
            return;
        }
        let delay = self.delays.next_delay();
        self.link = Link::Down { retry_at: now + delay, refused };
        if refused.is_none() {
            self.report(Event::Retrying { attempt: self.delays.attempts(), delay });
        }
    }

    /// The connection was closed from here, though nothing is wrong with it. The next one is still made after a delay, which grows
    /// until the server has answered something.
    pub(super) fn handle_closed(&mut self, now: Instant) {
        if matches!(self.link, Link::Restoring { .. } | Link::Up { .. }) {
            self.link = Link::Down { retry_at: now + self.delays.next_delay(), refused: None };
        }
    }

    /// Whether requests go through.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Takes the result of a call: remembers tubes, notices a broken connection (drop it then), and returns whether to repeat it.
    ///
    /// A reply that did not come in time counts as a broken connection: a slow server cannot be distinguished from one that
    /// has vanished, and what waits on both sides would never be put right. Such a call is not repeated.
    pub fn handle_result(&mut self, call: &mut Call, result: Result<(), &Error>, now: Instant) -> Next {
        let error = match result {
            Ok(()) => {
                self.handle_answer();
                if let Some(selection) = &call.selection {
                    self.tubes.select(selection);
                }
                if call.kind == Some(Kind::Quit) {
                    self.end();
                }
                return Next::Return;
            }
            Err(error) => error,
        };
        if !breaks(error) {
            if error.lost().is_none() {
                self.handle_answer();
            }
            return Next::Return;
        }
        self.handle_lost(error, now);
        self.handle_broken_off(call, error, now)
    }

    /// Whether to repeat a call that was on a connection which broke, after [`Session::handle_lost`].
    pub(super) fn handle_broken_off(&self, call: &mut Call, error: &Error, now: Instant) -> Next {
        call.break_off(error, now);
        let may = match call.repeat() {
            Repeat::Always => true,
            Repeat::IfNotSent => error.lost() == Some(Lost::NotSent),
            Repeat::Never => false,
        };
        // What the server answers nonsense to, it would answer nonsense to again.
        let broken_off = !matches!(error, Error::TimedOut { .. } | Error::Protocol { .. }) && !is_refusal(error);
        let patient = self.patience.ends(call.since).is_none_or(|at| now < at);
        match may && broken_off && patient && self.reconnect {
            true => Next::Repeat,
            false => Next::Return,
        }
    }

    /// The server has answered something other than a replay: delays are short again.
    pub(super) const fn handle_answer(&mut self) {
        self.delays.reset();
    }

    /// Ends the session: there will be no other connection.
    pub fn end(&mut self) {
        if !matches!(self.link, Link::Ended) {
            self.link = Link::Ended;
            self.report(Event::Ended);
        }
    }

    /// Returns the next thing that happened. The last 64 are kept.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.observed = self.observed.saturating_sub(1);
        self.events.pop_front()
    }

    /// Returns each event once as well, and keeps it for [`poll_event`](Self::poll_event).
    pub fn observe_event(&mut self) -> Option<&Event> {
        let event = self.events.get(self.observed)?;
        self.observed = self.observed.saturating_add(1);
        Some(event)
    }

    /// Returns the tubes that it uses and watches.
    #[must_use]
    pub const fn tubes(&self) -> &Tubes {
        &self.tubes
    }

    /// Returns how many connections there were so far. Jobs reserved on an earlier one are held no more.
    #[must_use]
    pub const fn connections(&self) -> u64 {
        self.connections
    }

    fn restored_if_done(&mut self) {
        match &self.link {
            Link::Restoring { since, left } if left.is_empty() => {
                self.link = Link::Up { since: *since };
                self.report(Event::Restored);
            }
            _ => {}
        }
    }

    fn report(&mut self, event: Event) {
        if self.events.len() >= Self::MAX_EVENTS {
            self.poll_event();
        }
        self.events.push_back(event);
    }
}

/// Whether connecting again would fail in the same way: a refusal, or options that cannot be used.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.is_refusal() || matches!(error, Error::Argument(_))
}

#[cfg(test)]
mod tests;
