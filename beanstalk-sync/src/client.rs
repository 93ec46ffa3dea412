//! The blocking client: one connection.

use beanstalk_driver::{Address, Driver};
use beanstalk_proto::{
    Error, Lost,
    client::{Config, Connection},
};

use crate::{
    blocking::{Blocking, block_on},
    call_all::CallAll,
    transport::{Stream, Transport},
};

/// One connection to a server. Every command of the protocol is a method.
///
/// Dropping a client closes its connection at once, and jobs it holds become ready again; [`Client::disconnect`] does so in
/// order. So a scope is a connection's life:
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
    driver: Driver<Blocking<T>>,
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

    /// Looks, without waiting, whether the server has ended the connection.
    pub(crate) fn has_ended(&mut self) -> bool {
        block_on(self.driver.has_ended())
    }

    /// Whether it has ended, as far as was read.
    pub(crate) fn is_ended(&self) -> bool {
        self.driver.is_ended()
    }
}
