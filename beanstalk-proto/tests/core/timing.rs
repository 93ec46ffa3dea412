//! Until when a reply has to be here: one timeout of the whole connection, which a driver's one timer follows.

use std::time::Duration;

use beanstalk_proto::{
    ArgumentError, Command, Delete, Error, Instant, JobId, Kick, Lost, Peek, Put, Raw, Reply, Request, Reserve,
    ReserveWithTimeout, Reserved, Subject,
    client::{Config, Connection, SendOptions, Ticket, Timeout},
};

use crate::harness::{
    NOW, assert_in_sync, at, connection, feed, is_pending, late, nothing_unread, reply, send, sent, written,
};

/// A connection that waits for replies as long as it takes.
fn patient() -> Connection {
    Connection::new(Config { reply_timeout: None, ..Config::default() })
}

/// Sends a request at a time, and writes it.
fn send_at<R: Request>(connection: &mut Connection, now: Instant, request: R) -> Ticket<R::Reply> {
    let ticket = connection.send(now, request).unwrap();
    written(connection);
    ticket
}

/// Sends a kick with a timeout of its own, and writes it.
fn kick_with(connection: &mut Connection, now: Instant, timeout: Timeout) -> Ticket<u64> {
    let ticket = connection.send_with(now, Kick::new(1), SendOptions::default().timeout(timeout)).unwrap();
    written(connection);
    ticket
}

fn is_late<T: std::fmt::Debug>(connection: &mut Connection, ticket: &mut Ticket<T>) -> bool {
    let result = reply(connection, ticket);
    matches!(result, Err(Error::TimedOut { lost: Lost::Unknown, .. }))
}

#[test]
fn an_ordinary_reply_has_the_reply_timeout() {
    let mut connection = connection();
    assert_eq!(connection.poll_timeout(), None);
    let mut ticket = send_at(&mut connection, at(100), Delete::new(1));
    assert_eq!(connection.poll_timeout(), Some(at(105)));
    feed(&mut connection, b"DELETED\r\n");
    assert_eq!(connection.poll_timeout(), None);
    reply(&mut connection, &mut ticket).unwrap();
}

#[test]
fn asking_again_changes_nothing() {
    let mut connection = connection();
    let _first = send_at(&mut connection, at(1), ReserveWithTimeout::new(30));
    let _second = send_at(&mut connection, at(2), Delete::new(1));
    let held = format!("{connection:?}");
    for _ in 0..3 {
        assert_eq!(connection.poll_timeout(), Some(at(36)));
    }
    assert_eq!(format!("{connection:?}"), held);
}

