//! What every asynchronous adapter needs between a [`Connection`] and a stream: when to write, flush, read and give up
//! waiting, in terms of `core::task` alone.
//!
//! An adapter implements [`PollTransport`] for its streams and timers, and its client holds a [`Driver`].
//!
//! ```text
//!             ┌───────────────────────────────────────────────┐
//!             ▼                                               │ something moved
//!   is the reply here? ── no ──▶ write, flush, read: poll_io ─┤
//!             │ yes                                           │ nothing can move
//!             ▼                                               ▼
//!           Ready                         the deadline: Pending, or Ready once it has passed
//! ```
//!
//! One task does all of it on the unsplit stream, so reading goes on while a write or a flush is blocked: a peer that
//! stops reading until its replies are read cannot stop us.

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
};

use super::{CallAll, Connection, Deadline, Ticket, disconnect::Disconnect};
use crate::{
    error::{Error, Lost, SendError},
    request::{Expect, Request},
    time::Instant,
    transmit::Segments,
    types::Job,
};

/// A stream and a timer, as a runtime offers them.
///
/// A `poll_` method that gives [`Poll::Pending`] has arranged for the task to be woken.
pub trait PollTransport: Unpin {
    /// What the stream fails with.
    type Error;

    /// Reads once into `buf`; 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>>;

    /// Writes once, from the start of the first segment; there is at least one. 0 is the end of the stream.
    fn poll_write(&mut self, cx: &mut Context<'_>, segments: Segments<'_>) -> Poll<Result<usize, Self::Error>>;

    /// Hands out whatever the stream has taken and kept.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Closes the writing half.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Says how a failure of the stream is told to the caller whose request it hit.
    fn failure(error: Self::Error, lost: Lost) -> Error;

    /// What time it is.
    fn now(&self) -> Instant;

    /// Sets the one timer to go off at `at`, whatever it was set to.
    fn set_timer(&mut self, at: Instant);

    /// Ready once the timer has gone off. Polled only after it was set, and not again before it is set anew.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Moves bytes both ways as far as they go: writes and flushes what it can and reads once.
///
/// Ready when something moved, or the connection has ended, after which the connection should be asked for replies and this be called again;
/// pending when nothing can, and the task will be woken. Asking again until it is pending reads all there is.
///
/// # Errors
///
/// What the transport failed with. What it had received before is with the connection.
pub fn poll_io<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    cx: &mut Context<'_>,
) -> Poll<Result<(), T::Error>> {
    let mut moved = false;
    let mut write_error = None;
    while connection.wants_transmit() && !connection.is_ended() {
        match transport.poll_write(cx, connection.transmit()) {
            Poll::Ready(Ok(0)) => connection.received_eof(),
            Poll::Ready(Ok(n)) => connection.transmitted(n),
            Poll::Ready(Err(error)) => {
                write_error = Some(error);
                break;
            }
            Poll::Pending => break,
        }
        moved = true;
    }
    if connection.wants_flush() && !connection.is_ended() {
        match transport.poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                connection.flushed();
                moved = true;
            }
            Poll::Ready(Err(error)) => write_error = Some(error),
            Poll::Pending => {}
        }
    }
    while !connection.is_ended() {
        let n = match (transport.poll_read(cx, connection.receive_buf()), write_error.is_some()) {
            (Poll::Ready(Ok(n)), _) => n,
            (Poll::Ready(Err(error)), false) => return Poll::Ready(Err(error)),
            // The first failure is the one to tell.
            (Poll::Ready(Err(_)) | Poll::Pending, true) => break,
            (Poll::Pending, false) => return if moved { Poll::Ready(Ok(())) } else { Poll::Pending },
        };
        match n {
            0 if write_error.is_some() => break,
            0 => connection.received_eof(),
            n => connection.received(n),
        }
        // A server that refuses to read on may still have answered: take that before telling of the failure.
        if write_error.is_none() {
            break;
        }
    }
    Poll::Ready(write_error.map_or(Ok(()), Err))
}

/// One timer for many deadlines. It is set to the first, and when it goes off to the one that counts by then: calls
/// that are answered in time, which is nearly all, cost no timer operation each.
#[derive(Debug, Default)]
pub(super) struct Timer {
    set_to: Option<Instant>,
}

