//! One server for many tasks.
//!
//! ```text
//!   task ── call ──▶ ┌───────────────────────┐
//!   task ── call ──▶ │ room ▶ the connection │ ◀── write, flush, read ── a task of its own ◀──▶ server
//!   task ◀─ reply ── │        answers        │                           that connects again
//!                    └───────────────────────┘
//! ```
//!
//! Calls queue their requests in the connection themselves, under a lock, and the driver, a task or future of its own, writes
//! what has gathered: many calls, one write. Two lines of waiting calls are kept. **Room** holds those that a limit or an outage keeps
//! from sending; they go first come, first served. **Answers** holds those that have been sent; replies come in that
//! order, so the front of the line is always the next to be answered, and the first to be late.
//!
//! When to connect again, and what is repeated, [`policy::Shared`] decides.
//!
//! # The tube in use
//!
//! Tasks share the connection, and so the one tube it uses. A call about a tube therefore brings its tube with it: `use`
//! is sent just ahead of the command, in the same step, unless the tube is in use already on this connection. Should a `use` be refused, the
//! calls that relied on it learn in which tube their command ran instead, and what it did there.

mod call;
mod driver;
mod flushed;
mod line;
mod link;
#[cfg(all(test, schedules))]
mod schedules;
mod sharing;
mod state;
mod watch;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

pub use driver::SharedDriver;
pub use flushed::Flushed;

use crate::{
    connect::{ConnectOptions, Route},
    driver::PollTransport,
    policy::{self, Event, Next, SharedConfig},
    runtime::Runtime,
};
use beanstalk_proto::{
    Argument, Error, Job, Reply, Request, TubeArg, TubeName,
    client::{Config, Connection, Timeout},
};
use call::{Turn, Waiting};
use link::Clocks;
use state::Inner;

/// A client that tasks share: cheap to clone, one clone for each task, or one for all.
///
/// It connects again when its connection breaks, and a task of its own moves the bytes, which the next call starts again where it is gone.
pub struct SharedClient<R: Runtime> {
    inner: Arc<Inner<R>>,
    /// What each call may take.
    timeout: Timeout,
}