#[test]
fn a_reserve_waits_as_long_as_it_takes() {
    for raw in ["reserve", "reserve-with-timeout -1", "reserve-with-timeout 2147483648", "reserve-with-timeout x"] {
        let (connection, _ticket) = sent(Raw::new(raw));
        assert_eq!(connection.poll_timeout(), None, "{raw}");
    }
    let (connection, _ticket) = sent(Reserve::new());
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn the_reply_timeout_is_added_to_the_reserves_own() {
    for seconds in [30, 0, i32::MAX.unsigned_abs()] {
        let mut connection = connection();
        let _ticket = send_at(&mut connection, at(100), ReserveWithTimeout::new(seconds));
        assert_eq!(connection.poll_timeout(), Some(at(105 + u64::from(seconds))));
    }
}

#[test]
fn without_a_reply_timeout_nothing_has_a_time_but_a_reserve_that_has_taken_over_a_slot() {
    let mut connection = patient();
    let mut ticket = send(&mut connection, Delete::new(1));
    assert_eq!(connection.poll_timeout(), None);
    let reserve = send(&mut connection, ReserveWithTimeout::new(3));
    assert_eq!(connection.poll_timeout(), None);
    connection.abandon(reserve);
    let mut reserve = send_at(&mut connection, at(10), ReserveWithTimeout::new(3));
    connection.handle_timeout(at(10));
    assert_eq!(connection.poll_timeout(), Some(at(13)));
    late(&mut connection, at(13));
    assert_eq!(reply(&mut connection, &mut reserve).unwrap(), Reserved::TimedOut);
    assert!(is_pending(&mut connection, &mut ticket));
}

#[test]
fn a_replys_time_runs_from_the_reply_before_it() {
    let mut connection = connection();
    let mut tickets: Vec<_> = (0..10).map(|id| send_at(&mut connection, at(1), Kick::new(id))).collect();
    for (n, ticket) in (1..).zip(&mut tickets) {
        assert_eq!(connection.poll_timeout(), Some(at(4 * n + 2)));
        connection.receive(at(4 * n + 1), b"KICKED 1\r\n");
        reply(&mut connection, ticket).unwrap();
    }
}

#[test]
fn a_request_sent_long_after_the_last_reply_has_its_whole_time() {
    let mut connection = connection();
    for start in [0, 1000, 5000] {
        let mut ticket = send_at(&mut connection, at(start), Kick::new(1));
        assert_eq!(connection.poll_timeout(), Some(at(start + 5)));
        connection.receive(at(start + 1), b"KICKED 1\r\n");
        reply(&mut connection, &mut ticket).unwrap();
    }
}

#[test]
fn when_one_is_late_those_sent_with_it_are_late_too() {
    let mut connection = connection();
    let mut early: Vec<_> = (0..20).map(|_| send_at(&mut connection, NOW, Kick::new(1))).collect();
    let mut later = send_at(&mut connection, at(4), Kick::new(1));
    late(&mut connection, at(5));
    assert!(early.iter_mut().all(|ticket| is_late(&mut connection, ticket)));
    assert!(is_pending(&mut connection, &mut later), "it was sent later");
    assert_eq!(connection.poll_timeout(), Some(at(9)));
    late(&mut connection, at(9));
    assert!(is_late(&mut connection, &mut later));
    assert_eq!(connection.poll_timeout(), None);
    feed(&mut connection, b"KICKED 1\r\n".repeat(21).as_slice());
    assert_eq!(connection.in_flight(), 0);
    assert_in_sync(&mut connection);
}

#[test]
fn bytes_of_a_reply_are_not_a_reply() {
    let input = b"FOUND 1 5\r\nhello\r\n";
    let mut connection = connection();
    let mut ticket = send_at(&mut connection, NOW, Peek::new(1));
    for (second, byte) in (1..5).zip(input) {
        connection.receive(at(second), &[*byte]);
        assert_eq!(connection.poll_timeout(), Some(at(5)));
    }
    late(&mut connection, at(5));
    assert!(is_late(&mut connection, &mut ticket));
}

#[test]
fn bytes_without_end_put_off_lateness_by_a_mebibyte_at_most() {
    for (piece, most) in [(10_000, 1_050_000), (1 << 19, 1 << 20)] {
        let mut connection = connection();
        let mut ticket = send_at(&mut connection, NOW, Peek::new(1));
        connection.receive(at(1), b"FOUND 1 10000000\r\n");
        connection.handle_timeout(at(5));
        let mut came = 0;
        while connection.wants_read() {
            came += piece;
            connection.receive(at(5), &vec![b'x'; piece]);
            connection.handle_timeout(at(5));
        }
        assert_eq!(came, most);
        assert!(is_late(&mut connection, &mut ticket));
    }
}

#[test]
fn what_is_read_before_lateness_counts() {
    let mut connection = connection();
    let mut ticket = send_at(&mut connection, NOW, Kick::new(1));
    connection.handle_timeout(at(4));
    assert!(!connection.wants_read(), "nothing is due");
    connection.handle_timeout(at(100));
    assert!(connection.wants_read() && connection.poll_timeout() == Some(at(5)));
    feed(&mut connection, b"KICKED 1\r\n");
    assert!(!connection.wants_read());
    connection.handle_timeout(at(100));
    reply(&mut connection, &mut ticket).unwrap();
}

#[test]
fn a_read_is_wanted_anew_for_each_that_becomes_late() {
    let mut connection = connection();
    let mut tickets = [4, 6].map(|second| send_at(&mut connection, at(second), Kick::new(1)));
    connection.handle_timeout(at(9));
    assert!(connection.wants_read());
    connection.receive(at(9), b"KICKED 1\r\n");
    assert!(!connection.wants_read() && connection.poll_timeout() == Some(at(14)));
    connection.handle_timeout(at(14));
    assert!(connection.wants_read() && is_pending(&mut connection, &mut tickets[1]));
    connection.handle_timeout(at(14));
    assert!(is_late(&mut connection, &mut tickets[1]));
    reply(&mut connection, &mut tickets[0]).unwrap();
}

#[test]
fn a_timeout_of_zero_is_refused_and_nothing_is_queued() {
    let none = SendOptions::default().timeout(Timeout::After(Duration::ZERO));
    let config = Config { reply_timeout: Some(Duration::ZERO), ..Config::default() };
    for (mut connection, options) in [(connection(), none), (Connection::new(config), SendOptions::default())] {
        let refused = connection.send_with(at(10), Kick::new(1), options);
        assert!(matches!(refused, Err(Error::Argument(ArgumentError::Setting { setting: "reply_timeout", .. }))));
        assert!(!connection.wants_transmit() && connection.in_flight() == 0);
    }
}

#[test]
fn a_call_may_bring_a_time_of_its_own() {
    for (timeout, due) in [
        (Timeout::Default, Some(at(15))),
        (Timeout::After(Duration::from_secs(60)), Some(at(70))),
        (Timeout::After(Duration::from_nanos(1)), Some(Instant::from_nanos(at(10).as_nanos() + 1))),
        (Timeout::After(Duration::MAX), Some(Instant::from_nanos(u64::MAX))),
        (Timeout::None, None),
    ] {
        let mut connection = connection();
        let mut ticket = kick_with(&mut connection, at(10), timeout);
        assert_eq!(connection.poll_timeout(), due, "{timeout:?}");
        if let Some(due) = due {
            late(&mut connection, due);
            assert!(is_late(&mut connection, &mut ticket));
        }
    }
    let mut patient = patient();
    let _ticket = kick_with(&mut patient, at(10), Timeout::After(Duration::from_secs(1)));
    assert_eq!(patient.poll_timeout(), Some(at(11)), "where others have none");
}

#[test]
fn times_of_their_own_run_one_after_another() {
    let mut connection = connection();
    let mut long = kick_with(&mut connection, NOW, Timeout::After(Duration::from_secs(60)));
    let mut short = kick_with(&mut connection, NOW, Timeout::After(Duration::from_secs(1)));
    assert_eq!(connection.poll_timeout(), Some(at(60)), "it cannot be answered before the other");
    connection.receive(at(50), b"KICKED 1\r\n");
    assert_eq!(connection.poll_timeout(), Some(at(51)));
    late(&mut connection, at(51));
    reply(&mut connection, &mut long).unwrap();
    assert!(is_late(&mut connection, &mut short));
}

#[test]
fn an_earlier_time_counts_as_the_latest_given() {
    let mut connection = connection();
    let mut first = send_at(&mut connection, at(100), Kick::new(1));
    let mut second = send_at(&mut connection, at(50), Kick::new(1));
    connection.receive(at(3), b"KICKED 1\r\n");
    reply(&mut connection, &mut first).unwrap();
    assert_eq!(connection.poll_timeout(), Some(at(105)));
    late(&mut connection, at(105));
    assert!(is_late(&mut connection, &mut second));
    let _third = send_at(&mut connection, at(1), Kick::new(1));
    assert_eq!(connection.poll_timeout(), Some(at(110)));
}

#[test]
fn the_waiting_of_earlier_requests_is_added() {
    let mut connection = connection();
    let mut first = send_at(&mut connection, NOW, ReserveWithTimeout::new(10));
    let _delete = send_at(&mut connection, at(4), Delete::new(1));
    let mut second = send_at(&mut connection, at(4), ReserveWithTimeout::new(20));
    let _last = send_at(&mut connection, at(4), Delete::new(2));
    assert_eq!(connection.poll_timeout(), Some(at(15)));
    connection.receive(at(9), b"TIMED_OUT\r\nDELETED\r\n");
    assert_eq!(reply(&mut connection, &mut first).unwrap(), Reserved::TimedOut);
    assert_eq!(connection.poll_timeout(), Some(at(34)), "5 and 20 s from the reply before");
    connection.receive(at(30), b"TIMED_OUT\r\n");
    assert_eq!(reply(&mut connection, &mut second).unwrap(), Reserved::TimedOut);
    assert_eq!(connection.poll_timeout(), Some(at(35)));
}

#[test]
fn an_abandoned_request_has_no_time_but_its_waiting_is_added() {
    let mut connection = connection();
    let kick = send_at(&mut connection, NOW, Kick::new(1));
    let first = send_at(&mut connection, NOW, ReserveWithTimeout::new(10));
    connection.abandon(kick);
    connection.abandon(first);
    assert_eq!(connection.poll_timeout(), None);
    let mut delete = send_at(&mut connection, at(2), Delete::new(1));
    assert_eq!(connection.poll_timeout(), Some(at(15)));
    late(&mut connection, at(15));
    assert!(is_late(&mut connection, &mut delete));
}

#[test]
fn abandoning_the_one_that_is_due_takes_back_the_wish_to_read() {
    let mut connection = connection();
    let first = send_at(&mut connection, NOW, Kick::new(1));
    let mut second = send_at(&mut connection, at(3), Kick::new(1));
    connection.handle_timeout(at(5));
    assert!(connection.wants_read());
    connection.abandon(first);
    assert!(!connection.wants_read() && connection.poll_timeout() == Some(at(8)));
    connection.handle_timeout(at(6));
    assert!(is_pending(&mut connection, &mut second));
}

#[test]
fn waiting_that_is_over_is_not_added() {
    let mut connection = connection();
    let mut first = send_at(&mut connection, NOW, ReserveWithTimeout::new(100));
    connection.receive(at(1), b"RESERVED 1 0\r\n\r\n");
    let _delete = send_at(&mut connection, at(1), Delete::new(1));
    assert_eq!(connection.poll_timeout(), Some(at(6)));
    assert!(reply(&mut connection, &mut first).unwrap().job().is_some());
}

#[test]
fn a_reserve_that_has_taken_over_a_slot_waits_as_long_as_its_caller_likes() {
    let (mut connection, old) = sent(Reserve::new());
    connection.abandon(old);
    for (now, seconds) in [(100, 7), (200, 1), (300, 0)] {
        let mut ticket = send_at(&mut connection, at(now), ReserveWithTimeout::new(seconds));
        connection.handle_timeout(at(now));
        if seconds > 0 {
            assert!(is_pending(&mut connection, &mut ticket));
            assert_eq!(connection.poll_timeout(), Some(at(now + u64::from(seconds))), "each caller has its own");
            late(&mut connection, at(now + u64::from(seconds)));
        }
        assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut);
    }
    let mut untyped = send_at(&mut connection, at(400), Command::ReserveWithTimeout { timeout: 1 });
    connection.handle_timeout(at(400));
    late(&mut connection, at(401));
    assert_eq!(reply(&mut connection, &mut untyped).unwrap(), Reply::TimedOut);
    let forever = send_at(&mut connection, at(500), Reserve::new());
    connection.handle_timeout(at(500));
    assert_eq!(connection.poll_timeout(), None);
    connection.abandon(forever);
    let mut last = send_at(&mut connection, at(600), Reserve::new());
    connection.handle_timeout(at(600));
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert!(reply(&mut connection, &mut last).unwrap().job().is_some());
}

