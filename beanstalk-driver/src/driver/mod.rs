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
mod exchange;
mod held;
mod io;

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};

use exchange::Sent;
use held::{Held, Patience, Waited};

pub use call_all::CallAll;
pub(crate) use disconnect::Disconnect;
pub(crate) use io::Timer;
pub use io::{Block, PollTransport, poll_io};
use io::{Fetched, fetch, read_in, read_out, reply_timeout, write_out};

use beanstalk_proto::{
    Error, Expect, Instant, Job, Lost, Request, SendError, Wait,
    client::{Connection, Deadline, Ticket},
};

/// A connection on a transport: what an adapter's client is made of.
pub struct Driver<T> {
    pub(super) connection: Connection,
    pub(super) transport: T,
    timer: Timer,
}

impl<T> fmt::Debug for Driver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl<T: PollTransport> Driver<T> {
    /// Drives a connection over this transport.
    pub fn new(connection: Connection, transport: T) -> Self {
        let timer = Timer::new(connection.config().reply_timeout);
        Self { connection, transport, timer }
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
        async move {
            if !self.connection.is_idle() {
                return self.queue(request).await?.reply().await;
            }
            let mut sent = match self.connection.begin_exchange(request) {
                Ok(exchange) => Sent::new(self, exchange),
                Err(error) => return failed(*error),
            };
            let came = match poll_fn(|cx| Poll::Ready(sent.write(cx))).await {
                Ok(true) => poll_fn(|cx| sent.poll_read(cx)).await,
                Ok(false) => Ok(0),
                Err(error) => Err(error),
            };
            if let Ok(n) = came {
                if let Some(result) = sent.result(n) {
                    return match result {
                        Ok(reply) => Ok(reply),
                        Err(error) => failed(*error),
                    };
                }
            }
            sent.leave(came).await
        }
    }

