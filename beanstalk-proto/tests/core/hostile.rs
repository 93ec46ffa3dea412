//! A peer that lies: each lie ends in its own error, at once, in bounded memory.

use beanstalk_proto::{
    ArgumentError, Delete, Error, Lost, MAX_LINE, OtherReply, Peek, ProtocolError, Put, Raw, Reply, Reserve, Stats,
    Use, Watch, client::Limits,
};

use crate::harness::{decode, feed, is_pending, limited, reply, send, sent, written};

fn poison<R: beanstalk_proto::Request<Reply: std::fmt::Debug> + Clone>(request: R, input: &[u8]) -> ProtocolError {
    let result = decode(|| sent(request.clone()), input, reply);
    match result {
        Err(Error::Protocol { error, lost: Lost::Unknown }) => error,
        other => panic!("{} gives {other:?}", input.escape_ascii()),
    }
}

#[test]
fn a_record_of_tls_is_one_in_whatever_pieces_it_comes_and_for_whoever_reads_it() {
    let long = [b"\x15\x03".as_slice(), &[b'x'; MAX_LINE]].concat();
    for record in
        [b"\x15\x03\x01\x00\x02\x02\x28".as_slice(), b"\x15\x03", b"\x15\x03\r\n", b"\x15\x03 DELETED\r\n", &long]
    {
        assert_eq!(poison(Put::of("x"), record), ProtocolError::Tls);
        assert_eq!(Reply::parse(record), Err(ProtocolError::Tls), "{}", record.escape_ascii());
    }
    assert_eq!(Reply::parse(b"\x15"), Ok(None));
    assert!(Reply::parse(b"\x15\r\n").is_ok_and(|parsed| parsed.is_some()));
}

#[test]
fn a_server_sends_no_reply_that_reads_as_a_record_of_tls() {
    let refused = Err(ArgumentError::Shape("the line starts as a record of TLS does"));
    assert_eq!(OtherReply::new("\x15\x03 7", None), refused);
}

#[test]
fn numbers_and_arguments_that_no_server_writes_poison() {
    type Poison = fn(&[u8]) -> ProtocolError;
    let cases: &[(Poison, &[&[u8]])] = &[
        (
            |input| poison(Reserve::new(), input),
            &[
                b"RESERVED x 4",
                b"RESERVED 1",
                b"RESERVED",
                b"RESERVED 1 ",
                b"RESERVED 1 4 ",
                b"RESERVED 1 4 5",
                b"RESERVED 1  4",
                b"RESERVED 01 4",
                b"RESERVED 1 04",
                b"RESERVED -1 4",
                b"RESERVED 1 +4",
                b"RESERVED 18446744073709551616 4",
                b"RESERVED 1\xb0 4",
                b"RESERVED 1\xb9 4",
                b"RESERVED 1 4294967296",
                b"RESERVED 1 18446744073709551615",
                b"TIMED_OUT ",
                b"DEADLINE_SOON 1",
            ],
        ),
        (
            |input| poison(Put::of("x"), input),
            &[
                b"INSERTED",
                b"INSERTED ",
                b"INSERTED x",
                b"INSERTED 1 ",
                b"INSERTED 1\t",
                b"INSERTED  1",
                b"INSERTED 99999999999999999999",
                b"INSERTED 18446744073709551616",
                b"INSERTED -1",
                b"INSERTED 1\r",
                b"INSERTED 1\n",
                b"INSERTED 1\0",
                b"BURIED x",
                b"BURIED ",
                b"JOB_TOO_BIG 1",
            ],
        ),
        (
            |input| poison(Stats::new(), input),
            &[
                b"OK",
                b"OK ",
                b"OK -100",
                b"OK 1e3",
                b"OK 0x10",
                b"OK 18446744073709551615",
                b"OK 18446744073709551616",
                b"OK 4294967296",
                b"OK 5 5",
            ],
        ),
        (|input| poison(Watch::new("a"), input), &[b"WATCHING", b"WATCHING a", b"WATCHING 1 2"]),
        (
            |input| poison(Use::new("a"), input),
            &[b"USING", b"USING ", b"USING  a", b"USING -a", b"USING a b", b"USING a ", b"USING \xff", b"USING a\0"],
        ),
        (|input| poison(Delete::new(1), input), &[b"DELETED ", b"NOT_FOUND 1"]),
    ];
    for (poison, lines) in cases {
        for line in *lines {
            let error = poison(&[*line, b"\r\n"].concat());
            assert!(matches!(error, ProtocolError::Malformed { .. }), "{} gives {error:?}", line.escape_ascii());
            assert_eq!(error.to_string(), format!("malformed line \"{}\"", line.escape_ascii()));
            let parsed = Reply::parse(&[*line, b"\r\n"].concat());
            assert_eq!(parsed, Err(error), "both parsers agree");
        }
    }
    let long_name = [&b"USING "[..], &[b'a'; 201], b"\r\n"].concat();
    assert!(matches!(poison(Use::new("a"), &long_name), ProtocolError::Malformed { .. }));
}

