//! When bytes move, when they do not, and what is said when they cannot.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    time::Duration,
};

use beanstalk_driver::Block;
use beanstalk_proto::{
    ArgumentError, Command, DecodeError, Delete, Encoder, Error, Expect, Instant, Kind, Lost, Peek, Priority, Put,
    Reply, Request, Reserve, ReserveWithTimeout, Reserved, Stats, Touch,
    client::{Config, Limits, Timeout},
};

use crate::{
    executor::{cut_after, run, settle},
    replies::{reply_to, sample},
    wire::{Wire, World},
};

fn timeout(millis: u64) -> Config {
    Config { reply_timeout: Some(Duration::from_millis(millis)), ..Config::default() }
}

#[test]
fn a_write_that_blocks_while_replies_pile_up_finishes() {
    let wire = Wire::new();
    wire.world().capacity = 4096;
    let mut driver = wire.driver();
    let body = vec![b'x'; 64 * 1024];
    let put = Command::Put { priority: Priority(1), delay: 0, ttr: 1, body };
    let large = Reply::Found(beanstalk_proto::Job { id: 5.into(), body: vec![b'y'; 64 * 1024] });
    wire.world().script = vec![(Kind::Peek, large.clone()); 100];
    let commands: Vec<_> = (0..100).flat_map(|_| [sample(Kind::Peek, 5), put.clone()]).collect();
    let mut all = driver.call_all(commands.into_iter());
    for _ in 0..100 {
        assert_eq!(run(all.next()).unwrap().unwrap(), large);
        assert_eq!(run(all.next()).unwrap().unwrap(), reply_to(&put));
    }
    assert!(run(all.next()).is_none());
    // What is being read comes in 1600 pieces: to wait for room before each of them would take a turn each time.
    let waits = wire.world().waits_for_room;
    assert!(waits <= 200, "{waits} waits for room while there was something to read");
}

#[test]
fn a_flush_that_is_pending_keeps_nobody_from_reading() {
    let wire = Wire::new();
    wire.world().flush_blocked = true;
    let mut driver = wire.driver();
    run(driver.call(Peek::new(1))).unwrap();
    wire.world().silent = true;
    let mut send = pin!(driver.send(Peek::new(2)));
    assert!(settle(send.as_mut()).is_none(), "it is not returned before it is flushed");
    wire.world().flush_blocked = false;
    assert!(settle(send.as_mut()).is_some());
}

#[test]
fn a_late_reply_fails_its_call_and_the_connection_stays_in_sync() {
    let wire = Wire::new();
    wire.world().silent = true;
    let mut driver = wire.driver_with(timeout(1_000));
    for _ in 0..3 {
        let mut call = pin!(driver.call(Peek::new(1)));
        assert!(settle(call.as_mut()).is_none());
        wire.advance(Duration::from_millis(999));
        assert!(settle(call.as_mut()).is_none(), "too early");
        wire.advance(Duration::from_millis(1));
        assert!(matches!(settle(call.as_mut()), Some(Err(Error::TimedOut { lost: Lost::Unknown, .. }))));
    }
    wire.speak();
    assert_eq!(run(driver.call(Peek::new(2))).unwrap().id, 2.into());
}

#[test]
fn a_request_that_was_late_before_it_was_written_may_still_run() {
    let wire = Wire::new();
    wire.world().capacity = 0;
    let mut driver = wire.driver_with(timeout(1_000));
    {
        let mut call = pin!(driver.call(Put::of("x")));
        assert!(settle(call.as_mut()).is_none());
        wire.advance(Duration::from_secs(1));
        assert!(matches!(settle(call.as_mut()), Some(Err(Error::TimedOut { lost: Lost::Unknown, .. }))));
    }
    wire.world().capacity = usize::MAX;
    assert_eq!(run(driver.call(Peek::new(2))).unwrap().id, 2.into());
    assert_eq!(wire.count(Kind::Put), 1, "it was written after its caller had gone");
}

#[test]
fn a_timer_that_was_set_for_another_call_ends_none_too_soon_and_lets_none_wait_longer() {
    let wire = Wire::new();
    let mut driver = wire.driver_with(timeout(1_000));
    wire.set_the_timer(&mut driver);
    wire.world().silent = true;
    let mut call = pin!(driver.call(Peek::new(2)));
    assert!(settle(call.as_mut()).is_none());
    wire.advance(Duration::from_millis(999));
    assert!(settle(call.as_mut()).is_none(), "the timer went off for the call before it");
    wire.advance(Duration::from_millis(1));
    assert!(matches!(settle(call.as_mut()), Some(Err(Error::TimedOut { .. }))));
}

