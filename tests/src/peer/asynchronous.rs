//! The asynchronous clients, each on its runtime.

use beanstalk_driver::Address;
use beanstalk_proto::{
    Error, Job, Lost, Request,
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
trait SmolSocket: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin + std::fmt::Debug {}

impl<S: smol::io::AsyncRead + smol::io::AsyncWrite + Unpin + std::fmt::Debug> SmolSocket for S {}

/// Connects as an application on smol does: the crate's own `connect` uses async-std's sockets.
async fn connect_smol(address: &str, config: Config) -> Result<beanstalk_async_std::Client<SmolStream>, Error> {
    let address: Address = address.parse()?;
    let connect = async {
        Ok(match address {
            Address::Tcp { host, port } => {
                let stream = smol::net::TcpStream::connect((host, port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream) as SmolStream
            }
            Address::Unix(path) => Box::new(smol::net::unix::UnixStream::connect(path).await?),
        })
    };
    let late = async {
        match config.connect_timeout {
            Some(timeout) => smol::Timer::after(timeout).await,
            None => smol::future::pending().await,
        };
        Err(std::io::ErrorKind::TimedOut.into())
    };
    match smol::future::or(connect, late).await {
        Ok(stream) => Ok(beanstalk_async_std::Client::from_stream_with(stream, config)),
        Err(error) => Err(Error::Io { error, lost: Lost::NotSent }),
    }
}
