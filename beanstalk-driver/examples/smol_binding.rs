//! A binding by hand, for smol: a transport, how to connect it, and the runtime. With these
//! come shared clients, sessions, producers, consumers and workers.
//!
//! ```sh
//! cargo run -p beanstalk-driver --example smol_binding
//! ```

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{self, Duration},
};

use beanstalk_driver::connect::{ConnectOptions, Dialer, Route, Target, connect};
use beanstalk_driver::{Block, Driver, Futures, PollTransport, Runtime};
use beanstalk_driver::{HeldJob, SharedClient, Worker};
use beanstalk_proto::{Error, Instant, Lost, Put, Segments};
use beanstalk_server::EmbeddedServer;
use smol::{
    Timer,
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A stream, a clock, and one timer.
struct Transport {
    stream: TcpStream,
    epoch: time::Instant,
    timer: Timer,
}

impl PollTransport for Transport {
    type Error = io::Error;

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        _: Block, // how long it may block its thread, which nothing here does
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        _: Block, // as above
        mut segments: Segments<'_>,
    ) -> Poll<io::Result<usize>> {
        // The first piece; the others are asked for next.
        Pin::new(&mut self.stream).poll_write(cx, segments.next().unwrap_or_default())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let epoch = self.epoch;
        move || Instant::ZERO + epoch.elapsed()
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer = Timer::after(at.saturating_duration_since(self.now()));
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.timer).poll(cx));
        Poll::Ready(())
    }
}

/// How smol connects: names, addresses and waiting. [`connect`] decides what is tried.
struct Dial(time::Instant);

impl Default for Dial {
    fn default() -> Self {
        Self(time::Instant::now())
    }
}

impl Dialer for Dial {
    type Stream = TcpStream;
    type Transport = Transport;

    fn transport(stream: TcpStream) -> Transport {
        Transport { stream, epoch: time::Instant::now(), timer: Timer::never() }
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&self, pause: Duration) {
        Timer::after(pause).await;
    }

    async fn resolve(
        &self,
        name: &str,
        port: u16,
        _: Option<Duration>, // when it is over, this future is dropped
    ) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((name, port)).await
    }

    async fn dial(
        &self,
        target: Target<'_>,
        _: &ConnectOptions, // the feature `sockets` has what Unix sockets and keepalive need
        _: Option<Duration>,
    ) -> io::Result<TcpStream> {
        let Target::Tcp(address) = target else {
            // For Unix sockets there is `connect::socket::dial_unix`.
            return Err(io::ErrorKind::Unsupported.into());
        };
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// smol's global executor and timers.
struct Smol(time::Instant);

impl Default for Smol {
    fn default() -> Self {
        Self(time::Instant::now())
    }
}

impl Runtime for Smol {
    type Handlers = Futures;
    type Transport = Transport;

    async fn connect(
        &self,
        route: &Route, // the nodes of an endpoint, the last good one first
        options: &ConnectOptions,
    ) -> Result<Driver<Transport>, Error> {
        connect::<Dial>(route, options).await
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::after(until.saturating_duration_since(self.now()));
        async {
            timer.await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = EmbeddedServer::start()?;
    let address = server.addr().to_string();
    smol::block_on(async {
        let queue = SharedClient::<Smol>::connect(&address, ConnectOptions::default()).await?;
        for user in ["alice", "bob"] {
            // A request is a value. `shared_client!` emits a method for every command.
            queue.call_in("emails", Put::of(user)).await?.inserted()?;
        }

        let worker = Worker::<Smol>::builder().server(&address).tube("emails").build()?;
        let handle = worker.handle();
        let send = async |job: HeldJob| println!("to {:?}", job.text());
        let working = smol::spawn(worker.run(send));
        while handle.metrics().done < 2 {
            Timer::after(Duration::from_millis(10)).await;
        }
        handle.shutdown(Duration::from_secs(10));
        assert_eq!(working.await.done, 2);
        Ok(())
    })
}
