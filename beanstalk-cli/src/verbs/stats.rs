//! `stats`, `stats-job`, `stats-tube`: whatever keys the server sends, under its own names.

use std::borrow::Cow;

use beanstalk_sync::{StatsTube as TubeRequest, TubeName};
use clap::Args;

use super::{Ids, each};
use crate::{
    app::App,
    exit::Outcome,
    options::parse_tube,
    output::{Row, Value},
    report::Tally,
};

/// Statistics of the servers
#[derive(Debug, Args)]
pub(crate) struct Stats {}

/// Statistics of jobs
#[derive(Debug, Args)]
pub(crate) struct StatsJob {
    #[command(flatten)]
    ids: Ids,
}

/// Statistics of tubes
#[derive(Debug, Args)]
pub(crate) struct StatsTube {
    /// Tubes
    #[arg(required = true, value_name = "TUBE", value_parser = parse_tube)]
    tubes: Vec<TubeName>,
}

impl Stats {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        records(app, |client, _| Ok(vec![row(client.stats()?.iter(), SERVER_TEXTS)]))
    }
}

impl StatsJob {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let mut client = app.client()?;
        each(app, &mut client, &self.ids.ids, beanstalk_sync::StatsJob::new, |printer, _, stats| {
            printer.item(&row(stats.iter(), TEXTS))
        })
    }
}

impl StatsTube {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        records(app, |client, tally| {
            let mut rows = Vec::new();
            for stats in client.call_all(self.tubes.iter().map(TubeRequest::new)) {
                match stats {
                    Ok(stats) => rows.push(row(stats.iter(), TEXTS)),
                    Err(error) if super::stop(&error) => return Err(error.into()),
                    Err(error) => tally.failed(error.into()),
                }
            }
            Ok(rows)
        })
    }
}

/// Asks every server, and prints each answer with all its fields.
fn records(
    app: &mut App,
    mut ask: impl FnMut(&mut beanstalk_sync::Client, &mut Tally<'_>) -> Outcome<Vec<Row>>,
) -> Outcome {
    let several = app.options.servers.len() > 1;
    let App { options, printer, report } = app;
    let mut tally = Tally::new(report);
    for server in &options.servers {
        match crate::connect::connect(options, server).and_then(|mut client| ask(&mut client, &mut tally)) {
            Ok(rows) => {
                for row in rows {
                    printer.item(&row.first("server", several.then(|| server.to_string())))?;
                    tally.done();
                }
            }
            Err(failure) => tally.failed(failure),
        }
    }
    printer.end()?;
    Ok(tally.exit())
}

/// Keys whose values are text, even if they look like something else: `1.10` is no number, nor is a tube called 7.
const TEXTS: &[&str] = &["name", "tube", "state"];
const SERVER_TEXTS: &[&str] = &["version", "id", "hostname", "os", "platform"];

/// A key is a field, and a value that is a number is one.
fn row<'a>(stats: impl Iterator<Item = (&'a str, Cow<'a, str>)>, texts: &[&str]) -> Row {
    stats.fold(Row::new(), |row, (key, text)| {
        let value = match (&*text, text.parse::<u64>()) {
            _ if texts.contains(&key) => Value::Text(text.into_owned()),
            (_, Ok(number)) => Value::Count(number),
            ("true" | "false", _) => Value::Flag(text == "true"),
            _ => Value::Text(text.into_owned()),
        };
        row.with(key.to_owned(), value)
    })
}
