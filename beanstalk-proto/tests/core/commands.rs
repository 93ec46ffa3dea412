//! Golden wire vectors: every command, both ways.

use beanstalk_proto::{
    Bury, Command, Delete, Ignore, JobId, Kick, KickJob, Kind, ListTubeUsed, ListTubes, ListTubesWatched, PauseTube,
    Peek, PeekBuried, PeekDelayed, PeekReady, Priority, Put, Quit, Release, Request, Reserve, ReserveJob,
    ReserveWithTimeout, Stats, StatsJob, StatsTube, Touch, TubeName, Use, Watch,
    server::{self, Event},
};

use crate::harness::{connection, send, written};

/// A command and what goes over the wire for it.
pub(crate) struct Vector {
    pub(crate) command: Command,
    pub(crate) wire: &'static [u8],
    /// What the request struct writes.
    typed: Vec<u8>,
}

/// A new [`Kind`] does not compile until it has its vectors here.
pub(crate) fn vectors(kind: Kind) -> Vec<Vector> {
    let longest = "x".repeat(200);
    let name = |name: &str| TubeName::new(name).unwrap();
    let v = |command, wire, typed| Vector { command, wire, typed };
    let job = JobId;
    let pri = Priority;
    match kind {
        Kind::Put => vec![
            v(
                Command::Put { priority: pri(1024), delay: 0, ttr: 60, body: b"hello".to_vec() },
                b"put 1024 0 60 5\r\nhello\r\n",
                bytes_of(Put::new(1024, 0, 60, "hello")),
            ),
            v(
                Command::Put { priority: pri(0), delay: 0, ttr: 0, body: vec![] },
                b"put 0 0 0 0\r\n\r\n",
                bytes_of(Put::of("").priority(0).delay(0).ttr(0)),
            ),
            v(
                Command::Put {
                    priority: pri(u32::MAX),
                    delay: u32::MAX,
                    ttr: u32::MAX,
                    body: b"\r\ndelete 1\r\n\0\xff".to_vec(),
                },
                b"put 4294967295 4294967295 4294967295 14\r\n\r\ndelete 1\r\n\0\xff\r\n",
                bytes_of(Put::new(u32::MAX, u32::MAX, u32::MAX, b"\r\ndelete 1\r\n\0\xff")),
            ),
        ],
        Kind::Peek => vec![v(Command::Peek { id: job(7) }, b"peek 7\r\n", bytes_of(Peek::new(7)))],
        Kind::PeekReady => vec![v(Command::PeekReady, b"peek-ready\r\n", bytes_of(PeekReady::new()))],
        Kind::PeekDelayed => vec![v(Command::PeekDelayed, b"peek-delayed\r\n", bytes_of(PeekDelayed::new()))],
        Kind::PeekBuried => vec![v(Command::PeekBuried, b"peek-buried\r\n", bytes_of(PeekBuried::new()))],
        Kind::ReserveWithTimeout => vec![
            v(
                Command::ReserveWithTimeout { timeout: 0 },
                b"reserve-with-timeout 0\r\n",
                bytes_of(ReserveWithTimeout::new(0)),
            ),
            v(
                Command::ReserveWithTimeout { timeout: 2_147_483_647 },
                b"reserve-with-timeout 2147483647\r\n",
                bytes_of(ReserveWithTimeout::new(2_147_483_647)),
            ),
        ],
        Kind::ReserveJob => {
            vec![v(Command::ReserveJob { id: job(7) }, b"reserve-job 7\r\n", bytes_of(ReserveJob::new(7)))]
        }
        Kind::Reserve => vec![v(Command::Reserve, b"reserve\r\n", bytes_of(Reserve::new()))],
        Kind::Delete => vec![
            v(Command::Delete { id: job(1) }, b"delete 1\r\n", bytes_of(Delete::new(1))),
            v(
                Command::Delete { id: job(u64::MAX) },
                b"delete 18446744073709551615\r\n",
                bytes_of(Delete::new(u64::MAX)),
            ),
        ],
        Kind::Release => vec![v(
            Command::Release { id: job(7), priority: pri(10), delay: 30 },
            b"release 7 10 30\r\n",
            bytes_of(Release::new(7, 10, 30)),
        )],
        Kind::Bury => {
            vec![v(Command::Bury { id: job(7), priority: pri(10) }, b"bury 7 10\r\n", bytes_of(Bury::new(7, 10)))]
        }
        Kind::Kick => vec![
            v(Command::Kick { bound: 0 }, b"kick 0\r\n", bytes_of(Kick::new(0))),
            v(Command::Kick { bound: u32::MAX }, b"kick 4294967295\r\n", bytes_of(Kick::new(u32::MAX))),
        ],
        Kind::KickJob => vec![v(Command::KickJob { id: job(7) }, b"kick-job 7\r\n", bytes_of(KickJob::new(7)))],
        Kind::Touch => vec![v(Command::Touch { id: job(7) }, b"touch 7\r\n", bytes_of(Touch::new(7)))],
        Kind::StatsJob => vec![v(Command::StatsJob { id: job(7) }, b"stats-job 7\r\n", bytes_of(StatsJob::new(7)))],
        Kind::StatsTube => {
            vec![v(Command::StatsTube { tube: name("a.b") }, b"stats-tube a.b\r\n", bytes_of(StatsTube::new("a.b")))]
        }
        Kind::Stats => vec![v(Command::Stats, b"stats\r\n", bytes_of(Stats::new()))],
        Kind::Use => vec![
            v(Command::Use { tube: name("emails") }, b"use emails\r\n", bytes_of(Use::new("emails"))),
            v(
                Command::Use { tube: name("+/;.$_()-aZ09") },
                b"use +/;.$_()-aZ09\r\n",
                bytes_of(Use::new("+/;.$_()-aZ09")),
            ),
        ],
        Kind::Watch => vec![
            v(Command::Watch { tube: name("emails") }, b"watch emails\r\n", bytes_of(Watch::new("emails"))),
            v(
                Command::Watch { tube: name(&longest) },
                Box::leak(format!("watch {longest}\r\n").into_bytes().into_boxed_slice()),
                bytes_of(Watch::new(&*longest)),
            ),
        ],
        Kind::Ignore => {
            vec![v(Command::Ignore { tube: name("default") }, b"ignore default\r\n", bytes_of(Ignore::new("default")))]
        }
        Kind::ListTubesWatched => {
            vec![v(Command::ListTubesWatched, b"list-tubes-watched\r\n", bytes_of(ListTubesWatched::new()))]
        }
        Kind::ListTubeUsed => vec![v(Command::ListTubeUsed, b"list-tube-used\r\n", bytes_of(ListTubeUsed::new()))],
        Kind::ListTubes => vec![v(Command::ListTubes, b"list-tubes\r\n", bytes_of(ListTubes::new()))],
        Kind::Quit => vec![v(Command::Quit, b"quit\r\n", bytes_of(Quit::new()))],
        Kind::PauseTube => vec![v(
            Command::PauseTube { tube: name("emails"), delay: 60 },
            b"pause-tube emails 60\r\n",
            bytes_of(PauseTube::new("emails", 60)),
        )],
    }
}

