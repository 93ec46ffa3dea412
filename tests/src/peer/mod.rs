//! What every client can do, so that one scenario runs over all of them.

mod asynchronous;
mod blocking;

use std::time::Duration;

use beanstalk_proto::{
    Error, Job, Request,
    client::{Config, Ticket},
};

pub use self::{
    asynchronous::{AsyncStd, Smol, Tokio},
    blocking::Blocking,
};

/// What became of two requests that were sent together.
pub type Both<A, B> = (Result<<A as Request>::Reply, Error>, Result<<B as Request>::Reply, Error>);

/// A client under test, on its runtime.
pub trait Peer: Sized + 'static {
    /// How tests call it.
    const NAME: &'static str;

    /// Runs a scenario to its end on this client's runtime.
    fn block_on<F: Future>(scenario: F) -> F::Output;

    /// Connects to an address as users write it.
    async fn connect(address: &str, config: Config) -> Result<Self, Error>;

    /// Sends a request and waits for its reply.
    async fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error>;

    /// Gives the next call so long for its reply.
    fn timeout(&mut self, timeout: Option<Duration>) -> &mut Self;

    /// Sends a request; resolves when it has been flushed.
    async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error>;

    /// Waits for a reply.
    async fn reply<T>(&mut self, ticket: Ticket<T>) -> Result<T, Error>;

    /// Sends two requests in one write and waits for both replies.
    async fn call_both<A: Request, B: Request>(&mut self, first: A, second: B) -> Result<Both<A, B>, Error>;

    /// Pipelines requests, takes the first `take` results, and drops what is left.
    async fn call_all<R: Request>(&mut self, requests: Vec<R>, take: usize) -> Vec<Result<R::Reply, Error>>;

    /// The jobs that arrived for nobody.
    fn take_orphaned(&mut self) -> Vec<Job>;

    /// Whether the connection has ended, as far as is known without waiting.
    fn is_closed(&mut self) -> bool;

    /// Waits until it has, and returns what ended it. A blocking client, whose call would keep a scenario from going on, is asked again and
    /// again.
    async fn closed(&mut self) -> Error;

    /// Ends the connection in order.
    async fn disconnect(self) -> Result<(), Error>;
}
