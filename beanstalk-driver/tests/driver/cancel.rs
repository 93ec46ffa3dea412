//! Dropping a call at any poll leaves the connection in sync and loses no job.

use std::{mem, pin::pin};

use beanstalk_driver::Driver;
use beanstalk_proto::{Command, Error, JobId, Kind, Peek, Put, Reply, Reserve, ReserveWithTimeout, Reserved, Touch};

use crate::{
    executor::{cut_after, run, settle},
    replies::{reply_to, sample},
    wire::Wire,
};

/// More polls than any call needs.
const MANY: usize = 2_000;
const TIMEOUT: u32 = 5;

/// When the job comes that a reserve may be after.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    Before,
    After,
}

fn waits(command: &Command) -> bool {
    matches!(command.kind(), Kind::Reserve | Kind::ReserveWithTimeout)
}

/// Runs a command; whatever a waiting reserve keeps from being sent is tried again, as the bytes trickle in.
fn call(driver: &mut Driver<Wire>, command: &Command) -> Result<Reply, Error> {
    for _ in 0..MANY {
        match run(driver.call(command.clone())) {
            Err(Error::ReserveWaiting) => {}
            result => return result,
        }
    }
    panic!("{command:?} never got through");
}

/// Every command that does not wait gets the reply that belongs to it.
fn check_in_sync(driver: &mut Driver<Wire>, context: &str) {
    for (n, &kind) in (500..).zip(Kind::ALL) {
        let command = sample(kind, n);
        if waits(&command) || matches!(kind, Kind::Quit | Kind::Touch | Kind::ReserveJob) {
            continue;
        }
        let reply = call(driver, &command).unwrap_or_else(|error| panic!("{context}: {command:?}: {error}"));
        assert_eq!(reply, reply_to(&command), "{context}: {command:?}");
    }
}

/// Both ways are taken: a request that is written whole while the timer is set has no slot until something comes of the reply.
fn cancel_at_every_poll(kind: Kind, comes: Comes) {
    for whole in [false, true] {
        cancel_at_every_poll_of(kind, comes, whole);
    }
}

fn cancel_at_every_poll_of(kind: Kind, comes: Comes, whole: bool) {
    let command = sample(kind, TIMEOUT);
    for polls in 0..MANY {
        let context = format!("{kind:?}, written whole: {whole}, cut after {polls} polls, the job {comes:?}");
        let wire = Wire::new();
        let mut driver = wire.driver();
        if whole {
            wire.set_the_timer(&mut driver);
        }
        wire.world().yields = true;
        wire.world().writes_whole = whole;
        if comes == Comes::Before && waits(&command) {
            wire.offer(7);
        }
        let done = cut_after(polls, driver.call(command.clone()));
        if let Some(reply) = done {
            let reply = reply.unwrap();
            match waits(&command) {
                true => assert!(matches!(reply, Reply::Reserved(job) if job.id == JobId(7)), "{context}"),
                false => assert_eq!(reply, reply_to(&command), "{context}"),
            }
            assert!(whole || polls > 4, "{context}: it did not yield");
            return;
        }
        if kind == Kind::Quit {
            if polls > 0 {
                let later = run(driver.call(Command::Stats));
                assert!(matches!(later, Err(Error::Closed { .. })), "{context}: {later:?}");
            }
            continue;
        }
        if comes == Comes::After && waits(&command) && polls > 0 {
            if kind == Kind::Reserve {
                let refused = run(driver.call(Command::Stats));
                assert!(matches!(refused, Err(Error::ReserveWaiting)), "{context}: {refused:?}");
            }
            wire.offer(7);
        }
        // Byte by byte now and then; it takes its time.
        wire.world().yields = polls % 8 == 0;
        check_in_sync(&mut driver, &context);
        check_no_job_lost(&wire, &mut driver, &context);
        if comes == Comes::After && polls > 60 {
            // It was written long ago, and waits for the job that comes once it is dropped.
            return;
        }
    }
    panic!("{kind:?} is never done");
}

