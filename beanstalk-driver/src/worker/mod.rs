//! A worker: slots on all of its servers, what stops them, and what counts what they do.

use alloc::{boxed::Box, collections::BTreeMap, format, sync::Arc, vec::Vec};
use core::{fmt, future::poll_fn, marker::PhantomData, mem, task::Poll, time::Duration};

mod calls;
mod consumer;
mod hand;
mod handler;
mod handlers;
#[cfg(feature = "json")]
mod json;
mod slot;
mod slot_state;
mod state;

use crate::runtime::{Alarm, Runtime};
use crate::{
    connect::{ConnectOptions, Endpoint},
    policy::{Backoff, Metrics, RetryPolicy, Verdict, WorkerConfig, WorkerEvent},
};
use beanstalk_proto::{Argument, ArgumentError, Error, TubeArg, TubeName};
pub use consumer::{Consumer, ConsumerBuilder};
pub use hand::{Acker, ConsumerJob};
use handler::OnFailure;
pub use handler::{BoxError, Failure, HandlerError, HandlerPanicked, HandlerResult, HandlerTimedOut};
pub use handlers::{FromJob, HandlerOutput};
use handlers::{Handler, Handlers};
#[cfg(feature = "json")]
pub use json::Json;
pub use slot_state::{HeldJob, JobDetails};
use state::{Concurrency, OnEvent, SharedState, Step};

/// Takes jobs from one server or several and gives them to a handler, until it is shut down.
///
/// Each of its slots has a connection of its own and one job at a time. Slots of all servers wait at once, so an empty server
/// never keeps a full one waiting, and one that is dead costs nothing but its own jobs' delay: its slots go on trying to
/// connect. While a handler runs, its slot touches the job in time, and a handler that fails or panics leaves its job to the
/// [`RetryPolicy`].
///
/// If the connection breaks meanwhile, the server gives the job to somebody else: it is lost to this worker, unless
/// [`WorkerBuilder::reclaim`] has it taken back. What the handler comes to then changes nothing, and it is run to its end, so
/// handlers must bear that a job is done twice. [`HeldJob::is_lost`] shows it.
///
/// # What happens, seen from outside
///
/// [`WorkerBuilder::on_event`] is called with each [`WorkerEvent`]; [`WorkerHandle::metrics`] counts. Two features do the same for all
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
/// | `beanstalk_job_duration_seconds` | histogram, in seconds | `tube` | how long handlers ran, whatever they came to |
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
    /// A worker to be configured.
    pub fn builder() -> WorkerBuilder<R> {
        WorkerBuilder::default()
    }

    /// What stops it, counts what it does, and changes its servers while it runs.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle<R> {
        WorkerHandle { shared: Arc::clone(&self.shared) }
    }

    /// Works until [`WorkerHandle::shutdown`], and returns what was done. This handler gets the jobs of all tubes;
    /// [`Worker::run_handlers`] gives those of each tube to a handler of their own.
    ///
    /// The handler is given a job and returns one of the types in [`HandlerResult`]. An error or a panic is
    /// [`Verdict::Failed`]. Handlers run on the slots' tasks: what blocks a thread belongs elsewhere, or the job's time to run
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

/// Configures a [`Worker`], or the binding's own that is made of one. [`WorkerBuilder::build`] fails with what is wrong.
#[must_use]
pub struct WorkerBuilder<R: Runtime, W = Worker<R>> {
    servers: Vec<Endpoint>,
    concurrency: Option<usize>,
    concurrency_per_server: Option<usize>,
    worker: WorkerConfig,
    connection: ConnectOptions,
    on_event: Option<OnEvent>,
    on_failure: Option<OnFailure>,
    handlers: BTreeMap<TubeName, Handler<R>>,
    error: Option<Error>,
    made: PhantomData<fn() -> W>,
}

impl<R: Runtime, W> Default for WorkerBuilder<R, W> {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            concurrency: None,
            concurrency_per_server: None,
            worker: WorkerConfig::default(),
            connection: ConnectOptions::default(),
            on_event: None,
            on_failure: None,
            handlers: BTreeMap::new(),
            error: None,
            made: PhantomData,
        }
    }
}

impl<R: Runtime, W> fmt::Debug for WorkerBuilder<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, concurrency, concurrency_per_server, worker, .. } = self;
        f.debug_struct("WorkerBuilder")
            .field("servers", servers)
            .field("concurrency", concurrency)
            .field("concurrency_per_server", concurrency_per_server)
            .field("worker", worker)
            .finish_non_exhaustive()
    }
}