#[test]
fn a_line_that_never_ends_poisons_wherever_it_is_cut() {
    for start in [&b""[..], b"DELETED", b"INSERTED 1", b"\r", b"NOT_FOUND\r"] {
        let mut line = start.to_vec();
        line.resize(3 * MAX_LINE, b'x');
        let error = poison(Delete::new(1), &line);
        assert!(matches!(error, ProtocolError::LineTooLong { limit: 224, .. }), "{error:?}");
        assert_eq!(Reply::parse(&line), Err(error));
    }
}

#[test]
fn a_line_may_be_as_long_as_the_protocol_allows_and_no_longer() {
    let raw = || Raw::new("anything");
    let longest = [&[b'x'; MAX_LINE - 2][..], b"\r\n"].concat();
    let result = decode(|| sent(raw()), &longest, |connection, ticket| reply(connection, ticket).unwrap());
    assert!(matches!(result, Reply::Other(other) if other.line() == &longest[..MAX_LINE - 2]));
    let longer = [&[b'x'; MAX_LINE - 1][..], b"\r\n"].concat();
    assert!(matches!(poison(raw(), &longer), ProtocolError::LineTooLong { .. }));

    // 223 bytes are not too long yet.
    let (mut connection, mut ticket) = sent(raw());
    feed(&mut connection, &longest[..MAX_LINE - 1]);
    assert!(is_pending(&mut connection, &mut ticket));
}

#[test]
fn lone_cr_and_lf_do_not_end_a_reply() {
    assert!(matches!(poison(Delete::new(1), b"DELETED\rNOT_FOUND\r\n"), ProtocolError::WrongReply { .. }));
    assert!(matches!(poison(Delete::new(1), b"DELETED\nNOT_FOUND\r\n"), ProtocolError::WrongReply { .. }));
}

#[test]
fn binary_rubbish_poisons() {
    let mut random = crate::harness::Random(7);
    let rubbish: Vec<u8> = (0..4096).map(|_| random.next().to_le_bytes()[0]).collect();
    poison(Delete::new(1), &rubbish);
}

#[test]
fn a_peer_that_floods_fills_no_more_than_the_requests_ask_for() {
    let mut connection = limited(Limits { in_flight: 3, ..Limits::default() });
    let mut tickets: Vec<_> =
        (0..3).map(|_| send(&mut connection, beanstalk_proto::ReserveWithTimeout::new(0))).collect();
    written(&mut connection);
    for _ in 0..10_000 {
        feed(&mut connection, b"RESERVED 1 1\r\nx\r\n");
    }
    assert!(connection.is_ended());
    for ticket in &mut tickets {
        reply(&mut connection, ticket).expect("the first three were asked for").job().unwrap();
    }
}

#[test]
fn a_body_of_nearly_4_gib_announced_and_not_sent_takes_next_to_no_memory() {
    for (limits, most) in
        [(Limits::default(), 8 * 1024), (Limits { reply_body: usize::MAX, ..Limits::default() }, 64 * 1024)]
    {
        let mut connection = limited(limits);
        let mut ticket = send(&mut connection, Reserve::new());
        written(&mut connection);
        feed(&mut connection, b"RESERVED 7 4294967295\r\n");
        assert!((1..=most).contains(&connection.receive_buf().len()));
        assert!(is_pending(&mut connection, &mut ticket));
        connection.received_eof();
        assert!(matches!(reply(&mut connection, &mut ticket), Err(Error::Closed { lost: Lost::Unknown })));
    }
}

#[test]
fn what_a_message_shows_of_the_peer_is_short_and_printable() {
    let line = [&b"\x1b[2J\xff"[..], &[b'y'; 210], b"\r\n"].concat();
    let message = poison(Peek::new(1), &line).to_string();
    assert!(message.starts_with("the server answered peek with \"\\x1b[2J\\xffyyy"), "{message}");
    assert!(message.len() < 300 && message.ends_with("…\""), "{message}");
}
