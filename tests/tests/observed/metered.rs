//! Metrics.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use beanstalk_driver::policy::{RetryPolicy, Verdict};
use beanstalk_proto::client::{Config, Limits};
use beanstalk_server::EmbeddedServer;
use beanstalk_sync::Client;
use beanstalk_tests::work::counted;
use beanstalk_tests::work::every::{Binding, Deed, Ending, Setup};
use smol::channel;

use crate::{LONG, eventually, recorder, tracer};

/// A worker of tube `t` whose jobs do what is in their body, twice at most.
fn setup(server: &str) -> (Setup, channel::Sender<()>) {
    let mut setup = Setup::new(server);
    setup.concurrency = 2;
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(2));
    setup.config = Config { limits: Limits { reply_body: 1000, ..Limits::default() }, ..Config::default() };
    let (go, going) = channel::bounded::<()>(1);
    setup.handler = Box::new(move |job| match job.text().unwrap() {
        "fails" => Ending::Verdict(Verdict::Failed).into(),
        "panics" => Ending::Panic(Box::new("look out")).into(),
        "bury" => Ending::Verdict(Verdict::Bury).into(),
        "slow" => Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) },
        _ => Ending::Verdict(Verdict::Done).into(),
    });
    (setup, go)
}

pub(crate) fn what_happens_is_counted<B: Binding>() {
    let server = EmbeddedServer::start().unwrap();
    let address = server.addr();
    let (setup, _go) = setup(address);
    let worker = B::work(setup);
    let mut client = Client::connect(address).unwrap();
    client.use_tube("t").unwrap();
    let mut put = |body: &str| client.put(7, 0, 60, body).unwrap().inserted().unwrap();
    for body in ["done", "done", "fails", "panics", "bury", &"x".repeat(1001)] {
        put(body);
    }
    eventually("all are finished", || {
        let metrics = worker.handle.metrics();
        metrics.done + metrics.buried == 6
    });
    put("slow");
    let shows = |metrics: &[(&str, f64)]| {
        let seen = recorder::of(address);
        metrics.iter().all(|(name, value)| seen.get(*name) == Some(value))
    };
    eventually("one handler runs, on one of two connections", || {
        shows(&[("beanstalk_jobs_running{}", 1.0), ("beanstalk_worker_connections{}", 2.0)])
    });
    worker.stop(Duration::from_millis(300));

    // The server has given each label `server`.
    let expected = [
        ("beanstalk_connection_events_total{client=worker,event=connected,}", 1.0),
        ("beanstalk_jobs_reserved_total{}", 9.0),
        ("beanstalk_jobs_failed_total{tube=t,reason=error,}", 2.0),
        ("beanstalk_jobs_failed_total{tube=t,reason=panic,}", 2.0),
        ("beanstalk_jobs_failed_total{tube=t,reason=too_big,}", 1.0),
        ("beanstalk_jobs_finished_total{tube=t,outcome=done,}", 2.0),
        ("beanstalk_jobs_finished_total{tube=t,outcome=retried,}", 2.0),
        ("beanstalk_jobs_finished_total{tube=t,outcome=buried,}", 4.0),
        ("beanstalk_jobs_finished_total{tube=t,outcome=returned,}", 1.0),
        // That of the one which the shutdown ends, too.
        ("beanstalk_job_duration_seconds{tube=t,}", 8.0),
        ("beanstalk_jobs_running{}", 0.0),
        ("beanstalk_worker_connections{}", 0.0),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_string(), value)).into();
    eventually("the slots are gone", || {
        shows(&[("beanstalk_worker_connections{}", 0.0), ("beanstalk_jobs_running{}", 0.0)])
    });
    assert_eq!(recorder::of(address), expected);
    let longest = recorder::longest(address);
    assert!(longest >= 0.25, "it ran for the time of the shutdown, less what is kept back: {longest} s");
}

/// A handler that is dropped as nobody runs its worker any more has run, too.
pub(crate) fn a_handler_that_is_dropped_with_its_worker_is_counted() {
    let server = EmbeddedServer::start().unwrap();
    let address = server.addr();
    let mut client = Client::connect(address).unwrap();
    client.put(7, 0, 60, "x").unwrap().inserted().unwrap();
    let builder = beanstalk_tokio::Worker::builder().server(address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (begins, begun) = channel::bounded::<()>(1);
    runtime.block_on(async {
        let worker = builder.build().unwrap();
        let work = worker.run(move |_: beanstalk_tokio::HeldJob| {
            begins.try_send(()).unwrap();
            std::future::pending::<()>()
        });
        smol::future::or(
            async {
                let _metrics = work.await;
            },
            async { begun.recv().await.unwrap() },
        )
        .await;
    });
    // With it goes the slot's task.
    drop(runtime);
    let seen = recorder::of(address);
    assert_eq!(seen.get("beanstalk_job_duration_seconds{tube=default,}"), Some(&1.0), "{seen:?}");
    assert_eq!(seen.get("beanstalk_jobs_running{}"), Some(&0.0), "{seen:?}");
}

pub(crate) fn one_that_panics_ends_nothing<B: Binding>() {
    let server = EmbeddedServer::start().unwrap();
    let address = server.addr();
    tracer::panic_at(address);
    let (setup, _go) = setup(address);
    let worker = B::work(setup);
    let mut client = Client::connect(address).unwrap();
    client.use_tube("t").unwrap();
    for body in ["done", "bury"] {
        client.put(7, 0, 60, body).unwrap().inserted().unwrap();
    }
    eventually("both are finished", || {
        let metrics = worker.handle.metrics();
        metrics.done + metrics.buried == 2
    });
    assert_eq!(
        worker.stop(LONG),
        counted(|m| {
            m.reserved = 2;
            m.done = 1;
            m.buried = 1;
        })
    );
    assert_eq!((recorder::of(address).len(), tracer::spans(address).len()), (0, 0));
}

/// The page on which they are listed, and what is described to a recorder.
pub(crate) fn the_documentation_names_what_there_is() {
    let server = EmbeddedServer::start().unwrap();
    let (setup, _go) = setup(server.addr());
    beanstalk_tests::work::every::Blocking::work(setup).stop(LONG);
    let page = include_str!("../../../beanstalk-driver/src/worker/mod.rs");
    let rows = page.lines().filter_map(|line| line.strip_prefix("/// | `beanstalk_"));
    let listed: BTreeMap<_, _> = rows
        .map(|row| {
            let mut cells = row.split('|').map(str::trim);
            let name = format!("beanstalk_{}", cells.next().unwrap().trim_end_matches('`'));
            let kind = cells.next().unwrap().to_string();
            (name, kind)
        })
        .collect();
    let described = recorder::described().into_iter().map(|(name, described)| {
        let (kind, unit) = described.split_once(' ').unwrap();
        let unit = if unit == "count" { "" } else { ", in seconds" };
        (name, format!("{kind}{unit}"))
    });
    assert_eq!(listed, described.collect());
}
