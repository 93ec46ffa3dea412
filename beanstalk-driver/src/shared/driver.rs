//! What moves the bytes: the task of a client that connects by itself, and the future for a stream of the user's own.
//!
//! ```text
//!             it is time          connected
//!   Down ─────────────▶ Connecting ─────────▶ Up ──── no handle is left ──▶ ends
//!    ▲                       │                │
//!    └───────────────────────┴── lost ────────┘
//! ```

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use super::state::{Inner, State};
use crate::{
    driver::{Disconnect, Driver, Link, PollTransport},
    policy::{DriverStep, IDLE, copy_of},
    runtime::{Alarm, Boxed, Runtime},
};
use beanstalk_proto::{Error, Lost};

/// Starts the task of a client that has none: there was no call yet, or the runtime that it ran on is gone.
///
/// # Errors
///
/// [`Error::Io`] if nothing can be spawned here.
pub(super) fn start<R: Runtime>(inner: &Arc<Inner<R>>) -> Result<(), Error> {
    let current = R::current();
    let none =
        || Error::Io { error: io::Error::other("there is no runtime here to run the client on"), lost: Lost::NotSent };
    if current.is_none() {
        return Err(none());
    }
    let Some(number) = inner.with(|state| state.needs_driver().then(|| state.new_driver(current))) else {
        return Ok(());
    };
    spawn(inner, number, Phase::Down);
    // A runtime that is shutting down drops what is spawned.
    match inner.with(|state| state.needs_driver()) {
        true => Err(none()),
        false => Ok(()),
    }
}

/// Starts the task of a client that has its first connection.
pub(super) fn start_with<R: Runtime>(inner: &Arc<Inner<R>>, mut client: Driver<R::Transport>) {
    let number = inner.with(|state| {
        let number = state.new_driver(R::current());
        state.install(number, &inner.runtime, &mut client);
        number
    });
    spawn(inner, number, Phase::Up(client, Mover::default()));
}

/// Has another task take over from one that stands still. The connection goes, as it is the other task's.
pub(super) fn replace<R: Runtime>(inner: &Arc<Inner<R>>) {
    let number = inner.with(|state| {
        state.disconnected(Error::Closed { lost: Lost::Unknown }, inner.runtime.now());
        state.new_driver(R::current())
    });
    spawn(inner, number, Phase::Down);
}

fn spawn<R: Runtime>(inner: &Arc<Inner<R>>, number: u64, phase: Phase<R>) {
    inner.report();
    inner.runtime.spawn(Task { inner: Arc::clone(inner), number, phase, alarm: Alarm::default() });
}

/// The task of a client that connects by itself.
struct Task<R: Runtime> {
    inner: Arc<Inner<R>>,
    /// Which one it is.
    number: u64,
    phase: Phase<R>,
    alarm: Alarm,
}

#[allow(clippy::large_enum_variant, reason = "there is one for each connection, and it is nearly always up")]
enum Phase<R: Runtime> {
    Down,
    Connecting(Boxed<Result<Driver<R::Transport>, Error>>),
    Up(Driver<R::Transport>, Mover),
}

impl<R: Runtime> Unpin for Task<R> {}

impl<R: Runtime> Future for Task<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let inner = Arc::clone(&this.inner);
            let (is_closing, step) = inner.with(|state| match state.driver.number == this.number {
                true => {
                    state.driver.waker = Some(cx.waker().clone());
                    state.driver.polls = state.driver.polls.wrapping_add(1);
                    (state.is_closing(), state.machine.poll_driver(inner.runtime.now()))
                }
                // Another has taken over.
                false => (false, DriverStep::End),
            });
            match &mut this.phase {
                Phase::Down | Phase::Connecting(_) if is_closing || step == DriverStep::End => {
                    return this.end();
                }
                Phase::Up(..) if step == DriverStep::End => return this.end(),
                Phase::Down => match step {
                    DriverStep::WaitUntil(at) => ready!(this.poll_wait(Some(at), cx)),
                    _ => {
                        let connecting = Arc::clone(&inner);
                        this.phase = Phase::Connecting(Box::pin(async move { connecting.connect().await }));
                    }
                },
                Phase::Connecting(connecting) => match connecting.as_mut().poll(cx) {
                    Poll::Ready(Ok(mut client)) => {
                        // A driver that has taken over meanwhile makes a connection of its own. This one's task ends at the next turn.
                        if inner.with(|state| state.install(this.number, &inner.runtime, &mut client)) {
                            this.phase = Phase::Up(client, Mover::default());
                            inner.report();
                        }
                    }
                    Poll::Ready(Err(error)) => this.lose(error),
                    Poll::Pending => ready!(this.poll_wait(None, cx)),
                },
                Phase::Up(client, mover) => {
                    let link = &mut client.link;
                    let moved = inner.with(|state| match state.driver.number == this.number {
                        true => mover.poll(&inner, state, link, cx),
                        // Since it was looked at above; the connection is another's.
                        false => Poll::Ready(Ok(())),
                    });
                    match ready!(moved) {
                        Ok(()) => {}
                        Err(Ok(())) => return this.end(),
                        Err(Err(error)) => this.lose(error),
                    }
                }
            }
        }
    }
}

