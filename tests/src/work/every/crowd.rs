//! Many who put at once, by any type of client, on every binding.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use beanstalk_driver::{
    self as tasks, ConnectOptions, ProducerConfig,
    policy::{Backoff, SessionConfig, SharedConfig},
};
use beanstalk_proto::{Body, Error, Put};

use super::{
    super::{Adapter, tally::Tally},
    binding::{Async, Blocking},
};

/// A type of client that puts.
#[derive(Clone, Copy, Debug)]
pub enum Putter {
    /// One, for all.
    SharedClient,
    /// One each.
    Session,
    /// One of a single server, for all.
    Producer,
}

/// How a client is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    pub backoff: Backoff,
    pub patience: Duration,
    pub options: ConnectOptions,
}

impl Settings {
    fn shared(&self) -> SharedConfig {
        SharedConfig::default().reconnect(self.backoff).patience(self.patience)
    }

    fn session(&self) -> SessionConfig {
        SessionConfig::default().reconnect(Some(self.backoff)).patience(Some(self.patience))
    }

    fn producer(&self) -> ProducerConfig {
        let (backoff, patience, connection) = (self.backoff, Some(self.patience), self.options.clone());
        ProducerConfig::default().backoff(backoff).patience(patience).connection(connection)
    }
}

/// How long each rests between two puts.
const REST: Duration = Duration::from_millis(5);

/// A binding, for many at once.
pub trait Crowd {
    /// How many put at once, where a test wants many: tasks, or threads.
    const MANY: usize;

    /// Has so many put one job after the other until the tally ends it.
    fn start(putter: Putter, address: &str, settings: &Settings, many: usize, tally: &Arc<Tally>) -> JoinHandle<()>;

    /// Puts jobs with these bodies by a producer, all at once.
    fn put_at_once(servers: &[String], config: ProducerConfig, bodies: Vec<String>) -> Vec<Result<(), Error>>;
}

macro_rules! clients {
    ($(<$runtime:ident>)? $name:ident { $shared:ty, $session:ty, $producer:ty } $async:tt $await:tt) => {
        enum $name $(<$runtime: Adapter>)? {
            SharedClient($shared),
            Session(Box<$session>),
            Producer($producer),
        }

        impl $(<$runtime: Adapter>)? $name $(<$runtime>)? {
            /// One for each of so many.
            fn make(putter: Putter, address: &str, settings: &Settings, many: usize) -> Vec<Self> {
                let options = || settings.options.clone();
                match putter {
                    Putter::SharedClient => {
                        let client = <$shared>::new(address, settings.shared(), options()).expect("a client");
                        (0..many).map(|_| Self::SharedClient(client.clone())).collect()
                    }
                    Putter::Session => {
                        let new = || <$session>::new(address, settings.session(), options()).expect("a session");
                        (0..many).map(|_| Self::Session(Box::new(new()))).collect()
                    }
                    Putter::Producer => {
                        let producer = <$producer>::with_config([address], settings.producer()).expect("a producer");
                        (0..many).map(|_| Self::Producer(producer.clone())).collect()
                    }
                }
            }

            clients!(@put $async $await);
        }
    };
    (@put [$($async:tt)?] [$($await:tt)*]) => {
        $($async)? fn put(&mut self, tube: &str, body: &str) -> Result<(), Error> {
            match self {
                Self::SharedClient(client) => client.call_in(tube, Put::of(body))$($await)*.map(drop),
                Self::Session(session) => {
                    if session.tubes().used() != tube {
                        session.use_tube(tube)$($await)*?;
                    }
                    session.put(0, 0, 60, body)$($await)*.map(drop)
                }
                Self::Producer(producer) => {
                    producer.use_tube(tube)?;
                    producer.put(0, 0, 60, body)$($await)*.map(drop)
                }
            }
        }
    };
}

clients!(<R> OfRuntime { tasks::SharedClient<R>, tasks::Session<R>, tasks::Producer<R> } [async] [.await]);
clients!(OfThreads { beanstalk_sync::SharedClient, beanstalk_sync::Session, beanstalk_sync::Producer } [] []);

impl<R: Adapter> Crowd for Async<R> {
    const MANY: usize = 200;

    fn start(putter: Putter, address: &str, settings: &Settings, many: usize, tally: &Arc<Tally>) -> JoinHandle<()> {
        let (address, settings, tally) = (address.to_string(), settings.clone(), Arc::clone(tally));
        thread::spawn(move || {
            R::block_on(async {
                let (ended, ends) = smol::channel::bounded(many);
                for (who, mut client) in (0..).zip(OfRuntime::<R>::make(putter, &address, &settings, many)) {
                    let (tally, ended) = (Arc::clone(&tally), ended.clone());
                    R::default().spawn(async move {
                        for n in 0.. {
                            let putting = tally.begin(who, n);
                            let result = client.put(&putting.tube, &putting.body).await;
                            if !tally.end(putting, result) {
                                break;
                            }
                            R::pause(REST).await;
                        }
                        drop(client);
                        ended.send(()).await.expect("somebody waits");
                    });
                }
                for _ in 0..many {
                    ends.recv().await.expect("each ends");
                }
            });
        })
    }

    fn put_at_once(servers: &[String], config: ProducerConfig, bodies: Vec<String>) -> Vec<Result<(), Error>> {
        R::block_on(async {
            let producer = tasks::Producer::<R>::with_config(servers, config).expect("a producer");
            let (ended, ends) = smol::channel::unbounded();
            for body in bodies {
                let (producer, ended) = (producer.clone(), ended.clone());
                R::default().spawn(async move {
                    let result = producer.put(0, 0, 60, Body::from(body)).await.map(drop);
                    ended.send(result).await.expect("somebody waits");
                });
            }
            drop(ended);
            let mut results = Vec::new();
            while let Ok(result) = ends.recv().await {
                results.push(result);
            }
            results
        })
    }
}

impl Crowd for Blocking {
    const MANY: usize = 32;

    fn start(putter: Putter, address: &str, settings: &Settings, many: usize, tally: &Arc<Tally>) -> JoinHandle<()> {
        let clients = OfThreads::make(putter, address, settings, many);
        let tally = Arc::clone(tally);
        thread::spawn(move || {
            thread::scope(|scope| {
                for (who, mut client) in (0..).zip(clients) {
                    let tally = &tally;
                    scope.spawn(move || {
                        for n in 0.. {
                            let putting = tally.begin(who, n);
                            let result = client.put(&putting.tube, &putting.body);
                            if !tally.end(putting, result) {
                                break;
                            }
                            thread::sleep(REST);
                        }
                    });
                }
            });
        })
    }

    fn put_at_once(servers: &[String], config: ProducerConfig, bodies: Vec<String>) -> Vec<Result<(), Error>> {
        let producer = beanstalk_sync::Producer::with_config(servers, config).expect("a producer");
        thread::scope(|scope| {
            let puts: Vec<_> = bodies
                .into_iter()
                .map(|body| {
                    let producer = producer.clone();
                    scope.spawn(move || producer.put(0, 0, 60, body).map(drop))
                })
                .collect();
            puts.into_iter().map(|put| put.join().expect("a put")).collect()
        })
    }
}
