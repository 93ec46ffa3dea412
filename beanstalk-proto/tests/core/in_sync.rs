//! What poisons a connection, and what does not.

use std::task::Poll;

use beanstalk_proto::{
    CommandError, Delete, Error, JobId, Kick, ListTubeUsed, Lost, Peek, PeekReady, ProtocolError, Put, Release, Reply,
    Reserve, ReserveJob, Stats, Use, Watch, client::Connection,
};

use crate::harness::{NOW, assert_in_sync, connection, decode, feed, feed_early, refusal, reply, send, sent, written};

/// What the connection was poisoned with: from the request whose turn it was.
fn poison<R: beanstalk_proto::Request + Clone>(request: R, input: &[u8]) -> ProtocolError
where
    R::Reply: std::fmt::Debug,
{
    decode(
        || sent(request.clone()),
        input,
        |connection, ticket| match reply(connection, ticket) {
            Err(Error::Protocol { error, lost: Lost::Unknown }) => {
                assert_poisoned(connection, &error);
                error
            }
            other => panic!("{} gives {other:?}", input.escape_ascii()),
        },
    )
}

fn assert_poisoned(connection: &mut Connection, error: &ProtocolError) {
    assert!(connection.is_ended());
    assert!(connection.receive_buf().is_empty(), "nothing more is read");
    connection.received_eof();
    connection.abort();
    for _ in 0..2 {
        let refused = connection.send(NOW, Delete::new(1)).unwrap_err();
        assert!(refused.is_fatal() && refused.lost() == Some(Lost::NotSent));
        assert!(matches!(refused, Error::Protocol { error: again, .. } if again == *error), "it repeats itself");
    }
}

fn shown(error: &ProtocolError) -> String {
    error.to_string()
}

#[test]
fn a_reply_to_nothing_poisons() {
    for pieces in [&[&b"DELETED\r\n"[..]][..], &[b"DELE", b"TED\r", b"\n"]] {
        let mut connection = connection();
        for piece in pieces {
            feed(&mut connection, piece);
        }
        let error = ProtocolError::clone(match &connection.send(NOW, Stats::new()) {
            Err(Error::Protocol { error, .. }) => error,
            other => panic!("{other:?}"),
        });
        assert_eq!(shown(&error), "the server sent \"DELETED\" although nothing was asked");
        assert_poisoned(&mut connection, &error);
    }
}

#[test]
fn a_second_reply_to_one_request_poisons_and_the_first_is_still_there() {
    let (mut connection, mut ticket) = sent(Delete::new(1));
    feed(&mut connection, b"DELETED\r\nINSERTED 5\r\n");
    assert!(connection.is_ended());
    reply(&mut connection, &mut ticket).expect("what came before the nonsense is good");
    let error = connection.send(NOW, Delete::new(2)).unwrap_err();
    assert!(
        matches!(&error, Error::Protocol { error: ProtocolError::Unsolicited { line }, .. } if line.to_string() == "\"INSERTED 5\"")
    );
}

#[test]
fn a_word_that_cannot_answer_the_request_poisons() {
    let error = poison(Delete::new(1), b"INSERTED 5\r\n");
    assert_eq!(shown(&error), "the server answered delete with \"INSERTED 5\"");
    assert!(matches!(error, ProtocolError::WrongReply { command: "delete", .. }));
    assert!(matches!(poison(Delete::new(1), b"HELLO\r\n"), ProtocolError::WrongReply { .. }));
    assert!(matches!(poison(Delete::new(1), b"deleted\r\n"), ProtocolError::WrongReply { .. }));
    assert!(matches!(poison(Delete::new(1), b"\r\n"), ProtocolError::Malformed { .. }));
    assert!(matches!(poison(Kick::new(1), b"KICKED\r\n"), ProtocolError::WrongReply { .. }));
    assert!(matches!(poison(Release::new(1, 0, 0), b"BURIED 5\r\n"), ProtocolError::WrongReply { .. }));
    assert!(matches!(poison(Put::of(""), b"BURIED\r\n"), ProtocolError::WrongReply { .. }));
    assert!(matches!(poison(beanstalk_proto::Bury::new(1, 0), b"BURIED 1\r\n"), ProtocolError::WrongReply { .. }));
    assert!(matches!(poison(beanstalk_proto::KickJob::new(1), b"KICKED 1\r\n"), ProtocolError::WrongReply { .. }));
    // The word is looked at before its body is waited for.
    assert!(matches!(poison(Delete::new(1), b"OK 5\r\n"), ProtocolError::WrongReply { .. }));
}

