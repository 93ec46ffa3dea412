//! From a [`Route`] to a driven connection, for any runtime.
//!
//! ```text
//!   for each node                     its share of what is left of the time
//!     look up its name ── fails ──▶ the next node
//!     for each address                its share of what is left to the node
//!       dial ── connected ──▶ shake hands ──▶ greet ──▶ done
//!         │ fails ──▶ the next address  ◀── fails │         │ refused ──▶ no connection
//!         │ a Unix socket's queue is full ──▶ again soon, until the node's time is up
//! ```
//!
//! [`connect`] decides what is tried and for how long. A binding brings a [`Dialer`]: how its runtime looks up a name, connects to
//! one address, and waits, and the transport that it makes of a stream. A blocking one's futures are ready at once.

use std::{
    format,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    string::ToString,
    task::Poll,
    time::Duration,
    vec,
    vec::Vec,
};

use beanstalk_proto::{ArgumentError, Error, Lost, client::Connection};

#[cfg(feature = "tls")]
use super::tls::TlsSession;
use super::{
    endpoint::{Endpoint, Node},
    error::{ConnectAttempt, ConnectError, ConnectPhase},
    greeting::Refusal,
    options::ConnectOptions,
    route::Route,
};
use crate::driver::{Driver, PollTransport};

/// The least time that an attempt gets, 50 ms, as long as there is so much left: a share that is too short to connect in would be no use.
pub const LEAST_SHARE: Duration = Duration::from_millis(50);
/// How soon a Unix socket is tried again whose queue is full, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(32));

/// What [`Dialer::dial`] connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// This address, over TCP.
    Tcp(SocketAddr),
    /// The Unix socket at this path.
    Unix(&'a str),
}

/// How a runtime connects: each time with a dialer of its own.
///
/// What takes longer than `within` is given up, if it is pending; what blocks its thread instead has to keep to that itself, and fails with
/// [`io::ErrorKind::TimedOut`].
pub trait Dialer: Default + Sync {
    /// What it connects.
    type Stream: Send + 'static;

    /// What drives a connection over such a stream.
    type Transport: PollTransport;

    /// Makes a transport of a stream.
    fn transport(stream: Self::Stream) -> Self::Transport;

    /// Returns the time since this was made.
    fn elapsed(&self) -> Duration;

    /// Waits for this long.
    fn pause(&self, pause: Duration) -> impl Future<Output = ()> + Send;

