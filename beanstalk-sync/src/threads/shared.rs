//! The client for many threads: one server that they share.

use beanstalk_driver::{self as tasks, ConnectOptions, policy::SharedConfig};
use beanstalk_proto::{Argument, Error, Request, TubeArg};

use super::{Flushed, Threads, wait::block_on};

/// One server for many threads, for months: clone it freely. Concurrent calls go out together, on one connection, and are answered in turn.
///
/// It has every command that neither waits nor changes or depends on the connection's tubes. Those about the tube in use
/// name theirs: [`put_in`](Self::put_in), [`kick_in`](Self::kick_in), [`peek_ready_in`](Self::peek_ready_in) and so on. A
/// worker, which waits, has a [`Client`](crate::Client) of its own.
///
/// ```no_run
/// use beanstalk_sync::{Error, SharedClient};
///
/// # fn main() -> Result<(), Error> {
/// let client = SharedClient::connect("localhost:11300")?;
///
/// // In every thread, with a clone or a reference:
/// client.put_in("emails", 1024, 0, 60, "to: you")?.inserted()?;
/// # Ok(())
/// # }
/// ```
///
/// A thread of the client's own moves its bytes, and ends with the last handle.
///
/// # When the server is restarted
///
/// The client connects again, with growing delays. Meanwhile calls wait as long as [`SharedConfig::patience`], and then fail with what
/// the last attempt to connect failed with: their [`lost`](Error::lost) is [`NotSent`](crate::Lost::NotSent).
///
/// Calls that were sent when the connection broke are repeated if that is safe: what only reads always, a put if it cannot have run (or
/// always, with [`SharedConfig::repeat_puts`]), what is about a job by its id never. The others fail at once, with
/// [`Unknown`](crate::Lost::Unknown). A reply that does not come in its time breaks the connection, as nobody can tell a slow server from one
/// that has vanished.
///
/// # How much at once
///
/// At most [`Limits::in_flight`](crate::Limits::in_flight) requests and about
/// [`Limits::queued`](crate::Limits::queued) bytes are under way. Further calls wait for their turn, first come, first
/// served; one that is repeated keeps its place. At most [`SharedConfig::waiting`] of them wait, with
/// [`SharedConfig::waiting_bytes`] of bodies; one more fails at once with [`Error::Full`].
#[derive(Clone, Debug)]
pub struct SharedClient {
    shared: tasks::SharedClient<Threads>,
}

impl SharedClient {
    /// Connects to an [`Endpoint`](crate::Endpoint), once, with the default [`ConnectOptions`].
    ///
    /// # Errors
    ///
    /// As [`Client::connect`](crate::Client::connect).
    pub fn connect(endpoint: &str) -> Result<Self, Error> {
        Self::connect_with(endpoint, ConnectOptions::default())
    }

    /// Connects once, with options that hold for every connection, or with a [`Config`](crate::Config) alone: timeouts and limits.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`](crate::Client::connect).
    pub fn connect_with(endpoint: &str, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Ok(Self { shared: block_on(tasks::SharedClient::connect(endpoint, options))? })
    }

    /// Returns a client that connects with its first call, so that the server need not be there yet, and outlives connections in this
    /// way.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, and for a first delay that is longer than the longest.
    pub fn new(endpoint: &str, shared: SharedConfig, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Ok(Self { shared: tasks::SharedClient::new(endpoint, shared, options)? })
    }

    /// Sends a request as `call` does, and returns once its last byte was flushed. What it returns is for the reply, and may be dropped. A
    /// request that was flushed is not repeated.
    ///
    /// A server that runs gets what was flushed, even if the client is dropped then: a put as the last thing that a program does is done.
    ///
    /// # Errors
    ///
    /// As `call`, but for what the server answers.
    pub fn send<R: Request<Reply: 'static> + Clone>(&self, request: R) -> Result<Flushed<R::Reply>, Error> {
        block_on(self.shared.send(request)).map(Flushed::new)
    }

    /// Sends a request as `call_in` does, and returns once its last byte was flushed: see `send`.
    ///
    /// # Errors
    ///
    /// As `call_in`, but for what the server answers.
    pub fn send_in<'tube, R: Request<Reply: 'static> + Clone>(
        &self,
        tube: impl Argument<TubeArg<'tube>>,
        request: R,
    ) -> Result<Flushed<R::Reply>, Error> {
        block_on(self.shared.send_in(tube, request)).map(Flushed::new)
    }

    beanstalk_driver::client_methods!(shared by block_on);
}

impl From<tasks::SharedClient<Threads>> for SharedClient {
    fn from(shared: tasks::SharedClient<Threads>) -> Self {
        Self { shared }
    }
}
