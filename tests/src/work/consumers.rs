//! What consumers promise, on every runtime, threads included: jobs one by one, owned, kept alive, given back.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    Acker, BoxError, Consumer, ConsumerBuilder, ConsumerJob, Runtime,
    policy::{Backoff, RetryPolicy},
};
use beanstalk_proto::{Error, ReleaseOutcome, stats::JobState};
use beanstalk_sync::Client;
use smol::{
    future::{or, zip},
    stream::StreamExt,
};

use super::{Adapter, Stand};
use crate::{daemon::Daemon, script::Script};

const LONG: Duration = Duration::from_secs(60);
const QUICK: Backoff = Backoff { first: Duration::from_millis(5), max: Duration::from_millis(50) };

/// A runtime whose consumers are tested.
pub trait Host: Runtime {
    /// How tests call it.
    const NAME: &'static str;

    /// Runs a scenario to its end.
    fn block_on<F: Future>(scenario: F) -> F::Output;

    /// Waits.
    fn pause(duration: Duration) -> impl Future<Output = ()> + Send;
}

impl<R: Adapter> Host for R {
    const NAME: &'static str = <R as Adapter>::NAME;

    fn block_on<F: Future>(scenario: F) -> F::Output {
        <R as Adapter>::block_on(scenario)
    }

    fn pause(duration: Duration) -> impl Future<Output = ()> + Send {
        <R as Adapter>::pause(duration)
    }
}

/// Its futures may be polled by anybody; what it spawns has threads of its own.
impl Host for beanstalk_sync::Threads {
    const NAME: &'static str = "threads";

    fn block_on<F: Future>(scenario: F) -> F::Output {
        smol::block_on(scenario)
    }

    async fn pause(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}

/// Waits until something has come about that no event shows.
async fn eventually<R: Host>(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come about: {what}");
        R::pause(Duration::from_millis(2)).await;
    }
}

fn consumer<R: Host>(server: &Daemon) -> ConsumerBuilder<R> {
    Consumer::builder().server(&server.address()).tube("t").backoff(QUICK)
}

/// Runs a future on a thread of no runtime.
async fn elsewhere<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (give, given) = smol::channel::bounded(1);
    thread::spawn(move || smol::block_on(async { give.send(future.await).await }));
    given.recv().await.expect("its thread ends well")
}

/// A client of tube `t`, beside the consumer.
fn client(server: &Daemon) -> Client {
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    client
}

fn put(client: &mut Client, body: &str) -> u64 {
    client.put(7, 0, 60, body).unwrap().inserted().unwrap().0
}

async fn next<R: Host>(consumer: &Consumer<R>) -> ConsumerJob {
    consumer.next().await.expect("a job")
}

/// Nobody waits any more once it has found so many reserves waiting.
async fn wait_and_leave<R: Host>(consumer: &Consumer<R>, client: &mut Client) {
    let waits = async {
        eventually::<R>("it waits", || client.stats_tube("t").is_ok_and(|stats| stats.current_waiting == Some(1)))
            .await;
        None
    };
    assert!(or(consumer.next(), waits).await.is_none(), "nothing is there");
}

