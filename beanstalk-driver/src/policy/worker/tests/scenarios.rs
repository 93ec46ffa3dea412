//! What a slot does in one situation each.

use alloc::{vec, vec::Vec};
use core::{num::NonZeroU32, time::Duration};

use super::{
    super::{Action, BuryReason, JobEvent, Metrics, Verdict, Worker, WorkerConfig},
    server::State,
    world::{World, at},
};
use crate::{
    connect::Endpoint,
    policy::retry::{Deferrals, RetryPolicy},
};
use beanstalk_proto::{Command, CommandError, Error, Job, JobId, Reply, Subject, TubeName};

pub(super) fn queue() -> Endpoint {
    "queue:11300".parse().expect("an endpoint")
}

pub(super) fn config() -> WorkerConfig {
    WorkerConfig::default()
}

/// A slot that has connected and sent its first reserve.
pub(super) fn reserving() -> Worker {
    let mut worker = Worker::new(&config(), 1);
    assert_eq!(worker.poll_action(at(0)), Action::Connect);
    worker.handle_connected(at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Send(Command::ReserveWithTimeout { timeout: 10 }));
    assert_eq!(worker.poll_action(at(0)), Action::Wait(None));
    worker
}

#[test]
fn a_short_job_costs_a_reserve_and_a_delete_and_no_other_command() {
    let mut world = World::calm(&config());
    world.script([(5, Verdict::Done)]);
    let id = world.put(1, 7);
    world.run_until(at(20));
    assert_eq!(world.server.jobs[&id].state, State::Deleted);
    assert_eq!(world.sent_words(), ["reserve-with-timeout", "delete", "reserve-with-timeout"]);
    assert_eq!(world.worker.metrics(), Metrics { reserved: 1, done: 1, ..Metrics::default() });
}

#[test]
fn a_job_is_asked_about_once_before_its_handler_begins_if_that_depends_on_its_tube() {
    let mut world = World::calm(&WorkerConfig { learns_first: true, ..config() });
    world.script([(5, Verdict::Failed), (5, Verdict::Done)]);
    world.put(60, 7);
    world.run_until(at(20));
    let words = ["reserve-with-timeout", "stats-job", "release", "reserve-with-timeout"];
    assert_eq!(world.sent_words(), words, "the answer is good for the verdict, too");
    world.run_until(at(2000));
    let words = ["stats-job", "delete", "reserve-with-timeout"];
    assert_eq!(world.sent_words()[4..], words);
    assert_eq!(world.worker.metrics(), Metrics { reserved: 2, done: 1, retried: 1, failed: 1, ..Metrics::default() });
}

#[test]
fn a_job_that_nobody_could_be_asked_about_is_not_begun() {
    for (reclaim, lost) in [(false, 1), (true, 0)] {
        let mut world = World::calm(&WorkerConfig { learns_first: true, reclaim, ..config() });
        world.script([(5, Verdict::Done)]);
        let id = world.put(60, 7);
        // The question is under way.
        world.run_until(at(4));
        assert_eq!(world.sent_words().last(), Some(&"stats-job"));
        world.break_connection();
        world.run_until(at(30_000));
        assert_eq!((world.server.jobs[&id].state, world.server.jobs[&id].ran), (State::Deleted, 1));
        assert_eq!((world.worker.metrics().done, world.worker.metrics().lost), (1, lost));
    }
}

#[test]
fn the_tubes_are_watched_before_the_first_reserve() {
    let tubes = vec![TubeName::new("a").expect("a name"), TubeName::new("b").expect("a name")];
    let mut world = World::calm(&WorkerConfig { tubes, ..config() });
    world.run_until(at(50));
    assert_eq!(world.sent_words(), ["watch", "watch", "ignore", "reserve-with-timeout"]);
}

