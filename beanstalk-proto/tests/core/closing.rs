//! The ends a connection can come to.

use std::task::Poll;

use beanstalk_proto::{
    Command, Delete, Error, Kick, Lost, ProtocolError, Quit, Raw, Reply, Reserve, ReserveWithTimeout, Reserved,
    client::{SendOptions, Timeout},
};

use crate::harness::{NOW, at, connection, feed, is_pending, late, reply, send, sent, written};

#[test]
fn quit_is_answered_by_the_end_of_the_stream() {
    let (mut connection, mut ticket) = sent(Quit::new());
    assert!(is_pending(&mut connection, &mut ticket));
    assert!(matches!(connection.send(NOW, Delete::new(1)), Err(Error::Closed { lost: Lost::NotSent })));
    connection.received_eof();
    reply(&mut connection, &mut ticket).expect("that is what quit asks for");
    assert!(connection.is_ended());
    let error = connection.send(NOW, Delete::new(1)).unwrap_err();
    assert!(matches!(error, Error::Closed { lost: Lost::NotSent }));
}

#[test]
fn quit_as_a_value_or_a_raw_line_ends_the_same_way() {
    let (mut connection, mut ticket) = sent(Command::Quit);
    connection.received_eof();
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reply::Closed);
    let (mut connection, mut ticket) = sent(Raw::new("quit"));
    assert!(matches!(connection.send(NOW, Delete::new(1)), Err(Error::Closed { lost: Lost::NotSent })));
    connection.received_eof();
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reply::Closed);
}

#[test]
fn replies_owed_before_quit_still_come() {
    let mut connection = connection();
    let mut kick = send(&mut connection, Kick::new(1));
    let mut quit = send(&mut connection, Quit::new());
    written(&mut connection);
    feed(&mut connection, b"KICKED 1\r\n");
    connection.received_eof();
    assert_eq!(reply(&mut connection, &mut kick).unwrap(), 1);
    reply(&mut connection, &mut quit).unwrap();
}

#[test]
fn an_end_before_quit_was_written_or_reached_is_not_its_answer() {
    let mut unwritten = connection();
    let mut quit = send(&mut unwritten, Quit::new());
    unwritten.received_eof();
    assert!(matches!(reply(&mut unwritten, &mut quit), Err(Error::Closed { lost: Lost::NotSent })));

    let mut owed = connection();
    let mut kick = send(&mut owed, Kick::new(1));
    let mut quit = send(&mut owed, Quit::new());
    written(&mut owed);
    owed.received_eof();
    assert!(matches!(reply(&mut owed, &mut kick), Err(Error::Closed { lost: Lost::Unknown })));
    assert!(matches!(reply(&mut owed, &mut quit), Err(Error::Closed { lost: Lost::Unknown })));
}

#[test]
fn a_line_in_answer_to_quit_poisons() {
    let (mut connection, mut ticket) = sent(Quit::new());
    feed(&mut connection, b"OUT_OF_MEMORY\r\n");
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::Protocol { error: ProtocolError::WrongReply { command: "quit", .. }, .. }));
}

#[test]
fn closing_an_idle_connection_sends_quit_behind_what_is_queued() {
    let mut connection = connection();
    let mut kick = send(&mut connection, Kick::new(1));
    connection.close(NOW);
    connection.close(NOW);
    assert!(!connection.wants_half_close());
    assert_eq!(written(&mut connection), b"kick 1\r\nquit\r\n");
    assert!(matches!(connection.send(NOW, Kick::new(2)), Err(Error::Closed { lost: Lost::NotSent })));
    feed(&mut connection, b"KICKED 1\r\n");
    connection.received_eof();
    assert_eq!(reply(&mut connection, &mut kick).unwrap(), 1);
}

#[test]
fn closing_while_the_server_waits_closes_the_writing_half() {
    let (mut connection, mut ticket) = sent(Reserve::new());
    connection.close(NOW);
    connection.close(NOW);
    assert!(connection.wants_half_close(), "it was not asked to quit");
    assert_eq!(connection.queued(), 0, "a quit would not be read");
    assert!(matches!(connection.send(NOW, Kick::new(2)), Err(Error::Closed { lost: Lost::NotSent })));
    feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut);
}

#[test]
fn a_writing_half_that_was_closed_is_not_closed_again() {
    let (mut connection, _ticket) = sent(Reserve::new());
    connection.close(NOW);
    connection.half_closed();
    connection.close(NOW);
    assert!(!connection.wants_half_close());
}

#[test]
fn closing_while_an_abandoned_reserve_waits_closes_the_writing_half_too() {
    let (mut connection, ticket) = sent(ReserveWithTimeout::new(5));
    connection.abandon(ticket);
    connection.close(NOW);
    assert!(connection.wants_half_close());
    connection.half_closed();
    assert!(!connection.wants_half_close());
    feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!(connection.in_flight(), 0);
}

