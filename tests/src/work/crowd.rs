//! Many tasks with one producer over three servers, of which one dies under them and comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use beanstalk_driver::{ConnectOptions, Producer, ProducerConfig, Runtime, policy::Backoff};
use beanstalk_proto::{Error, JobId, Lost, Reserved, client::Config};

use crate::{daemon::Daemon, torn};

const TASKS: usize = 100;
const TUBES: usize = 5;
/// How many puts there are before each thing that happens.
const LOAD: usize = 300;
/// Patience and reply timeout.
const WAIT: Duration = Duration::from_secs(2);
/// Both of them, on a machine that is ten times slower.
const LONG: Duration = Duration::from_secs(40);
/// If each put that a break concerns were one failure, the server would not be looked at again for ten minutes.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(600) };

/// A job that was acknowledged.
struct Acknowledged {
    server: usize,
    id: JobId,
    /// Whether it was put after all servers were there again.
    is_late: bool,
}

#[derive(Default)]
struct Tally {
    is_back: AtomicBool,
    is_over: AtomicBool,
    ended: AtomicUsize,
    acknowledged: Mutex<BTreeMap<String, Acknowledged>>,
    unknown: Mutex<BTreeSet<String>>,
    wrong: Mutex<Vec<String>>,
}

impl Tally {
    async fn put<R: Runtime>(&self, producer: &Producer<R>, body: String) {
        let (start, is_late) = (Instant::now(), self.is_back.load(SeqCst));
        let result = producer.put(0, 0, 600, body.clone()).await;
        if start.elapsed() > LONG {
            self.wrong.lock().unwrap().push(format!("{body} took {:?}", start.elapsed()));
        }
        match result {
            Ok((placed, _)) => {
                let server = producer.servers().position(|(id, _)| id == placed.server).unwrap();
                let job = Acknowledged { server, id: placed.id, is_late };
                self.acknowledged.lock().unwrap().insert(body, job);
            }
            Err(error) if error.lost() == Some(Lost::Unknown) => drop(self.unknown.lock().unwrap().insert(body)),
            Err(error) => self.wrong.lock().unwrap().push(format!("{body}: {error}")),
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn count_late(&self, server: usize) -> usize {
        self.acknowledged.lock().unwrap().values().filter(|job| job.is_late && job.server == server).count()
    }
}

async fn pause<R: Runtime>(runtime: &R, millis: u64) {
    runtime.sleep(runtime.now() + Duration::from_millis(millis)).await;
}

async fn until<R: Runtime>(runtime: &R, what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < limit, "it does not come about: {what}");
        pause(runtime, 2).await;
    }
}

/// Lets tasks put on servers, which keep their jobs through a restart if they are durable.
pub async fn run<R: Runtime>(mut servers: [Daemon; 3], is_durable: bool) {
    let connection = Config { reply_timeout: Some(WAIT), ..Config::default() };
    let config =
        ProducerConfig::default().backoff(BACKOFF).patience(Some(WAIT)).connection(ConnectOptions::from(connection));
    let producer = Producer::<R>::with_config(servers.iter().map(Daemon::address), config).unwrap();
    let (tally, runtime) = (Arc::new(Tally::default()), R::default());
    for task in 0..TASKS {
        let (mut producer, tally) = (producer.clone(), Arc::clone(&tally));
        runtime.spawn(async move {
            let (tube, runtime) = (format!("tube-{}", task % TUBES), R::default());
            producer.use_tube(&*tube).unwrap();
            for n in 0.. {
                if tally.is_over.load(SeqCst) {
                    break;
                }
                tally.put(&producer, format!("{tube} {task} {n}")).await;
                pause(&runtime, 2).await;
            }
            tally.ended.fetch_add(1, SeqCst);
        });
    }
    let dying = producer.servers().nth(1).unwrap().0;
    until(&runtime, "puts on all servers", || tally.count() > LOAD).await;
    servers[1].kill();
    until(&runtime, "the dead server is noticed", || !producer.is_healthy(dying)).await;
    let before = tally.count();
    until(&runtime, "the others take its jobs", || tally.count() > before + LOAD).await;
    assert!(!producer.is_healthy(dying));
    servers[1].restart();
    tally.is_back.store(true, SeqCst);
    until(&runtime, "the server that is back is found", || producer.is_healthy(dying)).await;
    until(&runtime, "it takes jobs", || tally.count_late(1) > LOAD / 10).await;
    tally.is_over.store(true, SeqCst);
    until(&runtime, "all tasks end", || tally.ended.load(SeqCst) == TASKS).await;
    account(&tally, &servers, is_durable);
}

/// Every job that was acknowledged is there, once, where it was placed; those whose fate is unknown are there once at most, and there is no other.
fn account(tally: &Tally, servers: &[Daemon], is_durable: bool) {
    assert_eq!(*tally.wrong.lock().unwrap(), Vec::<String>::new());
    let (acknowledged, unknown) = (tally.acknowledged.lock().unwrap(), tally.unknown.lock().unwrap());
    let mut found = BTreeSet::new();
    for (number, server) in servers.iter().enumerate() {
        // The one that was killed was writing one job to its binlog at most.
        let torn = usize::from(number == 1 && is_durable);
        for (tube, body, id) in jobs(&server.address(), torn).unwrap() {
            assert!(body.starts_with(&format!("{tube} ")), "{body} is in {tube}");
            match acknowledged.get(&body) {
                Some(job) => assert_eq!((job.server, job.id), (number, id), "{body}"),
                None => assert!(unknown.contains(&body), "{body} was put by nobody"),
            }
            assert!(found.insert(body.clone()), "{body} is there twice");
        }
    }
    for (body, job) in &*acknowledged {
        let is_forgotten = job.server == 1 && !is_durable && !job.is_late;
        assert!(is_forgotten || found.contains(body), "{body} was acknowledged by server {} and is gone", job.server);
    }
}

/// Every job of a server: its tube, its body and its id. So many may be torn.
fn jobs(address: &str, mut torn: usize) -> Result<Vec<(String, String, JobId)>, Error> {
    let mut jobs = Vec::new();
    for tube in 0..TUBES {
        let tube = format!("tube-{tube}");
        jobs.extend(torn::past(address, &mut torn, || jobs_in(address, &tube))?);
    }
    Ok(jobs)
}

/// The jobs of a tube, which are ready again afterwards.
fn jobs_in(address: &str, tube: &str) -> Result<Vec<(String, String, JobId)>, Error> {
    let mut jobs = Vec::new();
    let mut client = beanstalk_sync::Client::connect(address)?;
    client.watch(tube)?;
    client.ignore("default")?;
    while let Reserved::Job(job) = client.reserve_with_timeout(0)? {
        jobs.push((tube.to_string(), job.text().unwrap().to_string(), job.id));
    }
    Ok(jobs)
}
