//! All tubes of a server at once: one round of pipelined commands, whatever their number.

use beanstalk_sync::{
    Client, CommandError, Error, ListTubes, Stats, StatsTube, TubeName,
    stats::{ServerStats, TubeStats},
};
use clap::Args;
use regex::Regex;

/// A server and its tubes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview {
    pub(crate) server: ServerStats,
    /// In the server's order: `default` first, then the oldest.
    pub(crate) tubes: Vec<TubeStats>,
}

/// Which tubes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TubeFilter {
    /// Only tubes whose names match this regular expression; repeat it for any of several
    #[arg(long, value_name = "REGEX")]
    include: Vec<Regex>,
    /// No tubes whose names match this regular expression
    #[arg(long, value_name = "REGEX")]
    exclude: Vec<Regex>,
}

impl TubeFilter {
    pub(crate) fn admits(&self, tube: &TubeName) -> bool {
        let any = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(tube.as_str()));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

impl Overview {
    /// Asks a server for its statistics, its tubes, and the statistics of those that the filter admits. A tube that is gone meanwhile is
    /// left out.
    pub(crate) fn collect(client: &mut Client, filter: &TubeFilter) -> Result<Self, Error> {
        let (server, names) = client.call_both(Stats::new(), ListTubes::new())?;
        let (server, names) = (server?, names?);
        let mut tubes = Vec::with_capacity(names.len());
        for tube in client.call_all(names.iter().filter(|name| filter.admits(name)).map(StatsTube::new)) {
            match tube {
                Ok(tube) => tubes.push(tube),
                Err(error) if error.command_error() == Some(CommandError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { server, tubes })
    }
}
