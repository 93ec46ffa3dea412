//! One call on a shared client.
//!
//! ```text
//!               a connection, and room            the reply
//!   Turn, in line ─────────────────▶ Waiting ──────────────────▶ done
//!     │    ▲                            │
//!     │    └── broken off, and may be ──┤ broken off, late, or dropped
//!     ▼        repeated                 ▼
//!    fails                            fails
//! ```

use alloc::{boxed::Box, sync::Arc};
use core::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    driver,
    link::Used,
    state::{Inner, Sent, State},
    watch::Watch,
};
use crate::{
    policy::{Call, CallStep, Next, copy_of},
    runtime::Runtime,
};
use beanstalk_proto::{
    Error, Expect, Instant, Lost, Reply, Request, Subject, TubeName,
    client::{Ticket, Timeout},
};

/// How long a call may take.
#[derive(Clone, Copy)]
struct Limits {
    since: Instant,
    /// What the connection gives the reply.
    reply: Timeout,
    /// When the whole call is over, if it has a time of its own.
    over: Option<Instant>,
}

/// A call that has not sent its request, or has to do so again. It leaves the line when it is dropped.
pub(super) struct Turn<'c, R: Runtime> {
    inner: &'c Arc<Inner<R>>,
    call: Call,
    expect: Expect,
    /// Its place in line, which it keeps when it has to send again.
    number: Option<u64>,
    /// The bytes of its body, while it is in line.
    in_line: Option<usize>,
    /// When it gives up waiting for a connection and for its turn, apart from the client's own patience.
    sent_by: Option<Instant>,
    limits: Limits,
    watch: Watch,
}

impl<'c, R: Runtime> Turn<'c, R> {
    pub(super) fn new<Q: Request + Clone>(
        inner: &'c Arc<Inner<R>>,
        request: &Q,
        expect: Expect,
        timeout: Timeout,
    ) -> Self {
        let since = inner.runtime.now();
        let (reply, over) = match timeout {
            // A time of zero is an invalid argument, which the connection refuses.
            Timeout::After(timeout) if !timeout.is_zero() => {
                // Who is in a hurry gives up, and the connection goes on: it is given up when it is late by its own measure.
                let reply =
                    inner.config().reply_timeout.map_or(Timeout::None, |least| Timeout::After(least.max(timeout)));
                (reply, Some(since + timeout))
            }
            timeout => (timeout, None),
        };
        let call = inner.with(|state| state.machine.begin(request, since));
        let limits = Limits { since, reply, over };
        Self { inner, call, expect, number: None, in_line: None, sent_by: None, limits, watch: Watch::default() }
    }

    /// Has it give up unless its request is sent within this time.
    pub(super) fn sent_within(mut self, patience: Option<Duration>) -> Self {
        self.sent_by = patience.map(|patience| self.limits.since + patience);
        self
    }

    /// Sends the request, once there is a connection and it is its turn.
    pub(super) async fn send<Q: Request + Clone>(
        &mut self,
        tube: Option<&TubeName>,
        request: &Q,
    ) -> Result<Waiting<R>, Error> {
        let sent = poll_fn(|cx| self.poll(tube, request, cx)).await;
        let Sent { link, ticket, used } = sent.map_err(|error| self.fails_with(error))?;
        Ok(Waiting {
            inner: Arc::clone(self.inner),
            link,
            ticket,
            used,
            command: self.expect.command,
            subject: self.expect.subject.clone(),
            limits: self.limits,
            watch: Watch::default(),
        })
    }

    /// Whether to send it again, after it failed so.
    pub(super) fn handle_failed(&mut self, error: &Error) -> Next {
        let now = self.inner.runtime.now();
        self.inner.with(|state| state.machine.handle_broken_off(&mut self.call, error, now))
    }

    /// The call's error, if this attempt failed with that and was the last.
    pub(super) fn fails_with(&self, error: Error) -> Error {
        self.call.fails_with(error)
    }

