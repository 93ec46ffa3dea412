//! Connecting with threads and blocking sockets: futures that are ready at once.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpStream},
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    Endpoint,
    connect::{self, Dialer, Target, socket},
};
use beanstalk_proto::Error;

use crate::transport::Stream;

/// The shortest timeout for connecting that the standard library takes.
const SHORTEST: Duration = Duration::from_millis(1);

impl Stream {
    /// Connects to the first node that can be connected to.
    pub(crate) fn connect(endpoint: &Endpoint, timeout: Option<Duration>) -> Result<Self, Error> {
        let dialer = Blocking(Instant::now());
        let mut connected = pin!(connect::connect(&dialer, endpoint, timeout));
        loop {
            if let Poll::Ready(connected) = connected.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return connected;
            }
        }
    }
}

/// Since when.
struct Blocking(Instant);

impl Dialer for Blocking {
    type Stream = Stream;

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&self, pause: Duration) {
        thread::sleep(pause);
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
                socket::tune(&stream)?;
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