    /// Sends a request, until its last byte is written and flushed.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but what the server answers.
    pub async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        let mut held = self.queue(request).await?;
        poll_fn(|cx| held.poll_written_out(cx)).await
    }

    /// Waits for the reply to a request that was sent.
    ///
    /// # Errors
    ///
    /// All of [`Error`].
    pub async fn reply<R>(&mut self, ticket: Ticket<R>) -> Result<R, Error> {
        self.hold(ticket).reply().await
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
        let (one, expect) = (first.expect(), second.expect());
        self.make_room(&one).await?;
        // Once there is room for the first: what made it may have brought the job of a reserve that the second takes over.
        if matches!(self.connection.check_room(&expect), Ok(Some(_))) {
            poll_fn(|cx| self.poll_unread(&expect, cx)).await?;
        }
        let first = self.queue_now(first, &one)?;
        // From here to where both are held nothing is awaited, so both are abandoned or none.
        match self.queue_over(second, &expect) {
            Ok(second) => {
                let second = self.hold(second);
                let first = second.driver.hold(first).reply().await;
                Ok((first, second.reply().await))
            }
            Err(refused) => Ok((self.hold(first).reply().await, Err(refused))),
        }
    }

    /// Sends many requests, pipelined.
    pub fn call_all<I: Iterator<Item: Request>>(&mut self, requests: I) -> CallAll<'_, T, I> {
        CallAll::new(self, requests)
    }

    /// Whether the connection has ended, as far as was read.
    pub fn is_ended(&self) -> bool {
        self.connection.is_ended()
    }

    /// Reads what is here, without waiting, and returns whether the connection has ended.
    pub async fn has_ended(&mut self) -> bool {
        let ended = |connection: &mut Connection| if connection.is_ended() { Ok(()) } else { Err(Block::No) };
        match poll_fn(|cx| Poll::Ready(self.poll_done(cx, ended))).await {
            Poll::Pending => false,
            Poll::Ready(ended) => {
                if ended.is_err() {
                    self.connection.abort();
                }
                true
            }
        }
    }

    /// See [`Connection::abandon`].
    pub fn abandon<R>(&mut self, ticket: Ticket<R>) {
        self.connection.abandon(ticket);
    }

    /// See [`Connection::take_orphaned`].
    pub fn take_orphaned(&mut self) -> alloc::vec::Vec<Job> {
        self.connection.take_orphaned()
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

    pub(super) fn reply_timeout(&self) -> Option<Instant> {
        reply_timeout(&self.connection, &self.transport)
    }

    pub(super) fn failed(&mut self, error: T::Error, lost: Lost) -> Error {
        self.connection.received_eof();
        T::failure(error, lost)
    }

    #[inline]
    pub(super) fn poll_until(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        until.map_or(Poll::Pending, |until| self.timer.poll(&mut self.transport, until, cx))
    }

    /// Moves bytes until `done` has what it looks for in the connection; else it says how long to wait for that.
    pub(crate) fn poll_done<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut done: impl FnMut(&mut Connection) -> Result<R, Block>,
    ) -> Poll<Result<R, T::Error>> {
        loop {
            let block = match done(&mut self.connection) {
                Ok(found) => return Poll::Ready(Ok(found)),
                Err(block) => block,
            };
            let Self { connection, transport, .. } = self;
            let moved = match write_out(connection, transport, block, cx) {
                // Looked for again before a read may wait.
                Ok(true) => continue,
                Ok(false) => read_in(connection, transport, block, cx),
                Err(error) => {
                    read_out(connection, transport, cx);
                    Err(error)
                }
            };
            match moved {
                Ok(Fetched::Bytes(n)) => connection.received(n),
                Ok(Fetched::Ended) => {}
                Ok(Fetched::Nothing { .. }) => return Poll::Pending,
                // It may have come with the last bytes before the failure.
                Err(error) => return Poll::Ready(done(connection).map_err(|_| error)),
            }
        }
    }

    /// Queues a request, once there is room for it.
    async fn queue<R: Request>(&mut self, request: R) -> Result<Held<'_, T, R::Reply>, Error> {
        let expect = request.expect();
        self.make_room(&expect).await?;
        let ticket = self.queue_now(request, &expect)?;
        Ok(self.hold(ticket))
    }

    /// Waits until sending makes sense, or no waiting will help.
    async fn make_room(&mut self, expect: &Expect) -> Result<(), Error> {
        if let Err(refused) = self.connection.check_room(expect) {
            if !matches!(refused, SendError::Full(_) | SendError::ReserveWaiting) {
                return Err(refused.into());
            }
            let until = self.reply_timeout();
            poll_fn(|cx| self.poll_room(expect, until, cx)).await?;
        }
        if matches!(self.connection.check_room(expect), Ok(Some(_))) {
            poll_fn(|cx| self.poll_unread(expect, cx)).await?;
        }
        Ok(())
    }

    /// Queues a request if there is room for any now.
    fn queue_now<R: Request>(&mut self, request: R, expect: &Expect) -> Result<Ticket<R::Reply>, Error> {
        self.connection.check_room(expect)?;
        self.queue_over(request, expect)
    }

    /// Queues a request, however much is queued: nobody else sends meanwhile.
    fn queue_over<R: Request>(&mut self, request: R, expect: &Expect) -> Result<Ticket<R::Reply>, Error> {
        let ticket = self.connection.send_over(request)?;
        if expect.waits() != Wait::No {
            // The waiting begins now for those behind it, too.
            self.connection.deadline(&ticket, self.transport.now());
        }
        Ok(ticket)
    }

    /// Ready when sending makes sense, or no waiting will help. Requests that were abandoned take room until their
    /// replies are read, and the job that a waiting reserve is after may be here, unread.
    pub(super) fn poll_room(
        &mut self,
        expect: &Expect,
        until: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let room = self.poll_done(cx, |connection| match connection.check_room(expect) {
            Err(SendError::Full(_)) if connection.wants_transmit() || connection.awaits_reply() => {
                Err(Block::Until(until))
            }
            Err(SendError::ReserveWaiting) => Err(Block::No),
            _ => Ok(()),
        });
        match room {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error, Lost::NotSent))),
            Poll::Pending if matches!(self.connection.check_room(expect), Err(SendError::ReserveWaiting)) => {
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.poll_until(until, cx).map(Ok),
        }
    }

    /// Reads what there is before a reserve takes over one that was abandoned: a job that came for that one has to be
    /// confirmed, as it may have lain here for longer than it is ours.
    pub(super) fn poll_unread(&mut self, expect: &Expect, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let read = self.poll_done(cx, |connection| match connection.check_room(expect) {
            Ok(Some(_)) => Err(Block::No),
            _ => Ok(()),
        });
        match read {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error, Lost::NotSent))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// Moves bytes until some come, as long as the request with this number may wait for its reply.
    #[inline(never)]
    fn poll_came(&mut self, seq: u64, patience: &mut Patience<T>, cx: &mut Context<'_>) -> Poll<Waited<T::Error>> {
        let (until, waited) = match self.deadline(seq, patience) {
            Deadline::Never => (None, Waited::Late),
            Deadline::Fail(at) => (Some(at), Waited::Late),
            Deadline::GiveUp(at) => (Some(at), Waited::GiveUp),
        };
        match fetch(&mut self.connection, &mut self.transport, Block::Until(until), cx) {
            Ok(Fetched::Bytes(n)) => Poll::Ready(Waited::Bytes(n)),
            Ok(Fetched::Ended) => Poll::Ready(Waited::Ended),
            // What there was to read has just been read.
            Ok(Fetched::Nothing { .. }) => self.poll_until(until, cx).map(|()| waited),
            Err(error) => Poll::Ready(Waited::Failed(error)),
        }
    }

    fn deadline(&mut self, seq: u64, patience: &mut Patience<T>) -> Deadline {
        let since = match *patience {
            Patience::Until(deadline) => return deadline,
            Patience::Since(since) => since,
            Patience::Fresh => self.transport.clock(),
        };
        let deadline = self.connection.deadline_of(seq, self.transport.time_of(since));
        *patience = Patience::Until(deadline);
        deadline
    }

    fn hold<R>(&mut self, ticket: Ticket<R>) -> Held<'_, T, R> {
        Held::new(self, ticket)
    }
}

/// Makes the result of a call that failed. What nearly always comes back shares no code with it, and so is moved less.
#[cold]
#[inline(never)]
fn failed<R>(error: impl Into<Error>) -> Result<R, Error> {
    Err(error.into())
}
