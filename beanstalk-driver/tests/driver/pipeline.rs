//! Many requests, one result each, in their order.

use std::{task::Poll, time::Duration};

use beanstalk_driver::Pipeline;
use beanstalk_proto::{
    ArgumentError, Command, Delete, Error, Instant, JobId, Kick, Lost, Priority, ProtocolError, Put, Reply, Reserve,
    TubeName, Watch,
    client::{Config, Connection, Limits, Timeout},
};

/// The time, where it does not matter.
const NOW: Instant = Instant::ZERO;

fn at(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

fn connection() -> Connection {
    Connection::new(Config::default())
}

/// Takes everything that waits to be written, as a transport would.
fn written(connection: &mut Connection) -> Vec<u8> {
    let bytes = connection.transmit().collect::<Vec<_>>().concat();
    connection.transmitted(bytes.len());
    connection.flushed();
    bytes
}

/// Gives the connection what the server sends when all that waits was written.
fn feed(connection: &mut Connection, bytes: &[u8]) {
    written(connection);
    connection.receive(NOW, bytes);
}

/// What a driver does when something is due: it reads once, which finds nothing.
fn late(connection: &mut Connection, now: Instant) {
    connection.handle_timeout(now);
    assert!(connection.wants_read(), "first a read is due");
    connection.handle_timeout(now);
    assert!(!connection.wants_read() && connection.poll_timeout().is_none_or(|at| at > now));
}

/// Proves that requests and replies still match: one more request gets its own answer.
fn assert_in_sync(connection: &mut Connection) {
    let mut ticket = connection.send(NOW, Delete::new(4711)).expect("there is room");
    assert!(written(connection).ends_with(b"delete 4711\r\n"));
    assert!(connection.poll_reply(&mut ticket).is_pending(), "an earlier reply is taken for this one's");
    feed(connection, b"DELETED\r\n");
    assert!(matches!(connection.poll_reply(&mut ticket), Poll::Ready(Ok(()))));
}

/// Answers every `kick n` with `KICKED n` and counts how many were in flight at most.
fn run(connection: &mut Connection, pipeline: &mut Pipeline<impl Iterator<Item = Kick>>) -> (Vec<u64>, usize) {
    let (mut results, mut most) = (Vec::new(), 0);
    loop {
        pipeline.fill(connection, NOW);
        most = most.max(connection.in_flight());
        match pipeline.poll_next(connection) {
            Poll::Ready(None) => return (results, most),
            Poll::Ready(Some(result)) => results.push(result.unwrap()),
            Poll::Pending => {
                let requests = String::from_utf8(written(connection)).unwrap();
                assert!(!requests.is_empty(), "it waits for nothing");
                feed(connection, requests.replace("kick", "KICKED").as_bytes());
            }
        }
    }
}

#[test]
fn results_come_in_the_order_of_the_requests_within_a_bounded_window() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..1000).map(Kick::new));
    let (results, most) = run(&mut connection, &mut pipeline);
    assert!(results.iter().copied().eq(0..1000));
    assert!((2..=64).contains(&most), "{most} in flight");
    assert_eq!(connection.in_flight(), 0);
}

#[test]
fn a_window_is_filled_again_in_one_go_once_half_of_it_was_answered() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..1000).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    let sent = written(&mut connection).split(|&byte| byte == b'\n').count() - 1;
    assert_eq!((sent, connection.in_flight()), (64, 64));
    for left in (32..64).rev() {
        feed(&mut connection, b"KICKED 1\r\n");
        assert!(pipeline.is_ready(&connection));
        assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Ok(1)))));
        pipeline.fill(&mut connection, NOW);
        assert_eq!(connection.in_flight(), if left > 32 { left } else { 64 });
    }
    assert!(!pipeline.is_ready(&connection));
}

#[test]
fn what_the_driver_has_failed_with_is_given_once_and_not_for_each_request() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..3).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    connection.receive(NOW, b"DELETED\r\n");
    pipeline.fail();
    for _ in 0..3 {
        assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Err(Error::Closed { .. })))));
    }
    assert!(pipeline.is_ready(&connection));
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(None)));
}

#[test]
fn a_connection_with_less_room_than_the_window_is_enough() {
    for limits in [
        Limits { in_flight: 1, ..Limits::default() },
        Limits { in_flight: 3, ..Limits::default() },
        Limits { queued: 1, ..Limits::default() },
        Limits { queued: 25, ..Limits::default() },
    ] {
        let mut connection = Connection::new(Config { limits, ..Config::default() });
        let mut pipeline = Pipeline::new((0..200).map(Kick::new));
        let (results, most) = run(&mut connection, &mut pipeline);
        assert!(results.iter().copied().eq(0..200), "{limits:?}");
        assert!(most <= limits.in_flight);
    }
}

