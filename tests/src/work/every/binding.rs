//! The bindings, each behind the same blocking interface.

use std::{
    any::Any,
    future::ready,
    marker::PhantomData,
    panic,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use beanstalk_driver::{
    self as tasks, ConnectOptions, HandlerResult, HeldJob, NextJob, ProducerConfig,
    policy::{Backoff, Metrics, Placed, RetryPolicy, SessionConfig, Verdict, WorkerEvent},
};
use beanstalk_proto::{Command, Error, Job, Reply, client::Config};
use smol::channel::{Receiver, RecvError};

use super::{
    super::Adapter,
    connections::Reports,
    crowd::Crowd,
    evil::Evil,
    flushes::Flushes,
    session_uses::SessionUses,
    tubes::{Mail, Seen, archive, plain, send},
};

/// How a handler ends.
#[derive(Debug)]
pub enum Ending {
    Verdict(Verdict),
    Error(Evil),
    Panic(Box<dyn Any + Send>),
}

impl Ending {
    fn come(self) -> Result<Verdict, Evil> {
        match self {
            Self::Verdict(verdict) => Ok(verdict),
            Self::Error(error) => Err(error),
            Self::Panic(payload) => panic::resume_unwind(payload),
        }
    }
}

/// What a handler does with a job: waits for this, if there is something, and ends so.
pub struct Deed {
    pub gate: Option<Receiver<()>>,
    pub ending: Ending,
}

impl From<Ending> for Deed {
    fn from(ending: Ending) -> Self {
        Self { gate: None, ending }
    }
}

/// A worker to be run.
pub struct Setup {
    pub servers: Vec<String>,
    /// Of each server.
    pub concurrency: usize,
    /// Of all servers together.
    pub limit: Option<usize>,
    pub retry: RetryPolicy,
    pub handler_timeout: Option<Duration>,
    pub reclaim: bool,
    pub bury_malformed: bool,
    pub dead_letters: Option<&'static str>,
    pub backoff: Backoff,
    pub config: Config,
    pub on_event: Box<dyn Fn(&WorkerEvent) + Send + Sync>,
    pub handler: Box<dyn Fn(&Job) -> Deed + Send + Sync>,
}

impl Setup {
    /// A worker of tube `t` with one slot that does all its jobs.
    pub fn new(server: &str) -> Self {
        Self {
            servers: vec![server.to_string()],
            concurrency: 1,
            limit: None,
            retry: RetryPolicy::default(),
            handler_timeout: None,
            reclaim: false,
            bury_malformed: true,
            dead_letters: None,
            backoff: Backoff { first: Duration::from_millis(5), max: Duration::from_millis(50) },
            config: Config::default(),
            on_event: Box::new(|_| {}),
            handler: Box::new(|_| Ending::Verdict(Verdict::Done).into()),
        }
    }
}

/// Controls a worker that runs.
pub trait Handle: Send {
    fn shutdown(&self, within: Duration);
    fn metrics(&self) -> Metrics;
    fn add_server(&self, endpoint: &str) -> Result<(), Error>;
    fn servers(&self) -> Vec<String>;
}

/// A worker that runs, in a thread of its own.
pub struct Running {
    pub handle: Box<dyn Handle>,
    /// What `run` returns: its runtime may end later.
    returned: mpsc::Receiver<Metrics>,
}

impl Running {
    /// Shuts it down; gives what `run` came to.
    pub fn stop(self, within: Duration) -> Metrics {
        self.handle.shutdown(within);
        self.returned.recv().expect("the worker returns")
    }
}

/// What a job's handle is used for after [`Binding::with_job`] had it wait.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// Lets the session find its connection gone, and takes the job back.
    Reclaim,
    /// Deletes it.
    Delete,
    /// Buries it with the priority that it has.
    Bury,
}

/// Puts jobs on several servers: gives the result of one put after the other until the function has enough.
pub(super) type Puts<'f> = &'f mut dyn FnMut(Duration, Result<Placed, Error>) -> bool;

/// What is done in a session, one command after the other: gives the next, from what the one before came to.
pub(super) type Script<'f> = &'f mut dyn FnMut(Option<Result<Reply, Error>>) -> Option<Command>;

