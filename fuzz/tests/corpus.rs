//! The committed seeds: every target holds on each of its own, every target has some, and every command and every reply is in them.
//!
//! `WRITE_SEEDS=1 cargo test` writes the seeds that are made here; others were found by fuzzing and kept because they reach
//! something.

use std::{env, fs, path::PathBuf, sync::Once};

use beanstalk_fuzz::{TARGETS, r#gen, source::Source};
use beanstalk_proto::{Job, JobId, Kind, Reply, ReplyKind};

fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "corpus", target].iter().collect()
}

#[test]
fn every_target_holds_on_its_seeds() {
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
    for &kind in Kind::ALL {
        assert_eq!(r#gen::command(kind, &mut Source::new(&[70; 40])).kind(), kind);
    }
    for &kind in ReplyKind::ALL {
        assert_eq!(r#gen::reply(kind, &mut Source::new(&[70; 40])).kind(), Some(kind));
    }
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
    add("reply_decode", "negative-length", b"OK -100\r\n".to_vec());
    add("reply_decode", "a-longest-line", [vec![b'x'; 222], b"\r\nDELETED\r\n".to_vec()].concat());
    add("reply_decode", "too-long-a-line", [vec![b'x'; 223], b"\r\n".to_vec()].concat());
    add("reply_decode", "no-line-end-behind-a-body", b"FOUND 1 3\r\nabcdef".to_vec());

    let mut commands = Vec::new();
    for &kind in Kind::ALL {
        if kind != Kind::Quit {
            let command = r#gen::command(kind, &mut Source::new(&[42, 5, 1, 2, 3, 4, 5]));
            command.encode_to(&mut commands).expect("it can be said");
        }
    }
    let quirks = b"put 0 0 1 3 x\r\nabc\r\nkick -1\r\nreserve-with-timeout  07x\r\npause-tubedefault 1\r\nreservex\r\n\
                   a\0b\r\nput 1 2 3 999\r\nstats-tube\r\nuse -a\r\nuse a\r\r\nput 0 0 0 2\r\nabcd\r\nquitx\r\nstats\r\n";
    add("command_decode", "every-command", commands.clone());
    add("command_decode", "quirks", quirks.to_vec());
    add("command_decode", "too-long-a-line", [vec![b'x'; 500], b"\r\nstats\r\n".to_vec()].concat());

    add("differential", "replies", [&[0], &replies[..]].concat());
    for (name, dialect) in [("1.13", 0), ("1.12", 1)] {
        add("differential", &format!("session-{name}"), [&[2, dialect, 100], &commands[..]].concat());
        add("differential", &format!("session-quirks-{name}"), [&[2, dialect, 100], &quirks[..]].concat());
    }
    for (n, line) in quirks.split(|&byte| byte == b'\n').enumerate() {
        add("differential", &format!("line-{n}"), [&[1], line.strip_suffix(b"\r").unwrap_or(line)].concat());
    }

    for (n, &kind) in Kind::ALL.iter().enumerate() {
        let n = u8::try_from(n).expect("there are few");
        let name = kind.word();
        add("command_roundtrip", name, [[2, n], [42, 5], [1, 2], [3, 4], [206, 1]].concat());
        // A put, then this twice with a second between, from two connections.
        let put = [90, 0, 0, 0, 0, 2, 0, 0];
        add(
            "engine_ops",
            name,
            [&[0, 1, 50, 50][..], &put, &[90, 0, n, 0, 1, 2, 3, 20, 4, 90, 1, n, 0, 1, 2]].concat(),
        );
        add(
            "pair",
            name,
            [&[0, 2, 0, 128 + n, 5, 1, 2, 3][..], &[11, 255, 14, 255, 9, 100, 13, 255, 15, 255, 6, 0]].concat(),
        );
        add("server_session", name, [3, 3, 0, 0, n, 42, 5, 1, 2, 3, 4, 5, 9, 2, 3, b'a', b'b', b'c'].to_vec());
        add("client_session", name, [2, 2, 2, 2, 0, 100, n, 5, 1, 2, 3, 9, 255, 0, 11, 1, 5, 2, 7, 0].to_vec());
    }
    for (n, &kind) in ReplyKind::ALL.iter().enumerate() {
        let n = u8::try_from(n).expect("there are few");
        add("reply_roundtrip", &format!("{kind:?}"), [1, n, 42, 5, 1, 2, 3, 4, 5, n, 1, 9].to_vec());
    }
    // A reserve is sent, abandoned, answered with a job; another is sent, which confirms it.
    add("pair", "a-job-for-nobody", vec![0, 2, 0, 0, 4, 0, 11, 255, 14, 255, 9, 100, 13, 255, 15, 255, 0, 0, 11, 255]);
    add("pair", "a-reserve-taken-over", vec![0, 2, 0, 0, 11, 255, 4, 0, 0, 0, 14, 255, 9, 100, 13, 255, 15, 255, 6, 0]);

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