impl<R: Runtime> fmt::Debug for SharedClient<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedClient")
            .field("server", &self.inner.server.as_ref().map(Route::endpoint))
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> SharedClient<R> {
    /// Connects, once, with options for every connection.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint; [`Error::Connect`] if no server answers there in time.
    pub async fn connect(endpoint: &str, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        let client = Self::new(endpoint, SharedConfig::default(), options)?;
        let connection = client.inner.connect().await?;
        driver::start_with(&client.inner, connection);
        Ok(client)
    }

    /// Returns a client that connects with its first call.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, and for a first delay that is longer than the longest.
    pub fn new(endpoint: &str, shared: SharedConfig, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Self::on(R::default(), endpoint.parse()?, shared, options)
    }

    /// As [`SharedClient::new`], on this runtime.
    ///
    /// # Errors
    ///
    /// As [`SharedClient::new`].
    pub fn on(
        runtime: R,
        route: Route,
        shared: SharedConfig,
        options: impl Into<ConnectOptions>,
    ) -> Result<Self, Error> {
        shared.check()?;
        let machine = policy::Shared::new(shared, runtime.seed());
        Ok(Self::of(Inner::new(runtime, Some(route), machine, options.into())))
    }

    /// Returns a client on a transport that is connected already, and the future that moves its bytes. It cannot connect again. Calls wait
    /// for their turn as long as for a reply.
    pub fn over<T: PollTransport>(runtime: R, config: Config, transport: T) -> (Self, SharedDriver<R, T>) {
        let shared = SharedConfig::default().reconnect(None).patience(config.reply_timeout);
        let inner = Inner::new(runtime, None, policy::Shared::new(shared, 0), config.into());
        let clocks = Clocks::of(&inner.runtime, &transport);
        inner.with(|state| state.connected(Connection::new(config), clocks, inner.runtime.now()));
        let client = Self::of(inner);
        let driver = SharedDriver::new(Arc::clone(&client.inner), transport);
        (client, driver)
    }

    fn of(inner: Inner<R>) -> Self {
        Self { inner: Arc::new(inner), timeout: Timeout::Default }
    }

    /// Returns a handle of the same client whose calls take no longer than this in all: waiting for a connection and for room, and for
    /// the reply.
    #[must_use]
    pub fn with_timeout(&self, timeout: Timeout) -> Self {
        let mut handle = self.clone();
        handle.timeout = timeout;
        handle
    }

    /// Calls this with what happens to the connection, on a thread that moves its bytes: it must not block. What happened before is
    /// reported at once. Another listener replaces it.
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.inner.listen(Box::new(listener));
    }

    /// Sends a request that has nothing to do with the connection's tubes, and waits for its reply.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::NotShareable`](beanstalk_proto::ArgumentError::NotShareable) if it waits or depends on a tube; everything that [`Error`] lists.
    pub async fn call<Q: Request + Clone>(&self, request: Q) -> Result<Q::Reply, Error> {
        self.run(None, request).await
    }

    /// Sends a request about the tube in use, with `use` ahead of it if another is in use, and waits for its reply.
    ///
    /// # Errors
    ///
    /// As [`SharedClient::call`], and [`Error::UseRefused`].
    pub async fn call_in<Q: Request + Clone>(
        &self,
        tube: impl Argument<TubeArg<'_>>,
        request: Q,
    ) -> Result<Q::Reply, Error> {
        let tube = tube.into_argument().to_name()?;
        self.run(Some(tube), request).await
    }

    /// Sends a request as [`SharedClient::call`] does, and returns once it was flushed, with the future of its reply. It is not repeated.
    ///
    /// # Errors
    ///
    /// As [`SharedClient::call`], but for what the server answers.
    pub async fn send<Q: Request<Reply: 'static> + Clone>(&self, request: Q) -> Result<Flushed<Q::Reply>, Error> {
        self.start(None, request).await
    }

    /// Sends a request as [`SharedClient::call_in`] does, and returns once it was flushed, with the future of its reply. It is not repeated.
    ///
    /// # Errors
    ///
    /// As [`SharedClient::call_in`], but for what the server answers.
    pub async fn send_in<Q: Request<Reply: 'static> + Clone>(
        &self,
        tube: impl Argument<TubeArg<'_>>,
        request: Q,
    ) -> Result<Flushed<Q::Reply>, Error> {
        let tube = tube.into_argument().to_name()?;
        self.start(Some(tube), request).await
    }

    /// See [`Connection::take_orphaned`].
    pub fn take_orphaned(&self) -> Vec<Job> {
        self.inner.with(|state| state.link.connection.take_orphaned())
    }

    /// Returns whether the client has ended: no call can succeed any more. One that connects again has not, whatever became of its connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.with(|state| state.machine.has_ended())
    }

    /// Waits until the client has ended.
    pub async fn closed(&self) {
        let mut watcher = Watcher { inner: &self.inner, place: None };
        poll_fn(|cx| {
            watcher.inner.with(|state| match state.machine.has_ended() {
                true => Poll::Ready(()),
                false => {
                    state.watch(&mut watcher.place, cx.waker());
                    Poll::Pending
                }
            })
        })
        .await;
    }

    /// Ends the client for all its handles, in order: what was sent is answered, and nothing is sent any more. Returns when the connection
    /// has ended, or after a reply's time.
    pub async fn disconnect(&self) {
        self.inner.with(|state| {
            state.closing = true;
            match state.driver.is_alive || self.inner.server.is_none() {
                true => state.wake_driver(),
                false => state.end(),
            }
        });
        self.closed().await;
    }

    /// Whether there is a connection, as far as is known.
    pub(crate) fn is_connected(&self) -> bool {
        self.inner.with(|state| state.machine.is_connected(self.inner.runtime.now()))
    }

    async fn run<Q: Request + Clone>(&self, tube: Option<TubeName>, request: Q) -> Result<Q::Reply, Error> {
        sharing::check(&request.expect(), tube.is_some())?;
        self.run_within(None, tube.as_ref(), request).await
    }

    /// Sends a request that is known to leave the connection as it is, unless that takes longer than `patience`, and waits for its reply.
    pub(crate) async fn run_within<Q: Request + Clone>(
        &self,
        patience: Option<Duration>,
        tube: Option<&TubeName>,
        request: Q,
    ) -> Result<Q::Reply, Error> {
        let mut turn = Turn::new(&self.inner, &request, request.expect(), self.timeout).sent_within(patience);
        loop {
            let mut waiting = turn.send(tube, &request).await?;
            match poll_fn(|cx| waiting.poll_reply(cx)).await {
                Ok(reply) => return waiting.decode::<Q>(reply),
                Err(error) if turn.handle_failed(&error) == Next::Repeat => {}
                Err(error) => return Err(turn.fails_with(error)),
            }
        }
    }

    async fn start<Q: Request<Reply: 'static> + Clone>(
        &self,
        tube: Option<TubeName>,
        request: Q,
    ) -> Result<Flushed<Q::Reply>, Error> {
        sharing::check(&request.expect(), tube.is_some())?;
        self.start_within(None, tube.as_ref(), &request).await.map(Flushed::new)
    }

    /// Sends a request that is known to leave the connection as it is, unless that takes longer than `patience`, until it is flushed.
    pub(crate) async fn start_within<Q: Request + Clone>(
        &self,
        patience: Option<Duration>,
        tube: Option<&TubeName>,
        request: &Q,
    ) -> Result<SharedReply<R, Q::Reply>, Error> {
        let mut turn = Turn::new(&self.inner, request, request.expect(), self.timeout).sent_within(patience);
        loop {
            let mut waiting = turn.send(tube, request).await?;
            match waiting.flushed().await {
                Ok(()) => return Ok(SharedReply { waiting, decode: Waiting::decode::<Q> }),
                Err(error) if turn.handle_failed(&error) == Next::Repeat => {}
                Err(error) => return Err(turn.fails_with(error)),
            }
        }
    }
}