pub(super) async fn nothing_is_reserved_while_nobody_waits<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    for body in ["one", "two", "three"] {
        put(&mut client, body);
    }
    let before = client.stats().unwrap().total_connections;
    let consumer = consumer::<R>(&server).concurrency(3).build().unwrap();
    let quiet = Duration::from_millis(150);
    R::pause(quiet).await;
    assert_eq!(client.stats().unwrap().total_connections, before, "it has not even connected");
    for (reserves, body) in [(1, "one"), (2, "two")] {
        let job = next(&consumer).await;
        assert_eq!(job.text(), Ok(body));
        R::pause(quiet).await;
        assert_eq!(client.stats().unwrap().cmd_reserve_with_timeout, Some(reserves), "while it is held");
        job.delete().await.unwrap();
        R::pause(quiet).await;
        assert_eq!(client.stats().unwrap().cmd_reserve_with_timeout, Some(reserves), "and after that");
    }
    assert_eq!(client.stats_tube("t").unwrap().current_jobs_ready, Some(1));
    // As many as wait, and no more.
    let (first, second) = (consumer.next(), consumer.next());
    put(&mut client, "four");
    let (third, fourth) = zip(first, second).await;
    let (third, fourth) = (third.unwrap(), fourth.unwrap());
    // Two slots have reserved them, and neither waits for the other.
    let bodies = HashSet::from([&third.body[..], &fourth.body[..]]);
    assert_eq!(bodies, HashSet::from([&b"three"[..], b"four"]));
    assert_eq!(client.stats().unwrap().cmd_reserve_with_timeout, Some(4));
}

pub(super) async fn what_comes_when_its_call_is_gone_is_the_next_ones_or_given_back<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    let consumer = consumer::<R>(&server).build().unwrap();
    wait_and_leave(&consumer, &mut client).await;
    let id = put(&mut client, "x");
    let job = next(&consumer).await;
    assert_eq!((job.id.0, client.stats_job(id).unwrap().reserves), (id, Some(1)), "of the reserve that was left");
    job.delete().await.unwrap();
    assert_eq!(client.stats().unwrap().cmd_reserve_with_timeout, Some(1));
    // And if nobody comes:
    wait_and_leave(&consumer, &mut client).await;
    let id = put(&mut client, "y");
    let mut was_reserved = false;
    eventually::<R>("it is given back", || {
        let state = client.stats_job(id).unwrap().state;
        was_reserved |= state == Some(JobState::Reserved);
        was_reserved && state == Some(JobState::Ready)
    })
    .await;
    let stats = client.stats_job(id).unwrap();
    assert_eq!((stats.pri, stats.reserves), (Some(7.into()), Some(1)));
    assert_eq!((stats.releases, stats.timeouts, stats.buries), (Some(0), Some(0), Some(0)));
    eventually::<R>("it is counted", || consumer.handle().metrics().returned == 1).await;
    next(&consumer).await.delete().await.unwrap();
}

pub(super) async fn a_call_that_is_dropped_with_its_job_gives_it_back<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    let id = put(&mut client, "x");
    let consumer = consumer::<R>(&server).build().unwrap();
    let mut call = Box::pin(consumer.next());
    // What comes for it wakes nobody.
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    eventually::<R>("it is reserved", || client.stats_job(id).unwrap().state == Some(JobState::Reserved)).await;
    drop(call);
    eventually::<R>("it is given back", || client.stats_job(id).unwrap().state == Some(JobState::Ready)).await;
    next(&consumer).await.delete().await.unwrap();
}

pub(super) async fn held_jobs_are_kept_alive_and_finished_anywhere<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    for body in ["one", "two"] {
        client.put(1, 0, 1, body).unwrap().inserted().unwrap();
    }
    let consumer = consumer::<R>(&server).concurrency(2).build().unwrap();
    let (first, second) = (next(&consumer).await, next(&consumer).await);
    assert_eq!(second.tube().await.unwrap(), "t");
    let stats = first.stats().await.unwrap();
    assert_eq!((stats.id, stats.reserves), (Some(first.id), Some(1)));
    eventually::<R>("both outlive their time to run", || client.stats().unwrap().cmd_touch >= Some(6)).await;
    assert_eq!(client.stats_job(first.id).unwrap().timeouts, Some(0));
    // In another order than they came in, on threads of no runtime.
    elsewhere(second.delete()).await.unwrap();
    let (job, acker) = first.split();
    elsewhere(acker.delete()).await.unwrap();
    assert_eq!(job.text(), Ok("one"));
    assert_eq!(client.stats().unwrap().cmd_delete, Some(2));
    let metrics = consumer.shutdown(LONG).await;
    assert_eq!((metrics.reserved, metrics.done, metrics.reconnects), (2, 2, 0));
}

