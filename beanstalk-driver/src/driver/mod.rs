//! A [`Connection`] on a stream: what every binding's client is made of, in terms of `core::task` alone.

mod call_all;
mod claim;
mod disconnect;
mod io;
mod link;
mod pipeline;

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

pub use call_all::CallAll;
use claim::Claim;
pub(crate) use disconnect::Disconnect;
pub use io::{Block, PollTransport};
pub(crate) use link::Link;
pub use pipeline::Pipeline;

use beanstalk_proto::{
    Error, Expect, Full, Instant, Job, Kind, Lost, Request,
    client::{Connection, SendOptions, Ticket, Timeout},
};

/// A connection on a transport: the client of a binding, but for its methods' names.
///
/// A binding implements [`PollTransport`] for its streams and timers, holds a driver, and emits the methods with
/// [`client!`](crate::client). Every call is a future that drives the connection as far as its own reply:
///
/// ```text
///       ┌───────────── something moved, or is late ──────────────────┐
///       ▼                                                            │
///     write, flush ──▶ look ── not here ──▶ read ── bytes, the end ──┤
///                       │ here               │ nothing               │
///                       ▼                    ▼                       │
///                     Ready              the timer ── due ───────────┘
///                                            │ not yet
///                                            ▼
///                                         Pending
/// ```
///
/// Over a transport that blocks its thread no future is pending but when the time that a read or write may block has passed, and is polled
/// again at once: so a loop that polls with [`Waker::noop`](core::task::Waker::noop) makes a blocking client.
///
/// A call whose future is dropped is abandoned: what is left of its request is written, and its reply read and dropped, by whatever is called
/// next. If the transport or a request panics, the connection has ended: what became of the bytes under way is unknown.
pub struct Driver<T> {
    pub(crate) connection: Connection,
    pub(crate) link: Link<T>,
    /// What the next call may take.
    timeout: Timeout,
}

impl<T> fmt::Debug for Driver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl<T: PollTransport> Driver<T> {
    /// Drives a connection over this transport.
    pub fn new(connection: Connection, transport: T) -> Self {
        Self { connection, link: Link::new(transport), timeout: Timeout::Default }
    }

    /// Goes on over what is made of its transport, whose clock has to go on, too. For connecting in one way and working in another.
    ///
    /// # Errors
    ///
    /// What making it fails with.
    pub fn try_map<U: PollTransport, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Driver<U>, E> {
        let Self { connection, link, timeout } = self;
        Ok(Driver { connection, link: Link::new(map(link.transport)?), timeout })
    }

    /// Returns the transport.
    pub const fn transport(&self) -> &T {
        &self.link.transport
    }

    /// Gives the next call so long for its reply, in place of [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout).
    pub const fn set_timeout(&mut self, timeout: Timeout) {
        self.timeout = timeout;
    }

