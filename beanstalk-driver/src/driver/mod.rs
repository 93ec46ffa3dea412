//! A [`Connection`] on a stream of a runtime: what the asynchronous adapters' clients are made of, in terms of
//! `core::task` alone.
//!
//! An adapter implements [`PollTransport`] for its streams and timers, and its client holds a [`Driver`].
//!
//! ```text
//!               ┌──────────────────────────────────────┐
//!               ▼                                      │ something came
//!   look for the reply ── no ──▶ write, flush, read ───┤
//!               │ yes                                  │ nothing can move
//!               ▼                                      ▼
//!             Ready                   the deadline: Pending, or Ready once it has passed
//! ```

mod call_all;
mod disconnect;
mod held;
mod io;

use core::{
    fmt,
    future::poll_fn,
    mem,
    task::{Context, Poll},
};

pub use call_all::CallAll;
pub(crate) use disconnect::Disconnect;
use held::Held;
pub(crate) use io::Timer;
pub use io::{PollTransport, poll_io};
use io::{Turn, reply_timeout, turn};

use beanstalk_proto::{
    Error, Expect, Full, Instant, Job, Lost, Request, SendError,
    client::{Connection, SendOptions, Ticket},
};

/// A connection on a transport: what an adapter's client is made of.
pub struct Driver<T> {
    pub(crate) connection: Connection,
    pub(crate) transport: T,
    timer: Timer,
    /// What time it was when that was last asked.
    pub(crate) now: Instant,
    /// Somebody waits for a reply, or did and went away without a word: with a future that was leaked.
    held: bool,
    /// The transport, or a request, was called and did not return: what was read or written is unknown.
    unwinds: bool,
}

impl<T> fmt::Debug for Driver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl<T: PollTransport> Driver<T> {
    /// Drives a connection over this transport.
    pub fn new(connection: Connection, transport: T) -> Self {
        Self { connection, transport, timer: Timer::default(), now: Instant::ZERO, held: false, unwinds: false }
    }

