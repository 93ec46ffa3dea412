//! Golden wire vectors: every reply, both ways, and what each of them means to each command.

use beanstalk_proto::{Command, CommandError, Error, Job, JobId, Kind, ProtocolError, Reply, ReplyKind, TubeName};

use crate::{
    commands::command,
    harness::{assert_in_sync, decode, reply, sent},
};

/// Replies of this kind with what they are on the wire. The first agrees with what [`command`] asks for.
fn vectors(kind: ReplyKind) -> Vec<(Reply, &'static [u8])> {
    let job = |id, body: &[u8]| Job { id: JobId(id), body: body.to_vec() };
    match kind {
        ReplyKind::Inserted => vec![
            (Reply::Inserted(JobId(7)), b"INSERTED 7\r\n"),
            (Reply::Inserted(JobId(u64::MAX)), b"INSERTED 18446744073709551615\r\n"),
        ],
        ReplyKind::Buried => vec![(Reply::Buried, b"BURIED\r\n")],
        ReplyKind::BuriedId => vec![(Reply::BuriedId(JobId(7)), b"BURIED 7\r\n")],
        ReplyKind::Using => vec![
            (Reply::Using(TubeName::new("emails").unwrap()), b"USING emails\r\n"),
            (Reply::Using(TubeName::default()), b"USING default\r\n"),
        ],
        ReplyKind::Reserved => vec![
            (Reply::Reserved(job(7, b"hello")), b"RESERVED 7 5\r\nhello\r\n"),
            (Reply::Reserved(job(7, b"")), b"RESERVED 7 0\r\n\r\n"),
            (Reply::Reserved(job(7, b"\r\n\0\r")), b"RESERVED 7 4\r\n\r\n\0\r\r\n"),
        ],
        ReplyKind::DeadlineSoon => vec![(Reply::DeadlineSoon, b"DEADLINE_SOON\r\n")],
        ReplyKind::TimedOut => vec![(Reply::TimedOut, b"TIMED_OUT\r\n")],
        ReplyKind::Deleted => vec![(Reply::Deleted, b"DELETED\r\n")],
        ReplyKind::Released => vec![(Reply::Released, b"RELEASED\r\n")],
        ReplyKind::Touched => vec![(Reply::Touched, b"TOUCHED\r\n")],
        ReplyKind::Watching => vec![
            (Reply::Watching(2), b"WATCHING 2\r\n"),
            (Reply::Watching(u64::MAX), b"WATCHING 18446744073709551615\r\n"),
        ],
        ReplyKind::NotIgnored => vec![(Reply::NotIgnored, b"NOT_IGNORED\r\n")],
        ReplyKind::Found => vec![
            (Reply::Found(job(7, b"hello")), b"FOUND 7 5\r\nhello\r\n"),
            (Reply::Found(job(7, b"NOT_FOUND\r\n")), b"FOUND 7 11\r\nNOT_FOUND\r\n\r\n"),
        ],
        ReplyKind::Kicked => vec![(Reply::Kicked, b"KICKED\r\n")],
        ReplyKind::KickedCount => {
            vec![(Reply::KickedCount(3), b"KICKED 3\r\n"), (Reply::KickedCount(0), b"KICKED 0\r\n")]
        }
        ReplyKind::Ok => vec![
            (Reply::Ok(b"---\n- default\n".to_vec()), b"OK 14\r\n---\n- default\n\r\n"),
            (Reply::Ok(vec![]), b"OK 0\r\n\r\n"),
        ],
        ReplyKind::Paused => vec![(Reply::Paused, b"PAUSED\r\n")],
        ReplyKind::NotFound => vec![(Reply::NotFound, b"NOT_FOUND\r\n")],
        ReplyKind::ExpectedCrlf => vec![(Reply::ExpectedCrlf, b"EXPECTED_CRLF\r\n")],
        ReplyKind::JobTooBig => vec![(Reply::JobTooBig, b"JOB_TOO_BIG\r\n")],
        ReplyKind::Draining => vec![(Reply::Draining, b"DRAINING\r\n")],
        ReplyKind::OutOfMemory => vec![(Reply::OutOfMemory, b"OUT_OF_MEMORY\r\n")],
        ReplyKind::InternalError => vec![(Reply::InternalError, b"INTERNAL_ERROR\r\n")],
        ReplyKind::BadFormat => vec![(Reply::BadFormat, b"BAD_FORMAT\r\n")],
        ReplyKind::UnknownCommand => vec![(Reply::UnknownCommand, b"UNKNOWN_COMMAND\r\n")],
    }
}

/// What an error reply is as an error.
fn error_of(kind: ReplyKind) -> Option<CommandError> {
    Some(match kind {
        ReplyKind::NotFound => CommandError::NotFound,
        ReplyKind::NotIgnored => CommandError::NotIgnored,
        ReplyKind::Draining => CommandError::Draining,
        ReplyKind::JobTooBig => CommandError::JobTooBig,
        ReplyKind::OutOfMemory => CommandError::OutOfMemory,
        ReplyKind::InternalError => CommandError::InternalError,
        ReplyKind::BadFormat => CommandError::BadFormat,
        ReplyKind::UnknownCommand => CommandError::UnknownCommand,
        ReplyKind::ExpectedCrlf => CommandError::ExpectedCrlf,
        _ => return None,
    })
}

