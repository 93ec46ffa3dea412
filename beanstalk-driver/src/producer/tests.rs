//! What puts that wait for a server are woken for, and what is learnt of one.

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
    policy::{Backoff, ServerId, Servers},
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

const HOUR: Duration = Duration::from_secs(3600);
const LATER: Instant = Instant::from_nanos(1_000_000_000);

fn refusal() -> Error {
    Error::Protocol { error: ProtocolError::Tls, lost: Lost::NotSent }
}

/// A producer's servers of these names, which are asked again after an hour once they have failed.
fn servers<const N: usize>(names: [&str; N]) -> (Inner<Still>, [ServerId; N]) {
    let servers = Servers::new(Backoff { first: HOUR, max: HOUR }, None, 1);
    let inner = Inner::new(Still, servers, ConnectOptions::default(), (9, 9));
    let ids = names.map(|name| inner.add(name.parse().expect("an endpoint")));
    (inner, ids)
}

/// Whether a put that waits for two servers, of which one refuses and the other is gone, looks again once this was done.
fn looks_again(act: impl FnOnce(&Inner<Still>, ServerId, ServerId)) -> bool {
    let (inner, [refusing, gone]) = servers(["refusing", "gone"]);
    for (server, error) in [(refusing, refusal()), (gone, Error::Closed { lost: Lost::NotSent })] {
        inner.handle_result(server, Err(&error), Instant::ZERO, Instant::ZERO, None);
    }
    let Ok(Step::Wait(until, seen)) = inner.step(None, Instant::ZERO, Instant::ZERO) else {
        panic!("no server is to be asked");
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut put = pin!(inner.wait(until, seen, 0));
    assert!(put.as_mut().poll(&mut cx).is_pending());
    act(&inner, refusing, gone);
    put.poll(&mut cx).is_ready()
}

#[test]
fn a_put_that_waits_looks_again_when_a_server_that_refused_is_added_again() {
    let again = looks_again(|inner, refusing, _| {
        assert_eq!(inner.add("refusing".parse().expect("an endpoint")), refusing);
    });
    assert!(again, "it waits on for the other");
}

#[test]
fn a_put_that_waits_looks_again_when_a_server_answers_or_none_is_left_that_would() {
    for (result, again) in [(Ok(()), true), (Err(Error::Closed { lost: Lost::NotSent }), false), (Err(refusal()), true)]
    {
        let looked = looks_again(|inner, _, gone| {
            inner.handle_result(gone, result.as_ref().copied(), LATER, LATER, None);
        });
        assert_eq!(looked, again, "{result:?}");
    }
}

#[test]
fn what_is_learnt_of_a_connection_that_is_gone_is_not_taken_for_the_next_ones() {
    let (inner, [server]) = servers(["queue"]);
    let attempt = || match inner.step(None, LATER, LATER) {
        Ok(Step::Ask(attempt)) => (attempt.number, attempt.has_answered),
        _ => panic!("it is to be asked"),
    };
    let ends = |number| inner.handle_result(server, Ok(()), LATER, LATER, Some(number));
    let (first, _) = attempt();
    assert_eq!(attempt(), (first, false), "one connection serves many");
    ends(first);
    let (second, _) = attempt();
    assert_ne!(second, first);
    // Another put that was on the first.
    ends(first);
    inner.handle_answer(server, first);
    assert_eq!(attempt(), (second, false));
    inner.handle_answer(server, second);
    assert_eq!(attempt(), (second, true));
}

#[test]
fn delays_differ_from_one_to_the_next() {
    assert_ne!(Still.seed(), Still.seed());
}
