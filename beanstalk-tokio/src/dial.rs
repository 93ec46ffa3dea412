//! Connecting on tokio.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use beanstalk_driver::{
    Endpoint,
    connect::{self, Dialer, Target, socket},
};
use beanstalk_proto::Error;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{net::TcpStream, task, time};

use crate::stream::Stream;

impl Stream {
    /// Connects to the first node that can be connected to.
    pub(crate) async fn connect(endpoint: &Endpoint, timeout: Option<Duration>) -> Result<Self, Error> {
        connect::connect(&Tokio(time::Instant::now()), endpoint, timeout).await
    }
}

/// Since when.
struct Tokio(time::Instant);

impl Dialer for Tokio {
    type Stream = Stream;

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&self, pause: Duration) -> impl Future<Output = ()> + Send {
        time::sleep(pause)
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
                socket::tune(&stream)?;
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
