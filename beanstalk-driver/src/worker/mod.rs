//! A worker: slots on all of its servers, what stops them, and what counts what they do.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::{fmt, future::poll_fn, mem, task::Poll, time::Duration};

mod builder;
mod calls;
mod consumer;
mod hand;
mod handler;
mod handlers;
mod held_job;
#[cfg(feature = "json")]
mod json;
mod slot;
mod slot_state;
mod stall;
mod state;

use crate::{
    connect::Endpoint,
    policy::Metrics,
    runtime::{Alarm, Runtime},
};
use beanstalk_proto::{ArgumentError, Error, TubeName};
pub use builder::WorkerBuilder;
pub use consumer::{Consumer, ConsumerBuilder};
pub use hand::{Acker, ConsumerJob};
pub use handler::{BoxError, Failure, HandlerError, HandlerPanicked, HandlerResult, HandlerTimedOut};
pub use handlers::{FromJob, HandlerOutput};
use handlers::{Handler, Handlers};
pub use held_job::{HeldJob, JobDetails};
#[cfg(feature = "json")]
pub use json::Json;
use state::{SharedState, Step};

/// Takes jobs from one server or several and gives them to a handler, until it is shut down.
///
/// Each of its slots has a connection of its own and one job at a time. Slots of all servers wait at once, so an empty server
/// never keeps a full one waiting, and one that is dead costs nothing but its own jobs' delay: its slots go on trying to
/// connect. While a handler runs, its slot touches the job in time, and a handler that fails or panics leaves its job to the
/// [`RetryPolicy`](crate::policy::RetryPolicy).
///
/// If the connection breaks meanwhile, the server gives the job to another worker: it is lost to this worker, unless
/// [`WorkerBuilder::reclaim`] has it taken back. What the handler returns then changes nothing, and it is run to its end, so
/// handlers must bear that a job is done twice. [`HeldJob::is_lost`] shows it.
///
/// # What happens, seen from outside
///
/// [`WorkerBuilder::on_event`] is called with each [`WorkerEvent`](crate::policy::WorkerEvent); [`WorkerHandle::metrics`] counts. Two features do the same for all
/// workers of a program. What they show is the same on every binding, and its names change only with a new major version.
///
/// ## Feature `tracing`
///
/// Each event is one of `tracing`, with the target `beanstalk` and the field `server`; those of a job have its `id`, those of a connection
/// `client`: `worker`, `session` or `shared`. What all connections of a worker to one server see is reported once.
///
/// | level | events |
/// |---|---|
/// | `ERROR` | a server refused to be connected to; a slot ended unasked |
/// | `WARN` | a job failed, its handler panicked or timed out, it is malformed or too big, was buried, moved to the tube for dead letters, or lost |
/// | `INFO` | a connection was lost, or will be tried again; a job was released, or given back at the end of a shutdown |
/// | `DEBUG` | a connection was made, its tubes are restored, it has ended; a job was reserved, or is done |
///
/// Each job has a span `job` of the level `INFO` and the target `beanstalk`, a root. Its handler runs in it, on whichever thread or task,
/// and the job's events are in it, until it is finished and its handler has ended.
///
/// | field | |
/// |---|---|
/// | `id`, `server` | of the job |
/// | `tube` | at once if the worker watches one tube, else as `attempt` |
/// | `attempt`, `priority` | once the server was asked about the job: by the handler ([`HeldJob::details`]), by the heartbeat after a third of a second, or because the job has failed |
///
/// ## Feature `metrics`
///
/// Each has the label `server`. The label `tube` is empty where the worker watches several tubes and the server was not asked about the job.
///
/// | name | kind | other labels | counts |
/// |---|---|---|---|
/// | `beanstalk_jobs_reserved_total` | counter | | jobs that were reserved |
/// | `beanstalk_jobs_finished_total` | counter | `tube`, `outcome`: `done`, `retried`, `buried`, `moved`, `lost`, `returned` | jobs that are no longer in hand |
/// | `beanstalk_jobs_failed_total` | counter | `tube`, `reason`: `error`, `panic`, `timeout`, `malformed`, `too_big` | attempts that failed |
/// | `beanstalk_job_duration_seconds` | histogram, in seconds | `tube` | how long handlers ran, whatever their outcome; one that a shutdown ends at its deadline, until then |
/// | `beanstalk_jobs_running` | gauge | | handlers that run |
/// | `beanstalk_worker_connections` | gauge | | connections that workers have |
/// | `beanstalk_connection_events_total` | counter | `client`: `worker`, `session`, `shared`; `event`: `connected`, `lost`, `refused` | connections made, lost or not made, and refused, of a worker once for all its connections to a server |
#[must_use = "a worker works while it is run"]
pub struct Worker<R: Runtime> {
    shared: Arc<SharedState<R>>,
    /// Those of single tubes.
    handlers: BTreeMap<TubeName, Handler<R>>,
}

