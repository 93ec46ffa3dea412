//! Every binding against beanstalkd-rs: one node with TLS, client certificates and tokens, the conformance suite and what shared clients, sessions
//! and producers promise against a Raft cluster of three, by way of the list of its nodes, and such a cluster that loses its leader again and again.
//! Ignored where there is none: see `beanstalk_tests::raft::installed`.
//!
//! The leader is lost for ten seconds; `BEANSTALK_CHAOS_SECONDS=60` makes it a minute. Every put that was acknowledged must be worked on at least once, nothing
//! may be left at the end, and no call may take longer than it was given.

use std::{
    collections::BTreeSet,
    env, fs,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    ConnectOptions, ProducerConfig,
    policy::{Backoff, Verdict},
};
use beanstalk_sync::Client;
use beanstalk_tests::{
    Backend,
    front::Authority,
    kinds::{Failure, kinds},
    peer::{self, Smol},
    raft::{Cluster, Node, installed},
    runner::{self, Trial, trial, trial_bound_to},
    temp::TempDir,
    watchdog,
    work::every::{self, Async, Binding, Blocking, Ending, Setup},
};

/// Longer than an election, and a put may wait through two.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a busy machine may add to a call's own limits.
const SLACK: Duration = Duration::from_secs(15);
/// How long a killed leader stays away, and how long after that the next is killed.
const PAUSES: [Duration; 2] = [Duration::from_millis(1500), Duration::from_millis(2500)];

fn main() -> ExitCode {
    let absent = installed().is_none();
    if absent {
        eprintln!("\n*** NO BEANSTALKD-RS FOUND: these tests are ignored. Name its program in BEANSTALKD_RS. ***\n");
    }
    let mut trials: Vec<Trial> = kinds()
        .into_iter()
        .map(|kind| {
            let name = format!("{}::{}::tls_client_certificates_and_tokens", kind.binding, kind.name);
            trial(name, move || one_node(kind))
        })
        .collect();
    trials.extend(on_a_cluster());
    trials.push(trial_bound_to(
        watchdog::LIMIT + Duration::from_secs(seconds()),
        "every::the_leader_is_killed_again_and_again",
        the_leader_is_killed_again_and_again,
    ));
    runner::main(env!("CARGO_CRATE_NAME"), trials.into_iter().map(|trial| trial.with_ignored_flag(absent)).collect())
}

/// What is different with a cluster, or with beanstalkd-rs, and so not played.
const DIFFERS: &[(&str, &str)] = &[
    ("ipv6_and_unix_sockets_work_like_any_other", "it listens on TCP only, and here on 127.0.0.1"),
    ("the_counters_of_a_server_count", "it counts connections late"),
];

/// What is played of the promises of shared clients, sessions and producers: the others kill single servers, count what one of them holds, or take
/// its address for one place.
const PROMISES: &[&str] = &["::commands::", "::sessions::", "::flushes::"];

fn on_a_cluster() -> Vec<Trial> {
    let mut trials = runner::conformance_on::<peer::Blocking>(Backend::Cluster);
    trials.extend(runner::conformance_on::<peer::Tokio>(Backend::Cluster));
    trials.extend(runner::conformance_on::<peer::AsyncStd>(Backend::Cluster));
    trials.extend(runner::conformance_on::<Smol>(Backend::Cluster));
    let mut promises = every::on::<Blocking>(Backend::Cluster);
    promises.extend(every::on::<Async<beanstalk_tokio::Tokio>>(Backend::Cluster));
    promises.extend(every::on::<Async<beanstalk_async_std::AsyncStd>>(Backend::Cluster));
    trials.extend(promises.into_iter().filter(|trial| PROMISES.iter().any(|module| trial.name().contains(module))));
    trials.retain(|trial| !DIFFERS.iter().any(|(scenario, _)| trial.name().ends_with(scenario)));
    trials
}

/// Writes a certificate for `localhost` and its key; gives what a configuration has of them.
fn write(directory: &TempDir, authority: &Authority) -> String {
    let (certificate, key) = authority.issue_pem("localhost");
    let (of_certificate, of_key) = (directory.path().join("server.pem"), directory.path().join("server.key"));
    fs::write(&of_certificate, certificate).unwrap();
    fs::write(&of_key, key).unwrap();
    format!("cert = \"{}\"\nkey = \"{}\"\n", of_certificate.display(), of_key.display())
}

