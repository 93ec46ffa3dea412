//! Connecting with threads and blocking sockets: futures that are ready at once.

use std::{
    future::ready,
    io,
    net::{SocketAddr, TcpStream},
    os::fd::AsFd,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

#[cfg(feature = "tls")]
use beanstalk_driver::TlsSession;
use beanstalk_driver::{
    ConnectOptions, Connector, Driver, Node, Route,
    connect::{self, Dialer, Target, socket},
};
use beanstalk_proto::Error;

use crate::{
    blocking::{Blocking, block_on},
    stream::Stream,
    transport::Transport,
};

/// The shortest timeout for connecting that the standard library takes.
const SHORTEST: Duration = Duration::from_millis(1);

/// Connects.
pub(crate) fn connect(route: &Route, options: &ConnectOptions) -> Result<Driver<Blocking<Stream>>, Error> {
    block_on(connect::connect::<Dial>(route, options))
}

/// Connects; since when.
pub(crate) struct Dial(Instant);

impl Default for Dial {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Dialer for Dial {
    type Stream = Stream;
    type Transport = Blocking<Stream>;

    fn transport(stream: Stream) -> Blocking<Stream> {
        Blocking::new(stream)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&self, pause: Duration) {
        thread::sleep(pause);
    }

    async fn resolve(&self, name: &str, port: u16, within: Option<Duration>) -> io::Result<Vec<SocketAddr>> {
        let Some(within) = within else { return socket::lookup(name, port) };
        // Nothing ends it early, so it is left behind in a thread of its own if it takes too long.
        let (found, result) = mpsc::sync_channel(1);
        let name = name.to_owned();
        let lookup = move || found.send(socket::lookup(&name, port));
        thread::Builder::new().name("beanstalk lookup".into()).spawn(lookup)?;
        result.recv_timeout(within).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn dial(&self, target: Target<'_>, options: &ConnectOptions, within: Option<Duration>) -> io::Result<Stream> {
        match target {
            Target::Tcp(address) => {
                let stream = match within {
                    Some(within) => TcpStream::connect_timeout(&address, within.max(SHORTEST))?,
                    None => TcpStream::connect(address)?,
                };
                socket::tune(&stream, options.keepalive)?;
                Ok(stream.into())
            }
            Target::Unix(path) => {
                let stream = socket::dial_unix(path)?;
                stream.set_nonblocking(false)?;
                Ok(stream.into())
            }
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, stream: Stream, session: TlsSession, within: Option<Duration>) -> io::Result<Stream> {
        stream.secure(session, within)
    }
}

/// Makes a connector for [`ConnectOptions::connector`] of a function that connects to a node within the time that is left, and gives a
/// stream with a socket at its bottom; `None` is as long as it takes. It is called for each connection, with each node in turn until
/// there is one. Nothing ends it early: it has to keep to the time itself.
///
/// ```
/// use beanstalk_sync::{Client, ConnectOptions, Stream, connector};
/// # let server = beanstalk_server::EmbeddedServer::start()?;
/// # let address = server.addr().to_string();
///
/// // Whatever the endpoint, by way of another address.
/// let options = ConnectOptions::new().connector(connector(move |_node, _within| {
///     std::net::TcpStream::connect(&address).map(Stream::from)
/// }));
/// let mut client = Client::connect_with("queue.example", options)?;
/// assert_eq!(client.list_tube_used()?, "default");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn connector<F, T>(connect: F) -> Connector
where
    F: Fn(&Node, Option<Duration>) -> io::Result<T> + Send + Sync + 'static,
    T: Transport + AsFd + Send + 'static,
{
    Connector::new(move |node, within| ready(connect(&node, within).and_then(Stream::boxed)))
}
