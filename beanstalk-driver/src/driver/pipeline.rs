//! Many requests over one connection: a bounded window of them in flight, results in order.

use alloc::collections::VecDeque;
use core::{
    mem,
    task::{Poll, ready},
};

use beanstalk_proto::{
    Error, Full, Instant, Lost, Request,
    client::{Connection, SendOptions, Ticket, Timeout},
};

/// Requests in flight at most; more gains nothing.
const WINDOW: usize = 64;
/// Bytes queued at most before the window counts as full.
const WINDOW_BYTES: usize = 512 * 1024;

/// Sends requests as room allows and returns one result for each, in their order.
///
/// The driver repeats: [`Pipeline::fill`], write and read as the connection wants, [`Pipeline::poll_next`].
/// After a fatal error, what is left fails with [`Error::Closed`], each with its own [`Error::lost`]. After a reply that is late, what was not
/// sent yet is not sent any more, and fails with [`Error::TimedOut`].
pub struct Pipeline<I: Iterator<Item: Request>> {
    requests: I,
    /// The request that there was no room for.
    held: Option<I::Item>,
    entries: VecDeque<Entry<<I::Item as Request>::Reply>>,
    timeout: Timeout,
    failed: bool,
    late: bool,
}

enum Entry<T> {
    Sent(Ticket<T>),
    Refused(Error),
}

impl<I: Iterator<Item: Request>> Pipeline<I> {
    /// Makes a pipeline of these requests; nothing is sent yet.
    pub fn new(requests: I) -> Self {
        Self::with_timeout(requests, Timeout::Default)
    }

    /// As [`Pipeline::new`], with a time for each reply, from the one before it.
    pub fn with_timeout(requests: I, timeout: Timeout) -> Self {
        Self { requests, held: None, entries: VecDeque::new(), timeout, failed: false, late: false }
    }

    /// What each reply may take.
    pub(super) const fn timeout(&self) -> Timeout {
        self.timeout
    }

    /// Sends requests until the window is full. While it is more than half full it does nothing, so that requests go
    /// out many to a write.
    pub fn fill(&mut self, connection: &mut Connection, now: Instant) {
        if self.entries.len() > WINDOW / 2 {
            return;
        }
        // Without a request of our own nothing is waited for, so the first is sent whatever others have queued.
        while self.entries.is_empty() || self.entries.len() < WINDOW && connection.queued() < WINDOW_BYTES {
            let Some(request) = self.held.take().or_else(|| self.requests.next()) else { return };
            // With requests of our own in flight, a limit or a waiting reserve is only a matter of time.
            let expect = request.expect();
            let room = match connection.check_send(&expect) {
                Err(Error::Full(_) | Error::ReserveWaiting) if !self.entries.is_empty() => {
                    self.held = Some(request);
                    return;
                }
                // It may be the rest of a body of our own that was refused before it was written.
                Err(Error::Full(Full::Queued { .. })) if connection.queued() > 0 => Ok(()),
                room => room,
            };
            // It may make the queue longer than its limit: refused after it was encoded, it could not be held back.
            let options = SendOptions::default().timeout(self.timeout).beyond_limits();
            let sent = match room {
                Ok(()) if self.late => Err(Error::TimedOut {
                    command: expect.command,
                    subject: expect.subject.clone(),
                    waited: match self.timeout {
                        Timeout::After(timeout) => timeout,
                        _ => connection.config().reply_timeout.unwrap_or_default(),
                    },
                    lost: Lost::NotSent,
                }),
                Ok(()) => connection.send_with(now, request, options),
                Err(refused) => Err(refused),
            };
            self.entries.push_back(match sent {
                Ok(ticket) => Entry::Sent(ticket),
                Err(error) => Entry::Refused(error),
            });
        }
    }

    /// Returns the request whose result comes next, if it was sent.
    pub fn front(&self) -> Option<&Ticket<<I::Item as Request>::Reply>> {
        match self.entries.front() {
            Some(Entry::Sent(ticket)) => Some(ticket),
            _ => None,
        }
    }

    /// Returns whether [`Pipeline::poll_next`] has something: the next result, or the end.
    pub fn is_ready(&self, connection: &Connection) -> bool {
        self.front().is_none_or(|ticket| connection.is_ready(ticket.id()))
    }

    /// Returns the next result; `None` at the end. Call [`Pipeline::fill`] before.
    pub fn poll_next(
        &mut self,
        connection: &mut Connection,
    ) -> Poll<Option<Result<<I::Item as Request>::Reply, Error>>> {
        let result = match self.entries.front_mut() {
            None => return Poll::Ready(None),
            Some(Entry::Sent(ticket)) => ready!(connection.poll_reply(ticket)),
            Some(Entry::Refused(error)) => Err(mem::replace(error, Error::ReserveWaiting)),
        };
        self.entries.pop_front();
        Poll::Ready(Some(result.map_err(|error| self.one_cause(error))))
    }

    /// Notes a fatal error that the driver met; the results left are [`Error::Closed`].
    pub fn fail(&mut self) {
        self.failed = true;
    }

    /// The first fatal error is given as it is, those after it only as the connection's end.
    fn one_cause(&mut self, error: Error) -> Error {
        self.late |= matches!(error, Error::TimedOut { .. });
        if !error.is_fatal() {
            return error;
        }
        match mem::replace(&mut self.failed, true) {
            true => Error::Closed { lost: error.lost().unwrap_or(Lost::Unknown) },
            false => error,
        }
    }

    /// Abandons what is in flight.
    pub fn abandon(&mut self, connection: &mut Connection) {
        for entry in self.entries.drain(..) {
            if let Entry::Sent(ticket) = entry {
                connection.abandon(ticket);
            }
        }
    }
}
