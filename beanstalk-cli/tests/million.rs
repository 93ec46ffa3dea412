//! A million jobs are listed, exported, imported, moved and cleared in bounded memory. It takes minutes, so it runs when it is asked for:
//! `cargo test --release --test million -- --ignored --nocapture`.

#![allow(clippy::print_stderr, reason = "what it has measured is what it is for")]

mod support;

use std::{env, fs, process::Stdio, time::Instant};

use beanstalk_sync::{Client, Put};
use nix::sys::resource::{UsageWho, getrusage};
use support::Server;

/// How much the program may have in memory, whatever the number of jobs.
const LIMIT: i64 = 24 * 1024 * 1024;

/// How much any verb so far had in memory at most, in bytes. The servers are not among those that have ended.
fn peak() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system counts it").max_rss() * 1024
}

fn run(server: &Server, args: &[&str]) {
    let start = Instant::now();
    assert!(server.command(args).stdout(Stdio::null()).status().expect("it runs").success(), "{args:?}");
    let (seconds, peak) = (start.elapsed().as_secs_f64(), peak());
    eprintln!("{seconds:7.1} s, {:5.1} MiB at most so far: {}", peak as f64 / 1024.0 / 1024.0, args.join(" "));
    assert!(peak < LIMIT, "{args:?}");
}

#[test]
#[ignore = "it takes minutes"]
fn a_million_jobs_take_no_more_memory_than_a_thousand() {
    let jobs: u64 = env::var("BEANSTALK_JOBS").map_or(1_000_000, |jobs| jobs.parse().expect("a number"));
    let (Some(server), Some(other)) = (Server::real(), Server::real()) else { return };
    let mut client = Client::connect(&server.endpoint()).expect("it listens");
    client.use_tube("t").expect("it is a tube");
    for put in client.call_all((0..jobs).map(|_| Put::of("sixteen bytes ..").ttr(3600_u32))) {
        put.expect("it is put").inserted().expect("there is memory");
    }
    let file = env::temp_dir().join(format!("beanstalk-cli-million-{}", std::process::id()));
    let path = file.to_str().expect("it is text");
    run(&server, &["jobs", "-t", "t"]);
    run(&server, &["jobs", "-t", "t", "-o", "json"]);
    run(&server, &["export", path]);
    run(&other, &["import", path]);
    fs::remove_file(&file).expect("it is there");
    run(&server, &["clear", "t", "--yes", "--text", "no such text"]);
    run(&other, &["move", "t", "u", "--yes"]);
    run(&server, &["clear", "t", "--yes"]);
    for (server, tube, left) in [(&server, "t", 0), (&other, "u", jobs)] {
        let mut client = Client::connect(&server.endpoint()).expect("it listens");
        client.watch(tube).expect("it is a tube");
        assert_eq!(client.stats_tube(tube).expect("it is watched").current_jobs_ready, Some(left));
    }
}
