//! A server of protocol 1.4.2, with every client: its statistics have fewer keys, and it lacks three commands of today.

use std::borrow::Cow;

use beanstalk_proto::{
    CommandError, Delete, Error, JobId, KickJob, PauseTube, Priority, ReserveJob, Stats, StatsJob, StatsTube,
    client::Config,
    stats::{Extra, JobState},
};
use beanstalk_tests::{
    peer::{AsyncStd, Blocking, Peer, Smol, Tokio},
    script::Script,
};

/// The keys that its protocol text lists, and those that it sends without telling.
const STATS: &str = "---
current-jobs-urgent: 1
current-jobs-ready: 2
current-jobs-reserved: 3
current-jobs-delayed: 4
current-jobs-buried: 5
cmd-put: 6
cmd-peek: 7
cmd-peek-ready: 8
cmd-peek-delayed: 9
cmd-peek-buried: 10
cmd-reserve: 11
cmd-reserve-with-timeout: 12
cmd-delete: 13
cmd-release: 14
cmd-use: 15
cmd-watch: 16
cmd-ignore: 17
cmd-bury: 18
cmd-kick: 19
cmd-touch: 20
cmd-stats: 21
cmd-stats-job: 22
cmd-stats-tube: 23
cmd-list-tubes: 24
cmd-list-tube-used: 25
cmd-list-tubes-watched: 26
job-timeouts: 27
total-jobs: 28
max-job-size: 65535
current-tubes: 29
current-connections: 30
current-producers: 31
current-workers: 32
current-waiting: 33
total-connections: 34
pid: 1042
version: 1.4.2
rusage-utime: 0.004000
rusage-stime: 1.000012
uptime: 77
binlog-oldest-index: 0
binlog-current-index: 0
binlog-max-size: 10485760
";

const STATS_TUBE: &str = "---
name: URLs-to-fetch
current-jobs-urgent: 0
current-jobs-ready: 1
current-jobs-reserved: 0
current-jobs-delayed: 0
current-jobs-buried: 2
total-jobs: 3
current-using: 1
current-watching: 0
current-waiting: 0
";

const STATS_JOB: &str = "---
id: 17
tube: URLs-to-fetch
state: buried
pri: 100
age: 12
delay: 0
ttr: 180
time-left: 0
reserves: 2
timeouts: 1
releases: 0
buries: 1
kicks: 0
";

/// Answers as that server does: it takes commands by how they begin, so that `reserve-job` is a bad `reserve`.
fn server() -> Script {
    Script::play(|remote| {
        while let Ok(line) = remote.line() {
            let reply = match line.as_str() {
                "stats" => format!("OK {}\r\n{STATS}\r\n", STATS.len()),
                "stats-tube URLs-to-fetch" => format!("OK {}\r\n{STATS_TUBE}\r\n", STATS_TUBE.len()),
                "stats-job 17" => format!("OK {}\r\n{STATS_JOB}\r\n", STATS_JOB.len()),
                "delete 17" => "DELETED\r\n".to_string(),
                line if line.starts_with("reserve") => "BAD_FORMAT\r\n".to_string(),
                _ => "UNKNOWN_COMMAND\r\n".to_string(),
            };
            remote.send(reply)?;
        }
        Ok(())
    })
}

/// The keys and values of a body, in its order.
fn pairs(body: &str) -> Vec<(&str, Cow<'_, str>)> {
    body.lines().skip(1).map(|line| line.split_once(": ").unwrap()).map(|(key, value)| (key, value.into())).collect()
}

fn statistics_with_fewer_keys_are_read<P: Peer>() {
    P::block_on(async {
        let server = server();
        let mut client = P::connect(server.address(), Config::default()).await.unwrap();
        let stats = client.call(Stats::new()).await.unwrap();
        assert_eq!((stats.current_jobs_buried, stats.cmd_list_tubes_watched), (Some(5), Some(26)));
        assert_eq!((stats.version.as_deref(), stats.binlog_max_size), (Some("1.4.2"), Some(10_485_760)));
        assert_eq!((stats.cmd_pause_tube, stats.draining, stats.id.as_deref()), (None, None, None));
        assert_eq!((stats.hostname.as_deref(), stats.binlog_records_written), (None, None));
        assert_eq!(stats.iter().collect::<Vec<_>>(), pairs(STATS));
        let tube = client.call(StatsTube::new("URLs-to-fetch")).await.unwrap();
        assert_eq!((tube.current_jobs_buried, tube.pause, tube.cmd_delete), (Some(2), None, None));
        assert_eq!(tube.iter().collect::<Vec<_>>(), pairs(STATS_TUBE));
        let job = client.call(StatsJob::new(17)).await.unwrap();
        assert_eq!((job.state.clone(), job.pri, job.file), (Some(JobState::Buried), Some(Priority(100)), None));
        assert_eq!(job.iter().collect::<Vec<_>>(), pairs(STATS_JOB));
        assert!(stats.extra.is_empty() && tube.extra.is_empty() && job.extra.is_empty());
    });
}

fn commands_that_it_lacks_are_refused_as_themselves<P: Peer>() {
    P::block_on(async {
        let server = server();
        let mut client = P::connect(server.address(), Config::default()).await.unwrap();
        let check = |result: Result<(), Error>, refusal, command: &str| {
            let error = result.unwrap_err();
            assert_eq!((error.command_error(), error.is_fatal()), (Some(refusal), false), "{error}");
            assert!(error.to_string().starts_with(command), "{error}");
        };
        check(client.call(KickJob::new(17)).await, CommandError::UnknownCommand, "kick-job 17: UNKNOWN_COMMAND");
        let reserved = client.call(ReserveJob::new(17)).await.map(drop);
        check(reserved, CommandError::BadFormat, "reserve-job 17: BAD_FORMAT");
        let paused = client.call(PauseTube::new("URLs-to-fetch", 1)).await;
        check(paused, CommandError::UnknownCommand, "pause-tube URLs-to-fetch: UNKNOWN_COMMAND");
        client.call(Delete::new(JobId(17))).await.unwrap();
    });
}

macro_rules! clients {
    ($($name:ident: $peer:ident;)*) => {
        $(mod $name {
            #[test]
            fn statistics_with_fewer_keys_are_read() {
                super::statistics_with_fewer_keys_are_read::<super::$peer>();
            }

            #[test]
            fn commands_that_it_lacks_are_refused_as_themselves() {
                super::commands_that_it_lacks_are_refused_as_themselves::<super::$peer>();
            }
        })*
    };
}

clients! {
    blocking: Blocking;
    tokio: Tokio;
    async_std: AsyncStd;
    smol: Smol;
}

#[test]
fn what_has_no_field_is_read_in_the_order_it_came() {
    let _bound = beanstalk_watchdog::bound();
    let all = Extra::decode(STATS_JOB.as_bytes()).unwrap();
    assert!(all.iter().map(|(key, value)| (key, Cow::from(value))).eq(pairs(STATS_JOB)));
    let body = format!("{STATS_JOB}flavour: \"sweet\"\nstate-of-mind: calm\n");
    let job = beanstalk_proto::stats::JobStats::decode(body.as_bytes()).unwrap();
    let known = pairs(STATS_JOB);
    let (fields, rest): (Vec<_>, Vec<_>) = job.iter().partition(|pair| known.contains(pair));
    assert_eq!(fields, known);
    assert_eq!(rest, [("flavour", Cow::from("sweet")), ("state-of-mind", Cow::from("calm"))]);
}
