//! Staying connected and getting work done: the core's workers, sessions and producers, on this runtime.

use beanstalk_driver as tasks;

use crate::AsyncStd;

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

/// Configures a [`Worker`]: `server`, `servers`, `tube`, `tubes`, `handle`, `concurrency`, `retry`, `backoff`, `reserve_slice`, `reclaim`,
/// `connection`, `on_event`, `on_failure`, `dead_letters`, `bury_malformed`, and `build`.
pub type WorkerBuilder = tasks::WorkerBuilder<AsyncStd>;

/// Stops a [`Worker`] (`shutdown`), counts what it does (`metrics`), and changes its servers while it runs (`add_server`,
/// `remove_server`, `servers`). From any thread.
pub type WorkerHandle = tasks::WorkerHandle<AsyncStd>;

/// A client that connects again when its connection breaks, uses and watches the same tubes as before, and repeats what is
/// safe to repeat. Every command of the protocol is a method, as on [`Client`](crate::Client).
///
/// ```no_run
/// use beanstalk_async_std::{Error, Session};
///
/// # async fn example() -> Result<(), Error> {
/// let mut session = Session::connect("localhost:11300").await?.on_event(|event| eprintln!("{event:?}"));
/// session.watch("emails").await?;
/// // From here on the server may be restarted at any time.
/// while let Some(next) = session.next_job(60).await? {
///     // If not, a job that is held besides is about to expire. Here that is one left without a verdict, which comes again.
///     let Some(job) = next.job() else { continue };
///     println!("{:?}", job.text());
///     job.delete().await?;
/// }
/// # Ok(())
/// # }
/// ```
pub type Session = tasks::Session<AsyncStd>;

/// A job that a [`Session`] holds: `touch`, `delete`, `release`, `bury` with the job's own priority, and `reclaim`.
pub type JobHandle<'s> = tasks::JobHandle<'s, AsyncStd>;

/// Puts jobs on several servers, in turns, or by a key, from many tasks: cheap to clone, one clone for each task, or one for all.
///
/// Each clone has a tube of its own; servers, their health and connections are shared. There is one connection to each server, on which the puts of
/// all tasks go out together. Dropping the future of a put abandons it: the job may have been put.
///
/// ```no_run
/// use beanstalk_async_std::{Error, Producer, SharedClient};
///
/// # async fn example() -> Result<(), Error> {
/// let mut producer = Producer::new(["queue-1:11300", "queue-2:11300"])?;
/// producer.use_tube("emails")?;
/// producer.put(100, 0, 60, "to: you").await?.1.inserted()?;
/// // All jobs of a customer go to the same server, as long as that is healthy.
/// let (placed, _) = producer.put_keyed("customer 7", 100, 0, 60, "to: seven").await?;
/// println!("job {} on server {}", placed.id, placed.server);
/// // A job is looked after where it is.
/// let client: SharedClient = producer.client(placed.server)?;
/// println!("{:?}", client.stats_job(placed.id).await?.state);
/// // For another task, and another tube.
/// let mut reports = producer.clone();
/// reports.use_tube("reports")?;
/// # Ok(())
/// # }
/// ```
///
/// | method | |
/// |---|---|
/// | [`put`](tasks::Producer::put), [`put_keyed`](tasks::Producer::put_keyed) | put a job by turns, or where its key belongs |
/// | [`send`](tasks::Producer::send), [`send_keyed`](tasks::Producer::send_keyed) | the same, until it is flushed, with the future of the reply |
/// | [`use_tube`](tasks::Producer::use_tube), [`timeout`](tasks::Producer::timeout) | the tube of this handle; a handle whose puts take no longer |
/// | [`add_server`](tasks::Producer::add_server), [`remove_server`](tasks::Producer::remove_server), [`servers`](tasks::Producer::servers), [`is_healthy`](tasks::Producer::is_healthy), [`failure`](tasks::Producer::failure) | the servers, which all handles share |
/// | [`client`](tasks::Producer::client) | the [`SharedClient`](crate::SharedClient) of a server |
pub type Producer = tasks::Producer<AsyncStd>;