/// A binding under test.
pub trait Binding: SessionUses + Flushes + Crowd + Reports + 'static {
    /// How tests call it.
    const NAME: &'static str;

    /// Whether a handler that is given up runs on until it returns.
    const BLOCKS: bool;

    /// Runs a worker.
    fn work(setup: Setup) -> Running {
        Self::work_with(setup, |_, ending| ending.come())
    }

    /// Runs a worker whose handler returns this, given its job and how it is to end.
    fn work_with<O: HandlerResult + Send + 'static>(
        setup: Setup,
        end: impl Fn(&Job, Ending) -> O + Send + Sync + 'static,
    ) -> Running;

    /// Runs a worker with handlers for these tubes, which are among `t`, `mail` and `archive`.
    fn work_by_tube(setup: Setup, tubes: &[&str], seen: Seen) -> Running;

    /// Fails to make a worker without a handler, one with a tube that has none, and one with a tube that has two.
    fn refused_handlers(address: &str) -> [Error; 3];

    /// Reserves a job of tube `t` in a session, waits until `meanwhile` is over, and uses its handle.
    fn with_job(address: &str, meanwhile: &mut dyn FnMut(), then: Use) -> Result<(), Error>;

    /// Puts jobs until `told` has enough. It receives how long each put took and what it came to.
    fn put(addresses: &[String], config: ProducerConfig, told: Puts<'_>);

    /// Sends commands in a session.
    fn session(address: &str, session: SessionConfig, options: impl Into<ConnectOptions>, script: Script<'_>);

    /// Sends commands by a shared client.
    fn shared(address: &str, script: Script<'_>);
}

/// An asynchronous one.
pub struct Async<R>(PhantomData<R>);

impl Handle for beanstalk_sync::WorkerHandle {
    fn shutdown(&self, within: Duration) {
        beanstalk_sync::WorkerHandle::shutdown(self, within);
    }

    fn metrics(&self) -> Metrics {
        beanstalk_sync::WorkerHandle::metrics(self)
    }

    fn add_server(&self, endpoint: &str) -> Result<(), Error> {
        beanstalk_sync::WorkerHandle::add_server(self, endpoint)
    }

    fn servers(&self) -> Vec<String> {
        beanstalk_sync::WorkerHandle::servers(self).iter().map(ToString::to_string).collect()
    }
}

impl<R: tasks::Runtime> Handle for tasks::WorkerHandle<R> {
    fn shutdown(&self, within: Duration) {
        tasks::WorkerHandle::shutdown(self, within);
    }

    fn metrics(&self) -> Metrics {
        tasks::WorkerHandle::metrics(self)
    }

    fn add_server(&self, endpoint: &str) -> Result<(), Error> {
        tasks::WorkerHandle::add_server(self, endpoint)
    }

    fn servers(&self) -> Vec<String> {
        tasks::WorkerHandle::servers(self).iter().map(ToString::to_string).collect()
    }
}

impl<R: Adapter> Binding for Async<R> {
    const NAME: &'static str = R::NAME;
    const BLOCKS: bool = false;

    fn work_with<O: HandlerResult + Send + 'static>(
        setup: Setup,
        end: impl Fn(&Job, Ending) -> O + Send + Sync + 'static,
    ) -> Running {
        let ((given, gives), (returns, returned)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            R::block_on(async {
                let builder = tasks::Worker::<R>::builder();
                let builder = setup.limit.into_iter().fold(builder, tasks::WorkerBuilder::concurrency);
                let builder = setup.handler_timeout.into_iter().fold(builder, tasks::WorkerBuilder::handler_timeout);
                let builder = setup.dead_letters.into_iter().fold(builder, tasks::WorkerBuilder::dead_letters);
                let worker = builder
                    .servers(&setup.servers)
                    .tube("t")
                    .concurrency_per_server(setup.concurrency)
                    .retry(setup.retry)
                    .reclaim(setup.reclaim)
                    .bury_malformed(setup.bury_malformed)
                    .backoff(setup.backoff)
                    .connection(setup.config)
                    .on_event(setup.on_event)
                    .build()
                    .expect("a worker");
                given.send(worker.handle()).expect("somebody waits");
                let handler = Arc::new((setup.handler, end));
                let work = worker.run(move |job: HeldJob| {
                    let handler = Arc::clone(&handler);
                    async move {
                        let (handler, end) = &*handler;
                        let Deed { gate, ending } = handler(&job);
                        if let Some(gate) = gate {
                            let _: Result<(), RecvError> = gate.recv().await;
                        }
                        end(&job, ending)
                    }
                });
                returns.send(work.await)
            })
        });
        Running { handle: Box::new(gives.recv().expect("a worker")), returned }
    }

    fn work_by_tube(setup: Setup, tubes: &[&str], seen: Seen) -> Running {
        let builder = tasks::Worker::<R>::builder().servers(&setup.servers).retry(setup.retry).on_event(setup.on_event);
        let worker = tubes.iter().fold(builder, |builder, tube| {
            let seen = seen.clone();
            match *tube {
                "t" => builder.handle(*tube, move |job: HeldJob| {
                    let seen = seen.clone();
                    async move { plain(&seen, job.text().unwrap(), job.tube().await.unwrap().as_str()) }
                }),
                "mail" => builder.handle(*tube, move |tasks::Json(mail): tasks::Json<Mail>| {
                    send(&seen, &mail);
                    ready(())
                }),
                _ => builder.handle(*tube, move |(tasks::Json(mail), job): (tasks::Json<Mail>, HeldJob)| {
                    ready(archive(&seen, &mail, job.id))
                }),
            }
        });
        let worker = worker.build().expect("a worker");
        let (handle, (returns, returned)) = (Box::new(worker.handle()), mpsc::channel());
        thread::spawn(move || {
            let metrics = R::block_on(async { worker.run_handlers().await });
            returns.send(metrics.expect("it has handlers"))
        });
        Running { handle, returned }
    }

    fn refused_handlers(address: &str) -> [Error; 3] {
        let builder = || tasks::Worker::<R>::builder().server(address);
        let handle = |_: HeldJob| ready(());
        let none = R::block_on(async { builder().tube("t").build().expect("a worker").run_handlers().await });
        let other = builder().handle("t", handle).tube("other").build();
        let two = builder().handle("t", handle).handle("t", handle).build();
        [none.expect_err("none"), other.map(drop).expect_err("another tube"), two.map(drop).expect_err("two")]
    }

    fn with_job(address: &str, meanwhile: &mut dyn FnMut(), then: Use) -> Result<(), Error> {
        R::block_on(async {
            let mut session = tasks::Session::<R>::connect(address).await?;
            session.watch("t").await?;
            let mut job = session.next_job(10).await?.and_then(NextJob::job).expect("a job");
            meanwhile();
            match then {
                Use::Reclaim => {
                    job.session().list_tubes().await?;
                    job.reclaim().await
                }
                Use::Delete => job.delete().await,
                Use::Bury => job.bury().await,
            }
        })
    }

    fn put(addresses: &[String], config: ProducerConfig, told: Puts<'_>) {
        R::block_on(async {
            let producer = tasks::Producer::<R>::with_config(addresses, config).expect("a producer");
            loop {
                let start = std::time::Instant::now();
                let result = producer.put(1, 0, 60, "x").await;
                if !told(start.elapsed(), result.map(|(placed, _)| placed)) {
                    return;
                }
                R::pause(Duration::from_millis(10)).await;
            }
        });
    }

    fn session(address: &str, session: SessionConfig, options: impl Into<ConnectOptions>, script: Script<'_>) {
        R::block_on(async {
            let mut session = tasks::Session::<R>::new(address, session, options).expect("a session");
            let mut result = None;
            while let Some(command) = script(result.take()) {
                result = Some(session.call(command).await);
            }
        });
    }

    fn shared(address: &str, script: Script<'_>) {
        R::block_on(async {
            let shared = tasks::SharedClient::<R>::connect(address, Config::default()).await.expect("a connection");
            let mut result = None;
            while let Some(command) = script(result.take()) {
                result = Some(shared.call(command).await);
            }
        });
    }
}

