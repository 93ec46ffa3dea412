//! Statistics of the server, a tube and a job; and lists of tube names.
//!
//! ```text
//! ---                     the first line
//! pid: 5605               a key, a colon and a space, a value
//! version: "1.12"         some releases put quotes around some values
//! os: Linux: #1 SMP       not YAML, although it nearly looks like it
//! ```
//!
//! So this is no YAML parser. A line is split at its first `: `, and quotes are taken off if there are both. Then:
//!
//! - a key the server did not send is `None`: older releases send fewer keys;
//! - a key not known here is kept, in order, in [`Extra`];
//! - a known key with a value that makes no sense, or one that comes twice, is a [`StatsError`] that names it; so are
//!   text that is not UTF-8 and a line without a key. Nothing becomes zero silently.
//!
//! The server counts some times down past zero, and prints them with a sign. Time left cannot be negative here: where
//! a field is documented so, a negative number is read as no time at all.
//!
//! ```
//! use beanstalk_proto::stats::{JobState, JobStats};
//! use core::time::Duration;
//!
//! let stats = JobStats::decode(b"---\nid: 7\nstate: delayed\ndelay: 30\nflavour: sweet\n")?;
//! assert_eq!(stats.state, Some(JobState::Delayed));
//! assert_eq!(stats.delay, Some(Duration::from_secs(30)));
//! assert_eq!(stats.ttr, None);
//! assert_eq!(stats.extra.get("flavour"), Some("sweet"));
//!
//! // As data, whatever the server:
//! for (key, value) in stats.iter() {
//!     println!("{key} = {value}");
//! }
//! # Ok::<(), beanstalk_proto::stats::StatsError>(())
//! ```

#[cfg(feature = "serde")]
mod data;
#[macro_use]
mod emit;
mod error;
mod extra;
mod lines;
mod value;

use alloc::{borrow::Cow, boxed::Box, vec::Vec};
use core::{fmt, time::Duration};

pub use error::StatsError;
pub use extra::Extra;

use crate::types::{Dialect, Excerpt, JobId, Priority, TubeName};