#[test]
fn a_late_ticket_is_answered_although_another_has_its_slot() {
    let (mut connection, old) = sent(ReserveWithTimeout::new(100));
    connection.abandon(old);
    let mut first = send_at(&mut connection, at(1), ReserveWithTimeout::new(1));
    connection.handle_timeout(at(1));
    late(&mut connection, at(2));
    let mut second = send_at(&mut connection, at(3), ReserveWithTimeout::new(9));
    assert!(connection.is_ready(first.id()) && !connection.is_ready(second.id()));
    connection.handle_timeout(at(3));
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(reply(&mut connection, &mut first).unwrap(), Reserved::TimedOut);
    assert!(reply(&mut connection, &mut second).unwrap().job().is_some());
    assert_eq!(connection.in_flight(), 0);
}

#[test]
fn a_reserve_on_a_dead_server_ends_as_late() {
    let (mut connection, old) = sent(ReserveWithTimeout::new(10));
    connection.abandon(old);
    let mut ticket = send_at(&mut connection, at(1), ReserveWithTimeout::new(4));
    connection.handle_timeout(at(1));
    late(&mut connection, at(5));
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut);
    let mut ticket = send_at(&mut connection, at(14), ReserveWithTimeout::new(4));
    connection.handle_timeout(at(14));
    assert_eq!(connection.poll_timeout(), Some(at(18)), "not before it is the caller's time");
    late(&mut connection, at(18));
    assert!(is_late(&mut connection, &mut ticket), "the server should have answered at 15");
    let mut ticket = send_at(&mut connection, at(19), ReserveWithTimeout::new(0));
    connection.handle_timeout(at(19));
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut, "who does not wait learns nothing");
}

