//! The blocking client: one connection, and the loop that moves its bytes.

use std::{
    io,
    task::Poll,
    time::{Duration, Instant},
};

use beanstalk_proto::{
    Address, Error, Job, Lost, Request, SendError,
    client::{Closing, Config, Connection, Deadline, Ticket},
};

use crate::{
    call_all::CallAll,
    transport::{Stream, Transport},
    wire::{NOW, Once, TURN, Wire, Wrote},
};

/// One connection to a server. Every command of the protocol is a method.
///
/// Dropping a client says `quit` if that is possible without waiting, and closes; jobs it holds become ready again.
/// So a scope is a connection's life:
///
/// ```no_run
/// use beanstalk_sync::Client;
///
/// fn fetch_later(urls: &[&str]) -> Result<(), beanstalk_sync::Error> {
///     let mut client = Client::connect("localhost:11300")?;
///     client.use_tube("urls-to-fetch")?;
///     for url in urls {
///         client.put(100, 0, 180, *url)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Client<T: Transport = Stream> {
    pub(crate) connection: Connection,
    wire: Wire<T>,
    /// What the core's clock counts from.
    epoch: Instant,
}

impl Client {
    /// Connects to `host:port`, `[v6]:port` or `unix:/path`, with the default [`Config`].
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address, [`Error::Io`] if nobody answers there.
    pub fn connect(address: &str) -> Result<Self, Error> {
        Self::connect_with(address, Config::default())
    }

    /// Connects with a configuration: timeouts and limits.
    ///
    /// The connect timeout covers all addresses a host name stands for, but neither looking the name up nor Unix
    /// sockets, which the operating system does in its own time.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub fn connect_with(address: &str, config: Config) -> Result<Self, Error> {
        let address: Address = address.parse()?;
        let stream = Stream::connect(&address, config.connect_timeout)
            .map_err(|error| Error::Io { error, lost: Lost::NotSent })?;
        Ok(Self::from_stream_with(stream, config))
    }
}

impl<T: Transport> Client<T> {
    /// A client on a stream that is connected already; so TLS or a tunnel is used.
    pub fn from_stream(stream: T) -> Self {
        Self::from_stream_with(stream, Config::default())
    }

    /// A client on a stream that is connected already, with a configuration.
    pub fn from_stream_with(stream: T, config: Config) -> Self {
        Self { connection: Connection::new(config), wire: Wire::new(stream), epoch: Instant::now() }
    }

    /// Sends a request and waits for its reply: [`Client::send`] and [`Client::reply`] in one.
    ///
    /// # Errors
    ///
    /// Everything that [`Error`] lists. After a timeout the connection is still in step: the reply is dropped when it
    /// comes, and a job that it brings is kept for the next reserve.
    pub fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error> {
        if !self.connection.is_idle() {
            let ticket = self.queue(request)?;
            let now = Instant::now();
            return self.wait(ticket, now, now);
        }
        let alone = match self.connection.send_alone(request) {
            Ok(alone) => alone,
            Err(error) => return Err((*error).into()),
        };
        // Nearly always the first read brings the reply. It waits no longer than any request that was just sent may take,
        // so nothing need be known of deadlines, nor of the time, before it.
        match self.wire.exchange_alone(&mut self.connection, &alone) {
            Ok(Once::Replied(reply)) => Ok(reply),
            Ok(Once::Refused(error)) => Err(*error),
            Ok(Once::Waits(waited)) => self.call_on(self.connection.ticket_of(alone), waited),
            Err(error) => Err(self.broken(self.connection.ticket_of(alone), error)),
        }
    }

    /// Goes on with a call whose reply the first read did not bring whole and alone, or so that it needs a closer look.
    #[inline(never)]
    fn call_on<R>(&mut self, mut ticket: Ticket<R>, waited: Duration) -> Result<R, Error> {
        if let Poll::Ready(result) = self.connection.poll_reply(&mut ticket) {
            return result;
        }
        let now = Instant::now();
        self.wait(ticket, now.checked_sub(waited).unwrap_or(now), now)
    }

    beanstalk_proto::client_methods!(sync);

