//! Connecting with threads and blocking sockets: futures that are ready at once.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    ConnectOptions, Driver, Route,
    connect::{self, Dialer, Target, socket},
};
use beanstalk_proto::Error;

use crate::{
    blocking::{Blocking, block_on},
    transport::Stream,
};

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