#[test]
fn a_reserve_whose_time_ends_when_the_server_should_have_answered_is_late() {
    let (mut connection, old) = sent(ReserveWithTimeout::new(5));
    connection.abandon(old);
    let mut ticket = send_at(&mut connection, at(1), ReserveWithTimeout::new(9));
    connection.handle_timeout(at(1));
    late(&mut connection, at(10));
    assert!(is_late(&mut connection, &mut ticket));
}

#[test]
fn a_reserve_that_has_to_be_sent_again_asks_for_what_is_left() {
    for (answered, asked) in [(31_000, "19"), (31_500, "19"), (49_999, "1"), (50_000, "0"), (60_000, "0")] {
        let (mut connection, old) = sent(ReserveWithTimeout::new(30));
        connection.abandon(old);
        let mut ticket = send_at(&mut connection, at(20), ReserveWithTimeout::new(30));
        connection.handle_timeout(at(20));
        let answered = NOW + Duration::from_millis(answered);
        connection.receive(answered, b"TIMED_OUT\r\n");
        assert!(is_pending(&mut connection, &mut ticket));
        assert_eq!(written(&mut connection), format!("reserve-with-timeout {asked}\r\n").as_bytes());
        let seconds: u64 = asked.parse().unwrap();
        assert_eq!(connection.poll_timeout(), Some(answered + Duration::from_secs(seconds + 5)));
    }
}

