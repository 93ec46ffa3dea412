//! Those who run workers: one after the other, each for a while, and in the end one that does whatever is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use beanstalk_driver::{
    HeldJob, Worker, WorkerBuilder, WorkerHandle,
    policy::{RetryPolicy, Verdict},
};
use beanstalk_proto::{Instant, TubeName};
use smol::future::zip;

use super::{
    super::Rng,
    actors::{QUICK, all_tubes, some_tubes},
    cluster::{Cluster, Owner, config},
    runtime::Virtual,
    tally::{BURY_AFTER, Said},
};

/// How long handlers run, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    /// All sorts.
    Any,
    /// Quick, and always done.
    Quick,
    /// Quick, and done if anything can be.
    Last,
}

/// Whether a job fails whoever works on it.
pub(super) fn always_fails(body: &[u8]) -> bool {
    body.iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)) % 12 == 0
}

/// A worker, and how the rest of the world calls it.
struct Hired {
    worker: Worker<Virtual>,
    handle: WorkerHandle<Virtual>,
    owner: Owner,
    tubes: Vec<TubeName>,
    /// How many handlers may run at a time.
    limit: usize,
}

/// What becomes of jobs that fail, for everybody.
pub(super) fn retry() -> RetryPolicy {
    let bury_after = std::num::NonZeroU32::new(BURY_AFTER as u32);
    RetryPolicy::default().max(Duration::from_secs(4)).bury_after(bury_after)
}

fn hire(cluster: &Cluster, builder: WorkerBuilder<Virtual>, tubes: Vec<TubeName>) -> Hired {
    let worker = builder.tubes(&tubes).retry(retry()).backoff(QUICK).build().expect("a worker");
    let owner = cluster.last_owner();
    cluster.tally().worker(owner);
    Hired { handle: worker.handle(), worker, owner, tubes, limit: usize::MAX }
}

impl Hired {
    /// Runs it, and compares in the end.
    async fn run(self, cluster: &Arc<Cluster>, temper: Temper) {
        let (owner, tubes, cluster) = (self.owner, Arc::new(self.tubes), Arc::clone(cluster));
        let ended = Ended { cluster: Arc::clone(&cluster), owner };
        let of_handler = Arc::clone(&cluster);
        let (running, limit) = (Arc::new(AtomicUsize::new(0)), self.limit);
        self.worker
            .run(move |job| {
                let (cluster, tubes) = (Arc::clone(&of_handler), Arc::clone(&tubes));
                let runs = Runs::new(&running);
                async move {
                    if runs.0.load(Ordering::Relaxed) > limit {
                        cluster.tally().violate(format!("more than {limit} handlers of worker {owner} run at a time"));
                    }
                    handle_job(&cluster, &job, &tubes, temper).await
                }
            })
            .await;
        drop(ended);
    }
}

/// One of the handlers that run.
struct Runs(Arc<AtomicUsize>);

impl Runs {
    fn new(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(running))
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says that a worker's run is over, also when it was dropped.
struct Ended {
    cluster: Arc<Cluster>,
    owner: Owner,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.cluster.note("run ends", self.owner, b"");
        self.cluster.tally().ended(self.owner, self.cluster.now());
    }
}

/// Works on one job.
async fn handle_job(
    cluster: &Arc<Cluster>,
    job: &HeldJob,
    tubes: &[TubeName],
    temper: Temper,
) -> Result<Verdict, String> {
    cluster.note("handler begins", job.id.0, &job.body);
    cluster.tally().begin(&job.body, tubes, cluster.now());
    let mut rng = cluster.rng().fork();
    let takes = match (temper, rng.below(40)) {
        (Temper::Quick | Temper::Last, _) => rng.below(20),
        // Only a shutdown ends this one.
        (_, 0) => 3_600_000,
        (_, 1..5) => rng.below(15_000),
        (_, 5..15) => rng.below(2000),
        _ => rng.below(30),
    };
    let asks = rng.one_in(3);
    let first = if asks { rng.below(takes + 1) } else { takes };
    cluster.sleep(Duration::from_millis(first)).await;
    if asks {
        if let Ok(stats) = job.stats().await {
            if stats.id != Some(job.id) {
                cluster.tally().violate(format!("a handler asked about {} and was told of {:?}", job.id, stats.id));
            }
        }
        cluster.sleep(Duration::from_millis(takes - first)).await;
    }
    let said = |said| {
        cluster.note("handler ends", job.id.0, format!("{said:?}").as_bytes());
        cluster.tally().said(&job.body, said);
    };
    match (temper, rng.below(20)) {
        (Temper::Any | Temper::Last, _) if always_fails(&job.body) => {
            said(Said::Failed);
            Err("it never works".to_string())
        }
        (Temper::Any, 0 | 1) => {
            said(Said::Retry);
            Ok(Verdict::RetryAfter((rng.below(3) as u32).into()))
        }
        (Temper::Any, 2) => {
            said(Said::Failed);
            Err("it did not work".to_string())
        }
        (Temper::Any, 3) => {
            said(Said::Failed);
            // A panic, without the noise.
            std::panic::resume_unwind(Box::new("it broke"))
        }
        (Temper::Any, 4) => {
            said(Said::Bury);
            Ok(Verdict::Bury)
        }
        _ => {
            said(Said::Done);
            Ok(Verdict::Done)
        }
    }
}