#[test]
fn what_waits_to_be_written_is_bounded_too() {
    // Requests of 16 KiB each.
    let line = b"put 1024 0 60 16361\r\n".len();
    let body = vec![b'x'; 16 * 1024 - line - 2];
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..100).map(|_| Put::of(&body)));
    pipeline.fill(&mut connection, NOW);
    assert_eq!((connection.in_flight(), connection.queued()), (32, 512 * 1024));
}

#[test]
fn a_long_queue_of_what_was_sent_before_does_not_end_it() {
    let mut connection = connection();
    let large = connection.send(NOW, Put::of(vec![b'x'; 600_000])).unwrap();
    connection.abandon(large);
    let mut pipeline = Pipeline::new((0..3).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    assert!(!pipeline.is_ready(&connection), "it has ended with nothing sent");
    assert!(connection.queued() < 600_100, "more is sent only once there is room");
    feed(&mut connection, b"INSERTED 1\r\nKICKED 0\r\n");
    let (results, _) = run(&mut connection, &mut pipeline);
    assert_eq!(results, [0, 1, 2]);
}

#[test]
fn a_refusal_or_a_bad_argument_stands_in_its_place_and_disturbs_no_other() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new(["a", "not a name", "b", "c"].into_iter().map(Watch::new));
    pipeline.fill(&mut connection, NOW);
    assert_eq!(written(&mut connection), b"watch a\r\nwatch b\r\nwatch c\r\n");
    feed(&mut connection, b"WATCHING 2\r\nOUT_OF_MEMORY\r\nWATCHING 3\r\n");
    let mut next = || match pipeline.poll_next(&mut connection) {
        Poll::Ready(Some(result)) => result,
        other => panic!("{other:?}"),
    };
    assert_eq!(next().unwrap(), 2);
    assert!(matches!(next(), Err(Error::Argument(ArgumentError::Tube(_)))));
    assert!(matches!(next(), Err(Error::Command { command: "watch", .. })));
    assert_eq!(next().unwrap(), 3);
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(None)));
    assert_in_sync(&mut connection);
}

#[test]
fn after_a_fatal_error_the_rest_are_closed_each_with_its_own_lost() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..70).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    connection.transmitted(b"kick 0\r\n".len() * 3);
    connection.receive(NOW, b"KICKED 0\r\nDELETED\r\n");
    let mut results = Vec::new();
    loop {
        pipeline.fill(&mut connection, NOW);
        match pipeline.poll_next(&mut connection) {
            Poll::Ready(Some(result)) => results.push(result),
            Poll::Ready(None) => break,
            Poll::Pending => panic!("nothing can come any more"),
        }
    }
    assert_eq!(results.len(), 70, "one result each");
    assert_eq!(*results[0].as_ref().unwrap(), 0);
    assert!(matches!(
        results[1],
        Err(Error::Protocol { error: ProtocolError::WrongReply { .. }, lost: Lost::Unknown })
    ));
    assert!(matches!(results[2], Err(Error::Closed { lost: Lost::Unknown })));
    assert!(results[3..].iter().all(|result| matches!(result, Err(Error::Closed { lost: Lost::NotSent }))));
}

#[test]
fn after_a_failure_that_the_driver_reported_all_are_closed() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..3).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    written(&mut connection);
    connection.abort();
    pipeline.fail();
    for _ in 0..3 {
        let Poll::Ready(Some(Err(error))) = pipeline.poll_next(&mut connection) else { panic!("no error") };
        assert!(matches!(error, Error::Closed { lost: Lost::Unknown }));
    }
}

#[test]
fn a_result_that_came_with_the_last_bytes_is_not_late() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..2).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    written(&mut connection);
    feed(&mut connection, b"KICKED 5\r\n");
    late(&mut connection, at(5));
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Ok(5)))));
    let timed_out = pipeline.poll_next(&mut connection);
    assert!(matches!(timed_out, Poll::Ready(Some(Err(Error::TimedOut { lost: Lost::Unknown, .. })))));
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(None)));
    feed(&mut connection, b"KICKED 6\r\n");
    assert_in_sync(&mut connection);
}

