//! What becomes of jobs that fail, and what is reported of it.

use alloc::{string::String, vec};
use core::{num::NonZeroU32, time::Duration};

use super::{
    super::{Action, BuryReason, JobEvent, Metrics, Outcome, Verdict, WorkerConfig},
    server::State,
    world::{World, at},
};
use crate::policy::retry::RetryPolicy;
use beanstalk_proto::{Command, JobId, Priority, TubeName};

fn thrice() -> WorkerConfig {
    let retry = RetryPolicy { bury_after: NonZeroU32::new(3), ..RetryPolicy::default() };
    WorkerConfig { retry, ..WorkerConfig::default() }
}

fn dead() -> TubeName {
    TubeName::new("dead").expect("a name")
}

fn failed() -> JobEvent {
    JobEvent::Failed { reason: String::from("its verdict is that it failed") }
}

fn retried(attempt: u64, delay: u32) -> JobEvent {
    JobEvent::Retried { attempt, delay: delay.into() }
}

fn buried(reason: BuryReason) -> JobEvent {
    JobEvent::Buried { reason }
}

fn done(millis: u64) -> JobEvent {
    JobEvent::Done { took: Duration::from_millis(millis) }
}

#[test]
fn a_job_fails_thrice_is_buried_kicked_and_tried_again() {
    let mut world = World::calm(&thrice());
    world.script([
        (1, Verdict::Failed),
        (1, Verdict::RetryAfter(0.into())),
        (1, Verdict::Failed),
        (1, Verdict::Failed),
    ]);
    let id = world.put(60, 7);
    world.run_until(at(60_000));
    let reserved = JobEvent::Reserved;
    // What its handler asked for is free.
    let expected = [
        [reserved.clone(), failed(), retried(1, 1)].to_vec(),
        [reserved.clone(), retried(2, 0)].to_vec(),
        [reserved.clone(), failed(), retried(2, 2)].to_vec(),
        [reserved.clone(), failed(), buried(BuryReason::Failed { attempt: 3 })].to_vec(),
    ];
    assert_eq!(world.events(), expected.concat());
    world.script([(1, Verdict::Failed), (20, Verdict::Done)]);
    world.kick(id);
    world.run_until(at(120_000));
    assert_eq!(world.events(), [reserved.clone(), failed(), retried(1, 1), reserved, done(20)]);
}

