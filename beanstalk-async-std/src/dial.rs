//! Connecting on async-std.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use async_io::Async;
use async_std::{future, task};
use beanstalk_driver::{
    ConnectOptions, Driver, Route,
    connect::{self, Dialer, Target, socket},
};
use beanstalk_proto::Error;

use crate::{stream::Stream, transport::Transport};

/// Connects.
pub(crate) async fn connect(route: &Route, options: &ConnectOptions) -> Result<Driver<Transport<Stream>>, Error> {
    connect::connect(&Dial { since: Instant::now(), options }, route, options).await
}

struct Dial<'o> {
    since: Instant,
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
        task::sleep(pause)
    }

    async fn resolve(&self, host: &str, port: u16, within: Option<Duration>) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = socket::literal(host, port) {
            return Ok(vec![address]);
        }
        let name = host.to_owned();
        limit(within, task::spawn_blocking(move || socket::lookup(&name, port))).await
    }

    async fn dial(&self, target: Target<'_>, within: Option<Duration>) -> io::Result<Stream> {
        match target {
            Target::Tcp(address) => {
                let stream = limit(within, Async::<TcpStream>::connect(address)).await?;
                socket::tune(&stream, self.options.keepalive)?;
                Ok(stream.into())
            }
            #[cfg(unix)]
            Target::Unix(path) => Ok(Async::new_nonblocking(socket::dial_unix(path)?)?.into()),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
        }
    }
}

async fn limit<T>(within: Option<Duration>, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match within {
        Some(within) => future::timeout(within, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => work.await,
    }
}