/// The one that blocks.
pub struct Blocking;

impl Binding for Blocking {
    const NAME: &'static str = "sync";
    const BLOCKS: bool = true;

    fn work_with<O: HandlerResult + Send + 'static>(
        setup: Setup,
        end: impl Fn(&Job, Ending) -> O + Send + Sync + 'static,
    ) -> Running {
        let builder = beanstalk_sync::Worker::builder();
        let builder = setup.limit.into_iter().fold(builder, beanstalk_sync::WorkerBuilder::concurrency);
        let builder = setup.handler_timeout.into_iter().fold(builder, beanstalk_sync::WorkerBuilder::handler_timeout);
        let builder = setup.dead_letters.into_iter().fold(builder, beanstalk_sync::WorkerBuilder::dead_letters);
        let worker = builder
            .servers(&setup.servers)
            .tube("t")
            .concurrency_per_server(setup.concurrency)
            .retry(setup.retry)
            .reclaim(setup.reclaim)
            .bury_malformed(setup.bury_malformed)
            .backoff(setup.backoff)
            .connection(setup.config)
            .on_event(setup.on_event)
            .build()
            .expect("a worker");
        let handle = Box::new(worker.handle());
        let handler = setup.handler;
        let (returns, returned) = mpsc::channel();
        thread::spawn(move || {
            let metrics = worker.run(move |job| {
                let Deed { gate, ending } = handler(&job);
                if let Some(gate) = gate {
                    let _: Result<(), RecvError> = gate.recv_blocking();
                }
                end(&job, ending)
            });
            returns.send(metrics)
        });
        Running { handle, returned }
    }

    fn work_by_tube(setup: Setup, tubes: &[&str], seen: Seen) -> Running {
        use beanstalk_sync::{HeldJob, Json};
        let builder = beanstalk_sync::Worker::builder().servers(&setup.servers);
        let builder = builder.retry(setup.retry).on_event(setup.on_event);
        let worker = tubes.iter().fold(builder, |builder, tube| {
            let seen = seen.clone();
            match *tube {
                "t" => builder
                    .handle(*tube, move |job: HeldJob| plain(&seen, job.text().unwrap(), job.tube().unwrap().as_str())),
                "mail" => builder.handle(*tube, move |Json(mail): Json<Mail>| send(&seen, &mail)),
                _ => {
                    builder.handle(*tube, move |(Json(mail), job): (Json<Mail>, HeldJob)| archive(&seen, &mail, job.id))
                }
            }
        });
        let worker = worker.build().expect("a worker");
        let (handle, (returns, returned)) = (Box::new(worker.handle()), mpsc::channel());
        thread::spawn(move || returns.send(worker.run_handlers().expect("it has handlers")));
        Running { handle, returned }
    }

    fn refused_handlers(address: &str) -> [Error; 3] {
        let builder = || beanstalk_sync::Worker::builder().server(address);
        let handle = |_: beanstalk_sync::HeldJob| ();
        let none = builder().tube("t").build().expect("a worker").run_handlers();
        let other = builder().handle("t", handle).tube("other").build();
        let two = builder().handle("t", handle).handle("t", handle).build();
        [none.expect_err("none"), other.map(drop).expect_err("another tube"), two.map(drop).expect_err("two")]
    }

    fn with_job(address: &str, meanwhile: &mut dyn FnMut(), then: Use) -> Result<(), Error> {
        let mut session = beanstalk_sync::Session::connect(address)?;
        session.watch("t")?;
        let mut job = session.next_job(10_u32)?.and_then(NextJob::job).expect("a job");
        meanwhile();
        match then {
            Use::Reclaim => {
                job.session().list_tubes()?;
                job.reclaim()
            }
            Use::Delete => job.delete(),
            Use::Bury => job.bury(),
        }
    }

    fn put(addresses: &[String], config: ProducerConfig, told: Puts<'_>) {
        let producer = beanstalk_sync::Producer::with_config(addresses, config).expect("a producer");
        loop {
            let start = std::time::Instant::now();
            let result = producer.put(1, 0, 60, "x");
            if !told(start.elapsed(), result.map(|(placed, _)| placed)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn session(address: &str, session: SessionConfig, options: impl Into<ConnectOptions>, script: Script<'_>) {
        let mut session = beanstalk_sync::Session::new(address, session, options).expect("a session");
        let mut result = None;
        while let Some(command) = script(result.take()) {
            result = Some(session.call(command));
        }
    }

    fn shared(address: &str, script: Script<'_>) {
        let shared = beanstalk_sync::SharedClient::connect(address).expect("a connection");
        let mut result = None;
        while let Some(command) = script(result.take()) {
            result = Some(shared.call(command));
        }
    }
}
