//! `import`: jobs out of a file.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
};

use beanstalk_sync::{ExportReader, ImportError, import};
use clap::Args;

use super::{
    interrupt::{Interrupt, interrupted},
    progress::Bar,
};
use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    report::Tally,
    verbs::tube::jobs,
};

/// Put the jobs of an export again
///
/// Priority, time to run, what was left of a delay, buried state and tube survive; ids and counts are new, and a job that a worker held is
/// ready. Buried jobs need beanstalkd 1.12 or later. If it breaks off, --skip goes on: at most 256 jobs can be there twice.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file; standard input if it is `-`
    file: PathBuf,
    /// Skip this many jobs at the beginning of the export
    #[arg(long, value_name = "NUMBER", default_value = "0")]
    skip: u64,
}

impl Import {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let path = self.file.display().to_string();
        let input: Box<dyn BufRead> = match self.file.as_os_str() == "-" {
            true => Box::new(io::stdin().lock()),
            false => Box::new(BufReader::new(File::open(&self.file).map_err(|error| Failure::local(&path, &error))?)),
        };
        let server = app.server()?.clone();
        let mut read = ExportReader::new(input)
            .map(|job| job.map_err(|error| Failure::new(Exit::Local, format!("{path}: {error}"))));
        for _ in 0..self.skip {
            if read.next().transpose()?.is_none() {
                break;
            }
        }
        if app.options.dry_run && !app.options.read_only {
            let mut count = 0;
            for job in read {
                job?;
                count += 1;
            }
            app.may(|| format!("put {} of {path}", jobs(count)))?;
            return Ok(Exit::Done);
        }
        app.may(|| format!("put the jobs of {path}"))?;
        let mut client = app.connect(&server)?;
        let interrupt = Interrupt::new()?;
        let (bar, mut tally) = (Bar::new("imported"), Tally::new(&app.report));
        let mut importing = import(&mut client)?;
        let mut broken = false;
        for job in read {
            let job = match job {
                Ok(job) => job,
                Err(failure) => {
                    // What was read is good.
                    tally.failed(failure);
                    break;
                }
            };
            if let Err(error) = importing.push(job) {
                broken |= failed(error, &mut tally);
            }
            bar.set(importing.progress());
            if broken || interrupt.came() {
                break;
            }
        }
        let restored = loop {
            match importing.finish() {
                Ok(restored) => break restored,
                Err(error) => broken |= failed(error, &mut tally),
            }
        };
        bar.end();
        if restored > 0 {
            tally.done();
        }
        let pushed = importing.progress().looked_at;
        app.report.note(&format!("{} imported from {path}", jobs(restored)));
        if interrupt.came() && !broken {
            let from = self.skip.saturating_add(pushed);
            tally.failed(interrupted(format_args!("--skip {from} goes on with it")));
        }
        if broken {
            let from = self.skip.saturating_add(pushed).saturating_sub(256).max(self.skip);
            app.report.note(&format!("to go on: --skip {from}; up to 256 jobs before the break can be there twice"));
        }
        Ok(tally.exit())
    }
}

/// Reports a job that was not put, and returns whether the connection has ended.
fn failed(error: ImportError, tally: &mut Tally<'_>) -> bool {
    let (id, fatal) = (error.id, error.error.is_fatal());
    let mut failure = Failure::from(error.error);
    failure.text = format!("job {id} of the export: {}", failure.text);
    tally.failed(failure);
    fatal
}
