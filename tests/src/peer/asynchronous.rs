//! The asynchronous clients, each on its runtime.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    ConnectOptions,
    connect::{self, Dialer, Target, socket},
};
use beanstalk_proto::{
    Error, Job, Request,
    client::{Config, Ticket},
};

use super::{Both, Peer};

macro_rules! asynchronous {
    ($(#[$doc:meta])* $peer:ident($client:ty) named $name:literal on $scenario:ident => $block_on:expr;
     connect $address:ident, $config:ident => $connect:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $peer($client);

        impl Peer for $peer {
            const NAME: &'static str = $name;

            fn block_on<F: Future>($scenario: F) -> F::Output {
                $block_on
            }

            async fn connect($address: &str, $config: Config) -> Result<Self, Error> {
                $connect.await.map(Self)
            }

            async fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error> {
                self.0.call(request).await
            }

            fn timeout(&mut self, timeout: Option<Duration>) -> &mut Self {
                let _ = self.0.timeout(timeout);
                self
            }

            async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
                self.0.send(request).await
            }

            async fn reply<T>(&mut self, ticket: Ticket<T>) -> Result<T, Error> {
                self.0.reply(ticket).await
            }

            async fn call_both<A: Request, B: Request>(&mut self, first: A, second: B) -> Result<Both<A, B>, Error> {
                self.0.call_both(first, second).await
            }

            async fn call_all<R: Request>(&mut self, requests: Vec<R>, take: usize) -> Vec<Result<R::Reply, Error>> {
                let mut results = Vec::new();
                let mut calls = self.0.call_all(requests);
                while results.len() < take {
                    let Some(result) = calls.next().await else { break };
                    results.push(result);
                }
                results
            }

            fn take_orphaned(&mut self) -> Vec<Job> {
                self.0.take_orphaned()
            }

            fn is_closed(&mut self) -> bool {
                self.0.is_closed()
            }

            async fn closed(&mut self) -> Error {
                self.0.closed().await
            }

            async fn disconnect(self) -> Result<(), Error> {
                self.0.disconnect().await
            }
        }
    };
}

asynchronous! {
    /// `beanstalk-tokio`, on a runtime of one thread.
    Tokio(beanstalk_tokio::Client) named "tokio" on scenario => {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(scenario)
    };
    connect address, config => beanstalk_tokio::Client::connect_with(address, config)
}

asynchronous! {
    /// `beanstalk-async-std`, on async-std.
    AsyncStd(beanstalk_async_std::Client) named "async-std" on scenario => async_std::task::block_on(scenario);
    connect address, config => beanstalk_async_std::Client::connect_with(address, config)
}

asynchronous! {
    /// `beanstalk-async-std`, on smol and its sockets.
    Smol(beanstalk_async_std::Client<SmolStream>) named "smol" on scenario => smol::block_on(scenario);
    connect address, config => connect_smol(address, config)
}

/// A stream of smol's.
type SmolStream = Box<dyn SmolSocket>;

/// What smol's sockets have in common.
trait SmolSocket: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<S: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin + Send + std::fmt::Debug> SmolSocket for S {}

/// Connects as an application on smol does: the crate's own `connect` uses sockets that it made itself.
async fn connect_smol(endpoint: &str, config: Config) -> Result<beanstalk_async_std::Client<SmolStream>, Error> {
    Ok(connect::connect::<SmolDialer>(&endpoint.parse()?, &config.into()).await?.into())
}

/// Since when.
struct SmolDialer(Instant);

impl Default for SmolDialer {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Dialer for SmolDialer {
    type Stream = SmolStream;
    type Transport = beanstalk_async_std::Transport<SmolStream>;

    fn transport(stream: SmolStream) -> Self::Transport {
        beanstalk_async_std::Transport::new(stream)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn pause(&self, pause: Duration) {
        smol::Timer::after(pause).await;
    }

    async fn resolve(&self, host: &str, port: u16, _: Option<Duration>) -> io::Result<Vec<SocketAddr>> {
        let host = host.to_owned();
        smol::unblock(move || socket::lookup(&host, port)).await
    }

    async fn dial(&self, target: Target<'_>, _: &ConnectOptions, _: Option<Duration>) -> io::Result<SmolStream> {
        match target {
            Target::Tcp(address) => {
                let stream = smol::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Target::Unix(path) => {
                let stream: smol::net::unix::UnixStream = smol::Async::new(socket::dial_unix(path)?)?.into();
                Ok(Box::new(stream))
            }
        }
    }
}
