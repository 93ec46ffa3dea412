//! Two requests in one write: both are sent or the first's error is why not, and dropping the call loses neither's job.

use std::{pin::pin, time::Duration};

use beanstalk_driver::Driver;
use beanstalk_proto::{
    ArgumentError, CommandError, Delete, Error, JobId, Kind, ListTubeUsed, Lost, Peek, Put, Raw, Reply, Reserve,
    ReserveWithTimeout, Reserved,
    client::{Config, Limits},
};

use crate::{
    executor::{cut_after, run, settle},
    wire::Wire,
};

fn id_of(reserved: Result<Reserved, Error>) -> Option<JobId> {
    reserved.unwrap().job().map(|job| job.id)
}

fn reserve_now(driver: &mut Driver<Wire>) -> Option<JobId> {
    id_of(run(driver.call(ReserveWithTimeout::new(0))))
}

#[test]
fn both_go_in_one_write() {
    let wire = Wire::new();
    wire.offer(8);
    let mut driver = wire.driver();
    let (deleted, reserved) = run(driver.call_both(Delete::new(7), Reserve::new())).unwrap();
    deleted.unwrap();
    assert_eq!(id_of(reserved), Some(JobId(8)));
    assert_eq!((wire.count(Kind::Delete), wire.count(Kind::Reserve)), (1, 1));
    assert_eq!(wire.world().writes, 1);
}

#[test]
fn a_refusal_of_the_first_does_not_keep_the_job_from_coming() {
    let wire = Wire::new();
    wire.offer(8);
    wire.world().script = vec![(Kind::Delete, Reply::NotFound)];
    let mut driver = wire.driver();
    let (deleted, reserved) = run(driver.call_both(Delete::new(7), Reserve::new())).unwrap();
    assert!(matches!(deleted, Err(Error::Command { error: CommandError::NotFound, .. })));
    assert_eq!(id_of(reserved), Some(JobId(8)));
}

#[test]
fn if_the_first_is_invalid_nothing_is_sent() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    let result = run(driver.call_both(Raw::new("no\r\nway"), Reserve::new()));
    assert!(matches!(result, Err(Error::Argument(ArgumentError::BadByte { .. }))));
    run(driver.call(Peek::new(1))).unwrap();
    assert_eq!(wire.world().commands.len(), 1, "nothing but the peek");
}

#[test]
fn if_the_second_cannot_be_sent_its_own_result_is_the_reason() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    let (found, raw) = run(driver.call_both(Peek::new(1), Raw::new("no\r\nway"))).unwrap();
    assert_eq!(found.unwrap().id, JobId(1));
    assert!(matches!(raw, Err(Error::Argument(ArgumentError::BadByte { .. }))));

    // The server would not read it before the reserve has its job.
    wire.offer(8);
    let (reserved, found) = run(driver.call_both(Reserve::new(), Peek::new(2))).unwrap();
    assert_eq!(id_of(reserved), Some(JobId(8)));
    assert!(matches!(found, Err(Error::ReserveWaiting)));

    let limits = Limits { in_flight: 1, ..Limits::default() };
    let mut driver = wire.driver_with(Config { limits, ..Config::default() });
    let (found, full) = run(driver.call_both(Peek::new(3), Peek::new(4))).unwrap();
    assert_eq!(found.unwrap().id, JobId(3));
    assert!(matches!(full, Err(Error::Full(_))));
    assert_eq!(wire.count(Kind::Peek), 2);
}

#[test]
fn dropped_at_any_poll_it_loses_no_job_and_leaves_the_connection_in_sync() {
    for polls in 0.. {
        let wire = Wire::yielding();
        wire.offer(8);
        let mut driver = wire.driver();
        let done = cut_after(polls, driver.call_both(Delete::new(7), ReserveWithTimeout::new(5)));
        let finished = done.is_some();
        if let Some(both) = done {
            let (deleted, reserved) = both.unwrap();
            deleted.unwrap();
            assert_eq!(id_of(reserved), Some(JobId(8)));
        } else {
            wire.world().yields = polls % 3 == 0;
            assert_eq!(
                run(driver.call(Peek::new(polls as u64))).unwrap().id,
                JobId(polls as u64),
                "after {polls} polls"
            );
            assert_eq!(reserve_now(&mut driver), Some(JobId(8)), "after {polls} polls");
        }
        assert_eq!(wire.count(Kind::Delete), usize::from(polls > 0), "sent whole or not at all, after {polls} polls");
        if finished {
            assert!(polls > 40, "it did not yield");
            return;
        }
    }
}

#[test]
fn a_reserve_that_was_dropped_before_is_taken_over_only_once_what_is_here_was_read() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    assert!(cut_after(2, driver.call(ReserveWithTimeout::new(5))).is_none());
    wire.offer(8);
    let (deleted, reserved) = run(driver.call_both(Delete::new(7), ReserveWithTimeout::new(5))).unwrap();
    deleted.unwrap();
    assert_eq!(id_of(reserved), Some(JobId(8)));
    assert_eq!(wire.count(Kind::Touch), 1, "handed over unconfirmed");
}

#[test]
fn what_comes_while_the_first_waits_for_room_is_read_before_the_second_takes_over() {
    let wire = Wire::new();
    wire.world().silent = true;
    let limits = Limits { in_flight: 2, ..Limits::default() };
    let mut driver = wire.driver_with(Config { limits, ..Config::default() });
    assert!(cut_after(2, driver.call(ListTubeUsed::new())).is_none());
    assert!(cut_after(2, driver.call(ReserveWithTimeout::new(5))).is_none());
    let mut both = pin!(driver.call_both(Delete::new(7), ReserveWithTimeout::new(5)));
    assert!(settle(both.as_mut()).is_none(), "there is no room for the first");
    // The reply that makes room fills the pipe: the job is behind it, there for the next read.
    wire.world().capacity = "USING default\r\n".len();
    wire.offer(8);
    wire.speak();
    let (deleted, reserved) = settle(both.as_mut()).unwrap().unwrap();
    deleted.unwrap();
    assert_eq!(id_of(reserved), Some(JobId(8)));
    assert_eq!(wire.count(Kind::Touch), 1, "handed over unconfirmed");
}

#[test]
fn each_of_the_two_has_its_own_time() {
    let wire = Wire::new();
    let config = Config { reply_timeout: Some(Duration::from_secs(1)), ..Config::default() };
    let mut driver = wire.driver_with(config);
    let mut both = pin!(driver.call_both(Put::of("x"), ReserveWithTimeout::new(5)));
    assert!(settle(both.as_mut()).is_none());
    wire.advance(Duration::from_millis(5_900));
    assert!(settle(both.as_mut()).is_none(), "the server may wait for five seconds of these");
    wire.advance(Duration::from_millis(100));
    let (put, reserved) = settle(both.as_mut()).unwrap().unwrap();
    assert!(put.is_ok());
    assert!(matches!(reserved, Err(Error::TimedOut { lost: Lost::Unknown, .. })), "{reserved:?}");
}

#[test]
fn when_the_connection_ends_each_reports_whether_it_can_have_run() {
    let wire = Wire::new();
    wire.world().silent = true;
    wire.world().capacity = 8;
    let mut driver = wire.driver();
    let mut both = pin!(driver.call_both(Delete::new(7), Delete::new(8)));
    assert!(settle(both.as_mut()).is_none());
    wire.hang_up();
    let (first, second) = settle(both.as_mut()).unwrap().unwrap();
    assert_eq!(first.unwrap_err().lost(), Some(Lost::Unknown));
    assert_eq!(second.unwrap_err().lost(), Some(Lost::NotSent));
}