stats! {
    /// The server as a whole: the reply to `stats`. Counters start when the server does.
    ///
    /// A field is `None` if the server does not send its key; a key without a field is in `extra`.
    ///
    /// ```
    /// use beanstalk_proto::stats::ServerStats;
    ///
    /// let body = b"---\ncurrent-jobs-ready: 3\nversion: \"1.13\"\ncolour: red\n";
    /// let stats = ServerStats::decode(body)?;
    /// assert_eq!(stats.current_jobs_ready, Some(3));
    /// assert_eq!(stats.version.as_deref(), Some("1.13"));
    /// assert_eq!((stats.draining, stats.extra.get("colour")), (None, Some("red")));
    /// # Ok::<(), beanstalk_proto::stats::StatsError>(())
    /// ```
    pub struct ServerStats {
        /// Ready jobs with a priority below 1024.
        "current-jobs-urgent" current_jobs_urgent: u64 = Count,
        /// Jobs in the ready queues.
        "current-jobs-ready" current_jobs_ready: u64 = Count,
        /// Jobs held by a connection.
        "current-jobs-reserved" current_jobs_reserved: u64 = Count,
        /// Jobs that wait for their delay to pass.
        "current-jobs-delayed" current_jobs_delayed: u64 = Count,
        /// Jobs that are buried.
        "current-jobs-buried" current_jobs_buried: u64 = Count,
        /// `put` commands.
        "cmd-put" cmd_put: u64 = Count,
        /// `peek` commands.
        "cmd-peek" cmd_peek: u64 = Count,
        /// `peek-ready` commands.
        "cmd-peek-ready" cmd_peek_ready: u64 = Count,
        /// `peek-delayed` commands.
        "cmd-peek-delayed" cmd_peek_delayed: u64 = Count,
        /// `peek-buried` commands.
        "cmd-peek-buried" cmd_peek_buried: u64 = Count,
        /// `reserve` commands.
        "cmd-reserve" cmd_reserve: u64 = Count,
        /// `reserve-with-timeout` commands.
        "cmd-reserve-with-timeout" cmd_reserve_with_timeout: u64 = Count,
        /// `delete` commands.
        "cmd-delete" cmd_delete: u64 = Count,
        /// `release` commands.
        "cmd-release" cmd_release: u64 = Count,
        /// `use` commands.
        "cmd-use" cmd_use: u64 = Count,
        /// `watch` commands.
        "cmd-watch" cmd_watch: u64 = Count,
        /// `ignore` commands.
        "cmd-ignore" cmd_ignore: u64 = Count,
        /// `bury` commands.
        "cmd-bury" cmd_bury: u64 = Count,
        /// `kick` commands.
        "cmd-kick" cmd_kick: u64 = Count,
        /// `touch` commands.
        "cmd-touch" cmd_touch: u64 = Count,
        /// `stats` commands, this one included.
        "cmd-stats" cmd_stats: u64 = Count,
        /// `stats-job` commands.
        "cmd-stats-job" cmd_stats_job: u64 = Count,
        /// `stats-tube` commands.
        "cmd-stats-tube" cmd_stats_tube: u64 = Count,
        /// `list-tubes` commands.
        "cmd-list-tubes" cmd_list_tubes: u64 = Count,
        /// `list-tube-used` commands.
        "cmd-list-tube-used" cmd_list_tube_used: u64 = Count,
        /// `list-tubes-watched` commands.
        "cmd-list-tubes-watched" cmd_list_tubes_watched: u64 = Count,
        /// `pause-tube` commands.
        "cmd-pause-tube" cmd_pause_tube: u64 = Count,
        /// How often a job's ttr ran out while it was held.
        "job-timeouts" job_timeouts: u64 = Count,
        /// Jobs put so far.
        "total-jobs" total_jobs: u64 = Count,
        /// The longest body the server takes, in bytes.
        "max-job-size" max_job_size: u64 = Count,
        /// Tubes that exist.
        "current-tubes" current_tubes: u64 = Count,
        /// Open connections.
        "current-connections" current_connections: u64 = Count,
        /// Open connections that have put.
        "current-producers" current_producers: u64 = Count,
        /// Open connections that have reserved.
        "current-workers" current_workers: u64 = Count,
        /// Connections that wait in a reserve.
        "current-waiting" current_waiting: u64 = Count,
        /// Connections so far.
        "total-connections" total_connections: u64 = Count,
        /// The server's process id.
        "pid" pid: u64 = Count,
        /// The server's release, as text: `1.10` is not a number.
        "version" version: Box<str> = QuotedText,
        /// Processor time spent in the server's own code.
        "rusage-utime" rusage_utime: Duration = Micros,
        /// Processor time spent in the kernel for the server.
        "rusage-stime" rusage_stime: Duration = Micros,
        /// Since the server started.
        "uptime" uptime: Duration = Seconds,
        /// The oldest binlog file still needed; 0 without a binlog.
        "binlog-oldest-index" binlog_oldest_index: u64 = Count,
        /// The binlog file being written; 0 without a binlog.
        "binlog-current-index" binlog_current_index: u64 = Count,
        /// Records rewritten so that old binlog files can go.
        "binlog-records-migrated" binlog_records_migrated: u64 = Count,
        /// Records written to the binlog.
        "binlog-records-written" binlog_records_written: u64 = Count,
        /// The size of a binlog file, in bytes.
        "binlog-max-size" binlog_max_size: u64 = Count,
        /// Whether the server refuses new jobs. Not sent by 1.10.
        "draining" draining: bool = Flag,
        /// The random id of this run of the server: hexadecimal digits, which may happen to look like a number.
        "id" id: Box<str> = BareText,
        /// The machine's name.
        "hostname" hostname: Box<str> = Text,
        /// The kernel's version. Not sent by 1.10.
        "os" os: Box<str> = Text,
        /// The machine's architecture. Not sent by 1.10.
        "platform" platform: Box<str> = Text,
    }
}

