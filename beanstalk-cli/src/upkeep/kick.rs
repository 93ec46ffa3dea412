//! `kick`, with a bound or of all that are buried.

use beanstalk_sync::{Kick as Request, Use, kick_buried};
use clap::Args;

use super::{Pick, interrupt::Interrupt, of_scan, progress::Bar};
use crate::{
    app::App,
    exit::{Exit, Outcome},
    output::Row,
    verbs::{InTube, tube::jobs},
};

/// Make jobs of a tube ready
///
/// With a bound, at most that many: buried ones, or if there are none, delayed ones. With --all every buried job, or every one that matches,
/// and no delayed one.
#[derive(Debug, Args)]
pub(crate) struct Kick {
    /// At most this many
    #[arg(value_name = "BOUND", required_unless_present = "all")]
    bound: Option<u32>,
    /// All that are buried
    #[arg(long, conflicts_with = "bound")]
    all: bool,
    #[command(flatten)]
    tube: InTube,
    #[command(flatten)]
    pick: Pick,
}

impl Kick {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let tube = self.tube.tube;
        let kicked = match self.bound {
            Some(bound) => {
                if !self.pick.is_all() {
                    return Err(crate::exit::Failure::usage("a bound kicks whatever is first")
                        .help("--all kicks those that match"));
                }
                if !app.may(|| format!("kick {bound} jobs of tube {tube} at most"))? {
                    return Ok(Exit::Done);
                }
                let (used, kicked) = app.client()?.call_both(Use::new(&tube), Request::new(bound))?;
                used?;
                kicked?
            }
            None => {
                let filter = self.pick.filter()?;
                if !app.may(|| format!("kick the buried jobs of tube {tube}"))? {
                    return Ok(Exit::Done);
                }
                let bar = Bar::new("kicked");
                let interrupt = Interrupt::new()?;
                let (shown, signalled) = (bar.clone(), interrupt.clone());
                let filter = filter.on_progress(move |progress| {
                    shown.set(progress);
                    signalled.flow()
                });
                let kicked = kick_buried(&mut app.client()?, &tube, filter);
                bar.end();
                let kicked = kicked.map_err(of_scan)?;
                interrupt.check(format_args!("{} of tube {tube} kicked", jobs(kicked)))?;
                kicked
            }
        };
        let row = Row::new().with("tube", &tube).with("kicked", kicked);
        app.printer.done(&format!("{} of tube {tube} kicked", jobs(kicked)), &kicked.to_string(), &row)?;
        Ok(Exit::Done)
    }
}