impl<R: Runtime, W: From<Worker<R>>> WorkerBuilder<R, W> {
    /// Adds a server: `host:port`, `[v6]:port` or `unix:/path`.
    pub fn server(mut self, address: &str) -> Self {
        match address.parse() {
            Ok(address) => self.servers.push(address),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Adds servers.
    pub fn servers(self, addresses: impl IntoIterator<Item: AsRef<str>>) -> Self {
        addresses.into_iter().fold(self, |builder, address| builder.server(address.as_ref()))
    }

    /// Adds a tube to take jobs from. Without one it is `default`.
    pub fn tube<'t>(mut self, tube: impl Argument<TubeArg<'t>>) -> Self {
        match tube.into_argument().to_name() {
            Ok(tube) => self.watch(tube),
            Err(error) => self.fail(error),
        }
        self
    }

    fn watch(&mut self, tube: TubeName) {
        if !self.worker.tubes.contains(&tube) {
            self.worker.tubes.push(tube);
        }
    }

    /// Gives the jobs of this tube to a handler of their own, to be run by [`Worker::run_handlers`]. The tube is watched, and no other may
    /// be that has no handler. Each handler may take and return something else: see [`FromJob`] and [`HandlerResult`].
    ///
    /// With handlers of several tubes, the server is asked for each job's tube before its handler begins, which takes one more
    /// round trip; [`HeldJob::details`] and a heartbeat then need none. With one handler nothing is asked.
    ///
    /// ```
    /// # use beanstalk_driver::{Futures, HeldJob, Runtime, WorkerBuilder, policy::Verdict};
    /// # fn example<R: Runtime<Handlers = Futures>>(builder: WorkerBuilder<R>) {
    /// async fn thumbnail(job: HeldJob) -> Result<(), std::io::Error> {
    ///     std::fs::write("thumbnail", &job.body)
    /// }
    ///
    /// builder.handle("thumbnails", thumbnail).handle("mail", async |job: HeldJob| match job.text() {
    ///     Ok(address) => Ok(println!("to {address}")),
    ///     Err(_) => Err("no address"),
    /// });
    /// # }
    /// ```
    pub fn handle<'t, A, O>(
        mut self,
        tube: impl Argument<TubeArg<'t>>,
        handler: impl Fn(A) -> O + Send + Sync + 'static,
    ) -> Self
    where
        A: FromJob,
        O: HandlerOutput<R::Handlers> + 'static,
    {
        match tube.into_argument().to_name() {
            Ok(tube) if self.handlers.contains_key(&tube) => {
                self.fail(ArgumentError::setting("handle", format!("the tube {tube} has a handler already")));
            }
            Ok(tube) => {
                self.watch(tube.clone());
                self.handlers.insert(tube, Handler::new(handler));
            }
            Err(error) => self.fail(error),
        }
        self
    }

