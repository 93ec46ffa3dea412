//! What a worker, or a consumer, is made of.

use alloc::{collections::BTreeMap, format, sync::Arc, vec::Vec};
use core::{fmt, marker::PhantomData, time::Duration};

use super::{
    Failure, Worker,
    handler::OnFailure,
    handlers::{FromJob, Handler, HandlerOutput},
    state::{Concurrency, OnEvent, SharedState},
};
use crate::{
    connect::{ConnectOptions, Endpoint},
    policy::{Backoff, RetryPolicy, Verdict, WorkerConfig, WorkerEvent},
    runtime::Runtime,
};
use beanstalk_proto::{Argument, ArgumentError, Error, TubeArg, TubeName};

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
    /// be that has no handler. Each handler may take and return something else: see [`FromJob`] and [`HandlerResult`](super::HandlerResult).
    ///
    /// With handlers of several tubes, the server is asked for each job's tube before its handler begins, which takes one more
    /// round trip; [`HeldJob::details`](super::HeldJob::details) and a heartbeat then need none. With one handler nothing is asked.
    ///
    /// ```
    /// # use beanstalk_driver::{Futures, HeldJob, Runtime, WorkerBuilder, policy::Verdict};
    /// # fn example<R: Runtime<Handlers = Futures>>(builder: WorkerBuilder<R>) {
    /// async fn thumbnail(job: HeldJob) -> Result<(), std::io::Error> {
    ///     std::fs::write("thumbnail", &job.body)
    /// }
    ///
    /// let mail = async |job: HeldJob| match job.text() {
    ///     Ok(address) => Ok(println!("to {address}")),
    ///     Err(_) => Err("no address"),
    /// };
    /// builder.handle("thumbnails", thumbnail).handle("mail", mail);
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
    /// Servers that have jobs take turns, and an empty one does not hold the others up. With several servers, one of them may have handed
    /// over a job that is beyond the limit: it waits for a handler to end until nothing more has been wanted for a second, and is then given back
    /// by closing its connection.
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

    /// Sets what becomes of jobs that fail.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.worker.retry = retry;
        self
    }

    /// Chooses what becomes of a job whose handler has failed: by its error, by how often it was tried, or by what else is in
    /// [`Failure`]. It is asked on the slot's task, before the [`RetryPolicy`], and should be quick.
    ///
    /// | verdict | the job is |
    /// |---|---|
    /// | [`Failed`](Verdict::Failed) | what [`WorkerBuilder::bury_malformed`] and the [`RetryPolicy`] make of it; the same if the function panics |
    /// | [`RetryAfter`](Verdict::RetryAfter) | released, which counts as a failure |
    /// | [`Bury`](Verdict::Bury) | moved to the tube for dead letters if there is one, else buried |
    /// | [`Done`](Verdict::Done) | deleted |
    ///
    /// ```
    /// # use beanstalk_driver::{WorkerBuilder, policy::Verdict};
    /// # fn example<R: beanstalk_driver::Runtime>(builder: WorkerBuilder<R>) {
    /// // What is not text will not be the next time either. A server that is down gets a minute.
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
    /// It cannot be a tube that jobs are taken from. A job is put into this tube before it is deleted, so if its connection breaks in between there are two of it, and it is tried
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

    /// Sets how long a handler may run: as long as it takes unless changed. When it has run for so long, its job has failed with
    /// [`HandlerTimedOut`](super::HandlerTimedOut), which [`WorkerBuilder::on_failure`] and the [`RetryPolicy`] make of it what they make of any error.
    ///
    /// | a handler that is | | its slot |
    /// |---|---|---|
    /// | a future | is dropped | takes the next job |
    /// | a function that blocks | runs on: [`HeldJob::is_timed_out`](super::HeldJob::is_timed_out) is true, and what it returns changes nothing | takes the next job once it has returned |
    /// | the owner of a job from a consumer | keeps it in vain: what would finish it fails with `NotHeld` | takes the next job |
    ///
    /// Its job is no longer touched, but released, buried or moved at once, so another worker may get it while a function runs on.
    pub fn handler_timeout(mut self, after: Duration) -> Self {
        self.worker.handler_timeout = Some(after);
        self
    }

    /// Sets how long to wait between attempts to connect.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.worker.backoff = backoff;
        self
    }

    /// Sets how long one reserve waits, in seconds: 10 unless changed. A server that has vanished without a word is noticed after
    /// this and the reply timeout.
    pub fn reserve_slice(mut self, seconds: u32) -> Self {
        self.worker.reserve_slice = seconds;
        self
    }

    /// Sets whether a slot takes the job in hand back after its connection broke. Needs servers from 1.12 on.
    pub fn reclaim(mut self, reclaim: bool) -> Self {
        self.worker.reclaim = reclaim;
        self
    }

    /// Sets how each connection is made.
    pub fn connection(mut self, options: impl Into<ConnectOptions>) -> Self {
        self.connection = options.into();
        self
    }

    /// Calls this with what happens, on the slots' tasks. What happens to the connections of one server is reported in order, one
    /// event at a time.
    ///
    /// It should be quick, and hand over what takes longer: its slot does nothing meanwhile, no heartbeat either, and while it is
    /// called with an event of a connection, no other slot of the same server gets past an event of its own connection.
    pub fn on_event(mut self, on_event: impl Fn(&WorkerEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Box::new(on_event));
        self
    }

    /// Returns the worker. It connects once it is run.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no address or no tube name, and for what no worker could work with: no servers, a
    /// concurrency of 0 or over 65,535, a `reserve_slice` of 0, a `handler_timeout` of zero, dead letters in a tube that jobs are taken from, a first delay that is longer than the longest, a tube without a handler beside
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