#[test]
fn a_long_job_is_touched_and_never_expires() {
    let mut world = World::calm(&config());
    world.script([(600_000, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(700_000));
    let job = &world.server.jobs[&id];
    assert_eq!((job.state, job.timeouts), (State::Deleted, 0));
    let touches = world.sent_words().iter().filter(|word| **word == "touch").count();
    assert!((25..=31).contains(&touches), "{touches} touches in ten minutes for a ttr of one");
}

#[test]
fn a_job_to_retry_keeps_its_priority_and_waits_as_the_handler_asks() {
    let mut world = World::calm(&config());
    world.script([(5, Verdict::RetryAfter(30.into())), (5, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(20));
    assert_eq!(world.sent_words()[1..3], ["stats-job", "release"]);
    assert!(matches!(world.server.jobs[&id].state, State::Delayed(until) if until > at(30_000) && until < at(30_020)));
    world.run_until(at(31_000));
    assert_eq!(world.server.jobs[&id].state, State::Deleted);
    assert_eq!(world.worker.metrics(), Metrics { reserved: 2, done: 1, retried: 1, ..Metrics::default() });
}

#[test]
fn a_job_that_fails_is_delayed_longer_each_time_and_then_buried() {
    let retry = RetryPolicy { bury_after: NonZeroU32::new(3), ..RetryPolicy::default() };
    let mut world = World::calm(&WorkerConfig { retry, ..config() });
    world.script([(1, Verdict::Failed); 3]);
    let id = world.put(60, 7);
    world.run_until(at(60_000));
    let releases = world.sent.iter().filter_map(|(_, command)| match command {
        Command::Release { delay, .. } => Some(*delay),
        _ => None,
    });
    let delays: Vec<_> = releases.collect();
    assert_eq!(delays, [1, 2]);
    assert_eq!(world.server.jobs[&id].state, State::Buried);
    assert_eq!(
        world.worker.metrics(),
        Metrics { reserved: 3, retried: 2, buried: 1, buried_failed: 1, failed: 3, ..Metrics::default() }
    );
}

#[test]
fn a_job_to_be_tried_later_has_not_failed() {
    let retry = RetryPolicy { bury_after: NonZeroU32::new(3), ..RetryPolicy::default() };
    let mut world = World::calm(&WorkerConfig { retry, ..config() });
    world.script([(1, Verdict::RetryAfter(0.into())); 5].into_iter().chain([(1, Verdict::Failed); 3]));
    let id = world.put(60, 7);
    world.run_until(at(60_000));
    assert_eq!((world.server.jobs[&id].state, world.server.jobs[&id].ran), (State::Buried, 8));
    assert_eq!(
        world.worker.metrics(),
        Metrics { reserved: 8, retried: 7, buried: 1, buried_failed: 1, failed: 3, ..Metrics::default() }
    );
}

#[test]
fn an_idle_slot_stops_at_once() {
    let mut world = World::calm(&config());
    world.run_until(at(1000));
    world.shut_down(at(60_000));
    assert_eq!(world.stopped, Some(at(1000)));
}

#[test]
fn a_job_that_comes_while_the_slot_stops_is_ready_again() {
    let mut world = World::calm(&config());
    world.run_until(at(1000));
    let id = world.put(60, 7);
    assert!(matches!(world.server.jobs[&id].state, State::Reserved(..)), "its reply is on the way");
    world.shut_down(at(60_000));
    assert_eq!((world.stopped, world.server.jobs[&id].state), (Some(at(1000)), State::Ready));
}

#[test]
fn a_shutdown_lets_the_job_in_hand_be_finished_and_takes_no_other() {
    let mut world = World::calm(&config());
    world.script([(5000, Verdict::Done)]);
    let ids = [world.put(1, 7), world.put(1, 7)];
    world.run_until(at(1000));
    world.shut_down(at(60_000));
    world.run_until_stopped();
    assert!(world.stopped < Some(at(5100)));
    assert_eq!(ids.map(|id| world.server.jobs[&id].state), [State::Deleted, State::Ready]);
    assert_eq!(world.server.jobs[&ids[0]].timeouts, 0, "it is touched to the end");
}

#[test]
fn at_the_deadline_the_job_in_hand_is_given_back_and_nothing_counts_against_it() {
    let mut world = World::calm(&config());
    world.script([(500_000, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(1000));
    world.shut_down(at(8000));
    world.shut_down(at(9000));
    world.run_until_stopped();
    assert_eq!(world.stopped, Some(at(8000)), "the earlier deadline counts");
    let job = &world.server.jobs[&id];
    assert_eq!((job.state, job.releases, job.timeouts, job.priority.0), (State::Ready, 0, 0, 7));
    assert_eq!(world.worker.metrics(), Metrics { reserved: 1, returned: 1, ..Metrics::default() });
}

#[test]
fn a_job_that_is_too_big_to_be_read_is_buried() {
    let mut worker = reserving();
    let id = JobId(3);
    let error = Error::ReplyTooBig { command: "reserve-with-timeout", id: Some(id), bytes: 1 << 30, limit: 1 };
    worker.handle_reply(Err(error), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Send(Command::StatsJob { id }));
    worker.handle_reply(Ok(Reply::Ok(b"---\npri: 9\nttr: 60\n".into())), at(0));
    assert!(
        matches!(worker.poll_action(at(0)), Action::SendBoth(bury, _) if bury == Command::Bury { id, priority: 9.into() })
    );
    worker.handle_reply(Ok(Reply::Buried), at(0));
    assert_eq!(worker.metrics(), Metrics { reserved: 1, buried: 1, too_big: 1, ..Metrics::default() });
    let events: Vec<_> = core::iter::from_fn(|| worker.poll_job_event()).map(|(_, event)| event).collect();
    let too_big = JobEvent::TooBig { bytes: 1 << 30, limit: 1 };
    assert_eq!(events, [JobEvent::Reserved, too_big, JobEvent::Buried { reason: BuryReason::TooBig }]);
}

#[test]
fn a_touch_under_way_is_answered_before_the_verdict_is_carried_out() {
    let mut worker = reserving();
    let job = Job { id: JobId(3), body: Vec::new() };
    worker.handle_reply(Ok(Reply::Reserved(job.clone())), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Start(job));
    assert!(matches!(worker.poll_action(at(0)), Action::Wait(Some(_))));
    assert_eq!(worker.poll_action(at(340)), Action::Send(Command::Touch { id: JobId(3) }));
    worker.handle_finished(Verdict::Done, &queue(), &mut Deferrals::new(), at(0));
    assert_eq!(worker.poll_action(at(341)), Action::Wait(None));
    worker.handle_reply(Ok(Reply::Touched), at(342));
    let reserve = Command::ReserveWithTimeout { timeout: 10 };
    assert_eq!(worker.poll_action(at(342)), Action::SendBoth(Command::Delete { id: JobId(3) }, reserve));
}

#[test]
fn a_job_is_finished_and_the_next_reserved_in_one_write_unless_the_slot_is_to_stop() {
    let finishing = || {
        let mut worker = reserving();
        let job = Job { id: JobId(3), body: Vec::new() };
        worker.handle_reply(Ok(Reply::Reserved(job.clone())), at(0));
        assert_eq!(worker.poll_action(at(0)), Action::Start(job));
        worker.handle_finished(Verdict::Done, &queue(), &mut Deferrals::new(), at(1));
        worker
    };
    let delete = Command::Delete { id: JobId(3) };
    let reserve = Command::ReserveWithTimeout { timeout: 10 };
    let next = Job { id: JobId(4), body: Vec::new() };
    let sent = || {
        let mut worker = finishing();
        assert_eq!(worker.poll_action(at(1)), Action::SendBoth(delete.clone(), reserve.clone()));
        assert!(matches!(worker.poll_action(at(1)), Action::Wait(None)));
        worker
    };
    // Both are answered.
    let mut worker = sent();
    worker.handle_reply(Ok(Reply::Deleted), at(2));
    assert_eq!(worker.poll_action(at(2)), Action::Wait(None));
    worker.handle_reply(Ok(Reply::Reserved(next.clone())), at(3));
    assert_eq!(worker.poll_action(at(3)), Action::Start(next.clone()));
    assert_eq!(worker.metrics(), Metrics { reserved: 2, done: 1, ..Metrics::default() });
    // The job was not held any more: the reserve is as good.
    let mut worker = sent();
    let gone = Error::Command { command: "delete", subject: Subject::None, error: CommandError::NotFound };
    worker.handle_reply(Err(gone), at(2));
    worker.handle_reply(Ok(Reply::Reserved(next.clone())), at(3));
    assert_eq!(worker.poll_action(at(3)), Action::Start(next));
    assert_eq!(worker.metrics(), Metrics { reserved: 2, lost: 1, ..Metrics::default() });
    // The first cannot be carried out: what the second may have taken is given back.
    let mut worker = sent();
    let refused = Error::Command { command: "delete", subject: Subject::None, error: CommandError::OutOfMemory };
    worker.handle_reply(Err(refused), at(2));
    assert_eq!(worker.poll_action(at(2)), Action::Close);
    // It is to stop: after the first is answered, at once.
    let mut worker = sent();
    worker.handle_shutdown(at(1000));
    assert!(matches!(worker.poll_action(at(2)), Action::Wait(Some(_))));
    worker.handle_reply(Ok(Reply::Deleted), at(3));
    assert_eq!(worker.poll_action(at(3)), Action::Stop);
    assert_eq!(worker.metrics(), Metrics { reserved: 1, done: 1, ..Metrics::default() });
    // It was to stop before.
    let mut worker = finishing();
    worker.handle_shutdown(at(1000));
    assert_eq!(worker.poll_action(at(1)), Action::Send(delete.clone()));
}

#[test]
fn a_slot_that_has_stopped_stays_stopped() {
    let mut worker = reserving();
    worker.handle_shutdown(at(0) + Duration::from_secs(1));
    assert_eq!(worker.poll_action(at(0)), Action::Stop);
    worker.handle_reply(Ok(Reply::Reserved(Job { id: JobId(3), body: Vec::new() })), at(1));
    worker.handle_connected(at(2));
    assert_eq!(worker.poll_action(at(2)), Action::Stop);
    assert_eq!(worker.metrics(), Metrics::default());
}