#[test]
fn calls_that_are_answered_in_time_set_no_timer_each() {
    let wire = Wire::new();
    let mut driver = wire.driver_with(timeout(1_000));
    for id in 0..100 {
        wire.world().silent = true;
        let mut call = pin!(driver.call(Peek::new(id)));
        assert!(settle(call.as_mut()).is_none());
        wire.advance(Duration::from_millis(9));
        wire.speak();
        assert!(settle(call.as_mut()).unwrap().is_ok());
    }
    assert_eq!(wire.world().timers_set, 1);
}

#[test]
fn a_call_may_be_given_a_time_of_its_own_which_is_no_other_calls() {
    let wire = Wire::new();
    wire.world().silent = true;
    let mut driver = wire.driver_with(timeout(1_000));
    driver.set_timeout(Timeout::After(Duration::from_millis(300)));
    for millis in [300, 1_000] {
        let mut call = pin!(driver.call(Peek::new(1)));
        assert!(settle(call.as_mut()).is_none());
        wire.advance(Duration::from_millis(millis - 1));
        assert!(settle(call.as_mut()).is_none(), "too early");
        wire.advance(Duration::from_millis(1));
        assert!(matches!(settle(call.as_mut()), Some(Err(Error::TimedOut { .. }))));
    }
}

#[test]
fn a_reply_has_its_time_from_the_one_before_it() {
    let wire = Wire::new();
    wire.world().silent = true;
    let mut driver = wire.driver_with(timeout(1_000));
    let mut all = driver.call_all((1..3).map(Peek::new));
    {
        let mut first = pin!(all.next());
        assert!(settle(first.as_mut()).is_none());
        wire.advance(Duration::from_millis(900));
        wire.speak_once();
        assert_eq!(settle(first).flatten().unwrap().unwrap().id, 1.into());
    }
    let mut second = pin!(all.next());
    wire.advance(Duration::from_millis(999));
    let early = settle(second.as_mut());
    assert!(early.is_none(), "{early:?}");
    wire.advance(Duration::from_millis(1));
    assert!(matches!(settle(second), Some(Some(Err(Error::TimedOut { .. })))));
}

#[test]
fn a_read_blocks_for_as_long_as_nothing_else_can_be_done() {
    let wire = Wire::new();
    wire.world().capacity = 0;
    let mut driver = wire.driver_with(timeout(1_000));
    let mut call = pin!(driver.call(Peek::new(1)));
    assert!(settle(call.as_mut()).is_none());
    assert_eq!(wire.world().read_block, Block::Turn, "there may be room to write soon");
    wire.world().capacity = usize::MAX;
    wire.world().silent = true;
    let sent = wire.time();
    assert!(settle(call.as_mut()).is_none());
    assert_eq!(wire.world().read_block, Block::Until(Some(sent + Duration::from_secs(1))));
    wire.advance(Duration::from_secs(1));
    assert!(settle(call).unwrap().is_err());
    assert_eq!(wire.world().read_block, Block::No, "whether it is here before it is late");
}

#[test]
fn a_reply_is_late_in_time_although_a_write_goes_on() {
    let wire = Wire::new();
    let mut driver = wire.driver_with(timeout(1_000));
    let sent = wire.time();
    wire.world().write_takes = (10, Duration::from_millis(400));
    let late = run(driver.call(Put::of("the write of this takes a minute".repeat(50))));
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
    assert!(wire.time() < sent + Duration::from_secs(3), "the time counts only once it is written");
}

#[test]
fn a_reply_that_is_here_is_not_late_because_a_write_goes_on() {
    let wire = Wire::new();
    let mut driver = wire.driver_with(timeout(1_000));
    let ticket = run(driver.send(Peek::new(1))).unwrap();
    wire.world().write_takes = (10, Duration::from_millis(400));
    run(driver.call(Put::of("the write of this takes two seconds"))).unwrap().inserted().unwrap();
    assert!(wire.time() > Instant::ZERO + Duration::from_secs(2));
    assert_eq!(run(driver.reply(ticket)).unwrap().id, 1.into());
}