    /// Sends a request for which [`Driver::has_room`], and returns the future of its reply: as [`Driver::call`], which waits for room
    /// first and sends when it is polled.
    ///
    /// # Errors
    ///
    /// What kept it from being sent.
    #[inline(always)]
    pub fn begin<R: Request>(&mut self, request: R) -> Result<Reply<'_, T, R::Reply>, Error> {
        Ok(Reply(self.claim(request)?))
    }

    /// Returns whether a request could be sent now, with no wait for room.
    #[inline(always)]
    pub fn has_room<R: Request>(&self, request: &R) -> bool {
        // The rest of a body that was refused may be queued when nothing is in flight.
        (self.connection.in_flight() == 0 && self.connection.queued() == 0) || self.has_room_behind(request)
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
    #[inline(always)]
    pub fn call<R: Request>(&mut self, request: R) -> impl Future<Output = Result<R::Reply, Error>> {
        async move {
            if !self.has_room(&request) {
                // Boxed, for it is rare, and would make every call's future larger.
                Box::pin(self.make_room(request.expect())).await?;
            }
            self.begin(request)?.await
        }
    }

    /// Sends a request, until its last byte is written and flushed.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but what the server answers. [`Driver::reply`] reports what is late by then.
    pub async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        self.make_room(request.expect()).await?;
        let mut claim = self.claim(request)?;
        poll_fn(|cx| claim.poll_flushed(cx)).await
    }

    /// Waits for the reply to a request that was sent.
    ///
    /// # Errors
    ///
    /// All of [`Error`].
    pub fn reply<R>(&mut self, ticket: Ticket<R>) -> impl Future<Output = Result<R, Error>> {
        // Claimed at once, so that a future which is dropped before it was polled abandons it, too.
        let mut claim = Claim { driver: self, ticket };
        poll_fn(move |cx| claim.poll_reply(cx))
    }

    /// Sends two requests in one write, and waits for the replies to both.
    ///
    /// # Errors
    ///
    /// What kept the first from being sent; then nothing was. If it is only the second that was kept back, its own result
    /// is that error.
    #[allow(clippy::type_complexity, reason = "two results, one for each request")]
    pub async fn call_both<A: Request, B: Request>(
        &mut self,
        first: A,
        second: B,
    ) -> Result<(Result<A::Reply, Error>, Result<B::Reply, Error>), Error> {
        self.make_room(first.expect()).await?;
        let timeout = self.timeout;
        let first = self.send_now(first)?;
        self.timeout = timeout;
        // From here to where both are claimed nothing is awaited, so both are abandoned or none. What is queued already is no reason to
        // part them.
        let second = match self.connection.check_send(&second.expect()) {
            Err(refused) if !matches!(refused, Error::Full(Full::Queued { .. })) => Err(refused),
            _ => self.send_now(second),
        };
        self.timeout = Timeout::Default;
        match second {
            Ok(second) => {
                let mut second = Claim { driver: self, ticket: second };
                let first = second.driver.reply(first).await;
                Ok((first, poll_fn(|cx| second.poll_reply(cx)).await))
            }
            Err(refused) => Ok((self.reply(first).await, Err(refused))),
        }
    }

    /// Sends many requests, pipelined.
    pub fn call_all<I: Iterator<Item: Request>>(&mut self, requests: I) -> CallAll<'_, T, I> {
        let timeout = mem::take(&mut self.timeout);
        CallAll::new(self, requests, timeout)
    }

    /// See [`Connection::abandon`].
    pub fn abandon<R>(&mut self, ticket: Ticket<R>) {
        self.connection.abandon(ticket);
    }

    /// See [`Connection::take_orphaned`].
    pub fn take_orphaned(&mut self) -> Vec<Job> {
        self.connection.take_orphaned()
    }

    /// Returns whether the connection has ended, as far as was read.
    pub const fn is_ended(&self) -> bool {
        self.connection.is_ended()
    }

    /// Reads what is here, without waiting, and returns whether the connection has ended.
    ///
    /// What is read is kept for the calls that it answers. A task that waits on this driver by a waker has to poll it again afterwards.
    pub fn is_closed(&mut self) -> bool {
        let Self { connection, link, .. } = self;
        if link.read_unread(connection, &mut Context::from_waker(Waker::noop()), |_| false).is_err() {
            connection.abort();
        }
        connection.is_ended()
    }

    /// Waits until the connection has ended, and returns what ended it. What arrives meanwhile is kept for the calls that it answers.
    pub async fn closed(&mut self) -> Error {
        poll_fn(|cx| self.poll_broken(cx)).await
    }

    /// Waits until then, reading what comes meanwhile. Returns early if the connection ends: the next call fails with the reason.
    pub(crate) async fn wait_until(&mut self, until: Instant) {
        poll_fn(|cx| {
            let Self { connection, link, .. } = self;
            match link.poll(connection, Some(until), cx, |connection| connection.is_ended()) {
                Poll::Ready(Ok(())) => Poll::Ready(()),
                Poll::Ready(Err(_)) => {
                    connection.abort();
                    Poll::Ready(())
                }
                Poll::Pending => link.poll_until(Some(until), cx),
            }
        })
        .await;
    }

    /// Ends the connection in order, and waits for the server to end it too, for as long as a reply may take.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the server did not end it in time, or what the transport failed with.
    pub async fn disconnect(mut self) -> Result<(), Error> {
        let mut disconnect = Disconnect::new(&mut self.connection, &self.link);
        poll_fn(|cx| disconnect.poll(&mut self.connection, &mut self.link, None, cx)).await
    }

    #[cold]
    pub(crate) fn failed(&mut self, error: T::Error, lost: Lost) -> Error {
        self.connection.abort();
        T::failure(error, lost)
    }

    /// Ready once the connection has ended, with what ended it.
    pub(crate) fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Self { connection, link, .. } = self;
        if let Err(error) = ready!(link.poll(connection, None, cx, |connection| connection.is_ended())) {
            return Poll::Ready(self.failed(error, Lost::NotSent));
        }
        Poll::Ready(match connection.poll_closed() {
            Poll::Ready(Err(error @ Error::Protocol { .. })) => error,
            _ => Error::Closed { lost: Lost::NotSent },
        })
    }

    /// Queues a request.
    #[inline(always)]
    fn claim<R: Request>(&mut self, request: R) -> Result<Claim<'_, T, R::Reply>, Error> {
        let ticket = self.send_now(request)?;
        Ok(Claim { driver: self, ticket })
    }

    /// Queues a request. If others are queued, there is room for it, or it belongs to one of them.
    #[inline(always)]
    fn send_now<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        let timeout = if self.timeout == Timeout::Default { Timeout::Default } else { mem::take(&mut self.timeout) };
        let mut options = SendOptions::default().timeout(timeout);
        options.beyond_limits = self.connection.queued() > 0;
        self.connection.send_with(self.link.transport.now(), request, options)
    }

    #[inline(never)]
    fn has_room_behind<R: Request>(&self, request: &R) -> bool {
        self.connection.check_send(&request.expect()).is_ok()
    }

    /// Waits until sending makes sense, or no waiting will help, for as long as the next call may wait for its reply. That time stays the
    /// call's, if it comes to be sent, and belongs to none if not.
    pub(crate) async fn make_room(&mut self, expect: Expect) -> Result<(), Error> {
        let timeout = mem::take(&mut self.timeout);
        self.make_room_within(&expect, timeout).await?;
        self.timeout = timeout;
        Ok(())
    }

    /// Waits until sending makes sense, or no waiting will help.
    pub(super) async fn make_room_within(&mut self, expect: &Expect, timeout: Timeout) -> Result<(), Error> {
        if self.connection.check_send(expect).is_err() {
            let timeout = match timeout {
                Timeout::Default => self.connection.config().reply_timeout,
                Timeout::None => None,
                Timeout::After(timeout) => Some(timeout),
            };
            let until = timeout.map(|timeout| self.link.transport.now() + timeout);
            poll_fn(|cx| self.poll_room(expect, until, cx)).await?;
        }
        self.connection.check_send(expect)
    }

    /// Ready when sending makes sense, or no waiting will help. Requests that were abandoned take room until their
    /// replies are read, and the job that a waiting reserve is after may be here, unread.
    fn poll_room(&mut self, expect: &Expect, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { connection, link, .. } = self;
        let room = link.poll(connection, until, cx, |connection| match connection.check_send(expect) {
            Err(Error::Full(_)) => !connection.wants_transmit() && !connection.awaits_reply(),
            _ => true,
        });
        let failed = match room {
            Poll::Ready(Ok(())) => link.read_unread(connection, cx, |connection| connection.check_send(expect).is_ok()),
            Poll::Ready(failed) => failed,
            Poll::Pending => return link.poll_until(until, cx).map(Ok),
        };
        Poll::Ready(failed.map_err(|error| self.failed(error, Lost::NotSent)))
    }
}

