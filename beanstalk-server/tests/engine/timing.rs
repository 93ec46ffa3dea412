//! Delays, time to run, timeouts, pauses, and the last second before a deadline.

use std::time::Duration;

use crate::harness::{Server, value};

const ALMOST: Duration = Duration::from_nanos(999_999_999);
const NANOSECOND: Duration = Duration::from_nanos(1);

#[test]
fn a_delayed_job_becomes_ready_when_its_delay_is_over() {
    let mut server = Server::new();
    let [client, waiting] = server.connect_all();
    server.exchange(client, "put 0 5 60 1\nx");
    server.exchange(waiting, "reserve");
    server.advance_secs(4);
    assert_eq!(value(&server.exchange(client, "stats-job 1"), "time-left"), "1");
    server.advance(ALMOST);
    assert_eq!(server.hear(waiting), "");
    server.advance(NANOSECOND);
    assert_eq!(server.hear(waiting), "RESERVED 1 1\nx\n");
}

#[test]
fn delayed_jobs_come_in_the_order_of_their_deadlines() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 9 60 1\nx\nput 0 3 60 1\ny\nput 0 6 60 1\nz");
    assert_eq!(server.exchange(client, "peek-delayed"), "FOUND 2 1\ny\n");
    for body in ["RESERVED 2 1\ny\n", "RESERVED 3 1\nz\n", "RESERVED 1 1\nx\n"] {
        server.advance_secs(3);
        assert_eq!(server.exchange(client, "reserve-with-timeout 0"), body);
    }
}

#[test]
fn a_released_job_may_be_delayed() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 60 1\nx\nreserve");
    assert_eq!(server.exchange(client, "release 1 7 10\npeek-delayed"), "RELEASED\nFOUND 1 1\nx\n");
    let stats = server.exchange(client, "stats-job 1");
    assert_eq!((value(&stats, "pri"), value(&stats, "delay"), value(&stats, "releases")), ("7", "10", "1"));
    server.advance_secs(10);
    assert_eq!(server.exchange(client, "peek-ready"), "FOUND 1 1\nx\n");
}

#[test]
fn a_held_job_expires_after_its_ttr() {
    let mut server = Server::new();
    let [holder, other] = server.connect_all();
    server.exchange(holder, "put 0 0 60 1\nx\nreserve");
    server.exchange(other, "reserve");
    server.advance_secs(59);
    server.advance(ALMOST);
    assert_eq!(server.hear(other), "");
    server.advance(NANOSECOND);
    assert_eq!(server.hear(other), "RESERVED 1 1\nx\n");
    assert_eq!(server.exchange(holder, "delete 1"), "NOT_FOUND\n");
    let stats = server.exchange(holder, "stats-job 1");
    assert_eq!((value(&stats, "timeouts"), value(&stats, "reserves")), ("1", "2"));
    assert_eq!(value(&server.exchange(holder, "stats"), "job-timeouts"), "1");
}

#[test]
fn touch_gives_the_whole_ttr_again() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 10 1\nx\nreserve");
    server.advance_secs(9);
    assert_eq!(server.exchange(client, "touch 1"), "TOUCHED\n");
    server.advance_secs(9);
    assert_eq!(value(&server.exchange(client, "stats-job 1"), "state"), "reserved");
    server.advance_secs(1);
    assert_eq!(value(&server.exchange(client, "stats-job 1"), "state"), "ready");
    assert_eq!(server.exchange(client, "touch 1"), "NOT_FOUND\n");
}

#[test]
fn of_several_held_jobs_each_expires_at_its_own_time() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 30 1\nx\nput 0 0 10 1\ny\nput 0 0 20 1\nz\nreserve\nreserve\nreserve\ntouch 2");
    for (seconds, ready) in [(9, 0), (1, 1), (10, 2), (10, 3)] {
        server.advance_secs(seconds);
        assert_eq!(value(&server.exchange(client, "stats"), "current-jobs-ready"), ready.to_string());
    }
}

#[test]
fn a_reserve_times_out_after_its_timeout() {
    let mut server = Server::new();
    let client = server.connect();
    assert_eq!(server.exchange(client, "reserve-with-timeout 3"), "");
    server.advance_secs(2);
    server.advance(ALMOST);
    assert_eq!(server.hear(client), "");
    server.advance(NANOSECOND);
    assert_eq!(server.hear(client), "TIMED_OUT\n");
    assert_eq!(server.exchange(client, "reserve-with-timeout 0"), "TIMED_OUT\n");
}

#[test]
fn a_reserve_without_a_timeout_waits() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "reserve");
    server.advance_secs(u64::from(u32::MAX));
    assert_eq!(server.hear(client), "");
}

#[test]
fn deadline_soon_comes_at_once_in_the_last_second() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 10 1\nx\nreserve");
    server.advance_secs(8);
    server.advance(ALMOST);
    assert_eq!(server.exchange(client, "reserve-with-timeout 0"), "TIMED_OUT\n");
    server.advance(NANOSECOND);
    assert_eq!(server.exchange(client, "reserve"), "DEADLINE_SOON\n");
    assert_eq!(server.exchange(client, "reserve-with-timeout 5"), "DEADLINE_SOON\n");
    assert_eq!(server.exchange(client, "reserve-with-timeout 0"), "DEADLINE_SOON\n");
}

#[test]
fn a_held_job_with_a_ttr_of_one_second_is_always_in_its_last() {
    let mut server = Server::new();
    let client = server.connect();
    // A ttr of 0 becomes 1.
    server.exchange(client, "put 0 0 0 1\nx\nreserve");
    assert_eq!(value(&server.exchange(client, "stats-job 1"), "ttr"), "1");
    assert_eq!(server.exchange(client, "reserve"), "DEADLINE_SOON\n");
}

