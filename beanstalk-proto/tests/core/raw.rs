//! Commands that have no name here: raw lines, and requests that an application defines.

use beanstalk_proto::{
    ArgumentError, CommandError, DecodeError, Delete, Encoder, Error, Expect, Job, JobId, OtherReplies, ProtocolError,
    Raw, Reply, ReplyKind, ReplySet, ReplyShape, Request, Subject, TubeName, Use, client::Connection,
};

use crate::harness::{NOW, assert_in_sync, connection, decode, feed, refusal, reply, send, sent, written};

fn refused<R: Request<Reply: std::fmt::Debug>>(request: R) -> ArgumentError {
    let mut connection = connection();
    match connection.send(NOW, request) {
        Err(Error::Argument(error)) => {
            assert_eq!((connection.queued(), connection.in_flight()), (0, 0));
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_raw_line_with_a_built_in_verb_is_that_command() {
    let cases: &[(&'static str, &[u8], Reply)] = &[
        ("delete 7", b"DELETED\r\n", Reply::Deleted),
        ("kick 5", b"KICKED 3\r\n", Reply::KickedCount(3)),
        ("reserve-with-timeout 0", b"TIMED_OUT\r\n", Reply::TimedOut),
        ("peek 7", b"FOUND 7 1\r\nx\r\n", Reply::Found(Job { id: JobId(7), body: b"x".to_vec() })),
        ("use a", b"USING a\r\n", Reply::Using(TubeName::new("a").unwrap())),
        ("stats", b"OK 3\r\nabc\r\n", Reply::Ok(b"abc".to_vec())),
        ("pause-tube a 1", b"PAUSED\r\n", Reply::Paused),
    ];
    for (line, input, expected) in cases {
        let setup = || {
            let mut connection = connection();
            // Whatever is said about the body of unknown replies.
            let ticket = send(&mut connection, Raw::new(*line).reply_has_body(true));
            assert_eq!(written(&mut connection), format!("{line}\r\n").as_bytes());
            (connection, ticket)
        };
        let result = decode(setup, input, |connection, ticket| reply(connection, ticket).unwrap());
        assert_eq!(result, *expected);
    }
}

#[test]
fn a_raw_line_with_a_built_in_verb_takes_no_other_replies_and_checks_the_echo() {
    for (line, input) in [
        ("delete 7", &b"KICKED 1\r\n"[..]),
        ("delete 7", b"FROZEN\r\n"),
        ("peek 7", b"FOUND 8 1\r\n"),
        ("use a", b"USING b\r\n"),
        ("reserve-job 7", b"RESERVED 8 1\r\n"),
    ] {
        let (mut connection, mut ticket) = sent(Raw::new(line));
        feed(&mut connection, input);
        let error = reply(&mut connection, &mut ticket).unwrap_err();
        assert!(error.is_fatal(), "{line}: {error:?}");
    }
}

#[test]
fn a_raw_line_that_a_server_refuses_is_refused_and_stays_in_sync() {
    for line in ["delete", "delete x", "kick", "reserve x", "put-me", "stats x", "peek 99999999999999999999"] {
        let (mut connection, mut ticket) = sent(Raw::new(line));
        let mut behind = send(&mut connection, Delete::new(1));
        feed(&mut connection, b"BAD_FORMAT\r\nDELETED\r\n");
        assert_eq!(refusal(&mut connection, &mut ticket), CommandError::BadFormat);
        reply(&mut connection, &mut behind).expect("it is no reserve that nothing may be sent behind");
    }
}

#[test]
fn a_raw_put_has_its_length_appended() {
    let mut connection = connection();
    let mut ticket = send(&mut connection, Raw::new("put 0 0 60").body("hello"));
    assert_eq!(written(&mut connection), b"put 0 0 60 5\r\nhello\r\n");
    feed(&mut connection, b"INSERTED 3\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reply::Inserted(JobId(3)));
    let mut ticket = send(&mut connection, Raw::new("put 0 0 60").body(vec![b'x'; 5000]));
    feed(&mut connection, b"BAD_FORMAT\r\n");
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::Protocol { error: ProtocolError::BodyRefused { command: "put", .. }, .. }));
}

#[test]
fn what_would_leave_the_server_with_the_wrong_number_of_lines_is_refused() {
    for line in ["put 0 0 60", "put 0 0 60 5", "put", "put "] {
        assert!(matches!(refused(Raw::new(line)), ArgumentError::Shape("put needs a body")), "{line}");
    }
    for line in ["put", "put 0 0", "put 0 0 60 5", "put a b c", "put -1 0 60", "put 4294967296 0 60"] {
        assert!(matches!(refused(Raw::new(line).body("delete 1\r\n")), ArgumentError::Shape(_)), "{line}");
    }
    for line in ["delete 1", "stats", "reserve", "quit", "use a"] {
        let error = refused(Raw::new(line).body("x"));
        assert!(matches!(error, ArgumentError::Shape("this command takes no body")), "{line}");
    }
}

#[test]
fn a_raw_line_holds_one_line() {
    assert!(matches!(refused(Raw::new("")), ArgumentError::Shape("the line is empty")));
    for (line, byte, at) in [("a\r\nb", b'\r', 1), ("a\n", b'\n', 1), ("\0", 0, 0), ("delete 1\rx", b'\r', 8)] {
        assert_eq!(refused(Raw::new(line)), ArgumentError::BadByte { byte, at });
    }
    let longest = "x".repeat(222);
    let _ticket = send(&mut connection(), Raw::new(&*longest));
    assert_eq!(refused(Raw::new("x".repeat(223))), ArgumentError::LineTooLong { bytes: 225, limit: 224 });
    let why = "put takes a priority, a delay, a time to run and a body";
    assert_eq!(refused(Raw::new("put 1").body("x")), ArgumentError::Shape(why));
    // With its length the line is too long.
    assert!(matches!(refused(Raw::new(longest).body("x")), ArgumentError::LineTooLong { .. }));
}

#[test]
fn an_unknown_verb_takes_any_word_in_reply() {
    let (mut connection, mut ticket) = sent(Raw::new("freeze 7"));
    feed(&mut connection, b"FROZEN 7 solid\r\n");
    match reply(&mut connection, &mut ticket).unwrap() {
        Reply::Other(other) => {
            assert_eq!((other.line(), other.word(), other.body()), (&b"FROZEN 7 solid"[..], &b"FROZEN"[..], None));
        }
        other => panic!("{other:?}"),
    }
    let mut ticket = send(&mut connection, Raw::new("freeze 7"));
    feed(&mut connection, b"UNKNOWN_COMMAND\r\n");
    assert_eq!(refusal(&mut connection, &mut ticket), CommandError::UnknownCommand);
    let mut ticket = send(&mut connection, Raw::new("freeze 7"));
    feed(&mut connection, b"OK 2\r\nhi\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reply::Ok(b"hi".to_vec()));
    assert_in_sync(&mut connection);
}

#[test]
fn a_line_that_only_begins_like_a_built_in_verb_is_an_unknown_one() {
    let setup = || sent(Raw::new("stats-fork").reply_has_body(true));
    let result = decode(setup, b"FORKS 2\r\nab\r\n", |connection, ticket| reply(connection, ticket).unwrap());
    assert!(matches!(result, Reply::Other(other) if other.body() == Some(b"ab")));
}

#[test]
fn the_reply_to_an_unknown_verb_has_a_body_if_the_caller_expects_one() {
    let setup = || sent(Raw::new("thaw").reply_has_body(true));
    let result =
        decode(setup, b"WATER x 9\r\ndrip\r\ndri\r\n", |connection, ticket| reply(connection, ticket).unwrap());
    match result {
        Reply::Other(other) => assert_eq!((other.line(), other.body()), (&b"WATER x 9"[..], Some(&b"drip\r\ndri"[..]))),
        other => panic!("{other:?}"),
    }
    for input in [&b"WATER\r\n"[..], b"WATER x\r\n", b"WATER -1\r\n", b"WATER 4294967296\r\n"] {
        let result = decode(setup, input, |connection, ticket| reply(connection, ticket).unwrap_err());
        assert!(matches!(result, Error::Protocol { error: ProtocolError::Malformed { .. }, .. }), "{result:?}");
    }
}

#[test]
fn a_broken_timeout_may_wait_without_end_on_old_servers_so_nothing_is_sent_behind_it() {
    for line in ["reserve-with-timeout -1", "reserve-with-timeout x", "reserve-with-timeout 4294967296"] {
        let (mut connection, mut ticket) = sent(Raw::new(line));
        assert!(matches!(connection.send(NOW, Raw::new("stats")), Err(Error::ReserveWaiting)), "{line}");
        feed(&mut connection, b"BAD_FORMAT\r\n");
        assert_eq!(refusal(&mut connection, &mut ticket), CommandError::BadFormat);
        assert_in_sync(&mut connection);
    }
}

#[test]
fn a_line_that_a_server_refuses_takes_over_no_reserve_and_no_parked_job() {
    let park = || {
        let (mut connection, ticket) = sent(Raw::new("reserve-with-timeout 9"));
        connection.abandon(ticket);
        connection
    };
    let mut waiting = park();
    let _ticket = send(&mut waiting, Raw::new("reserve x"));
    assert_eq!(written(&mut waiting), b"reserve x\r\n");
    let mut parked = park();
    feed(&mut parked, b"RESERVED 7 1\r\nx\r\n");
    let _ticket = send(&mut parked, Raw::new("reserve-with-timeout x"));
    assert_eq!(written(&mut parked), b"reserve-with-timeout x\r\n");
}

/// A command of a fork: whatever the test makes of it.
#[derive(Clone)]
struct Custom {
    expect: Expect,
    encode: fn(&mut Encoder<'_>) -> Result<(), ArgumentError>,
}

impl Request for Custom {
    type Reply = Reply;

    fn expect(&self) -> Expect {
        self.expect.clone()
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        (self.encode)(encoder)
    }

    fn decode(reply: Reply) -> Result<Reply, DecodeError> {
        match reply.kind() {
            Some(ReplyKind::NotFound | ReplyKind::UnknownCommand | ReplyKind::BadFormat) => Err(reply.into()),
            _ => Ok(reply),
        }
    }
}

const SHAPES: &[ReplyShape] = &[
    ReplyShape { word: "FROZEN", body: false },
    ReplyShape { word: "ICE", body: true },
    // Words of the protocol, used in another way.
    ReplyShape { word: "KICKED", body: false },
    ReplyShape { word: "OK", body: false },
    ReplyShape { word: "FOUND", body: true },
    ReplyShape { word: "PAUSED", body: false },
];

fn freeze() -> Custom {
    Custom {
        expect: Expect::new("freeze", ReplySet::of(&[ReplyKind::NotFound, ReplyKind::Reserved]))
            .other(OtherReplies::Words(SHAPES)),
        encode: |encoder| {
            encoder.word("freeze")?.number(JobId(7))?.word("deep")?;
            Ok(())
        },
    }
}

#[test]
fn an_application_can_define_a_command() {
    let mut connection = connection();
    let mut ticket = send(&mut connection, freeze());
    assert_eq!(written(&mut connection), b"freeze 7 deep\r\n");
    feed(&mut connection, b"FROZEN\r\n");
    assert!(matches!(reply(&mut connection, &mut ticket).unwrap(), Reply::Other(other) if other.line() == b"FROZEN"));
    let mut ticket = send(&mut connection, freeze());
    feed(&mut connection, b"NOT_FOUND\r\n");
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert_eq!(error.to_string(), format!("freeze: {}", CommandError::NotFound));
    assert_in_sync(&mut connection);
}

#[test]
fn its_own_reply_words_may_be_words_of_the_protocol_in_another_shape() {
    for (input, line, body) in [
        (&b"ICE thick 3\r\nabc\r\n"[..], &b"ICE thick 3"[..], Some(&b"abc"[..])),
        (b"KICKED\r\n", b"KICKED", None),
        (b"KICKED 5\r\n", b"KICKED 5", None),
        (b"KICKED five\r\n", b"KICKED five", None),
        (b"OK\r\n", b"OK", None),
        (b"OK 5\r\n", b"OK 5", None),
        (b"FOUND 2\r\nab\r\n", b"FOUND 2", Some(b"ab")),
        (b"FOUND 1 2\r\nab\r\n", b"FOUND 1 2", Some(b"ab")),
        (b"PAUSED\r\n", b"PAUSED", None),
    ] {
        match decode(|| sent(freeze()), input, |connection, ticket| reply(connection, ticket).unwrap()) {
            Reply::Other(other) => assert_eq!((other.line(), other.body()), (line, body)),
            other => panic!("{} gives {other:?}", input.escape_ascii()),
        }
    }
    // What it expects in the protocol's own shape comes in that shape.
    let reserved =
        decode(|| sent(freeze()), b"RESERVED 7 1\r\nx\r\n", |connection, ticket| reply(connection, ticket).unwrap());
    assert!(matches!(reserved, Reply::Reserved(_)));
    for input in [&b"DELETED\r\n"[..], b"THAWED\r\n", b"RESERVED 7\r\n", b"frozen\r\n"] {
        let error = decode(|| sent(freeze()), input, |connection, ticket| reply(connection, ticket).unwrap_err());
        assert!(error.is_fatal(), "{} gives {error:?}", input.escape_ascii());
    }
}

#[test]
fn its_reply_may_be_about_another_job_unless_it_demands_the_echo() {
    for echoed in [false, true] {
        let mut custom = freeze();
        custom.expect = custom.expect.subject(Subject::Job(JobId(7)));
        if echoed {
            custom.expect = custom.expect.echoed();
        }
        let (mut connection, mut ticket) = sent(custom);
        feed(&mut connection, b"RESERVED 8 1\r\nx\r\n");
        match reply(&mut connection, &mut ticket) {
            Ok(Reply::Reserved(job)) => assert!(!echoed && job.id == JobId(8)),
            Err(Error::Protocol { error: ProtocolError::WrongEcho { .. }, .. }) => assert!(echoed),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_that_names_no_subject_is_about_its_body_if_it_has_one() {
    let encode: fn(&mut Encoder<'_>) -> Result<(), ArgumentError> = |encoder| {
        encoder.word("chill")?.body("hello")?;
        Ok(())
    };
    let expect = Expect::new("chill", ReplySet::EMPTY).other(OtherReplies::Words(SHAPES));
    let (mut connection, mut ticket) = sent(Custom { expect, encode });
    feed(&mut connection, b"UNKNOWN_COMMAND\r\n");
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(error.is_fatal(), "where its body ends nobody knows: {error:?}");

    let expect = Expect::new("chill", ReplySet::of(&[ReplyKind::NotFound])).other(OtherReplies::Words(SHAPES));
    let (mut connection, mut ticket) = sent(Custom { expect, encode });
    feed(&mut connection, b"NOT_FOUND\r\n");
    match reply(&mut connection, &mut ticket) {
        Err(Error::Command { command: "chill", subject: Subject::Body(5), .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_named_by_itself_whatever_was_sent_before() {
    let mut connection = connection();
    for _ in 0..8 {
        let mut used = send(&mut connection, Use::new("jobs"));
        feed(&mut connection, b"OUT_OF_MEMORY\r\n");
        let error = reply(&mut connection, &mut used).unwrap_err();
        assert!(error.to_string().starts_with("use jobs: "), "{error}");
    }
    for id in 1..=8 {
        let mut delete = send(&mut connection, Delete::new(id));
        feed(&mut connection, b"NOT_FOUND\r\n");
        let error = reply(&mut connection, &mut delete).unwrap_err();
        assert!(error.to_string().starts_with(&format!("delete {id}: ")), "{error}");
    }
}

fn encoded(encode: fn(&mut Encoder<'_>) -> Result<(), ArgumentError>) -> Result<Vec<u8>, ArgumentError> {
    let mut connection: Connection = connection();
    let custom = Custom { expect: Expect::new("custom", ReplySet::EMPTY), encode };
    match connection.send(NOW, custom) {
        Ok(_ticket) => Ok(written(&mut connection)),
        Err(Error::Argument(error)) => {
            assert_eq!(connection.queued(), 0);
            Err(error)
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn an_encoder_writes_one_command() {
    let line = encoded(|encoder| {
        encoder.word("chill")?.number(5_u32)?.tube(&"a".into())?.seconds(3_u32.into(), 3)?.body("x\r\ny")?;
        Ok(())
    });
    assert_eq!(line.unwrap(), b"chill 5 a 3 4\r\nx\r\ny\r\n");
}

#[test]
fn an_encoder_takes_nothing_that_is_more_or_less_than_one_command() {
    type Encode = fn(&mut Encoder<'_>) -> Result<(), ArgumentError>;
    let bad: &[Encode] = &[
        |_| Ok(()),
        |encoder| encoder.word("").map(|_| ()),
        |encoder| encoder.word("a b").map(|_| ()),
        |encoder| encoder.word("a\r\ndelete 1").map(|_| ()),
        |encoder| encoder.word("a\0").map(|_| ()),
        |encoder| encoder.word("use")?.tube(&"a\r\ndelete 1".into()).map(|_| ()),
        |encoder| encoder.word("a")?.seconds(4_u32.into(), 3).map(|_| ()),
        |encoder| encoder.word("a")?.body("x")?.body("y").map(|_| ()),
        |encoder| encoder.word("a")?.body("x")?.word("y").map(|_| ()),
        |encoder| encoder.word("a")?.body("x")?.number(1_u32).map(|_| ()),
        |encoder| encoder.word(&"x".repeat(223)).map(|_| ()),
        |encoder| encoder.word(&"x".repeat(221))?.body("x").map(|_| ()),
        // A server would wait for the body, or read it as commands.
        |encoder| encoder.word("put")?.number(0_u32)?.number(0_u32)?.number(60_u32)?.number(9_u32).map(|_| ()),
        |encoder| encoder.word("put")?.number(0_u32)?.body("delete 1").map(|_| ()),
        |encoder| encoder.word("delete")?.number(1_u32)?.body("delete 2").map(|_| ()),
    ];
    for (n, encode) in bad.iter().enumerate() {
        assert!(encoded(*encode).is_err(), "case {n}");
    }
}

#[test]
fn an_error_ignored_by_the_request_does_not_let_a_piece_of_it_out() {
    // What was written before the refused piece is a command still, but the refused piece is in none.
    let line = encoded(|encoder| {
        encoder.word("freeze")?;
        let _ = encoder.word("a\r\ndelete 1");
        Ok(())
    });
    assert_eq!(line.unwrap(), b"freeze\r\n");
}
