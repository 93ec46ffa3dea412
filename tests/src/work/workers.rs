//! Workers: the heartbeat, retries, shutdowns, restarts, several servers.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::pending,
    num::NonZeroU32,
    panic,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use beanstalk_driver::{
    HeldJob, NextJob, Worker, WorkerBuilder,
    policy::{Backoff, JobEvent, RetryPolicy, Verdict, WorkerEvent},
};
use beanstalk_proto::{Error, JobId, stats::JobState};
use smol::{channel, future::zip};

use crate::daemon::Daemon;

use super::{Adapter, Stand, eventually, session};

/// How late a task may be called on a machine that is slow and busy.
const SLACK: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(20);

type Outcome = Result<Verdict, Infallible>;

fn worker<R: Adapter>(server: &Daemon) -> WorkerBuilder<R> {
    let backoff = Backoff { first: Duration::from_millis(5), max: Duration::from_millis(50) };
    Worker::builder().server(&server.address()).tube("t").backoff(backoff)
}

pub(super) async fn a_job_outlives_its_ttr_while_its_handler_runs<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("t").await.unwrap();
    client.put(1, 0, 2, "x").await.unwrap().inserted().unwrap();
    let worker = worker::<R>(&server).concurrency(2).build().unwrap();
    let (handle, (done, ended)) = (worker.handle(), channel::bounded(10));
    let work = worker.run(move |_| {
        let done = done.clone();
        async move {
            R::pause(Duration::from_millis(3000)).await;
            done.send(()).await.unwrap();
            Outcome::Ok(Verdict::Done)
        }
    });
    let script = async {
        ended.recv().await.unwrap();
        handle.shutdown(LONG);
    };
    let (metrics, ()) = zip(work, script).await;
    // Had it expired, the other slot would have reserved it.
    assert_eq!((metrics.reserved, metrics.done, metrics.lost), (1, 1, 0));
}

pub(super) async fn a_handler_that_errs_or_panics_is_retried_and_then_buried_with_its_priority<R: Adapter>(
    stand: Stand,
) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("t").await.unwrap();
    let errs = client.put(7, 0, 60, "errs").await.unwrap().id();
    let panics = client.put(8, 0, 60, "panics").await.unwrap().id();
    let told = Arc::new(Mutex::new(Vec::new()));
    let retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(3));
    let tell = Arc::clone(&told);
    let builder = worker::<R>(&server).retry(retry).on_event(move |event| match event {
        WorkerEvent::Job { id, event: JobEvent::Failed { reason }, .. } => {
            tell.lock().unwrap().push((*id, format!("failed: {reason}")));
        }
        WorkerEvent::Job { id, event: JobEvent::Panicked { reason }, .. } => {
            tell.lock().unwrap().push((*id, format!("panicked: {reason}")));
        }
        _ => {}
    });
    let worker = builder.build().unwrap();
    let handle = worker.handle();
    let work = worker.run(|job| async move {
        // Past the panic hook: it would print, and find the names for a backtrace, which takes a runtime's thread for longer than
        // the jobs of other tests can be without it.
        if job.text() != Ok("errs") {
            panic::resume_unwind(Box::new(format!("it is {}", job.id)));
        }
        Err::<(), _>("no such thing")
    });
    let script = async {
        eventually::<R>("both are buried", || handle.metrics().buried == 2).await;
        handle.shutdown(LONG);
    };
    let (metrics, ()) = zip(work, script).await;
    assert_eq!((metrics.reserved, metrics.retried, metrics.buried, metrics.done), (6, 4, 2, 0));
    let told = told.lock().unwrap().clone();
    assert_eq!(told.iter().filter(|(id, told)| *id == errs && told == "failed: no such thing").count(), 3);
    let of_panics = told.iter().filter(|(id, _)| *id == panics).collect::<Vec<_>>();
    assert!(of_panics.iter().all(|(id, told)| told.starts_with("panicked: ") && told.contains(&format!("it is {id}"))));
    assert_eq!(of_panics.len(), 3);
    for (id, priority) in [(errs, 7), (panics, 8)] {
        let stats = client.stats_job(id).await.unwrap();
        assert_eq!((stats.state, stats.pri), (Some(JobState::Buried), Some(priority.into())));
    }
}

