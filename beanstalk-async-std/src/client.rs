//! The client for one task: one connection.

use beanstalk_driver::{ConnectOptions, Driver, connect::connect};
use beanstalk_proto::{
    Error,
    client::{Config, Connection},
};
use futures_io::{AsyncRead, AsyncWrite};

use crate::{dial::Dial, stream::Stream, transport::Transport};

/// One connection to a server. Every command of the protocol is a method.
///
/// Every call may be dropped at any await, in a `select!` or by a timeout: the connection stays in sync, and a job that
/// comes for nobody is kept for the next reserve. So a worker that can be told to stop is simply:
///
/// ```no_run
/// use std::{future::Future, time::Duration};
///
/// use async_std::future;
/// use beanstalk_async_std::{Client, Error, Reserved};
///
/// async fn work(mut stopped: impl FnMut() -> bool) -> Result<(), Error> {
///     let mut client = Client::connect("localhost:11300").await?;
///     client.watch("emails").await?;
///     while !stopped() {
///         // Whatever the timeout cuts off, the next reserve takes over.
///         match future::timeout(Duration::from_millis(100), client.reserve()).await {
///             // Each is finished before the next reserve, so none is held whose deadline could end that.
///             Ok(reserved) => {
///                 if let Reserved::Job(job) = reserved? {
///                     println!("sending {:?}", job.text());
///                     client.delete(job.id).await?;
///                 }
///             }
///             Err(_) => {}
///         }
///     }
///     client.disconnect().await
/// }
/// ```
///
/// Dropping a client closes its connection at once, when a panic unwinds as well, and jobs it holds become ready;
/// [`Client::disconnect`] does so in order. So a scope is a connection's life. Bytes move only while a call is awaited. A process that is forked from the one that connected can end its copy: that
/// closes its descriptor, and the connection goes on.
#[derive(Debug)]
pub struct Client<S = Stream> {
    pub(crate) driver: Driver<Transport<S>>,
}

impl Client {
    /// Connects to an [`Endpoint`](crate::Endpoint) with the default [`ConnectOptions`]: `host`, `host:port`, `[v6]:port`, `unix:/path`,
    /// `beanstalk://host:port`, or several of these with commas.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, or one with TLS without the feature `tls`, and [`Error::Connect`] if nobody answers there in time.
    pub async fn connect(endpoint: &str) -> Result<Self, Error> {
        Self::connect_with(endpoint, ConnectOptions::default()).await
    }

    /// Connects with options, or with a [`Config`] alone: timeouts and limits.
    ///
    /// The connect timeout covers everything: looking names up, and all nodes and their addresses, each of which gets an equal share
    /// of what is left.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub async fn connect_with(endpoint: &str, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        let driver = connect::<Dial>(&endpoint.parse()?, &options.into()).await?;
        Ok(Self { driver })
    }
}

/// A client on a connection that a dialer of one's own has made.
impl<S> From<Driver<Transport<S>>> for Client<S> {
    fn from(driver: Driver<Transport<S>>) -> Self {
        Self { driver }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// A client on a stream that is connected already; so TLS or a tunnel is used.
    pub fn from_stream(stream: S) -> Self {
        Self::from_stream_with(stream, Config::default())
    }

    /// A client on a stream that is connected already, with a configuration.
    pub fn from_stream_with(stream: S, config: Config) -> Self {
        Self { driver: Driver::new(Connection::new(config), Transport::new(stream)) }
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        self.driver.transport().stream()
    }

    beanstalk_driver::client_methods!(async over Transport<S>);
}