/// For callers that keep tickets, and abandon them.
impl<T: PollTransport> Driver<T> {
    pub(crate) fn start<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        self.send_now(request)
    }

    /// Ready with the reply, or with what keeps it from coming.
    pub(crate) fn poll_reply<R>(&mut self, ticket: &mut Ticket<R>, cx: &mut Context<'_>) -> Poll<Result<R, Error>> {
        let Self { connection, link, .. } = self;
        match ready!(link.poll(connection, None, cx, |connection| connection.is_ready(ticket.id()))) {
            Ok(()) => link.take(connection, |connection| connection.poll_reply(ticket)),
            Err(error) => {
                let lost = connection.lost(ticket);
                Poll::Ready(Err(self.failed(error, lost)))
            }
        }
    }

    /// Whether some request could be sent now.
    pub(crate) fn has_room_for_any(&self) -> bool {
        self.connection.check_send(&Expect::of(Kind::Stats)).is_ok()
    }

    /// Whether a reply is here, or will not come.
    pub(crate) fn is_here<R>(&self, ticket: &Ticket<R>) -> bool {
        self.connection.is_ready(ticket.id())
    }
}

/// The future of a reply: see [`Driver::begin`]. Dropping it abandons the request.
pub struct Reply<'d, T: PollTransport, R>(Claim<'d, T, R>);

impl<T: PollTransport, R> Future for Reply<'_, T, R> {
    type Output = Result<R, Error>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, Error>> {
        self.0.poll_reply(cx)
    }
}

impl<T: PollTransport, R> fmt::Debug for Reply<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.0.ticket).finish()
    }
}
