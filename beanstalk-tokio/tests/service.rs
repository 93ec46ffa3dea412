//! Handlers that are services of tower.

use beanstalk_tests::work::counted;
use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{
    BoxError, Client, HeldJob, JobEvent, Metrics, RetryPolicy, Verdict, Worker, WorkerEvent, service_handler,
};
use tokio::sync::mpsc;
use tower::{Service, ServiceBuilder, service_fn};

/// Has a service do these jobs, four at a time and each twice at most, until all are finished. Returns what failed, and the metrics.
async fn work<S>(bodies: &[&str], service: S) -> (Vec<String>, Metrics)
where
    S: Service<HeldJob, Response = Verdict, Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let server = EmbeddedServer::start().unwrap();
    let mut client = Client::connect(server.addr()).await.unwrap();
    for &body in bodies {
        client.put(1, 0, 60, body).await.unwrap().inserted().unwrap();
    }
    let (sends, mut events) = mpsc::unbounded_channel();
    let worker = Worker::builder()
        .server(server.addr())
        .concurrency(4)
        .retry(RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(2)))
        .on_event(move |event| {
            if let WorkerEvent::Job { event, .. } = event {
                let _ = sends.send(event.clone());
            }
        })
        .build()
        .unwrap();
    let handle = worker.handle();
    let working = tokio::spawn(worker.run(service_handler(service)));
    let (mut finished, mut failures) = (0, Vec::new());
    while finished < bodies.len() {
        match events.recv().await.unwrap() {
            JobEvent::Failed { reason } => failures.push(reason),
            JobEvent::Done { .. } | JobEvent::Buried { .. } => finished += 1,
            _ => {}
        }
    }
    handle.shutdown(Duration::from_secs(60));
    (failures, working.await.unwrap())
}

#[tokio::test]
async fn a_service_of_jobs_is_a_handler() {
    let _bound = beanstalk_tests::watchdog::bound();
    let service = service_fn(async |job: HeldJob| match job.text()? {
        "bury" => Ok(Verdict::Bury),
        "fails" => Err("no luck".into()),
        _ => Ok::<_, BoxError>(Verdict::Done),
    });
    let (failures, metrics) = work(&["done", "bury", "fails"], service).await;
    assert_eq!(failures, ["no luck", "no luck"]);
    let expected = counted(|m| {
        m.reserved = 4;
        m.done = 1;
        m.retried = 1;
        m.buried = 2;
        m.buried_failed = 1;
        m.failed = 2;
    });
    assert_eq!(metrics, expected);
}

#[tokio::test]
async fn a_limit_of_concurrency_holds_for_all_slots() {
    let _bound = beanstalk_tests::watchdog::bound();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&running), Arc::clone(&most));
    let service = ServiceBuilder::new().concurrency_limit(2).service_fn(move |_: HeldJob| {
        let (running, most) = counts.clone();
        async move {
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            // Time enough for the other slots to get their jobs.
            tokio::time::sleep(Duration::from_millis(20)).await;
            running.fetch_sub(1, SeqCst);
            Ok::<_, BoxError>(Verdict::Done)
        }
    });
    let (_, metrics) = work(&["a"; 12], service).await;
    assert_eq!((metrics.done, most.load(SeqCst)), (12, 2));
}

#[tokio::test]
async fn a_call_that_times_out_has_failed() {
    let _bound = beanstalk_tests::watchdog::bound();
    let service = ServiceBuilder::new()
        .timeout(Duration::from_millis(20))
        .service_fn(|_: HeldJob| std::future::pending::<Result<Verdict, BoxError>>());
    let (failures, metrics) = work(&["hangs"], service).await;
    assert_eq!(failures, ["request timed out"; 2]);
    assert_eq!((metrics.failed, metrics.buried_failed), (2, 1));
}

/// Is never ready.
#[derive(Clone)]
struct Refuses;

impl Service<HeldJob> for Refuses {
    type Response = Verdict;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Verdict, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Err("it is closed".into()))
    }

    fn call(&mut self, _: HeldJob) -> Self::Future {
        unreachable!("it was not ready")
    }
}

#[tokio::test]
async fn a_service_that_does_not_get_ready_fails_the_job_and_is_not_called() {
    let _bound = beanstalk_tests::watchdog::bound();
    let (failures, _) = work(&["a"], Refuses).await;
    assert_eq!(failures, ["it is closed"; 2]);
}
