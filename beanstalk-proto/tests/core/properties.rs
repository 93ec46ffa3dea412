//! What holds for every value: it is one command or one reply on the wire, and the same value when it is read back.

use std::{fmt::Debug, time::Duration};

use beanstalk_proto::{
    ArgumentError, Command, DecodeError, Encoder, Error, Expect, Job, JobId, OtherReplies, OtherReply, PauseTube,
    Priority, Put, Raw, Reply, ReplySet, Request, ReserveWithTimeout, Seconds, StatsTube, TubeArg, TubeName, Use,
    server::{self, Event},
};
use proptest::{collection::vec, prelude::*};

use crate::harness::{NOW, connection, feed, random_pieces, send, written};

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0')], 0..12),
        vec(any::<u8>(), 4000..9000)
    ]
}

fn tube() -> impl Strategy<Value = TubeName> {
    "[A-Za-z0-9+/;.$_()][-A-Za-z0-9+/;.$_()]{0,199}".prop_map(|name| TubeName::new(name).unwrap())
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), 0..100_u32]
}

fn id() -> impl Strategy<Value = JobId> {
    prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), 0..100_u64].prop_map(JobId)
}

fn job() -> impl Strategy<Value = Job> {
    (id(), body()).prop_map(|(id, body)| Job { id, body })
}

fn command() -> impl Strategy<Value = Command> {
    let pri = || number().prop_map(Priority);
    prop_oneof![
        (pri(), number(), number(), body()).prop_map(|(priority, delay, ttr, body)| Command::Put {
            priority,
            delay,
            ttr,
            body
        }),
        id().prop_map(|id| Command::Peek { id }),
        prop_oneof![
            Just(Command::PeekReady),
            Just(Command::PeekDelayed),
            Just(Command::PeekBuried),
            Just(Command::Reserve),
            Just(Command::Stats),
            Just(Command::ListTubes),
            Just(Command::ListTubesWatched),
            Just(Command::ListTubeUsed),
        ],
        (0..=i32::MAX.unsigned_abs()).prop_map(|timeout| Command::ReserveWithTimeout { timeout }),
        id().prop_map(|id| Command::ReserveJob { id }),
        id().prop_map(|id| Command::Delete { id }),
        (id(), pri(), number()).prop_map(|(id, priority, delay)| Command::Release { id, priority, delay }),
        (id(), pri()).prop_map(|(id, priority)| Command::Bury { id, priority }),
        number().prop_map(|bound| Command::Kick { bound }),
        id().prop_map(|id| Command::KickJob { id }),
        id().prop_map(|id| Command::Touch { id }),
        id().prop_map(|id| Command::StatsJob { id }),
        tube().prop_map(|tube| Command::StatsTube { tube }),
        tube().prop_map(|tube| Command::Use { tube }),
        tube().prop_map(|tube| Command::Watch { tube }),
        tube().prop_map(|tube| Command::Ignore { tube }),
        (tube(), number()).prop_map(|(tube, delay)| Command::PauseTube { tube, delay }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        id().prop_map(Reply::Inserted),
        id().prop_map(Reply::BuriedId),
        tube().prop_map(Reply::Using),
        job().prop_map(Reply::Reserved),
        job().prop_map(Reply::Found),
        any::<u64>().prop_map(Reply::Watching),
        any::<u64>().prop_map(Reply::KickedCount),
        body().prop_map(Reply::Ok),
        prop::sample::select(vec![
            Reply::Buried,
            Reply::DeadlineSoon,
            Reply::TimedOut,
            Reply::Deleted,
            Reply::Released,
            Reply::Touched,
            Reply::NotIgnored,
            Reply::Kicked,
            Reply::Paused,
            Reply::NotFound,
            Reply::ExpectedCrlf,
            Reply::JobTooBig,
            Reply::Draining,
            Reply::OutOfMemory,
            Reply::InternalError,
            Reply::BadFormat,
            Reply::UnknownCommand,
        ]),
    ]
}

/// What a server makes of these bytes and a `delete 4711` behind them, given in pieces.
fn received(bytes: &[u8], seed: u64) -> Vec<Event> {
    let input = [bytes, b"delete 4711\r\n"].concat();
    let mut server = server::Connection::new(server::Config { max_job_size: 1 << 30, ..server::Config::default() });
    let mut events = Vec::new();
    for mut piece in random_pieces(&input, seed) {
        while !piece.is_empty() {
            let room = server.receive_buf();
            let n = room.len().min(piece.len());
            room[..n].copy_from_slice(&piece[..n]);
            server.received(n);
            piece = &piece[n..];
            while let Some(event) = server.poll_event() {
                if !matches!(event, Event::PutAnnounced { .. }) {
                    server.respond(Reply::Deleted);
                    events.push(event);
                }
            }
        }
    }
    events
}

/// Sends a request that may be refused; if it is not, the server sees one command, and what comes behind it.
fn is_one_command<R: Request<Reply: Debug>>(request: R, seed: u64) -> Result<Option<Event>, TestCaseError> {
    let mut connection = connection();
    match connection.send(NOW, request) {
        Ok(_ticket) => {
            let bytes = written(&mut connection);
            let mut events = received(&bytes, seed);
            let behind = events.pop();
            let shown = bytes.escape_ascii();
            prop_assert_eq!(behind, Some(Event::Command(Command::Delete { id: JobId(4711) })), "{}", shown);
            prop_assert_eq!(events.len(), 1, "{}", shown);
            Ok(events.pop())
        }
        Err(Error::Argument(_)) => {
            prop_assert_eq!((connection.queued(), connection.in_flight()), (0, 0));
            Ok(None)
        }
        Err(other) => Err(TestCaseError::fail(format!("{other:?}"))),
    }
}

/// Text that tries to be more than it should.
fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z]{0,5}[ \r\n\0]{0,3}[a-z]{0,5}",
        "(a|put 0 0 1|reserve|use|use a|delete 1)(\r\n|\n|\r| )?(delete 1|quit|put 0 0 1 1)?(\r\n)?",
        "[a-z -]{180,240}",
    ]
}

