//! Jobs one by one, from the same slots as a worker's, each owned by the caller that asked for it.
//!
//! ```text
//!   next ── waits ──▶ a slot reserves ── its job ──▶ ConsumerJob ── delete, release, bury, fail ──▶ the slot carries it out
//!                                                        └── dropped ──▶ the slot closes its connection
//! ```

use alloc::sync::Arc;
use core::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{Worker, WorkerBuilder, WorkerHandle, hand::ConsumerJob, handlers::Handlers, state::SharedState};
use crate::{
    policy::Metrics,
    runtime::{Alarm, Runtime},
    sync::{Mutex, lock},
};

/// Takes jobs from one server or several, one by one, as [`Consumer::next`] is called.
///
/// Each job is owned by who got it: it may be moved to another task, is kept alive for as long as it is held, and ends by
/// [`delete`](ConsumerJob::delete), [`release`](ConsumerJob::release), [`bury`](ConsumerJob::bury), [`fail`](ConsumerJob::fail), or
/// by being dropped, which gives it back. Connections that break are made again, with their tubes; servers may come and go, as with
/// a [`Worker`]. It has the worker's settings but for handlers: see [`ConsumerBuilder`].
///
/// # What is reserved, and when
///
/// No reserve is sent, and no connection made, while no call of `next` waits; there are never more jobs asked of a server than calls
/// wait. A reserve that waits when its call ends (as another server had a job, or the call was dropped) is not broken
/// off: what comes of it within a second of the last call is kept alive and handed to the next one, as soon as that comes, and
/// otherwise given back by closing its connection, so that it is ready again at once and none of its counts moves. A call that is
/// dropped when its job was there already gives it back in the same way.
///
/// As many jobs may be held at a time as [`concurrency`](WorkerBuilder::concurrency) and
/// [`concurrency_per_server`](WorkerBuilder::concurrency_per_server) allow, one unless changed; meanwhile `next` waits.
///
/// # Its end
///
/// [`Consumer::shutdown`] lets the jobs in hand be finished until a deadline. Dropping a consumer lets them be finished, however long
/// that takes; nothing else is reserved.
#[must_use = "a consumer reserves only what is asked for"]
pub struct Consumer<R: Runtime> {
    shared: Arc<SharedState<R>>,
    /// Until it is asked for something.
    worker: Mutex<Option<Worker<R>>>,
    /// The call of its own stream.
    #[cfg(feature = "stream")]
    stream: Call<R>,
}

/// Configures a [`Consumer`].
pub type ConsumerBuilder<R> = WorkerBuilder<R, Consumer<R>>;

impl<R: Runtime> fmt::Debug for Consumer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("servers", &self.shared.servers()).finish_non_exhaustive()
    }
}

/// Handlers that the worker was given are not called.
impl<R: Runtime> From<Worker<R>> for Consumer<R> {
    fn from(worker: Worker<R>) -> Self {
        let shared = Arc::clone(&worker.shared);
        shared.await_calls();
        Self {
            #[cfg(feature = "stream")]
            stream: Call::new(Arc::clone(&shared)),
            worker: Mutex::new(Some(worker)),
            shared,
        }
    }
}

impl<R: Runtime> Consumer<R> {
    /// Returns a builder with nothing set: it needs a server at least.
    pub fn builder() -> ConsumerBuilder<R> {
        WorkerBuilder::default()
    }

    /// Returns what stops it, counts what it does, and changes its servers.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle<R> {
        WorkerHandle { shared: Arc::clone(&self.shared) }
    }

    /// Waits for the next job. `None` once it is shut down, or has no servers any more as all of them have refused to be connected
    /// to (an event reports why).
    ///
    /// Several calls may wait at a time, and get what comes in the order in which they were first polled. The first call starts the
    /// consumer's tasks, on the runtime that it is polled on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no job is lost: see [`Consumer`].
    pub async fn next(&self) -> Option<ConsumerJob> {
        let mut call = Call::new(Arc::clone(&self.shared));
        poll_fn(|cx| {
            self.begin();
            call.poll(cx)
        })
        .await
    }

    /// As [`Consumer::next`], and `None` if no job has come in time, too.
    ///
    /// # Cancel safety
    ///
    /// As [`Consumer::next`].
    pub async fn next_timeout(&self, timeout: Duration) -> Option<ConsumerJob> {
        let (mut next, mut alarm) = (pin!(self.next()), Alarm::default());
        let until = self.shared.runtime.now() + timeout;
        poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Pending => alarm.poll(&self.shared.runtime, until, cx).map(|()| None),
            ready => ready,
        })
        .await
    }

    /// Ends it: calls that wait get `None`, jobs in hand may be finished until then, and what is not is given back. Returns what
    /// was done, as soon as all of it is over, at the deadline at the latest.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it was polled, the shutdown goes on.
    pub async fn shutdown(&self, within: Duration) -> Metrics {
        self.shared.shut_down(within);
        if lock(&self.worker).take().is_some() {
            // It has never begun.
            self.shared.calls.end();
        }
        let (mut alarm, until) = (Alarm::default(), self.shared.runtime.now() + within);
        let is_over = poll_fn(|cx| match self.shared.calls.poll_ended(cx) {
            // Its tasks may be on another runtime, which stands still. Outside of any there are no timers.
            Poll::Pending if R::current().is_some() => alarm.poll(&self.shared.runtime, until, cx).map(|()| true),
            polled => polled.map(|()| false),
        });
        match is_over.await {
            true => self.shared.metrics_if_stopped(),
            false => self.shared.metrics(),
        }
    }

    /// Starts what reserves, once.
    fn begin(&self) {
        let Some(worker) = lock(&self.worker).take() else { return };
        let ended = Ended(Arc::clone(&self.shared));
        self.shared.runtime.spawn(async move {
            let _ended = ended;
            worker.work(Handlers::Calls).await;
        });
    }
}

#[cfg(feature = "stream")]
impl<R: Runtime> futures_core::Stream for Consumer<R> {
    type Item = ConsumerJob;

    /// As [`Consumer::next`], with one difference: a stream that is dropped or not polled any more after it was pending waits on, until its consumer
    /// is dropped. A job that comes for it is kept alive until then.
    fn poll_next(mut self: core::pin::Pin<&mut Self>, cx: &mut core::task::Context<'_>) -> Poll<Option<ConsumerJob>> {
        self.begin();
        self.stream.poll(cx)
    }
}

/// Those that wait for its end learn of it, however it came about.
struct Ended<R: Runtime>(Arc<SharedState<R>>);

impl<R: Runtime> Drop for Ended<R> {
    fn drop(&mut self) {
        self.0.calls.end();
    }
}

impl<R: Runtime> Drop for Consumer<R> {
    fn drop(&mut self) {
        self.shared.shut_down(Duration::MAX);
    }
}

/// A call for the next job. Dropping it ends the wait; a job that has come for it is given back.
struct Call<R: Runtime> {
    shared: Arc<SharedState<R>>,
    /// Its place among those that wait, if it does.
    place: Option<u64>,
}

impl<R: Runtime> Call<R> {
    const fn new(shared: Arc<SharedState<R>>) -> Self {
        Self { shared, place: None }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<ConsumerJob>> {
        let Self { shared, place } = self;
        shared.calls.poll_job(place, cx, |calls| shared.set_waiting(calls))
    }
}

impl<R: Runtime> Drop for Call<R> {
    fn drop(&mut self) {
        let Self { shared, place } = self;
        shared.calls.leave(place, |calls| shared.set_waiting(calls));
    }
}
