//! `clear`.

use beanstalk_sync::{TubeName, clear_tube};
use clap::Args;

use super::{Pick, count, interrupt::Interrupt, of_scan, progress::Bar};
use crate::{
    app::App,
    exit::{Exit, Outcome},
    options::parse_tube,
    output::Row,
    verbs::tube::jobs,
};

/// Delete the jobs of a tube
///
/// All of them, or those that match. Jobs that a worker holds stay.
#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// The tube
    #[arg(value_parser = parse_tube)]
    tube: TubeName,
    #[command(flatten)]
    pick: Pick,
}

impl Clear {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let Self { tube, pick } = self;
        let filter = pick.filter()?;
        if app.options.dry_run && !app.options.read_only {
            let found = count(app, &mut app.client()?, &tube, &pick)?;
            app.may(|| format!("delete {} of tube {tube}", jobs(found)))?;
            return Ok(Exit::Done);
        }
        if !app.may_destroy(|| format!("delete {} of tube {tube}", pick.describe()))? {
            return Ok(Exit::Done);
        }
        let bar = Bar::new("deleted");
        let interrupt = Interrupt::new()?;
        let (shown, signalled) = (bar.clone(), interrupt.clone());
        let filter = filter.on_progress(move |progress| {
            shown.set(progress);
            signalled.flow()
        });
        let deleted = clear_tube(&mut app.client()?, &tube, filter);
        bar.end();
        let deleted = deleted.map_err(of_scan)?;
        interrupt.check(format_args!("{} of tube {tube} deleted", jobs(deleted)))?;
        let row = Row::new().with("tube", &tube).with("deleted", deleted);
        app.printer.done(&format!("{} of tube {tube} deleted", jobs(deleted)), &deleted.to_string(), &row)?;
        Ok(Exit::Done)
    }
}
