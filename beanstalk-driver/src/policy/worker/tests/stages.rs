//! What a slot is at, what it may do, and what it does when it is to stop or is refused.

use alloc::{vec, vec::Vec};
use core::{num::NonZeroU32, time::Duration};

use super::{
    super::{Action, BuryReason, JobEvent, Metrics, Outcome, Permit, Stage, Verdict, Worker, WorkerConfig},
    scenarios::{config, queue, reserving},
    world::{World, at},
};
use crate::policy::{
    Event,
    retry::{Deferrals, RetryPolicy},
};
use beanstalk_proto::{
    Command, CommandError, Error, Instant, Job, JobId, Lost, Priority, ProtocolError, Reply, Subject, TubeName,
    stats::JobStats,
};

const ID: JobId = JobId(3);

fn job() -> Job {
    Job { id: ID, body: Vec::new() }
}

fn broken() -> Error {
    Error::Closed { lost: Lost::Unknown }
}

/// A slot whose handler runs.
fn running(config: &WorkerConfig) -> Worker {
    let mut worker = Worker::new(config, 1);
    assert_eq!(worker.poll_action(at(0)), Action::Connect);
    worker.handle_connected(at(0));
    assert!(matches!(worker.poll_action(at(0)), Action::Send(Command::ReserveWithTimeout { .. })));
    worker.handle_reply(Ok(Reply::Reserved(job())), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Start(job()));
    worker
}

fn finish(worker: &mut Worker, outcome: impl Into<Outcome>, now: Instant) {
    worker.handle_finished(outcome, &queue(), &mut Deferrals::new(), now);
}

fn events(worker: &mut Worker) -> Vec<JobEvent> {
    core::iter::from_fn(|| worker.poll_job_event()).map(|(_, event)| event).collect()
}

#[test]
fn each_stage_of_a_slot_shows() {
    let mut worker = Worker::new(&config(), 1);
    assert_eq!(worker.stage(), Stage::Free { connected: false });
    worker.poll_action(at(0));
    worker.handle_connected(at(0));
    assert_eq!(worker.stage(), Stage::Free { connected: true });
    worker.poll_action(at(0));
    assert_eq!(worker.stage(), Stage::Asking);
    worker.handle_reply(Ok(Reply::Reserved(job())), at(0));
    assert_eq!(worker.stage(), Stage::Holding);
    worker.poll_action(at(0));
    assert_eq!(worker.stage(), Stage::Running);
    finish(&mut worker, Verdict::Done, at(1));
    assert_eq!(worker.stage(), Stage::Free { connected: true });
    assert!(matches!(worker.poll_action(at(1)), Action::SendBoth(..)));
    assert_eq!(worker.stage(), Stage::Asking, "with what finishes the job");
    // A handler that was given up and runs on is one that runs.
    let mut worker = running(&config());
    finish(&mut worker, Outcome::TimedOut(Duration::from_secs(1)), at(1000));
    worker.handle_left_running();
    assert_eq!(worker.stage(), Stage::Running);
    worker.handle_returned();
    assert_eq!(worker.stage(), Stage::Free { connected: true });
}

#[test]
fn a_job_waits_as_long_as_it_may_not_begin_and_is_given_back_if_it_is_not_wanted() {
    let mut worker = reserving();
    worker.handle_permit(Permit::Wait(Some(at(200))));
    worker.handle_reply(Ok(Reply::Reserved(job())), at(1));
    assert_eq!(worker.poll_action(at(1)), Action::Wait(Some(at(200))), "before it is to be touched");
    worker.handle_permit(Permit::GiveBack);
    assert_eq!(worker.poll_action(at(200)), Action::Close);
    assert_eq!(worker.metrics(), Metrics { reserved: 1, returned: 1, ..Metrics::default() });
    // One that has begun is its handler's.
    let mut worker = running(&config());
    worker.handle_permit(Permit::GiveBack);
    assert!(matches!(worker.poll_action(at(1)), Action::Wait(Some(_))));
}

