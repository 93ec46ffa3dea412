//! `export`: jobs into a file.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use beanstalk_sync::{Error, ExportError, ExportReader, ExportWriter, ExportedJob, JobId, TubeName, scan};
use clap::Args;

use super::{
    Pick,
    interrupt::{Interrupt, interrupted},
    of_scan,
    progress::Bar,
    scan_options,
};
use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    options::parse_tube,
    verbs::tube::jobs,
};

/// Write jobs into a file
///
/// All of them, or those that match, without reserving or touching any. `import` puts them again. It is no snapshot: what is put,
/// deleted or moves meanwhile may be missing, and a job that a worker holds is exported as well.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file, which must not be there yet; standard output if it is `-`
    file: PathBuf,
    /// Go on with an export that broke off
    #[arg(long)]
    resume: bool,
    /// Only jobs of this tube; all tubes if it is not given
    #[arg(short, long, value_name = "TUBE", value_parser = parse_tube)]
    tube: Option<TubeName>,
    #[command(flatten)]
    pick: Pick,
}

impl Export {
    pub(crate) fn run(mut self, app: &mut App) -> Outcome {
        let (server, path) = (app.server()?.clone(), self.file.display().to_string());
        let failed = |error: &io::Error| Failure::local(&path, error);
        let not_new = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => failed(&error).help("--resume goes on with one that broke off"),
            _ => failed(&error),
        };
        let resumed = match (self.file.as_os_str() == "-", self.resume) {
            (true, true) => return Err(Failure::usage("standard output cannot be resumed")),
            (false, true) => {
                let (writer, last) = resume(&self.file)?;
                self.pick.from = self.pick.from.max(last.map(|JobId(id)| JobId(id.saturating_add(1))));
                Some(writer)
            }
            (false, false) if self.file.exists() => return Err(not_new(nix::errno::Errno::EEXIST.into())),
            (_, false) => None,
        };
        let options = scan_options(app, self.tube.as_ref(), &self.pick, true)?;
        let mut client = app.connect(&server)?;
        let interrupt = Interrupt::new()?;
        let mut found = scan(&mut client, options).map_err(of_scan)?;
        // Only now: a file that nothing could be written into would be in the way of the next attempt.
        let mut writer = match resumed {
            Some(writer) => writer,
            None if self.file.as_os_str() == "-" => begin(Box::new(io::stdout())).map_err(|error| failed(&error))?,
            None => {
                let file = File::create_new(&self.file).map_err(not_new)?;
                begin(Box::new(file)).map_err(|error| failed(&error))?
            }
        };
        let bar = Bar::new("exported");
        let mut exported = 0;
        while let Some(job) = found.next() {
            bar.set(found.progress());
            let next = found.progress().next.filter(|_| exported > 0);
            let stopped = |error: Error| match next {
                Some(next) => Failure { exit: Exit::Partial, ..error.into() }
                    .help(format!("--resume goes on with it; id {next} is the next")),
                None => error.into(),
            };
            let job = job.map_err(stopped)?;
            if interrupt.came() {
                // What was written is flushed, and without its last line the file is one to be resumed.
                drop(writer);
                bar.end();
                let failure = interrupted(format_args!("{} exported to {path}", jobs(exported)));
                return Err(if self.file.as_os_str() == "-" {
                    failure
                } else {
                    failure.help("--resume goes on with it")
                });
            }
            if self.pick.matches(&job)
                && let Some(job) = ExportedJob::new(job).map_err(stopped)?
            {
                writer.write(&job).map_err(|error| failed(&error))?;
                exported += 1;
            }
        }
        writer.finish().map_err(|error| failed(&error))?;
        bar.end();
        app.report.note(&format!("{} exported to {path}", jobs(exported)));
        Ok(Exit::Done)
    }
}

type Writer = ExportWriter<BufWriter<Box<dyn Write>>>;

fn begin(output: Box<dyn Write>) -> io::Result<Writer> {
    ExportWriter::new(BufWriter::new(output))
}

/// Cuts off what is not whole, and returns the id of the last job that is.
fn resume(path: &Path) -> Outcome<(Writer, Option<JobId>)> {
    let failed = |error: &io::Error| Failure::local(path.display(), error);
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| failed(&error))?;
    let end = ExportReader::new(BufReader::new(&file)).find_map(Result::err);
    match end {
        None => Err(Failure::usage(format!("{} is complete", path.display()))),
        Some(ExportError::Incomplete { jobs, offset, last }) => {
            file.set_len(offset).and_then(|()| file.seek(SeekFrom::Start(offset))).map_err(|error| failed(&error))?;
            let output: BufWriter<Box<dyn Write>> = BufWriter::new(Box::new(file));
            // Of one that was broken off within its first line nothing is left.
            let writer = if offset == 0 {
                ExportWriter::new(output).map_err(|error| failed(&error))?
            } else {
                ExportWriter::resume(output, jobs)
            };
            Ok((writer, last))
        }
        Some(error) => Err(Failure::new(Exit::Local, format!("{}: {error}", path.display()))),
    }
}
