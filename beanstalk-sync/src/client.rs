//! The blocking client: one connection.

use beanstalk_driver::{ConnectOptions, Driver};
use beanstalk_proto::{
    Error,
    client::{Config, Connection},
};

use crate::{
    blocking::{Blocking, block_on},
    call_all::CallAll,
    dial,
    transport::{Stream, Transport},
};

/// One connection to a server. Every command of the protocol is a method.
///
/// Dropping a client closes its connection at once, when a panic unwinds as well, and jobs it holds become ready again; [`Client::disconnect`] does so in
/// order. So a scope is a connection's life:
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
    pub(crate) driver: Driver<Blocking<T>>,
}

impl Client {
    /// Connects to an [`Endpoint`](crate::Endpoint) with the default [`ConnectOptions`]: `host`, `host:port`, `[v6]:port`, `unix:/path`,
    /// `beanstalk://host:port`, or several of these with commas.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, or one with TLS without the feature `tls`, and [`Error::Connect`] if nobody answers there.
    pub fn connect(endpoint: &str) -> Result<Self, Error> {
        Self::connect_with(endpoint, ConnectOptions::default())
    }

    /// Connects with options, or with a [`Config`] alone: timeouts and limits.
    ///
    /// The connect timeout covers everything: looking names up, and all nodes and their addresses, each of which gets an equal share
    /// of what is left. A thread is made for looking up a name, and left behind if that takes too long.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub fn connect_with(endpoint: &str, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Ok(Self { driver: dial::connect(&endpoint.parse()?, &options.into())? })
    }
}

impl<T: Transport> Client<T> {
    /// Makes a client on a stream that is connected already, such as TLS or a tunnel.
    pub fn from_stream(stream: T) -> Self {
        Self::from_stream_with(stream, Config::default())
    }

    /// Makes a client on a stream that is connected already, with a configuration.
    pub fn from_stream_with(stream: T, config: Config) -> Self {
        Self { driver: Driver::new(Connection::new(config), Blocking::new(stream)) }
    }

    /// Returns the stream.
    pub fn get_ref(&self) -> &T {
        self.driver.transport().get_ref()
    }

    beanstalk_driver::client_methods!(blocking by block_on);
}
