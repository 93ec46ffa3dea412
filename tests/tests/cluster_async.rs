//! Three servers under load, one of them killed with SIGKILL and restarted every second, and the asynchronous workers.
//!
//! For how long and what is counted: see `src/fire.rs`.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use beanstalk_async_std::AsyncStd;
use beanstalk_driver::{
    self as tasks, ConnectOptions, HeldJob, Producer, ProducerConfig, Session, Worker, WorkerHandle,
    policy::{Backoff, ServerId, Verdict},
};
use beanstalk_tests::{
    daemon::Daemon,
    fire::{self, TUBE, Tally, WORK},
    server::installed,
    watchdog,
    work::Adapter,
};
use beanstalk_tokio::Tokio;
use smol::future::zip;

const LONG: Duration = Duration::from_secs(60);
/// How often each producer puts a job. It is kept on average, as timers are rounded to milliseconds.
const PACE: Duration = Duration::from_micros(1600);
const QUICK: Backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(200) };

/// One of two producers.
async fn produce<R: Adapter>(tally: &Tally, addresses: &[String], producer: u64) {
    let config = ProducerConfig::default().backoff(QUICK).tube(TUBE.parse().unwrap());
    let servers = Producer::<R>::with_config(addresses, config).unwrap();
    let names: HashMap<ServerId, String> = servers.servers().collect();
    let mut next = Instant::now();
    for n in 0.. {
        if tally.is_over() {
            return;
        }
        let (job, since) = (n * 2 + producer, Instant::now());
        match servers.put(1024, fire::delay(n), 60, job.to_string()).await {
            Ok((placed, _)) => tally.acknowledge(job, &names[&placed.server], since),
            Err(error) => tally.failed(&error),
        }
        let now = Instant::now();
        // What a server that was killed has held up is made up for in part only.
        next = (next + PACE).max(now - 10 * PACE);
        if next > now {
            R::pause(next - now).await;
        }
    }
}

/// Lets the producers put until the killing stops, and the worker work until nothing is left.
async fn script<R: Adapter>(tally: &Tally, addresses: &[String], handle: WorkerHandle<R>) {
    zip(produce::<R>(tally, addresses, 0), produce::<R>(tally, addresses, 1)).await;
    let runtime = R::default();
    for address in addresses {
        let mut client = runtime.connect(&address.parse().unwrap(), &ConnectOptions::default()).await.unwrap();
        let empty = tasks::wait_until_empty(&mut client, TUBE, Some(LONG)).await.unwrap();
        assert!(empty, "{address} is not empty");
        let mut session = Session::<R>::connect(address).await.unwrap();
        for tube in session.list_tubes().await.unwrap() {
            assert_eq!(session.stats_tube(&tube).await.unwrap().current_jobs_buried, Some(0));
        }
    }
    handle.shutdown(LONG);
}

/// Runs it all; gives the jobs that were acknowledged and never worked on, without those that died with their server.
fn under_fire<R: Adapter>(durable: bool) -> BTreeSet<u64> {
    let _bound = watchdog::bound_to(watchdog::LIMIT + Duration::from_secs(fire::seconds()));
    let mut daemons = fire::servers(durable);
    let addresses: Vec<_> = daemons.iter().map(Daemon::address).collect();
    let tally = Arc::new(Tally::new(R::NAME, durable));
    let killer = Arc::clone(&tally);
    let killing = thread::spawn(move || {
        killer.kill_and_restart(&mut daemons);
        daemons
    });
    let metrics = R::block_on(async {
        let builder = Worker::<R>::builder().servers(&addresses).tube(TUBE).concurrency_per_server(2).backoff(QUICK);
        let worker = builder.build().unwrap();
        let (handle, seen) = (worker.handle(), Arc::clone(&tally));
        let work = worker.run(move |job: HeldJob| {
            let seen = Arc::clone(&seen);
            async move {
                R::pause(WORK).await;
                seen.process(job.text().unwrap().parse().unwrap());
                Ok::<_, String>(Verdict::Done)
            }
        });
        zip(work, script(&tally, &addresses, handle)).await.0
    });
    // A killer that failed is to be heard; and until here the servers live.
    drop(killing.join().unwrap());
    tally.report(&metrics)
}

macro_rules! under_fire {
    ($($runtime:ident: $adapter:ty,)*) => {
        $(
            mod $runtime {
                use super::*;

                #[test]
                fn what_three_servers_acknowledged_is_worked_on_while_they_are_killed() {
                    if installed().is_some() {
                        assert_eq!(under_fire::<$adapter>(false), BTreeSet::new());
                    }
                }

                #[test]
                fn with_a_binlog_nothing_that_was_acknowledged_is_lost() {
                    if installed().is_some() {
                        assert_eq!(under_fire::<$adapter>(true), BTreeSet::new());
                    }
                }
            }
        )*
    };
}

under_fire! {
    tokio: Tokio,
    async_std: AsyncStd,
}
