//! Bodies as servers write them, without the CR LF that follows.
//!
//! Those of 1.12 and 1.13 were captured, after a put with and one without a delay, a reserve and a pause. The one of
//! 1.10 is that of 1.12 with the differences of that release.

/// `stats`.
pub(super) const STATS_1_12: &str = r##"---
current-jobs-urgent: 0
current-jobs-ready: 0
current-jobs-reserved: 1
current-jobs-delayed: 1
current-jobs-buried: 0
cmd-put: 2
cmd-peek: 0
cmd-peek-ready: 0
cmd-peek-delayed: 0
cmd-peek-buried: 0
cmd-reserve: 0
cmd-reserve-with-timeout: 2
cmd-delete: 0
cmd-release: 0
cmd-use: 1
cmd-watch: 1
cmd-ignore: 0
cmd-bury: 0
cmd-kick: 0
cmd-touch: 0
cmd-stats: 1
cmd-stats-job: 2
cmd-stats-tube: 1
cmd-list-tubes: 1
cmd-list-tube-used: 0
cmd-list-tubes-watched: 0
cmd-pause-tube: 1
job-timeouts: 0
total-jobs: 2
max-job-size: 65535
current-tubes: 2
current-connections: 1
current-producers: 1
current-workers: 1
current-waiting: 0
total-connections: 1
pid: 7518
version: "1.12"
rusage-utime: 0.002264
rusage-stime: 0.000000
uptime: 3
binlog-oldest-index: 0
binlog-current-index: 0
binlog-records-migrated: 0
binlog-records-written: 0
binlog-max-size: 10485760
draining: false
id: 6bd42699540d91d0
hostname: vm
os: #1 SMP PREEMPT_DYNAMIC @0
platform: x86_64
"##;

/// `stats`.
pub(super) const STATS_1_13: &str = r##"---
current-jobs-urgent: 0
current-jobs-ready: 0
current-jobs-reserved: 1
current-jobs-delayed: 1
current-jobs-buried: 0
cmd-put: 2
cmd-peek: 0
cmd-peek-ready: 0
cmd-peek-delayed: 0
cmd-peek-buried: 0
cmd-reserve: 0
cmd-reserve-with-timeout: 2
cmd-delete: 0
cmd-release: 0
cmd-use: 1
cmd-watch: 1
cmd-ignore: 0
cmd-bury: 0
cmd-kick: 0
cmd-touch: 0
cmd-stats: 1
cmd-stats-job: 2
cmd-stats-tube: 1
cmd-list-tubes: 1
cmd-list-tube-used: 0
cmd-list-tubes-watched: 0
cmd-pause-tube: 1
job-timeouts: 0
total-jobs: 2
max-job-size: 65535
current-tubes: 2
current-connections: 1
current-producers: 1
current-workers: 1
current-waiting: 0
total-connections: 1
pid: 7515
version: "1.13"
rusage-utime: 0.001546
rusage-stime: 0.000000
uptime: 1
binlog-oldest-index: 0
binlog-current-index: 0
binlog-records-migrated: 0
binlog-records-written: 0
binlog-max-size: 10485760
draining: false
id: a419a170a79c9f22
hostname: "vm"
os: "#1 SMP PREEMPT_DYNAMIC @0"
platform: "x86_64"
"##;

/// `stats`.
pub(super) const STATS_1_10: &str = r##"---
current-jobs-urgent: 0
current-jobs-ready: 0
current-jobs-reserved: 1
current-jobs-delayed: 1
current-jobs-buried: 0
cmd-put: 2
cmd-peek: 0
cmd-peek-ready: 0
cmd-peek-delayed: 0
cmd-peek-buried: 0
cmd-reserve: 0
cmd-reserve-with-timeout: 2
cmd-delete: 0
cmd-release: 0
cmd-use: 1
cmd-watch: 1
cmd-ignore: 0
cmd-bury: 0
cmd-kick: 0
cmd-touch: 0
cmd-stats: 1
cmd-stats-job: 2
cmd-stats-tube: 1
cmd-list-tubes: 1
cmd-list-tube-used: 0
cmd-list-tubes-watched: 0
cmd-pause-tube: 1
job-timeouts: 0
total-jobs: 2
max-job-size: 65535
current-tubes: 2
current-connections: 1
current-producers: 1
current-workers: 1
current-waiting: 0
total-connections: 1
pid: 7518
version: 1.10
rusage-utime: 0.002264
rusage-stime: 0.000000
uptime: 3
binlog-oldest-index: 0
binlog-current-index: 0
binlog-records-migrated: 0
binlog-records-written: 0
binlog-max-size: 10485760
id: 6bd42699540d91d0
hostname: vm
"##;

/// `stats-tube` of a paused tube.
pub(super) const STATS_TUBE_1_12: &str = r##"---
name: emails.outgoing
current-jobs-urgent: 0
current-jobs-ready: 0
current-jobs-reserved: 1
current-jobs-delayed: 1
current-jobs-buried: 0
total-jobs: 2
current-using: 1
current-watching: 1
current-waiting: 0
cmd-delete: 0
cmd-pause-tube: 1
pause: 5
pause-time-left: 3
"##;

/// `stats-tube` of a paused tube.
pub(super) const STATS_TUBE_1_13: &str = r##"---
name: "emails.outgoing"
current-jobs-urgent: 0
current-jobs-ready: 0
current-jobs-reserved: 1
current-jobs-delayed: 1
current-jobs-buried: 0
total-jobs: 2
current-using: 1
current-watching: 1
current-waiting: 0
cmd-delete: 0
cmd-pause-tube: 1
pause: 5
pause-time-left: 3
"##;

/// `stats-job` of a held job.
pub(super) const STATS_JOB_1_12: &str = r##"---
id: 1
tube: emails.outgoing
state: reserved
pri: 100
age: 1
delay: 0
ttr: 60
time-left: 58
file: 0
reserves: 1
timeouts: 0
releases: 0
buries: 0
kicks: 0
"##;

/// `stats-job` of a delayed job.
pub(super) const STATS_JOB_1_13: &str = r##"---
id: 2
tube: "emails.outgoing"
state: delayed
pri: 1024
age: 1
delay: 30
ttr: 60
time-left: 28
file: 0
reserves: 0
timeouts: 0
releases: 0
buries: 0
kicks: 0
"##;

/// `list-tubes`, the same in all releases.
pub(super) const LIST_TUBES: &str = r##"---
- default
- emails.outgoing
"##;
