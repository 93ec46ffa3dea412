//! `reserve`, `reserve-with-timeout`, `reserve-job`: take a job, print it, and then what becomes of it.

use beanstalk_sync::{Client, Ignore, Job, JobId, Reserved, Seconds, StatsJob, TubeName, Watch, stats::JobStats};
use clap::Args;

use super::job::priority_of;
use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    options::{parse_seconds, parse_tube},
    output::{Row, Value},
};

/// What becomes of the job once it is printed.
///
/// A job is held by a connection, and this program's ends with it.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Then {
    /// Delete the job once it is printed; otherwise it goes back as it was
    #[arg(long)]
    delete: bool,
    /// Bury the job once it is printed
    #[arg(long)]
    bury: bool,
    /// Release the job once it is printed, to be ready after this time
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    release: Option<u32>,
}

#[derive(Debug, Args)]
struct Watched {
    /// A tube to take jobs from; repeat it for several. `default` if there is none
    #[arg(short = 't', long = "watch", visible_alias = "tube", value_name = "TUBE", value_parser = parse_tube)]
    watch: Vec<TubeName>,
}

/// Wait for a job and print it
///
/// The job goes back when the program ends, unless it is deleted, buried or released once it is printed. `work` is for workers.
#[derive(Debug, Args)]
pub(crate) struct Reserve {
    #[command(flatten)]
    watched: Watched,
    #[command(flatten)]
    then: Then,
}

/// Wait for a job for some time, and print it
///
/// With 0 it only looks. Exit code 7 if no job came. What becomes of the job: see reserve.
#[derive(Debug, Args)]
pub(crate) struct ReserveWithTimeout {
    /// How long to wait: seconds, or as in 5m
    #[arg(value_name = "TIME", value_parser = parse_seconds)]
    seconds: u32,
    #[command(flatten)]
    watched: Watched,
    #[command(flatten)]
    then: Then,
}

/// Reserve the job with this id and print it
///
/// One that is ready, delayed or buried. What becomes of it: see reserve; one that was delayed or buried comes back ready. Needs beanstalkd 1.12 or later.
#[derive(Debug, Args)]
pub(crate) struct ReserveJob {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    then: Then,
}

impl Reserve {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let Some(mut client) = self.watched.client(app)? else { return Ok(Exit::Done) };
        let reserved = client.reserve()?;
        self.then.print(app, client, reserved.job())
    }
}

impl ReserveWithTimeout {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let Some(mut client) = self.watched.client(app)? else { return Ok(Exit::Done) };
        // That a job expires cannot be: this connection holds none.
        let reserved = match client.reserve_with_timeout(self.seconds)? {
            Reserved::Job(job) => Some(job),
            Reserved::TimedOut | Reserved::DeadlineSoon => None,
        };
        self.then.print(app, client, reserved)
    }
}

impl ReserveJob {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        if !app.may(|| format!("reserve job {}", self.id))? {
            return Ok(Exit::Done);
        }
        let mut client = app.client()?;
        let job = client.reserve_job(self.id)?;
        self.then.print(app, client, Some(job))
    }
}

impl Watched {
    /// A connection that watches these tubes; none if nothing may be reserved.
    fn client(&self, app: &mut App) -> Outcome<Option<Client>> {
        let tubes: Vec<_> = self.watch.iter().map(ToString::to_string).collect();
        let tubes = if tubes.is_empty() { "default".into() } else { tubes.join(", ") };
        if !app.may(|| format!("reserve a job from tube {tubes}"))? {
            return Ok(None);
        }
        let mut client = app.client()?;
        for tube in &self.watch {
            client.call(Watch::new(tube))?;
        }
        let default = TubeName::default();
        if !self.watch.is_empty() && !self.watch.contains(&default) {
            client.call(Ignore::new(&default))?;
        }
        Ok(Some(client))
    }
}

impl Then {
    fn print(self, app: &mut App, mut client: Client, job: Option<Job>) -> Outcome {
        let Some(job) = job else {
            return Err(Failure::new(Exit::Nothing, "no job came in time"));
        };
        let id = job.id;
        let stats = client.call(StatsJob::new(id))?;
        app.printer.one(&row(job, &stats))?;
        // Once it is deleted it exists nowhere else, so its reader must have it.
        app.printer.flush()?;
        self.finish(&mut client, id, &stats)?;
        Ok(Exit::Done)
    }

    fn finish(self, client: &mut Client, id: JobId, stats: &JobStats) -> Outcome<()> {
        if self.delete {
            client.delete(id)?;
        } else if self.bury {
            client.bury(id, priority_of(id, stats)?)?;
        } else if let Some(delay) = self.release {
            let priority = priority_of(id, stats)?;
            client.release(id, priority, Seconds::from(delay))?.released().map_err(beanstalk_sync::Error::from)?;
        }
        Ok(())
    }
}

/// A job with its statistics.
fn row(job: Job, stats: &JobStats) -> Row {
    Row::new()
        .with("id", job.id)
        .with("tube", stats.tube.as_ref())
        .with("pri", stats.pri.map(|pri| u64::from(pri.0)))
        .with("age", stats.age)
        .with("ttr", stats.ttr)
        .with("reserves", stats.reserves)
        .with("bytes", job.body.len() as u64)
        .with("body", Value::Body(job.body))
}
