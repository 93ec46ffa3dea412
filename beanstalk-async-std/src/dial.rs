//! Connecting on async-std.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use async_io::Async;
use async_std::task;
#[cfg(feature = "tls")]
use beanstalk_driver::TlsSession;
use beanstalk_driver::{
    ConnectOptions, Connector, Node,
    connect::{Dialer, Target, socket},
};
use futures_io::{AsyncRead, AsyncWrite};

use crate::{stream::Stream, transport::Transport};

/// Connects; since when.
pub(crate) struct Dial(Instant);

impl Default for Dial {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Dialer for Dial {
    type Stream = Stream;
    type Transport = Transport<Stream>;

    fn transport(stream: Stream) -> Transport<Stream> {
        Transport::new(stream)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&self, pause: Duration) -> impl Future<Output = ()> + Send {
        task::sleep(pause)
    }

    async fn resolve(&self, name: &str, port: u16, _: Option<Duration>) -> io::Result<Vec<SocketAddr>> {
        let name = name.to_owned();
        task::spawn_blocking(move || socket::lookup(&name, port)).await
    }

    async fn dial(&self, target: Target<'_>, options: &ConnectOptions, _: Option<Duration>) -> io::Result<Stream> {
        match target {
            Target::Tcp(address) => {
                let stream = Async::<TcpStream>::connect(address).await?;
                socket::tune(&stream, options.keepalive)?;
                Ok(stream.into())
            }
            Target::Unix(path) => Ok(Async::new_nonblocking(socket::dial_unix(path)?)?.into()),
        }
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, stream: Stream, session: TlsSession, _: Option<Duration>) -> io::Result<Stream> {
        stream.0.secure(session).await.map(Stream)
    }
}

/// Makes a connector for [`ConnectOptions::connector`] of a function that connects to a node within the time that is left, and gives a
/// stream; `None` is as long as it takes. It is called for each connection, with each node in turn until there is one, and given up when
/// the time is over.
///
/// ```
/// use beanstalk_async_std::{Client, ConnectOptions, connector};
/// # let server = beanstalk_server::EmbeddedServer::start()?;
/// # let address = server.addr().to_string();
///
/// # async_std::task::block_on(async {
/// // Whatever the endpoint, by way of another address.
/// let options = ConnectOptions::new().connector(connector(move |_node, _within| {
///     async_std::net::TcpStream::connect(address.clone())
/// }));
/// let mut client = Client::connect_with("queue.example", options).await?;
/// assert_eq!(client.list_tube_used().await?, "default");
/// # Ok::<_, beanstalk_async_std::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn connector<F, C, S>(connect: F) -> Connector
where
    F: Fn(Node, Option<Duration>) -> C + Send + Sync + 'static,
    C: Future<Output = io::Result<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    Connector::new(move |node, within| {
        let connecting = connect(node, within);
        async { connecting.await.map(Stream::boxed) }
    })
}
