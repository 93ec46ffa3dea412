//! A call that outlives the connection it was made on: whether it is repeated, and as what.
//!
//! # What is repeated
//!
//! | request | broken off, and cannot have run | broken off, and may have run |
//! |---|---|---|
//! | reads (`peek…`, `stats…`, `list-…`), `use`, `watch`, `ignore` | repeated | repeated |
//! | `reserve`, `reserve-with-timeout` | repeated | repeated, with what is left of the timeout; with 0 if nothing is |
//! | `put`, `kick`, `pause-tube` | repeated | fails |
//! | `delete`, `release`, `bury`, `touch`, `reserve-job`, `kick-job`, and what has no name here | fails | fails |
//!
//! A job that a reserve took on the old connection goes back by itself, once the server has noticed that the connection is gone. While
//! only the client has, the server may hand a job to the old connection: that job goes back when its time to run ends, which the
//! server counts in the job's `timeouts`, and a [`RetryPolicy`](super::RetryPolicy) counts as a failure.
//!
//! The last row is about a job by its number. What this connection held is held no more, and a server that was restarted
//! without a binlog counts from 1 again: the number may stand for another job by now, which a repeated `delete` would
//! remove unprocessed.

use super::tubes::Selection;
use beanstalk_proto::{
    ArgumentError, DecodeError, Encoder, Error, Expect, Instant, Kind, Lost, Reply, Request, ReserveWithTimeout, Wait,
};

/// When a request may be repeated that was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Always,
    IfNotSent,
    Never,
}

/// What a session keeps of a request.
#[derive(Clone, Debug)]
pub struct Call {
    /// When its patience began.
    pub(super) since: Instant,
    /// Whether it may have run on a connection that is gone.
    pub(super) lost: Lost,
    /// When the timeout ends with which it waits for a job, once it was sent.
    until: Option<Instant>,
    pub(super) kind: Option<Kind>,
    pub(super) selection: Option<Selection>,
    /// A put is repeated though it may have run.
    repeats_puts: bool,
}

impl Call {
    /// Begins a call of this request.
    #[must_use]
    pub fn new<R: Request + Clone>(request: &R, now: Instant) -> Self {
        Self {
            since: now,
            lost: Lost::NotSent,
            until: None,
            kind: request.expect().kind,
            selection: Selection::of(request),
            repeats_puts: false,
        }
    }

    /// Has a put repeated though it may have run, so that there may be two jobs of it.
    #[must_use]
    pub fn repeat_puts(mut self, repeats_puts: bool) -> Self {
        self.repeats_puts = repeats_puts;
        self
    }

    /// Returns when its patience began.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Returns whether it may have run on a connection that is gone.
    #[must_use]
    pub const fn lost(&self) -> Lost {
        self.lost
    }

    /// Returns the request as it is to be sent now. A reserve that is repeated waits for what is left of its timeout, in whole seconds, and
    /// never too short.
    pub fn attempt<R: Request + Clone>(&mut self, request: &R, now: Instant) -> Attempt<R> {
        let mut left = None;
        if let (Some(Kind::ReserveWithTimeout), wait @ Wait::Seconds(_)) = (self.kind, request.expect().wait) {
            left = self.until.map(|until| {
                let left = until.saturating_duration_since(now);
                u32::try_from(left.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
            });
            self.until.get_or_insert(now + wait.duration());
        }
        Attempt { request: request.clone(), left }
    }

    /// Returns the error of a call that is given up, because of this if it is known.
    #[must_use]
    pub fn given_up(&self, cause: Option<Error>) -> Error {
        self.fails_with(cause.unwrap_or(Error::Closed { lost: self.lost }).with_lost(self.lost))
    }

    /// Returns the error of the whole call, whose last attempt failed with this: it does not count as not sent if an earlier attempt may have run.
    #[must_use]
    pub fn fails_with(&self, error: Error) -> Error {
        if self.lost == Lost::NotSent || error.lost() != Some(Lost::NotSent) {
            return error;
        }
        match error.with_lost(Lost::Unknown) {
            // For example that there was no connection. Of what only reads it is of no interest whether it has run.
            error if error.lost() == Some(Lost::NotSent) && self.kind == Some(Kind::Put) => unknown(error),
            error => error,
        }
    }

    pub(super) fn repeat(&self) -> Repeat {
        match self.kind {
            Some(
                Kind::Peek
                | Kind::PeekReady
                | Kind::PeekDelayed
                | Kind::PeekBuried
                | Kind::StatsJob
                | Kind::StatsTube
                | Kind::Stats
                | Kind::ListTubes
                | Kind::ListTubeUsed
                | Kind::ListTubesWatched
                | Kind::Use
                | Kind::Watch
                | Kind::Ignore
                | Kind::Reserve
                | Kind::ReserveWithTimeout,
            ) => Repeat::Always,
            Some(Kind::Put) if self.repeats_puts => Repeat::Always,
            Some(Kind::Put | Kind::Kick | Kind::PauseTube) => Repeat::IfNotSent,
            Some(
                Kind::Delete | Kind::Release | Kind::Bury | Kind::Touch | Kind::ReserveJob | Kind::KickJob | Kind::Quit,
            )
            | None => Repeat::Never,
        }
    }

    /// The connection broke while it was on it.
    pub(super) fn break_off(&mut self, error: &Error, now: Instant) {
        if error.lost() != Some(Lost::NotSent) {
            self.lost = Lost::Unknown;
        }
        // It may have waited for a job for longer than anybody has patience for a server.
        if matches!(self.kind, Some(Kind::Reserve | Kind::ReserveWithTimeout)) {
            self.since = self.until.map_or(now, |until| until.min(now));
        }
    }
}

/// A request that may have been sent before; see [`Call::attempt`].
#[derive(Clone, Debug)]
pub struct Attempt<R> {
    request: R,
    left: Option<u32>,
}

impl<R: Request> Request for Attempt<R> {
    type Reply = R::Reply;

    fn expect(&self) -> Expect {
        let expect = self.request.expect();
        match self.left {
            Some(left) => expect.wait(Wait::Seconds(left)),
            None => expect,
        }
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        match self.left {
            Some(left) => ReserveWithTimeout::new(left).encode(encoder),
            None => self.request.encode(encoder),
        }
    }

    fn decode(reply: Reply) -> Result<R::Reply, DecodeError> {
        R::decode(reply)
    }
}

/// An error that always means that nothing was sent, of a request that may have run before.
fn unknown(error: Error) -> Error {
    let lost = Lost::Unknown;
    #[cfg(feature = "std")]
    let unknown = Error::Io { error: std::io::Error::other(error), lost };
    #[cfg(not(feature = "std"))]
    let (unknown, _) = (Error::Closed { lost }, error);
    unknown
}

/// Whether a connection must be dropped after this error: it is broken, or it is unknown when it will answer.
pub(crate) fn breaks(error: &Error) -> bool {
    error.is_fatal() || matches!(error, Error::TimedOut { .. })
}
