//! The committed seeds: every target holds on each of its own, every target has some, and every command and every reply is in them.
//!
//! `WRITE_SEEDS=1 cargo test` writes the seeds that are made here; others were found by fuzzing and kept because they reach
//! something.

use std::{
    env, fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use beanstalk_fuzz::{
    TARGETS, r#gen,
    source::{Dice, Source},
};
use beanstalk_proto::{Job, JobId, Kind, Reply, ReplyKind};

fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "corpus", target].iter().collect()
}

/// One test at a time, as targets count the process's memory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_target_holds_on_its_seeds() {
    let _alone = alone();
    write_if_asked();
    for (target, run) in TARGETS {
        let seeds = fs::read_dir(corpus(target)).unwrap_or_else(|error| panic!("the seeds of {target}: {error}"));
        let mut some = false;
        for seed in seeds {
            let path = seed.expect("a readable directory").path();
            println!("{}", path.display());
            run(&fs::read(path).expect("a readable file"));
            some = true;
        }
        assert!(some, "{target} has no seeds");
    }
}

#[test]
fn the_seeds_made_here_are_committed() {
    let _alone = alone();
    write_if_asked();
    for (target, name, bytes) in seeds() {
        let path = corpus(target).join(name);
        let committed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(committed, bytes, "{} is out of date", path.display());
    }
}

/// One arm for each kind keeps a new one from being left out.
#[test]
fn every_kind_of_command_and_reply_can_be_made() {
    let _alone = alone();
    for &kind in Kind::ALL {
        assert_eq!(r#gen::command(kind, &mut Source::new(&[70; 40])).kind(), kind);
    }
    for &kind in ReplyKind::ALL {
        assert_eq!(r#gen::reply(kind, &mut Source::new(&[70; 40])).kind(), Some(kind));
    }
}

/// Steps of `engine_ops`: the next moment at which something happens; another connection.
const WAKE: [u8; 2] = [0, 4];
const CONNECT: [u8; 1] = [50];
/// The second connection is closed.
const CLOSE: [u8; 2] = [60, 1];
/// The arguments of a put: the first priority, no delay, a ttr of 2 s, no body.
const PUT: [u8; 4] = [0, 0, 4, 0];

/// One connection sends something.
fn say(conn: u8, kind: Kind, args: &[u8]) -> Vec<u8> {
    [&[90, conn, place(kind)], args].concat()
}

/// The place of a kind among all, by which it is chosen.
fn place(kind: Kind) -> u8 {
    let at = Kind::ALL.iter().position(|&known| known == kind);
    at.and_then(|at| at.try_into().ok()).expect("one of few")
}

fn scenarios() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let (connect, wake, put) = (|| CONNECT.to_vec(), || WAKE.to_vec(), || say(0, Kind::Put, &PUT));
    let reserve = |conn| say(conn, Kind::Reserve, &[]);
    // Job 1, tube "a", 2 s, the second priority.
    let (one, a, two, later) = (0, 1, 4, 1);
    vec![
        (
            "four-wait",
            vec![
                vec![connect(); 5].concat(),
                [reserve(1), reserve(2), reserve(3), reserve(4)].concat(),
                [put(), put(), put(), put()].concat(),
            ],
        ),
        ("deadline-soon", vec![put(), reserve(0), reserve(0), wake(), wake(), wake(), wake()]),
        ("expires-to-another", vec![put(), reserve(0), connect(), connect(), reserve(1), wake(), wake(), wake()]),
        (
            "released-buried-kicked",
            vec![
                put(),
                put(),
                reserve(0),
                say(0, Kind::Release, &[one, later, two]),
                say(0, Kind::Kick, &[9]),
                reserve(0),
                say(0, Kind::Bury, &[one, later]),
                say(0, Kind::Kick, &[9]),
                say(0, Kind::PeekReady, &[]),
                wake(),
            ],
        ),
        (
            "released-with-another-priority",
            vec![
                put(),
                put(),
                reserve(0),
                say(0, Kind::Release, &[one, 2, 0]),
                say(0, Kind::PeekReady, &[]),
                reserve(0),
            ],
        ),
        ("paused", vec![connect(), connect(), reserve(1), say(0, Kind::PauseTube, &[0, two]), put(), wake(), wake()]),
        (
            "a-tube-comes-and-goes",
            vec![
                say(0, Kind::Use, &[a]),
                put(),
                say(0, Kind::Watch, &[a]),
                say(0, Kind::Ignore, &[0]),
                reserve(0),
                say(0, Kind::Use, &[2]),
                say(0, Kind::Delete, &[one]),
                say(0, Kind::ListTubes, &[]),
                say(0, Kind::Watch, &[0]),
                say(0, Kind::Ignore, &[a]),
                say(0, Kind::ListTubes, &[]),
            ],
        ),
        ("touched", vec![put(), reserve(0), vec![0, 1], say(0, Kind::Touch, &[one]), wake(), wake()]),
        (
            "the-best-of-two-tubes",
            vec![
                say(0, Kind::Put, &[1, 0, 4, 0]),
                say(0, Kind::Use, &[a]),
                put(),
                say(0, Kind::Watch, &[a]),
                reserve(0),
            ],
        ),
        (
            "two-are-put-back-while-two-wait",
            vec![
                [connect(), connect(), connect(), connect(), put(), put()].concat(),
                [reserve(1), reserve(1), vec![0, 1], say(1, Kind::Touch, &[one])].concat(),
                [reserve(2), reserve(3), CLOSE.to_vec()].concat(),
            ],
        ),
    ]
}

fn write_if_asked() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if env::var_os("WRITE_SEEDS").is_some() {
            for (target, name, bytes) in seeds() {
                fs::create_dir_all(corpus(target)).expect("a place for seeds");
                fs::write(corpus(target).join(name), bytes).expect("the seed is written");
            }
        }
    });
}

fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut add = |target, name: &str, bytes: Vec<u8>| seeds.push((target, name.to_string(), bytes));

    let mut replies = Vec::new();
    for &kind in ReplyKind::ALL {
        let mut reply = r#gen::reply(kind, &mut Source::new(&[42, 5, 1, 2, 3, 4, 5]));
        if let Reply::Reserved(job) | Reply::Found(job) = &mut reply {
            *job = Job { id: JobId(7), body: b"a\r\nb".to_vec() };
        }
        reply.encode(&mut replies);
    }
    add("reply_decode", "every-reply", replies.clone());
    add("reply_decode", "split-line-ends", b"a\r\r\nOK 2\r\n\r\n\r\nUSING \r\r\n".to_vec());
    add("reply_decode", "bad-numbers", b"WATCHING 18446744073709551616\r\n".to_vec());
    add("reply_decode", "leading-zero", b"WATCHING 01\r\n".to_vec());
    add("differential", "leading-zero", b"\0DELETED\r\nWATCHING 01\r\n".to_vec());
    add("reply_decode", "negative-length", b"OK -100\r\n".to_vec());
    add("reply_decode", "a-longest-line", [vec![b'x'; 222], b"\r\nDELETED\r\n".to_vec()].concat());
    add("reply_decode", "too-long-a-line", [vec![b'x'; 223], b"\r\n".to_vec()].concat());
    add("reply_decode", "no-line-end-behind-a-body", b"FOUND 1 3\r\nabcdef".to_vec());

    let mut commands = Vec::new();
    for &kind in Kind::ALL {
        if kind != Kind::Quit {
            let command = r#gen::command(kind, &mut Source::new(&[42, 5, 1, 2, 3, 4, 5]));
            commands.extend(beanstalk_proto::encode(command).expect("it can be said"));
        }
    }
    let quirks = b"put 0 0 1 3 x\r\nabc\r\nkick -1\r\nreserve-with-timeout  07x\r\npause-tubedefault 1\r\nreservex\r\n\
                   a\0b\r\nput 1 2 3 999\r\nstats-tube\r\nuse -a\r\nuse a\r\r\nput 0 0 0 2\r\nabcd\r\nquitx\r\nstats\r\n";
    add("command_decode", "every-command", commands.clone());
    add("command_decode", "quirks", quirks.to_vec());
    let timeouts =
        b"reserve-with-timeout 2147483647\r\nreserve-with-timeout 2147483648\r\nreserve-with-timeout 4294967297\r\n\
                     reserve-with-timeout -4294967297\r\nreserve-with-timeout 9223372036854775808\r\n";
    add("command_decode", "timeouts", timeouts.to_vec());
    add("command_decode", "too-long-a-line", [vec![b'x'; 500], b"\r\nstats\r\n".to_vec()].concat());

    add("differential", "replies", [&[0], &replies[..]].concat());
    for (name, dialect) in [("1.13", 0), ("1.12", 1)] {
        add("differential", &format!("session-{name}"), [&[2, dialect, 100], &commands[..]].concat());
        add("differential", &format!("session-quirks-{name}"), [&[2, dialect, 100], &quirks[..]].concat());
        add("differential", &format!("session-timeouts-{name}"), [&[2, dialect, 100], &timeouts[..]].concat());
    }
    for (n, line) in quirks.split(|&byte| byte == b'\n').enumerate() {
        add("differential", &format!("line-{n}"), [&[1], line.strip_suffix(b"\r").unwrap_or(line)].concat());
    }

    for (n, &kind) in Kind::ALL.iter().enumerate() {
        let n = u8::try_from(n).expect("there are few");
        let name = kind.word();
        add("command_roundtrip", name, [[2, n], [42, 5], [1, 2], [3, 4], [206, 1]].concat());
        // After a put and a second connection, this by both.
        let args = [1, 2, 3, 1, 2, 3];
        let steps =
            [&[0, 0][..], &say(0, Kind::Put, &PUT), &CONNECT, &say(0, kind, &args), &say(1, kind, &args), &WAKE];
        add("engine_ops", name, steps.concat());
        add(
            "pair",
            name,
            [&[0, 2, n & 1, 0, 128 + n, 5, 1, 2, 3][..], &[11, 255, 14, 255, 9, 100, 13, 255, 15, 255, 6, 0]].concat(),
        );
        add("server_session", name, [3, 3, 0, 0, n, 42, 5, 1, 2, 3, 4, 5, 9, 2, 3, b'a', b'b', b'c'].to_vec());
        add("client_session", name, [2, 2, 2, 2, 0, 0, 100, n, 5, 1, 2, 3, 9, 255, 0, 11, 1, 5, 2, 7, 0].to_vec());
    }
    for (n, &kind) in ReplyKind::ALL.iter().enumerate() {
        let n = u8::try_from(n).expect("there are few");
        add("reply_roundtrip", &format!("{kind:?}"), [1, n, 42, 5, 1, 2, 3, 4, 5, n, 1, 9].to_vec());
    }
    for (name, steps) in scenarios() {
        add("engine_ops", name, [&[0, 0], &steps.concat()[..]].concat());
    }
    // Enough of them that a queue of replies is written, and compacted, bit by bit.
    add("server_session", "many-commands", [&[6, 5, 0][..], &[11, 252], &b"stats\r\n".repeat(36)].concat());

    // A reserve is sent, abandoned, answered with a job; another is sent, which confirms it.
    add(
        "pair",
        "a-job-for-nobody",
        vec![0, 2, 0, 0, 0, 4, 0, 11, 255, 14, 255, 9, 100, 13, 255, 15, 255, 0, 0, 11, 255],
    );
    add(
        "pair",
        "a-reserve-taken-over",
        vec![0, 2, 0, 0, 0, 11, 255, 4, 0, 0, 0, 14, 255, 9, 100, 13, 255, 15, 255, 6, 0],
    );

    // The client closes while a reserve waits at the server.
    add("pair", "closed-while-a-reserve-waits", vec![0, 2, 1, 0, 0, 11, 255, 14, 255]);

    // Limits that are not in the way, and a reply timeout of 5 s. What is sent: a command, and the timeout of its own.
    let session = |steps: &[&[u8]]| [&[4, 4, 3, 2, 0], &steps.concat()[..]].concat();
    let (write, pass, close) = (&[9, 255, 0][..], |quarters: u8| [5, quarters], &[6, 0][..]);
    let (reserve, stats) = (&[0, 0, 0][..], &[0, 100, 16, 0][..]);
    add("client_session", "a-reserve-taken-over", session(&[reserve, write, &[4, 0], reserve, write]));
    let patient = [0, 100, place(Kind::ReserveWithTimeout), 8, 0];
    let behind = session(&[&patient, stats, write, &[4, 0], &pass(255), &pass(255), &pass(255), &[7, 0]]);
    add("client_session", "late-behind-a-reserve-given-up", behind);
    add("client_session", "closed-while-a-reserve-waits", session(&[reserve, write, close, &[6, 40], &pass(255)]));
    add("client_session", "closed", session(&[stats, write, close, write, &pass(255)]));
    add("client_session", "a-body-that-does-not-come", session(&[reserve, write, &[15, 20, 4, 200], &[7; 201]]));

    // Any schedule will do: that bytes move as a rule is all that counts.
    for n in 0..8_u8 {
        let mut dice = Dice::of(&[n]);
        let schedule: Vec<u8> = (0..120).map(|_| u8::try_from(dice.below(130)).expect("below 130")).collect();
        add("driver_io", &format!("schedule-{n}"), schedule.clone());
        add("shared_client", &format!("schedule-{n}"), schedule);
    }

    // Limits that are not in the way. A put with a large body is sent, of which the transport takes nothing yet, and then a pipeline.
    let put = [4, 7];
    let pipeline = [8, 7, 3, 0, 0, 4, 1];
    add("driver_io", "a-pipeline-behind-a-large-put", [&[2, 2, 4, 1], &put[..], &[200, 0], &pipeline].concat());

    for (n, text) in [
        "beanstalk://Queue.example:11301/",
        "beanstalks://a,[FE80::1%eth0]:00080",
        "unix:///run/queue.sock,a",
        "[::1:1",
        "a:65536",
        "me:secret@a",
        "a, b",
        "redis://a",
        ",",
        "unix:/a://b",
    ]
    .iter()
    .enumerate()
    {
        add("endpoints", &format!("text-{n}"), [&[0], text.as_bytes()].concat());
    }
    add("endpoints", "pieces", [1, 0, 17, 21, 6, 15, 22, 6, 3, 34].to_vec());

    // Connected, nothing to replay, a job with this handler's verdict; then what is sent about it is answered.
    for (name, flags, verdict) in [("done", 0, 0), ("failed", 2, 2), ("buried", 4, 3), ("retried", 8, 4)] {
        let steps = [0, 0, 0, 0, 4, 3, 0, 8, verdict, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 3, 0, 14, 1, 5];
        add("worker_slot", name, [&[flags, 7], &steps[..]].concat());
    }

    let server = b"\x00current-jobs-ready: 3\ncmd-put: 7\nversion: \"1.12\"\nrusage-utime: 0.001234\ndraining: false\n\
                   id: 2e7d\nhostname: \"a\"\nos: #1 SMP: x\n";
    add("stats_decode", "server", server.to_vec());
    add("stats_decode", "tube", b"\x01name: \"default\"\ncurrent-using: 1\npause: 0\npause-time-left: -1\n".to_vec());
    add(
        "stats_decode",
        "job",
        b"\x02id: 1\ntube: a\nstate: ready\npri: 1024\nage: -1\ntime-left: 5\nnew: \"x\"\n".to_vec(),
    );
    add("stats_decode", "names", b"\x03- default\n- a\n".to_vec());
    seeds
}
