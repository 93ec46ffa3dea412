//! The verbs that are commands of the protocol, the table of tubes, and those about the program itself.

pub(crate) mod connection;
pub(crate) mod job;
pub(crate) mod peek;
pub(crate) mod put;
pub(crate) mod reserve;
pub(crate) mod shell;
pub(crate) mod stats;
pub(crate) mod tube;
pub(crate) mod tubes;

use beanstalk_sync::{Client, Error, JobId, Request, TubeName};
use clap::Args;

use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    options::parse_tube,
    output::Printer,
    report::Tally,
};

/// The tube of a verb that is about one, `default` unless it is given.
#[derive(Clone, Debug, Args)]
pub(crate) struct InTube {
    /// The tube
    #[arg(short, long, value_name = "TUBE", default_value = "default", value_parser = parse_tube)]
    pub(crate) tube: TubeName,
}

/// The jobs of a verb that is about some.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ids {
    /// Ids of jobs
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<JobId>,
}

impl Ids {
    /// As in "delete jobs 1, 2 and 3 more".
    fn describe(&self) -> String {
        match &*self.ids {
            [id] => format!("job {id}"),
            ids if ids.len() <= 5 => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                format!("jobs {}", ids.join(", "))
            }
            ids => format!("{} jobs", ids.len()),
        }
    }
}

/// Sends a request for each job, pipelined, and shows what comes of each. What fails is reported, and the others go on, unless
/// the connection is gone.
fn each<R: Request>(
    app: &mut App,
    client: &mut Client,
    ids: &[JobId],
    request: impl Fn(JobId) -> R,
    mut show: impl FnMut(&mut Printer, JobId, R::Reply) -> std::io::Result<()>,
) -> Outcome {
    let App { printer, report, .. } = app;
    let mut tally = Tally::new(report);
    let mut results = client.call_all(ids.iter().map(|id| request(*id)));
    for (at, id) in ids.iter().enumerate() {
        match results.next() {
            Some(Ok(reply)) => {
                show(printer, *id, reply)?;
                tally.done();
            }
            Some(Err(error)) => {
                if stop(&error) {
                    drop(results);
                    return Ok(stopped(printer, tally, error, ids.len() - at)?);
                }
                tally.failed(error.into());
            }
            None => break,
        }
    }
    printer.end()?;
    Ok(tally.exit())
}

/// Whether what comes behind it fails as well.
fn stop(error: &Error) -> bool {
    error.is_fatal() || matches!(error, Error::TimedOut { .. })
}

fn stopped(printer: &mut Printer, mut tally: Tally<'_>, error: Error, left: usize) -> std::io::Result<Exit> {
    printer.end()?;
    let mut failure = Failure::from(error);
    if left > 1 {
        failure.text += &format!(" ({} more were not tried)", left - 1);
    }
    tally.failed(failure);
    Ok(tally.exit())
}
