//! The server's statistics, written line by line.

use std::fmt::Write as _;

use beanstalk_proto::{Dialect, JobId, Kind, Reply, TubeName};

use crate::{Job, Model, SECOND, State};

/// What beanstalkd calls urgent.
const URGENT: u32 = 1024;

impl Model {
    pub(crate) fn stats(&self, now: u64) -> String {
        let count = |wanted: fn(&Job) -> bool| self.jobs.iter().filter(|job| wanted(job)).count();
        let commands = |kind| self.counts.get(&kind).copied().unwrap_or_default();
        let mut text = String::from("---\n");
        let mut line = |key: &str, value: u64| writeln!(text, "{key}: {value}").expect("a string takes it");
        line("current-jobs-urgent", count(|job| job.state == State::Ready && job.pri < URGENT) as u64);
        line("current-jobs-ready", count(|job| job.state == State::Ready) as u64);
        line("current-jobs-reserved", count(|job| matches!(job.state, State::Reserved { .. })) as u64);
        line("current-jobs-delayed", count(|job| matches!(job.state, State::Delayed { .. })) as u64);
        line("current-jobs-buried", count(|job| matches!(job.state, State::Buried { .. })) as u64);
        for kind in [
            Kind::Put,
            Kind::Peek,
            Kind::PeekReady,
            Kind::PeekDelayed,
            Kind::PeekBuried,
            Kind::Reserve,
            Kind::ReserveWithTimeout,
            Kind::Delete,
            Kind::Release,
            Kind::Use,
            Kind::Watch,
            Kind::Ignore,
            Kind::Bury,
            Kind::Kick,
            Kind::Touch,
            Kind::Stats,
            Kind::StatsJob,
            Kind::StatsTube,
            Kind::ListTubes,
            Kind::ListTubeUsed,
            Kind::ListTubesWatched,
            Kind::PauseTube,
        ] {
            line(&format!("cmd-{}", kind.word()), commands(kind));
        }
        line("job-timeouts", self.timeouts);
        line("total-jobs", self.total_jobs);
        line("max-job-size", self.max_job_size.into());
        line("current-tubes", self.tubes.len() as u64);
        line("current-connections", self.conns.len() as u64);
        line("current-producers", self.conns.iter().filter(|conn| conn.producer).count() as u64);
        line("current-workers", self.conns.iter().filter(|conn| conn.worker).count() as u64);
        line("current-waiting", self.conns.iter().filter(|conn| conn.waits.is_some()).count() as u64);
        line("total-connections", self.total_connections);
        line("pid", 0);
        let version = match self.dialect {
            Dialect::V1_12 => "1.12",
            Dialect::V1_13 => "1.13",
        };
        writeln!(text, "version: \"{version}\"\nrusage-utime: 0.000000\nrusage-stime: 0.000000").expect("it takes it");
        writeln!(text, "uptime: {}", (now - self.started) / SECOND).expect("it takes it");
        for key in ["oldest-index", "current-index", "records-migrated", "records-written"] {
            writeln!(text, "binlog-{key}: 0").expect("it takes it");
        }
        writeln!(text, "binlog-max-size: 10485760\ndraining: {}\nid: ", self.draining).expect("it takes it");
        for key in ["hostname", "os", "platform"] {
            writeln!(text, "{key}: {}", self.quoted("")).expect("it takes it");
        }
        text
    }

    pub(crate) fn stats_tube(&mut self, now: u64, name: &TubeName) -> Reply {
        let Some(tube) = self.tubes.iter().find(|tube| tube.name == *name) else { return Reply::NotFound };
        let count = |wanted: fn(&Job) -> bool| self.jobs.iter().filter(|job| job.tube == *name && wanted(job)).count();
        let mut text = format!("---\nname: {}\n", self.quoted(name));
        let mut line = |key: &str, value: u64| writeln!(text, "{key}: {value}").expect("a string takes it");
        line("current-jobs-urgent", count(|job| job.state == State::Ready && job.pri < URGENT) as u64);
        line("current-jobs-ready", count(|job| job.state == State::Ready) as u64);
        line("current-jobs-reserved", count(|job| matches!(job.state, State::Reserved { .. })) as u64);
        line("current-jobs-delayed", count(|job| matches!(job.state, State::Delayed { .. })) as u64);
        line("current-jobs-buried", count(|job| matches!(job.state, State::Buried { .. })) as u64);
        line("total-jobs", tube.total_jobs);
        line("current-using", self.conns.iter().filter(|conn| conn.using == *name).count() as u64);
        line("current-watching", self.conns.iter().filter(|conn| conn.watching.contains(name)).count() as u64);
        line("current-waiting", tube.waiting.list.len() as u64);
        line("cmd-delete", tube.deletes);
        line("cmd-pause-tube", tube.pauses);
        line("pause", tube.pause.map_or(0, |pause| pause.seconds.into()));
        line("pause-time-left", tube.pause.map_or(0, |pause| pause.until.saturating_sub(now) / SECOND));
        Reply::Ok(text.into_bytes())
    }

    pub(crate) fn stats_job(&mut self, now: u64, id: JobId) -> Reply {
        let Some(job) = self.jobs.iter().find(|job| job.id == id.0) else { return Reply::NotFound };
        let (state, until) = match job.state {
            State::Ready => ("ready", None),
            State::Delayed { until } => ("delayed", Some(until)),
            State::Reserved { until, .. } => ("reserved", Some(until)),
            State::Buried { .. } => ("buried", None),
        };
        let mut text = format!("---\nid: {id}\ntube: {}\nstate: {state}\n", self.quoted(&job.tube));
        for (key, value) in [
            ("pri", job.pri.into()),
            ("age", (now - job.created) / SECOND),
            ("delay", job.delay.into()),
            ("ttr", job.ttr.into()),
            ("time-left", until.map_or(0, |until| until.saturating_sub(now) / SECOND)),
            ("file", 0),
            ("reserves", job.reserves),
            ("timeouts", job.timeouts),
            ("releases", job.releases),
            ("buries", job.buries),
            ("kicks", job.kicks),
        ] {
            writeln!(text, "{key}: {value}").expect("a string takes it");
        }
        Reply::Ok(text.into_bytes())
    }

    pub(crate) fn list<'a>(&self, names: impl Iterator<Item = &'a TubeName>) -> Reply {
        let lines: String = names.map(|name| format!("- {name}\n")).collect();
        Reply::Ok(format!("---\n{lines}").into_bytes())
    }

    fn quoted(&self, text: &str) -> String {
        match self.dialect {
            Dialect::V1_12 => text.to_string(),
            Dialect::V1_13 => format!("\"{text}\""),
        }
    }
}
