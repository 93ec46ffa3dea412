//! Which metrics there are.

use beanstalk_sync::stats::{ServerStats, TubeStats};

/// Labels that the metrics have themselves.
pub(super) const LABELS: [&str; 6] = ["server", "tube", "state", "command", "mode", "le"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// A metric: its samples have a label each besides those of the server or tube, or one has none.
pub(super) struct Family<T: 'static> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) samples: &'static [Sample<T>],
}

/// A label and where the value is, in the unit of the metric.
pub(super) type Sample<T> = (&'static str, fn(&T) -> Option<f64>);

#[allow(clippy::cast_precision_loss, reason = "Prometheus counts in floating point; exact up to 2^53")]
fn count(number: Option<u64>) -> Option<f64> {
    number.map(|number| number as f64)
}

macro_rules! family {
    ($stats:ident: $name:literal $kind:ident $help:literal [$($($label:literal)? $field:ident),+]) => {
        Family { name: $name, kind: Kind::$kind, help: $help, samples: &[$((concat!($($label)?), |stats: &$stats| count(stats.$field))),+] }
    };
}

macro_rules! seconds {
    ($stats:ident: $name:literal $kind:ident $help:literal [$($($label:literal)? $field:ident),+]) => {
        Family {
            name: $name,
            kind: Kind::$kind,
            help: $help,
            samples: &[$((concat!($($label)?), |stats: &$stats| stats.$field.map(|time| time.as_secs_f64()))),+],
        }
    };
}

pub(super) const SERVER: &[Family<ServerStats>] = &[
    family!(ServerStats: "beanstalkd_jobs" Gauge "Jobs by state." [
        r#"state="ready""# current_jobs_ready, r#"state="reserved""# current_jobs_reserved,
        r#"state="delayed""# current_jobs_delayed, r#"state="buried""# current_jobs_buried
    ]),
    family!(ServerStats: "beanstalkd_urgent_jobs" Gauge "Ready jobs with a priority below 1024." [current_jobs_urgent]),
    family!(ServerStats: "beanstalkd_jobs_total" Counter "Jobs put." [total_jobs]),
    family!(ServerStats: "beanstalkd_job_timeouts_total" Counter "How often a job's time to run was over while it was held." [job_timeouts]),
    family!(ServerStats: "beanstalkd_commands_total" Counter "Commands by name." [
        r#"command="put""# cmd_put, r#"command="peek""# cmd_peek, r#"command="peek-ready""# cmd_peek_ready,
        r#"command="peek-delayed""# cmd_peek_delayed, r#"command="peek-buried""# cmd_peek_buried,
        r#"command="reserve""# cmd_reserve, r#"command="reserve-with-timeout""# cmd_reserve_with_timeout,
        r#"command="delete""# cmd_delete, r#"command="release""# cmd_release, r#"command="use""# cmd_use,
        r#"command="watch""# cmd_watch, r#"command="ignore""# cmd_ignore, r#"command="bury""# cmd_bury,
        r#"command="kick""# cmd_kick, r#"command="touch""# cmd_touch, r#"command="stats""# cmd_stats,
        r#"command="stats-job""# cmd_stats_job, r#"command="stats-tube""# cmd_stats_tube,
        r#"command="list-tubes""# cmd_list_tubes, r#"command="list-tube-used""# cmd_list_tube_used,
        r#"command="list-tubes-watched""# cmd_list_tubes_watched, r#"command="pause-tube""# cmd_pause_tube
    ]),
    family!(ServerStats: "beanstalkd_max_job_size_bytes" Gauge "The longest body that the server takes." [max_job_size]),
    family!(ServerStats: "beanstalkd_tubes" Gauge "Tubes that exist." [current_tubes]),
    family!(ServerStats: "beanstalkd_connections" Gauge "Open connections." [current_connections]),
    family!(ServerStats: "beanstalkd_producers" Gauge "Open connections that have put." [current_producers]),
    family!(ServerStats: "beanstalkd_workers" Gauge "Open connections that have reserved." [current_workers]),
    family!(ServerStats: "beanstalkd_waiting" Gauge "Connections that wait in a reserve." [current_waiting]),
    family!(ServerStats: "beanstalkd_connections_total" Counter "Connections so far." [total_connections]),
    seconds!(ServerStats: "beanstalkd_cpu_seconds_total" Counter "Processor time." [
        r#"mode="user""# rusage_utime, r#"mode="system""# rusage_stime
    ]),
    seconds!(ServerStats: "beanstalkd_uptime_seconds" Gauge "Since the server started." [uptime]),
    family!(ServerStats: "beanstalkd_binlog_oldest_index" Gauge "The oldest binlog file still needed; 0 without a binlog." [binlog_oldest_index]),
    family!(ServerStats: "beanstalkd_binlog_current_index" Gauge "The binlog file being written; 0 without a binlog." [binlog_current_index]),
    family!(ServerStats: "beanstalkd_binlog_records_migrated_total" Counter "Records rewritten so that old binlog files can go." [binlog_records_migrated]),
    family!(ServerStats: "beanstalkd_binlog_records_written_total" Counter "Records written to the binlog." [binlog_records_written]),
    Family {
        name: "beanstalkd_draining",
        kind: Kind::Gauge,
        help: "Whether the server refuses new jobs.",
        samples: &[("", |stats| stats.draining.map(|draining| f64::from(u8::from(draining))))],
    },
];

pub(super) const TUBE: &[Family<TubeStats>] = &[
    family!(TubeStats: "beanstalkd_tube_jobs" Gauge "Jobs of the tube by state." [
        r#"state="ready""# current_jobs_ready, r#"state="reserved""# current_jobs_reserved,
        r#"state="delayed""# current_jobs_delayed, r#"state="buried""# current_jobs_buried
    ]),
    family!(TubeStats: "beanstalkd_tube_urgent_jobs" Gauge "Ready jobs of the tube with a priority below 1024." [current_jobs_urgent]),
    family!(TubeStats: "beanstalkd_tube_jobs_total" Counter "Jobs put into the tube." [total_jobs]),
    family!(TubeStats: "beanstalkd_tube_deletes_total" Counter "Jobs of the tube that were deleted." [cmd_delete]),
    family!(TubeStats: "beanstalkd_tube_pauses_total" Counter "pause-tube commands for the tube." [cmd_pause_tube]),
    family!(TubeStats: "beanstalkd_tube_using" Gauge "Connections that use the tube." [current_using]),
    family!(TubeStats: "beanstalkd_tube_watching" Gauge "Connections that watch the tube." [current_watching]),
    family!(TubeStats: "beanstalkd_tube_waiting" Gauge "Connections that wait in a reserve and watch the tube." [current_waiting]),
    seconds!(TubeStats: "beanstalkd_tube_pause_left_seconds" Gauge "What is left of the pause; 0 if there is none." [pause_time_left]),
];