pub(super) async fn a_job_ends_as_its_owner_decides<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    let retry = RetryPolicy::default()
        .first(Duration::from_secs(3600))
        .max(Duration::from_secs(3600))
        .jitter(0)
        .bury_after(NonZeroU32::new(2));
    let consumer = consumer::<R>(&server).retry(retry).build().unwrap();
    let id = put(&mut client, "x");
    let mut state = |id| {
        let stats = client.stats_job(id).unwrap();
        assert_eq!(stats.pri, Some(7.into()), "it keeps its priority");
        (stats.state, stats.releases, stats.reserves)
    };
    drop(next(&consumer).await);
    eventually::<R>("it is given back", || state(id) == (Some(JobState::Ready), Some(0), Some(1))).await;
    assert_eq!(next(&consumer).await.release(0).await.unwrap(), ReleaseOutcome::Released);
    assert_eq!(state(id), (Some(JobState::Ready), Some(1), Some(2)));
    next(&consumer).await.bury().await.unwrap();
    assert_eq!(state(id).0, Some(JobState::Buried));
    client.delete(id).unwrap();
    let id = put(&mut client, "y");
    next(&consumer).await.release(0).await.unwrap().released().unwrap();
    // That was no failure.
    next(&consumer).await.fail("no such thing").await.unwrap();
    let stats = client.stats_job(id).unwrap();
    assert_eq!((stats.state, stats.delay), (Some(JobState::Delayed), Some(retry.first)));
    client.kick_job(id).unwrap();
    let job = next(&consumer).await;
    let panic = catch_unwind(AssertUnwindSafe(move || {
        let _job = job;
        resume_unwind(Box::new("it breaks"));
    }));
    assert!(panic.is_err());
    eventually::<R>("the policy buries it", || client.stats_job(id).unwrap().state == Some(JobState::Buried)).await;
    let metrics = consumer.shutdown(LONG).await;
    let ends = (metrics.returned, metrics.retried, metrics.buried, metrics.failed);
    assert_eq!((ends, metrics.reserved), ((1, 3, 2, 2), 6));
}

pub(super) async fn a_job_that_is_held_for_too_long_is_its_owners_no_more<R: Host>(stand: Stand) {
    let server = stand.server();
    put(&mut client(&server), "x");
    let retry = RetryPolicy::default().first(Duration::ZERO);
    let builder = consumer::<R>(&server).retry(retry).handler_timeout(Duration::from_millis(200));
    let consumer = builder.build().unwrap();
    let held = next(&consumer).await;
    // Its slot does not wait for the owner, whether or not that blocks.
    let again = consumer.next_timeout(LONG).await.expect("it is tried again");
    assert_eq!(again.id, held.id);
    assert!(held.is_timed_out());
    assert!(matches!(held.delete().await, Err(Error::NotHeld { id }) if id == again.id));
}

pub(super) async fn several_servers_are_consumed_and_restarts_survived<R: Host>(stand: Stand) {
    let (mut first, second) = (stand.server(), stand.server());
    put(&mut client(&first), "held");
    let consumer = consumer::<R>(&first).server(&second.address()).concurrency(2).build().unwrap();
    let held = next(&consumer).await;
    first.kill();
    eventually::<R>("it is lost", || held.is_lost()).await;
    assert!(matches!(held.delete().await, Err(Error::NotHeld { .. })));
    put(&mut client(&second), "of the second");
    let job = next(&consumer).await;
    assert_eq!(job.server().to_string(), second.address());
    first.restart();
    put(&mut client(&first), "of the first");
    let other = next(&consumer).await;
    assert_eq!(other.text(), Ok("of the first"));
    other.delete().await.unwrap();
    job.delete().await.unwrap();
    let metrics = consumer.shutdown(LONG).await;
    assert_eq!((metrics.reserved, metrics.done, metrics.lost), (3, 2, 1));
}

