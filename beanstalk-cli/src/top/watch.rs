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
    Bury, Client, Command, Endpoint, Error, Job as ServerJob, JobId, Kick, Put, Reply, ReserveJob, StatsJob, TubeName,
    Use,
};

use super::{
    Event,
    model::{Action, Job, Sample},
};
use crate::{
    options::Options,
    overview::{Overview, TubeFilter},
};

pub(super) struct Watcher {
    work: Sender<Work>,
    look: Arc<Mutex<Look>>,
}

enum Work {
    /// Look now.
    Look,
    Act(Action),
}

/// What to look at besides counts.
#[derive(Clone, Default, PartialEq)]
struct Look {
    /// Tubes whose oldest job is shown.
    shown: Vec<TubeName>,
    /// The tube whose jobs are shown.
    inside: Option<TubeName>,
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
                match received.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(Work::Look) => {}
                    Ok(Work::Act(action)) => {
                        if events.send(Event::Acted(connection.act(&action))).is_err() {
                            return;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let look = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let result = connection.sample(&look).map(Box::new);
                if events.send(Event::Sampled { server: index, result }).is_err() {
                    return;
                }
                // From now on, so that a server which needs long is not asked all the time.
                next = Instant::now() + interval;
            }
        });
        Self { work, look }
    }

    pub(super) fn act(&self, action: Action) {
        // It is gone only if it has panicked, which its own message tells.
        let _ = self.work.send(Work::Act(action));
    }

    pub(super) fn look(&self, shown: Vec<TubeName>, inside: Option<TubeName>) {
        let new = Look { shown, inside };
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        // What is inside a tube is waited for; the rest has time until the next sample.
        let now = look.inside != new.inside && new.inside.is_some();
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

    fn sample(&mut self, look: &Look) -> Result<Sample, String> {
        self.with(|client| {
            let overview = Overview::collect(client, &TubeFilter::default())?;
            let ages = ages(client, &look.shown)?;
            let jobs = look.inside.as_ref().map_or(Ok(Vec::new()), |tube| heads(client, tube))?;
            Ok(Sample { overview, ages, jobs })
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
                Ok(if *pause == 0 { format!("{tube} goes on") } else { format!("{tube} is paused for {pause} s") })
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
    let priority = client.call(StatsJob::new(id))?.pri.unwrap_or_default();
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
        jobs.push(Job {
            id: job.id,
            state: stats.state.as_ref().map_or("?", |state| state.as_str()).to_owned(),
            priority: stats.pri.map(|priority| priority.0),
            age: stats.age,
            left: stats.time_left,
            reserves: stats.reserves,
            body: job.body,
        });
    }
    Ok(jobs)
}
