//! `tubes`: a table of all tubes.

use std::{
    io::{self, IsTerminal},
    thread,
    time::Duration,
};

use beanstalk_sync::stats::TubeStats;
use clap::{Args, ValueEnum};

use crate::{
    app::App,
    exit::Outcome,
    options::parse_timeout,
    output::{Form, Row, Value},
    overview::{Overview, TubeFilter},
};

/// Show all tubes and what is in them
#[derive(Debug, Args)]
pub(crate) struct Tubes {
    #[command(flatten)]
    filter: TubeFilter,
    /// Sort by this, largest first; names are sorted from a to z
    #[arg(long, value_name = "COLUMN", value_enum, default_value = "name")]
    sort: Column,
    /// Refresh at this interval, every 2 s if none is given
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s", value_parser = parse_timeout)]
    watch: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Column {
    Name,
    Ready,
    Urgent,
    Reserved,
    Delayed,
    Buried,
    Waiting,
    Watching,
    Using,
    Total,
}

const COLUMNS: [&str; 11] =
    ["tube", "ready", "urgent", "reserved", "delayed", "buried", "waiting", "watching", "using", "total", "paused"];

impl Tubes {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        loop {
            if self.watch.is_some() && app.options.output == Form::Table && io::stdout().is_terminal() {
                // The cursor to the top left, and nothing below it.
                app.printer.text("\x1b[H\x1b[J")?;
            }
            let exit = app.list(&COLUMNS, |client, _| {
                let mut tubes = Overview::collect(client, &self.filter)?.tubes;
                tubes.sort_by(|a, b| self.sort.of(b).cmp(&self.sort.of(a)).then_with(|| a.name.cmp(&b.name)));
                Ok(tubes.iter().map(row).collect())
            })?;
            let Some(pause) = self.watch else { return Ok(exit) };
            app.printer.flush()?;
            thread::sleep(pause);
        }
    }
}

impl Column {
    const fn of(self, tube: &TubeStats) -> Option<u64> {
        match self {
            Self::Name => None,
            Self::Ready => tube.current_jobs_ready,
            Self::Urgent => tube.current_jobs_urgent,
            Self::Reserved => tube.current_jobs_reserved,
            Self::Delayed => tube.current_jobs_delayed,
            Self::Buried => tube.current_jobs_buried,
            Self::Waiting => tube.current_waiting,
            Self::Watching => tube.current_watching,
            Self::Using => tube.current_using,
            Self::Total => tube.total_jobs,
        }
    }
}

fn row(tube: &TubeStats) -> Row {
    let paused = tube.pause.filter(|pause| !pause.is_zero()).map(|_| tube.pause_time_left.unwrap_or_default());
    Row::new()
        .with("tube", tube.name.as_ref())
        .with("ready", tube.current_jobs_ready)
        .with("urgent", tube.current_jobs_urgent)
        .with("reserved", tube.current_jobs_reserved)
        .with("delayed", tube.current_jobs_delayed)
        .with("buried", tube.current_jobs_buried)
        .with("waiting", tube.current_waiting)
        .with("watching", tube.current_watching)
        .with("using", tube.current_using)
        .with("total", tube.total_jobs)
        .with("paused", paused.map_or(Value::None, |left| Value::Seconds(left.as_secs())))
}