impl<R: Runtime> Task<R> {
    /// Ready at that time, or once the first call has failed because its time is over.
    fn poll_wait(&mut self, at: Option<beanstalk_proto::Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &self.inner;
        let first = inner.with(|state| state.first_to_give_up());
        let Some(until) = [at, first].into_iter().flatten().min() else { return Poll::Pending };
        ready!(self.alarm.poll(&inner.runtime, until, cx));
        inner.with(|state| state.wake_late(inner.runtime.now()));
        Poll::Ready(())
    }

    fn lose(&mut self, error: Error) {
        let inner = &self.inner;
        self.phase = Phase::Down;
        inner.with(|state| {
            if state.driver.number == self.number {
                state.disconnected(error, inner.runtime.now());
            }
        });
        inner.report();
    }

    /// There will be no other connection, or another task makes it.
    fn end(&mut self) -> Poll<()> {
        self.phase = Phase::Down;
        self.inner.with(|state| {
            if state.driver.number == self.number {
                state.driver.is_alive = false;
                state.end();
            }
        });
        self.inner.report();
        Poll::Ready(())
    }
}

impl<R: Runtime> Drop for Task<R> {
    fn drop(&mut self) {
        let Self { inner, number, .. } = self;
        inner.with(|state| {
            // With its runtime, or its thread.
            if state.driver.number == *number && state.driver.is_alive {
                state.driver.is_alive = false;
                state.driver.waker = None;
                if !state.machine.has_ended() {
                    state.disconnected(Error::Closed { lost: Lost::Unknown }, inner.runtime.now());
                }
                // No other is started to end what is to be ended.
                if state.is_closing() {
                    state.end();
                }
            }
        });
        inner.report();
    }
}

/// The future that moves the bytes of a [`SharedClient`](super::SharedClient) on a stream of the user's own; spawn it.
///
/// It ends in order when the last handle is gone, with [`Error::Io`] when no reply came in twice the time that one may take, whether or
/// not anybody still waits for it, and with [`Error::TimedOut`] when the one to a `use` is late, as nobody knows then in which tube the next
/// command runs. When it fails, or is dropped, every waiting call fails with [`Error::Closed`] (or [`Error::Protocol`]),
/// whose [`lost`](Error::lost) is whether its request can have run.
pub struct SharedDriver<R: Runtime, T> {
    inner: Arc<Inner<R>>,
    link: Link<T>,
    mover: Mover,
}

impl<R: Runtime, T: PollTransport> SharedDriver<R, T> {
    pub(super) fn new(inner: Arc<Inner<R>>, transport: T) -> Self {
        Self { inner, link: Link::new(transport), mover: Mover::default() }
    }
}

impl<R: Runtime, T> fmt::Debug for SharedDriver<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDriver").finish_non_exhaustive()
    }
}

impl<R: Runtime, T> Unpin for SharedDriver<R, T> {}