#[test]
fn a_slot_that_is_refused_ends_with_its_handler_and_shows_why() {
    let refusal = || Error::Protocol { error: ProtocolError::Tls, lost: Lost::NotSent };
    let mut worker = Worker::new(&config(), 1);
    assert_eq!(worker.poll_action(at(0)), Action::Connect);
    worker.handle_disconnected(&refusal(), at(0));
    assert_eq!((worker.poll_action(at(0)), worker.is_refused()), (Action::Stop, true));
    // While its handler runs it was connected before, and is not any more.
    let mut worker = running(&config());
    worker.handle_disconnected(&broken(), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Close);
    assert_eq!(worker.poll_action(at(60_000)), Action::Connect);
    worker.handle_disconnected(&refusal(), at(60_000));
    assert_eq!(worker.poll_action(at(120_000)), Action::Wait(None));
    finish(&mut worker, Verdict::Done, at(130_000));
    assert_eq!((worker.poll_action(at(130_000)), worker.is_refused()), (Action::Stop, true));
    // One that is stopped was not refused.
    let mut worker = reserving();
    worker.handle_shutdown(at(1));
    assert_eq!((worker.poll_action(at(0)), worker.is_refused()), (Action::Stop, false));
}

#[test]
fn a_slot_whose_every_reserve_breaks_the_connection_waits_longer_each_time() {
    // As where a job that a kill has torn is the first of its tube.
    let torn = || {
        let error = ProtocolError::MissingCrlf { command: "reserve-with-timeout", id: Some(ID), bytes: 9 };
        Error::Protocol { error, lost: Lost::Unknown }
    };
    let mut worker = Worker::new(&WorkerConfig { tubes: vec![TubeName::new("jobs").unwrap()], ..config() }, 1);
    let mut now = at(0);
    let mut attempts = Vec::new();
    for _ in 0..20 {
        match worker.poll_action(now) {
            Action::Connect => worker.handle_connected(now),
            Action::Send(Command::ReserveWithTimeout { .. }) => worker.handle_reply(Err(torn()), now),
            Action::Send(_) => worker.handle_reply(Ok(Reply::Watching(1)), now),
            Action::Wait(Some(until)) => now = until,
            action => assert_eq!(action, Action::Close),
        }
        attempts.extend(core::iter::from_fn(|| worker.poll_event()).filter_map(|event| match event {
            Event::Retrying { attempt, .. } => Some(attempt),
            _ => None,
        }));
    }
    assert_eq!(attempts, [1, 2, 3]);
}

#[test]
fn a_slot_that_is_to_stop_connects_for_no_job_that_is_not_its_own_any_more() {
    let deadline = at(100_000);
    // It is lost with the connection.
    let mut worker = running(&config());
    worker.handle_disconnected(&broken(), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Close);
    worker.handle_shutdown(deadline);
    assert_eq!(worker.poll_action(at(90_000)), Action::Wait(Some(deadline)));
    finish(&mut worker, Verdict::Done, at(90_000));
    assert_eq!(worker.poll_action(at(90_000)), Action::Stop);
    // It is finished without its handler, which runs on.
    let config = WorkerConfig { handler_timeout: Some(Duration::from_secs(1)), ..config() };
    let mut worker = running(&config);
    worker.handle_shutdown(deadline);
    assert!(matches!(worker.poll_action(at(0)), Action::Wait(Some(_))));
    assert_eq!(worker.poll_action(at(1000)), Action::GiveUp(Duration::from_secs(1)));
    finish(&mut worker, Outcome::TimedOut(Duration::from_secs(1)), at(1000));
    worker.handle_left_running();
    assert_eq!(worker.poll_action(at(1000)), Action::Send(Command::StatsJob { id: ID }));
    worker
        .handle_reply(Ok(Reply::Ok(b"---\npri: 9\nttr: 60\nreleases: 0\nburies: 0\ntimeouts: 0\n".to_vec())), at(1001));
    assert!(matches!(worker.poll_action(at(1001)), Action::Send(Command::Release { .. })));
    worker.handle_reply(Ok(Reply::Released), at(1002));
    worker.handle_disconnected(&broken(), at(1003));
    assert_eq!(worker.poll_action(at(1003)), Action::Close);
    assert_eq!(worker.poll_action(at(90_000)), Action::Wait(Some(deadline)));
    worker.handle_returned();
    assert_eq!(worker.poll_action(at(90_000)), Action::Stop);
}

