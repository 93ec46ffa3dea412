//! Every type of client on every binding, behind one function.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use beanstalk_driver::{
    ConnectOptions,
    policy::{Event, SessionConfig, WorkerEvent},
};
use beanstalk_proto::Error;

use crate::{
    Peer,
    peer::{AsyncStd, Tokio},
};

/// A type of client on a binding.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub binding: &'static str,
    pub name: &'static str,
    work: fn(&str, ConnectOptions, Attempts) -> Result<(), Failure>,
}

/// How often a client tries that does so by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempts {
    /// As seldom as it can be told to.
    Few,
    /// For far longer than a test lasts.
    Many,
}

/// Why nothing was done.
#[derive(Debug)]
pub enum Failure {
    /// A call, or connecting, failed.
    Error(Error),
    /// A worker gave its only server up.
    Refused(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl Kind {
    /// Connects, and gets a job put or done.
    pub fn work(self, endpoint: &str, options: ConnectOptions) -> Result<(), Failure> {
        (self.work)(endpoint, options, Attempts::Few)
    }

    /// The same, with patience for outages.
    pub fn work_patiently(self, endpoint: &str, options: ConnectOptions) -> Result<(), Failure> {
        (self.work)(endpoint, options, Attempts::Many)
    }
}

/// All of them.
pub fn kinds() -> Vec<Kind> {
    let mut kinds = blocking();
    kinds.extend(asynchronous::tokio());
    kinds.extend(asynchronous::async_std());
    kinds
}

/// Without waiting for another connection, if what the first attempt does is what counts.
fn session_config(attempts: Attempts) -> SessionConfig {
    match attempts {
        Attempts::Few => SessionConfig::default().reconnect(None),
        Attempts::Many => SessionConfig::default().patience(Some(Duration::from_secs(600))),
    }
}

/// How long a producer waits for a server.
fn patience(attempts: Attempts) -> Option<Duration> {
    match attempts {
        Attempts::Few => Some(Duration::ZERO),
        Attempts::Many => Some(Duration::from_secs(600)),
    }
}

/// What a worker is refused with.
#[derive(Clone, Default)]
struct Refusals(Arc<Mutex<Option<String>>>);

impl Refusals {
    fn listener(&self) -> impl Fn(&WorkerEvent) + Send + Sync + 'static {
        let refused = Arc::clone(&self.0);
        move |event| {
            if let WorkerEvent::Connection { event: Event::Refused { reason }, .. } = event {
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_string());
            }
        }
    }

    /// What a worker came to that has done so many jobs of one.
    fn result(&self, done: u64) -> Result<(), Failure> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(reason) => Err(Failure::Refused(reason)),
            None => {
                assert_eq!(done, 1);
                Ok(())
            }
        }
    }
}

fn blocking() -> Vec<Kind> {
    use beanstalk_sync::{Client, HeldJob, Producer, ProducerConfig, Session, SharedClient, Verdict, Worker};

    let kind = |name, work| Kind { binding: "blocking", name, work };
    vec![
        kind("Client", |endpoint, options, _| {
            Ok(Client::connect_with(endpoint, options)?.put(0, 0, 60, "x").map(drop)?)
        }),
        kind("SharedClient", |endpoint, options, _| {
            Ok(SharedClient::connect_with(endpoint, options)?.put_in("default", 0, 0, 60, "x").map(drop)?)
        }),
        kind("Session", |endpoint, options, attempts| {
            Ok(Session::new(endpoint, session_config(attempts), options)?.put(0, 0, 60, "x").map(drop)?)
        }),
        kind("Producer", |endpoint, connection, attempts| {
            let config = ProducerConfig::default().connection(connection).patience(patience(attempts));
            Ok(Producer::with_config([endpoint], config)?.put(0, 0, 60, "x").map(drop)?)
        }),
        kind("Worker", |endpoint, options, _| {
            let refusals = Refusals::default();
            let builder = Worker::builder().server(endpoint).connection(options).on_event(refusals.listener());
            let worker = builder.build()?;
            let handle = worker.handle();
            let metrics = worker.run(move |_: HeldJob| {
                handle.shutdown(Duration::from_secs(1));
                Ok::<_, Error>(Verdict::Done)
            });
            refusals.result(metrics.done)
        }),
    ]
}

mod asynchronous {
    use super::*;

    macro_rules! asynchronous {
        ($binding:ident: $krate:ident, $peer:ty) => {
            pub(super) fn $binding() -> Vec<Kind> {
                use $krate::{Client, HeldJob, Producer, ProducerConfig, Session, SharedClient, Verdict, Worker};

                let kind = |name, work| Kind { binding: <$peer>::NAME, name, work };
                vec![
                    kind("Client", |endpoint, options, _| {
                        <$peer>::block_on(async {
                            Ok(Client::connect_with(endpoint, options).await?.put(0, 0, 60, "x").await.map(drop)?)
                        })
                    }),
                    kind("SharedClient", |endpoint, options, _| {
                        <$peer>::block_on(async {
                            let client = SharedClient::connect_with(endpoint, options).await?;
                            Ok(client.put_in("default", 0, 0, 60, "x").await.map(drop)?)
                        })
                    }),
                    kind("Session", |endpoint, options, attempts| {
                        <$peer>::block_on(async {
                            let mut session = Session::new(endpoint, session_config(attempts), options)?;
                            Ok(session.put(0, 0, 60, "x").await.map(drop)?)
                        })
                    }),
                    kind("Producer", |endpoint, connection, attempts| {
                        let patience = patience(attempts);
                        let config = ProducerConfig::default().connection(connection).patience(patience);
                        <$peer>::block_on(async {
                            Ok(Producer::with_config([endpoint], config)?.put(0, 0, 60, "x").await.map(drop)?)
                        })
                    }),
                    kind("Worker", |endpoint, options, _| {
                        <$peer>::block_on(async {
                            let refusals = Refusals::default();
                            let builder = Worker::builder().server(endpoint).connection(options);
                            let worker = builder.on_event(refusals.listener()).build()?;
                            let handle = worker.handle();
                            let work = move |_: HeldJob| {
                                handle.shutdown(Duration::from_secs(1));
                                async { Ok::<_, Error>(Verdict::Done) }
                            };
                            let metrics = worker.run(work).await;
                            refusals.result(metrics.done)
                        })
                    }),
                ]
            }
        };
    }

    asynchronous!(tokio: beanstalk_tokio, Tokio);
    asynchronous!(async_std: beanstalk_async_std, AsyncStd);
}
