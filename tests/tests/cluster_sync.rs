//! Three servers under load, one of them killed with SIGKILL and restarted every second, and the blocking worker.
//!
//! For how long and what is counted: see `src/fire.rs`.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::{Backoff, Client, Producer, ProducerConfig, ServerId, Verdict, Worker, wait_until_empty};
use beanstalk_tests::{
    daemon::Daemon,
    fire::{self, REST, TUBE, Tally, WORK},
    server::installed,
    watchdog,
};

const LONG: Duration = Duration::from_secs(60);
const QUICK: Backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(200) };
const PRODUCERS: u64 = 2;

fn produce(tally: &Tally, addresses: &[String], producer: u64) {
    let config = ProducerConfig::default().backoff(QUICK).tube(TUBE.parse().unwrap());
    let servers = Producer::with_config(addresses, config).unwrap();
    let names: HashMap<ServerId, String> = servers.servers().collect();
    for n in 0.. {
        if tally.is_over() {
            return;
        }
        let (job, since) = (n * PRODUCERS + producer, Instant::now());
        match servers.put(1024, fire::delay(n), 60, job.to_string()) {
            Ok((placed, _)) => tally.acknowledge(job, &names[&placed.server], since),
            Err(error) => tally.failed(&error),
        }
        thread::sleep(REST);
    }
}

/// Runs it all; gives the jobs that were acknowledged and never worked on, without those that died with their server.
fn under_fire(durable: bool) -> BTreeSet<u64> {
    let _bound = watchdog::bound_to(watchdog::LIMIT + Duration::from_secs(fire::seconds()));
    let mut daemons = fire::servers(durable);
    let addresses: Vec<_> = daemons.iter().map(Daemon::address).collect();
    let tally = Arc::new(Tally::new("sync", durable));

    let worker =
        Worker::builder().servers(&addresses).tube(TUBE).concurrency_per_server(2).backoff(QUICK).build().unwrap();
    let (handle, seen) = (worker.handle(), Arc::clone(&tally));
    let working = thread::spawn(move || {
        worker.run(move |job| {
            let number = job.text().unwrap().parse::<u64>().unwrap();
            thread::sleep(WORK);
            seen.process(number);
            Ok::<_, String>(Verdict::Done)
        })
    });
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (tally, addresses) = (&tally, &addresses);
            scope.spawn(move || produce(tally, addresses, producer));
        }
        tally.kill_and_restart(&mut daemons);
    });
    for address in &addresses {
        let mut client = Client::connect(address).unwrap();
        assert!(wait_until_empty(&mut client, TUBE, Some(LONG)).unwrap(), "{address} is not empty");
        let tubes = client.list_tubes().unwrap();
        assert!(tubes.iter().all(|tube| client.stats_tube(tube).unwrap().current_jobs_buried == Some(0)));
    }
    handle.shutdown(LONG);
    tally.report(&working.join().unwrap())
}

#[test]
fn what_three_servers_acknowledged_is_worked_on_while_they_are_killed() {
    if installed().is_some() {
        assert_eq!(under_fire(false), BTreeSet::new());
    }
}

#[test]
fn with_a_binlog_nothing_that_was_acknowledged_is_lost() {
    if installed().is_some() {
        assert_eq!(under_fire(true), BTreeSet::new());
    }
}
