//! Counters, and the typed statistics made from them.

use std::time::Duration;

use beanstalk_proto::{
    Instant, JobId, Kind, Priority, TubeName,
    stats::{JobState, JobStats, ServerStats, TubeStats},
};

use super::{Engine, jobs::State, settings};

/// The size of a binlog file that a real server without a binlog reports.
const BINLOG_SIZE: u64 = 10 << 20;

/// What is counted over all tubes.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commands: [u64; Kind::ALL.len()],
    pub(super) urgent: u64,
    pub(super) ready: u64,
    pub(super) reserved: u64,
    pub(super) buried: u64,
    pub(super) waiting: u64,
    pub(super) timeouts: u64,
    pub(super) jobs: u64,
    pub(super) connections: u64,
    pub(super) producers: u64,
    pub(super) workers: u64,
    pub(super) cpu_time: (Duration, Duration),
    orders: u64,
}

impl Counters {
    pub(super) fn count(&mut self, kind: Kind) {
        self.commands[kind as usize] += 1;
    }

    /// A number larger than those before: who was first.
    pub(super) fn next_order(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }
}

impl Engine {
    /// Returns what `stats` answers.
    #[must_use]
    pub fn stats(&self, now: Instant) -> ServerStats {
        let counters = &self.counters;
        let facts = &self.settings.facts;
        let commands = |kind: Kind| Some(counters.commands[kind as usize]);
        ServerStats {
            current_jobs_urgent: Some(counters.urgent),
            current_jobs_ready: Some(counters.ready),
            current_jobs_reserved: Some(counters.reserved),
            current_jobs_delayed: Some(self.jobs.delayed.len() as u64),
            current_jobs_buried: Some(counters.buried),
            cmd_put: commands(Kind::Put),
            cmd_peek: commands(Kind::Peek),
            cmd_peek_ready: commands(Kind::PeekReady),
            cmd_peek_delayed: commands(Kind::PeekDelayed),
            cmd_peek_buried: commands(Kind::PeekBuried),
            cmd_reserve: commands(Kind::Reserve),
            cmd_reserve_with_timeout: commands(Kind::ReserveWithTimeout),
            cmd_delete: commands(Kind::Delete),
            cmd_release: commands(Kind::Release),
            cmd_use: commands(Kind::Use),
            cmd_watch: commands(Kind::Watch),
            cmd_ignore: commands(Kind::Ignore),
            cmd_bury: commands(Kind::Bury),
            cmd_kick: commands(Kind::Kick),
            cmd_touch: commands(Kind::Touch),
            cmd_stats: commands(Kind::Stats),
            cmd_stats_job: commands(Kind::StatsJob),
            cmd_stats_tube: commands(Kind::StatsTube),
            cmd_list_tubes: commands(Kind::ListTubes),
            cmd_list_tube_used: commands(Kind::ListTubeUsed),
            cmd_list_tubes_watched: commands(Kind::ListTubesWatched),
            cmd_pause_tube: commands(Kind::PauseTube),
            job_timeouts: Some(counters.timeouts),
            total_jobs: Some(counters.jobs),
            max_job_size: Some(self.settings.max_job_size.into()),
            current_tubes: Some(self.tubes.len() as u64),
            current_connections: Some(self.conns.len() as u64),
            current_producers: Some(counters.producers),
            current_workers: Some(counters.workers),
            current_waiting: Some(counters.waiting),
            total_connections: Some(counters.connections),
            pid: Some(facts.pid),
            version: Some(settings::version(self.settings.dialect).into()),
            rusage_utime: Some(counters.cpu_time.0),
            rusage_stime: Some(counters.cpu_time.1),
            uptime: Some(whole_seconds(now, self.started)),
            binlog_oldest_index: Some(0),
            binlog_current_index: Some(0),
            binlog_records_migrated: Some(0),
            binlog_records_written: Some(0),
            binlog_max_size: Some(BINLOG_SIZE),
            draining: Some(self.draining),
            id: Some(facts.id.as_str().into()),
            hostname: Some(facts.hostname.as_str().into()),
            os: Some(facts.os.as_str().into()),
            platform: Some(facts.platform.as_str().into()),
            ..ServerStats::default()
        }
    }

    /// Returns what `stats-tube` answers, unless there is no such tube.
    #[must_use]
    pub fn stats_tube(&self, now: Instant, name: &TubeName) -> Option<TubeStats> {
        let tube = self.tubes.get(self.tubes.find(name)?);
        let pause = tube.pause;
        Some(TubeStats {
            name: Some(name.clone()),
            current_jobs_urgent: Some(tube.urgent),
            current_jobs_ready: Some(tube.ready.len() as u64),
            current_jobs_reserved: Some(tube.reserved),
            current_jobs_delayed: Some(tube.delayed.len() as u64),
            current_jobs_buried: Some(tube.buried.len() as u64),
            total_jobs: Some(tube.total_jobs),
            current_using: Some(tube.using),
            current_watching: Some(tube.watching),
            current_waiting: Some(tube.waiters.len() as u64),
            cmd_delete: Some(tube.deletes),
            cmd_pause_tube: Some(tube.pauses),
            pause: Some(Duration::from_secs(pause.map_or(0, |pause| pause.seconds.into()))),
            pause_time_left: Some(pause.map_or(Duration::ZERO, |pause| whole_seconds(pause.until, now))),
            ..TubeStats::default()
        })
    }

    /// Returns what `stats-job` answers, unless there is no such job.
    #[must_use]
    pub fn stats_job(&self, now: Instant, id: JobId) -> Option<JobStats> {
        let job = self.jobs.get(id.0)?;
        let (state, until) = match job.state {
            State::Ready => (JobState::Ready, None),
            State::Delayed { until } => (JobState::Delayed, Some(until)),
            State::Reserved { until, .. } => (JobState::Reserved, Some(until)),
            State::Buried { .. } => (JobState::Buried, None),
        };
        Some(JobStats {
            id: Some(id),
            tube: Some(self.tubes.get(job.tube).name.clone()),
            state: Some(state),
            pri: Some(Priority(job.pri)),
            age: Some(whole_seconds(now, job.created)),
            delay: Some(Duration::from_secs(job.delay.into())),
            ttr: Some(Duration::from_secs(job.ttr.into())),
            time_left: Some(until.map_or(Duration::ZERO, |until| whole_seconds(until, now))),
            file: Some(0),
            reserves: Some(job.reserves.into()),
            timeouts: Some(job.timeouts.into()),
            releases: Some(job.releases.into()),
            buries: Some(job.buries.into()),
            kicks: Some(job.kicks.into()),
            ..JobStats::default()
        })
    }

    /// Returns the names of all tubes, as `list-tubes` answers.
    #[must_use]
    pub fn list_tubes(&self) -> Vec<TubeName> {
        self.tubes.names().cloned().collect()
    }
}

/// From one moment to a later one, in whole seconds.
fn whole_seconds(later: Instant, earlier: Instant) -> Duration {
    Duration::from_secs(later.saturating_duration_since(earlier).as_secs())
}