    fn poll<Q: Request + Clone>(
        &mut self,
        tube: Option<&TubeName>,
        request: &Q,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Sent, Error>> {
        let inner = self.inner;
        let now = inner.runtime.now();
        let polled = loop {
            let polled = inner.with(|state| {
                if inner.server.is_some() && state.needs_driver() {
                    return None;
                }
                let polled = self.poll_in_line(state, now, tube, request, cx);
                if polled.is_ready() {
                    self.leave(state);
                }
                Some(polled)
            });
            match polled {
                Some(polled) => break polled,
                None => driver::start(inner)?,
            }
        };
        if polled.is_pending() {
            let until = inner.with(|state| self.until(state));
            ready!(self.watch.poll(inner, until, cx));
            return Poll::Ready(Err(inner.with(|state| {
                self.leave(state);
                self.late(state, now)
            })));
        }
        polled
    }

    fn poll_in_line<Q: Request + Clone>(
        &mut self,
        state: &mut State,
        now: Instant,
        tube: Option<&TubeName>,
        request: &Q,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Sent, Error>> {
        let step = state.machine.poll_call(&self.call, now);
        if step == CallStep::GiveUp {
            return Poll::Ready(Err(self.given_up(state)));
        }
        // A call that has only just begun may send, though there is no time to wait.
        if self.in_line.is_some() && self.until(state).is_some_and(|until| until <= now) {
            return Poll::Ready(Err(self.late(state, now)));
        }
        if step == CallStep::Send {
            let is_first = state.room.first().is_none_or(|first| self.number.is_some_and(|number| number <= first));
            match (state.check_send(&self.expect), is_first) {
                (Ok(()), true) => {
                    let Limits { reply, over, .. } = self.limits;
                    return Poll::Ready(state.send(now, tube, request.clone(), reply, over));
                }
                (Ok(()), false) | (Err(Error::Full(_)), _) => {}
                // The driver finds out next.
                (Err(Error::Closed { .. } | Error::Protocol { .. }), _) if self.outlives(state) => {}
                (Err(error), _) => return Poll::Ready(Err(error)),
            }
        }
        match (self.number, self.in_line) {
            (Some(number), Some(_)) => state.room.wait(number, cx.waker()),
            (number, _) => {
                let body = if let Subject::Body(bytes) = self.expect.subject { bytes } else { 0 };
                state.machine.enter(body)?;
                self.in_line = Some(body);
                let number = number.unwrap_or_else(|| state.next_number());
                self.number = Some(number);
                state.room.enter(number, self.until(state), Some(cx.waker().clone()));
                // It has the timer.
                state.wake_driver();
            }
        }
        Poll::Pending
    }

    /// Whether another connection may follow this one.
    fn outlives(&self, state: &State) -> bool {
        self.inner.server.is_some() && !state.is_closing()
    }

    /// When it gives up waiting.
    fn until(&self, state: &State) -> Option<Instant> {
        [state.machine.patience_ends(&self.call), self.sent_by, self.limits.over].into_iter().flatten().min()
    }

    fn leave(&mut self, state: &mut State) {
        if let (Some(number), Some(body)) = (self.number, self.in_line.take()) {
            state.room.leave(number);
            state.machine.leave(body);
            state.wake_room();
        }
    }

    /// The error of a call that has waited for long enough: for its turn, or for a connection.
    fn late(&self, state: &State, now: Instant) -> Error {
        if !state.machine.is_connected(now) && state.cause.is_some() {
            return self.given_up(state);
        }
        let (command, subject, lost) = (self.expect.command, self.expect.subject.clone(), self.call.lost());
        let waited = self.until(state).unwrap_or(now).saturating_duration_since(self.limits.since);
        Error::TimedOut { command, subject, waited, lost }
    }

    fn given_up(&self, state: &State) -> Error {
        self.call.given_up(state.cause.as_ref().map(copy_of))
    }
}

impl<R: Runtime> Drop for Turn<'_, R> {
    fn drop(&mut self) {
        if self.in_line.is_some() {
            let inner = self.inner;
            inner.with(|state| self.leave(state));
        }
    }
}

/// A call whose request was sent. It is abandoned when this is dropped.
pub(super) struct Waiting<R: Runtime> {
    inner: Arc<Inner<R>>,
    /// The connection.
    link: u64,
    ticket: Ticket<Reply>,
    used: Option<Arc<Used>>,
    command: &'static str,
    subject: Subject,
    limits: Limits,
    watch: Watch,
}

impl<R: Runtime> Waiting<R> {
    /// Waits until the request was flushed.
    pub(super) async fn flushed(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flushed(cx)).await
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { inner, link, ticket, .. } = self;
        let flushed = inner.with(|state| {
            let Some(link) = state.link(*link) else { return true };
            // Ready and not flushed: it is late, or the connection has ended. Then that is the reply.
            if link.connection.is_flushed(ticket) || link.connection.is_ready(ticket.id()) {
                return true;
            }
            if !link.flushing.iter().any(|waker| waker.will_wake(cx.waker())) {
                link.flushing.push(cx.waker().clone());
            }
            false
        });
        match flushed {
            false => self.poll_late(cx).map(Err),
            true => self.poll_failed(),
        }
    }