pub(super) async fn a_shutdown_lets_handlers_finish_and_reserves_nothing_more<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("t").await.unwrap();
    client.put(1, 0, 60, "one").await.unwrap().inserted().unwrap();
    client.put(2, 0, 60, "two").await.unwrap().inserted().unwrap();
    let worker = worker::<R>(&server).build().unwrap();
    let (handle, (began, beginning), (go, going)) = (worker.handle(), channel::bounded(1), channel::bounded::<bool>(1));
    let work = worker.run(move |job: HeldJob| {
        let (began, going) = (began.clone(), going.clone());
        async move {
            began.send(()).await.unwrap();
            assert!(going.recv().await.unwrap());
            assert!(job.is_shutting_down() && !job.is_lost());
            Outcome::Ok(Verdict::Done)
        }
    });
    let script = async {
        beginning.recv().await.unwrap();
        handle.shutdown(LONG);
        go.send(true).await.unwrap();
    };
    let (metrics, ()) = zip(work, script).await;
    assert_eq!((metrics.reserved, metrics.done), (1, 1));
    client.watch("t").await.unwrap();
    let left = client.next_job(0).await.unwrap().and_then(NextJob::job).expect("the second is left");
    assert_eq!(left.text(), Ok("two"));
}

pub(super) async fn a_shutdown_gives_back_at_its_deadline_what_is_stuck<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("t").await.unwrap();
    client.watch("t").await.unwrap();
    let id = client.put(3, 0, 60, "x").await.unwrap().id();
    let worker = worker::<R>(&server).build().unwrap();
    let (handle, (began, beginning)) = (worker.handle(), channel::bounded(1));
    let work = worker.run(move |_job| {
        let began = began.clone();
        async move {
            began.send(()).await.unwrap();
            pending::<Outcome>().await
        }
    });
    let within = Duration::from_millis(1500);
    let script = async {
        beginning.recv().await.unwrap();
        handle.shutdown(Duration::from_secs(3600));
        // The earliest counts.
        handle.shutdown(within);
        Instant::now()
    };
    let (metrics, since) = zip(work, script).await;
    let took = since.elapsed();
    assert!(took >= within / 2 && took < within + SLACK, "it took {took:?}");
    assert_eq!((metrics.reserved, metrics.returned), (1, 1));
    // Long before its ttr is over.
    let back = client.next_job(10).await.unwrap().and_then(NextJob::job).expect("it is given back");
    assert_eq!(back.id, id);
}

pub(super) async fn an_idle_worker_stops_at_once<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.watch("t").await.unwrap();
    client.use_tube("t").await.unwrap();
    let worker = worker::<R>(&server).concurrency(3).build().unwrap();
    let handle = worker.handle();
    let work = worker.run(|_| async { Outcome::Ok(Verdict::Done) });
    let script = async {
        while client.stats_tube("t").await.unwrap().current_waiting != Some(3) {
            R::pause(Duration::from_millis(1)).await;
        }
        handle.shutdown(LONG);
        Instant::now()
    };
    let (metrics, since) = zip(work, script).await;
    assert!(since.elapsed() < LONG / 2, "it took {:?}", since.elapsed());
    assert_eq!(metrics, Default::default());
    // Nobody waits any more.
    let id = client.put(1, 0, 60, "x").await.unwrap().id();
    assert_eq!(client.next_job(10).await.unwrap().and_then(NextJob::job).map(|job| job.id), Some(id));
}

pub(super) async fn a_run_that_is_dropped_gives_its_jobs_back<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("t").await.unwrap();
    client.watch("t").await.unwrap();
    let id = client.put(3, 0, 60, "x").await.unwrap().id();
    let worker = worker::<R>(&server).build().unwrap();
    let (began, beginning) = channel::bounded(1);
    let work = worker.run(move |_job| {
        let began = began.clone();
        async move {
            began.send(()).await.unwrap();
            pending::<Outcome>().await
        }
    });
    let dropped = smol::future::or(async { work.await.reserved }, async {
        beginning.recv().await.unwrap();
        0
    });
    assert_eq!(dropped.await, 0);
    assert_eq!(client.next_job(10).await.unwrap().and_then(NextJob::job).map(|job| job.id), Some(id));
}

