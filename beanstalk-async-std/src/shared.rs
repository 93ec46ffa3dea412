//! The client for many tasks: one connection that they share.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use beanstalk_driver::{ConnectOptions, Shared, SharedDriver};
use beanstalk_proto::{Error, client::Config};
use futures_io::{AsyncRead, AsyncWrite};

use crate::{dial, stream::Stream, transport::Transport};

/// One connection for many tasks: clone it freely. Concurrent calls go out together and are answered in turn.
///
/// It has every command that neither waits nor changes or depends on the connection's tubes. Those about the tube in use
/// name theirs: [`put_in`](Self::put_in), [`kick_in`](Self::kick_in), [`peek_ready_in`](Self::peek_ready_in) and so on. A
/// worker, which waits, has a [`Client`](crate::Client) of its own.
///
/// The connection moves only while its [`Driver`] is polled, so spawn that:
///
/// ```no_run
/// use beanstalk_async_std::{Error, SharedClient};
///
/// # async fn example() -> Result<(), Error> {
/// let (client, driver) = SharedClient::connect("localhost:11300").await?;
/// async_std::task::spawn(driver);
///
/// // In every handler, with a clone or a reference:
/// client.put_in("emails", 1024, 0, 60, "to: you").await?.inserted()?;
/// # Ok(())
/// # }
/// ```
///
/// At most [`Limits::in_flight`](crate::Limits::in_flight) requests and about
/// [`Limits::queued`](crate::Limits::queued) bytes are under way; further calls wait for their turn, first come, first
/// served. If the connection is lost, or the driver dropped, every waiting call fails at once with an error whose
/// [`lost`](Error::lost) says whether its request can have run.
#[derive(Clone, Debug)]
pub struct SharedClient {
    shared: Shared,
}

impl SharedClient {
    /// Connects to an [`Endpoint`](crate::Endpoint), with the default [`ConnectOptions`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`](crate::Client::connect).
    pub async fn connect(endpoint: &str) -> Result<(Self, Driver), Error> {
        Self::connect_with(endpoint, ConnectOptions::default()).await
    }

    /// Connects with options, or with a [`Config`] alone: timeouts and limits.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`](crate::Client::connect).
    pub async fn connect_with(endpoint: &str, options: impl Into<ConnectOptions>) -> Result<(Self, Driver), Error> {
        let (shared, driver) = Shared::of(dial::connect(&endpoint.parse()?, &options.into()).await?);
        Ok((Self { shared }, Driver { driver }))
    }

    /// On a stream that is connected already and on which nothing has been said.
    pub fn from_stream<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> (Self, Driver<S>) {
        Self::from_stream_with(stream, Config::default())
    }

    /// On a stream that is connected already and on which nothing has been said, with a configuration.
    pub fn from_stream_with<S: AsyncRead + AsyncWrite + Unpin>(stream: S, config: Config) -> (Self, Driver<S>) {
        let (shared, driver) = Shared::new(config, Transport::new(stream));
        (Self { shared }, Driver { driver })
    }

    beanstalk_driver::client_methods!(shared);
}

/// The future that moves the bytes of a [`SharedClient`]: spawn it.
///
/// It resolves once the last clone is gone and the connection was ended in order, or with what ended it before.
#[derive(Debug)]
#[must_use = "the client's calls make no progress unless its driver is spawned"]
pub struct Driver<S = Stream> {
    driver: SharedDriver<Transport<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.driver).poll(cx)
    }
}