impl<R: Runtime> fmt::Debug for Worker<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("servers", &self.shared.servers()).finish_non_exhaustive()
    }
}

impl<R: Runtime> Worker<R> {
    /// Returns a builder with nothing set: it needs a server at least.
    pub fn builder() -> WorkerBuilder<R> {
        WorkerBuilder::default()
    }

    /// Returns what stops it, counts what it does, and changes its servers while it runs.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle<R> {
        WorkerHandle { shared: Arc::clone(&self.shared) }
    }

    /// Works until [`WorkerHandle::shutdown`], and returns what was done. This handler gets the jobs of all tubes;
    /// [`Worker::run_handlers`] gives those of each tube to a handler of their own.
    ///
    /// The handler is given a job and returns one of the types in [`HandlerResult`]. An error or a panic is
    /// [`Verdict::Failed`](crate::policy::Verdict::Failed). Handlers run on the slots' tasks: what blocks a thread belongs elsewhere, or the job's time to run
    /// may end meanwhile. A handler that still runs at the deadline of a shutdown is dropped, and its job given back.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the worker ends at once: handlers are dropped, and their jobs given back.
    pub async fn run<O>(self, handler: impl Fn(HeldJob) -> O + Send + Sync + 'static) -> Metrics
    where
        O: HandlerOutput<R::Handlers> + 'static,
    {
        self.work(Handlers::One(Handler::new(handler))).await
    }

    /// Works until [`WorkerHandle::shutdown`], with the handlers that [`WorkerBuilder::handle`] was given, and returns what
    /// was done. All else is as with [`Worker::run`].
    ///
    /// # Cancel safety
    ///
    /// As [`Worker::run`].
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the builder was given no handler.
    pub async fn run_handlers(mut self) -> Result<Metrics, Error> {
        let handlers = mem::take(&mut self.handlers);
        if handlers.is_empty() {
            return Err(ArgumentError::setting("handle", "no tube has a handler").into());
        }
        Ok(self.work(Handlers::ByTube(handlers)).await)
    }

    async fn work(self, handlers: Handlers<R>) -> Metrics {
        let handlers = Arc::new(handlers);
        let shared = self.shared;
        let _abort = Abort(&shared);
        let mut alarm = Alarm::default();
        poll_fn(|cx| {
            loop {
                match shared.next_step(cx.waker()) {
                    Step::Spawn(slots) => {
                        for slot_state in slots {
                            shared.runtime.spawn(slot::run(Arc::clone(&shared), slot_state, Arc::clone(&handlers)));
                        }
                    }
                    Step::Wait(until) => match until.map(|until| alarm.poll(&shared.runtime, until, cx)) {
                        Some(Poll::Ready(())) => {}
                        Some(Poll::Pending) | None => return Poll::Pending,
                    },
                    Step::End => return Poll::Ready(()),
                }
            }
        })
        .await;
        shared.metrics()
    }
}

/// Ends what is left when a worker is no longer run.
struct Abort<'a, R: Runtime>(&'a SharedState<R>);

impl<R: Runtime> Drop for Abort<'_, R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Stops a [`Worker`], counts what it does, and changes its servers while it runs. From any thread.
pub struct WorkerHandle<R: Runtime> {
    shared: Arc<SharedState<R>>,
}

impl<R: Runtime> Clone for WorkerHandle<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<R: Runtime> fmt::Debug for WorkerHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (servers, metrics) = (self.servers(), self.metrics());
        f.debug_struct("WorkerHandle").field("servers", &servers).field("metrics", &metrics).finish_non_exhaustive()
    }
}

impl<R: Runtime> WorkerHandle<R> {
    /// Has the worker stop: no further job is reserved, and handlers have until then to finish. What they have not finished
    /// is given back. It returns at once; [`Worker::run`] returns when all of it is over, at the deadline at the latest. Of
    /// several deadlines the earliest counts.
    pub fn shutdown(&self, within: Duration) {
        self.shared.shut_down(within);
    }

    /// Returns what all slots have done so far, those of removed servers too.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Adds a server, unless the worker is shutting down. One that is there gets the connections again that it has refused, if there are
    /// any, so that it has no more than [`concurrency_per_server`](WorkerBuilder::concurrency_per_server).
    ///
    /// What is still to be finished of a server that was removed does not count when it is added again.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address.
    pub fn add_server(&self, address: &str) -> Result<(), Error> {
        self.shared.add_server(address.parse()?);
        Ok(())
    }

    /// Removes a server, and returns whether it was there. Its slots stop as in a shutdown, the others go on.
    pub fn remove_server(&self, address: &str, within: Duration) -> bool {
        address.parse().is_ok_and(|address| self.shared.remove_server(&address, within))
    }

    /// Returns the servers there are: those that were added and not removed, and have not refused all connections.
    #[must_use]
    pub fn servers(&self) -> Vec<Endpoint> {
        self.shared.servers()
    }
}
