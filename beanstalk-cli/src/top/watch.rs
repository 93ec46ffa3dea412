//! Asks a server again and again, in a thread of its own, and does what it is asked to.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::{
    Bury, Client, Command, CommandError, Endpoint, Error, Job as ServerJob, JobId, Kick, Peek, Put, Reply, ReserveJob,
    ScanOptions, Stats, StatsJob, TubeName, Use, scan,
};

use super::{
    Event,
    listing::{Inside, Job, Page, Seen},
    model::{Action, Sample},
};
use crate::{
    options::Options,
    overview::{Overview, TubeFilter},
    verbs::job::priority_of,
};

/// How many ids are looked at in one go: a fraction of a second.
const IDS: u64 = 2000;

pub(super) struct Watcher {
    work: Sender<Work>,
    look: Arc<Mutex<Look>>,
}

enum Work {
    /// Look into the tube now.
    Look,
    Act(Action),
}

/// What to look at besides counts.
#[derive(Clone, Default, PartialEq)]
struct Look {
    /// Tubes whose oldest job is shown.
    shown: Vec<TubeName>,
    /// The tube whose jobs are shown, and what of them.
    inside: Option<Inside>,
}

impl Watcher {
    pub(super) fn start(index: usize, options: &Options, interval: Duration, events: Sender<Event>) -> Self {
        let (work, received) = mpsc::channel();
        let look = Arc::new(Mutex::new(Look::default()));
        let (options, shared) = (options.clone(), Arc::clone(&look));
        thread::spawn(move || {
            let Some(server) = options.servers.get(index) else { return };
            let mut connection = Connection { options: &options, server, client: None };
            let mut next = Instant::now();
            loop {
                let work = received.recv_timeout(next.saturating_duration_since(Instant::now()));
                if matches!(work, Err(RecvTimeoutError::Disconnected)) {
                    return;
                }
                let only_inside = matches!(work, Ok(Work::Look));
                if let Ok(Work::Act(action)) = work
                    && events.send(Event::Acted(connection.act(&action))).is_err()
                {
                    return;
                }
                let look = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let seen = match look.inside {
                    Some(inside) => connection.with(|client| inside.see(client, options.read_only)).map(|seen| {
                        Some(Event::Looked { server: index, tube: inside.tube.clone(), seen: Box::new(seen) })
                    }),
                    None => Ok(None),
                };
                let (mut new, failed) = match seen {
                    Ok(event) => (event.into_iter().collect::<Vec<_>>(), None),
                    Err(reason) => (Vec::new(), Some(reason)),
                };
                if !only_inside || failed.is_some() {
                    let result = failed.map_or_else(|| connection.sample(&look.shown).map(Box::new), Err);
                    new.push(Event::Sampled { server: index, result });
                    // From now on, so that a server which needs long is not asked all the time.
                    next = Instant::now() + interval;
                }
                for event in new {
                    if events.send(event).is_err() {
                        return;
                    }
                }
            }
        });
        Self { work, look }
    }

    pub(super) fn act(&self, action: Action) {
        // It is gone only if it has panicked, which its own message has reported.
        let _ = self.work.send(Work::Act(action));
    }

    pub(super) fn look(&self, shown: Vec<TubeName>, inside: Option<Inside>) {
        let new = Look { shown, inside };
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        // What was not seen yet is waited for; what may have changed has time until the next sample.
        let unseen = |look: &Look| look.inside.as_ref().map(|inside| (inside.tube.clone(), inside.page, inside.whole));
        let now = unseen(&look) != unseen(&new) && new.inside.as_ref().is_some_and(Inside::is_new);
        *look = new;
        if now {
            let _ = self.work.send(Work::Look);
        }
    }
}

/// A connection that is made again when it is needed.
struct Connection<'a> {
    options: &'a Options,
    server: &'a Endpoint,
    client: Option<Client>,
}

impl Connection<'_> {
    fn with<T>(&mut self, ask: impl FnOnce(&mut Client) -> Result<T, Error>) -> Result<T, String> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => crate::connect::connect(self.options, self.server).map_err(|failure| failure.text)?,
        };
        let result = ask(&mut client);
        // After a reply that did not come, the next one may be late as well: begin anew.
        if !result.as_ref().is_err_and(|error| error.is_fatal() || error.lost().is_some()) {
            self.client = Some(client);
        }
        result.map_err(|error| error.to_string())
    }

    fn sample(&mut self, shown: &[TubeName]) -> Result<Sample, String> {
        self.with(|client| {
            let overview = Overview::collect(client, &TubeFilter::default())?;
            let ages = ages(client, shown)?;
            Ok(Sample { overview, ages })
        })
    }

    fn act(&mut self, action: &Action) -> Result<String, String> {
        self.with(|client| match action {
            Action::Kick(tube, bound) => {
                let (used, kicked) = client.call_both(Use::new(tube), Kick::new(*bound))?;
                used?;
                Ok(format!("{} of {tube} kicked", crate::verbs::tube::jobs(kicked?)))
            }
            Action::Pause(tube, pause) => {
                client.pause_tube(tube, *pause)?;
                Ok(if *pause == 0 {
                    format!("{tube} is no longer paused")
                } else {
                    format!("{tube} is paused for {pause} s")
                })
            }
            Action::Put(tube, body) => {
                let (used, put) = client.call_both(Use::new(tube), Put::of(&**body))?;
                used?;
                Ok(format!("put job {} into {tube}", put?.inserted()?))
            }
            Action::KickJob(id) => client.kick_job(*id).map(|()| format!("job {id} kicked")),
            Action::Delete(id) => client.delete(*id).map(|()| format!("job {id} deleted")),
            Action::Bury(id) => bury(client, *id).map(|()| format!("job {id} buried")),
        })
    }
}

