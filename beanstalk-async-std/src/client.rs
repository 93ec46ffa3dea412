//! The client for one task: one connection.

use beanstalk_driver::Driver;
use beanstalk_driver::Endpoint;
use beanstalk_proto::{
    Error,
    client::{Config, Connection},
};
use futures_io::{AsyncRead, AsyncWrite};

use crate::{stream::Stream, transport::Transport};

/// One connection to a server. Every command of the protocol is a method.
///
/// Every call may be dropped at any await, in a `select!` or by a timeout: the connection stays in step, and a job that
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
/// Dropping a client closes its connection at once, and jobs it holds become ready; [`Client::disconnect`] does so in
/// order. Bytes move only while a call is awaited.
#[derive(Debug)]
pub struct Client<S = Stream> {
    pub(crate) driver: Driver<Transport<S>>,
}

impl Client {
    /// Connects to an [`Endpoint`] with the default [`Config`]: `host`, `host:port`, `[v6]:port`, `unix:/path`,
    /// `beanstalk://host:port`, or several of these with commas.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, or one with TLS, and [`Error::Connect`] if nobody answers there in time.
    pub async fn connect(endpoint: &str) -> Result<Self, Error> {
        Self::connect_with(endpoint, Config::default()).await
    }

    /// Connects with a configuration: timeouts and limits.
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
    pub async fn connect_with(endpoint: &str, config: Config) -> Result<Self, Error> {
        Self::open(&endpoint.parse()?, config).await
    }

    pub(crate) async fn open(endpoint: &Endpoint, config: Config) -> Result<Self, Error> {
        Ok(Self::from_stream_with(Stream::connect(endpoint, config.connect_timeout).await?, config))
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
