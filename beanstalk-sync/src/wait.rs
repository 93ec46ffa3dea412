//! How a blocking client waits: for room, for a reply, for what may lie unread; and what it does when that takes too long.
//!
//! ```text
//!             ┌──────────────────────────────────────────────────┐
//!             ▼                                                  │ something moved
//!   look for the reply ── no ──▶ is it late? ── no ──▶ write or read, no longer than what is left
//!             │ yes                   │ yes
//!             ▼                       ▼
//!           done             read once more, look, give up
//! ```

use std::{
    io,
    task::Poll,
    time::{Duration, Instant},
};

use beanstalk_proto::{
    Error, Lost, Request, SendError,
    client::{Deadline, Ticket},
};

use crate::{
    client::Client,
    transport::Transport,
    wire::{NOW, TURN, Wrote},
};

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Bytes may have moved: look for the reply.
    Moved,
    /// The reply is overdue.
    TooLong,
    /// The caller's own deadline has passed.
    GiveUp,
}

impl<T: Transport> Client<T> {
    /// Queues a request, once there is room.
    #[inline]
    pub(crate) fn queue<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        if self.connection.in_flight() > 0 {
            return self.queue_behind(request);
        }
        Ok(self.connection.send(request)?)
    }

    /// Queues a request behind others. If a reserve is in its way that nobody waits for any more, or is about to be taken over,
    /// its job may be here, unread.
    fn queue_behind<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        self.make_room(&request)?;
        self.connection.check_send(&request)?;
        Ok(self.connection.send_over(request)?)
    }

    /// Reads and writes, no longer than a reply may take, while the connection is full of requests that nobody waits for any more;
    /// then reads what may change what becomes of this one.
    pub(crate) fn make_room<R: Request>(&mut self, request: &R) -> Result<(), Error> {
        let until = self.until();
        while matches!(self.connection.check_send(request), Err(SendError::Full(_))) {
            let left = self.left(until);
            let moves = self.connection.wants_transmit() || self.connection.awaits_reply();
            if !moves || left.is_some_and(|left| left.is_zero()) {
                break;
            }
            if let Err(error) = self.wire.exchange(&mut self.connection, left) {
                return Err(self.failed(error, Lost::NotSent));
            }
        }
        self.read_unread(request)
    }

    /// Reads what is here, for as long as that may change what becomes of a request.
    pub(crate) fn read_unread<R: Request>(&mut self, request: &R) -> Result<(), Error> {
        while self.connection.in_flight() > 0 {
            let unread = match self.connection.check_send(request) {
                Err(refused) => matches!(refused, SendError::ReserveWaiting),
                Ok(()) => self.connection.would_adopt(request),
            };
            match unread.then(|| self.wire.read_once(&mut self.connection, Some(NOW))) {
                Some(Ok(true)) => {}
                Some(Err(error)) => return Err(self.failed(error, Lost::NotSent)),
                Some(Ok(false)) | None => break,
            }
        }
        Ok(())
    }

    /// Waits for the reply to a request that was sent at `start`, or whose reply was asked for then.
    pub(crate) fn wait<R>(&mut self, mut ticket: Ticket<R>, start: Instant, now: Instant) -> Result<R, Error> {
        let deadline = self.connection.deadline(&ticket, self.since_epoch(start));
        let mut now = self.since_epoch(now);
        loop {
            if let Poll::Ready(result) = self.connection.poll_reply(&mut ticket) {
                return result;
            }
            match self.advance(deadline, now) {
                Ok(Waited::Moved) => now = self.now(),
                Ok(Waited::GiveUp) => return self.connection.give_up(ticket),
                Ok(Waited::TooLong) => {
                    if let Poll::Ready(result) = self.connection.poll_reply(&mut ticket) {
                        return result;
                    }
                    let error = self.connection.timed_out(&ticket);
                    self.connection.abandon(ticket);
                    return Err(error);
                }
                Err(error) => return Err(self.broken(ticket, error)),
            }
        }
    }

    /// Writes once; if there is no room, reads.
    pub(crate) fn write_or_read(&mut self, left: Option<Duration>) -> io::Result<()> {
        match self.wire.write_some(&mut self.connection, left)? {
            Wrote::All | Wrote::Some => Ok(()),
            Wrote::Nothing => self.wire.read_once(&mut self.connection, Some(TURN)).map(|_| ()),
        }
    }

    /// The error of a request that met the transport's failure.
    #[cold]
    pub(crate) fn broken<R>(&mut self, ticket: Ticket<R>, error: io::Error) -> Error {
        let error = self.failed(error, self.connection.lost(&ticket));
        self.connection.abandon(ticket);
        error
    }

    /// Moves bytes until something was read, or says what the deadline asks for.
    pub(crate) fn advance(&mut self, deadline: Deadline, now: beanstalk_proto::Instant) -> io::Result<Waited> {
        let (until, waited) = match deadline {
            Deadline::Never => (None, Waited::Moved),
            Deadline::Fail(until) => (Some(until), Waited::TooLong),
            Deadline::GiveUp(until) => (Some(until), Waited::GiveUp),
        };
        let left = until.map(|until| until.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            self.wire.read_once(&mut self.connection, Some(NOW))?;
            return Ok(waited);
        }
        self.wire.exchange(&mut self.connection, left)?;
        Ok(Waited::Moved)
    }

    /// Notes that the transport has failed, and makes the error of the call that met it.
    pub(crate) fn failed(&mut self, error: io::Error, lost: Lost) -> Error {
        self.connection.abort();
        Error::Io { error, lost }
    }

    /// Looks, without waiting, whether the server has ended the connection.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.wire.read_once(&mut self.connection, Some(NOW)).is_err() || self.connection.is_ended()
    }

    /// Until when a request may take that begins now.
    pub(crate) fn until(&self) -> Option<beanstalk_proto::Instant> {
        self.connection.config().reply_timeout.map(|timeout| self.now() + timeout)
    }

    /// How long it is until then.
    pub(crate) fn left(&self, until: Option<beanstalk_proto::Instant>) -> Option<Duration> {
        until.map(|until| until.saturating_duration_since(self.now()))
    }

    pub(crate) fn now(&self) -> beanstalk_proto::Instant {
        self.since_epoch(Instant::now())
    }

    pub(crate) fn since_epoch(&self, at: Instant) -> beanstalk_proto::Instant {
        beanstalk_proto::Instant::ZERO + at.saturating_duration_since(self.epoch)
    }
}