/// Only its holder can bury a job.
fn bury(client: &mut Client, id: JobId) -> Result<(), Error> {
    let priority = priority_of(id, &client.call(StatsJob::new(id))?)?;
    client.call(ReserveJob::new(id))?;
    client.call(Bury::new(id, priority))
}

/// The age of the next job of each of these tubes, in two rounds.
fn ages(client: &mut Client, tubes: &[TubeName]) -> Result<Vec<(TubeName, Option<Duration>)>, Error> {
    let commands = tubes.iter().flat_map(|tube| [Command::Use { tube: tube.clone() }, Command::PeekReady]);
    let mut found = Vec::new();
    for (at, reply) in client.call_all(commands).enumerate() {
        match reply {
            Ok(Reply::Found(job)) => found.push((at / 2, job.id)),
            Err(error) if error.command_error().is_none() => return Err(error),
            _ => {}
        }
    }
    let mut ages: Vec<_> = tubes.iter().map(|tube| (tube.clone(), None)).collect();
    let stats = client.call_all(found.iter().map(|(_, id)| StatsJob::new(*id)));
    for ((at, _), stats) in found.iter().zip(stats) {
        match stats {
            Ok(stats) => {
                if let Some((_, age)) = ages.get_mut(*at) {
                    *age = stats.age;
                }
            }
            Err(error) if error.command_error().is_none() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(ages)
}

/// The jobs at the head of a tube's queues, in two rounds.
fn heads(client: &mut Client, tube: &TubeName) -> Result<Vec<Job>, Error> {
    let commands = [Command::Use { tube: tube.clone() }, Command::PeekReady, Command::PeekDelayed, Command::PeekBuried];
    let mut found: Vec<ServerJob> = Vec::new();
    for reply in client.call_all(commands) {
        match reply {
            Ok(Reply::Found(job)) => found.push(job),
            Err(error) if error.command_error().is_none() => return Err(error),
            _ => {}
        }
    }
    let stats: Vec<_> = client.call_all(found.iter().map(|job| StatsJob::new(job.id))).collect();
    let mut jobs = Vec::new();
    for (job, stats) in found.into_iter().zip(stats) {
        let stats = match stats {
            Ok(stats) => stats,
            Err(error) if error.command_error().is_none() => return Err(error),
            Err(_) => continue,
        };
        jobs.push(Job::new(job.id, &stats, job.body).shortened());
    }
    Ok(jobs)
}

impl Inside {
    /// Whether there is something in it that was not seen before.
    const fn is_new(&self) -> bool {
        self.page.is_some() || self.whole.is_some()
    }

    fn see(&self, client: &mut Client, read_only: bool) -> Result<Seen, Error> {
        let heads = heads(client, &self.tube)?;
        let mut again = Vec::new();
        for (id, stats) in self.again.iter().zip(client.call_all(self.again.iter().map(|id| StatsJob::new(*id)))) {
            again.push((*id, if_there(stats)?));
        }
        let whole = match self.whole {
            Some(id) => {
                let (stats, job) = client.call_both(StatsJob::new(id), Peek::new(id))?;
                if_there(stats)?.zip(if_there(job)?).map(|(stats, job)| Job::new(id, &stats, job.body))
            }
            None => None,
        };
        let page = match self.page {
            Some((from, end)) => {
                let end = match end {
                    Some(end) => end,
                    None if read_only => last_known(client, &heads)?,
                    None => last_id(client)?,
                };
                Some(page(client, &self.tube, from, end)?)
            }
            None => None,
        };
        Ok(Seen { heads, again, page, whole })
    }
}

/// `None` of a job that is gone.
fn if_there<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(error) if error.command_error() == Some(CommandError::NotFound) => Ok(None),
        result => result.map(Some),
    }
}

/// The last id there is, by a job that is put and deleted.
fn last_id(client: &mut Client) -> Result<JobId, Error> {
    let ahead = scan(client, ScanOptions::new())?.progress().ahead;
    Ok(JobId(ahead.unwrap_or_default()))
}

/// The last id that is known without putting a job. The server's count is too low once it was restarted.
fn last_known(client: &mut Client, heads: &[Job]) -> Result<JobId, Error> {
    let put = client.call(Stats::new())?.total_jobs.unwrap_or_default();
    Ok(heads.iter().map(|job| job.id).fold(JobId(put), JobId::max))
}

/// The jobs of a tube with the next ids.
fn page(client: &mut Client, tube: &TubeName, from: JobId, end: JobId) -> Result<Page, Error> {
    let to = JobId(end.0.min(from.0.saturating_add(IDS - 1)));
    let mut jobs = Vec::new();
    if from <= to {
        for job in scan(client, ScanOptions::new().tube(tube)?.range(&(from..=to)))? {
            jobs.push(job?.into());
        }
    }
    Ok(Page { from, jobs, next: JobId(to.0.saturating_add(1)), end })
}