    /// Adds tubes to take jobs from.
    pub fn tubes<'t>(self, tubes: impl IntoIterator<Item: Argument<TubeArg<'t>>>) -> Self {
        tubes.into_iter().fold(self, Self::tube)
    }

    /// Sets how many jobs are worked on at a time, of all servers together: no limit unless changed.
    ///
    /// Servers that have jobs take turns, and an empty one keeps nobody waiting. With several servers, one of them may have handed
    /// over a job that is beyond the limit: it is kept alive for a second, for a handler that ends meanwhile, and else given back by closing its
    /// connection.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = Some(jobs);
        self
    }

    /// Sets how many jobs of each server are worked on at a time, each with a connection of its own: unless changed, as many as
    /// [`concurrency`](Self::concurrency) allows, and 1 if that is not set either.
    pub fn concurrency_per_server(mut self, jobs: usize) -> Self {
        self.concurrency_per_server = Some(jobs);
        self
    }

    /// What becomes of jobs that fail.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.worker.retry = retry;
        self
    }

    /// Chooses what becomes of a job whose handler has failed: by its error, by how often it was tried, or by what else is in
    /// [`Failure`]. It is asked on the slot's task, before the [`RetryPolicy`], and should be quick.
    ///
    /// | verdict | the job is |
    /// |---|---|
    /// | [`Failed`](Verdict::Failed) | what [`WorkerBuilder::bury_malformed`] and the [`RetryPolicy`] make of it; a function that panics comes to this, too |
    /// | [`RetryAfter`](Verdict::RetryAfter) | released, which counts as a failure |
    /// | [`Bury`](Verdict::Bury) | moved to the tube for dead letters if there is one, else buried |
    /// | [`Done`](Verdict::Done) | deleted |
    ///
    /// ```
    /// # use beanstalk_driver::{WorkerBuilder, policy::Verdict};
    /// # fn example<R: beanstalk_driver::Runtime>(builder: WorkerBuilder<R>) {
    /// // What cannot be parsed will not be the next time either; a server that is down deserves a minute.
    /// builder.on_failure(|failure| match failure.error {
    ///     error if error.is::<std::str::Utf8Error>() => Verdict::Bury,
    ///     error if error.is::<std::io::Error>() => Verdict::retry_after(60),
    ///     _ => Verdict::Failed,
    /// });
    /// # }
    /// ```
    pub fn on_failure(mut self, on_failure: impl Fn(&Failure<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        self.worker.decides = true;
        self.on_failure = Some(Box::new(on_failure));
        self
    }

    /// Moves jobs that failed, and are not to be tried again, to this tube of their server, where they are ready, with the same
    /// priority and ttr. Without it they are buried. What a handler's own verdict buries is still buried.
    ///
    /// A job is put into this tube before it is deleted, so if its connection breaks in between there are two of it, and it is tried
    /// again. If the server has no memory for it, or is draining, it is buried.
    pub fn dead_letters<'t>(mut self, tube: impl Argument<TubeArg<'t>>) -> Self {
        match tube.into_argument().to_name() {
            Ok(tube) => self.worker.dead_letters = Some(tube),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Sets whether a job is set aside at once if its handler could not decode the body, as no further attempt will change that: it is moved
    /// to the tube for dead letters if there is one, else buried. It is unless this is `false`; then the job has failed like any other.
    ///
    /// A handler reports this by an error that is a [`MalformedJob`](beanstalk_proto::MalformedJob), or has one in its chain of sources:
    /// `Job::json` fails with it, and decoders of other formats can. [`WorkerBuilder::on_failure`] is asked first, if there is one.
    pub fn bury_malformed(mut self, bury: bool) -> Self {
        self.worker.bury_malformed = bury;
        self
    }

    /// How long a handler may run: as long as it takes unless changed. When it has run for so long, its job has failed with
    /// [`HandlerTimedOut`], which [`WorkerBuilder::on_failure`] and the [`RetryPolicy`] make of it what they make of any error.
    ///
    /// | a handler that is | | its slot |
    /// |---|---|---|
    /// | a future | is dropped | takes the next job |
    /// | a function that blocks | runs on: [`HeldJob::is_timed_out`] is true, and what it returns changes nothing | takes the next job once it has returned |
    /// | the owner of a job from a consumer | keeps it in vain: what would finish it fails with `NotHeld` | takes the next job |
    ///
    /// Its job is no longer touched, but released, buried or moved at once, so somebody else may get it while a function runs on.
    pub fn handler_timeout(mut self, after: Duration) -> Self {
        self.worker.handler_timeout = Some(after);
        self
    }

    /// How long to wait between attempts to connect.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.worker.backoff = backoff;
        self
    }

    /// How long one reserve waits, in seconds: 10 unless changed. A server that has vanished without a word is noticed after
    /// this and the reply timeout.
    pub fn reserve_slice(mut self, seconds: u32) -> Self {
        self.worker.reserve_slice = seconds;
        self
    }

    /// Whether a slot takes the job in hand back after its connection broke. Needs servers from 1.12 on.
    pub fn reclaim(mut self, reclaim: bool) -> Self {
        self.worker.reclaim = reclaim;
        self
    }

    /// How each connection is made.
    pub fn connection(mut self, options: impl Into<ConnectOptions>) -> Self {
        self.connection = options.into();
        self
    }

    /// Is called with what happens, on the slots' tasks. What happens to the connections of one server is reported in order, one
    /// event at a time.
    ///
    /// It should be quick, and hand over what takes longer: its slot does nothing meanwhile, no heartbeat either, and while it is
    /// called with an event of a connection, no other slot of the same server gets past an event of its own connection.
    pub fn on_event(mut self, on_event: impl Fn(&WorkerEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// The worker. It connects once it is run.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no address or no tube name, and for what no worker could work with: no servers, a
    /// concurrency of 0, a `reserve_slice` of 0, a `handler_timeout` of zero, a first delay that is longer than the longest, a tube without a handler beside
    /// one that [has its own](WorkerBuilder::handle), a tube with two handlers.
    pub fn build(mut self) -> Result<W, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let (total, per_server) = (self.concurrency, self.concurrency_per_server);
        self.worker.check(self.servers.len(), total, per_server)?;
        let most = total.unwrap_or(usize::MAX);
        let concurrency = Concurrency { total, per_server: per_server.or(total).unwrap_or(1).min(most) };
        let is_unhandled = |tube: &&TubeName| !self.handlers.is_empty() && !self.handlers.contains_key(*tube);
        if let Some(tube) = self.worker.tubes.iter().find(is_unhandled) {
            return Err(ArgumentError::setting("handle", format!("the tube {tube} has no handler")).into());
        }
        self.worker.learns_first = self.handlers.len() > 1;
        let shared = SharedState::new(self.connection, self.worker, concurrency, self.on_event, self.on_failure);
        self.servers.into_iter().for_each(|server| shared.add_server(server));
        Ok(Worker { shared: Arc::new(shared), handlers: self.handlers }.into())
    }

    fn fail(&mut self, error: impl Into<Error>) {
        self.error.get_or_insert(error.into());
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

    /// What all slots have done so far, those of removed servers too.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Adds a server, unless it is there or the worker is shutting down.
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

    /// The servers there are.
    #[must_use]
    pub fn servers(&self) -> Vec<Endpoint> {
        self.shared.servers()
    }
}