impl<R: Runtime> Clone for SharedClient<R> {
    fn clone(&self) -> Self {
        self.inner.with(|state| state.handles = state.handles.saturating_add(1));
        Self { inner: Arc::clone(&self.inner), timeout: self.timeout }
    }
}

impl<R: Runtime> Drop for SharedClient<R> {
    fn drop(&mut self) {
        self.inner.with(|state| {
            state.handles = state.handles.saturating_sub(1);
            if state.handles == 0 {
                state.wake_driver();
            }
        });
    }
}

/// A task that waits for the end of a client, which may outlive any number of them.
struct Watcher<'c, R: Runtime> {
    inner: &'c Inner<R>,
    place: Option<u64>,
}

impl<R: Runtime> Drop for Watcher<'_, R> {
    fn drop(&mut self) {
        if let Some(number) = self.place {
            let gone = self.inner.with(|state| state.watchers.remove(&number));
            drop(gone);
        }
    }
}

/// The future of the reply to a request that was flushed. Dropping it abandons the request.
pub(crate) struct SharedReply<R: Runtime, T> {
    waiting: Waiting<R>,
    decode: fn(&Waiting<R>, Reply) -> Result<T, Error>,
}

impl<R: Runtime, T> Unpin for SharedReply<R, T> {}

impl<R: Runtime, T> Future for SharedReply<R, T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiting, decode } = self.get_mut();
        waiting.poll_reply(cx).map(|result| result.and_then(|reply| decode(waiting, reply)))
    }
}