/// An application's request that writes whatever it is given.
#[derive(Clone, Debug)]
struct Words(Vec<String>, Option<u64>, Option<Vec<u8>>);

impl Request for Words {
    type Reply = Reply;

    fn expect(&self) -> Expect {
        Expect::new("words", ReplySet::ALL).other(OtherReplies::Any { body: false })
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        for word in &self.0 {
            encoder.word(word)?;
        }
        if let Some(number) = self.1 {
            encoder.number(number)?;
        }
        if let Some(body) = self.2 {
            encoder.body(body)?;
        }
        Ok(())
    }

    fn decode(reply: Reply) -> Result<Reply, DecodeError> {
        Ok(reply)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_command_is_one_command_on_the_wire_and_is_read_back(command in command(), seed: u64) {
        prop_assert_eq!(is_one_command(command.clone(), seed)?, Some(Event::Command(command)));
    }

    #[test]
    fn every_reply_is_read_back(reply in reply(), behind in vec(any::<u8>(), 0..5)) {
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        let len = wire.len();
        wire.extend_from_slice(&behind);
        prop_assert_eq!(Reply::parse(&wire), Ok(Some((reply, len))));
    }

    #[test]
    fn what_is_read_as_a_reply_is_written_the_same(input in prop_oneof![
        vec(any::<u8>(), 0..60),
        "[A-Z_]{1,14}( [0-9a-z]{1,21}){0,3}\r\n".prop_map(String::into_bytes),
        "(INSERTED|BURIED|WATCHING|KICKED|USING|OK|FOUND|RESERVED)( [0-9]{1,3}){0,2}\r\n(.{0,9}\r\n)?".prop_map(String::into_bytes),
    ]) {
        if let Ok(Some((reply, len))) = Reply::parse(&input) {
            let mut wire = Vec::new();
            reply.encode(&mut wire);
            prop_assert_eq!(&wire[..], &input[..len]);
        }
    }

    #[test]
    fn a_reply_of_an_applications_own_is_read_back(line in hostile_text(), with_body in prop::option::of(body()), seed: u64) {
        if let Ok(other) = OtherReply::new(line, with_body.clone()) {
            let mut wire = Vec::new();
            Reply::Other(other.clone()).encode(&mut wire);
            let mut connection = connection();
            let mut ticket = send(&mut connection, Raw::new("x").reply_has_body(with_body.is_some()));
            for piece in random_pieces(&wire, seed) {
                feed(&mut connection, piece);
            }
            let result = crate::harness::reply(&mut connection, &mut ticket);
            prop_assert_eq!(result.map_err(|error| error.to_string()), Ok(Reply::Other(other)));
        }
    }

    #[test]
    fn any_split_of_many_replies_gives_the_same_results(replies in vec(reply(), 1..12), seed: u64) {
        let mut wire = Vec::new();
        for reply in &replies {
            reply.encode(&mut wire);
        }
        let run = |pieces: Vec<&[u8]>| {
            let mut connection = connection();
            // A raw command that nobody knows takes every reply.
            let mut tickets: Vec<_> = replies.iter().map(|_| send(&mut connection, Words(vec!["x".into()], None, None))).collect();
            written(&mut connection);
            for piece in pieces {
                feed(&mut connection, piece);
            }
            tickets.iter_mut().map(|ticket| crate::harness::reply(&mut connection, ticket).unwrap()).collect::<Vec<_>>()
        };
        prop_assert_eq!(&run(vec![&wire]), &replies);
        prop_assert_eq!(&run(random_pieces(&wire, seed)), &replies);
    }

    #[test]
    fn any_split_of_any_bytes_ends_the_same_way(input in vec(prop_oneof![
        Just(b"DELETED\r\n".to_vec()), Just(b"FOUND 7 3\r\nabc\r\n".to_vec()), Just(b"OK 1".to_vec()), Just(b"\r\n".to_vec()),
        vec(any::<u8>(), 0..4), Just(vec![b'x'; 230]), Just(b"RESERVED 7 9000\r\n".to_vec()), Just(vec![b'y'; 9000]),
        Just(b"\x15\x03".to_vec()),
    ], 0..8), seed: u64) {
        let input = input.concat();
        let run = |pieces: Vec<&[u8]>| {
            let mut connection = connection();
            let commands = [Command::Delete { id: JobId(1) }, Command::Peek { id: JobId(7) }, Command::ReserveWithTimeout { timeout: 0 }, Command::Stats];
            let mut tickets: Vec<_> = commands.into_iter().map(|command| send(&mut connection, command)).collect();
            written(&mut connection);
            for piece in pieces {
                feed(&mut connection, piece);
            }
            tickets.iter_mut().map(|ticket| format!("{:?}", connection.poll_reply(ticket))).collect::<Vec<_>>()
        };
        let whole = run(vec![&input]);
        prop_assert_eq!(&run(random_pieces(&input, seed)), &whole);
        prop_assert_eq!(&run(input.chunks(1).collect()), &whole);
    }

    #[test]
    fn a_tube_name_of_any_text_is_one_argument_or_none(name in hostile_text(), seed: u64) {
        let valid = TubeName::new(&*name).ok();
        prop_assert_eq!(TubeArg::from(&name).to_name().ok(), valid.clone());
        let expected = valid.clone().map(|tube| Event::Command(Command::Use { tube }));
        prop_assert_eq!(is_one_command(Use::new(&name), seed)?, expected);
        let expected = valid.clone().map(|tube| Event::Command(Command::StatsTube { tube }));
        prop_assert_eq!(is_one_command(StatsTube::new(&name), seed)?, expected);
        let expected = valid.map(|tube| Event::Command(Command::PauseTube { tube, delay: 1 }));
        prop_assert_eq!(is_one_command(PauseTube::new(&name, 1), seed)?, expected);
    }

    #[test]
    fn a_raw_line_of_any_text_is_one_command_or_none(line in hostile_text(), seed: u64) {
        prop_assume!(!line.starts_with("quit"));
        is_one_command(Raw::new(line), seed)?;
    }

    #[test]
    fn a_raw_put_of_any_text_is_one_command_or_none(args in "( |[0-9]|-|a|\r\n){0,12}", body in body(), seed: u64) {
        is_one_command(Raw::new(format!("put {args}")).body(body), seed)?;
    }

    #[test]
    fn an_applications_request_of_any_text_is_one_command_or_none(
        words in vec(hostile_text(), 0..4), number in prop::option::of(any::<u64>()), seed: u64,
    ) {
        prop_assume!(!words.first().is_some_and(|word| word.starts_with("quit")));
        is_one_command(Words(words, number, None), seed)?;
    }

    #[test]
    fn an_applications_put_is_one_command_or_none(
        words in vec(prop_oneof![Just("0".to_string()), "[0-9a-]{1,12}"], 0..5), body in prop::option::of(body()), seed: u64,
    ) {
        is_one_command(Words([vec!["put".into()], words].concat(), None, body), seed)?;
    }

    #[test]
    fn seconds_round_up(nanos in prop_oneof![any::<u64>(), 0..3_000_000_000_u64]) {
        let seconds = Seconds::from(Duration::from_nanos(nanos)).get();
        prop_assert!(Duration::from_secs(seconds) >= Duration::from_nanos(nanos));
        prop_assert!(seconds == 0 || Duration::from_secs(seconds - 1) < Duration::from_nanos(nanos));
    }
}

#[test]
fn durations_have_the_limits_of_their_commands() {
    fn refusal<R: Request<Reply: Debug>>(request: R) -> Option<(u64, u64)> {
        match connection().send(NOW, request) {
            Ok(_ticket) => None,
            Err(Error::Argument(ArgumentError::TooManySeconds { seconds, limit })) => Some((seconds, limit)),
            Err(other) => panic!("{other:?}"),
        }
    }
    let seconds = Duration::from_secs;
    let (max, max_timeout) = (u64::from(u32::MAX), (1 << 31) - 1);
    assert_eq!(refusal(Put::of("").delay(seconds(max)).ttr(seconds(max))), None);
    assert_eq!(refusal(Put::of("").delay(seconds(max + 1))), Some((max + 1, max)));
    assert_eq!(refusal(Put::of("").ttr(seconds(max) + Duration::from_nanos(1))), Some((max + 1, max)));
    assert_eq!(refusal(PauseTube::new("a", seconds(max))), None);
    assert_eq!(refusal(PauseTube::new("a", Duration::MAX)), Some((u64::MAX, max)));
    assert_eq!(refusal(ReserveWithTimeout::new(seconds(max_timeout))), None);
    assert_eq!(refusal(ReserveWithTimeout::new(seconds(max_timeout + 1))), Some((max_timeout + 1, max_timeout)));
    assert_eq!(refusal(Command::ReserveWithTimeout { timeout: u32::MAX }), Some((max, max_timeout)));
    assert_eq!(Seconds::from(Duration::MAX).get(), u64::MAX);
}

#[test]
fn a_body_is_at_most_as_long_as_any_server_takes() {
    // Zeroed memory that nobody touches costs nothing.
    let (mut connection, limit) = (connection(), 1 << 30);
    let _ticket = send(&mut connection, Put::of(vec![0; limit]));
    assert_eq!(connection.queued(), limit + b"put 1024 0 60 1073741824\r\n\r\n".len());
    let error = crate::harness::connection().send(NOW, Put::of(vec![0; limit + 1])).unwrap_err();
    assert!(
        matches!(error, Error::Argument(ArgumentError::BodyTooLong { bytes, limit: most }) if (bytes, most) == (limit + 1, limit))
    );
}