/// Runs one worker after the other until the end.
pub(super) async fn run_workers(cluster: Arc<Cluster>, mut rng: Rng) {
    while !cluster.is_finishing() {
        let mut servers = cluster.addresses();
        if servers.len() > 1 && rng.one_in(4) {
            servers.swap_remove(rng.index(servers.len()));
        }
        let builder = Worker::builder().servers(&servers).concurrency_per_server(rng.between(1, 2) as usize);
        let builder =
            builder.reclaim(rng.one_in(2)).reserve_slice(rng.between(1, 6) as u32).connection(config(&mut rng));
        let limit = rng.one_in(2).then(|| rng.between(1, 3) as usize);
        let builder = limit.into_iter().fold(builder, WorkerBuilder::concurrency);
        let hired = Hired { limit: limit.unwrap_or(usize::MAX), ..hire(&cluster, builder, some_tubes(&mut rng)) };
        let (handle, owner) = (hired.handle.clone(), hired.owner);
        cluster.handles().push((owner, handle.clone()));
        let dropped = rng.one_in(4);
        let run = hired.run(&cluster, Temper::Any);
        if dropped {
            let after = Duration::from_millis(rng.between(1, 4000));
            cluster.servers()[0].clone().cancel(run, after, u64::MAX).await;
        } else {
            zip(run, orders(&cluster, &mut rng, &handle, owner)).await;
        }
        cluster.sleep(Duration::from_millis(rng.between(1, 100))).await;
    }
}

/// Changes a worker's servers for a while, and then has it end.
async fn orders(cluster: &Cluster, rng: &mut Rng, handle: &WorkerHandle<Virtual>, owner: Owner) {
    let until = cluster.now() + Duration::from_millis(rng.between(1, 9000));
    while cluster.now() < until && !cluster.is_finishing() {
        cluster.sleep(Duration::from_millis(rng.between(1, 400))).await;
        if rng.one_in(10) {
            let address = cluster.addresses()[rng.index(cluster.servers().len())].clone();
            let server = Cluster::number(&address);
            let within = Duration::from_millis(rng.below(2000));
            if rng.one_in(2) {
                cluster.note("remove server", owner, format!("{address} {within:?}").as_bytes());
                // One that is leaving already leaves as it was told first.
                if handle.remove_server(&address, within) {
                    cluster.tally().removed(owner, server, cluster.now() + within);
                }
            } else {
                cluster.note("add server", owner, address.as_bytes());
                cluster.tally().added(owner, server);
                handle.add_server(&address).expect("an address");
            }
        }
    }
    for _ in 0..rng.between(1, 2) {
        let within = Duration::from_millis(if rng.one_in(4) { 0 } else { rng.below(3000) });
        cluster.note("shut down", owner, format!("{within:?}").as_bytes());
        cluster.tally().shut_down(owner, cluster.now() + within);
        handle.shutdown(within);
    }
}

/// Does whatever is left when everybody else has gone, and checks that a worker with nothing to do ends at once.
pub(super) async fn run_last_worker(cluster: Arc<Cluster>) {
    while !cluster.is_finishing() || cluster.busy.load(Ordering::Relaxed) > 0 {
        cluster.sleep(Duration::from_millis(50)).await;
    }
    let builder = Worker::builder().servers(cluster.addresses()).concurrency_per_server(2);
    let hired = hire(&cluster, builder, all_tubes());
    let (handle, owner) = (hired.handle.clone(), hired.owner);
    cluster.handles().push((owner, handle.clone()));
    let mut asked = Instant::ZERO;
    let order = async {
        while !is_empty(&cluster) {
            cluster.sleep(Duration::from_millis(50)).await;
        }
        // What has just been deleted, its worker may not know yet.
        cluster.sleep(Duration::from_secs(5)).await;
        asked = cluster.now();
        cluster.tally().shut_down(owner, asked + Duration::from_secs(10));
        handle.shutdown(Duration::from_secs(10));
    };
    zip(hired.run(&cluster, Temper::Last), order).await;
    let took = cluster.now().saturating_duration_since(asked);
    if !took.is_zero() {
        cluster.tally().violate(format!("a worker with nothing to do took {took:?} to end"));
    }
}

/// Whether there is nothing to be done any more.
pub(super) fn is_empty(cluster: &Cluster) -> bool {
    cluster.servers().iter().all(|server| {
        let world = server.world();
        let stats = world.engine.stats(world.now);
        let left = [stats.current_jobs_ready, stats.current_jobs_delayed, stats.current_jobs_reserved];
        left.into_iter().flatten().sum::<u64>() == 0
    })
}

/// A worker for one server's death: two slots on each server, and handlers that are quick. Gives how to stop it.
pub(super) fn steady(cluster: &Arc<Cluster>) -> (impl Future<Output = ()> + use<>, WorkerHandle<Virtual>) {
    let builder = Worker::builder().servers(cluster.addresses()).concurrency_per_server(2).reserve_slice(2);
    let connection = beanstalk_proto::client::Config {
        connect_timeout: Some(Duration::from_secs(1)),
        reply_timeout: Some(Duration::from_secs(2)),
        ..Default::default()
    };
    let hired = hire(cluster, builder.connection(connection), all_tubes());
    let handle = hired.handle.clone();
    cluster.handles().push((hired.owner, handle.clone()));
    let cluster = Arc::clone(cluster);
    (async move { hired.run(&cluster, Temper::Quick).await }, handle)
}