/// The table of protocol.txt, besides the general errors.
fn may_answer(kind: Kind) -> &'static [ReplyKind] {
    use ReplyKind as R;
    match kind {
        Kind::Put => &[R::Inserted, R::BuriedId, R::ExpectedCrlf, R::JobTooBig, R::Draining],
        Kind::Peek | Kind::PeekReady | Kind::PeekDelayed | Kind::PeekBuried => &[R::Found, R::NotFound],
        Kind::Reserve | Kind::ReserveWithTimeout => &[R::Reserved, R::DeadlineSoon, R::TimedOut],
        Kind::ReserveJob => &[R::Reserved, R::NotFound],
        Kind::Delete => &[R::Deleted, R::NotFound],
        Kind::Release => &[R::Released, R::Buried, R::NotFound],
        Kind::Bury => &[R::Buried, R::NotFound],
        Kind::Kick => &[R::KickedCount],
        Kind::KickJob => &[R::Kicked, R::NotFound],
        Kind::Touch => &[R::Touched, R::NotFound],
        Kind::StatsJob | Kind::StatsTube => &[R::Ok, R::NotFound],
        Kind::Stats | Kind::ListTubes | Kind::ListTubesWatched => &[R::Ok],
        Kind::Use | Kind::ListTubeUsed => &[R::Using],
        Kind::Watch => &[R::Watching],
        Kind::Ignore => &[R::Watching, R::NotIgnored],
        Kind::PauseTube => &[R::Paused, R::NotFound],
        Kind::Quit => &[],
    }
}

const GENERAL: &[ReplyKind] =
    &[ReplyKind::OutOfMemory, ReplyKind::InternalError, ReplyKind::BadFormat, ReplyKind::UnknownCommand];

#[test]
fn every_reply_is_written_as_the_protocol_specifies_and_read_back() {
    for &kind in ReplyKind::ALL {
        let vectors = vectors(kind);
        assert!(!vectors.is_empty(), "{kind:?} has no vector");
        for (reply, wire) in vectors {
            assert_eq!(reply.kind(), Some(kind));
            assert_eq!(kind.has_body(), reply.body().is_some());
            let mut out = Vec::new();
            reply.encode(&mut out);
            assert_eq!(out.escape_ascii().to_string(), wire.escape_ascii().to_string());
            assert_eq!(Reply::parse(wire), Ok(Some((reply.clone(), wire.len()))));
            let more = [wire, b"DELETED\r\n"].concat();
            assert_eq!(Reply::parse(&more), Ok(Some((reply, wire.len()))), "with more behind it");
            for len in 0..wire.len() {
                assert_eq!(Reply::parse(&wire[..len]), Ok(None), "{}", wire[..len].escape_ascii());
            }
        }
    }
}

#[test]
fn a_closed_connection_is_no_line_at_all() {
    let mut out = Vec::new();
    Reply::Closed.encode(&mut out);
    assert_eq!(out, b"");
    assert_eq!((Reply::Closed.kind(), Reply::Closed.body()), (None, None));
}

