//! What the live view holds, and what of it is shown. No I/O: samples and keys go in (`update.rs`), a frame comes out (`draw`).
//!
//! ```text
//!   servers ──Enter──▶ tubes of one ──Enter──▶ jobs of one ──Enter──▶ body
//!           ◀──Esc───              ◀──Esc───              ◀──Esc───
//! ```

use std::{
    cmp::{Ordering, Reverse},
    collections::{HashMap, VecDeque},
    time::Duration,
};

use beanstalk_sync::{
    JobId, TubeName,
    stats::{ServerStats, TubeStats},
};

use super::listing::{Inside, Job, Listing, Seen};
use crate::overview::Overview;

/// How many samples are kept for a sparkline.
pub(super) const HISTORY: usize = 60;

#[derive(Debug)]
pub(super) struct Model {
    pub(super) servers: Vec<Server>,
    pub(super) level: Level,
    pub(super) sort: Sort,
    pub(super) reverse: bool,
    /// What names of tubes have to contain.
    pub(super) filter: String,
    /// Which server the cursor is on.
    pub(super) server: usize,
    /// Which tube: by name, so that it stays on it when the order changes.
    pub(super) tube: Option<TubeName>,
    /// The jobs of the tube that is looked into.
    pub(super) listing: Listing,
    pub(super) format: Format,
    pub(super) scroll: usize,
    pub(super) prompt: Option<Prompt>,
    /// What came of the last action; whether it is an error.
    pub(super) notice: Option<(String, bool)>,
    pub(super) help: bool,
    pub(super) read_only: bool,
    /// How many rows of a table there is room for, as was drawn last.
    pub(super) room: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Servers,
    Tubes(usize),
    Jobs(usize, TubeName),
    Body(usize, TubeName, Job),
}

#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) name: String,
    /// Why it does not answer; empty before the first sample.
    pub(super) down: Option<String>,
    /// How often it was seen to have restarted.
    pub(super) restarts: u32,
    pub(super) stats: ServerStats,
    pub(super) tubes: Vec<Tube>,
    sampled: Option<Duration>,
    pub(super) puts: Rate,
    pub(super) deletes: Rate,
}

#[derive(Debug, Default)]
pub(super) struct Tube {
    pub(super) stats: TubeStats,
    pub(super) puts: Rate,
    pub(super) deletes: Rate,
    /// The age of the job that is next in line.
    pub(super) oldest: Option<Duration>,
}

/// How fast a counter rises, and how fast it did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) now: Option<f64>,
    pub(super) history: VecDeque<u64>,
}

/// What was found out about a server in one go.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) overview: Overview,
    /// Of the tubes that are shown.
    pub(super) ages: Vec<(TubeName, Option<Duration>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Ready,
    Urgent,
    Reserved,
    Delayed,
    Buried,
    Waiting,
    Puts,
    Deletes,
    Oldest,
    Paused,
}

impl Sort {
    pub(super) const ALL: [Self; 11] = [
        Self::Name,
        Self::Ready,
        Self::Urgent,
        Self::Reserved,
        Self::Delayed,
        Self::Buried,
        Self::Waiting,
        Self::Puts,
        Self::Deletes,
        Self::Oldest,
        Self::Paused,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Hex,
}

/// What is asked at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Filter,
    Input { ask: Ask, text: String },
    Confirm { question: String, action: Action },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Kick,
    Pause,
    Put,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Kick(TubeName, u32),
    Pause(TubeName, u32),
    Put(TubeName, String),
    KickJob(JobId),
    Delete(JobId),
    Bury(JobId),
}

impl Model {
    pub(super) fn new(servers: impl IntoIterator<Item = String>, read_only: bool) -> Self {
        let servers: Vec<_> = servers.into_iter().map(|name| Server { name, ..Server::default() }).collect();
        Self {
            level: if servers.len() == 1 { Level::Tubes(0) } else { Level::Servers },
            servers,
            sort: Sort::Name,
            reverse: false,
            filter: String::new(),
            server: 0,
            tube: None,
            listing: Listing::default(),
            format: Format::Text,
            scroll: 0,
            prompt: None,
            notice: None,
            help: false,
            read_only,
            room: 20,
        }
    }