    /// Ready, with an error if the request was not flushed for it.
    fn poll_failed(&mut self) -> Poll<Result<(), Error>> {
        let Self { inner, link: number, ticket, .. } = self;
        inner.with(|state| {
            let Some(link) = state.link(*number).filter(|link| !link.connection.is_flushed(ticket)) else {
                return Poll::Ready(Ok(()));
            };
            let id = ticket.id();
            match link.connection.poll_reply(ticket) {
                Poll::Ready(Err(error)) => {
                    state.ticket_leaves(*number, id);
                    Poll::Ready(Err(error))
                }
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Ok(())),
            }
        })
    }

    pub(super) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Error>> {
        let Self { inner, link: number, ticket, .. } = self;
        let id = ticket.id();
        let result = inner.with(|state| {
            let Some(link) = state.link(*number).filter(|_| !ticket.is_spent()) else {
                return Poll::Ready(Err(Error::Closed { lost: Lost::Unknown }));
            };
            let polled = link.connection.poll_reply(ticket);
            match &polled {
                Poll::Ready(result) => {
                    state.ticket_leaves(*number, id);
                    if result.is_ok() {
                        state.machine.handle_answer();
                    }
                }
                Poll::Pending => link.answers.wait(id, cx.waker()),
            }
            match polled {
                Poll::Ready(Err(closed @ Error::Closed { .. })) => Poll::Ready(Err(state.reason_for(*number, closed))),
                polled => polled,
            }
        });
        match result {
            Poll::Pending => self.poll_late(cx).map(Err),
            ready => ready,
        }
    }

    /// Ready once its own time is over.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Self { inner, limits: Limits { since, reply, over }, .. } = self;
        let is_over = over.is_some_and(|over| over <= inner.runtime.now());
        if !is_over {
            ready!(self.watch.poll(inner, *over, cx));
        }
        let waited = match (over, reply) {
            (Some(over), _) => over.saturating_duration_since(*since),
            (None, Timeout::After(timeout)) => *timeout,
            (None, _) => inner.config().reply_timeout.unwrap_or_default(),
        };
        self.abandon();
        let (command, subject, lost) = (self.command, self.subject.clone(), Lost::Unknown);
        Poll::Ready(Error::TimedOut { command, subject, waited, lost })
    }

    /// What the reply means, as a call about a tube may have run in another.
    pub(super) fn decode<Q: Request>(&self, reply: Reply) -> Result<Q::Reply, Error> {
        match self.used.as_ref().and_then(|used| used.refused.get().map(|refusal| (used, refusal))) {
            Some((_, None)) => Err(Error::Closed { lost: Lost::Unknown }),
            Some((used, Some((error, ran_in)))) => Err(Error::UseRefused {
                tube: used.tube.clone(),
                error: *error,
                ran_in: ran_in.clone(),
                reply: Box::new(reply),
            }),
            None => Q::decode(reply).map_err(|error| Error::from_decode(self.command, self.subject.clone(), error)),
        }
    }

    fn abandon(&mut self) {
        let Self { inner, link: number, ticket, .. } = self;
        if !ticket.is_spent() {
            inner.with(|state| {
                let ticket = ticket.take();
                let id = ticket.id();
                if let Some(link) = state.link(*number) {
                    link.connection.abandon(ticket);
                }
                state.ticket_leaves(*number, id);
            });
        }
    }
}

impl<R: Runtime> Drop for Waiting<R> {
    fn drop(&mut self) {
        self.abandon();
    }
}
