//! Verbs that change a tube: `kick`, `pause-tube`.

use beanstalk_sync::{TubeName, Use};
use clap::Args;

use super::InTube;
use crate::{
    app::App,
    exit::{Exit, Outcome},
    options::{parse_seconds, parse_tube},
    output::Row,
};

/// Make jobs of a tube ready: buried ones, or if there are none, delayed ones
#[derive(Debug, Args)]
pub(crate) struct Kick {
    /// How many at most
    #[arg(value_name = "BOUND")]
    bound: u32,
    #[command(flatten)]
    tube: InTube,
}

/// Let no job of a tube be reserved for some time
///
/// 0 ends a pause.
#[derive(Debug, Args)]
pub(crate) struct PauseTube {
    /// The tube
    #[arg(value_parser = parse_tube)]
    tube: TubeName,
    /// How long: seconds, or as in 5m, 2h, 1d
    #[arg(value_name = "TIME", value_parser = parse_seconds)]
    pause: u32,
}

impl Kick {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let (bound, tube) = (self.bound, self.tube.tube);
        if !app.may(|| format!("kick {bound} jobs of tube {tube} at most"))? {
            return Ok(Exit::Done);
        }
        let (used, kicked) = app.client()?.call_both(Use::new(&tube), beanstalk_sync::Kick::new(bound))?;
        used?;
        let kicked = kicked?;
        let sentence = format!("{} of tube {tube} kicked", jobs(kicked));
        app.printer.done(&sentence, &kicked.to_string(), &Row::new().with("tube", &tube).with("kicked", kicked))?;
        Ok(Exit::Done)
    }
}

impl PauseTube {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let Self { tube, pause } = self;
        if !app.may(|| format!("pause tube {tube} for {pause} s"))? {
            return Ok(Exit::Done);
        }
        app.client()?.pause_tube(&tube, pause)?;
        let sentence = match pause {
            0 => format!("tube {tube} is not paused any more"),
            _ => format!("tube {tube} is paused for {pause} s"),
        };
        let row = Row::new().with("tube", &tube).with("pause", u64::from(pause));
        app.printer.done(&sentence, &pause.to_string(), &row)?;
        Ok(Exit::Done)
    }
}

/// As in "1 job" and "2 jobs".
pub(crate) fn jobs(count: u64) -> String {
    if count == 1 { "1 job".into() } else { format!("{count} jobs") }
}
