//! `move`.

use beanstalk_sync::{Endpoint, TubeName, move_jobs};
use clap::Args;

use super::{Pick, count, interrupt::Interrupt, progress::Bar};
use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    options::parse_tube,
    output::Row,
    verbs::tube::jobs,
};

/// Move the jobs of a tube to another tube or server
///
/// All of them, or those that match; those that a worker holds stay. Priority, time to run, what is left of a delay and buried state
/// survive; ids and counts are new. A job is put before it is deleted: if something breaks in between there are two of it, and never none.
/// Running it again moves the rest. Needs beanstalkd 1.12 or later.
#[derive(Debug, Args)]
pub(crate) struct Move {
    /// The tube that jobs are in
    #[arg(value_name = "FROM", value_parser = parse_tube)]
    source: TubeName,
    /// The tube that they are moved to
    #[arg(value_name = "TO", value_parser = parse_tube)]
    target: TubeName,
    /// On another server
    #[arg(long, value_name = "ENDPOINT")]
    to_server: Option<Endpoint>,
    #[command(flatten)]
    pick: Pick,
}

impl Move {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let Self { source: from, target: to, to_server, pick } = self;
        let server = app.server()?.clone();
        let to_server = to_server.unwrap_or_else(|| server.clone());
        if from == to && server == to_server {
            return Err(Failure::usage(format!("tube {from} would be moved to itself"))
                .help("--to-server ENDPOINT moves it elsewhere"));
        }
        let filter = pick.filter()?;
        let place = if server == to_server { String::new() } else { format!(" on {to_server}") };
        if app.options.dry_run && !app.options.read_only {
            let found = count(app, &mut app.client()?, &from, &pick)?;
            app.may(|| format!("move {} of tube {from} to tube {to}{place}", jobs(found)))?;
            return Ok(Exit::Done);
        }
        if !app.may_destroy(|| format!("move {} of tube {from} to tube {to}{place}", pick.describe()))? {
            return Ok(Exit::Done);
        }
        let bar = Bar::new("moved");
        let interrupt = Interrupt::new()?;
        let (shown, signalled) = (bar.clone(), interrupt.clone());
        let filter = filter.on_progress(move |progress| {
            shown.set(progress);
            signalled.flow()
        });
        let moved = move_jobs(&mut app.client()?, &from, &mut app.connect(&to_server)?, &to, filter);
        bar.end();
        let moved = moved?;
        interrupt.check(format_args!("{} of tube {from} moved to tube {to}{place}", jobs(moved)))?;
        let row = Row::new().with("from", &from).with("to", &to).with("moved", moved);
        app.printer.done(
            &format!("{} of tube {from} moved to tube {to}{place}", jobs(moved)),
            &moved.to_string(),
            &row,
        )?;
        Ok(Exit::Done)
    }
}