impl<R: Runtime, T: PollTransport> Future for SharedDriver<R, T> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { inner, link, mover } = self.get_mut();
        loop {
            // The lock is let go at every turn, so that those who are answered go on meanwhile.
            let moved = inner.with(|state| {
                state.driver.waker = Some(cx.waker().clone());
                state.driver.polls = state.driver.polls.wrapping_add(1);
                mover.poll(inner, state, link, cx)
            });
            if let Err(end) = ready!(moved) {
                inner.with(|state| match &end {
                    Ok(()) => state.end(),
                    Err(error) => state.disconnected(copy_of(error), inner.runtime.now()),
                });
                inner.report();
                return Poll::Ready(end);
            }
        }
    }
}

impl<R: Runtime, T> Drop for SharedDriver<R, T> {
    fn drop(&mut self) {
        self.inner.with(State::end);
        self.inner.report();
    }
}

/// Moves the bytes of one connection.
#[derive(Default)]
pub(super) struct Mover {
    disconnect: Option<Disconnect>,
    /// The runtime looks at its sockets, before anything is written on a connection that was idle.
    passing: Option<Boxed<()>>,
}

impl Mover {
    /// Moves what can move: `Ok` if that was something, so that it pays to go on; `Err` with the end.
    fn poll<R: Runtime, T: PollTransport>(
        &mut self,
        inner: &Inner<R>,
        state: &mut State,
        link: &mut Link<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Result<(), Error>>> {
        let polled = self.poll_turn(inner, state, link, cx);
        let settled = state.link.settle_uses();
        state.wake_answered();
        match (polled, settled) {
            (Poll::Ready(Ok(())) | Poll::Pending, Err(late)) => Poll::Ready(Err(Err(late))),
            (polled, _) => polled,
        }
    }

    fn poll_turn<R: Runtime, T: PollTransport>(
        &mut self,
        inner: &Inner<R>,
        state: &mut State,
        link: &mut Link<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Result<(), Error>>> {
        let lost = Lost::Unknown;
        let first = state.first_to_give_up().map(|at| state.link.clocks.transport_time(at));
        if state.is_closing() || self.disconnect.is_some() {
            let connection = &mut state.link.connection;
            let disconnect = self.disconnect.get_or_insert_with(|| Disconnect::new(connection, link));
            if let Poll::Ready(end) = disconnect.poll(connection, link, first, cx) {
                return Poll::Ready(Err(end));
            }
            ready!(link.poll_until(first, cx));
            state.wake_late(state.link.clocks.runtime_time(link.transport.now()));
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(end) = state.link.connection.poll_closed() {
            return Poll::Ready(Err(end.and(Err(Error::Closed { lost }))));
        }
        // The connection is ended together with taking note of why, so that no call finds the one without the other.
        let failed = |error| Poll::Ready(Err(Err(T::failure(error, lost))));
        if state.link.connection.wants_transmit() {
            // What is written on a connection that ended unnoticed may have run.
            let now = link.transport.now();
            if self.passing.is_some() || now.saturating_duration_since(state.link.moved) >= IDLE {
                ready!(self.passing.get_or_insert_with(|| Box::pin(R::pass())).as_mut().poll(cx));
                self.passing = None;
                state.link.moved = now;
                return match link.read_unread(&mut state.link.connection, cx, |_| false) {
                    Ok(()) => Poll::Ready(Ok(())),
                    Err(error) => failed(error),
                };
            }
            state.link.moved = now;
        }
        let silent_until = silent_until(inner, state);
        let limit = [first, silent_until].into_iter().flatten().min();
        match link.poll_once(&mut state.link.connection, limit, cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => failed(error),
            Poll::Pending => {
                ready!(link.poll_until(limit, cx));
                let now = link.transport.now();
                if silent_until.is_some_and(|at| at <= now) {
                    state.link.connection.abort();
                    let error = io::Error::new(io::ErrorKind::TimedOut, "a reply from the server is overdue");
                    return Poll::Ready(Err(Err(Error::Io { error, lost })));
                }
                state.wake_late(state.link.clocks.runtime_time(now));
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// When the connection is given up, by the transport's clock. Where another can be made, that is when a reply is late, even one that is no
/// longer awaited; where not, only after twice its time.
fn silent_until<R: Runtime>(inner: &Inner<R>, state: &State) -> Option<beanstalk_proto::Instant> {
    let due = state.link.connection.reply_due()?;
    match inner.server {
        Some(_) => Some(due),
        None => Some(due + inner.config().reply_timeout?),
    }
}
