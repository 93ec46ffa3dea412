//! What a slot does in one situation each.

use alloc::{vec, vec::Vec};
use core::{num::NonZeroU32, time::Duration};

use super::{
    super::{Action, Metrics, Verdict, Worker, WorkerConfig},
    server::State,
    world::{World, at},
};
use crate::{
    connect::Endpoint,
    policy::{
        retry::{Deferrals, RetryPolicy},
        session::Event,
    },
};
use beanstalk_proto::{Command, CommandError, Error, Job, JobId, Lost, Reply, Subject, TubeName};

fn queue() -> Endpoint {
    "queue:11300".parse().expect("an endpoint")
}

fn config() -> WorkerConfig {
    WorkerConfig::default()
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
fn a_job_is_lost_with_its_connection_and_its_verdict_changes_nothing() {
    let mut world = World::calm(&config());
    world.script([(2000, Verdict::Done), (5, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(100));
    world.break_connection();
    world.run_until(at(1900));
    assert!(world.worker.is_job_lost());
    assert_eq!((world.running(), world.server.jobs[&id].ran), (Some(id), 1), "one handler at a time");
    world.run_until(at(3000));
    assert_eq!((world.server.jobs[&id].finished, world.server.jobs[&id].ran), (1, 2));
    assert_eq!(world.worker.metrics(), Metrics { reserved: 2, done: 1, lost: 1, reconnects: 1, ..Metrics::default() });
}

#[test]
fn a_job_taken_back_is_finished_by_the_handler_that_began_it() {
    let mut world = World::calm(&WorkerConfig { reclaim: true, ..config() });
    world.script([(2000, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(100));
    world.break_connection();
    world.run_until(at(3000));
    assert_eq!((world.server.jobs[&id].state, world.server.jobs[&id].ran), (State::Deleted, 1));
    assert!(world.sent_words().windows(2).any(|words| words == ["stats-job", "reserve-job"]));
    assert_eq!(world.worker.metrics(), Metrics { reserved: 1, done: 1, reconnects: 1, ..Metrics::default() });
}

#[test]
fn another_job_under_the_same_number_is_left_alone() {
    let mut world = World::calm(&WorkerConfig { reclaim: true, ..config() });
    world.script([(2000, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(100));
    world.break_connection();
    let job = world.server.jobs.get_mut(&id).expect("it is there");
    (job.body, job.state) = (b"another".into(), State::Buried);
    world.run_until(at(3000));
    assert_eq!((world.server.jobs[&id].state, world.server.jobs[&id].finished), (State::Buried, 0));
    assert_eq!(world.worker.metrics().lost, 1);
}

#[test]
fn another_job_with_the_same_body_under_the_same_number_is_left_alone() {
    let mut world = World::calm(&WorkerConfig { reclaim: true, ..config() });
    world.script([(2000, Verdict::Done), (5, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(100));
    world.break_connection();
    let job = world.server.jobs.get_mut(&id).expect("it is there");
    (job.since, job.reserves) = (at(100), 0);
    world.run_until(at(1900));
    assert_eq!((world.server.jobs[&id].state, world.worker.metrics().lost), (State::Ready, 1));
    world.run_until(at(3000));
    assert_eq!((world.server.jobs[&id].finished, world.server.jobs[&id].ran), (1, 2));
}

#[test]
fn a_job_that_somebody_else_has_by_now_is_lost() {
    let mut world = World::calm(&config());
    world.script([(10_000, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(100));
    world.server.jobs.get_mut(&id).expect("it is there").state = State::Reserved(99, at(1_000_000));
    world.run_until(at(500));
    assert!(world.worker.is_job_lost());
    world.run_until(at(20_000));
    let metrics = world.worker.metrics();
    assert_eq!((metrics.lost, metrics.done, metrics.reconnects), (1, 0, 0));
}

#[test]
fn a_verdict_that_the_server_refuses_to_carry_out_gives_the_job_back() {
    let mut world = World::calm(&config());
    world.script([(100, Verdict::Done), (5, Verdict::Done)]);
    let id = world.put(60, 7);
    world.run_until(at(50));
    world.server.out_of_memory = true;
    world.run_until(at(110));
    assert_eq!(world.worker.metrics().lost, 1);
    world.server.out_of_memory = false;
    world.run_until(at(30_000));
    assert_eq!(world.server.jobs[&id].state, State::Deleted);
}

#[test]
fn a_server_that_answers_nothing_about_a_job_before_its_handler_begins_is_not_asked_on_and_on() {
    let mut worker = Worker::new(&WorkerConfig { learns_first: true, ..config() }, 1);
    assert_eq!(worker.poll_action(at(0)), Action::Connect);
    worker.handle_connected(at(0));
    assert!(matches!(worker.poll_action(at(0)), Action::Send(Command::ReserveWithTimeout { .. })));
    worker.handle_reply(Ok(Reply::Reserved(Job { id: JobId(3), body: Vec::new() })), at(1));
    assert_eq!(worker.poll_action(at(1)), Action::Send(Command::StatsJob { id: JobId(3) }));
    let (subject, error) = (Subject::Job(JobId(3)), CommandError::OutOfMemory);
    worker.handle_reply(Err(Error::Command { command: "stats-job", subject, error }), at(2));
    // It is given back, and the next connection comes after a delay.
    assert_eq!(worker.poll_action(at(2)), Action::Close);
    assert!(matches!(worker.poll_action(at(2)), Action::Wait(Some(until)) if until > at(2)));
    assert_eq!(worker.metrics(), Metrics { reserved: 1, lost: 1, ..Metrics::default() });
}

/// A slot that has connected and sent its first reserve.
fn reserving() -> Worker {
    let mut worker = Worker::new(&config(), 1);
    assert_eq!(worker.poll_action(at(0)), Action::Connect);
    worker.handle_connected(at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Send(Command::ReserveWithTimeout { timeout: 10 }));
    assert_eq!(worker.poll_action(at(0)), Action::Wait(None));
    worker
}

#[test]
fn a_job_whose_statistics_cannot_be_decoded_is_kept_alive_and_given_back_and_that_is_reported() {
    let undecodable = || Ok(Reply::Ok(b"---\npri: high\n".into()));
    let mut worker = reserving();
    let (id, job) = (JobId(3), Job { id: JobId(3), body: Vec::new() });
    worker.handle_reply(Ok(Reply::Reserved(job.clone())), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Start(job));
    assert_eq!(worker.poll_action(at(340)), Action::Send(Command::Touch { id }));
    worker.handle_reply(Ok(Reply::Touched), at(341));
    assert_eq!(worker.poll_action(at(341)), Action::Send(Command::StatsJob { id }));
    worker.handle_reply(undecodable(), at(342));
    assert!(matches!(worker.poll_action(at(342)), Action::Wait(Some(_))), "its handler goes on");
    assert_eq!(worker.stats(), None);
    worker.handle_finished(Verdict::Failed, &queue(), &mut Deferrals::new(), at(400));
    assert_eq!(worker.poll_action(at(400)), Action::Send(Command::StatsJob { id }));
    worker.handle_reply(undecodable(), at(401));
    // Neither its priority nor how often it has failed is known.
    assert_eq!(worker.poll_action(at(401)), Action::Close);
    let events: Vec<_> = core::iter::from_fn(|| worker.poll_event()).collect();
    let [Event::Connected, Event::Restored, Event::Lost { reason }, Event::Retrying { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(reason.starts_with("stats-job 3: ") && reason.contains("pri"), "{reason}");
    assert_eq!(worker.metrics(), Metrics { reserved: 1, failed: 1, lost: 1, ..Metrics::default() });
}

#[test]
fn deadline_soon_without_a_job_in_hand_does_not_become_a_busy_loop() {
    let mut worker = reserving();
    worker.handle_reply(Ok(Reply::DeadlineSoon), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Wait(Some(at(1000))));
    assert!(matches!(worker.poll_action(at(1000)), Action::Send(Command::ReserveWithTimeout { .. })));
}

#[test]
fn reserves_that_end_at_once_become_no_busy_loop_either() {
    let mut worker = reserving();
    worker.handle_reply(Ok(Reply::TimedOut), at(1));
    assert_eq!(worker.poll_action(at(1)), Action::Wait(Some(at(1000))));
    assert!(matches!(worker.poll_action(at(1000)), Action::Send(Command::ReserveWithTimeout { .. })));
    // One that has waited is repeated at once.
    worker.handle_reply(Ok(Reply::TimedOut), at(11_000));
    assert!(matches!(worker.poll_action(at(11_000)), Action::Send(Command::ReserveWithTimeout { .. })));
}

/// Has a slot connect and reserve, over and over, with this answer; gives how often it connected within a minute.
fn connections(answer: impl Fn(u32) -> Result<Reply, Error>) -> u32 {
    let mut worker = Worker::new(&config(), 1);
    let (mut now, mut connections, mut reserves) = (at(0), 0, 0);
    while now < at(60_000) {
        let action = match worker.poll_action(now) {
            // The second is answered as if it had been sent by itself.
            Action::SendBoth(Command::Delete { .. }, reserve) => {
                worker.handle_reply(Ok(Reply::Deleted), now);
                Action::Send(reserve)
            }
            action => action,
        };
        match action {
            Action::Connect => {
                connections += 1;
                worker.handle_connected(now);
            }
            Action::Send(Command::ReserveWithTimeout { timeout }) => {
                let result = answer(reserves);
                reserves += 1;
                if matches!(result, Ok(Reply::TimedOut)) {
                    now = now + Duration::from_secs(timeout.into());
                }
                worker.handle_reply(result, now);
            }
            Action::Start(_) => {
                worker.handle_finished(Verdict::Done, &queue(), &mut Deferrals::new(), at(0));
            }
            Action::Wait(until) => now = until.expect("it waits for no event"),
            Action::Close => {}
            action => panic!("{action:?}"),
        }
    }
    connections
}

#[test]
fn a_server_that_refuses_every_reserve_is_connected_to_ever_more_rarely() {
    let refused = || {
        let (subject, error) = (Subject::None, CommandError::OutOfMemory);
        Err(Error::Command { command: "reserve-with-timeout", subject, error })
    };
    let connections_refused = connections(|_| refused());
    assert!((7..30).contains(&connections_refused), "{connections_refused} connections in a minute");
    // A reserve that waited in vain, or a job that was finished, makes the delays short again.
    let waited = |n: u32| if n % 2 == 0 { Ok(Reply::TimedOut) } else { refused() };
    assert_eq!(connections(waited), 6, "one each ten seconds");
    let done = |n: u32| match n % 2 {
        0 => Ok(Reply::Reserved(Job { id: JobId(3), body: Vec::new() })),
        _ => refused(),
    };
    let connections_done = connections(done);
    assert!(connections_done > 600, "{connections_done} connections in a minute: at most 100 ms apart");
}

/// A slot whose handler runs, its touch under way; it is shut down by one second.
fn touching(finished: bool) -> Worker {
    let mut worker = reserving();
    let job = Job { id: JobId(3), body: Vec::new() };
    worker.handle_reply(Ok(Reply::Reserved(job.clone())), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Start(job));
    if finished {
        worker.handle_finished(Verdict::Done, &queue(), &mut Deferrals::new(), at(0));
    }
    worker.handle_shutdown(at(1000));
    assert!(matches!(worker.poll_action(at(500)), Action::Send(_)));
    worker
}

#[test]
fn what_is_held_at_the_deadline_is_returned_and_what_may_be_finished_is_lost_however_it_is_broken_off() {
    fn broken() -> Error {
        Error::Closed { lost: Lost::Unknown }
    }
    for (finished, returned, lost) in [(false, 1, 0), (true, 0, 1)] {
        let expected = Metrics { reserved: 1, returned, lost, ..Metrics::default() };
        let polled = |worker: &mut Worker| assert_eq!(worker.poll_action(at(1000)), Action::Stop);
        let cut = |worker: &mut Worker| worker.handle_reply(Err(broken()), at(1000));
        let disconnected = |worker: &mut Worker| worker.handle_disconnected(&broken(), at(1000));
        for end in [polled as fn(&mut Worker), cut, disconnected] {
            let mut worker = touching(finished);
            assert_eq!(worker.metrics_if_stopped(), expected);
            end(&mut worker);
            polled(&mut worker);
            assert_eq!((worker.metrics(), worker.metrics_if_stopped()), (expected, expected));
        }
    }
    // An answer at the very last is one.
    let mut worker = touching(true);
    worker.handle_reply(Ok(Reply::Deleted), at(1000));
    assert_eq!(worker.poll_action(at(1000)), Action::Stop);
    assert_eq!(worker.metrics(), Metrics { reserved: 1, done: 1, ..Metrics::default() });
    // Before the deadline, a connection that breaks takes the job with it.
    let mut worker = touching(false);
    worker.handle_reply(Err(broken()), at(999));
    assert_eq!(worker.metrics(), Metrics { reserved: 1, lost: 1, ..Metrics::default() });
}

#[test]
fn a_job_that_is_too_big_to_be_read_is_buried() {
    let mut worker = reserving();
    let id = JobId(3);
    let error = Error::ReplyTooBig { command: "reserve-with-timeout", id: Some(id), bytes: 1 << 30, limit: 1 };
    worker.handle_reply(Err(error), at(0));
    assert_eq!(worker.poll_action(at(0)), Action::Send(Command::StatsJob { id }));
    worker.handle_reply(Ok(Reply::Ok(b"---\npri: 9\n".into())), at(0));
    assert!(
        matches!(worker.poll_action(at(0)), Action::SendBoth(bury, _) if bury == Command::Bury { id, priority: 9.into() })
    );
    worker.handle_reply(Ok(Reply::Buried), at(0));
    assert_eq!(worker.metrics(), Metrics { reserved: 1, buried: 1, too_big: 1, ..Metrics::default() });
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
