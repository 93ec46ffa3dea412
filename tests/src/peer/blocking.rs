//! The blocking client, as futures that are ready at once.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use beanstalk_proto::{
    Error, Job, Request, Stats,
    client::{Config, Ticket},
};
use beanstalk_sync::Client;
use smol::future;

use super::{Both, Peer};

/// `beanstalk-sync`.
pub struct Blocking(Client);

impl Peer for Blocking {
    const NAME: &'static str = "blocking";

    fn block_on<F: Future>(scenario: F) -> F::Output {
        let mut scenario = pin!(scenario);
        loop {
            // Pending only where a scenario lets others run, of which there are none here.
            if let Poll::Ready(output) = scenario.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
        }
    }

    async fn connect(address: &str, config: Config) -> Result<Self, Error> {
        Client::connect_with(address, config).map(Self)
    }

    async fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error> {
        self.0.call(request)
    }

    fn timeout(&mut self, timeout: Option<Duration>) -> &mut Self {
        let _ = self.0.timeout(timeout);
        self
    }

    async fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        self.0.send(request)
    }

    async fn reply<T>(&mut self, ticket: Ticket<T>) -> Result<T, Error> {
        self.0.reply(ticket)
    }

    async fn call_both<A: Request, B: Request>(&mut self, first: A, second: B) -> Result<Both<A, B>, Error> {
        self.0.call_both(first, second)
    }

    async fn call_all<R: Request>(&mut self, requests: Vec<R>, take: usize) -> Vec<Result<R::Reply, Error>> {
        self.0.call_all(requests).take(take).collect()
    }

    fn take_orphaned(&mut self) -> Vec<Job> {
        self.0.take_orphaned()
    }

    fn is_closed(&mut self) -> bool {
        self.0.is_closed()
    }

    async fn closed(&mut self) -> Error {
        while !self.0.is_closed() {
            thread::sleep(Duration::from_millis(1));
            future::yield_now().await;
        }
        self.0.call(Stats::new()).expect_err("it has ended")
    }

    async fn disconnect(self) -> Result<(), Error> {
        self.0.disconnect()
    }
}
