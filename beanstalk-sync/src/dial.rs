//! Connecting with threads and blocking sockets: futures that are ready at once.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

#[cfg(feature = "tls")]
use beanstalk_driver::TlsSession;
use beanstalk_driver::{
    ConnectOptions, Driver, Route,
    connect::{self, Dialer, Target, socket},
};
#[cfg(unix)]
use beanstalk_driver::{Connector, Node};
use beanstalk_proto::Error;

#[cfg(unix)]
use crate::transport::Transport;
use crate::{
    blocking::{Blocking, block_on},
    transport::Stream,
};
#[cfg(unix)]
use std::os::fd::AsFd;

/// The shortest timeout for connecting that the standard library takes.
const SHORTEST: Duration = Duration::from_millis(1);

/// Connects.
pub(crate) fn connect(route: &Route, options: &ConnectOptions) -> Result<Driver<Blocking<Stream>>, Error> {
    block_on(connect::connect(&Dial { since: Instant::now(), options }, route, options))
}

struct Dial<'o> {
    since: Instant,
    options: &'o ConnectOptions,
}

impl Dialer for Dial<'_> {
    type Stream = Stream;
    type Transport = Blocking<Stream>;

    fn transport(&self, stream: Stream) -> Blocking<Stream> {
        Blocking::new(stream)
    }

    fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    async fn pause(&self, pause: Duration) {
        thread::sleep(pause);
    }

    #[cfg(unix)]
    async fn dial_by(&self, connector: &Connector, node: &Node, within: Option<Duration>) -> io::Result<Stream> {
        match connector.get::<Connect>() {
            Some(connect) => connect(node, within),
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the connector was made by another binding")),
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, stream: Stream, session: TlsSession, within: Option<Duration>) -> io::Result<Stream> {
        stream.secure(session, within)
    }

    async fn resolve(&self, host: &str, port: u16, within: Option<Duration>) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = socket::literal(host, port) {
            return Ok(vec![address]);
        }
        let Some(within) = within else { return socket::lookup(host, port) };
        // Nothing ends it early, so it is left behind in a thread of its own if it takes too long.
        let (found, result) = mpsc::sync_channel(1);
        let name = host.to_owned();
        thread::Builder::new()
            .name("beanstalk lookup".into())
            .spawn(move || found.send(socket::lookup(&name, port)))?;
        result.recv_timeout(within).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn dial(&self, target: Target<'_>, within: Option<Duration>) -> io::Result<Stream> {
        match target {
            Target::Tcp(address) => {
                let stream = match within {
                    Some(within) => TcpStream::connect_timeout(&address, within.max(SHORTEST))?,
                    None => TcpStream::connect(address)?,
                };
                socket::tune(&stream, self.options.keepalive)?;
                Ok(stream.into())
            }
            #[cfg(unix)]
            Target::Unix(path) => {
                let stream = socket::dial_unix(path)?;
                stream.set_nonblocking(false)?;
                Ok(stream.into())
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
        }
    }
}

#[cfg(unix)]
type Connect = Box<dyn Fn(&Node, Option<Duration>) -> io::Result<Stream> + Send + Sync>;

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
#[cfg(unix)]
pub fn connector<F, T>(connect: F) -> Connector
where
    F: Fn(&Node, Option<Duration>) -> io::Result<T> + Send + Sync + 'static,
    T: Transport + AsFd + Send + 'static,
{
    let connect: Connect = Box::new(move |node, within| Stream::boxed(connect(node, within)?));
    Connector::new(connect)
}
