//! The tokio client, on a runtime of one thread.

use beanstalk_proto::{
    Error, Job, Request,
    client::{Config, Ticket},
};
use beanstalk_tokio::Client;

use super::Peer;

/// `beanstalk-tokio`.
pub struct Tokio(Client);

impl Peer for Tokio {
    const NAME: &'static str = "tokio";

    fn block_on<F: Future>(scenario: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(scenario)
    }

    async fn connect(address: &str, config: Config) -> Result<Self, Error> {
        Client::connect_with(address, config).await.map(Self)
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