/// What the server believes to have given us, and what it still has for us, is what the next reserves get.
fn check_no_job_lost(wire: &Wire, driver: &mut Driver<Wire>, context: &str) {
    for _ in 0..2 {
        let held = wire.world().held.clone();
        match held.last() {
            Some(&id) => {
                let Ok(Reply::Reserved(job)) = call(driver, &Command::ReserveWithTimeout { timeout: 0 }) else {
                    panic!("{context}: {id} is lost");
                };
                assert_eq!((job.id, job.body), (id, format!("job {id}").into_bytes()), "{context}");
                assert_eq!(wire.count(Kind::Touch), 1, "{context}: handed over unconfirmed");
                wire.world().held.clear();
                wire.world().commands.clear();
            }
            None => {
                let reply = call(driver, &Command::ReserveWithTimeout { timeout: 0 });
                let left = matches!(reply, Ok(Reply::Reserved(_)));
                assert!(left || matches!(reply, Ok(Reply::TimedOut)), "{context}: {reply:?}");
                return;
            }
        }
    }
}

#[test]
fn any_call_can_be_dropped_at_any_poll() {
    for &kind in Kind::ALL {
        cancel_at_every_poll(kind, Comes::Before);
    }
}

#[test]
fn a_reserve_that_waits_can_be_dropped_at_any_poll() {
    cancel_at_every_poll(Kind::Reserve, Comes::After);
    cancel_at_every_poll(Kind::ReserveWithTimeout, Comes::After);
}

#[test]
fn behind_a_dropped_reserve_other_commands_are_refused_until_its_job_is_here() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    assert!(cut_after(3, driver.call(Reserve::new())).is_none());
    for _ in 0..3 {
        assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::ReserveWaiting)));
    }
    wire.offer(9);
    assert_eq!(run(driver.call(Peek::new(1))).unwrap().id, JobId(1));
    assert_eq!(driver.take_orphaned().len(), 1);
}

#[test]
fn a_dropped_reserve_is_taken_over_without_a_word() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    for _ in 0..5 {
        assert!(cut_after(2, driver.call(Reserve::new())).is_none());
    }
    let mut call = pin!(driver.call(Reserve::new()));
    assert!(settle(call.as_mut()).is_none());
    wire.offer(9);
    assert!(matches!(settle(call.as_mut()), Some(Ok(Reserved::Job(job))) if job.id == JobId(9)));
    assert_eq!(wire.world().commands, [Command::Reserve]);
}

#[test]
fn a_pipeline_makes_sure_of_a_job_that_came_for_a_reserve_dropped_before() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    assert!(cut_after(1, driver.call(Reserve::new())).is_none());
    wire.offer(7);
    let mut results = driver.call_all([Reserve::new()].into_iter());
    assert_eq!(run(results.next()).unwrap().unwrap().job().unwrap().id, JobId(7));
    assert_eq!((wire.count(Kind::Reserve), wire.count(Kind::Touch)), (1, 1), "it may have been here for long");
}

#[test]
fn a_parked_job_that_is_no_longer_ours_is_not_handed_over() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    assert!(cut_after(1, driver.call(Reserve::new())).is_none());
    wire.offer(9);
    run(driver.call(Put::of("x"))).unwrap().inserted().unwrap();
    wire.world().lost.push(JobId(9));
    wire.offer(10);
    assert!(matches!(run(driver.call(Reserve::new())).unwrap(), Reserved::Job(job) if job.id == JobId(10)));
    assert_eq!(wire.count(Kind::Touch), 1);
}

#[test]
fn a_ticket_can_be_dropped_at_any_poll_of_send_and_of_reply() {
    for polls in 0..MANY {
        let wire = Wire::yielding();
        let mut driver = wire.driver();
        let sent = cut_after(polls, driver.send(Touch::new(3)));
        let more = match sent {
            None => true,
            Some(ticket) => {
                let ticket = ticket.unwrap();
                cut_after(polls % 7, driver.reply(ticket)).is_none()
            }
        };
        check_in_sync(&mut driver, &format!("cut after {polls} polls"));
        if polls > 100 {
            assert!(more, "it ended in six polls although every byte yields");
            return;
        }
    }
}

