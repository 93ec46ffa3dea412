//! The blocking client: one connection, and the loop that moves its bytes.

use std::task::Poll;

use beanstalk_driver::connect::socket::Maker;
use beanstalk_proto::{
    Error, Full, Job, Lost, Request, SendError,
    client::{Config, Connection, Ticket},
};

use crate::{
    transport::{Stream, Transport},
    wire::{NOW, Wire},
};

/// One connection to a server. Every command of the protocol is a method.
///
/// Dropping a client says `quit` if that is possible without waiting, and closes; jobs it holds become ready again. (A process that
/// was forked from the one that connected only closes its copy.)
/// So a scope is a connection's life:
///
/// ```no_run
/// use beanstalk_sync::Client;
///
/// fn fetch_later(urls: &[&str]) -> Result<(), beanstalk_sync::Error> {
///     let mut client = Client::connect("localhost:11300")?;
///     client.use_tube("urls-to-fetch")?;
///     for url in urls {
///         client.put(100, 0, 180, *url)?.inserted()?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Client<T: Transport = Stream> {
    pub(crate) connection: Connection,
    pub(crate) wire: Wire<T>,
    maker: Maker,
}

impl Client {
    /// Connects to an [`Endpoint`](crate::Endpoint) with the default [`Config`]: `host`, `host:port`, `[v6]:port`, `unix:/path`,
    /// `beanstalk://host:port`, or several of these with commas.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, or one with TLS, and [`Error::Connect`] if nobody answers there.
    pub fn connect(endpoint: &str) -> Result<Self, Error> {
        Self::connect_with(endpoint, Config::default())
    }

    /// Connects with a configuration: timeouts and limits.
    ///
    /// The connect timeout covers everything: looking names up, and all nodes and their addresses, each of which gets an equal share
    /// of what is left. A thread is made for looking up a name, and left behind if that takes too long.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub fn connect_with(endpoint: &str, config: Config) -> Result<Self, Error> {
        let stream = Stream::connect(&endpoint.parse()?, config.connect_timeout)?;
        Ok(Self::from_stream_with(stream, config))
    }

    /// Whether the connection has ended, or the peer has done it meanwhile.
    pub(crate) fn has_ended(&self) -> bool {
        self.connection.is_ended() || self.wire.transport.has_ended()
    }
}

impl<T: Transport> Client<T> {
    /// A client on a stream that is connected already; so TLS or a tunnel is used.
    pub fn from_stream(stream: T) -> Self {
        Self::from_stream_with(stream, Config::default())
    }

    /// A client on a stream that is connected already, with a configuration.
    pub fn from_stream_with(stream: T, config: Config) -> Self {
        Self { connection: Connection::new(config), wire: Wire::new(stream), maker: Maker::this() }
    }

    /// Sends a request and waits for its reply: [`Client::send`] and [`Client::reply`] in one.
    ///
    /// # Errors
    ///
    /// Everything that [`Error`] lists. After a timeout the connection is still in step: the reply is dropped when it
    /// comes, and a job that it brings is kept for the next reserve.
    pub fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error> {
        let ticket = self.queue(request)?;
        self.wait(ticket)
    }

    beanstalk_driver::client_methods!(sync);

    /// Sends a request, and returns when the transport has taken it whole. Several sends before the first
    /// [`Client::reply`] are a pipeline.
    ///
    /// # Errors
    ///
    /// As [`Client::call`], but for what the server answers.
    pub fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        let mut ticket = self.queue(request)?;
        while !self.connection.is_flushed(&ticket) && !self.connection.is_ended() {
            // Not written and yet answered: it is late.
            if self.connection.is_ready(ticket.id()) {
                if let Poll::Ready(Err(error)) = self.connection.poll_reply(&mut ticket) {
                    return Err(error);
                }
            }
            if let Err(error) = self.write_out() {
                return Err(self.broken(ticket, error));
            }
        }
        Ok(ticket)
    }

    /// Waits for the reply to a request that was sent. Replies can be taken in any order.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub fn reply<R>(&mut self, ticket: Ticket<R>) -> Result<R, Error> {
        self.wait(ticket)
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
        // What is queued already is no reason to part them.
        let second = match self.connection.check_send(&second.expect()) {
            Err(refused) if !matches!(refused, SendError::Full(Full::Queued { .. })) => Err(refused.into()),
            _ => self.send_now(second),
        };
        let first = self.wait(first);
        let second = second.and_then(|ticket| self.wait(ticket));
        Ok((first, second))
    }

    /// The jobs that arrived for nobody, after a reserve that timed out on our side: they are held by this connection, as
    /// far as their time to run lasts. The next reserve would have confirmed one with `touch` and returned it.
    pub fn take_orphaned(&mut self) -> Vec<Job> {
        self.connection.take_orphaned()
    }

    /// Ends the connection in order: says `quit`, and waits until the server has closed, no longer than a reply may take. A process
    /// that was forked from the one that connected only closes its copy.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the transport fails first, [`Error::TimedOut`] if the server does not close.
    pub fn disconnect(mut self) -> Result<(), Error> {
        if !self.maker.is_this() {
            return Ok(());
        }
        self.connection.close(self.wire.now());
        loop {
            if self.connection.wants_half_close() {
                self.wire.transport.shutdown_write().map_err(|error| self.failed(error, Lost::NotSent))?;
                self.connection.half_closed();
            }
            match self.connection.poll_closed() {
                Poll::Ready(Err(error @ Error::TimedOut { .. })) => return Err(error),
                Poll::Ready(_) => return Ok(()),
                Poll::Pending => self.advance().map_err(|error| self.failed(error, Lost::Unknown))?,
            }
        }
    }

    /// The stream under the client.
    pub fn get_ref(&self) -> &T {
        &self.wire.transport
    }
}

impl<T: Transport> Drop for Client<T> {
    fn drop(&mut self) {
        // Only if nothing else waits to be written would the server understand it.
        if self.connection.wants_transmit() || self.wire.is_lost() || !self.maker.is_this() {
            return;
        }
        self.connection.close(self.wire.now());
        if self.connection.wants_transmit() && self.wire.transport.set_write_timeout(Some(NOW)).is_ok() {
            let _ = self.wire.write_once(&self.connection);
        }
    }
}