    /// The server that the view is about.
    pub(super) const fn about(&self) -> usize {
        match &self.level {
            Level::Servers => self.server,
            Level::Tubes(server) | Level::Jobs(server, _) | Level::Body(server, ..) => *server,
        }
    }

    /// The tubes of a server that pass the filter, in order.
    pub(super) fn tubes(&self, server: usize) -> Vec<&Tube> {
        let Some(server) = self.servers.get(server) else { return Vec::new() };
        let filter = self.filter.to_lowercase();
        let mut tubes: Vec<_> = server
            .tubes
            .iter()
            .filter(|tube| filter.is_empty() || tube.name().to_lowercase().contains(&filter))
            .collect();
        tubes.sort_by(|a, b| {
            let order = a.compare(b, self.sort).then_with(|| a.name().cmp(b.name()));
            if self.reverse { order.reverse() } else { order }
        });
        tubes
    }

    /// Where the cursor is among these.
    pub(super) fn cursor(&self, tubes: &[&Tube]) -> usize {
        let name = self.tube.as_ref().map_or("", |name| name.as_str());
        tubes.iter().position(|tube| tube.name() == name).unwrap_or(0)
    }

    /// The rows of a table that are shown: from which on, so that the cursor is among them.
    pub(super) const fn window(&self, cursor: usize, rows: usize) -> usize {
        let room = if self.room == 0 { 1 } else { self.room };
        let half = room / 2;
        let last = rows.saturating_sub(room);
        let from = cursor.saturating_sub(half);
        if from < last { from } else { last }
    }

    /// Takes what a server has answered, or why it has not.
    pub(super) fn sampled(&mut self, index: usize, at: Duration, result: Result<Sample, String>) {
        let Some(server) = self.servers.get_mut(index) else { return };
        let sample = match result {
            Ok(sample) => sample,
            Err(reason) => {
                server.down = Some(reason);
                // Nothing is known of the time until it is back.
                server.sampled = None;
                return;
            }
        };
        server.down = None;
        if server.take(at, sample.overview, sample.ages) {
            server.restarts += 1;
            self.notice = Some((format!("{} was restarted: its counters begin anew", server.name), true));
        }
    }

    /// Takes what was found in a tube.
    pub(super) fn looked(&mut self, server: usize, tube: &TubeName, mut seen: Seen) {
        let shown = match &mut self.level {
            Level::Jobs(about, inside) => *about == server && inside == tube,
            Level::Body(about, inside, job) if *about == server && inside == tube => {
                match seen.whole.take_if(|whole| whole.id == job.id) {
                    Some(whole) => *job = whole,
                    None if seen.again.iter().any(|(id, stats)| *id == job.id && stats.is_none()) => {
                        self.notice = Some((format!("job {} is gone", job.id), true));
                    }
                    None => {}
                }
                true
            }
            _ => false,
        };
        if shown {
            self.listing.take(seen);
        }
    }

    /// What is to be looked at of this server's tubes and jobs, as they are shown.
    pub(super) fn wants(&self, server: usize) -> (Vec<TubeName>, Option<Inside>) {
        match &self.level {
            Level::Tubes(about) if *about == server => {
                let tubes = self.tubes(server);
                let from = self.window(self.cursor(&tubes), tubes.len());
                (tubes.iter().skip(from).take(self.room).filter_map(|tube| tube.stats.name.clone()).collect(), None)
            }
            Level::Jobs(about, tube) if *about == server => {
                let rows = self.listing.rows();
                let from = self.window(self.listing.cursor(&rows), rows.len());
                (Vec::new(), Some(self.listing.wants(tube, from, self.room)))
            }
            Level::Body(about, tube, job) if *about == server => {
                let whole = (!job.is_whole()).then_some(job.id);
                (Vec::new(), Some(Inside { tube: tube.clone(), again: vec![job.id], page: None, whole }))
            }
            _ => (Vec::new(), None),
        }
    }
}

