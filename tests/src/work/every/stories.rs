//! What becomes of one job in the course of time. The time of delays is the server's, which stands still unless it is advanced: nobody sleeps.

use std::{collections::VecDeque, num::NonZeroU32, sync::Mutex, time::Duration};

use beanstalk_driver::policy::{BuryReason, JobEvent, RetryPolicy, Verdict};
use beanstalk_proto::{JobId, stats::JobState};
use beanstalk_server::EmbeddedServer;
use beanstalk_sync::Client;
use smol::channel;

use super::{
    LONG,
    binding::{Binding, Deed, Ending, Running, Setup},
    events::{Heard, of, of_jobs},
    eventually,
    evil::Evil,
};

/// A server whose clock stands still, a worker on it that buries what has failed for the third time, and a job.
struct Story {
    server: EmbeddedServer,
    client: Client,
    worker: Running,
    heard: Heard<(JobId, JobEvent)>,
    job: JobId,
}

impl Story {
    /// The handlers end so, one after the other; the last way is that of all further ones, too.
    fn begin<B: Binding>(setup: impl FnOnce(&mut Setup), endings: impl IntoIterator<Item = fn() -> Deed>) -> Self {
        let server = EmbeddedServer::builder().paused_clock().start().unwrap();
        let mut client = Client::connect(server.addr()).unwrap();
        client.use_tube("t").unwrap();
        let mut setup_of_all = Setup::new(server.addr());
        // All delays are shorter than a reserve waits.
        setup_of_all.retry =
            RetryPolicy::default().first(Duration::from_secs(3)).jitter(0).bury_after(NonZeroU32::new(3));
        let heard = of_jobs(&mut setup_of_all);
        let endings: Mutex<VecDeque<_>> = Mutex::new(endings.into_iter().collect());
        setup_of_all.handler = Box::new(move |_| {
            let mut endings = endings.lock().unwrap();
            let ending = endings.front().copied().unwrap();
            if endings.len() > 1 {
                endings.pop_front();
            }
            ending()
        });
        setup(&mut setup_of_all);
        let worker = B::work(setup_of_all);
        let job = client.put(7, 0, 90, "x").unwrap().id();
        Self { server, client, worker, heard, job }
    }

    /// Waits until the job was released for the nth time, and lets this delay pass, to the millisecond.
    fn pass(&mut self, released: u64, seconds: u64) {
        let metrics = || self.worker.handle.metrics();
        eventually("it is released", || metrics().retried == released);
        let (reserved, delay) = (metrics().reserved, Duration::from_secs(seconds));
        self.server.clock().advance(delay - Duration::from_millis(1));
        assert_eq!(
            self.client.stats_job(self.job).unwrap().state,
            Some(JobState::Delayed),
            "released {released} times"
        );
        self.server.clock().advance(Duration::from_millis(1));
        eventually("it is tried again", || metrics().reserved > reserved);
    }

    /// Stops the worker, and gives what it has reported of the job.
    fn end(self) -> Vec<JobEvent> {
        self.worker.stop(LONG);
        of(&self.heard, self.job)
    }
}

fn fails() -> Deed {
    Ending::Error(Evil::Plain("no such thing")).into()
}

fn is_done() -> Deed {
    Ending::Verdict(Verdict::Done).into()
}

fn asks_for_later() -> Deed {
    Ending::Verdict(Verdict::retry_after(5)).into()
}

fn failed(then: JobEvent) -> [JobEvent; 3] {
    [JobEvent::Reserved, JobEvent::Failed { reason: "no such thing".into() }, then]
}

fn retried(attempt: u64, delay: u32) -> JobEvent {
    JobEvent::Retried { attempt, delay: delay.into() }
}

const GIVEN_UP: JobEvent = JobEvent::Buried { reason: BuryReason::Failed { attempt: 3 } };

