//! Those who take jobs one by one, hold a few of them, and finish them in any order.

use std::{sync::Arc, time::Duration};

use beanstalk_driver::{Consumer, ConsumerJob};
use beanstalk_proto::TubeName;
use smol::future::zip;

use super::{
    super::Rng,
    actors::{QUICK, some_tubes},
    cluster::{Cluster, config},
    runtime::Virtual,
    tally::Said,
    worker_runs::{always_fails, retry},
};

/// Runs one consumer after the other until the end.
pub(super) async fn run_consumers(cluster: Arc<Cluster>, mut rng: Rng) {
    while !cluster.is_finishing() {
        let (tubes, most) = (some_tubes(&mut rng), rng.between(1, 3) as usize);
        let builder = Consumer::<Virtual>::builder().servers(cluster.addresses()).tubes(&tubes).concurrency(most);
        let builder = builder.reclaim(rng.one_in(2)).reserve_slice(rng.between(1, 6) as u32);
        let builder = builder.connection(config(&mut rng)).retry(retry()).backoff(QUICK);
        let consumer = builder.concurrency_per_server(rng.between(1, 2) as usize).build().expect("a consumer");
        let owner = cluster.last_owner();
        cluster.tally().worker(owner);
        cluster.handles().push((owner, consumer.handle()));
        let held = consume(&cluster, &mut rng, &consumer, &tubes, most).await;
        let within = Duration::from_millis(if rng.one_in(4) { 0 } else { rng.below(3000) });
        cluster.tally().shut_down(owner, cluster.now() + within);
        let finish = async {
            for job in held {
                finish(&cluster, &mut rng, job).await;
            }
        };
        zip(consumer.shutdown(within), finish).await;
        cluster.tally().ended(owner, cluster.now());
        cluster.sleep(Duration::from_millis(rng.between(1, 100))).await;
    }
}

/// Takes jobs for a while, and gives those that are left.
async fn consume(
    cluster: &Arc<Cluster>,
    rng: &mut Rng,
    consumer: &Consumer<Virtual>,
    tubes: &[TubeName],
    most: usize,
) -> Vec<ConsumerJob> {
    let clock = cluster.servers()[0].clone();
    let until = cluster.now() + Duration::from_millis(rng.between(1, 9000));
    let mut held: Vec<ConsumerJob> = Vec::new();
    while cluster.now() < until && !cluster.is_finishing() {
        // Some calls go away, at once or later.
        let (after, polls) = match rng.one_in(3) {
            true => (rng.below(300), rng.between(1, 4)),
            false => (rng.between(1, 3000), u64::MAX),
        };
        let called = clock.cancel(consumer.next(), Duration::from_millis(after), polls).await;
        if let Some(Some(job)) = called {
            cluster.note("takes", job.id.0, &job.body);
            cluster.tally().begin(&job.body, tubes, cluster.now());
            held.push(job);
        }
        if held.len() > most {
            cluster.tally().violate(format!("{} jobs are held, of {most} at most", held.len()));
        }
        while !held.is_empty() && rng.one_in(2) {
            let job = held.swap_remove(rng.index(held.len()));
            finish(cluster, rng, job).await;
        }
        // Now and then it is busy with what it has, for longer than a job may be held without a touch.
        let rest = if rng.one_in(10) { rng.between(1000, 8000) } else { rng.below(100) };
        cluster.sleep(Duration::from_millis(rest)).await;
    }
    held
}

/// Comes to an end with a job.
async fn finish(cluster: &Arc<Cluster>, rng: &mut Rng, job: ConsumerJob) {
    let body = job.body.clone();
    let said = |said| cluster.tally().said(&body, said);
    match rng.below(10) {
        _ if always_fails(&body) => {
            said(Said::Failed);
            let _ = job.fail("it never works").await;
        }
        0 => {
            said(Said::Retry);
            let _ = job.release(rng.below(2) as u32).await;
        }
        1 => {
            said(Said::Bury);
            let _ = job.bury().await;
        }
        2 => {
            said(Said::Failed);
            let _ = job.fail("it did not work").await;
        }
        3 => drop(job),
        4 => {
            // Whoever waits for it goes away; the job is deleted nevertheless.
            said(Said::Done);
            let (after, polls) = (Duration::from_millis(rng.below(20)), rng.between(1, 3));
            cluster.servers()[0].clone().cancel(job.delete(), after, polls).await;
        }
        _ => {
            said(Said::Done);
            if job.delete().await.is_ok() && !cluster.tally().is_deleted(&body) {
                cluster.tally().violate(format!("{} is not deleted, as its owner was told", body.escape_ascii()));
            }
        }
    }
}
