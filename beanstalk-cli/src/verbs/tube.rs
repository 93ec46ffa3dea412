//! `pause-tube`.

use beanstalk_sync::TubeName;
use clap::Args;

use crate::{
    app::App,
    exit::{Exit, Outcome},
    options::{parse_seconds, parse_tube},
    output::Row,
};

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

impl PauseTube {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let Self { tube, pause } = self;
        if !app.may(|| format!("pause tube {tube} for {pause} s"))? {
            return Ok(Exit::Done);
        }
        app.client()?.pause_tube(&tube, pause)?;
        let sentence = match pause {
            0 => format!("tube {tube} is no longer paused"),
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