stats! {
    /// One tube: the reply to `stats-tube`. Counters start when the tube comes into being.
    ///
    /// A field is `None` if the server does not send its key; a key without a field is in `extra`.
    ///
    /// ```
    /// use beanstalk_proto::stats::TubeStats;
    ///
    /// let body = b"---\nname: emails\ncurrent-jobs-ready: 3\ncurrent-watching: 0\n";
    /// let stats = TubeStats::decode(body)?;
    /// // Jobs, and nobody who would take them:
    /// assert_eq!((stats.current_jobs_ready, stats.current_watching), (Some(3), Some(0)));
    /// # Ok::<(), beanstalk_proto::stats::StatsError>(())
    /// ```
    pub struct TubeStats {
        /// The tube.
        "name" name: TubeName = Tube,
        /// Ready jobs with a priority below 1024.
        "current-jobs-urgent" current_jobs_urgent: u64 = Count,
        /// Jobs in the ready queue.
        "current-jobs-ready" current_jobs_ready: u64 = Count,
        /// Jobs held by a connection.
        "current-jobs-reserved" current_jobs_reserved: u64 = Count,
        /// Jobs that wait for their delay to pass.
        "current-jobs-delayed" current_jobs_delayed: u64 = Count,
        /// Jobs that are buried.
        "current-jobs-buried" current_jobs_buried: u64 = Count,
        /// Jobs put into this tube so far.
        "total-jobs" total_jobs: u64 = Count,
        /// Connections that use the tube.
        "current-using" current_using: u64 = Count,
        /// Connections that watch the tube.
        "current-watching" current_watching: u64 = Count,
        /// Connections that wait in a reserve and watch the tube.
        "current-waiting" current_waiting: u64 = Count,
        /// Jobs of this tube that were deleted.
        "cmd-delete" cmd_delete: u64 = Count,
        /// `pause-tube` commands for this tube.
        "cmd-pause-tube" cmd_pause_tube: u64 = Count,
        /// How long the tube was paused for; zero if it is not.
        "pause" pause: Duration = Seconds,
        /// What is left of the pause; zero if it is over, also where the server prints a negative number.
        "pause-time-left" pause_time_left: Duration = SecondsOrPast,
    }
}

stats! {
    /// One job: the reply to `stats-job`.
    ///
    /// A field is `None` if the server does not send its key; a key without a field is in `extra`.
    ///
    /// ```
    /// use beanstalk_proto::stats::{JobState, JobStats};
    ///
    /// let stats = JobStats::decode(b"---\nid: 7\nstate: buried\nreleases: 9\n")?;
    /// assert_eq!((stats.state, stats.releases), (Some(JobState::Buried), Some(9)));
    /// # Ok::<(), beanstalk_proto::stats::StatsError>(())
    /// ```
    pub struct JobStats {
        /// The job.
        "id" id: JobId = Job,
        /// The tube it is in.
        "tube" tube: TubeName = Tube,
        /// Which queue it is in.
        "state" state: JobState = State,
        /// Its priority, from the put or the last release or bury.
        "pri" pri: Priority = Pri,
        /// Since it was put; zero if the server's clock was set back behind that, where it prints a negative number.
        "age" age: Duration = SecondsOrPast,
        /// The delay it was put or last released with. It outlives a kick.
        "delay" delay: Duration = Seconds,
        /// How long a worker may hold it.
        "ttr" ttr: Duration = Seconds,
        /// Until a held job's ttr runs out or a delayed job becomes ready; zero in another state, and if it is due, also
        /// where the server prints a negative number.
        "time-left" time_left: Duration = SecondsOrPast,
        /// The binlog file that holds it; 0 without a binlog.
        "file" file: u64 = Count,
        /// How often it was reserved.
        "reserves" reserves: u64 = Count,
        /// How often its ttr ran out while it was held.
        "timeouts" timeouts: u64 = Count,
        /// How often it was released.
        "releases" releases: u64 = Count,
        /// How often it was buried.
        "buries" buries: u64 = Count,
        /// How often it was kicked.
        "kicks" kicks: u64 = Count,
    }
}