#[test]
fn statistics_that_a_handler_has_asked_for_are_good_for_its_slot_too() {
    let stats =
        JobStats { id: Some(ID), pri: Some(Priority(9)), ttr: Some(Duration::from_secs(60)), ..JobStats::default() };
    let mut worker = running(&config());
    worker.handle_stats(&JobStats { id: Some(JobId(4)), ..stats.clone() }, at(1));
    assert_eq!(worker.stats(), None, "those of another job");
    worker.handle_stats(&stats, at(1));
    assert_eq!(worker.stats(), Some(&stats));
    finish(&mut worker, Verdict::Bury, at(2));
    let bury = Command::Bury { id: ID, priority: Priority(9) };
    assert!(matches!(worker.poll_action(at(2)), Action::SendBoth(command, _) if command == bury));
}

#[test]
fn a_job_taken_back_is_touched_before_it_is_asked_about_and_not_lost_as_that_is_refused() {
    let mut world = World::calm(&WorkerConfig { learns_first: true, reclaim: true, ..config() });
    world.script([(60_000, Verdict::Done)]);
    world.put(60, 7);
    world.run_until(at(100));
    world.break_connection();
    let run_to = |world: &mut World, word: &str| {
        let last = |world: &World| world.sent_words().last().is_some_and(|last| *last == word);
        for millis in 0..60_000 {
            if last(world) {
                return;
            }
            world.run_until(world.now.max(at(millis)));
        }
        panic!("no {word}: {:?}", world.sent_words());
    };
    run_to(&mut world, "reserve-job");
    world.run_until(world.now + Duration::from_millis(100));
    assert_eq!(world.sent_words().last(), Some(&"reserve-job"));
    run_to(&mut world, "touch");
    run_to(&mut world, "stats-job");
    world.server.out_of_memory = true;
    world.run_until(world.now + Duration::from_millis(5));
    world.server.out_of_memory = false;
    world.run_until(at(100_000));
    assert_eq!(world.worker.metrics(), Metrics { reserved: 1, done: 1, reconnects: 1, ..Metrics::default() });
}

/// A slot that has asked for the body of a job which is to go to the tube for dead letters.
fn moving() -> Worker {
    let retry = RetryPolicy { bury_after: NonZeroU32::new(1), ..RetryPolicy::default() };
    let dead_letters = Some(TubeName::new("dead").expect("a name"));
    let mut worker = running(&WorkerConfig { retry, dead_letters, ..config() });
    finish(&mut worker, Verdict::Failed, at(1));
    assert_eq!(worker.poll_action(at(1)), Action::Send(Command::StatsJob { id: ID }));
    worker.handle_reply(Ok(Reply::Ok(b"---\npri: 9\nttr: 60\nreleases: 0\nburies: 0\ntimeouts: 0\n".to_vec())), at(1));
    assert_eq!(worker.poll_action(at(1)), Action::Send(Command::Peek { id: ID }));
    worker
}

#[test]
fn a_job_whose_body_is_over_the_limit_is_buried_in_place_of_being_moved() {
    let mut worker = moving();
    worker.handle_reply(Err(Error::ReplyTooBig { command: "peek", id: Some(ID), bytes: 9, limit: 8 }), at(2));
    assert!(matches!(worker.poll_action(at(2)), Action::SendBoth(Command::Bury { .. }, _)));
    worker.handle_reply(Ok(Reply::Buried), at(3));
    let [reserved, failed] = [JobEvent::Reserved, JobEvent::Failed { reason: "its verdict is that it failed".into() }];
    let buried = JobEvent::Buried { reason: BuryReason::Failed { attempt: 1 } };
    assert_eq!(events(&mut worker), vec![reserved, failed, buried]);
}

#[test]
fn a_job_that_is_gone_on_the_way_to_another_tube_is_lost_and_so_is_one_whose_connection_breaks() {
    let mut worker = moving();
    let (subject, error) = (Subject::Job(ID), CommandError::NotFound);
    worker.handle_reply(Err(Error::Command { command: "peek", subject, error }), at(2));
    assert!(matches!(worker.poll_action(at(2)), Action::Send(Command::ReserveWithTimeout { .. })));
    assert_eq!(worker.metrics().lost, 1);
    let mut worker = moving();
    worker.handle_reply(Err(broken()), at(2));
    assert_eq!((worker.poll_action(at(2)), worker.metrics().lost), (Action::Close, 1));
}