pub(super) async fn a_server_that_is_restarted_is_worked_for_again<R: Adapter>(stand: Stand) {
    let mut server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("t").await.unwrap();
    client.put(1, 0, 60, "held").await.unwrap().inserted().unwrap();
    let worker = worker::<R>(&server).build().unwrap();
    let (handle, (began, beginning), (lost, losing)) = (worker.handle(), channel::bounded(1), channel::bounded(1));
    let work = worker.run(move |job: HeldJob| {
        let (began, lost) = (began.clone(), lost.clone());
        async move {
            if job.text() == Ok("held") {
                began.send(()).await.unwrap();
                eventually::<R>("the handler learns that its job is lost", || job.is_lost()).await;
                assert!(matches!(job.stats().await, Err(Error::NotHeld { .. })));
                lost.send(()).await.unwrap();
            }
            Outcome::Ok(Verdict::Done)
        }
    });
    let script = async {
        beginning.recv().await.unwrap();
        server.kill();
        losing.recv().await.unwrap();
        server.restart();
        // A read, which is repeated, finds the connection broken.
        client.stats().await.unwrap();
        for _ in 0..10 {
            client.put(1, 0, 60, "new").await.unwrap().inserted().unwrap();
        }
        eventually::<R>("the new ones are done", || handle.metrics().done == 10).await;
        handle.shutdown(LONG);
    };
    let (metrics, ()) = zip(work, script).await;
    assert_eq!((metrics.reserved, metrics.done, metrics.lost), (11, 10, 1));
    assert!(metrics.reconnects >= 1);
}

pub(super) async fn all_servers_are_worked_for_and_a_dead_one_disturbs_nobody<R: Adapter>(stand: Stand) {
    let (full, empty, mut dead) = (stand.server(), stand.server(), stand.server());
    dead.kill();
    let mut client = session::<R>(&full).await;
    client.use_tube("t").await.unwrap();
    let mut put = HashSet::new();
    for n in 0..200 {
        put.insert(client.put(1, 0, 60, n.to_string()).await.unwrap().id());
    }
    let builder =
        worker::<R>(&full).servers([empty.address(), dead.address(), full.address()]).concurrency_per_server(2);
    let worker = builder.build().unwrap();
    let handle = worker.handle();
    assert_eq!(handle.servers().len(), 3, "a server that is named twice is one");
    let done = Arc::new(Mutex::new(Vec::<(String, JobId)>::new()));
    let note = Arc::clone(&done);
    let work = worker.run(move |job| {
        note.lock().unwrap().push((job.server().to_string(), job.id));
        async { Outcome::Ok(Verdict::Done) }
    });
    let script = async {
        eventually::<R>("all are done", || handle.metrics().done == 200).await;
        dead.restart();
        let mut client = session::<R>(&dead).await;
        client.use_tube("t").await.unwrap();
        client.put(1, 0, 60, "late").await.unwrap().inserted().unwrap();
        eventually::<R>("it is worked for once it is back", || handle.metrics().done == 201).await;
        handle.shutdown(LONG);
    };
    zip(work, script).await;
    let done = done.lock().unwrap();
    let of_full = done.iter().filter(|(server, _)| *server == full.address()).map(|(_, id)| *id);
    assert_eq!(of_full.collect::<HashSet<_>>(), put);
    assert_eq!(done.last().map(|(server, _)| server.clone()), Some(dead.address()));
}

pub(super) async fn servers_come_and_go_while_the_worker_runs<R: Adapter>(stand: Stand) {
    let (first, second) = (stand.server(), stand.server());
    let worker = worker::<R>(&first).build().unwrap();
    let handle = worker.handle();
    let work = worker.run(|_| async { Outcome::Ok(Verdict::Done) });
    let script = async {
        let (mut one, mut two) = (session::<R>(&first).await, session::<R>(&second).await);
        for client in [&mut one, &mut two] {
            client.use_tube("t").await.unwrap();
            client.watch("t").await.unwrap();
            client.put(1, 0, 60, "x").await.unwrap().inserted().unwrap();
        }
        eventually::<R>("the first server's is done", || handle.metrics().done == 1).await;
        handle.add_server(&second.address()).unwrap();
        assert!(handle.add_server("no endpoint").is_err());
        eventually::<R>("the second server's is done", || handle.metrics().done == 2).await;
        assert!(handle.remove_server(&first.address(), LONG));
        assert!(!handle.remove_server(&first.address(), LONG));
        assert_eq!(handle.servers().iter().map(ToString::to_string).collect::<Vec<_>>(), [second.address()]);
        while one.stats_tube("t").await.unwrap().current_watching != Some(1) {
            R::pause(Duration::from_millis(1)).await;
        }
        one.put(1, 0, 60, "stays").await.unwrap().inserted().unwrap();
        two.put(1, 0, 60, "goes").await.unwrap().inserted().unwrap();
        eventually::<R>("the second server is still worked for", || handle.metrics().done == 3).await;
        assert_eq!(one.next_job(0).await.unwrap().and_then(NextJob::job).expect("it stays").text(), Ok("stays"));
        handle.shutdown(LONG);
    };
    let (metrics, ()) = zip(work, script).await;
    assert_eq!((metrics.reserved, metrics.done), (3, 3));
}

