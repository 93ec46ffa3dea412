//! How connections are made.

use std::{time::Duration, vec::Vec};

use beanstalk_proto::client::{Config, Limits};

#[cfg(feature = "tls")]
use super::tls::TlsOptions;
use super::{connector::Connector, greeting::Greeting};

/// How long a connection over TCP is idle before the operating system asks whether the peer is still there, unless
/// [`ConnectOptions::keepalive`] sets another time.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How connections are made, whatever the type of client: `connect_with` of each takes them, and so do `ProducerConfig` and
/// `WorkerBuilder`. They apply to every connection that a client makes.
///
/// A [`Config`] alone, which is timeouts and limits, is taken as well, with the rest as it is by default.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::ConnectOptions;
///
/// let options = ConnectOptions::new()
///     .connect_timeout(Duration::from_secs(2))
///     .reply_timeout(Duration::from_secs(20))
///     .keepalive(Duration::from_secs(10))
///     .token("kept secret");
/// assert!(!format!("{options:?}").contains("secret"));
/// assert_eq!(options.config.connect_timeout, Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Timeouts and limits.
    pub config: Config,
    /// How long a connection over TCP is idle before the operating system asks whether the peer is still there: 30 s unless changed.
    /// `None` never asks.
    pub keepalive: Option<Duration>,
    /// What is sent first on each new connection, in this order: nothing unless changed.
    pub greeting: Vec<Greeting>,
    /// What gives the streams, in place of sockets.
    pub connector: Option<Connector>,
    /// How connections to `beanstalks://` endpoints are secured: as [`TlsOptions::default`] if this is `None`.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsOptions>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            config: Config::default(),
            keepalive: Some(KEEPALIVE),
            greeting: Vec::new(),
            connector: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl From<Config> for ConnectOptions {
    fn from(config: Config) -> Self {
        Self { config, ..Self::default() }
    }
}

impl From<&ConnectOptions> for ConnectOptions {
    fn from(options: &ConnectOptions) -> Self {
        options.clone()
    }
}

impl ConnectOptions {
    /// Returns the default options: timeouts of 5 s, keepalive after 30 s.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets timeouts and limits, all of them.
    #[must_use]
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets [`Config::connect_timeout`]: how long connecting may take, all of it. `None` leaves it to the operating system.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.config.connect_timeout = timeout.into();
        self
    }

    /// Sets [`Config::reply_timeout`]: how long a reply may take. `None` waits as long as it takes.
    #[must_use]
    pub fn reply_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.config.reply_timeout = timeout.into();
        self
    }

    /// Sets the bounds on what a connection holds.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Adds a request that is sent on each new connection before anything else, within the time for connecting.
    ///
    /// It may be a `use`, `watch` or `ignore`: then this is what each connection begins with. A session, and a worker's slot, take that for
    /// their own tubes, and a worker watches those that it was given, and no others.
    ///
    /// A server that refuses it is a [`GreetingError`](super::GreetingError), and no outage: a session's or a producer's call fails with it at once, and a worker
    /// gives that server up and reports it, instead of trying again.
    #[must_use]
    pub fn greeting(mut self, greeting: impl Into<Greeting>) -> Self {
        self.greeting.push(greeting.into());
        self
    }

    /// Greets with `auth TOKEN`, for servers that have tokens: see [`Greeting::token`].
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.greeting(Greeting::token(token))
    }

    /// Connects in a way of the application's own, in place of the binding's sockets: a binding's function `connector` makes one. TLS and
    /// the greeting come on top of what it gives.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Sets how connections to `beanstalks://` endpoints are secured. Other endpoints are refused from then on.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets how long a connection over TCP is idle before the operating system asks whether the peer is still there. `None` never
    /// asks. Whole seconds, at least one.
    #[must_use]
    pub fn keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.keepalive = idle.into();
        self
    }
}