#[test]
fn an_answer_about_another_job_or_tube_poisons() {
    assert!(matches!(poison(Peek::new(7), b"FOUND 8 1\r\n"), ProtocolError::WrongEcho { command: "peek", .. }));
    assert!(matches!(poison(ReserveJob::new(7), b"RESERVED 70 1\r\n"), ProtocolError::WrongEcho { .. }));
    assert!(matches!(poison(Use::new("a"), b"USING b\r\n"), ProtocolError::WrongEcho { command: "use", .. }));
    assert!(matches!(poison(Use::new("a"), b"USING aa\r\n"), ProtocolError::WrongEcho { .. }));
    assert_eq!(
        shown(&poison(Use::new("a"), b"USING b\r\n")),
        "the server answered use with \"USING b\", which is about another job or tube"
    );
}

#[test]
fn where_the_request_names_nothing_any_job_or_tube_will_do() {
    let (mut connection, mut ticket) = sent(ListTubeUsed::new());
    feed(&mut connection, b"USING whatever\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), "whatever");
    let mut ticket = send(&mut connection, PeekReady::new());
    feed(&mut connection, b"FOUND 99 0\r\n\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap().id.0, 99);
}

#[test]
fn a_body_that_reads_like_a_reply_is_a_body() {
    for (head, body) in [(&b"FOUND 7 9\r\n"[..], &b"DELETED\r\n"[..]), (b"FOUND 7 12\r\n", b"KICKED 5\r\nab")] {
        let input = [head, body, b"\r\n"].concat();
        let job = decode(|| sent(Peek::new(7)), &input, |connection, ticket| reply(connection, ticket).unwrap());
        assert_eq!(job.body, body);
    }
}

#[test]
fn a_body_without_its_line_end_poisons() {
    for bad in [&b"FOUND 7 5\r\nhelloXY"[..], b"FOUND 7 5\r\nhello\r\r", b"FOUND 7 5\r\nhello\n\r", b"FOUND 7 0\r\nab"]
    {
        let error = poison(Peek::new(7), bad);
        assert!(matches!(error, ProtocolError::MissingCrlf { command: "peek", id: Some(JobId(7)), .. }), "{error:?}");
    }
    let mut long = b"FOUND 7 100000\r\n".to_vec();
    long.resize(long.len() + 100_002, b'x');
    let (command, id) = ("peek", Some(JobId(7)));
    assert_eq!(poison(Peek::new(7), &long), ProtocolError::MissingCrlf { command, id, bytes: 100_000 });
}

#[test]
fn a_body_without_its_line_end_names_its_job_where_it_is_one() {
    let (reserved, found) = (&b"RESERVED 17 2\r\n\0\0\0\0"[..], &b"FOUND 17 2\r\n\0\0\0\0"[..]);
    let (other, statistics) = (&b"RESERVED 17 2\r\n\0\0\0\n"[..], &b"OK 2\r\n\0\0\0\0"[..]);
    let of_job = "the body of job 17 that answers";
    for (poisoned, wire, word, text) in [
        (poison(Reserve::new(), reserved), reserved, "RESERVED", format!("{of_job} reserve")),
        (poison(ReserveJob::new(17), other), other, "RESERVED", format!("{of_job} reserve-job")),
        (poison(PeekReady::new(), found), found, "FOUND", format!("{of_job} peek-ready")),
        (poison(Stats::new(), statistics), statistics, "OK", "the body that answers stats".to_string()),
    ] {
        assert_eq!(shown(&poisoned), format!("{text} is not followed by CR LF after its 2 bytes"));
        let id = (word != "OK").then_some(JobId(17));
        assert!(
            matches!(poisoned, ProtocolError::MissingCrlf { id: named, bytes: 2, .. } if named == id),
            "{poisoned:?}"
        );
        assert_eq!(Reply::parse(wire), Err(ProtocolError::MissingCrlf { command: word, id, bytes: 2 }));
    }
}

#[test]
fn a_refused_body_poisons_because_the_server_reads_it_as_commands() {
    for (word, error) in [
        ("BAD_FORMAT", CommandError::BadFormat),
        ("UNKNOWN_COMMAND", CommandError::UnknownCommand),
        ("EXPECTED_CRLF", CommandError::ExpectedCrlf),
    ] {
        let poisoned = poison(Put::of("hello"), format!("{word}\r\n").as_bytes());
        assert_eq!(poisoned, ProtocolError::BodyRefused { command: "put", error });
    }
}

#[test]
fn the_other_refusals_of_a_body_leave_the_connection_in_sync() {
    for (word, error) in [
        ("JOB_TOO_BIG", CommandError::JobTooBig),
        ("DRAINING", CommandError::Draining),
        ("OUT_OF_MEMORY", CommandError::OutOfMemory),
        ("INTERNAL_ERROR", CommandError::InternalError),
    ] {
        let (mut connection, mut ticket) = sent(Put::of("hello"));
        feed(&mut connection, format!("{word}\r\n").as_bytes());
        assert_eq!(refusal(&mut connection, &mut ticket), error);
        assert_in_sync(&mut connection);
    }
}

#[test]
fn refusals_of_a_command_without_a_body_leave_the_connection_in_sync() {
    for (word, error) in [
        ("NOT_FOUND", CommandError::NotFound),
        ("OUT_OF_MEMORY", CommandError::OutOfMemory),
        ("INTERNAL_ERROR", CommandError::InternalError),
        ("BAD_FORMAT", CommandError::BadFormat),
        ("UNKNOWN_COMMAND", CommandError::UnknownCommand),
    ] {
        let (mut connection, mut ticket) = sent(Delete::new(1));
        feed(&mut connection, format!("{word}\r\n").as_bytes());
        let result = reply(&mut connection, &mut ticket).unwrap_err();
        assert_eq!(result.command_error(), Some(error));
        assert!(!result.is_fatal() && result.lost().is_none());
        assert!(result.to_string().starts_with(&format!("delete 1: {word}")), "{result}");
        assert_in_sync(&mut connection);
    }
    let (mut connection, mut ticket) = sent(beanstalk_proto::Ignore::new("a"));
    feed(&mut connection, b"NOT_IGNORED\r\n");
    assert_eq!(refusal(&mut connection, &mut ticket), CommandError::NotIgnored);
    assert_in_sync(&mut connection);
}

#[test]
fn after_poison_each_request_reports_whether_it_can_have_run() {
    let mut connection = connection();
    let mut answered = send(&mut connection, Watch::new("a"));
    let mut whole = send(&mut connection, Delete::new(1));
    let mut but_one = send(&mut connection, Delete::new(2));
    let mut never = send(&mut connection, Delete::new(3));
    let bytes = connection.queued();
    connection.transmitted(bytes - b"delete 3\r\n".len() - 1);
    feed_early(&mut connection, b"WATCHING 2\r\nWATCHING 3\r\n");

    assert_eq!(reply(&mut connection, &mut answered).unwrap(), 2);
    for (ticket, expected) in [(&mut whole, Lost::Unknown), (&mut but_one, Lost::NotSent), (&mut never, Lost::NotSent)]
    {
        assert_eq!(connection.lost(ticket), expected);
        match reply(&mut connection, ticket) {
            Err(error @ Error::Protocol { error: ProtocolError::WrongReply { .. }, lost }) => {
                assert_eq!((lost, error.lost(), error.is_fatal()), (expected, Some(expected), true));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_end_of_the_stream_at_any_byte_of_a_reply_is_a_closed_connection() {
    for input in [&b"FOUND 7 5\r\nhello\r\n"[..], b"NOT_FOUND\r\n"] {
        for len in 0..=input.len() {
            let (mut connection, mut ticket) = sent(Peek::new(7));
            feed(&mut connection, &input[..len]);
            connection.received_eof();
            assert!(connection.is_ended());
            match reply(&mut connection, &mut ticket) {
                Err(error @ Error::Closed { lost: Lost::Unknown }) if len < input.len() => assert!(error.is_fatal()),
                Ok(_) | Err(Error::Command { .. }) if len == input.len() => {}
                other => panic!("after {len} bytes: {other:?}"),
            }
            assert!(matches!(connection.send(NOW, Delete::new(1)), Err(Error::Closed { lost: Lost::NotSent })));
        }
    }
}

#[test]
fn replies_that_came_before_the_end_can_still_be_taken() {
    let mut connection = connection();
    let mut first = send(&mut connection, Kick::new(1));
    let mut second = send(&mut connection, Kick::new(2));
    written(&mut connection);
    feed(&mut connection, b"KICKED 1\r\nKIC");
    connection.received_eof();
    assert!(matches!(reply(&mut connection, &mut second), Err(Error::Closed { lost: Lost::Unknown })));
    assert_eq!(reply(&mut connection, &mut first).unwrap(), 1);
    assert!(matches!(connection.poll_reply(&mut first), Poll::Ready(Err(Error::Ticket(_)))));
}

#[test]
fn after_the_end_each_request_reports_whether_it_can_have_run() {
    let mut connection = connection();
    let mut tickets = [7, 8, 9].map(|id| send(&mut connection, Delete::new(id)));
    connection.transmitted(8);
    connection.received_eof();
    let lost = [0, 1, 2].map(|n| reply(&mut connection, &mut tickets[n]).unwrap_err().lost().unwrap());
    assert_eq!(lost, [Lost::NotSent; 3]);
}
