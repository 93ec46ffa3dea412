//! What the bindings make of the [policies](crate::policy): workers, sessions, producers and upkeep, in terms of `core::task` alone.
//!
//! ```text
//!   Worker ── a slot for each connection ─┐
//!   Session ──────────────────────────────┼──▶ Driver ──▶ stream
//!   Producer ── one for each server ──────┘
//!       ▲
//!       └── Runtime: connect, sleep, spawn, what time it is
//! ```
//!
//! An adapter implements [`Runtime`], and emits types of its own around these: by [`worker!`](crate::worker),
//! [`session!`](crate::session), [`producer!`](crate::producer) and [`shared_client!`](crate::shared_client). A runtime whose futures
//! block their thread until they are ready needs no waker, and makes blocking sessions.

use alloc::boxed::Box;
use core::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll},
};
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::connect::{ConnectOptions, Route};
use crate::driver::{Driver, PollTransport};
use beanstalk_proto::{Error, Instant};

/// How the handlers of a runtime's workers are written: [`Futures`] or [`Functions`].
pub trait HandlerKind: 'static {
    /// Whether a handler that has begun runs until it returns, whatever becomes of the future of [`Runtime::run_handler`].
    const BLOCKS: bool;
}

/// Handlers return futures, which are dropped where they are given up.
#[derive(Debug)]
pub enum Futures {}

impl HandlerKind for Futures {
    const BLOCKS: bool = false;
}

/// Handlers are functions, which block their thread until they return.
#[derive(Debug)]
pub enum Functions {}

impl HandlerKind for Functions {
    const BLOCKS: bool = true;
}

/// A runtime, and the connections that a binding has for it. Its clock may count from any point in time.
///
/// With it come [`SharedClient`](crate::SharedClient), [`Session`](crate::Session), [`Producer`](crate::Producer),
/// [`Consumer`](crate::Consumer) and [`Worker`](crate::Worker), each with the runtime as its type parameter. A binding takes three steps:
///
/// 1. a [`PollTransport`]: a stream, a clock and a timer;
/// 2. a [`Dialer`](crate::connect::Dialer): how a name is looked up and an address connected to. [`connect`](crate::connect::connect) decides what
///    is tried, and for how long;
/// 3. the `Runtime`: it calls `connect`, sleeps and spawns.
///
/// A fourth is for bindings that others use: types of its own, with a method for every command and documentation, by
/// [`client!`](crate::client), [`shared_client!`](crate::shared_client), [`session!`](crate::session), [`producer!`](crate::producer),
/// [`consumer!`](crate::consumer) and [`worker!`](crate::worker).
///
/// This is the whole of it on smol:
///
/// ```
#[doc = include_str!("../examples/smol_binding.rs")]
/// ```
pub trait Runtime: Default + Send + Sync + 'static {
    /// How its workers' handlers are written.
    type Handlers: HandlerKind;

    /// The stream and timer under its clients.
    type Transport: PollTransport + Send;

    /// Connects, within the connect timeout of the options.
    fn connect(
        &self,
        route: &Route,
        options: &ConnectOptions,
    ) -> impl Future<Output = Result<Driver<Self::Transport>, Error>> + Send;

    /// Returns the time that its clock shows, which never goes back.
    fn now(&self) -> Instant;

    /// Waits until then.
    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static;

    /// Starts a task, which runs to its end.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Returns the future of a handler's outcome, which its slot polls alternately with its connection. Dropping it gives the handler up.
    ///
    /// The default is the handler itself. A runtime whose handlers block their thread runs the handler where it does not keep the slot from being polled,
    /// and panics in this future with what the handler panicked with.
    fn run_handler<T: Send + 'static>(
        &self,
        handler: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        handler
    }

    /// Lets the runtime look at its sockets once, if it shares its thread with its tasks.
    fn pass() -> impl Future<Output = ()> + Send + 'static {
        let mut passed = false;
        poll_fn(move |cx| match mem::replace(&mut passed, true) {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
    }

    /// Names the runtime that the calling task runs on, where a program can have several, of which one may stand still while another is
    /// used. `None` outside of any, where nothing can be spawned.
    fn current() -> Option<u64> {
        Some(0)
    }

    /// Returns a seed that no two calls share, for delays that are to differ. A simulation has its own, so that it can be repeated.
    fn seed(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Looks, without waiting, whether a connection on which nothing was done for a while has ended.
pub(crate) async fn has_ended<R: Runtime>(client: &mut Driver<R::Transport>) -> bool {
    R::pass().await;
    client.is_closed()
}

/// A timer that is set anew only when what it waits for has changed.
#[derive(Default)]
pub(crate) struct Alarm(Option<(Instant, Boxed<()>)>);

impl Alarm {
    /// Ready once it is `at`.
    pub(crate) fn poll<R: Runtime>(&mut self, runtime: &R, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if runtime.now() >= at {
            return Poll::Ready(());
        }
        if self.0.as_ref().is_none_or(|(set_to, _)| *set_to != at) {
            self.0 = None;
        }
        let (_, sleep) = self.0.get_or_insert_with(|| (at, Box::pin(runtime.sleep(at))));
        let polled = sleep.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}
