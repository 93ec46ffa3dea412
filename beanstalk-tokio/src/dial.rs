//! Connecting on tokio.

use std::{future::Future, io, net::SocketAddr, pin::Pin, time::Duration};

#[cfg(feature = "tls")]
use beanstalk_driver::TlsSession;
use beanstalk_driver::{
    ConnectOptions, Connector, Driver, Node, Route,
    connect::{self, Dialer, Target, socket},
};
use beanstalk_proto::Error;
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{net::TcpStream, task, time};

use crate::{stream::Stream, transport::Transport};

/// Connects.
pub(crate) async fn connect(route: &Route, options: &ConnectOptions) -> Result<Driver<Transport<Stream>>, Error> {
    connect::connect(&Dial { since: time::Instant::now(), options }, route, options).await
}

struct Dial<'o> {
    since: time::Instant,
    options: &'o ConnectOptions,
}

impl Dialer for Dial<'_> {
    type Stream = Stream;
    type Transport = Transport<Stream>;

    fn transport(&self, stream: Stream) -> Transport<Stream> {
        Transport::new(stream)
    }

    fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    fn pause(&self, pause: Duration) -> impl Future<Output = ()> + Send {
        time::sleep(pause)
    }

    async fn dial_by(&self, connector: &Connector, node: &Node, within: Option<Duration>) -> io::Result<Stream> {
        match connector.get::<Connect>() {
            Some(connect) => limit(within, connect(node.clone(), within)).await,
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "the connector was made by another binding")),
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, stream: Stream, session: TlsSession, within: Option<Duration>) -> io::Result<Stream> {
        limit(within, stream.secure(session)).await
    }

    async fn resolve(&self, host: &str, port: u16, within: Option<Duration>) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = socket::literal(host, port) {
            return Ok(vec![address]);
        }
        let name = host.to_owned();
        let lookup = task::spawn_blocking(move || socket::lookup(&name, port));
        limit(within, async { lookup.await.unwrap_or_else(|error| Err(error.into())) }).await
    }

    async fn dial(&self, target: Target<'_>, within: Option<Duration>) -> io::Result<Stream> {
        match target {
            Target::Tcp(address) => {
                let stream = limit(within, TcpStream::connect(address)).await?;
                socket::tune(&stream, self.options.keepalive)?;
                Ok(stream.into())
            }
            #[cfg(unix)]
            Target::Unix(path) => Ok(UnixStream::from_std(socket::dial_unix(path)?)?.into()),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
        }
    }
}

async fn limit<T>(within: Option<Duration>, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match within {
        Some(within) => time::timeout(within, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => work.await,
    }
}

type Connect = Box<dyn Fn(Node, Option<Duration>) -> Connecting + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// Makes a connector for [`ConnectOptions::connector`] of a function that connects to a node within the time that is left, and gives a
/// stream; `None` is as long as it takes. It is called for each connection, with each node in turn until there is one, and given up when
/// the time is over.
///
/// ```
/// use beanstalk_tokio::{Client, ConnectOptions, connector};
/// # let server = beanstalk_server::EmbeddedServer::start()?;
/// # let address = server.addr().to_string();
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// // Whatever the endpoint, by way of another address.
/// let options = ConnectOptions::new().connector(connector(move |_node, _within| {
///     tokio::net::TcpStream::connect(address.clone())
/// }));
/// let mut client = Client::connect_with("queue.example", options).await?;
/// assert_eq!(client.list_tube_used().await?, "default");
/// # Ok::<_, beanstalk_tokio::Error>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn connector<F, C, S>(connect: F) -> Connector
where
    F: Fn(Node, Option<Duration>) -> C + Send + Sync + 'static,
    C: Future<Output = io::Result<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connect: Connect = Box::new(move |node, within| {
        let connecting = connect(node, within);
        Box::pin(async { connecting.await.map(Stream::boxed) })
    });
    Connector::new(connect)
}
