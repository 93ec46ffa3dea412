//! Verbs about many jobs: `jobs`, `clear`, `move`, `kick --all`, `export`, `import`. The work is done by the library, with many commands in
//! flight.

pub(crate) mod clear;
pub(crate) mod export;
pub(crate) mod import;
mod interrupt;
pub(crate) mod jobs;
pub(crate) mod kick;
pub(crate) mod moving;
mod pick;
mod progress;

use beanstalk_sync::{ArgumentError, Client, Error, ScanOptions, TubeName, scan};

use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
};
use pick::Pick;

/// What a scan looks at, and leave for the job that it puts to learn how far ids have come.
fn scan_options(app: &App, tube: Option<&TubeName>, pick: &Pick, bodies: bool) -> Outcome<ScanOptions> {
    let mut options = ScanOptions::new().bodies(bodies || pick.needs_body());
    if let Some(tube) = tube {
        options = options.tube(tube)?;
    }
    if let Some(id) = pick.from {
        options = options.from(id);
    }
    match pick.to {
        Some(id) => Ok(options.to(id)),
        None if app.options.read_only => Err(Failure::new(
            Exit::NotAllowed,
            "--read-only forbids it: the last id is learned by a job that is put and deleted at once",
        )
        .help("--to ID gives the last id")),
        None => Ok(options),
    }
}

/// The failure of what looks at a range of ids: that it could not put a job is no matter of where else to put one.
fn of_scan(error: Error) -> Failure {
    let needs_end = match &error {
        Error::Command { command, .. } => *command == "put",
        Error::Argument(ArgumentError::Setting { setting, .. }) => *setting == "range",
        _ => false,
    };
    let failure = Failure::from(error);
    if needs_end {
        failure.help("--to ID gives the last id, so that no job has to be put to learn it")
    } else {
        failure
    }
}

/// How many jobs of a tube are meant, for `--dry-run`.
fn count(app: &App, client: &mut Client, tube: &TubeName, pick: &Pick) -> Outcome<u64> {
    let mut jobs = 0;
    for job in scan(client, scan_options(app, Some(tube), pick, false)?).map_err(of_scan)? {
        jobs += u64::from(pick.matches_queued(&job?));
    }
    Ok(jobs)
}