#[test]
fn timed_out_of_a_reserve_taken_over_sends_nothing_once_the_connection_is_closing() {
    let (mut connection, ticket) = sent(ReserveWithTimeout::new(5));
    connection.abandon(ticket);
    let mut ticket = send(&mut connection, ReserveWithTimeout::new(9));
    connection.close(NOW);
    assert!(connection.wants_half_close());
    feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!(connection.queued(), 0);
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut);
}

#[test]
fn a_parked_job_that_is_gone_sends_nothing_once_the_connection_is_closing() {
    let (mut connection, ticket) = sent(Reserve::new());
    connection.abandon(ticket);
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    let mut ticket = send(&mut connection, ReserveWithTimeout::new(9));
    written(&mut connection);
    connection.close(NOW);
    written(&mut connection);
    feed(&mut connection, b"NOT_FOUND\r\n");
    assert_eq!(connection.queued(), 0);
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut);
}

#[test]
fn on_an_ended_connection_no_quit_is_sent() {
    let (mut ended, _ticket) = sent(Delete::new(1));
    ended.received_eof();
    ended.close(NOW);
    assert_eq!((ended.queued(), ended.wants_half_close()), (0, false));
    assert!(matches!(ended.poll_closed(), Poll::Ready(Ok(()))));
    let mut poisoned = connection();
    feed(&mut poisoned, b"DELETED\r\n");
    poisoned.close(NOW);
    assert_eq!((poisoned.queued(), poisoned.wants_half_close()), (0, false));
    assert!(matches!(poisoned.poll_closed(), Poll::Ready(Err(Error::Protocol { .. }))));
}

#[test]
fn closing_goes_on_until_the_server_ends_it_or_is_late() {
    let mut connection = connection();
    let mut kick = send(&mut connection, Kick::new(1));
    assert!(connection.poll_closed().is_pending());
    connection.close(at(10));
    assert!(connection.poll_closed().is_pending());
    written(&mut connection);
    assert_eq!(connection.poll_timeout(), Some(at(5)), "the reply is owed");
    feed(&mut connection, b"KICKED 1\r\n");
    assert_eq!(reply(&mut connection, &mut kick).unwrap(), 1);
    assert_eq!(connection.poll_timeout(), Some(at(15)));
    connection.handle_timeout(at(15));
    assert!(connection.wants_read() && connection.poll_closed().is_pending());
    connection.handle_timeout(at(15));
    assert!(matches!(connection.poll_closed(), Poll::Ready(Err(Error::TimedOut { .. }))));
    assert!(connection.is_ended() && connection.poll_timeout().is_none());
}

#[test]
fn closing_behind_a_quit_bounds_how_long_the_server_may_take() {
    let mut connection = connection();
    let endless = SendOptions::default().timeout(Timeout::of(None));
    let _quit = connection.send_with(NOW, Quit::new(), endless).unwrap();
    assert_eq!(written(&mut connection), b"quit\r\n");
    assert_eq!(connection.poll_timeout(), None);
    connection.close(at(1));
    assert_eq!((connection.queued(), connection.poll_timeout()), (0, Some(at(6))));
    late(&mut connection, at(6));
    assert!(matches!(connection.poll_closed(), Poll::Ready(Err(Error::TimedOut { .. }))));
}

#[test]
fn closing_ends_with_the_peers_end() {
    let mut connection = connection();
    connection.close(NOW);
    written(&mut connection);
    connection.received_eof();
    assert!(matches!(connection.poll_closed(), Poll::Ready(Ok(()))));
}

#[test]
fn the_writing_half_is_closed_only_when_everything_was_written_and_flushed() {
    let (mut connection, _reserve) = sent(ReserveWithTimeout::new(5));
    let _kick = send(&mut connection, Kick::new(1));
    connection.close(NOW);
    assert!(!connection.wants_half_close());
    connection.transmitted(connection.queued());
    assert!(!connection.wants_half_close(), "it may be kept by the stream");
    connection.flushed();
    assert!(connection.wants_half_close());
}

#[test]
fn an_end_reported_early_takes_effect_behind_what_came_before() {
    let (mut connection, mut ticket) = sent(Kick::new(1));
    let input = b"KICKED 1\r\n";
    let room = connection.receive_buf();
    room[..input.len()].copy_from_slice(input);
    connection.received(NOW, input.len());
    connection.received_eof();
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), 1);
}

#[test]
fn a_transport_that_failed_ends_the_connection() {
    let mut connection = connection();
    let mut sent = send(&mut connection, Kick::new(1));
    written(&mut connection);
    let mut unsent = send(&mut connection, Kick::new(2));
    connection.abort();
    assert!(connection.is_ended() && connection.receive_buf().is_empty());
    assert!(matches!(reply(&mut connection, &mut sent), Err(Error::Closed { lost: Lost::Unknown })));
    assert!(matches!(reply(&mut connection, &mut unsent), Err(Error::Closed { lost: Lost::NotSent })));
}

#[test]
fn jobs_that_came_for_nobody_can_be_listed_after_the_end() {
    let (mut connection, ticket) = sent(Reserve::new());
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    connection.received_eof();
    connection.abandon(ticket);
    assert_eq!(connection.take_orphaned().len(), 1);
}
