//! What values and errors tell whoever holds one.

use std::{borrow::Borrow, error::Error as _, io, task::Poll};

use beanstalk_proto::{
    Bound, CommandError, Error, Job, JobId, Kind, Lost, MalformedBody, MalformedJob, NotConnected, ProtocolError,
    PutOutcome, Raw, Refused, ReleaseOutcome, Reply, Subject, TlsError, TubeName,
    client::Ticket,
    stats::{Extra, JobState},
};

use crate::harness::{connection, feed, reply, send};

fn io_error(error: io::Error) -> Error {
    Error::Io { error, lost: Lost::Unknown }
}

fn tls(refusal: bool) -> io::Error {
    io::Error::other(TlsError::new("no session", refusal, None))
}

fn connect(refused: bool) -> Error {
    NotConnected::new(io::Error::other("nobody is there"), refused).into()
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

#[test]
fn a_tube_name_is_made_of_text_and_is_text() {
    let name: TubeName = "jobs".parse().unwrap();
    assert_eq!(TubeName::try_from("jobs").unwrap(), name);
    assert_eq!(TubeName::try_from(String::from("jobs")).unwrap(), name);
    assert!("no good".parse::<TubeName>().is_err() && TubeName::try_from(String::new()).is_err());
    assert_eq!(name.to_string(), "jobs");
    assert_eq!((AsRef::<str>::as_ref(&name), Borrow::<str>::borrow(&name)), ("jobs", "jobs"));
    assert!(name == *"jobs" && name == "jobs");
    assert!(name != *"mail" && name != "mail");
}

#[test]
fn an_outcome_is_buried_or_not() {
    assert!(PutOutcome::Buried(JobId(7)).is_buried() && !PutOutcome::Inserted(JobId(7)).is_buried());
    assert!(ReleaseOutcome::Buried.is_buried() && !ReleaseOutcome::Released.is_buried());
    assert!(ReleaseOutcome::Released.released().is_ok());
    assert_eq!(ReleaseOutcome::Buried.released().unwrap_err().id, None);
}

#[test]
fn a_body_is_text_if_it_is_and_a_job_shows_no_more_of_it_than_a_log_wants() {
    let job = |body: &[u8]| Job { id: JobId(7), body: body.to_vec() };
    assert_eq!(job("grün".as_bytes()).text(), Ok("grün"));
    assert!(job(b"\xff").text().is_err());
    assert_eq!(format!("{:?}", job(b"a\n")), r#"Job(7, 2 bytes, "a\n")"#);
    for (len, rest) in [(63, ""), (64, ""), (65, "…")] {
        let shown = "x".repeat(len.min(64));
        assert_eq!(format!("{:?}", job(&vec![b'x'; len])), format!("Job(7, {len} bytes, \"{shown}{rest}\")"));
    }
}

#[test]
fn a_number_of_bytes_is_written_for_people() {
    for (bytes, text) in [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1,000 bytes"),
        (70_000, "70,000 bytes"),
        (100_000, "100,000 bytes"),
        (1_234_567, "1,234,567 bytes"),
    ] {
        let error = Error::ReplyTooBig { command: "stats", id: None, bytes, limit: 1 };
        let expected = format!("stats: a reply of {text} is over this client's limit of 1 byte");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_line_is_shown_as_far_as_any_line_of_the_protocol_goes() {
    for (line, shown) in [
        ("x".repeat(224), "x".repeat(224)),
        ("x".repeat(225), "x".repeat(224) + "…"),
        ("é".repeat(113), "é".repeat(112) + "…"),
        ("x".repeat(223) + "éé", "x".repeat(223) + "…"),
    ] {
        assert_eq!(Subject::Line(line.into()).to_string(), format!(" {shown:?}"));
    }
}

#[test]
fn what_is_wrong_with_a_body_is_what_its_decoder_reports() {
    let job = Job { id: JobId(7), body: b"seven".to_vec() };
    let error = MalformedJob::new::<u32>(&job, TlsError::new("not a number", false, Some("no digit".into())));
    let cause = error.source().unwrap();
    assert!(cause.is::<MalformedBody>());
    assert_eq!(cause.to_string(), "not a number");
    assert_eq!(cause.source().unwrap().to_string(), "no digit");
}

#[test]
fn a_line_that_makes_no_sense_is_quoted_in_logs() {
    let mut connection = connection();
    feed(&mut connection, b"HELLO there\r\n");
    let Poll::Ready(Err(error)) = connection.poll_closed() else { panic!("it is poisoned") };
    assert!(format!("{error:?}").contains("HELLO there"), "{error:?}");
}

#[test]
fn statistics_of_an_unknown_command_are_keys_and_values() {
    let stats = Extra::decode(b"---\nshape: round\nsize: 7\n").unwrap();
    assert_eq!((stats.get("shape"), stats.get("size"), stats.get("colour")), (Some("round"), Some("7"), None));
    assert!(!stats.is_empty() && Extra::default().is_empty());
    assert_eq!(format!("{stats:?}"), r#"{"shape": "round", "size": "7"}"#);
}
