//! What puts that wait for a server are woken for.

use core::{
    convert::Infallible,
    future::{Future, pending},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::links::{Inner, Step};
use crate::{
    connect::{ConnectOptions, Route},
    driver::{Block, Driver, PollTransport},
    policy::{Backoff, Servers},
    runtime::{Futures, Runtime},
};
use beanstalk_proto::{Error, Instant, Lost, ProtocolError, Segments};

/// A runtime whose time stands still, and which connects to nobody.
#[derive(Default)]
struct Still;

enum Never {}

impl PollTransport for Never {
    type Error = Infallible;

    fn poll_read(&mut self, _: &mut Context<'_>, _: Block, _: &mut [u8]) -> Poll<Result<usize, Infallible>> {
        match *self {}
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: Block, _: Segments<'_>) -> Poll<Result<usize, Infallible>> {
        match *self {}
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: Block) -> Poll<Result<(), Infallible>> {
        match *self {}
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match *self {}
    }

    fn failure(error: Infallible, _: Lost) -> Error {
        match error {}
    }

    fn now(&self) -> Instant {
        match *self {}
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        || Instant::ZERO
    }

    fn set_timer(&mut self, _: Instant) {
        match *self {}
    }

    fn poll_timer(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }
}

impl Runtime for Still {
    type Handlers = Futures;
    type Transport = Never;

    async fn connect(&self, _: &Route, _: &ConnectOptions) -> Result<Driver<Never>, Error> {
        pending().await
    }

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn sleep(&self, _: Instant) -> impl Future<Output = ()> + Send + 'static {
        pending()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(task);
    }
}

#[test]
fn a_put_that_waits_looks_again_when_a_server_that_refused_is_added_again() {
    let hour = Duration::from_secs(3600);
    let servers = Servers::new(Backoff { first: hour, max: hour }, None, 1);
    let inner = Inner::new(Still, servers, ConnectOptions::default(), (9, 9));
    let [refusing, gone] = ["refusing", "gone"].map(|name| inner.add(name.parse().expect("an endpoint")));
    let refusal = Error::Protocol { error: ProtocolError::Tls, lost: Lost::NotSent };
    for (server, error) in [(refusing, refusal), (gone, Error::Closed { lost: Lost::NotSent })] {
        inner.handle_result(server, Err(&error), Instant::ZERO, Instant::ZERO, None);
    }
    let Ok(Step::Wait(until, seen)) = inner.step(None, Instant::ZERO, Instant::ZERO) else {
        panic!("no server is to be asked");
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut put = pin!(inner.wait(until, seen, 0));
    assert!(put.as_mut().poll(&mut cx).is_pending());
    assert_eq!(inner.add("refusing".parse().expect("an endpoint")), refusing);
    assert!(put.poll(&mut cx).is_ready(), "it waits on for the other");
}