pub(super) async fn a_handler_may_ask_about_its_job_while_it_is_touched<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("u").await.unwrap();
    client.put(5, 0, 2, "x").await.unwrap().inserted().unwrap();
    let worker = worker::<R>(&server).tube("u").concurrency(2).build().unwrap();
    let (handle, (done, ended)) = (worker.handle(), channel::bounded(1));
    let work = worker.run(move |job: HeldJob| {
        let done = done.clone();
        async move {
            let until = Instant::now() + Duration::from_millis(2700);
            let mut questions = 0;
            while Instant::now() < until {
                let stats = job.stats().await?;
                assert_eq!((stats.id, stats.pri, stats.reserves), (Some(job.id), Some(5.into()), Some(1)));
                questions += 1;
            }
            assert_eq!(job.tube().await?, "u");
            let (one, other) = zip(job.stats(), job.stats()).await;
            assert_eq!((one?.id, other?.id), (Some(job.id), Some(job.id)));
            done.send(questions).await.unwrap();
            Ok::<_, Error>(Verdict::Done)
        }
    });
    let script = async {
        assert!(ended.recv().await.unwrap() > 10);
        handle.shutdown(LONG);
    };
    let (metrics, ()) = zip(work, script).await;
    assert_eq!((metrics.reserved, metrics.done), (1, 1));
}

pub(super) async fn what_is_wrong_is_reported_before_anything_runs<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let wrong_address = Worker::<R>::builder().server("no endpoint").server(&server.address()).build();
    assert!(matches!(wrong_address, Err(Error::Argument(_))));
    assert!(matches!(worker::<R>(&server).tube("not a name").build(), Err(Error::Argument(_))));
    // Told to stop before it runs, it does not begin.
    let worker = worker::<R>(&server).build().unwrap();
    worker.handle().shutdown(LONG);
    let metrics = worker.run(|_| async { Outcome::Ok(Verdict::Done) }).await;
    assert_eq!(metrics, Default::default());
}

pub(super) async fn a_handler_has_the_attempt_and_the_server_is_asked_once<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut client = session::<R>(&server).await;
    client.use_tube("t").await.unwrap();
    client.put(5, 0, 60, "x").await.unwrap().inserted().unwrap();
    let retry = RetryPolicy::default().first(Duration::ZERO);
    let worker = worker::<R>(&server).tube("u").retry(retry).build().unwrap();
    let (handle, (seen, sees)) = (worker.handle(), channel::bounded(3));
    let before = client.stats().await.unwrap().cmd_stats_job;
    let work = worker.run(move |job: HeldJob| {
        let seen = seen.clone();
        async move {
            let (first, tube) = (job.details().await.unwrap(), job.tube().await.unwrap());
            assert_eq!((&first, &tube), (&job.details().await.unwrap(), &first.tube));
            seen.send(first.clone()).await.unwrap();
            match job.stats().await.unwrap().reserves {
                Some(1) => Err("no such thing"),
                Some(2) => Ok(Verdict::RetryAfter(0.into())),
                _ => Ok(Verdict::Done),
            }
        }
    });
    let script = async {
        eventually::<R>("it is done", || handle.metrics().done == 1).await;
        handle.shutdown(LONG);
    };
    zip(work, script).await;
    let details = std::iter::from_fn(|| sees.try_recv().ok()).collect::<Vec<_>>();
    let first = &details[0];
    assert_eq!((first.priority, first.ttr, first.tube.as_str()), (5.into(), Duration::from_secs(60), "t"));
    assert_eq!(details.iter().map(|details| details.attempt).collect::<Vec<_>>(), [1, 2, 2]);
    let after = client.stats().await.unwrap().cmd_stats_job;
    assert_eq!(
        after.zip(before).map(|(after, before)| after - before),
        Some(2 * 3),
        "each time once, and once more by the test"
    );
}