#[test]
fn a_job_that_was_not_ours_costs_no_more_than_the_time_it_took() {
    let (mut connection, old) = sent(Reserve::new());
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    connection.abandon(old);
    let mut ticket = connection.send(at(10), ReserveWithTimeout::new(30)).unwrap();
    assert_eq!(written(&mut connection), b"touch 7\r\n");
    assert_eq!(connection.poll_timeout(), Some(at(15)), "the server answers a touch at once");
    connection.receive(at(14), b"NOT_FOUND\r\n");
    assert_eq!(written(&mut connection), b"reserve-with-timeout 26\r\n");
    assert_eq!(connection.poll_timeout(), Some(at(45)));
    late(&mut connection, at(45));
    assert!(is_late(&mut connection, &mut ticket));
}

#[test]
fn a_reserve_whose_touch_is_not_answered_is_late() {
    let (mut connection, old) = sent(Reserve::new());
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    connection.abandon(old);
    let mut ticket = send_at(&mut connection, at(10), Reserve::new());
    assert_eq!(connection.poll_timeout(), Some(at(15)));
    late(&mut connection, at(15));
    assert!(is_late(&mut connection, &mut ticket));
    let mut second = send_at(&mut connection, at(100), Reserve::new());
    connection.handle_timeout(at(100));
    assert_eq!(connection.poll_timeout(), Some(at(105)), "who takes over the confirmation has a time of its own");
    late(&mut connection, at(105));
    assert!(is_late(&mut connection, &mut second));
    feed(&mut connection, b"TOUCHED\r\n");
    assert_eq!(connection.take_orphaned().len(), 1);
}

#[test]
fn what_is_behind_a_reserve_that_was_taken_over_still_waits_for_the_servers_own_end() {
    let (mut connection, old) = sent(ReserveWithTimeout::new(100));
    connection.abandon(old);
    let mut ticket = send_at(&mut connection, at(1), ReserveWithTimeout::new(2));
    connection.handle_timeout(at(1));
    let mut behind = send_at(&mut connection, at(2), Delete::new(1));
    assert_eq!(connection.poll_timeout(), Some(at(3)));
    late(&mut connection, at(3));
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut);
    assert_eq!(connection.poll_timeout(), Some(at(105)));
    late(&mut connection, at(105));
    assert!(is_late(&mut connection, &mut behind));
}

#[test]
fn what_is_behind_a_reserve_that_was_taken_over_is_late_whatever_its_caller_waits_for() {
    for caller in [Command::Reserve, Command::ReserveWithTimeout { timeout: 500 }] {
        let (mut connection, old) = sent(ReserveWithTimeout::new(100));
        connection.abandon(old);
        let mut ticket = send_at(&mut connection, at(1), caller.clone());
        connection.handle_timeout(at(1));
        let mut behind = send_at(&mut connection, at(2), Delete::new(1));
        assert_eq!(connection.poll_timeout(), Some(at(105)), "{caller:?}");
        late(&mut connection, at(105));
        assert!(is_late(&mut connection, &mut behind), "{caller:?}");
        assert!(is_pending(&mut connection, &mut ticket), "{caller:?} waits as long as it likes");
    }
}

#[test]
fn time_does_not_overflow() {
    let end = Instant::from_nanos(u64::MAX);
    let mut connection = connection();
    let mut ticket = send_at(&mut connection, end, ReserveWithTimeout::new(i32::MAX.unsigned_abs()));
    assert_eq!(connection.poll_timeout(), Some(end));
    late(&mut connection, end);
    assert!(is_late(&mut connection, &mut ticket));
}