#[test]
fn what_an_abandoned_reserve_may_wait_counts_from_when_it_was_sent() {
    let wire = Wire::new();
    let mut driver = wire.driver_with(timeout(1_000));
    wire.set_the_timer(&mut driver);
    assert!(cut_after(1, driver.call(ReserveWithTimeout::new(10))).is_none());
    wire.advance(Duration::from_secs(8));
    // The server reads it when those ten seconds are over, and then it has its own.
    let mut call = pin!(driver.call(Peek::new(1)));
    assert!(settle(call.as_mut()).is_none());
    wire.advance(Duration::from_millis(2_999));
    assert!(settle(call.as_mut()).is_none());
    wire.advance(Duration::from_millis(1));
    assert!(matches!(settle(call.as_mut()), Some(Err(Error::TimedOut { .. }))));
}

#[test]
fn no_timeout_applies_to_a_reserve() {
    let wire = Wire::new();
    let mut driver = wire.driver_with(timeout(1_000));
    let mut call = pin!(driver.call(Reserve::new()));
    assert!(settle(call.as_mut()).is_none());
    wire.advance(Duration::from_secs(1_000_000));
    assert!(settle(call.as_mut()).is_none());
    wire.offer(1);
    assert!(matches!(settle(call.as_mut()), Some(Ok(Reserved::Job(_)))));
}

#[test]
fn a_failure_is_reported_once_and_then_the_connection_is_closed() {
    let wire = Wire::new();
    wire.world().silent = true;
    wire.world().read_fails = true;
    let mut driver = wire.driver();
    assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::Io { lost: Lost::Unknown, .. })));
    assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::Closed { lost: Lost::NotSent })));

    let wire = Wire::new();
    wire.world().write_fails = true;
    let mut driver = wire.driver();
    assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::Io { lost: Lost::NotSent, .. })));

    // What was written and not flushed may be on its way.
    let wire = Wire::new();
    wire.world().silent = true;
    wire.world().flush_fails = true;
    let mut driver = wire.driver();
    assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::Io { lost: Lost::Unknown, .. })));
    assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::Closed { lost: Lost::NotSent })));
}

#[test]
fn a_failure_leaves_each_request_of_a_pipeline_a_result_of_its_own() {
    let wire = Wire::new();
    wire.world().write_fails = true;
    let mut driver = wire.driver();
    let mut all = driver.call_all((0..3).map(Peek::new));
    assert!(matches!(run(all.next()), Some(Err(Error::Io { lost: Lost::NotSent, .. }))));
    for _ in 0..2 {
        assert!(matches!(run(all.next()), Some(Err(Error::Closed { lost: Lost::NotSent }))));
    }
    assert!(run(all.next()).is_none());
}

/// A request that makes nothing of its reply.
struct Panics;

impl Request for Panics {
    type Reply = ();

    fn expect(&self) -> Expect {
        Expect::of(Kind::Delete)
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        Delete::new(1).encode(encoder)
    }

    fn decode(_: Reply) -> Result<(), DecodeError> {
        resume_unwind(Box::new("as it was told"))
    }
}

#[test]
fn nothing_is_sent_behind_a_reply_that_was_read_and_not_understood() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    wire.set_the_timer(&mut driver);
    {
        wire.world().silent = true;
        let mut call = pin!(driver.call(Panics));
        assert!(settle(call.as_mut()).is_none());
        wire.speak();
        assert!(catch_unwind(AssertUnwindSafe(|| settle(call.as_mut()))).is_err());
    }
    assert!(matches!(run(driver.call(Touch::new(1))), Err(Error::Closed { lost: Lost::NotSent })));
    assert_eq!(wire.count(Kind::Touch), 0);
}

#[test]
fn nothing_is_sent_behind_a_call_whose_transport_panicked() {
    for panics in [|world: &mut World| world.write_panics = true, |world: &mut World| world.read_panics = true] {
        let wire = Wire::new();
        let mut driver = wire.driver();
        panics(&mut wire.world());
        assert!(catch_unwind(AssertUnwindSafe(|| run(driver.call(Delete::new(1))))).is_err());
        assert!(matches!(run(driver.call(Peek::new(1))), Err(Error::Closed { lost: Lost::NotSent })));
        assert_eq!(wire.count(Kind::Peek), 0);
    }
}