impl Timer {
    /// Ready once it is `at`.
    pub(super) fn poll<T: PollTransport>(&mut self, transport: &mut T, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.set_to.is_none_or(|set_to| set_to > at) {
                transport.set_timer(at);
                self.set_to = Some(at);
            }
            ready!(transport.poll_timer(cx));
            self.set_to = None;
            if transport.now() >= at {
                return Poll::Ready(());
            }
        }
    }
}

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
        Self { connection, transport, timer: Timer::default() }
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
    pub async fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error> {
        let mut held = self.start(request).await?;
        poll_fn(|cx| held.poll_reply(cx)).await
    }

    /// Sends a request, until its last byte is written and flushed.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but what the server answers.
    pub async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        let mut held = self.start(request).await?;
        poll_fn(|cx| held.poll_written_out(cx)).await
    }

    /// Waits for the reply to a request that was sent.
    ///
    /// # Errors
    ///
    /// All of [`Error`].
    pub async fn reply<R>(&mut self, ticket: Ticket<R>) -> Result<R, Error> {
        let mut held = self.hold(ticket);
        poll_fn(|cx| held.poll_reply(cx)).await
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

    pub(super) fn poll_until(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        until.map_or(Poll::Pending, |until| self.timer.poll(&mut self.transport, until, cx))
    }

    /// Moves bytes until `done` has what it looks for in the connection.
    pub(super) fn poll_done<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut done: impl FnMut(&mut Connection) -> Poll<R>,
    ) -> Poll<Result<R, T::Error>> {
        loop {
            if let Poll::Ready(found) = done(&mut self.connection) {
                return Poll::Ready(Ok(found));
            }
            if let Err(error) = ready!(poll_io(&mut self.connection, &mut self.transport, cx)) {
                // It may have come with the last bytes before the failure.
                return Poll::Ready(match done(&mut self.connection) {
                    Poll::Ready(found) => Ok(found),
                    Poll::Pending => Err(error),
                });
            }
        }
    }

    /// Queues a request, once there is room for it.
    async fn start<R: Request>(&mut self, request: R) -> Result<Held<'_, T, R::Reply>, Error> {
        let expect = request.expect();
        if let Err(refused) = self.connection.check_room(&expect) {
            if !matches!(refused, SendError::Full(_) | SendError::ReserveWaiting) {
                return Err(refused.into());
            }
            let until = self.reply_timeout();
            poll_fn(|cx| self.poll_room(&expect, until, cx)).await?;
        }
        if matches!(self.connection.check_room(&expect), Ok(Some(_))) {
            poll_fn(|cx| self.poll_unread(&expect, cx)).await?;
        }
        let adoptable = self.connection.check_room(&expect)?;
        // One request over the limit is let pass: this is the only caller.
        let ticket = self.connection.send_into(request, expect, adoptable, usize::MAX)?;
        let mut held = self.hold(ticket);
        // Waiting begins now for those behind it, too.
        held.note_deadline();
        Ok(held)
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
            Err(SendError::Full(_)) if connection.wants_transmit() || connection.awaits_reply() => Poll::Pending,
            Err(SendError::ReserveWaiting) => Poll::Pending,
            _ => Poll::Ready(()),
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
            Ok(Some(_)) => Poll::Pending,
            _ => Poll::Ready(()),
        });
        match read {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error, Lost::NotSent))),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn hold<R>(&mut self, ticket: Ticket<R>) -> Held<'_, T, R> {
        Held { driver: self, ticket: Some(ticket), deadline: None }
    }
}

/// A ticket that is abandoned when nobody waits for it any more.
struct Held<'d, T: PollTransport, R> {
    driver: &'d mut Driver<T>,
    ticket: Option<Ticket<R>>,
    deadline: Option<Deadline>,
}

impl<T: PollTransport, R> Held<'_, T, R> {
    fn note_deadline(&mut self) -> Deadline {
        let Some(ticket) = &self.ticket else { return Deadline::Never };
        let driver = &mut *self.driver;
        *self.deadline.get_or_insert_with(|| driver.connection.deadline(ticket, driver.transport.now()))
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Error>> {
        let Some(ticket) = &mut self.ticket else { return Poll::Pending };
        match self.driver.poll_done(cx, |connection| connection.poll_reply(ticket)) {
            Poll::Ready(Ok(result)) => {
                self.ticket = None;
                Poll::Ready(result)
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => match self.note_deadline() {
                Deadline::Never => Poll::Pending,
                Deadline::Fail(at) => self.poll_late(at, cx).map(Err),
                Deadline::GiveUp(at) => {
                    ready!(self.driver.poll_until(Some(at), cx));
                    // What there was to read has just been read.
                    self.ticket
                        .take()
                        .map_or(Poll::Pending, |ticket| Poll::Ready(self.driver.connection.give_up(ticket)))
                }
            },
        }
    }

    fn poll_written_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ticket<R>, Error>> {
        let Some(ticket) = &self.ticket else { return Poll::Pending };
        // If the connection has ended, the ticket says how.
        let out =
            self.driver.poll_done(cx, |connection| match connection.is_written_out(ticket) || connection.is_ended() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            });
        match out {
            Poll::Ready(Ok(())) => self.ticket.take().map_or(Poll::Pending, |ticket| Poll::Ready(Ok(ticket))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => match self.note_deadline() {
                Deadline::Never | Deadline::GiveUp(_) => Poll::Pending,
                Deadline::Fail(at) => self.poll_late(at, cx).map(Err),
            },
        }
    }

    /// The error of a request that got no reply by `at`, once it is so late.
    fn poll_late(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<Error> {
        ready!(self.driver.poll_until(Some(at), cx));
        let lost = Lost::Unknown;
        let connection = &self.driver.connection;
        Poll::Ready(self.ticket.as_ref().map_or(Error::TimedOut { lost }, |ticket| connection.timed_out(ticket)))
    }

    fn failed(&mut self, error: T::Error) -> Error {
        let lost = self.lost();
        self.driver.failed(error, lost)
    }

    fn lost(&self) -> Lost {
        self.ticket.as_ref().map_or(Lost::Unknown, |ticket| self.driver.connection.lost(ticket))
    }
}

impl<T: PollTransport, R> Drop for Held<'_, T, R> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.driver.connection.abandon(ticket);
        }
    }
}

pub(super) fn reply_timeout<T: PollTransport>(connection: &Connection, transport: &T) -> Option<Instant> {
    connection.config().reply_timeout.map(|timeout| transport.now() + timeout)
}

#[cfg(feature = "std")]
impl<'a> Segments<'a> {
    /// The first pieces, for a vectored write, and how many there are.
    #[must_use]
    pub fn io_slices<const N: usize>(self) -> ([std::io::IoSlice<'a>; N], usize) {
        let mut slices = [std::io::IoSlice::new(&[]); N];
        let used = slices.iter_mut().zip(self).map(|(slice, piece)| *slice = std::io::IoSlice::new(piece)).count();
        (slices, used)
    }
}
