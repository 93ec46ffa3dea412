//! Those who put jobs, those who do by hand what a worker does, and whoever kills servers.

use std::{sync::Arc, time::Duration};

use beanstalk_driver::{
    JobHandle, NextJob, Producer, ProducerConfig, Session,
    policy::{Backoff, SessionConfig},
};
use beanstalk_proto::TubeName;

use super::{
    super::{Rng, outage::Outage, world::MAX_JOB_SIZE},
    cluster::{Cluster, config},
    runtime::Virtual,
    tally::Said,
};

/// How long everybody waits between attempts to connect.
pub(super) const QUICK: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_millis(800) };
/// The tubes there are.
const TUBES: [&str; 3] = ["default", "a", "b"];

/// All of them.
pub(super) fn all_tubes() -> Vec<TubeName> {
    TUBES.iter().map(|tube| tube.parse().expect("a name")).collect()
}

/// One of them.
fn tube(rng: &mut Rng) -> TubeName {
    rng.pick(&TUBES).parse().expect("a name")
}

/// Some of them, at least one.
pub(super) fn some_tubes(rng: &mut Rng) -> Vec<TubeName> {
    let mut tubes = all_tubes();
    for _ in 0..rng.below(3) {
        tubes.swap_remove(rng.index(tubes.len()));
    }
    tubes
}

/// A body that names where it belongs, and that nothing else has.
fn body(rng: &mut Rng, tube: &TubeName, whose: &str, number: u64) -> Vec<u8> {
    let mut body = format!("{tube}/{whose}/{number} ").into_bytes();
    let len = match rng.below(30) {
        0 => MAX_JOB_SIZE as usize + 1,
        1..4 => rng.between(super::SMALL_LIMIT as u64 + 1, 1500) as usize,
        _ => rng.between(20, 60) as usize,
    };
    body.resize(len.max(body.len()), b"\r\nx"[rng.index(3)]);
    body
}

/// Delay and ttr of a job.
fn times(rng: &mut Rng) -> (u32, u32) {
    (if rng.one_in(5) { rng.between(1, 2) as u32 } else { 0 }, rng.below(5) as u32)
}

/// Puts jobs on all servers until the end, and drops some of its calls.
pub(super) async fn producer(cluster: Arc<Cluster>, mut rng: Rng, number: u64) {
    let connection = config(&mut rng);
    let patience = Some(Duration::from_secs(rng.between(1, 4)));
    let mut tube = tube(&mut rng);
    let settings =
        ProducerConfig::default().tube(tube.clone()).backoff(QUICK).patience(patience).connection(connection);
    let mut producer = Producer::<Virtual>::with_config(cluster.addresses(), settings).expect("addresses");
    let clock = cluster.servers()[0].clone();
    let whose = format!("producer {number}");
    for n in 0.. {
        if cluster.is_finishing() {
            return;
        }
        if rng.one_in(8) {
            tube = self::tube(&mut rng);
            producer.use_tube(&tube).expect("a name");
        }
        if rng.one_in(60) {
            come_and_go(&producer, &mut rng);
        }
        let body = body(&mut rng, &tube, &whose, n);
        cluster.tally().put(&body, &tube);
        let ((delay, ttr), key) = (times(&mut rng), rng.one_in(3).then(|| rng.below(5).to_string()));
        let put = async {
            match key {
                Some(key) => producer.put_keyed(key, rng.below(3) as u32, delay, ttr, &body[..]).await,
                None => producer.put(rng.below(3) as u32, delay, ttr, &body[..]).await,
            }
        };
        let chances = &mut cluster.rng().fork();
        let result = match chances.one_in(12) {
            true => clock.cancel(put, Duration::from_millis(chances.below(1000)), chances.between(1, 6)).await,
            false => Some(put.await),
        };
        match result {
            Some(Ok((placed, _))) => {
                let server =
                    producer.servers().find(|(id, _)| *id == placed.server).map(|(_, name)| Cluster::number(&name));
                cluster.tally().acknowledged(&body, server.expect("a server of its own"), placed.id);
            }
            Some(Err(error)) => cluster.tally().failed(&body, &error),
            None => {}
        }
        let rest = if rng.one_in(20) { 1000 } else { rng.between(5, 120) };
        cluster.sleep(Duration::from_millis(rest)).await;
    }
}

/// Puts a job now and then, on all servers, for as long as nothing is to end.
pub(super) async fn steady_producer(cluster: Arc<Cluster>, mut rng: Rng) {
    let connection = config(&mut rng);
    let tube = tube(&mut rng);
    let settings = ProducerConfig::default().tube(tube.clone()).backoff(QUICK).patience(None).connection(connection);
    let producer = Producer::<Virtual>::with_config(cluster.addresses(), settings).expect("addresses");
    for n in 0.. {
        if cluster.is_finishing() {
            return;
        }
        let body = format!("{tube}/steady/{n}").into_bytes();
        cluster.tally().put(&body, &tube);
        match producer.put(1, 0, 60, &body[..]).await {
            Ok((placed, _)) => {
                let server =
                    producer.servers().find(|(id, _)| *id == placed.server).map(|(_, name)| Cluster::number(&name));
                cluster.tally().acknowledged(&body, server.expect("a server of its own"), placed.id);
            }
            Err(error) => cluster.tally().failed(&body, &error),
        }
        cluster.sleep(Duration::from_millis(rng.between(20, 60))).await;
    }
}