    /// Looks up the addresses of a host by its name.
    fn resolve(
        &self,
        name: &str,
        port: u16,
        within: Option<Duration>,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects. A Unix socket whose queue is full is [`io::ErrorKind::WouldBlock`], at once.
    fn dial(
        &self,
        target: Target<'_>,
        options: &ConnectOptions,
        within: Option<Duration>,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Shakes hands for TLS, and makes a stream of what follows.
    #[cfg(feature = "tls")]
    fn secure(
        &self,
        stream: Self::Stream,
        session: TlsSession,
        within: Option<Duration>,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        let _ = (stream, session, within);
        async { Err(io::Error::new(io::ErrorKind::Unsupported, "this dialer has no TLS")) }
    }
}

/// Connects to an endpoint: see [`connect`].
///
/// # Errors
///
/// As [`connect`], and [`Error::Argument`] if that is no endpoint.
pub async fn open<D: Dialer>(endpoint: &str, options: ConnectOptions) -> Result<Driver<D::Transport>, Error> {
    connect::<D>(&endpoint.parse()?, &options).await
}

/// Connects to the first node that can be connected to, in the order of the route. All of it together takes no longer than
/// the connect timeout; `None` leaves that to the operating system.
///
/// Each node gets an equal share of what is left of the time, and each of its addresses an equal share of what is left of that,
/// but at least [`LEAST_SHARE`]. So an address that does not answer leaves time for the others.
///
/// # Errors
///
/// [`Error::Connect`] with a [`ConnectError`] if there is no connection in time, or with a [`GreetingError`](super::GreetingError) if a
/// server refuses the greeting, and [`Error::Argument`] for options that cannot be used.
pub async fn connect<D: Dialer>(route: &Route, options: &ConnectOptions) -> Result<Driver<D::Transport>, Error> {
    let dialer = &D::default();
    let endpoint = route.endpoint();
    check(endpoint, options)?;
    let until = options.config.connect_timeout.map(|timeout| dialer.elapsed().saturating_add(timeout));
    let mut search = Search {
        dialer,
        options,
        #[cfg(feature = "tls")]
        tls: endpoint.is_tls(),
        until,
        failed: Vec::new(),
    };
    let nodes = endpoint.nodes();
    for (tried, n) in route.order().enumerate() {
        let Some(node) = nodes.get(n) else { continue };
        if let Some(driver) = search.node(node, nodes.len().saturating_sub(tried)).await? {
            route.connected(n);
            return Ok(driver);
        }
    }
    let mut failed = search.failed.into_iter();
    match failed.next() {
        Some(first) => Err(ConnectError::new(first, failed.collect()).into()),
        // An endpoint has a node, and a node that is not connected to has failed.
        None => Err(Error::Closed { lost: Lost::NotSent }),
    }
}

/// Refuses what would look secured and is not.
fn check(endpoint: &Endpoint, options: &ConnectOptions) -> Result<(), ArgumentError> {
    #[cfg(feature = "tls")]
    let problem = (!endpoint.is_tls() && options.tls.is_some())
        .then_some("TLS is set up in the connect options, and the endpoint is not beanstalks://");
    #[cfg(not(feature = "tls"))]
    let problem = {
        let _ = options;
        endpoint.is_tls().then_some("TLS (beanstalks://) needs the feature \"tls\" of this crate")
    };
    match problem {
        Some(problem) => Err(ArgumentError::Endpoint { text: endpoint.to_string().into(), problem: problem.into() }),
        None => Ok(()),
    }
}

struct Search<'a, D> {
    dialer: &'a D,
    options: &'a ConnectOptions,
    #[cfg(feature = "tls")]
    tls: bool,
    until: Option<Duration>,
    failed: Vec<ConnectAttempt>,
}

/// A connection, none because attempts failed, or what ends the search.
type Connected<D> = Result<Option<Driver<<D as Dialer>::Transport>>, Error>;

impl<D: Dialer> Search<'_, D> {
    /// Tries a node, of so many that are left.
    async fn node(&mut self, node: &Node, left: usize) -> Connected<D> {
        let until = self.share(self.until, left);
        if let Some(connector) = &self.options.connector {
            let within = self.left(until);
            return match self.limit(within, connector.dial(node, within)).await {
                Ok(stream) => self.establish(node, None, stream, until).await,
                Err(error) => {
                    self.note(node, None, ConnectPhase::Connect, within, error);
                    Ok(None)
                }
            };
        }
        match node {
            Node::Unix(path) => self.unix(node, path, until).await,
            Node::Tcp { host, port } => {
                let within = self.left(until);
                match self.resolve(host, *port, within).await {
                    Ok(addresses) => self.addresses(node, &addresses, until).await,
                    Err(error) => {
                        self.note(node, None, ConnectPhase::Resolve, within, error);
                        Ok(None)
                    }
                }
            }
        }
    }

