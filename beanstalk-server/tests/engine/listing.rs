//! Stats bodies, key by key.

use beanstalk_proto::{Dialect, server::Config};

use crate::harness::Server;

const STATS: &str = "\
---
current-jobs-urgent: 1
current-jobs-ready: 1
current-jobs-reserved: 1
current-jobs-delayed: 1
current-jobs-buried: 1
cmd-put: 4
cmd-peek: 1
cmd-peek-ready: 1
cmd-peek-delayed: 1
cmd-peek-buried: 1
cmd-reserve: 3
cmd-reserve-with-timeout: 1
cmd-delete: 1
cmd-release: 1
cmd-use: 1
cmd-watch: 1
cmd-ignore: 1
cmd-bury: 1
cmd-kick: 1
cmd-touch: 1
cmd-stats: 1
cmd-stats-job: 1
cmd-stats-tube: 1
cmd-list-tubes: 1
cmd-list-tube-used: 1
cmd-list-tubes-watched: 1
cmd-pause-tube: 1
job-timeouts: 0
total-jobs: 4
max-job-size: 65535
current-tubes: 1
current-connections: 2
current-producers: 1
current-workers: 2
current-waiting: 1
total-connections: 3
pid: 42
version: \"1.13\"
rusage-utime: 1.500000
rusage-stime: 0.000250
uptime: 7
binlog-oldest-index: 0
binlog-current-index: 0
binlog-records-migrated: 0
binlog-records-written: 0
binlog-max-size: 10485760
draining: false
id: 0123456789abcdef
hostname: \"host\"
os: \"#1 SMP: test\"
platform: \"x86_64\"

";

/// The three statistics, a while after some jobs were put.
fn statistics(dialect: Dialect) -> [String; 3] {
    let mut server = Server::with(Config { dialect, ..Config::default() });
    let [client, other] = server.connect_all();
    server
        .exchange(client, "put 0 0 60 1\na\nput 9999 0 60 1\nb\nput 5 100 60 1\nc\nput 0 0 60 1\nd\nreserve\nreserve");
    server.exchange(client, "bury 4 0");
    server.exchange(other, "watch a");
    server.advance_secs(7);
    ["stats", "stats-tube default", "stats-job 3"].map(|command| server.exchange(client, command))
}

#[test]
fn stats_has_every_key_in_its_order() {
    let mut server = Server::new();
    server.engine.set_cpu_time(std::time::Duration::from_millis(1500), std::time::Duration::from_micros(250));
    let [gone, client, waiting] = server.connect_all();
    server.disconnect(gone);
    server.exchange(client, "use default\nput 0 0 600 1\na\nput 0 0 600 1\nb\nput 0 100 600 1\nc\nput 0 0 600 1\nd");
    server.exchange(
        client,
        "reserve\nreserve\nbury 1 0\nreserve-with-timeout 0\nrelease 2 0 0\ntouch 4\npeek 1\npeek-ready",
    );
    server.exchange(
        client,
        "peek-delayed\npeek-buried\nwatch a\nignore a\nlist-tubes\nlist-tube-used\nlist-tubes-watched",
    );
    server.exchange(client, "pause-tube default 100\nkick 0\ndelete 9\nstats-job 1\nstats-tube default");
    server.exchange(waiting, "reserve");
    server.advance_secs(7);
    let stats = server.exchange(client, "stats");
    assert_eq!(stats, format!("OK {}\n{STATS}", STATS.len() - 1));
}

#[test]
fn stats_tube_and_stats_job_have_every_key_in_their_order() {
    let [_, tube, job] = statistics(Dialect::V1_13);
    let expected = "---\nname: \"default\"\ncurrent-jobs-urgent: 0\ncurrent-jobs-ready: 1\ncurrent-jobs-reserved: 1\n\
        current-jobs-delayed: 1\ncurrent-jobs-buried: 1\ntotal-jobs: 4\ncurrent-using: 2\ncurrent-watching: 2\n\
        current-waiting: 0\ncmd-delete: 0\ncmd-pause-tube: 0\npause: 0\npause-time-left: 0\n\n";
    assert_eq!(tube, format!("OK {}\n{expected}", expected.len() - 1));
    let expected = "---\nid: 3\ntube: \"default\"\nstate: delayed\npri: 5\nage: 7\ndelay: 100\nttr: 60\ntime-left: 93\n\
        file: 0\nreserves: 0\ntimeouts: 0\nreleases: 0\nburies: 0\nkicks: 0\n\n";
    assert_eq!(job, format!("OK {}\n{expected}", expected.len() - 1));
}

#[test]
fn as_1_12_only_the_version_is_quoted() {
    let [server, tube, job] = statistics(Dialect::V1_12);
    for (text, lines) in [
        (server, &["version: \"1.12\"", "hostname: host", "os: #1 SMP: test", "platform: x86_64"][..]),
        (tube, &["name: default"]),
        (job, &["tube: default"]),
    ] {
        for line in lines {
            assert!(text.lines().any(|other| other == *line), "{line} is not in {text}");
        }
    }
}

#[test]
fn a_command_that_is_refused_is_not_counted() {
    let mut server = Server::new();
    let client = server.connect();
    for bad in
        ["peek x", "reservex", "delete", "delete x", "kick x", "stats ", "list-tubes 1", "use a b", "pause-tube x"]
    {
        server.exchange(client, bad);
    }
    let stats = server.exchange(client, "stats");
    for line in stats.lines().filter(|line| line.starts_with("cmd-")) {
        assert!(line == "cmd-stats: 1" || line.ends_with(": 0"), "{line}");
    }
}

#[test]
fn pause_tube_with_a_bad_name_is_counted() {
    let mut server = Server::new();
    let client = server.connect();
    assert_eq!(server.exchange(client, "pause-tube -a 1\npause-tube nowhere 1"), "BAD_FORMAT\nNOT_FOUND\n");
    assert_eq!(crate::harness::value(&server.exchange(client, "stats"), "cmd-pause-tube"), "2");
}

#[test]
fn everything_returns_to_zero_when_everybody_has_gone_and_every_job_is_deleted() {
    let mut server = Server::new();
    let clients = server.connect_all::<5>();
    for (n, client) in clients.into_iter().enumerate() {
        server.exchange(
            client,
            &format!("use t{n}\nwatch t{n}\nput 0 0 60 1\nx\nput 0 9 60 1\ny\nreserve\nreserve-with-timeout 9"),
        );
    }
    for client in clients {
        server.disconnect(client);
    }
    let last = server.connect();
    for id in 1..=10 {
        assert_eq!(server.exchange(last, &format!("delete {id}")), "DELETED\n");
    }
    let stats = server.engine.stats(server.now);
    assert_eq!(stats.current_tubes, Some(1));
    assert_eq!(stats.current_connections, Some(1));
    for zero in [
        stats.current_jobs_ready,
        stats.current_jobs_urgent,
        stats.current_jobs_reserved,
        stats.current_jobs_delayed,
        stats.current_jobs_buried,
        stats.current_producers,
        stats.current_workers,
        stats.current_waiting,
    ] {
        assert_eq!(zero, Some(0));
    }
    assert_eq!(server.engine.poll_timeout(), None);
}