/// A request of this kind.
pub(crate) fn command(kind: Kind) -> Command {
    vectors(kind).remove(0).command
}

fn bytes_of<R: Request>(request: R) -> Vec<u8> {
    let mut connection = connection();
    let _ticket = send(&mut connection, request);
    written(&mut connection)
}

#[test]
fn every_command_is_written_as_the_protocol_specifies() {
    for &kind in Kind::ALL {
        let vectors = vectors(kind);
        assert!(!vectors.is_empty(), "{kind:?} has no vector");
        for Vector { command, wire, typed } in vectors {
            assert_eq!(command.kind(), kind);
            assert!(wire.starts_with(kind.word().as_bytes()));
            assert_eq!(typed.escape_ascii().to_string(), wire.escape_ascii().to_string(), "{kind:?} as a struct");
            assert_eq!(beanstalk_proto::encode(command.clone()).unwrap(), wire, "{kind:?} as a Command");
            assert_eq!(bytes_of(command), wire, "{kind:?} sent as a Command");
        }
    }
}

#[test]
fn every_command_line_is_read_back_as_the_command() {
    for &kind in Kind::ALL {
        for Vector { command, wire, .. } in vectors(kind) {
            let line = &wire[..wire.windows(2).position(|pair| pair == b"\r\n").unwrap()];
            let expected = match command.clone() {
                Command::Put { priority, delay, ttr, .. } => Command::Put { priority, delay, ttr, body: vec![] },
                other => other,
            };
            assert_eq!(Command::parse_line(line), Ok(expected), "{kind:?}");
        }
    }
}

#[test]
fn a_server_connection_reads_back_every_command_with_its_body() {
    for &kind in Kind::ALL {
        for Vector { command, wire, .. } in vectors(kind) {
            let mut server = server::Connection::new(server::Config::default());
            let room = server.receive_buf();
            room[..wire.len()].copy_from_slice(wire);
            server.received(wire.len());
            let mut event = server.poll_event();
            if kind == Kind::Put {
                assert_eq!(event, Some(Event::PutAnnounced { too_big: false }));
                event = server.poll_event();
            }
            let expected = if kind == Kind::Quit { Event::Closed } else { Event::Command(command) };
            assert_eq!(event, Some(expected), "{kind:?}");
        }
    }
}

/// What each row's documentation is found by: method, word, and the row's attributes, which every client's method gets.
macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        const ATTRIBUTES: &[(&str, &str, &[&str])] = &[$((stringify!($method), $word, &[$(stringify!($doc)),*])),*];
    };
}

beanstalk_proto::command_table!(attributes);

#[test]
fn a_command_is_found_by_its_word_on_the_wire_and_by_what_others_call_it() {
    let others = [("delete", "del"), ("list_tube_used", "list-tubes-used")];
    assert_eq!(ATTRIBUTES.len(), Kind::ALL.len());
    for (method, word, attributes) in ATTRIBUTES {
        let has = |alias: &str| attributes.contains(&&*format!("doc(alias = \"{alias}\")"));
        assert!(word == method || has(word), "{method} is not found by {word:?}");
        for (_, other) in others.iter().filter(|(named, _)| named == method) {
            assert!(has(other), "{method} is not found by {other:?}");
        }
    }
}