#[test]
fn a_pipeline_gives_every_result_once_however_often_next_is_dropped() {
    for polls in 1..40 {
        let wire = Wire::yielding();
        let mut driver = wire.driver();
        let commands: Vec<Command> = (0..200).map(|n| sample(Kind::Peek, n)).collect();
        {
            let mut all = driver.call_all(commands.iter().cloned());
            for command in &commands {
                let reply = loop {
                    if let Some(reply) = cut_after(polls, all.next()) {
                        break reply;
                    }
                };
                assert_eq!(reply.unwrap().unwrap(), reply_to(command));
            }
            assert!(run(all.next()).is_none());
        }
        check_in_sync(&mut driver, "behind a pipeline");
    }
}

#[test]
fn a_pipeline_can_be_dropped_anywhere() {
    for results in 0..30 {
        let wire = Wire::yielding();
        let mut driver = wire.driver();
        {
            let mut all = driver.call_all((0..30).map(|n| sample(Kind::Peek, n)));
            for _ in 0..results {
                run(all.next()).unwrap().unwrap();
            }
            assert!(cut_after(results as usize * 3, all.next()).is_none() || results > 0);
        }
        check_in_sync(&mut driver, &format!("a pipeline dropped after {results} results"));
    }
}

#[test]
fn a_reserve_that_takes_over_keeps_its_own_time() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    assert!(cut_after(2, driver.call(Reserve::new())).is_none());
    {
        let mut call = pin!(driver.call(ReserveWithTimeout::new(3)));
        assert!(settle(call.as_mut()).is_none());
        wire.advance(std::time::Duration::from_millis(2_900));
        assert!(settle(call.as_mut()).is_none(), "too early");
        wire.advance(std::time::Duration::from_millis(100));
        assert!(matches!(settle(call.as_mut()), Some(Ok(Reserved::TimedOut))));
    }
    assert!(matches!(run(driver.call(ReserveWithTimeout::new(0))), Ok(Reserved::TimedOut)));
    wire.offer(4);
    assert!(matches!(run(driver.call(ReserveWithTimeout::new(0))), Ok(Reserved::Job(job)) if job.id == JobId(4)));
    // It was here before anybody asked, so it had to be confirmed.
    assert_eq!(wire.world().commands, [Command::Reserve, Command::Touch { id: JobId(4) }]);
}

#[test]
fn a_reserve_that_is_sent_again_behind_an_unclaimed_reply_is_written_at_once() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    let unclaimed = run(driver.send(Peek::new(1))).unwrap();
    assert!(cut_after(1, driver.call(ReserveWithTimeout::new(1))).is_none());
    {
        let mut call = pin!(driver.call(ReserveWithTimeout::new(30)));
        assert!(settle(call.as_mut()).is_none());
        assert_eq!(wire.count(Kind::ReserveWithTimeout), 1, "it has taken over the other's");
        wire.time_out();
        assert!(settle(call.as_mut()).is_none());
        assert_eq!(wire.count(Kind::ReserveWithTimeout), 2, "it waits for nothing");
        wire.offer(7);
        assert!(matches!(settle(call.as_mut()), Some(Ok(Reserved::Job(job))) if job.id == JobId(7)));
    }
    assert_eq!(run(driver.reply(unclaimed)).unwrap().id, JobId(1));
}

#[test]
fn a_call_that_is_leaked_is_one_that_nobody_claims() {
    let wire = Wire::yielding();
    let mut driver = wire.driver();
    let mut call = Box::pin(driver.call(Peek::new(1)));
    // Half of its request is written.
    for _ in 0..4 {
        assert!(cut_after(1, &mut call).is_none());
    }
    mem::forget(call);
    assert_eq!(run(driver.call(Peek::new(2))).unwrap().id, JobId(2));
    assert_eq!(wire.count(Kind::Peek), 2);
}