impl Server {
    /// Takes a sample, and returns whether the server is another than before.
    fn take(&mut self, at: Duration, overview: Overview, ages: Vec<(TubeName, Option<Duration>)>) -> bool {
        // Where two runs have the same id, which old servers do not send, time has gone back.
        let restarted = self.stats.version.is_some()
            && (self.stats.id != overview.server.id || self.stats.uptime > overview.server.uptime);
        let since = self.sampled.filter(|_| !restarted).map(|before| at.saturating_sub(before).as_secs_f64());
        let (before, now) = (&self.stats, &overview.server);
        self.puts.take(before.total_jobs, now.total_jobs, since);
        self.deletes.take(before.cmd_delete, now.cmd_delete, since);
        let mut old: HashMap<TubeName, Tube> =
            self.tubes.drain(..).filter_map(|tube| Some((tube.stats.name.clone()?, tube))).collect();
        self.tubes = overview
            .tubes
            .into_iter()
            .map(|stats| {
                let mut tube = stats.name.as_ref().and_then(|name| old.remove(name)).unwrap_or_default();
                tube.puts.take(tube.stats.total_jobs, stats.total_jobs, since);
                tube.deletes.take(tube.stats.cmd_delete, stats.cmd_delete, since);
                if stats.current_jobs_ready == Some(0) {
                    tube.oldest = None;
                }
                tube.stats = stats;
                tube
            })
            .collect();
        let mut ages: HashMap<_, _> = ages.into_iter().collect();
        for tube in &mut self.tubes {
            if let Some(age) = tube.stats.name.as_ref().and_then(|name| ages.remove(name)) {
                tube.oldest = age;
            }
        }
        self.stats = overview.server;
        self.sampled = Some(at);
        restarted
    }
}

impl Rate {
    /// Of a counter that was so high, is so high now, and so many seconds later. One that has fallen began anew.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is drawn"
    )]
    fn take(&mut self, before: Option<u64>, now: Option<u64>, seconds: Option<f64>) {
        let risen = before.zip(now).and_then(|(before, now)| now.checked_sub(before));
        self.now =
            risen.zip(seconds).filter(|(_, seconds)| *seconds > 0.0).map(|(risen, seconds)| risen as f64 / seconds);
        if let Some(now) = self.now {
            if self.history.len() == HISTORY {
                self.history.pop_front();
            }
            self.history.push_back((now * 10.0) as u64);
        }
    }
}

impl Tube {
    pub(super) fn name(&self) -> &str {
        self.stats.name.as_ref().map_or("", |name| name.as_str())
    }

    /// What is left of its pause, if it is paused.
    pub(super) fn paused(&self) -> Option<Duration> {
        self.stats.pause.filter(|pause| !pause.is_zero()).and(self.stats.pause_time_left)
    }

    /// Largest first; names from a to z.
    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let count = |of: fn(&TubeStats) -> Option<u64>| Reverse(of(&self.stats)).cmp(&Reverse(of(&other.stats)));
        let rate = |of: fn(&Self) -> Option<f64>| of(other).partial_cmp(&of(self)).unwrap_or(Ordering::Equal);
        match sort {
            Sort::Name => Ordering::Equal,
            Sort::Ready => count(|stats| stats.current_jobs_ready),
            Sort::Urgent => count(|stats| stats.current_jobs_urgent),
            Sort::Reserved => count(|stats| stats.current_jobs_reserved),
            Sort::Delayed => count(|stats| stats.current_jobs_delayed),
            Sort::Buried => count(|stats| stats.current_jobs_buried),
            Sort::Waiting => count(|stats| stats.current_waiting),
            Sort::Puts => rate(|tube| tube.puts.now),
            Sort::Deletes => rate(|tube| tube.deletes.now),
            Sort::Oldest => other.oldest.cmp(&self.oldest),
            Sort::Paused => other.paused().cmp(&self.paused()),
        }
    }
}