    /// Sends a request, and returns when the transport has taken it whole. Several sends before the first
    /// [`Client::reply`] are a pipeline.
    ///
    /// # Errors
    ///
    /// As [`Client::call`], but for what the server answers.
    pub fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        let ticket = self.queue(request)?;
        let start = self.now();
        let until = self.connection.config().reply_timeout.map(|timeout| start + timeout);
        while !self.connection.is_written_out(&ticket) {
            let expired = until.is_some_and(|until| self.now() >= until);
            let result = match expired {
                true => Err(self.connection.timed_out(&ticket)),
                false => self.write_or_read().map_err(|error| self.failed(error, self.connection.lost(&ticket))),
            };
            if let Err(error) = result {
                self.connection.abandon(ticket);
                return Err(error);
            }
        }
        Ok(ticket)
    }

    /// Waits for the reply to a request that was sent. Replies can be taken in any order.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub fn reply<R>(&mut self, mut ticket: Ticket<R>) -> Result<R, Error> {
        match self.connection.poll_reply(&mut ticket) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                let now = Instant::now();
                self.wait(ticket, now, now)
            }
        }
    }

    /// Sends two requests in one write, and waits for the replies to both. So a worker finishes a job and reserves the next in
    /// one round trip.
    ///
    /// The first does not stand in for the second: if the job to be deleted is not there any more
    /// ([`NotFound`](beanstalk_proto::CommandError::NotFound)), the next one is reserved all the same.
    ///
    /// ```no_run
    /// use beanstalk_sync::{Client, Delete, Reserve};
    ///
    /// # fn main() -> Result<(), beanstalk_sync::Error> {
    /// let mut client = Client::connect("127.0.0.1:11300")?;
    /// let mut next = client.reserve()?;
    /// while let Some(job) = next.job() {
    ///     println!("{}", job.text().unwrap_or("(not text)"));
    ///     let (deleted, reserved) = client.call_both(Delete::new(job.id), Reserve::new())?;
    ///     deleted?;
    ///     next = reserved?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever kept the first from being sent; then nothing was. Each of the two results is as of [`Client::call`].
    #[allow(clippy::type_complexity, reason = "two results, either of which says what became of its own request")]
    pub fn call_both<A: Request, B: Request>(
        &mut self,
        first: A,
        second: B,
    ) -> Result<(Result<A::Reply, Error>, Result<B::Reply, Error>), Error> {
        let first = self.queue(first)?;
        // As for a request of its own: it may be about to take over a reserve whose job is here, unread.
        let second = self.read_unread(&second).and_then(|()| Ok(self.connection.send(second)?));
        let start = Instant::now();
        if let Ok(second) = &second {
            // Each has its own time, so what the server may wait for the second's sake counts from now.
            self.connection.deadline(second, self.since_epoch(start));
        }
        let first = self.wait(first, start, start);
        let second = match second {
            Ok(ticket) => self.reply(ticket),
            Err(error) => Err(error),
        };
        Ok((first, second))
    }

    /// Sends many requests, pipelined, and yields one result for each, in order. A refusal of one does not disturb the
    /// others; after a fatal error the rest fail with [`Error::Closed`], each saying whether it can have run.
    ///
    /// About 64 requests are in flight at a time, and replies are read while requests are written. Requests of different
    /// kinds go together as [`Command`](beanstalk_proto::Command)s. Dropping the iterator leaves the connection in step.
    ///
    /// ```no_run
    /// use beanstalk_sync::{Client, Put};
    ///
    /// # fn main() -> Result<(), beanstalk_sync::Error> {
    /// let mut client = Client::connect("127.0.0.1:11300")?;
    /// for result in client.call_all(["one", "two", "three"].map(Put::of)) {
    ///     println!("{}", result?.id());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_all<I>(&mut self, requests: I) -> CallAll<'_, T, I::IntoIter>
    where
        I: IntoIterator<Item: Request>,
    {
        CallAll::new(self, requests.into_iter())
    }

    /// The jobs that arrived for nobody, after a reserve that timed out on our side: they are held by this connection, as
    /// far as their time to run lasts. The next reserve would have confirmed one with `touch` and returned it.
    pub fn take_orphaned(&mut self) -> Vec<Job> {
        self.connection.take_orphaned()
    }

    /// Ends the connection in order: says `quit`, and waits until the server has closed, no longer than a reply may take.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the transport fails first, [`Error::TimedOut`] if the server does not close.
    pub fn disconnect(mut self) -> Result<(), Error> {
        if self.connection.close() == Closing::HalfClose {
            self.wire.transport.shutdown_write().map_err(|error| self.failed(error, Lost::NotSent))?;
        }
        let start = self.now();
        let timeout = self.connection.config().reply_timeout;
        while !self.connection.is_ended() {
            let left = timeout.map(|timeout| timeout.saturating_sub(self.now().saturating_duration_since(start)));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::TimedOut { lost: Lost::Unknown });
            }
            self.wire.exchange(&mut self.connection, left).map_err(|error| self.failed(error, Lost::Unknown))?;
        }
        Ok(())
    }

    /// The stream under the client.
    pub fn get_ref(&self) -> &T {
        &self.wire.transport
    }

    /// Queues a request, once there is room. If a reserve is in its way that nobody waits for any more, or is about to be taken
    /// over, its job may be here, unread.
    #[inline]
    fn queue<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        if self.connection.in_flight() > 0 {
            self.make_room(&request)?;
        }
        Ok(self.connection.send(request)?)
    }

    /// Reads and writes, no longer than a reply may take, while the connection is full of requests that nobody waits for any more;
    /// then reads what may change what becomes of this one.
    pub(crate) fn make_room<R: Request>(&mut self, request: &R) -> Result<(), Error> {
        let until = self.connection.config().reply_timeout.map(|timeout| Instant::now() + timeout);
        while matches!(self.connection.check_send(request), Err(SendError::Full(_))) {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
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
    fn wait<R>(&mut self, mut ticket: Ticket<R>, start: Instant, now: Instant) -> Result<R, Error> {
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
    fn write_or_read(&mut self) -> io::Result<()> {
        match self.wire.write_some(&mut self.connection, None)? {
            Wrote::All | Wrote::Some => Ok(()),
            Wrote::Nothing => self.wire.read_once(&mut self.connection, Some(TURN)).map(|_| ()),
        }
    }

    /// The error of a request that met the transport's failure.
    #[cold]
    fn broken<R>(&mut self, ticket: Ticket<R>, error: io::Error) -> Error {
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

    pub(crate) fn now(&self) -> beanstalk_proto::Instant {
        self.since_epoch(Instant::now())
    }

    fn since_epoch(&self, at: Instant) -> beanstalk_proto::Instant {
        beanstalk_proto::Instant::ZERO + at.saturating_duration_since(self.epoch)
    }
}

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

impl<T: Transport> Drop for Client<T> {
    fn drop(&mut self) {
        // Only if nothing else waits to be written would the server understand it.
        let idle = !self.connection.wants_transmit();
        if idle && self.connection.close() == Closing::Quit && self.wire.transport.set_write_timeout(Some(NOW)).is_ok()
        {
            let _ = self.wire.write_once(&self.connection);
        }
    }
}
