//! Verbs about the connection itself. Each connection of this program ends with it, so `use`, `watch` and `ignore` show what the server
//! answers and leave nothing behind; other verbs take a tube of their own.

use beanstalk_sync::TubeName;
use clap::Args;

use crate::{
    app::App,
    exit::{Exit, Outcome},
    options::parse_tube,
    output::Row,
};

/// List the tubes that exist
#[derive(Debug, Args)]
pub(crate) struct ListTubes {}

/// Show which tube a new connection uses
#[derive(Debug, Args)]
pub(crate) struct ListTubeUsed {}

/// Show which tubes a new connection watches
#[derive(Debug, Args)]
pub(crate) struct ListTubesWatched {}

/// Use a tube, which creates it for a moment
///
/// A tube in use is one of this connection, which ends here. put, kick and the peek- verbs take --tube.
#[derive(Debug, Args)]
pub(crate) struct Use {
    /// The tube
    #[arg(value_parser = parse_tube)]
    tube: TubeName,
}

/// Watch tubes, and show how many are watched
///
/// The watch list is one of this connection, which ends here. The reserve verbs and work take --watch.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Tubes
    #[arg(required = true, value_name = "TUBE", value_parser = parse_tube)]
    tubes: Vec<TubeName>,
}

/// Ignore tubes, and show how many are watched
///
/// The watch list is one of this connection, which ends here: it holds `default` only, which cannot be ignored.
#[derive(Debug, Args)]
pub(crate) struct Ignore {
    /// Tubes
    #[arg(required = true, value_name = "TUBE", value_parser = parse_tube)]
    tubes: Vec<TubeName>,
}

/// Connect and quit: shows whether the servers are there
#[derive(Debug, Args)]
pub(crate) struct Quit {}

impl ListTubes {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        app.list(&["tube"], |client, _| Ok(client.list_tubes()?.iter().map(named).collect()))
    }
}

impl ListTubeUsed {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        app.list(&["tube"], |client, _| Ok(vec![named(&client.list_tube_used()?)]))
    }
}

impl ListTubesWatched {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        app.list(&["tube"], |client, _| Ok(client.list_tubes_watched()?.iter().map(named).collect()))
    }
}

fn named(tube: &TubeName) -> Row {
    Row::new().with("tube", tube)
}

impl Use {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let tube = self.tube;
        app.client()?.use_tube(&tube)?;
        app.printer.done(&format!("using {tube}"), tube.as_str(), &Row::new().with("using", &tube))?;
        Ok(Exit::Done)
    }
}

impl Watch {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let mut client = app.client()?;
        let mut count = 0;
        for tube in &self.tubes {
            count = client.watch(tube)?;
        }
        watching(app, count)
    }
}

impl Ignore {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let mut client = app.client()?;
        let mut count = 0;
        for tube in &self.tubes {
            count = client.ignore(tube)?;
        }
        watching(app, count)
    }
}

fn watching(app: &mut App, count: u64) -> Outcome {
    app.printer.done(&format!("watching {count}"), &count.to_string(), &Row::new().with("watching", count))?;
    Ok(Exit::Done)
}

impl Quit {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let servers = app.options.servers.clone();
        let mut tally = crate::report::Tally::new(&app.report);
        for server in &servers {
            match app.connect(server).and_then(|client| Ok(client.disconnect()?)) {
                Ok(()) => {
                    let row = Row::new().with("server", server.to_string());
                    app.printer.act(&format!("{server} is there"), &server.to_string(), &row)?;
                    tally.done();
                }
                Err(failure) => tally.failed(failure),
            }
        }
        app.printer.end()?;
        Ok(tally.exit())
    }
}