#[test]
fn a_handler_that_takes_too_long_has_failed_and_is_tried_again_and_buried_at_last() {
    let timeout = Duration::from_secs(90);
    let mut world = World::calm(&WorkerConfig { handler_timeout: Some(timeout), ..thrice() });
    world.script([(3_600_000, Verdict::Done), (89_999, Verdict::Failed), (90_001, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(400_000));
    let timed_out = || JobEvent::TimedOut { after: timeout };
    let expected = [
        [JobEvent::Reserved, timed_out(), retried(1, 1)],
        [JobEvent::Reserved, failed(), retried(2, 2)],
        [JobEvent::Reserved, timed_out(), buried(BuryReason::Failed { attempt: 3 })],
    ];
    assert_eq!(world.events(), expected.concat());
    let job = &world.server.jobs[&id];
    assert_eq!((job.state, job.timeouts), (State::Buried, 0), "it is kept alive until then");
    let metrics = world.worker.metrics();
    assert_eq!((metrics.failed, metrics.timed_out, metrics.retried, metrics.buried_failed), (3, 2, 2, 1));
    let touches = world.sent.iter().filter(|(_, command)| matches!(command, Command::Touch { .. }));
    assert!(touches.clone().count() > 9);
    assert!(touches.map(|(when, _)| *when).all(|when| when < at(90_000 + 1100 + 90_000 + 2100 + 90_100)));
}

#[test]
fn a_handler_is_given_up_in_its_time_though_what_it_asked_is_not_answered() {
    let timeout = Duration::from_secs(90);
    let mut world = World::calm(&WorkerConfig { handler_timeout: Some(timeout), ..thrice() });
    world.script([(3_600_000, Verdict::Done)]);
    world.put(60, 7);
    world.run_until(at(10_000));
    world.worker.handle_asking(true);
    // Not even a touch that is due.
    let Action::Wait(Some(until)) = world.worker.poll_action(at(80_000)) else { panic!("the connection is busy") };
    assert_eq!(world.worker.poll_action(until), Action::GiveUp(timeout));
}

#[test]
fn a_slot_whose_handler_blocks_beyond_its_time_takes_no_job_until_it_returns() {
    let timeout = Duration::from_secs(1);
    let mut world = World::calm(&WorkerConfig { handler_timeout: Some(timeout), ..thrice() });
    world.blocks = true;
    world.script([(60_000, Verdict::Done), (1, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(50_000));
    // Its job is released by then, and nothing else is done.
    assert_eq!(world.server.jobs[&id].state, State::Ready);
    assert_eq!(world.sent_words()[1..], ["touch", "stats-job", "release"]);
    world.run_until(at(59_900));
    assert_eq!(world.sent_words().len(), 4);
    world.run_until(at(61_000));
    let took = done(1);
    let expected = [
        [JobEvent::Reserved, JobEvent::TimedOut { after: timeout }, retried(1, 1)].to_vec(),
        [JobEvent::Reserved, took].to_vec(),
    ];
    assert_eq!(world.events(), expected.concat());
    // A shutdown gives the next one until its deadline.
    world.script([(60_000, Verdict::Done)]);
    world.put(60, 7);
    world.run_until(at(70_000));
    world.shut_down(at(80_000));
    assert_eq!(world.stopped, None);
    world.run_until_stopped();
    assert_eq!(world.stopped, Some(at(80_000)));
    // And ends with it.
    let mut world = World::calm(&WorkerConfig { handler_timeout: Some(timeout), ..thrice() });
    world.blocks = true;
    world.script([(30_000, Verdict::Done)]);
    world.put(60, 7);
    world.run_until(at(10_000));
    world.shut_down(at(80_000));
    world.run_until_stopped();
    assert!(world.stopped.is_some_and(|stopped| stopped < at(31_000)), "{:?}", world.stopped);
}

#[test]
fn what_a_handler_buries_what_is_too_big_and_what_finds_no_memory_are_distinguished() {
    let mut world = World::calm(&thrice());
    world.script([(1, Verdict::Bury)]);
    world.put(60, 7);
    world.run_until(at(1000));
    assert_eq!(world.events(), [JobEvent::Reserved, buried(BuryReason::Handler)]);
    world.server.buries_releases = true;
    world.script([(1, Verdict::RetryAfter(5.into()))]);
    world.put(60, 7);
    world.run_until(at(2000));
    assert_eq!(world.events(), [JobEvent::Reserved, buried(BuryReason::OutOfMemory)]);
    let expected = Metrics { reserved: 2, buried: 2, buried_out_of_memory: 1, ..Metrics::default() };
    assert_eq!(world.worker.metrics(), expected);
}

#[test]
fn a_function_chooses_by_attempt_before_the_policy_does() {
    let mut world = World::calm(&WorkerConfig { decides: true, ..thrice() });
    world.script([(1, Verdict::Failed); 4]);
    world.decisions =
        vec![Verdict::RetryAfter(5.into()), Verdict::Failed, Verdict::RetryAfter(0.into()), Verdict::Done];
    let id = world.put(60, 7);
    world.run_until(at(60_000));
    // What it releases counts, and the policy's last attempt is none to the function.
    assert_eq!(world.attempts, [1, 2, 3, 4]);
    assert_eq!(world.server.jobs[&id].state, State::Deleted);
    let (reserved, took) = (JobEvent::Reserved, done(1));
    let expected = [
        [reserved.clone(), failed(), retried(1, 5)],
        [reserved.clone(), failed(), retried(2, 2)],
        [reserved.clone(), failed(), retried(3, 0)],
        [reserved, failed(), took],
    ];
    assert_eq!(world.events(), expected.concat());
}

#[test]
fn a_job_that_has_failed_for_good_is_put_into_the_dead_letter_tube_and_then_deleted() {
    let retry = RetryPolicy { bury_after: NonZeroU32::new(1), ..RetryPolicy::default() };
    let mut world = World::calm(&WorkerConfig { retry, dead_letters: Some(dead()), ..WorkerConfig::default() });
    world.script([(1, Verdict::Failed); 2]);
    let first = world.put(60, 7);
    world.run_until(at(1000));
    let words = ["reserve-with-timeout", "stats-job", "peek", "use", "put", "delete", "reserve-with-timeout"];
    assert_eq!(world.sent_words(), words);
    assert_eq!(world.server.dead, [(dead(), b"body 1".to_vec(), Priority(7), 60)]);
    assert_eq!(world.server.jobs[&first].state, State::Deleted);
    let moved = |id| JobEvent::Moved { tube: dead(), id: JobId(id) };
    assert_eq!(world.events(), [JobEvent::Reserved, failed(), moved(1001)]);
    // The tube is in use by now.
    world.put(60, 8);
    world.run_until(at(2000));
    assert_eq!(world.sent_words()[words.len()..], ["stats-job", "peek", "put", "delete", "reserve-with-timeout"]);
    assert_eq!(world.events(), [JobEvent::Reserved, failed(), moved(1002)]);
    // A handler's own verdict is carried out as it stands.
    world.script([(1, Verdict::Bury)]);
    let third = world.put(60, 9);
    world.run_until(at(3000));
    assert_eq!(world.server.jobs[&third].state, State::Buried);
    assert_eq!((world.worker.metrics().moved, world.worker.metrics().buried), (2, 1));
}

#[test]
fn a_malformed_job_is_not_tried_again_unless_a_function_or_a_setting_has_it_so() {
    let outcome = || (1, Outcome::Malformed("no JSON".into()));
    let malformed = JobEvent::Malformed { reason: "no JSON".into() };
    let events = |config: &WorkerConfig, decisions| {
        let mut world = World::calm(config);
        world.script([outcome()]);
        world.decisions = decisions;
        world.put(60, 7);
        world.run_until(at(500));
        assert_eq!((world.worker.metrics().failed, world.worker.metrics().malformed), (1, 1));
        world.events()
    };
    let became = |then| [JobEvent::Reserved, malformed.clone(), then];
    assert_eq!(events(&thrice(), vec![]), became(buried(BuryReason::Malformed)));
    let dead_letters = WorkerConfig { dead_letters: Some(dead()), ..thrice() };
    assert_eq!(events(&dead_letters, vec![]), became(JobEvent::Moved { tube: dead(), id: JobId(1001) }));
    assert_eq!(events(&WorkerConfig { bury_malformed: false, ..thrice() }, vec![]), became(retried(1, 1)));
    let decides = WorkerConfig { decides: true, ..thrice() };
    assert_eq!(events(&decides, vec![Verdict::RetryAfter(5.into())]), became(retried(1, 5)));
    assert_eq!(events(&decides, vec![Verdict::Failed]), became(buried(BuryReason::Malformed)));
}

#[test]
fn a_job_that_the_server_would_not_have_in_the_dead_letter_tube_is_buried() {
    let retry = RetryPolicy { bury_after: NonZeroU32::new(1), ..RetryPolicy::default() };
    let mut world = World::calm(&WorkerConfig { retry, dead_letters: Some(dead()), ..WorkerConfig::default() });
    world.server.draining = true;
    world.script([(1, Verdict::Failed)]);
    let id = world.put(60, 7);
    world.run_until(at(1000));
    assert_eq!((world.server.jobs[&id].state, world.server.dead.len()), (State::Buried, 0));
    assert_eq!(world.events(), [JobEvent::Reserved, failed(), buried(BuryReason::Failed { attempt: 1 })]);
}

#[test]
fn a_connection_that_breaks_on_the_way_to_the_dead_letter_tube_leaves_two_of_a_job_and_never_none() {
    let retry = RetryPolicy { bury_after: NonZeroU32::new(1), ..RetryPolicy::default() };
    for millis in 0..20 {
        let config = WorkerConfig { retry, dead_letters: Some(dead()), ..WorkerConfig::default() };
        let mut world = World::calm(&config);
        world.script([(1, Verdict::Failed); 2]);
        let id = world.put(60, 7);
        world.run_until(at(millis));
        world.break_connection();
        world.run_until(at(30_000));
        let puts = world.sent.iter().filter(|(_, command)| matches!(command, Command::Put { .. })).count();
        let copies = world.server.dead.len();
        assert!((1..=2).contains(&copies) && copies <= puts, "broken off after {millis} ms: {copies} of {puts}");
        assert_eq!(world.server.jobs[&id].state, State::Deleted, "broken off after {millis} ms");
    }
}
