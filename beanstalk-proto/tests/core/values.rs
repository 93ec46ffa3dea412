//! What values and errors tell whoever holds one.

use std::{io, sync::Arc};

use beanstalk_proto::{
    Bound, CommandError, Error, Job, JobId, Kind, Lost, ProtocolError, Raw, Refused, Reply, Subject, TlsError,
    client::Ticket, stats::JobState,
};

use crate::harness::{connection, feed, reply, send};

fn io_error(error: io::Error) -> Error {
    Error::Io { error, lost: Lost::Unknown }
}

fn tls(refusal: bool) -> io::Error {
    io::Error::other(TlsError::new("no session", refusal, None))
}

fn connect(refused: bool) -> Error {
    Error::Connect { why: Arc::new(io::Error::other("nobody is there")), refused }
}

fn protocol(error: ProtocolError) -> Error {
    Error::Protocol { error, lost: Lost::Unknown }
}

#[test]
fn an_error_of_the_transport_is_fatal_and_leaves_open_what_became_of_the_request() {
    let error = io_error(io::ErrorKind::ConnectionReset.into());
    assert!(error.is_fatal());
    assert_eq!(error.lost(), Some(Lost::Unknown));
    assert!(error.to_string().ends_with("; the request may have run"), "{error}");
    let error = error.with_lost(Lost::NotSent);
    assert_eq!(error.lost(), Some(Lost::NotSent));
    assert!(error.to_string().ends_with("; the request was not sent"), "{error}");
}

#[test]
fn the_fate_of_a_request_can_be_stated_anew_wherever_there_is_one() {
    let waited = std::time::Duration::ZERO;
    let timed_out = Error::TimedOut { command: "kick", subject: Subject::None, waited, lost: Lost::Unknown };
    for error in [protocol(ProtocolError::Tls), Error::Closed { lost: Lost::Unknown }, timed_out] {
        assert_eq!(error.with_lost(Lost::NotSent).lost(), Some(Lost::NotSent));
    }
    let refused = Error::Command { command: "kick", subject: Subject::None, error: CommandError::OutOfMemory };
    assert_eq!(refused.with_lost(Lost::NotSent).lost(), None);
}

#[test]
fn only_what_would_fail_again_in_the_same_way_is_a_refusal() {
    for error in [protocol(ProtocolError::Tls), connect(true), io_error(tls(true))] {
        assert!(error.is_refusal(), "{error}");
    }
    let reset = io_error(io::ErrorKind::ConnectionReset.into());
    for error in [
        protocol(ProtocolError::Overreported { bytes: 2, room: 1 }),
        connect(false),
        io_error(tls(false)),
        reset,
        Error::Closed { lost: Lost::Unknown },
    ] {
        assert!(!error.is_refusal(), "{error}");
    }
}

#[test]
fn the_error_of_tls_is_found_in_that_of_the_transport() {
    assert_eq!(TlsError::of(&tls(true)).map(TlsError::is_refusal), Some(true));
    assert_eq!(TlsError::of(&tls(false)).map(TlsError::is_refusal), Some(false));
    assert!(TlsError::of(&io::Error::other("no session")).is_none());
}

#[test]
fn a_reply_gives_up_its_body_if_it_has_one() {
    let body = b"hello".to_vec();
    let job = || Job { id: JobId(7), body: b"hello".to_vec() };
    for reply in [Reply::Reserved(job()), Reply::Found(job()), Reply::Ok(body.clone())] {
        assert_eq!(reply.into_body(), Some(body.clone()));
    }
    assert_eq!(Reply::Deleted.into_body(), None);
    let mut connection = connection();
    let mut ticket = send(&mut connection, Raw::new("thaw").reply_has_body(true));
    feed(&mut connection, b"WATER 5\r\nhello\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap().into_body(), Some(body));
}

#[test]
fn a_ticket_is_spent_by_its_reply() {
    let mut connection = connection();
    let mut ticket: Ticket<Reply> = send(&mut connection, Raw::new("delete 1"));
    feed(&mut connection, b"DELETED\r\n");
    assert!(!ticket.is_spent());
    reply(&mut connection, &mut ticket).unwrap();
    assert!(ticket.is_spent());
}

#[test]
fn a_line_refused_for_what_trails_a_put_is_a_put() {
    let refused = beanstalk_proto::Command::parse_line(b"put 1 2 3 4 x").unwrap_err();
    assert!(matches!(refused, Refused { kind: Some(Kind::Put), reply: Reply::BadFormat, .. }), "{refused:?}");
}

#[test]
fn values_read_as_on_the_wire() {
    assert_eq!(format!("{}", JobState::Buried), "buried");
    assert_eq!(format!("{:>9}|", JobState::from("frozen")), "   frozen|");
    assert_eq!(Raw::new("delete 7").line(), "delete 7");
}

#[test]
fn a_bound_is_what_a_command_can_express() {
    let most = u64::from(u32::MAX);
    for (jobs, bound) in [(0, 0), (7, 7), (most - 1, u32::MAX - 1), (most, u32::MAX), (most + 2, u32::MAX)] {
        assert_eq!(Bound::up_to(jobs), Bound(bound));
    }
}
