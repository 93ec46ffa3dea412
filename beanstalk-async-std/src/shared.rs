//! The client for many tasks: one server that they share.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use beanstalk_driver::{self as tasks, ConnectOptions, SharedDriver, policy::SharedConfig};
use beanstalk_proto::{Error, client::Config};
use futures_io::{AsyncRead, AsyncWrite};

use crate::{runtime::AsyncStd, stream::Stream, transport::Transport};

/// One server for many tasks, for months: clone it freely. Concurrent calls go out together, on one connection, and are answered in turn.
///
/// It has every command that neither waits nor changes or depends on the connection's tubes. Those about the tube in use
/// name theirs: [`put_in`](Self::put_in), [`kick_in`](Self::kick_in), [`peek_ready_in`](Self::peek_ready_in) and so on. A
/// worker, which waits, has a [`Client`](crate::Client) of its own.
///
/// ```no_run
/// use beanstalk_async_std::{Error, SharedClient};
///
/// # async fn example() -> Result<(), Error> {
/// let client = SharedClient::connect("localhost:11300").await?;
///
/// // In every handler, with a clone or a reference:
/// client.put_in("emails", 1024, 0, 60, "to: you").await?.inserted()?;
/// # Ok(())
/// # }
/// ```
///
/// # When the server is restarted
///
/// A task of the client's own moves its bytes, and connects again when the connection breaks, with growing delays. If it is gone, with the
/// runtime that it ran on, whoever calls next starts one. Meanwhile calls wait as long as [`SharedConfig::patience`], and then fail with what
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
    shared: tasks::SharedClient<AsyncStd>,
}

impl SharedClient {
    /// Connects to an [`Endpoint`](crate::Endpoint), once, with the default [`ConnectOptions`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`](crate::Client::connect).
    pub async fn connect(endpoint: &str) -> Result<Self, Error> {
        Self::connect_with(endpoint, ConnectOptions::default()).await
    }

    /// Connects once, with options that hold for every connection, or with a [`Config`] alone: timeouts and limits.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`](crate::Client::connect).
    pub async fn connect_with(endpoint: &str, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Ok(Self { shared: tasks::SharedClient::connect(endpoint, options).await? })
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

    /// Returns a client on a stream that is connected already and on which nothing has been said, and what moves its bytes: spawn that.
    /// It cannot connect again.
    ///
    /// Calls wait for their turn as long as for a reply. A late reply fails its call only; the connection ends when none has come in twice
    /// the time.
    pub fn from_stream<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> (Self, Driver<S>) {
        Self::from_stream_with(stream, Config::default())
    }

    /// As [`SharedClient::from_stream`], with a configuration.
    pub fn from_stream_with<S: AsyncRead + AsyncWrite + Unpin>(stream: S, config: Config) -> (Self, Driver<S>) {
        let (shared, driver) = tasks::SharedClient::over(AsyncStd::default(), config, Transport::new(stream));
        (Self { shared }, Driver { driver })
    }

    beanstalk_driver::client_methods!(shared over AsyncStd);
}

impl From<tasks::SharedClient<AsyncStd>> for SharedClient {
    fn from(shared: tasks::SharedClient<AsyncStd>) -> Self {
        Self { shared }
    }
}

/// The future that moves the bytes of a [`SharedClient::from_stream`]: spawn it.
///
/// It resolves once the last clone is gone and the connection was ended in order, or with what ended it before.
#[derive(Debug)]
#[must_use = "the client's calls make no progress unless its driver is spawned"]
pub struct Driver<S = Stream> {
    driver: SharedDriver<AsyncStd, Transport<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.driver).poll(cx)
    }
}