#[test]
fn a_request_whose_reply_is_late_may_run_for_as_long_as_the_connection_lives() {
    let mut connection = connection();
    let mut ticket = send(&mut connection, Delete::new(1));
    late(&mut connection, at(5));
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::TimedOut { lost: Lost::Unknown, .. }) && !error.is_fatal());
    assert_eq!(written(&mut connection), b"delete 1\r\n", "it is still written");
    feed(&mut connection, b"DELETED\r\n");
    assert_eq!(connection.in_flight(), 0);
    let mut unwritten = send(&mut connection, Delete::new(2));
    connection.abort();
    assert_eq!(reply(&mut connection, &mut unwritten).unwrap_err().lost(), Some(Lost::NotSent));
}

#[test]
fn a_late_reply_names_its_request_and_how_long_was_waited() {
    let mut connection = connection();
    let mut delete = send_at(&mut connection, NOW, Delete::new(4711));
    let mut reserve = send_at(&mut connection, NOW, ReserveWithTimeout::new(7));
    late(&mut connection, at(12));
    let error = reply(&mut connection, &mut delete).unwrap_err();
    let Error::TimedOut { command: "delete", subject: Subject::Job(JobId(4711)), waited, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(waited, Duration::from_secs(5));
    let error = reply(&mut connection, &mut reserve).unwrap_err();
    let Error::TimedOut { command: "reserve-with-timeout", waited, .. } = error else { panic!("{error:?}") };
    assert_eq!(waited, Duration::from_secs(12));
}

#[test]
fn an_ended_connection_has_no_time() {
    let (mut connection, mut ticket) = sent(Delete::new(1));
    connection.handle_timeout(at(5));
    connection.received_eof();
    assert!(!connection.wants_read() && connection.poll_timeout().is_none());
    connection.handle_timeout(at(9));
    assert!(matches!(reply(&mut connection, &mut ticket), Err(Error::Closed { .. })));
}

#[test]
fn the_rest_of_a_body_is_owed_for_as_long_as_it_takes() {
    let mut connection = connection();
    let mut put = send(&mut connection, Put::of(vec![b'x'; 100_000]));
    connection.transmitted(1000);
    connection.receive(at(1), b"DRAINING\r\n");
    reply(&mut connection, &mut put).unwrap_err();
    assert!(connection.wants_transmit() && connection.poll_timeout().is_none());
}

#[test]
fn a_ticket_dropped_while_it_waits_does_not_hold_up_time() {
    let (mut connection, ticket) = sent(Kick::new(1));
    drop(ticket);
    late(&mut connection, at(5));
    assert_eq!(connection.poll_timeout(), None, "once, and no more");
    let mut next = send_at(&mut connection, at(6), Kick::new(2));
    assert_eq!(connection.poll_timeout(), Some(at(11)));
    connection.receive(at(7), b"KICKED 1\r\nKICKED 2\r\n");
    assert_eq!(reply(&mut connection, &mut next).unwrap(), 2);
}

#[test]
fn a_slot_that_is_taken_over_is_due_at_once() {
    let (mut connection, old) = sent(Reserve::new());
    connection.abandon(old);
    let mut ticket = send(&mut connection, Reserve::new());
    nothing_unread(&mut connection);
    assert_eq!(connection.poll_timeout(), None);
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert!(reply(&mut connection, &mut ticket).unwrap().job().is_some());
}

#[test]
fn a_reply_is_due_though_nobody_waits_for_it() {
    let mut connection = connection();
    assert_eq!(connection.reply_due(), None);
    let first = send_at(&mut connection, at(100), Delete::new(1));
    let mut second = send_at(&mut connection, at(102), Delete::new(2));
    connection.abandon(first);
    assert_eq!(connection.poll_timeout(), Some(at(107)));
    assert_eq!(connection.reply_due(), Some(at(105)));
    late(&mut connection, at(107));
    assert!(is_late(&mut connection, &mut second));
    assert_eq!((connection.poll_timeout(), connection.reply_due()), (None, Some(at(105))));
    connection.receive(at(108), b"DELETED\r\n");
    assert_eq!(connection.reply_due(), Some(at(113)), "the second has its time from the first");
    connection.receive(at(109), b"DELETED\r\n");
    assert_eq!(connection.reply_due(), None);
    let _waits = send_at(&mut connection, at(110), ReserveWithTimeout::new(30));
    assert_eq!(connection.reply_due(), Some(at(145)));
    connection.receive(at(111), b"TIMED_OUT\r\n");
    let _waits = send_at(&mut connection, at(112), Reserve::new());
    assert_eq!(connection.reply_due(), None);
}
