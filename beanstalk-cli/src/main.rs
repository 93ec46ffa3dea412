//! `beanstalk`: looks after beanstalkd queues.

mod app;
mod body;
mod cli;
mod connect;
mod exit;
mod metrics;
mod options;
mod output;
mod overview;
mod report;
mod top;
mod upkeep;
mod verbs;
mod work;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use app::App;
use cli::{Cli, Verb};
use exit::Outcome;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut app = App::new(cli.options);
    let outcome = app
        .find_servers()
        .and_then(|()| run(&mut app, cli.verb))
        .and_then(|exit| Ok(output::though_unread(app.printer.flush()).map(|()| exit)?));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // What was printed before it failed stands before the error. If that cannot be written either, the error is enough.
            let _ = app.printer.flush();
            app.report.print(&failure);
            failure.exit.into()
        }
    }
}

fn run(app: &mut App, verb: Verb) -> Outcome {
    match verb {
        Verb::Put(verb) => verb.run(app),
        Verb::Reserve(verb) => verb.run(app),
        Verb::ReserveWithTimeout(verb) => verb.run(app),
        Verb::ReserveJob(verb) => verb.run(app),
        Verb::Delete(verb) => verb.run(app),
        Verb::Release(verb) => verb.run(app),
        Verb::Bury(verb) => verb.run(app),
        Verb::Touch(verb) => verb.run(app),
        Verb::KickJob(verb) => verb.run(app),
        Verb::Peek(verb) => verb.run(app),
        Verb::PeekReady(verb) => verb.run(app),
        Verb::PeekDelayed(verb) => verb.run(app),
        Verb::PeekBuried(verb) => verb.run(app),
        Verb::Kick(verb) => verb.run(app),
        Verb::PauseTube(verb) => verb.run(app),
        Verb::Stats(verb) => verb.run(app),
        Verb::StatsJob(verb) => verb.run(app),
        Verb::StatsTube(verb) => verb.run(app),
        Verb::ListTubes(verb) => verb.run(app),
        Verb::ListTubeUsed(verb) => verb.run(app),
        Verb::ListTubesWatched(verb) => verb.run(app),
        Verb::Use(verb) => verb.run(app),
        Verb::Watch(verb) => verb.run(app),
        Verb::Ignore(verb) => verb.run(app),
        Verb::Quit(verb) => verb.run(app),
        Verb::Jobs(verb) => verb.run(app),
        Verb::Clear(verb) => verb.run(app),
        Verb::Move(verb) => verb.run(app),
        Verb::Export(verb) => verb.run(app),
        Verb::Import(verb) => verb.run(app),
        Verb::Tubes(verb) => verb.run(app),
        Verb::Top(verb) => verb.run(app),
        Verb::Metrics(verb) => verb.run(app),
        Verb::Work(verb) => verb.run(app),
        Verb::Completions(verb) => verb.run(app, Cli::command()),
        Verb::Man(verb) => verb.run(app, Cli::command()),
    }
}
