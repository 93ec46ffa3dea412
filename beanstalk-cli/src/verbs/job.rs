//! Verbs that change jobs: `delete`, `release`, `bury`, `touch`, `kick-job`.
//!
//! The server lets only the connection that holds a job release, bury or touch it. So these reserve it first, by its id.

use beanstalk_sync::{
    Client, CommandError, Error, JobId, Priority, Request, Seconds, Subject,
    stats::{JobStats, StatsError},
};
use clap::Args;

use super::{Ids, each};
use crate::{
    app::App,
    exit::{Exit, Outcome},
    options::parse_seconds,
    output::{Printer, Row},
    report::Tally,
};

/// Delete jobs
///
/// Any job that no worker holds.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    ids: Ids,
}

/// Make buried or delayed jobs ready
#[derive(Debug, Args)]
pub(crate) struct KickJob {
    #[command(flatten)]
    ids: Ids,
}

/// Put jobs back with another priority or delay
///
/// Reserves each by its id first, as only its holder can release a job. Needs beanstalkd 1.12 or later.
#[derive(Debug, Args)]
pub(crate) struct Release {
    #[command(flatten)]
    ids: Ids,
    /// Its priority from now on; the same as before if it is not given
    #[arg(short, long = "priority", visible_alias = "pri", value_name = "PRI")]
    priority: Option<u32>,
    /// How long until a worker can have it: seconds, or as in 5m, 2h, 1d
    #[arg(short, long, value_name = "TIME", default_value = "0", value_parser = parse_seconds)]
    delay: u32,
}

/// Set jobs aside until they are kicked
///
/// Reserves each by its id first, as only its holder can bury a job. Needs beanstalkd 1.12 or later.
#[derive(Debug, Args)]
pub(crate) struct Bury {
    #[command(flatten)]
    ids: Ids,
    /// Its priority from now on; the same as before if it is not given
    #[arg(short, long = "priority", visible_alias = "pri", value_name = "PRI")]
    priority: Option<u32>,
}

/// Hold jobs for a moment, with their whole time to run
///
/// Reserves each by its id first, as only its holder can touch a job. It goes back, ready, when the program ends: what remains is
/// that the server counts one more reserve. Needs beanstalkd 1.12 or later.
#[derive(Debug, Args)]
pub(crate) struct Touch {
    #[command(flatten)]
    ids: Ids,
}

impl Delete {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        if !app.may(|| format!("delete {}", self.ids.describe()))? {
            return Ok(Exit::Done);
        }
        let mut client = app.client()?;
        each(app, &mut client, &self.ids.ids, beanstalk_sync::Delete::new, |printer, id, ()| {
            show(printer, id, "deleted")
        })
    }
}

impl KickJob {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        if !app.may(|| format!("kick {}", self.ids.describe()))? {
            return Ok(Exit::Done);
        }
        let mut client = app.client()?;
        each(app, &mut client, &self.ids.ids, beanstalk_sync::KickJob::new, |printer, id, ()| {
            show(printer, id, "kicked")
        })
    }
}

impl Release {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        if !app.may(|| format!("release {}", self.ids.describe()))? {
            return Ok(Exit::Done);
        }
        let delay = Seconds::from(self.delay);
        held(
            app,
            &self.ids.ids,
            self.priority,
            |id, pri| beanstalk_sync::Release::new(id, pri, delay),
            |printer, id, outcome| {
                show(printer, id, if outcome.is_buried() { "buried for lack of memory" } else { "released" })
            },
        )
    }
}

impl Bury {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        if !app.may(|| format!("bury {}", self.ids.describe()))? {
            return Ok(Exit::Done);
        }
        held(app, &self.ids.ids, self.priority, beanstalk_sync::Bury::new, |printer, id, ()| {
            show(printer, id, "buried")
        })
    }
}

impl Touch {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        if !app.may(|| format!("touch {}", self.ids.describe()))? {
            return Ok(Exit::Done);
        }
        held(
            app,
            &self.ids.ids,
            None,
            |id, _| beanstalk_sync::Touch::new(id),
            |printer, id, ()| show(printer, id, "touched"),
        )
    }
}

fn show(printer: &mut Printer, id: JobId, outcome: &str) -> std::io::Result<()> {
    printer.act(&format!("job {id} {outcome}"), &id.to_string(), &Row::new().with("id", id).with("outcome", outcome))
}

/// Reserves each job, and sends a request for those that could be reserved, with the priority given or else their own.
fn held<R: Request>(
    app: &mut App,
    ids: &[JobId],
    priority: Option<u32>,
    request: impl Fn(JobId, Priority) -> R,
    show: impl FnMut(&mut Printer, JobId, R::Reply) -> std::io::Result<()>,
) -> Outcome {
    let mut client = app.client()?;
    let mut tally = Tally::new(&app.report);
    let held = reserve(&mut client, ids, priority, &mut tally)?;
    let (before, ids): (_, Vec<_>) = (tally.exit(), held.iter().map(|(id, _)| *id).collect());
    if ids.is_empty() {
        app.printer.end()?;
        return Ok(before);
    }
    let priorities: std::collections::HashMap<_, _> = held.into_iter().collect();
    let exit = each(app, &mut client, &ids, |id| request(id, priorities.get(&id).copied().unwrap_or_default()), show)?;
    Ok(if before == Exit::Done { exit } else { Exit::Partial })
}

/// A job's own priority, to release or bury it with. With another it would be changed, so a server that does not send it is an error.
pub(crate) fn priority_of(id: JobId, stats: &JobStats) -> Result<Priority, Error> {
    stats.pri.ok_or_else(|| Error::Stats {
        command: "stats-job",
        subject: Subject::Job(id),
        error: StatsError::Missing { key: "pri" }.into(),
    })
}

fn reserve(
    client: &mut Client,
    ids: &[JobId],
    priority: Option<u32>,
    tally: &mut Tally<'_>,
) -> Outcome<Vec<(JobId, Priority)>> {
    let stats = client.call_all(ids.iter().map(|id| beanstalk_sync::StatsJob::new(*id))).collect::<Vec<_>>();
    let mut known = Vec::new();
    for (id, stats) in ids.iter().zip(stats) {
        match (stats, priority) {
            (_, Some(given)) => known.push((*id, Priority(given))),
            (Ok(stats), None) => match priority_of(*id, &stats) {
                Ok(own) => known.push((*id, own)),
                Err(error) => tally.failed(error.into()),
            },
            // What it is reserved with shows that better.
            (Err(error), None) if error.command_error() == Some(CommandError::NotFound) => {
                known.push((*id, Priority::default()));
            }
            (Err(error), None) if super::stop(&error) => return Err(error.into()),
            (Err(error), None) => tally.failed(error.into()),
        }
    }
    let mut results = client.call_all(known.iter().map(|(id, _)| beanstalk_sync::ReserveJob::new(*id)));
    let mut held = Vec::new();
    for (id, priority) in &known {
        match results.next() {
            Some(Ok(_)) => held.push((*id, *priority)),
            Some(Err(error)) if super::stop(&error) => return Err(error.into()),
            Some(Err(error)) => tally.failed(error.into()),
            None => break,
        }
    }
    Ok(held)
}