    /// The transport.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    ///
    /// All of [`Error`].
    #[allow(
        clippy::manual_async_fn,
        reason = "an `async fn` holds what it is given twice, and moves it from here to there"
    )]
    pub fn call<R: Request>(&mut self, request: R) -> impl Future<Output = Result<R::Reply, Error>> {
        async move { self.queue(request).await?.reply().await }
    }

    /// Sends a request, until its last byte is written and flushed.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but what the server answers.
    pub async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        let mut held = self.queue(request).await?;
        poll_fn(|cx| held.poll_flushed(cx)).await
    }

    /// Waits for the reply to a request that was sent.
    ///
    /// # Errors
    ///
    /// All of [`Error`].
    pub async fn reply<R>(&mut self, ticket: Ticket<R>) -> Result<R, Error> {
        Held::new(self, ticket).reply().await
    }

    /// Sends two requests in one write, and waits for the replies to both.
    ///
    /// # Errors
    ///
    /// What kept the first from being sent; then nothing was. If it is only the second that was kept back, its own result
    /// says so.
    #[allow(clippy::type_complexity, reason = "two results, either of which says what became of its own request")]
    pub async fn call_both<A: Request, B: Request>(
        &mut self,
        first: A,
        second: B,
    ) -> Result<(Result<A::Reply, Error>, Result<B::Reply, Error>), Error> {
        self.make_room(&first.expect()).await?;
        let first = self.send_now(first)?;
        // From here to where both are held nothing is awaited, so both are abandoned or none.
        // What is queued already is no reason to part them.
        let sent = match self.connection.check_send(&second.expect()) {
            Err(refused) if !matches!(refused, SendError::Full(Full::Queued { .. })) => Err(refused.into()),
            _ => self.send_now(second),
        };
        match sent {
            Ok(second) => {
                let mut second = Held::new(self, second);
                let first = Held::new(second.driver, first).reply().await;
                Ok((first, second.wait().await))
            }
            Err(refused) => Ok((Held::new(self, first).reply().await, Err(refused))),
        }
    }

    /// Sends many requests, pipelined.
    pub fn call_all<I: Iterator<Item: Request>>(&mut self, requests: I) -> CallAll<'_, T, I> {
        CallAll::new(self, requests)
    }

    /// See [`Connection::abandon`].
    pub fn abandon<R>(&mut self, ticket: Ticket<R>) {
        self.connection.abandon(ticket);
    }

    /// See [`Connection::take_orphaned`].
    pub fn take_orphaned(&mut self) -> alloc::vec::Vec<Job> {
        self.connection.take_orphaned()
    }

    /// Reads what is here, without waiting, and returns whether the connection has ended.
    pub async fn has_ended(&mut self) -> bool {
        let read = poll_fn(|cx| {
            let ended = |connection: &mut Connection, _| match connection.is_ended() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            };
            Poll::Ready(self.poll_done(cx, ended))
        });
        if let Poll::Ready(Err(_)) = read.await {
            self.connection.abort();
        }
        self.connection.is_ended()
    }

    /// Ends the connection in order, and waits for the server to end it too, for as long as a reply may take.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the server did not end it in time, or what the transport failed with.
    pub async fn disconnect(mut self) -> Result<(), Error> {
        let mut disconnect = Disconnect::new(&mut self.connection, &self.transport);
        poll_fn(|cx| disconnect.poll(&mut self.connection, &mut self.transport, &mut self.timer, cx)).await
    }

    pub(crate) fn reply_timeout(&self) -> Option<Instant> {
        reply_timeout(&self.connection, &self.transport)
    }

    pub(crate) fn failed(&mut self, error: T::Error, lost: Lost) -> Error {
        self.connection.abort();
        T::failure(error, lost)
    }

    #[inline]
    pub(crate) fn poll_until(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        until.map_or(Poll::Pending, |until| self.timer.poll(&mut self.transport, until, cx))
    }

    /// Moves bytes, and time, until `done` has what it looks for in the connection.
    #[inline(always)]
    pub(crate) fn poll_done<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut done: impl FnMut(&mut Connection, Instant) -> Poll<R>,
    ) -> Poll<Result<R, T::Error>> {
        loop {
            if let Poll::Ready(found) = done(&mut self.connection, self.now) {
                return Poll::Ready(Ok(found));
            }
            match self.step(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Pending => return Poll::Pending,
                // What was written may be what is looked for. If looking queued something, that can be written as well.
                Poll::Ready(Ok(false)) => {
                    let queued = self.connection.queued();
                    if let Poll::Ready(found) = done(&mut self.connection, self.now) {
                        return Poll::Ready(Ok(found));
                    }
                    if self.connection.queued() <= queued {
                        return Poll::Pending;
                    }
                }
                // It may have come with the last bytes before the failure.
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(match done(&mut self.connection, self.now) {
                        Poll::Ready(found) => Ok(found),
                        Poll::Pending => Err(error),
                    });
                }
            }
        }
    }

    /// Moves what can move, or time: ready if the connection should be asked again; with `false` if the task will be woken besides.
    #[inline(never)]
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, T::Error>> {
        let Self { connection, transport, .. } = self;
        let before = mem::replace(&mut self.unwinds, true);
        let turned = turn(connection, transport, &mut self.now, cx);
        self.unwinds = before;
        let moved = match turned {
            Ok(Turn::Came) if !connection.wants_read() => return Poll::Ready(Ok(true)),
            Ok(Turn::Came) => false,
            Ok(Turn::Blocked { moved }) => moved,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if !self.connection.wants_read() {
            let at = self.connection.poll_timeout();
            let due = at.map_or(Poll::Pending, |at| self.timer.poll(&mut self.transport, at, cx));
            if due.is_pending() {
                return if moved { Poll::Ready(Ok(false)) } else { Poll::Pending };
            }
        }
        self.now = self.transport.now();
        self.connection.handle_timeout(self.now);
        Poll::Ready(Ok(true))
    }

    /// Queues a request, once there is room for it.
    async fn queue<R: Request>(&mut self, request: R) -> Result<Held<'_, T, R::Reply>, Error> {
        if self.connection.check_send(&request.expect()).is_err() && !self.held && !self.unwinds {
            self.make_room(&request.expect()).await?;
        }
        let ticket = self.send_now(request)?;
        Ok(Held::new(self, ticket))
    }

    /// Queues a request however much is queued: nobody else sends meanwhile.
    fn send_now<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        if self.held || self.unwinds {
            self.connection.abort();
        }
        self.now = self.transport.now();
        Ok(self.connection.send_with(self.now, request, SendOptions::default().beyond_limits())?)
    }

    /// Waits until sending makes sense, or no waiting will help.
    async fn make_room(&mut self, expect: &Expect) -> Result<(), Error> {
        let until = self.reply_timeout();
        poll_fn(|cx| self.poll_room(expect, until, cx)).await?;
        Ok(self.connection.check_send(expect)?)
    }

    /// Ready when sending makes sense, or no waiting will help. Requests that were abandoned take room until their
    /// replies are read, and the job that a waiting reserve is after may be here, unread.
    pub(crate) fn poll_room(
        &mut self,
        expect: &Expect,
        until: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let room = self.poll_done(cx, |connection, _| match connection.check_send(expect) {
            Err(SendError::Full(_)) if connection.wants_transmit() || connection.awaits_reply() => Poll::Pending,
            Err(SendError::ReserveWaiting) => Poll::Pending,
            _ => Poll::Ready(()),
        });
        match room {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error, Lost::NotSent))),
            Poll::Pending if matches!(self.connection.check_send(expect), Err(SendError::ReserveWaiting)) => {
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.poll_until(until, cx).map(Ok),
        }
    }
}
