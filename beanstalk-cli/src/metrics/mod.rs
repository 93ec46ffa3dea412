//! `metrics`: what Prometheus scrapes. Everything is asked for when it is scraped, and nothing is remembered in between.

mod families;
mod http;
mod text;

use std::{net::SocketAddr, thread, time::Instant};

use beanstalk_sync::Endpoint;
use clap::Args;
use regex::Regex;

use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    options::Options,
    overview::{Overview, TubeFilter},
    report::Report,
};

/// Serve metrics for Prometheus
///
/// Each scrape asks every server, all at the same time, and a server for all its tubes in one pipelined round.
#[derive(Debug, Args)]
pub(crate) struct Metrics {
    #[command(flatten)]
    filter: TubeFilter,
    /// Print the metrics once and end
    #[arg(long)]
    once: bool,
    /// Where to listen. Any client that can connect can read the names and counts of all tubes
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9897", conflicts_with = "once")]
    listen: SocketAddr,
    /// Turn parts of tube names into labels: the named groups of this regular expression, as in '^(?<app>\w+)\.(?<queue>\w+)$'
    #[arg(long, value_name = "REGEX", value_parser = parse_labels)]
    labels: Option<Regex>,
}

/// What came of asking one server.
struct Scrape {
    server: String,
    seconds: f64,
    result: Result<Overview, Failure>,
}

/// What a scrape needs.
struct Scraper {
    options: Options,
    filter: TubeFilter,
    labels: Option<Regex>,
}

impl Metrics {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        let scraper = Scraper { options: app.options.clone(), filter: self.filter, labels: self.labels };
        if !self.once {
            return http::serve(self.listen, scraper, Report::new(app.options.color));
        }
        let scrapes = scraper.scrape();
        app.printer.text(&text::render(&scrapes, scraper.labels.as_ref()))?;
        let mut tally = crate::report::Tally::new(&app.report);
        for scrape in scrapes {
            match scrape.result {
                Ok(_) => tally.done(),
                Err(failure) => tally.failed(failure),
            }
        }
        Ok(tally.exit())
    }
}

impl Scraper {
    /// Asks all servers at the same time.
    fn scrape(&self) -> Vec<Scrape> {
        thread::scope(|scope| {
            let servers: Vec<_> =
                self.options.servers.iter().map(|server| (server, scope.spawn(|| self.one(server)))).collect();
            servers
                .into_iter()
                .map(|(server, scrape)| {
                    scrape.join().unwrap_or_else(|_| Scrape {
                        server: server.to_string(),
                        seconds: 0.0,
                        result: Err(Failure::new(Exit::Local, "the thread that asked it has panicked")),
                    })
                })
                .collect()
        })
    }

    fn one(&self, server: &Endpoint) -> Scrape {
        let start = Instant::now();
        let result = crate::connect::connect(&self.options, server)
            .and_then(|mut client| Ok(Overview::collect(&mut client, &self.filter)?));
        Scrape { server: server.to_string(), seconds: start.elapsed().as_secs_f64(), result }
    }

    fn text(&self, report: &Report) -> String {
        let scrapes = self.scrape();
        for failure in scrapes.iter().filter_map(|scrape| scrape.result.as_ref().err()) {
            report.print(failure);
        }
        text::render(&scrapes, self.labels.as_ref())
    }
}

/// A pattern whose groups can be labels.
fn parse_labels(pattern: &str) -> Result<Regex, String> {
    let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
    let names: Vec<_> = pattern.capture_names().flatten().collect();
    if names.is_empty() {
        return Err("it has no named group, as in (?<app>[a-z]+)".into());
    }
    let taken = |name: &&&str| families::LABELS.contains(*name) || name.starts_with("__");
    match names.iter().find(taken) {
        Some(name) => Err(format!("there is a label {name:?} already")),
        None => {
            match names.iter().find(|name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')) {
                Some(name) => Err(format!("{name:?} is not a label name: use letters, digits and _")),
                None => Ok(pattern),
            }
        }
    }
}
