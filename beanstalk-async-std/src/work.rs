//! Staying connected and getting work done: the core's workers, sessions and producers, on this runtime.

use beanstalk_driver as tasks;
use beanstalk_proto::Error;

use crate::{AsyncStd, SharedClient};

/// Takes jobs from one server or several and gives them to a handler, until it is told to stop.
///
/// Each of its slots has a connection of its own and one job at a time. Slots of all servers wait at once, so an empty server
/// never keeps a full one waiting, and one that is dead costs nothing but its own jobs' delay. While a handler runs, its slot
/// touches the job in time; a handler that fails or panics leaves its job to the [`RetryPolicy`](crate::RetryPolicy). A
/// server that is restarted is connected to again.
///
/// ```no_run
/// use std::time::Duration;
///
/// use beanstalk_async_std::{Error, HeldJob, Verdict, Worker};
///
/// async fn send(job: HeldJob) -> Result<Verdict, std::str::Utf8Error> {
///     let address = std::str::from_utf8(&job.body)?;
///     println!("sending to {address}");
///     Ok(Verdict::Done)
/// }
///
/// # async fn example() -> Result<(), Error> {
/// let worker = Worker::builder().server("localhost:11300").tube("emails").concurrency(4).build()?;
/// let handle = worker.handle();
/// // Somewhere else, when it is time: handle.shutdown(Duration::from_secs(10));
/// let metrics = worker.run(send).await;
/// println!("{} done, {} to be done again", metrics.done, metrics.retried);
/// # Ok(())
/// # }
/// ```
///
/// Handlers run on the slots' tasks. What blocks a thread belongs in `spawn_blocking`, or the heartbeat has no chance.
///
/// | method | |
/// |---|---|
/// | [`builder`](tasks::Worker::builder) | what to work on and how: see [`WorkerBuilder`] |
/// | [`handle`](tasks::Worker::handle) | what stops it, and counts: see [`WorkerHandle`] |
/// | [`run`](tasks::Worker::run) | works until it is shut down, and gives the metrics |
/// | [`run_handlers`](tasks::Worker::run_handlers) | does so with a handler for each tube |
pub type Worker = tasks::Worker<AsyncStd>;

/// Configures a [`Worker`]: `server`, `servers`, `tube`, `tubes`, `handle`, `handler_timeout`, `concurrency`, `retry`, `backoff`, `reserve_slice`, `reclaim`,
/// `connection`, `on_event`, `on_failure`, `dead_letters`, `bury_malformed`, and `build`.
pub type WorkerBuilder = tasks::WorkerBuilder<AsyncStd>;

/// Stops a [`Worker`] (`shutdown`), counts what it does (`metrics`), and changes its servers while it runs (`add_server`,
/// `remove_server`, `servers`). From any thread.
pub type WorkerHandle = tasks::WorkerHandle<AsyncStd>;

beanstalk_driver::session! { (async) on AsyncStd; }

beanstalk_driver::producer! {
    (async) on AsyncStd;
    ///
    /// Dropping the future of a put abandons it: the job may have been put.
}