#[test]
fn deadline_soon_comes_to_a_waiting_reserve_when_the_last_second_begins() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 10 1\nx\nreserve");
    server.exchange(client, "reserve");
    server.advance_secs(8);
    server.advance(ALMOST);
    assert_eq!(server.hear(client), "");
    server.advance(NANOSECOND);
    assert_eq!(server.hear(client), "DEADLINE_SOON\n");
}

#[test]
fn deadline_soon_wins_against_a_timeout_at_the_same_moment() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 10 1\nx\nreserve");
    server.exchange(client, "reserve-with-timeout 9");
    server.advance_secs(9);
    assert_eq!(server.hear(client), "DEADLINE_SOON\n");
}

#[test]
fn a_jump_over_the_last_second_and_the_deadline_gives_the_job_instead_of_a_warning() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 10 1\nx\nreserve");
    server.exchange(client, "reserve");
    server.jump(Duration::from_secs(20));
    assert_eq!(server.hear(client), "RESERVED 1 1\nx\n");
    assert_eq!(value(&server.exchange(client, "stats-job 1"), "timeouts"), "1");
}

#[test]
fn a_jump_still_warns_the_holder_if_it_is_another_ones_turn() {
    let mut server = Server::new();
    let [holder, other] = server.connect_all();
    server.exchange(holder, "put 0 0 10 1\nx\nreserve");
    // Of two who wait, the second is served here: the turn went on with the first reserve.
    server.exchange(holder, "reserve");
    server.exchange(other, "reserve");
    server.jump(Duration::from_secs(20));
    assert_eq!(server.hear(other), "RESERVED 1 1\nx\n");
    assert_eq!(server.hear(holder), "DEADLINE_SOON\n");
}

#[test]
fn a_ready_job_is_worth_more_than_a_warning() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 1 1\nx\nreserve\nput 0 0 60 1\ny");
    assert_eq!(server.exchange(client, "reserve"), "RESERVED 2 1\ny\n");
}

#[test]
fn a_ready_job_in_a_paused_tube_does_not_keep_the_warning_away() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 1 1\nx\nreserve\nput 0 0 60 1\ny\npause-tube default 100");
    assert_eq!(server.exchange(client, "reserve"), "DEADLINE_SOON\n");
}

#[test]
fn reserve_job_never_warns() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 1 1\nx\nreserve\nput 0 0 60 1\ny");
    assert_eq!(server.exchange(client, "reserve-job 3"), "NOT_FOUND\n");
    assert_eq!(server.exchange(client, "reserve-job 2"), "RESERVED 2 1\ny\n");
}

#[test]
fn a_paused_tube_gives_no_jobs_until_its_pause_is_over() {
    let mut server = Server::new();
    let [client, waiting] = server.connect_all();
    server.exchange(client, "put 0 0 60 1\nx");
    assert_eq!(server.exchange(client, "pause-tube default 10"), "PAUSED\n");
    assert_eq!(server.exchange(client, "reserve-with-timeout 0"), "TIMED_OUT\n");
    assert_eq!(server.exchange(client, "peek-ready"), "FOUND 1 1\nx\n");
    server.exchange(waiting, "reserve");
    server.advance_secs(4);
    let stats = server.exchange(client, "stats-tube default");
    assert_eq!((value(&stats, "pause"), value(&stats, "pause-time-left")), ("10", "6"));
    assert_eq!(value(&stats, "cmd-pause-tube"), "1");
    server.advance_secs(6);
    assert_eq!(server.hear(waiting), "RESERVED 1 1\nx\n");
    assert_eq!(value(&server.exchange(client, "stats-tube default"), "pause"), "0");
}

#[test]
fn a_pause_of_no_time_ends_a_pause_and_wakes_who_waits() {
    let mut server = Server::new();
    let [client, waiting] = server.connect_all();
    server.exchange(client, "put 0 0 60 1\nx\npause-tube default 100");
    server.exchange(waiting, "reserve");
    assert_eq!(server.exchange(client, "pause-tube default 0"), "PAUSED\n");
    assert_eq!(server.hear(waiting), "RESERVED 1 1\nx\n");
    let stats = server.exchange(client, "stats-tube default");
    assert_eq!((value(&stats, "pause"), value(&stats, "pause-time-left")), ("0", "0"));
    assert_eq!(value(&stats, "cmd-pause-tube"), "2");
}

#[test]
fn nothing_is_due_once_everybody_has_gone() {
    let mut server = Server::new();
    let [client, waiting] = server.connect_all();
    server.exchange(
        client,
        "use a\nput 0 0 60 1\nx\nput 0 9 60 1\ny\nwatch a\nreserve\ndelete 1\ndelete 2\npause-tube a 100",
    );
    server.exchange(waiting, "reserve-with-timeout 7");
    assert!(server.engine.poll_timeout().is_some());
    server.disconnect(client);
    server.disconnect(waiting);
    assert_eq!(server.engine.poll_timeout(), None);
}

#[test]
fn time_in_stats_is_floored_to_seconds() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 60 1\nx\nreserve");
    server.advance(Duration::from_millis(1_999));
    let stats = server.exchange(client, "stats-job 1");
    assert_eq!((value(&stats, "age"), value(&stats, "time-left")), ("1", "58"));
    assert_eq!(value(&server.exchange(client, "stats"), "uptime"), "1");
}
