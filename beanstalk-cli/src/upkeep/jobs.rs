//! `jobs`: lists and searches jobs.

use beanstalk_sync::{FoundJob, TubeName, scan};
use clap::Args;

use super::{Pick, of_scan, progress::Bar, scan_options};
use crate::{
    app::App,
    exit::{Exit, Outcome},
    options::parse_tube,
    output::{Form, Row, Value},
};

/// List jobs, and search them by state, age, priority and body
///
/// Looks at every id, without reserving or touching any job. It is no snapshot: what is put, deleted or moves meanwhile may be seen as it
/// was before or after. The last id is learned from a job that is put into the tube beanstalk.probe and deleted at once, unless --to
/// gives it.
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// Only jobs of this tube; all tubes if it is not given
    #[arg(short, long, value_name = "TUBE", value_parser = parse_tube)]
    tube: Option<TubeName>,
    /// End after this many jobs
    #[arg(short, long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Do not read bodies that nothing else asks for
    #[arg(long)]
    no_body: bool,
    #[command(flatten)]
    pick: Pick,
}

/// Rows of a table that are kept until it is known how wide they are.
const PART: usize = 1000;

const COLUMNS: [&str; 9] = ["id", "tube", "state", "pri", "age", "left", "reserves", "bytes", "body"];

impl Jobs {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let options = scan_options(app, self.tube.as_ref(), &self.pick, !self.no_body)?;
        let mut client = app.client()?;
        let bar = Bar::new("found");
        let mut jobs = scan(&mut client, options).map_err(of_scan)?;
        // A table is printed in parts, so that its columns fit what is in them.
        let (mut rows, mut found) = (Vec::new(), 0);
        let limit = self.limit.unwrap_or(usize::MAX);
        while found < limit {
            let Some(job) = jobs.next() else { break };
            let job = job?;
            bar.set(jobs.progress());
            if self.pick.matches(&job) {
                found += 1;
                let row = row(job);
                match app.options.output {
                    Form::Table if !app.options.raw => {
                        rows.push(row);
                        if rows.len() == PART {
                            app.printer.part(&COLUMNS, &rows)?;
                            rows.clear();
                        }
                    }
                    _ => app.printer.item(&row)?,
                }
            }
        }
        bar.end();
        match app.options.output {
            Form::Table if !app.options.raw => {
                if found == 0 || !rows.is_empty() {
                    app.printer.part(&COLUMNS, &rows)?;
                }
            }
            _ => app.printer.end()?,
        }
        Ok(Exit::Done)
    }
}

fn row(job: FoundJob) -> Row {
    let left = job.stats.time_left.filter(|left| !left.is_zero());
    Row::new()
        .with("id", job.id)
        .with("tube", &job.tube)
        .with("state", job.state.as_str())
        .with("pri", job.stats.pri.map(|pri| u64::from(pri.0)))
        .with("age", job.stats.age)
        .with("left", left)
        .with("reserves", job.stats.reserves)
        .with("bytes", job.body.as_ref().map(|body| body.len() as u64))
        .with("body", job.body.map_or(Value::None, Value::Body))
}
