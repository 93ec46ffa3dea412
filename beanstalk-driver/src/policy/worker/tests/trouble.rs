//! What a slot does when its connection breaks, and when a server answers what it should not.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    super::{Action, Metrics, Verdict, Worker, WorkerConfig},
    scenarios::{config, queue, reserving},
    server::State,
    world::{World, at},
};
use crate::policy::{retry::Deferrals, session::Event};
use beanstalk_proto::{Command, CommandError, Error, Job, JobId, Lost, Reply, Subject};

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

/// Has a slot connect and reserve, over and over, with this answer; gives how often it connected within so many minutes.
fn connections(minutes: u64, waits: bool, answer: impl Fn(u32) -> Result<Reply, Error>) -> u32 {
    let mut worker = Worker::new(&config(), 1);
    let (mut now, mut connections, mut reserves) = (at(0), 0, 0);
    while now < at(minutes * 60_000) {
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
                if matches!(result, Ok(Reply::TimedOut)) && waits {
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
    let connections_refused = connections(1, true, |_| refused());
    assert!((7..30).contains(&connections_refused), "{connections_refused} connections in a minute");
    // A reserve that waited in vain, or a job that was finished, makes the delays short again.
    let waited = |n: u32| if n % 2 == 0 { Ok(Reply::TimedOut) } else { refused() };
    assert_eq!(connections(10, true, waited), 60, "one each ten seconds");
    // One that came back at once has shown nothing.
    let connections_hasty = connections(10, false, waited);
    assert!(connections_hasty < 200, "{connections_hasty} connections in ten minutes");
    let done = |n: u32| match n % 2 {
        0 => Ok(Reply::Reserved(Job { id: JobId(3), body: Vec::new() })),
        _ => refused(),
    };
    let connections_done = connections(1, true, done);
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