/// Leaves a server out, or takes all of them in.
fn come_and_go(producer: &Producer<Virtual>, rng: &mut Rng) {
    let servers: Vec<_> = producer.servers().map(|(id, _)| id).collect();
    if servers.len() > 1 && rng.one_in(2) {
        assert!(producer.remove_server(servers[rng.index(servers.len())]), "it was there");
    } else {
        let all = super::runtime::addresses();
        for address in &all {
            producer.add_server(address).expect("an address");
        }
    }
}

/// Uses one server by hand, over as many connections as it takes.
pub(super) async fn session(cluster: Arc<Cluster>, mut rng: Rng, number: u64) {
    let server = rng.index(cluster.servers().len());
    let (reclaim, cancels_reserves) = (rng.one_in(2), rng.one_in(2));
    let patience = Some(Duration::from_secs(rng.between(1, 4)));
    let settings = SessionConfig::default().reconnect(Some(QUICK)).patience(patience);
    let config = beanstalk_proto::client::Config { limits: Default::default(), ..config(&mut rng) };
    let session = Session::<Virtual>::new(&Cluster::address(server), settings, config).expect("an address");
    let mut session = session.reclaim_jobs(reclaim);
    let clock = cluster.servers()[0].clone();
    let whose = format!("session {number}");
    let mut puts = 0;
    while !cluster.is_finishing() {
        let (after, polls) = match rng.one_in(6) {
            true => (Duration::from_millis(rng.below(1000)), rng.between(1, 6)),
            false => (Duration::from_secs(3600), u64::MAX),
        };
        match rng.below(12) {
            0 => drop(clock.cancel(session.use_tube(&tube(&mut rng)), after, polls).await),
            1 => drop(clock.cancel(session.watch(&tube(&mut rng)), after, polls).await),
            2 => drop(clock.cancel(session.ignore(&tube(&mut rng)), after, polls).await),
            3 => drop(clock.cancel(session.list_tubes_watched(), after, polls).await),
            4..8 => {
                let tube = session.tubes().used().clone();
                puts += 1;
                let body = body(&mut rng, &tube, &whose, puts);
                cluster.tally().put(&body, &tube);
                let (delay, ttr) = times(&mut rng);
                match clock.cancel(session.put(rng.below(3) as u32, delay, ttr, &body[..]), after, polls).await {
                    Some(Ok(outcome)) => cluster.tally().acknowledged(&body, server, outcome.id()),
                    Some(Err(error)) => cluster.tally().failed(&body, &error),
                    None => {}
                }
            }
            _ => {
                let reserve = session.next_job(rng.below(3) as u32);
                let job = match cancels_reserves {
                    true => clock.cancel(reserve, after, polls).await,
                    false => Some(reserve.await),
                };
                if let Some(Ok(Some(NextJob::Job(job)))) = job {
                    clock.cancel(hold(&cluster, &mut rng, job, cancels_reserves), after, u64::MAX).await;
                }
            }
        }
        cluster.sleep(Duration::from_millis(rng.between(1, 150))).await;
    }
}

/// Has a job in hand, and comes to an end with it or not.
async fn hold(cluster: &Cluster, rng: &mut Rng, mut job: JobHandle<'_, Virtual>, any_tube: bool) {
    let body = job.body.to_vec();
    // A job that was kept for a reserve that was dropped may be of a tube that is not watched any more.
    let watched = match any_tube {
        true => all_tubes(),
        false => job.session().tubes().watched().to_vec(),
    };
    cluster.tally().begin(&body, &watched, cluster.now());
    for _ in 0..rng.below(3) {
        cluster.sleep(Duration::from_millis(rng.between(1, 400))).await;
        let _ = job.touch().await;
    }
    if rng.one_in(4) {
        // What is left half said must not take the job to another connection.
        let tube = tube(rng);
        let watch = job.session().watch(&tube);
        cluster.servers()[0].cancel(watch, Duration::from_millis(rng.below(20)), rng.between(1, 4)).await;
    }
    let said = |said| cluster.tally().said(&body, said);
    match rng.below(8) {
        0 => {
            said(Said::Retry);
            let _ = job.release(rng.below(2) as u32).await;
        }
        1 => {
            said(Said::Bury);
            let _ = job.bury().await;
        }
        2 => {}
        _ => {
            said(Said::Done);
            let _ = job.delete().await;
        }
    }
}

/// Kills servers and brings them back. Those that remember have a binlog.
pub(super) async fn director(cluster: Arc<Cluster>, mut rng: Rng, often: u64) {
    let remember: Vec<bool> = cluster.servers().iter().map(|_| !rng.one_in(3)).collect();
    loop {
        cluster.sleep(Duration::from_millis(rng.between(100, often))).await;
        if cluster.is_finishing() {
            return;
        }
        let server = rng.index(remember.len());
        let time = Duration::from_millis(rng.between(1, 2500));
        if rng.one_in(5) {
            cluster.servers()[server].world().engine.set_draining(true);
            cluster.sleep(time).await;
            cluster.servers()[server].world().engine.set_draining(false);
            continue;
        }
        cluster.tally().counts.outages += 1;
        cluster.kill(server, if rng.one_in(3) { Outage::Vanished } else { Outage::Killed });
        cluster.sleep(time).await;
        cluster.revive(server, remember[server]);
    }
}