pub(super) fn a_job_that_fails_thrice_is_buried_and_once_kicked_tried_again<B: Binding>() {
    let mut story = Story::begin::<B>(|_| {}, [fails as fn() -> Deed, fails, fails, fails, is_done]);
    story.pass(1, 3);
    story.pass(2, 6);
    eventually("it is buried", || story.worker.handle.metrics().buried_failed == 1);
    let stats = story.client.stats_job(story.job).unwrap();
    assert_eq!((stats.state, stats.pri, stats.releases), (Some(JobState::Buried), Some(7.into()), Some(2)));
    // It has a full set of tries again.
    story.client.kick(1).unwrap();
    story.pass(3, 3);
    eventually("it is done", || story.worker.handle.metrics().done == 1);
    let done = [JobEvent::Reserved, JobEvent::Done { took: Duration::ZERO }];
    let expected =
        [&failed(retried(1, 3))[..], &failed(retried(2, 6)), &failed(GIVEN_UP), &failed(retried(1, 3)), &done];
    assert_eq!(story.end(), expected.concat());
}

pub(super) fn what_a_handler_asks_to_be_tried_later_is_no_failure_of_its_job<B: Binding>() {
    let endings = [asks_for_later as fn() -> Deed, fails, asks_for_later, asks_for_later, fails];
    let mut story = Story::begin::<B>(|_| {}, endings);
    for (released, delay) in [(1, 5), (2, 3), (3, 5), (4, 5), (5, 6)] {
        story.pass(released, delay);
    }
    eventually("it is buried", || story.worker.handle.metrics().buried_failed == 1);
    let later = |attempt| [JobEvent::Reserved, retried(attempt, 5)];
    let expected =
        [&later(1)[..], &failed(retried(1, 3)), &later(2), &later(2), &failed(retried(2, 6)), &failed(GIVEN_UP)];
    assert_eq!(story.end(), expected.concat());
}

pub(super) fn a_job_whose_handlers_take_too_long_is_tried_again_after_its_delays_and_buried<B: Binding>() {
    let after = Duration::from_millis(50);
    let (go, going) = channel::bounded::<()>(1);
    let mut story = Story::begin::<B>(
        |setup| {
            setup.handler_timeout = Some(after);
            setup.handler = Box::new(move |_| Deed { gate: Some(going.clone()), ..is_done() });
        },
        [],
    );
    for (released, delay) in [(1, 3), (2, 6)] {
        if B::BLOCKS {
            // Its handler runs on, and its slot waits for that.
            eventually("it is released", || story.worker.handle.metrics().retried == released);
            go.send_blocking(()).unwrap();
        }
        story.pass(released, delay);
    }
    eventually("it is buried", || story.worker.handle.metrics().buried_failed == 1);
    drop(go);
    let timed_out = |then| [JobEvent::Reserved, JobEvent::TimedOut { after }, then];
    let expected = [timed_out(retried(1, 3)), timed_out(retried(2, 6)), timed_out(GIVEN_UP)];
    assert_eq!(story.end(), expected.concat());
}

pub(super) fn a_job_that_has_failed_for_good_is_ready_among_the_dead_letters<B: Binding>() {
    let mut story = Story::begin::<B>(|setup| setup.dead_letters = Some("dead"), [fails as fn() -> Deed]);
    story.pass(1, 3);
    story.pass(2, 6);
    eventually("it is moved", || story.worker.handle.metrics().moved == 1);
    story.client.use_tube("dead").unwrap();
    let dead = story.client.peek_ready().unwrap();
    let stats = story.client.stats_job(dead.id).unwrap();
    assert_eq!((dead.text(), stats.pri, stats.ttr), (Ok("x"), Some(7.into()), Some(Duration::from_secs(90))));
    assert_eq!(story.client.stats().unwrap().current_jobs_buried, Some(0));
    let moved = JobEvent::Moved { tube: "dead".parse().unwrap(), id: dead.id };
    let expected = [failed(retried(1, 3)), failed(retried(2, 6)), failed(moved)];
    assert_eq!(story.end(), expected.concat());
}