    async fn resolve(&self, host: &str, port: u16, within: Option<Duration>) -> io::Result<Vec<SocketAddr>> {
        is_up(within)?;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let addresses = self.limit(within, self.dialer.resolve(host, port, within)).await?;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
        }
        Ok(addresses)
    }

    async fn addresses(&mut self, node: &Node, addresses: &[SocketAddr], until: Option<Duration>) -> Connected<D> {
        for (n, &address) in addresses.iter().enumerate() {
            let until = self.share(until, addresses.len().saturating_sub(n));
            let within = self.left(until);
            let dialled = match is_up(within) {
                Ok(()) => self.dial(Target::Tcp(address), within).await,
                Err(error) => Err(error),
            };
            match dialled {
                Ok(stream) => {
                    if let Some(driver) = self.establish(node, Some(address), stream, until).await? {
                        return Ok(Some(driver));
                    }
                }
                Err(error) => self.note(node, Some(address), ConnectPhase::Connect, within, error),
            }
        }
        Ok(None)
    }

    /// The operating system has no event for the queue of a Unix socket having room: only a call that blocks learns of it.
    async fn unix(&mut self, node: &Node, path: &str, until: Option<Duration>) -> Connected<D> {
        let within = self.left(until);
        let (mut pause, longest) = PAUSES;
        loop {
            match self.dial(Target::Unix(path), within).await {
                Ok(stream) => return self.establish(node, None, stream, until).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.note(node, None, ConnectPhase::Connect, within, error);
                    return Ok(None);
                }
            }
            let left = self.left(until);
            if let Err(error) = is_up(left) {
                self.note(node, None, ConnectPhase::Queue, within, error);
                return Ok(None);
            }
            self.dialer.pause(left.map_or(pause, |left| left.min(pause))).await;
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    /// Makes a connection of a stream: shakes hands if need be, and greets.
    async fn establish(
        &mut self,
        node: &Node,
        address: Option<SocketAddr>,
        stream: D::Stream,
        until: Option<Duration>,
    ) -> Connected<D> {
        #[cfg(feature = "tls")]
        let stream = match self.tls {
            false => stream,
            true => {
                let session = self.options.tls.clone().unwrap_or_default().begin(node)?;
                let (within, progress) = (self.left(until), session.progress());
                match self.limit(within, self.dialer.secure(stream, session, within)).await {
                    Ok(stream) => stream,
                    Err(error) => {
                        self.note(node, address, ConnectPhase::Tls, within, progress.explain(error));
                        return Ok(None);
                    }
                }
            }
        };
        let mut driver = Driver::new(Connection::new(self.options.config), D::transport(stream));
        for greeting in &self.options.greeting {
            let within = self.left(until);
            let sent = match is_up(within) {
                Ok(()) => greeting.send(&mut driver, within).await,
                Err(error) => Err(Refusal::Failed(error)),
            };
            match sent {
                Ok(()) => {}
                Err(Refusal::Refused(answer)) => return Err(greeting.refused(&node.to_string(), &answer).into()),
                Err(Refusal::Invalid(error)) => return Err(error),
                Err(Refusal::Failed(error)) => {
                    self.note(node, address, ConnectPhase::Greeting, within, error);
                    return Ok(None);
                }
            }
        }
        Ok(Some(driver))
    }

    async fn dial(&self, target: Target<'_>, within: Option<Duration>) -> io::Result<D::Stream> {
        self.limit(within, self.dialer.dial(target, self.options, within)).await
    }

    /// Gives up what is pending for longer than it may.
    async fn limit<T>(&self, within: Option<Duration>, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let Some(within) = within else { return work.await };
        let (mut work, mut late) = (pin!(work), pin!(self.dialer.pause(within)));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Pending => late.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            done => done,
        })
        .await
    }

    /// Until when one attempt may take, if so many have to be made until then.
    fn share(&self, until: Option<Duration>, attempts: usize) -> Option<Duration> {
        let left = self.left(until)?;
        let share = left.checked_div(attempts.try_into().unwrap_or(u32::MAX)).unwrap_or(left);
        Some(self.dialer.elapsed().saturating_add(share.max(LEAST_SHARE).min(left)))
    }

    fn left(&self, until: Option<Duration>) -> Option<Duration> {
        until.map(|until| until.saturating_sub(self.dialer.elapsed()))
    }

    fn note(
        &mut self,
        node: &Node,
        address: Option<SocketAddr>,
        phase: ConnectPhase,
        within: Option<Duration>,
        error: io::Error,
    ) {
        let mut attempt = ConnectAttempt::new(&node.to_string(), phase, error);
        (attempt.address, attempt.within) = (address, within);
        self.failed.push(attempt);
    }
}

/// Fails if there is no time left at all.
fn is_up(left: Option<Duration>) -> io::Result<()> {
    match left {
        Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}