fn one_node(kind: beanstalk_tests::kinds::Kind) {
    let (directory, authority, clients) = (TempDir::new().unwrap(), Authority::new(), Authority::new());
    let tls = write(&directory, &authority);
    let roots = directory.path().join("clients.pem");
    fs::write(&roots, clients.pem()).unwrap();
    let options = || ConnectOptions::new().connect_timeout(PATIENCE).tls(authority.trusted().server_name("localhost"));
    let refused = |node: &Node, options, says: &str| {
        let start = Instant::now();
        let error = kind.work_patiently(&format!("beanstalks://{}", node.address()), options).unwrap_err();
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        assert!(matches!(&error, Failure::Refused(_)) || error.to_string().contains(says), "{error}");
    };
    let works = |node: &Node, options: ConnectOptions| {
        let endpoint = format!("beanstalks://{}", node.address());
        // There has to be a job for the worker.
        Client::connect_with(&endpoint, options.clone()).unwrap().put(0, 0, 60, "x").unwrap().inserted().unwrap();
        kind.work(&endpoint, options).unwrap_or_else(|error| panic!("{error}"));
    };

    let node = Node::alone(
        directory.path(),
        &format!("tls = true\nauth = \"token\"\n[tls]\n{tls}[auth]\ntokens = [\"open-sesame-open-sesame\"]\n"),
    );
    works(&node, options().token("open-sesame-open-sesame"));
    refused(&node, options().token("open-barley-open-barley"), r#"the greeting "auth" was answered UNAUTHORIZED"#);

    let node = Node::alone(
        directory.path(),
        &format!("tls = true\nauth = \"mtls\"\n[tls]\n{tls}client_ca = \"{}\"\n", roots.display()),
    );
    let (chain, key) = clients.issue("client.test");
    let tls = authority.trusted().server_name("localhost").client_certificate(chain, key);
    works(&node, ConnectOptions::new().connect_timeout(PATIENCE).tls(tls));
    // Once the driver of a shared client has met the refusal, its calls only learn that the connection is closed.
    if kind.name != "SharedClient" {
        refused(&node, options(), "requires a client certificate");
    }
}

/// What became of the jobs.
#[derive(Default)]
struct Tally {
    acknowledged: Mutex<BTreeSet<u64>>,
    processed: Mutex<BTreeSet<u64>>,
    failed: AtomicU64,
    longest: Mutex<Duration>,
    over: AtomicBool,
}

fn seconds() -> u64 {
    env::var("BEANSTALK_CHAOS_SECONDS").map_or(10, |seconds| seconds.parse().expect("a number of seconds"))
}

fn backoff() -> Backoff {
    Backoff { first: Duration::from_millis(20), max: Duration::from_millis(500) }
}

fn worker<B: Binding>(endpoint: &str, tally: &Arc<Tally>) -> beanstalk_tests::work::every::Running {
    let tally = Arc::clone(tally);
    B::work(Setup {
        concurrency: 3,
        backoff: backoff(),
        handler: Box::new(move |job| {
            tally.processed.lock().unwrap().insert(job.id.0);
            Ending::Verdict(Verdict::Done).into()
        }),
        ..Setup::new(endpoint)
    })
}

fn producer<B: Binding>(endpoint: String, tally: Arc<Tally>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let config = ProducerConfig::default().tube("t".parse().unwrap()).backoff(backoff()).patience(Some(PATIENCE));
        B::put(&[endpoint], config, &mut |took, placed| {
            match placed {
                Ok(placed) => drop(tally.acknowledged.lock().unwrap().insert(placed.id.0)),
                // It may have run, or no leader was found in time; nobody was promised anything.
                Err(_) => drop(tally.failed.fetch_add(1, Ordering::Relaxed)),
            }
            let mut longest = tally.longest.lock().unwrap();
            *longest = took.max(*longest);
            !tally.over.load(Ordering::Relaxed)
        });
    })
}

fn the_leader_is_killed_again_and_again() {
    let mut cluster = Cluster::new();
    let (endpoint, tally) = (cluster.endpoint(), Arc::new(Tally::default()));
    let workers = [
        worker::<Blocking>(&endpoint, &tally),
        worker::<Async<beanstalk_tokio::Tokio>>(&endpoint, &tally),
        worker::<Async<beanstalk_async_std::AsyncStd>>(&endpoint, &tally),
    ];
    let producers: Vec<_> = (0..2)
        .flat_map(|_| {
            [
                producer::<Blocking>(endpoint.clone(), Arc::clone(&tally)),
                producer::<Async<beanstalk_tokio::Tokio>>(endpoint.clone(), Arc::clone(&tally)),
                producer::<Async<beanstalk_async_std::AsyncStd>>(endpoint.clone(), Arc::clone(&tally)),
            ]
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(seconds());
    let mut kills = 0;
    while Instant::now() < until {
        thread::sleep(PAUSES[1]);
        cluster.kill_the_leader(PAUSES[0]);
        kills += 1;
    }
    tally.over.store(true, Ordering::Relaxed);
    producers.into_iter().for_each(|producer| producer.join().unwrap());

    let mut client = Client::connect(&endpoint).unwrap();
    let empty = beanstalk_sync::wait_until_empty(&mut client, "t", Some(Duration::from_secs(60))).unwrap();
    assert!(empty, "{:?}", client.stats_tube("t"));
    let left = client.stats_tube("t").map_or(Some(0), |stats| stats.current_jobs_buried);
    assert_eq!(left, Some(0), "something is left");
    let mut done = 0;
    for worker in workers {
        done += worker.stop(Duration::from_secs(20)).done;
    }
    let (acknowledged, processed) = (tally.acknowledged.lock().unwrap(), tally.processed.lock().unwrap());
    let missing: Vec<_> = acknowledged.difference(&processed).collect();
    let (failed, longest) = (tally.failed.load(Ordering::Relaxed), *tally.longest.lock().unwrap());
    eprintln!(
        "{kills} leaders killed: {} puts acknowledged, {} jobs processed, {done} finished, {failed} puts failed, {} missing, worst put {longest:?}",
        acknowledged.len(),
        processed.len(),
        missing.len()
    );
    assert!(missing.is_empty(), "acknowledged and never processed: {missing:?}");
    assert!(acknowledged.len() > 100 && kills > 0, "nothing happened");
    // Patience, and the reply that is awaited when it ends.
    assert!(longest < PATIENCE + Duration::from_secs(5) + SLACK, "{longest:?}");
}