#[test]
fn every_command_takes_the_replies_of_the_protocol_and_no_others() {
    for &kind in Kind::ALL {
        for &reply_kind in ReplyKind::ALL {
            let allowed = may_answer(kind).contains(&reply_kind) || GENERAL.contains(&reply_kind);
            assert_eq!(kind.replies().contains(reply_kind), allowed, "{kind:?} {reply_kind:?}");
            let (expected, wire) = vectors(reply_kind).remove(0);
            let result = decode(
                || sent(command(kind)),
                wire,
                |connection, ticket| {
                    let result = reply(connection, ticket);
                    if !result.as_ref().is_err_and(Error::is_fatal) {
                        assert_eq!(connection.in_flight(), usize::from(connection.awaits_reply()));
                    }
                    result
                },
            );
            let about = format!("{kind:?} answered by {reply_kind:?}: {result:?}");
            match result {
                Ok(reply) => assert!(allowed && error_of(reply_kind).is_none() && reply == expected, "{about}"),
                Err(Error::Command { command, error, .. }) => {
                    assert!(allowed && command == kind.word() && error_of(reply_kind) == Some(error), "{about}");
                    assert_eq!(error.reply(), Some(expected), "{about}");
                }
                Err(Error::Protocol { error: ProtocolError::BodyRefused { command: "put", error }, .. }) => {
                    assert!(kind == Kind::Put && error_of(reply_kind) == Some(error), "{about}");
                    assert!(reply_kind == ReplyKind::ExpectedCrlf || GENERAL.contains(&reply_kind), "{about}");
                }
                Err(Error::Protocol { error: ProtocolError::WrongReply { command, .. }, .. }) => {
                    assert!((!allowed || kind == Kind::Quit) && command == kind.word(), "{about}");
                }
                other => panic!("{kind:?} answered by {reply_kind:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn every_error_reply_is_had_back_from_its_error() {
    for &kind in ReplyKind::ALL {
        for (reply, _) in vectors(kind) {
            let error = CommandError::from(&reply);
            assert_eq!(error, error_of(kind).unwrap_or(CommandError::Unexpected));
            assert_eq!(error.reply(), error_of(kind).map(|_| reply), "{error:?}");
        }
    }
}

#[test]
fn every_good_reply_becomes_what_the_typed_request_promises() {
    use beanstalk_proto::*;

    fn typed<R: Request<Reply: std::fmt::Debug> + Clone>(request: R, wire: &[u8]) -> String {
        let result = decode(|| sent(request.clone()), wire, reply);
        format!("{:?}", result.unwrap())
    }
    let job = format!("{:?}", Job { id: JobId(7), body: b"hello".to_vec() });
    assert_eq!(typed(Put::of("x"), b"INSERTED 7\r\n"), "Inserted(JobId(7))");
    assert_eq!(typed(Put::of("x"), b"BURIED 7\r\n"), "Buried(JobId(7))");
    assert_eq!(typed(Peek::new(7), b"FOUND 7 5\r\nhello\r\n"), job);
    assert_eq!(typed(PeekReady::new(), b"FOUND 7 5\r\nhello\r\n"), job);
    assert_eq!(typed(PeekDelayed::new(), b"FOUND 7 5\r\nhello\r\n"), job);
    assert_eq!(typed(PeekBuried::new(), b"FOUND 7 5\r\nhello\r\n"), job);
    assert_eq!(typed(ReserveJob::new(7), b"RESERVED 7 5\r\nhello\r\n"), job);
    assert_eq!(typed(Reserve::new(), b"RESERVED 7 5\r\nhello\r\n"), format!("Job({job})"));
    assert_eq!(typed(Reserve::new(), b"DEADLINE_SOON\r\n"), "DeadlineSoon");
    assert_eq!(typed(Reserve::new(), b"TIMED_OUT\r\n"), "TimedOut");
    assert_eq!(typed(ReserveWithTimeout::new(1), b"RESERVED 7 5\r\nhello\r\n"), format!("Job({job})"));
    assert_eq!(typed(ReserveWithTimeout::new(1), b"DEADLINE_SOON\r\n"), "DeadlineSoon");
    assert_eq!(typed(ReserveWithTimeout::new(1), b"TIMED_OUT\r\n"), "TimedOut");
    assert_eq!(typed(Delete::new(7), b"DELETED\r\n"), "()");
    assert_eq!(typed(Release::new(7, 0, 0), b"RELEASED\r\n"), "Released");
    assert_eq!(typed(Release::new(7, 0, 0), b"BURIED\r\n"), "Buried");
    assert_eq!(typed(Bury::new(7, 0), b"BURIED\r\n"), "()");
    assert_eq!(typed(Kick::new(9), b"KICKED 3\r\n"), "3");
    assert_eq!(typed(KickJob::new(7), b"KICKED\r\n"), "()");
    assert_eq!(typed(Touch::new(7), b"TOUCHED\r\n"), "()");
    assert_eq!(typed(Use::new("emails"), b"USING emails\r\n"), "()");
    assert_eq!(typed(ListTubeUsed::new(), b"USING emails\r\n"), "TubeName(\"emails\")");
    assert_eq!(typed(Watch::new("emails"), b"WATCHING 2\r\n"), "2");
    assert_eq!(typed(Ignore::new("emails"), b"WATCHING 1\r\n"), "1");
    assert_eq!(typed(PauseTube::new("emails", 1), b"PAUSED\r\n"), "()");
    let names = b"OK 20\r\n---\n- default\n- a.b\n\r\n";
    assert_eq!(typed(ListTubes::new(), names), "[TubeName(\"default\"), TubeName(\"a.b\")]");
    assert_eq!(typed(ListTubesWatched::new(), names), "[TubeName(\"default\"), TubeName(\"a.b\")]");
    assert!(typed(Stats::new(), b"OK 26\r\n---\ncurrent-jobs-ready: 3\n\r\n").starts_with("ServerStats"));
}

#[test]
fn statistics_that_make_no_sense_are_an_error_of_that_call_alone() {
    let (mut connection, mut ticket) = sent(beanstalk_proto::ListTubes::new());
    crate::harness::feed(&mut connection, b"OK 4\r\nnope\r\n");
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::Stats { command: "list-tubes", .. }), "{error:?}");
    assert!(!error.is_fatal() && error.lost().is_none());
    assert_in_sync(&mut connection);
}

#[test]
fn a_command_held_as_a_value_gives_its_reply_untyped() {
    let (mut connection, mut ticket) = sent(Command::ReserveWithTimeout { timeout: 0 });
    crate::harness::feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reply::TimedOut);
}

#[test]
fn a_line_without_a_word_is_no_reply() {
    for line in [&b"\r\n"[..], b" \r\n", b" 7\r\n", b" DELETED\r\n"] {
        assert!(matches!(Reply::parse(line), Err(ProtocolError::Malformed { .. })), "{}", line.escape_ascii());
    }
}