#[test]
fn what_is_behind_a_reserve_is_held_back_until_it_has_its_job() {
    let mut connection = connection();
    let commands = [Command::Stats, Command::Reserve, Command::Delete { id: JobId(7) }, Command::Reserve];
    let mut pipeline = Pipeline::new(commands.into_iter());
    pipeline.fill(&mut connection, NOW);
    assert_eq!(written(&mut connection), b"stats\r\nreserve\r\n");
    feed(&mut connection, b"OK 4\r\n---\n\r\nRESERVED 7 1\r\nx\r\n");
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Ok(Reply::Ok(_))))));
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Ok(Reply::Reserved(_))))));
    pipeline.fill(&mut connection, NOW);
    assert_eq!(written(&mut connection), b"delete 7\r\nreserve\r\n");
    feed(&mut connection, b"DELETED\r\nDEADLINE_SOON\r\n");
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Ok(Reply::Deleted)))));
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Ok(Reply::DeadlineSoon)))));
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(None)));
}

#[test]
fn behind_somebody_elses_reserve_each_request_is_refused_in_its_place() {
    let mut connection = connection();
    let _reserve = connection.send(NOW, Reserve::new()).unwrap();
    written(&mut connection);
    let mut pipeline = Pipeline::new((0..3).map(Kick::new));
    for _ in 0..3 {
        pipeline.fill(&mut connection, NOW);
        assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Err(Error::ReserveWaiting)))));
    }
    assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(None)));
}

#[test]
fn a_pipeline_abandoned_half_way_leaves_the_connection_in_sync() {
    let mut connection = connection();
    let put = |n| Command::Put { priority: Priority(n), delay: 0, ttr: 1, body: vec![] };
    let mut pipeline = Pipeline::new((0..3).map(put).chain([Command::Use { tube: TubeName::default() }]));
    pipeline.fill(&mut connection, NOW);
    written(&mut connection);
    feed(&mut connection, b"INSERTED 1\r\nINSE");
    pipeline.abandon(&mut connection);
    feed(&mut connection, b"RTED 2\r\nINSERTED 3\r\nUSING default\r\n");
    assert_eq!(connection.in_flight(), 0);
    assert_in_sync(&mut connection);
}

#[test]
fn a_dead_server_costs_one_timeout_and_not_one_a_request() {
    for (timeout, seconds) in [(Timeout::Default, 5), (Timeout::After(Duration::from_secs(2)), 2)] {
        let mut connection = connection();
        let mut pipeline = Pipeline::with_timeout((0..1000).map(Kick::new), timeout);
        pipeline.fill(&mut connection, NOW);
        written(&mut connection);
        assert_eq!(connection.poll_timeout(), Some(at(seconds)));
        late(&mut connection, at(seconds));
        let mut told = Vec::new();
        while let Poll::Ready(Some(result)) = pipeline.poll_next(&mut connection) {
            let Err(Error::TimedOut { waited, lost, .. }) = result else { panic!("{result:?}") };
            assert_eq!(waited, Duration::from_secs(seconds));
            told.push(lost);
            pipeline.fill(&mut connection, at(seconds));
        }
        assert_eq!(told.iter().filter(|lost| **lost == Lost::Unknown).count(), 64, "those that were sent");
        assert_eq!(told.iter().filter(|lost| **lost == Lost::NotSent).count(), 936);
        assert!(!connection.wants_transmit() && connection.poll_timeout().is_none());
    }
}

#[test]
fn a_pipeline_whose_replies_keep_coming_is_never_late() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..60).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    written(&mut connection);
    for second in 0..60 {
        let due = connection.poll_timeout().unwrap();
        assert_eq!(due, at(4 * second + 5), "5 s from the reply before");
        connection.receive(at(4 * (second + 1)), format!("KICKED {second}\r\n").as_bytes());
        assert!(matches!(pipeline.poll_next(&mut connection), Poll::Ready(Some(Ok(kicked))) if kicked == second));
    }
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn a_result_that_did_not_come_in_time_is_skipped_and_the_next_still_matches() {
    let mut connection = connection();
    let mut pipeline = Pipeline::new((0..2).map(Kick::new));
    pipeline.fill(&mut connection, NOW);
    written(&mut connection);
    assert!(pipeline.front().is_some());
    connection.receive(at(3), b"KICK");
    late(&mut connection, at(5));
    for _ in 0..2 {
        let result = pipeline.poll_next(&mut connection);
        assert!(matches!(result, Poll::Ready(Some(Err(Error::TimedOut { lost: Lost::Unknown, .. })))));
    }
    feed(&mut connection, b"ED 0\r\nKICKED 1\r\n");
    assert_in_sync(&mut connection);
}