/// The state of a job: which queue it is in, or that a connection holds it.
///
/// ```
/// use beanstalk_proto::stats::JobState;
///
/// // As `stats-job` has it, and as it is printed.
/// let state = JobState::from("buried");
/// assert_eq!(state, JobState::Buried);
/// assert_eq!(state.to_string(), "buried");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// `ready`: the next reserve may take it.
    Ready,
    /// `delayed`: it becomes ready when its delay has passed.
    Delayed,
    /// `reserved`: a connection holds it.
    Reserved,
    /// `buried`: it waits to be kicked.
    Buried,
    /// `invalid`: what real servers send for a job whose body has not arrived in full.
    Invalid,
    /// A word not known here.
    Unknown(Box<str>),
}

impl JobState {
    /// Returns the word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Reserved => "reserved",
            Self::Buried => "buried",
            Self::Invalid => "invalid",
            Self::Unknown(word) => word,
        }
    }
}

impl From<&str> for JobState {
    fn from(word: &str) -> Self {
        let known = [Self::Ready, Self::Delayed, Self::Reserved, Self::Buried, Self::Invalid];
        known.into_iter().find(|state| state.as_str() == word).unwrap_or_else(|| Self::Unknown(word.into()))
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Returns the value of one key in the body of an `OK` reply, without quotes, and reads no further: for programs that need one value of
/// each of many bodies. `None` if no line has the key, or its value is not text.
///
/// ```
/// use beanstalk_proto::stats;
///
/// assert_eq!(stats::value_of(b"---\nid: 7\nstate: delayed\n", "state"), Some("delayed"));
/// ```
#[must_use]
pub fn value_of<'a>(body: &'a [u8], key: &str) -> Option<&'a str> {
    let mut lines = lines::lines(body).ok()?;
    loop {
        if let Some(value) = lines.value_of(key) {
            return core::str::from_utf8(value).ok().map(lines::unquoted);
        }
        lines.next()?;
    }
}

/// Reads a list of tubes: the body of an `OK` reply (without the CR LF that follows it) to `list-tubes` or
/// `list-tubes-watched`, in the server's order.
///
/// # Errors
///
/// A [`StatsError`] with the line that is no item of a list, or whose name is no tube name.
///
/// ```
/// use beanstalk_proto::stats;
///
/// assert_eq!(stats::decode_names(b"---\n- default\n- emails\n")?, ["default", "emails"]);
/// # Ok::<(), stats::StatsError>(())
/// ```
pub fn decode_names(body: &[u8]) -> Result<Vec<TubeName>, StatsError> {
    let name = |line: &[u8]| match line.strip_prefix(lines::ITEM) {
        Some(name) => TubeName::from_bytes(name).map_err(StatsError::Name),
        None => Err(StatsError::Line { line: Excerpt::new(line) }),
    };
    lines::lines(body)?.map(name).collect()
}

/// Appends a list of tubes as the server writes it (without the CR LF that follows it).
///
/// ```
/// use beanstalk_proto::{TubeName, stats};
///
/// let mut body = Vec::new();
/// stats::encode_names(&[TubeName::default()], &mut body);
/// assert_eq!(body, b"---\n- default\n");
/// ```
pub fn encode_names<'a>(names: impl IntoIterator<Item = &'a TubeName>, out: &mut Vec<u8>) {
    out.extend_from_slice(lines::START);
    for name in names {
        out.extend_from_slice(lines::ITEM);
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests;