#[test]
fn the_end_of_the_stream_need_be_read_only_once() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    let mut call = pin!(driver.call(Reserve::new()));
    assert!(settle(call.as_mut()).is_none());
    wire.hang_up();
    assert!(matches!(settle(call.as_mut()), Some(Err(Error::Closed { lost: Lost::Unknown }))));
}

#[test]
fn a_reply_that_is_here_when_the_flush_fails_counts() {
    let wire = Wire::new();
    wire.world().flush_fails = true;
    let mut driver = wire.driver();
    assert_eq!(run(driver.call(Peek::new(1))).unwrap().id, 1.into());
}

#[test]
fn what_came_before_a_failure_is_not_lost() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    let ticket = run(driver.send(Peek::new(1))).unwrap();
    wire.world().write_fails = true;
    assert!(matches!(run(driver.call(Peek::new(2))), Err(Error::Io { lost: Lost::NotSent, .. })));
    assert_eq!(run(driver.reply(ticket)).unwrap().id, 1.into());
}

#[test]
fn after_a_failure_each_of_a_pipeline_reports_whether_it_can_have_run() {
    let wire = Wire::new();
    wire.world().silent = true;
    wire.world().capacity = 30;
    let mut driver = wire.driver();
    let mut all = driver.call_all((0..10).map(Peek::new));
    assert!(cut_after(3, all.next()).is_none());
    wire.hang_up();
    let lost: Vec<_> = (0..10).map(|_| run(all.next()).unwrap().unwrap_err().lost()).collect();
    assert_eq!(lost[0], Some(Lost::Unknown));
    assert_eq!(lost[9], Some(Lost::NotSent));
    assert!(lost.is_sorted_by_key(|lost| *lost == Some(Lost::NotSent)));
    assert!(run(all.next()).is_none());
}

#[test]
fn calls_that_were_dropped_do_not_fill_the_connection_for_good() {
    let wire = Wire::new();
    wire.world().silent = true;
    let limits = Limits { in_flight: 3, ..Limits::default() };
    let mut driver = wire.driver_with(Config { limits, ..timeout(1_000) });
    for _ in 0..3 {
        assert!(cut_after(1, driver.call(Stats::new())).is_none());
    }
    let mut call = pin!(driver.call(Peek::new(8)));
    assert!(settle(call.as_mut()).is_none());
    wire.speak();
    assert_eq!(settle(call.as_mut()).unwrap().unwrap().id, 8.into());
}

#[test]
fn tickets_that_nobody_redeems_fill_the_connection() {
    let wire = Wire::new();
    let limits = Limits { in_flight: 2, ..Limits::default() };
    let mut driver = wire.driver_with(Config { limits, ..Config::default() });
    let tickets: Vec<_> = (0..2).map(|id| run(driver.send(Peek::new(id))).unwrap()).collect();
    assert!(matches!(run(driver.call(Peek::new(8))), Err(Error::Full(_))));
    for ticket in tickets {
        run(driver.reply(ticket)).unwrap();
    }
    run(driver.call(Peek::new(8))).unwrap();
}

#[test]
fn an_end_in_order_sends_quit_and_waits_for_the_server() {
    let wire = Wire::yielding();
    let mut driver = wire.driver();
    assert!(cut_after(2, driver.call(Put::of("x"))).is_none());
    run(driver.disconnect()).unwrap();
    assert_eq!(wire.count(Kind::Put), 1, "what was begun is finished");
    assert!(wire.world().closed, "the server has read the quit");
}

#[test]
fn an_end_while_a_reserve_waits_closes_the_writing_half() {
    let wire = Wire::new();
    let mut driver = wire.driver();
    assert!(cut_after(2, driver.call(Reserve::new())).is_none());
    run(driver.disconnect()).unwrap();
    assert_eq!(wire.world().commands, [Command::Reserve]);
}

#[test]
fn an_end_that_the_server_ignores_takes_as_long_as_a_reply_may() {
    let wire = Wire::new();
    let mut driver = wire.driver_with(timeout(1_000));
    wire.world().silent = true;
    assert!(cut_after(2, driver.call(Peek::new(1))).is_none());
    let mut end = pin!(driver.disconnect());
    assert!(settle(end.as_mut()).is_none());
    wire.advance(Duration::from_secs(1));
    assert!(matches!(settle(end.as_mut()), Some(Err(Error::TimedOut { .. }))));
}