pub(super) async fn a_shutdown_lets_jobs_in_hand_be_finished_until_its_deadline<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    for deadline in [LONG, Duration::from_millis(100)] {
        let id = put(&mut client, "x");
        let consumer = consumer::<R>(&server).concurrency(2).build().unwrap();
        let job = next(&consumer).await;
        let finish = async {
            // A call that waits is over at once.
            assert!(consumer.next().await.is_none());
            assert!(job.is_shutting_down());
            if deadline < LONG {
                eventually::<R>("it is given back", || client.stats_job(id).unwrap().state == Some(JobState::Ready))
                    .await;
                assert!(matches!(job.delete().await, Err(Error::NotHeld { .. })));
                client.delete(id).unwrap();
            } else {
                job.delete().await.unwrap();
            }
        };
        let begin = async {
            R::pause(Duration::from_millis(20)).await;
            consumer.shutdown(deadline).await
        };
        let ((), metrics) = zip(finish, begin).await;
        assert_eq!((metrics.done, metrics.returned), if deadline < LONG { (0, 1) } else { (1, 0) });
        assert!(consumer.next().await.is_none());
    }
    // One that was never asked for anything.
    let metrics = consumer::<R>(&server).build().unwrap().shutdown(LONG).await;
    assert_eq!(metrics, Default::default());
}

pub(super) async fn a_consumer_that_is_dropped_leaves_the_jobs_in_hand_to_be_finished<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    let id = client.put(1, 0, 1, "x").unwrap().id();
    put(&mut client, "y");
    let consumer = consumer::<R>(&server).concurrency(2).build().unwrap();
    let job = next(&consumer).await;
    drop(consumer);
    eventually::<R>("it is kept alive", || client.stats().unwrap().cmd_touch >= Some(2)).await;
    job.delete().await.unwrap();
    assert!(client.stats_job(id).is_err());
    assert_eq!(client.stats_tube("t").unwrap().current_jobs_ready, Some(1));
    eventually::<R>("its connections are closed", || client.stats().unwrap().current_connections == Some(1)).await;
}

pub(super) async fn a_question_about_a_job_is_answered_though_its_server_is_gone<R: Host>(stand: Stand) {
    let mut server = stand.server();
    let mut client = client(&server);
    put(&mut client, "x");
    let consumer = consumer::<R>(&server).reclaim(true).build().unwrap();
    let job = next(&consumer).await;
    server.kill();
    let late = async {
        R::pause(LONG / 4).await;
        None
    };
    let answer =
        or(async { Some(job.details().await) }, late).await.expect("nobody waits until there is a server again");
    assert!(matches!(answer, Err(Error::Closed { .. } | Error::Io { .. })), "{answer:?}");
    // That was nobody's reason to let go of it.
    assert!(!job.is_lost());
}

pub(super) async fn statistics_that_make_no_sense_name_their_job<R: Host>(_: Stand) {
    let script = Script::play(|remote| {
        loop {
            let line = remote.line()?;
            remote.send(match line.split(' ').next() {
                Some("watch" | "ignore") => "WATCHING 1\r\n",
                Some("reserve-with-timeout") => "RESERVED 7 1\r\nx\r\n",
                _ => "OK 11\r\n---\nttr: x\n\r\n",
            })?;
        }
    });
    let consumer = Consumer::<R>::builder().server(script.address()).tube("t").build().unwrap();
    let job = next(&consumer).await;
    let error = job.stats().await.unwrap_err().to_string();
    assert!(error.starts_with("stats-job 7: "), "{error}");
}

pub(super) async fn a_consumer_is_a_stream<R: Host>(stand: Stand) {
    let server = stand.server();
    let mut client = client(&server);
    for n in 0..5 {
        put(&mut client, &n.to_string());
    }
    let consumer = consumer::<R>(&server).build().unwrap();
    let handle = consumer.handle();
    let mut bodies = Vec::new();
    let mut jobs = pin!(consumer);
    while let Some(job) = jobs.next().await {
        bodies.push(job.text().unwrap().to_string());
        job.delete().await.unwrap();
        if bodies.len() == 5 {
            // While it waits again.
            let handle = handle.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                handle.shutdown(LONG);
            });
        }
    }
    assert_eq!(bodies, ["0", "1", "2", "3", "4"]);
}

