//! How the end of a connection is noticed, and what is made of it.

use std::{pin::pin, time::Duration};

use beanstalk_driver::wait_until_empty;
use beanstalk_proto::{Error, Kind, Lost, Peek, Put, Reply};

use crate::{
    executor::{run, settle},
    wire::Wire,
};

#[test]
fn whether_a_connection_has_ended_is_read_once_and_without_waiting() {
    let wire = Wire::new();
    wire.world().end_stays = true;
    let mut driver = wire.driver();
    assert!(!driver.is_closed());
    wire.hang_up();
    assert!(!driver.is_ended(), "it was not read");
    assert!(driver.is_closed() && driver.is_ended());
}

#[test]
fn a_write_that_fails_at_the_end_of_the_stream_is_what_is_reported() {
    let wire = Wire::new();
    wire.world().end_stays = true;
    wire.world().write_fails = true;
    wire.hang_up();
    let mut driver = wire.driver();
    assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::Io { lost: Lost::NotSent, .. })));
}

#[test]
fn who_waits_for_the_end_gets_what_was_wrong_with_the_reply_that_ended_it() {
    let wire = Wire::new();
    wire.world().script = vec![(Kind::Put, Reply::Deleted)];
    let mut driver = wire.driver();
    let _unclaimed = run(driver.send(Put::of("x"))).unwrap();
    let error = run(driver.closed());
    assert!(matches!(error, Error::Protocol { .. }), "{error}");

    let wire = Wire::new();
    let mut driver = wire.driver();
    let mut closed = pin!(driver.closed());
    assert!(settle(closed.as_mut()).is_none());
    wire.hang_up();
    assert!(matches!(settle(closed), Some(Error::Closed { lost: Lost::NotSent })));
}

#[test]
fn a_tube_is_looked_at_now_and_then_until_it_is_empty_or_the_connection_has_ended() {
    for ends in [false, true] {
        let wire = Wire::new();
        let busy = "---\ncurrent-jobs-ready: 1\n".into();
        wire.world().script = vec![(Kind::StatsTube, Reply::Ok(busy)), (Kind::StatsTube, Reply::NotFound)];
        let mut driver = wire.driver();
        let mut empty = pin!(wait_until_empty(&mut driver, "a", None));
        assert!(settle(empty.as_mut()).is_none());
        assert_eq!(wire.count(Kind::StatsTube), 1);
        if ends {
            wire.hang_up();
            assert!(matches!(settle(empty), Some(Err(Error::Closed { lost: Lost::NotSent }))));
        } else {
            wire.advance(Duration::from_millis(9));
            assert!(settle(empty.as_mut()).is_none());
            wire.advance(Duration::from_millis(1));
            assert!(matches!(settle(empty), Some(Ok(true))));
        }
    }
}
