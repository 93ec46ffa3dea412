//! Three servers under load, one of them killed with SIGKILL and restarted every second.
//!
//! For four seconds; `BEANSTALK_CHAOS_SECONDS=60` makes it a minute. Every job that a server acknowledged must be worked on
//! at least once. A server without a binlog takes what it held with it when it is killed, so there those jobs are counted
//! apart; with a binlog there must be none.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::{Backoff, Client, Metrics, Producer, ProducerConfig, ServerId, Verdict, Worker, wait_until_empty};
use beanstalk_tests::{
    daemon::Daemon,
    server::{Backend, installed},
};

const LONG: Duration = Duration::from_secs(60);
const QUICK: Backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(200) };
const SERVERS: usize = 3;
const PRODUCERS: u64 = 2;

/// A job that was acknowledged.
struct Acknowledged {
    server: String,
    /// When its put began.
    since: Instant,
}

#[derive(Default)]
struct Tally {
    acknowledged: Mutex<BTreeMap<u64, Acknowledged>>,
    /// Puts that failed, and may have arrived all the same.
    unknown: AtomicU64,
    /// How often each job was worked on.
    processed: Mutex<BTreeMap<u64, u64>>,
    /// When each server was killed.
    kills: Mutex<HashMap<String, Vec<Instant>>>,
    stop: AtomicBool,
}

fn seconds() -> u64 {
    env::var("BEANSTALK_CHAOS_SECONDS").map_or(4, |seconds| seconds.parse().expect("a number of seconds"))
}

fn produce(tally: &Tally, addresses: &[String], producer: u64) {
    let config = ProducerConfig { backoff: QUICK, tube: "work".parse().unwrap(), ..ProducerConfig::default() };
    let mut servers = Producer::with_config(addresses, config).unwrap();
    let names: HashMap<ServerId, String> = servers.servers().map(|(id, name)| (id, name.to_string())).collect();
    for n in 0.. {
        if tally.stop.load(Ordering::Relaxed) {
            return;
        }
        let (job, since) = (n * PRODUCERS + producer, Instant::now());
        match servers.put(1024, 0, 60, job.to_string()) {
            Ok((placed, _)) => {
                let server = names[&placed.server].clone();
                tally.acknowledged.lock().unwrap().insert(job, Acknowledged { server, since });
            }
            Err(error) => {
                assert!(error.lost() == Some(beanstalk_sync::Lost::Unknown), "{error}");
                tally.unknown.fetch_add(1, Ordering::Relaxed);
            }
        }
        // The load: about a thousand jobs a second from each.
        thread::sleep(Duration::from_micros(900));
    }
}

/// Kills one server after the other, once a second.
fn kill_and_restart(tally: &Tally, daemons: &mut [Daemon]) {
    for round in 0..seconds() as usize {
        let second = Instant::now() + Duration::from_secs(1);
        thread::sleep(Duration::from_millis(700));
        let daemon = &mut daemons[round % SERVERS];
        // What it acknowledged until it was dead may be gone with it.
        daemon.kill();
        tally.kills.lock().unwrap().entry(daemon.address()).or_default().push(Instant::now());
        thread::sleep(Duration::from_millis(100));
        assert!(daemon.restart());
        thread::sleep(second.saturating_duration_since(Instant::now()));
    }
}

/// Runs it all; gives the jobs that were acknowledged and never worked on, without those that died with their server.
fn under_fire(name: &str, durable: bool) -> BTreeSet<u64> {
    let mut daemons: Vec<_> = (0..SERVERS).map(|_| Daemon::start(Backend::Real, durable)).collect();
    let addresses: Vec<_> = daemons.iter().map(Daemon::address).collect();
    let tally = Arc::new(Tally::default());

    let worker = Worker::builder().servers(&addresses).tube("work").concurrency(2).backoff(QUICK).build().unwrap();
    let (handle, seen) = (worker.handle(), Arc::clone(&tally));
    let working = thread::spawn(move || {
        worker.run(move |job| {
            let number = job.text().unwrap().parse::<u64>().unwrap();
            // Slower than jobs come, so that there is always something to lose.
            thread::sleep(Duration::from_millis(3));
            *seen.processed.lock().unwrap().entry(number).or_default() += 1;
            Ok::<_, String>(Verdict::Done)
        })
    });
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (tally, addresses) = (&tally, &addresses);
            scope.spawn(move || produce(tally, addresses, producer));
        }
        kill_and_restart(&tally, &mut daemons);
        tally.stop.store(true, Ordering::Relaxed);
    });
    for address in &addresses {
        let mut client = Client::connect(address).unwrap();
        assert!(wait_until_empty(&mut client, "work", Some(LONG)).unwrap(), "{address} is not empty");
        let tubes = client.list_tubes().unwrap();
        assert!(tubes.iter().all(|tube| client.stats_tube(tube).unwrap().current_jobs_buried == Some(0)));
    }
    handle.shutdown(LONG);
    let metrics = working.join().unwrap();
    report(name, &tally, &metrics)
}

fn report(name: &str, tally: &Tally, metrics: &Metrics) -> BTreeSet<u64> {
    let acknowledged = tally.acknowledged.lock().unwrap();
    let processed = tally.processed.lock().unwrap();
    let kills = tally.kills.lock().unwrap();
    let (mut died, mut missing) = (0, BTreeSet::new());
    for (job, Acknowledged { server, since }) in acknowledged.iter().filter(|(job, _)| !processed.contains_key(job)) {
        match name != "binlog" && kills.get(server).is_some_and(|kills| kills.iter().any(|kill| kill >= since)) {
            true => died += 1,
            false => drop(missing.insert(*job)),
        }
    }
    let _ = writeln!(
        io::stderr(),
        "{name}: {} kills; {} jobs acknowledged, {} puts unknown, {} jobs worked on, {} of them more than once; \
         {died} died with their server, {} missing; {metrics:?}",
        kills.values().map(Vec::len).sum::<usize>(),
        acknowledged.len(),
        tally.unknown.load(Ordering::Relaxed),
        processed.len(),
        processed.values().filter(|&&times| times > 1).count(),
        missing.len(),
    );
    assert!(acknowledged.len() as u64 > seconds() * 100, "that was no load");
    assert_eq!(kills.values().map(Vec::len).sum::<usize>() as u64, seconds());
    assert!(metrics.reconnects >= seconds(), "each kill costs two connections");
    assert_eq!(metrics.reserved, metrics.done + metrics.lost + metrics.returned, "{metrics:?}");
    missing
}

#[test]
fn what_three_servers_acknowledged_is_worked_on_while_they_are_killed() {
    if installed().is_some() {
        assert_eq!(under_fire("in memory", false), BTreeSet::new());
    }
}

#[test]
fn with_a_binlog_nothing_that_was_acknowledged_is_lost() {
    if installed().is_some() {
        assert_eq!(under_fire("binlog", true), BTreeSet::new());
    }
}