/// What a job framework asks of what it takes its jobs from.
trait Queue: Send + Sync + 'static {
    type Receipt: Send + 'static;

    /// The next job: its payload, which attempt it is, and what is needed to finish it.
    fn fetch(&self) -> impl Future<Output = Option<(Vec<u8>, u64, Self::Receipt)>> + Send;
    fn acknowledge(receipt: Self::Receipt) -> impl Future<Output = Result<(), BoxError>> + Send;
    fn retry(receipt: Self::Receipt, why: String) -> impl Future<Output = Result<(), BoxError>> + Send;
}

impl<R: Host> Queue for Consumer<R> {
    type Receipt = Acker;

    async fn fetch(&self) -> Option<(Vec<u8>, u64, Self::Receipt)> {
        loop {
            let (job, acker) = self.next().await?.split();
            // One that is lost meanwhile is no job.
            if let Ok(details) = job.details().await {
                return Some((job.into_job().body, details.attempt, acker));
            }
        }
    }

    async fn acknowledge(acker: Self::Receipt) -> Result<(), BoxError> {
        Ok(acker.delete().await?)
    }

    async fn retry(acker: Self::Receipt, why: String) -> Result<(), BoxError> {
        Ok(acker.fail(why).await?)
    }
}

/// A small job framework: it depends on nothing but its queue, and does each job on a task of its own.
async fn run_framework<R: Host, Q: Queue>(
    queue: Arc<Q>,
    service: impl Fn(&[u8], u64) -> Result<(), String> + Send + Sync + 'static,
) {
    let (service, runtime) = (Arc::new(service), R::default());
    while let Some((payload, attempt, receipt)) = queue.fetch().await {
        let service = Arc::clone(&service);
        runtime.spawn(async move {
            R::pause(Duration::from_millis(1)).await;
            let finished = match service(&payload, attempt) {
                Ok(()) => Q::acknowledge(receipt).await,
                Err(why) => Q::retry(receipt, why).await,
            };
            finished.expect("it is carried out");
        });
    }
}

pub(super) async fn a_job_framework_runs_on_it<R: Host>(stand: Stand) {
    const JOBS: usize = 40;
    let servers = [stand.server(), stand.server()];
    let mut clients = servers.each_ref().map(client);
    for n in 0..JOBS {
        put(&mut clients[n % 2], &n.to_string());
    }
    let retry = RetryPolicy::default().first(Duration::ZERO);
    let builder = consumer::<R>(&servers[0]).server(&servers[1].address()).retry(retry);
    let consumer = Arc::new(builder.concurrency(8).build().unwrap());
    let done = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&done);
    // Each fails twice.
    let work = run_framework::<R, _>(Arc::clone(&consumer), move |payload, attempt| {
        if attempt < 3 {
            return Err(format!("attempt {attempt}"));
        }
        note.lock().unwrap().push(String::from_utf8(payload.to_vec()).unwrap());
        Ok(())
    });
    let handle = consumer.handle();
    let script = async {
        eventually::<R>("all are done", || handle.metrics().done == JOBS as u64).await;
        consumer.shutdown(LONG).await
    };
    let ((), metrics) = zip(work, script).await;
    let done = done.lock().unwrap().iter().cloned().collect::<HashSet<_>>();
    assert_eq!(done.len(), JOBS);
    assert_eq!((metrics.done, metrics.retried, metrics.buried, metrics.lost), (40, 80, 0, 0));
    assert!(clients.iter_mut().all(|client| client.stats().unwrap().current_jobs_ready == Some(0)));
}
