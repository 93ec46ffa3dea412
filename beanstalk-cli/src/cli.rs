//! The command line: the verbs, and the options for all of them.

use clap::{Parser, Subcommand};

use crate::{exit::EXIT_CODES, metrics, options::Options, top, upkeep, verbs, work};

/// Looks after beanstalkd queues.
///
/// Every command of the protocol is a verb under its own name; the others are made of several commands. A verb that reads
/// takes several servers, one that changes something takes one.
#[derive(Debug, Parser)]
#[command(name = "beanstalk", version, max_term_width = 100, after_help = EXIT_CODES, infer_long_args = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Put(verbs::put::Put),
    Reserve(verbs::reserve::Reserve),
    ReserveWithTimeout(verbs::reserve::ReserveWithTimeout),
    ReserveJob(verbs::reserve::ReserveJob),
    Delete(verbs::job::Delete),
    Release(verbs::job::Release),
    Bury(verbs::job::Bury),
    Touch(verbs::job::Touch),
    KickJob(verbs::job::KickJob),
    Peek(verbs::peek::Peek),
    PeekReady(verbs::peek::PeekReady),
    PeekDelayed(verbs::peek::PeekDelayed),
    PeekBuried(verbs::peek::PeekBuried),
    Kick(upkeep::kick::Kick),
    PauseTube(verbs::tube::PauseTube),
    Stats(verbs::stats::Stats),
    StatsJob(verbs::stats::StatsJob),
    StatsTube(verbs::stats::StatsTube),
    ListTubes(verbs::connection::ListTubes),
    ListTubeUsed(verbs::connection::ListTubeUsed),
    ListTubesWatched(verbs::connection::ListTubesWatched),
    Use(verbs::connection::Use),
    Watch(verbs::connection::Watch),
    Ignore(verbs::connection::Ignore),
    Quit(verbs::connection::Quit),
    Jobs(upkeep::jobs::Jobs),
    Clear(upkeep::clear::Clear),
    Move(upkeep::moving::Move),
    Export(upkeep::export::Export),
    Import(upkeep::import::Import),
    Tubes(verbs::tubes::Tubes),
    Top(top::Top),
    Metrics(metrics::Metrics),
    Work(work::Work),
    Completions(verbs::shell::Completions),
    Man(verbs::shell::Man),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command of the protocol is a verb under its name.
    #[test]
    fn every_command_of_the_protocol_is_a_verb() {
        let cli = Cli::command();
        for kind in beanstalk_proto::Kind::ALL {
            assert!(cli.find_subcommand(kind.word()).is_some(), "{} is not a verb", kind.word());
        }
    }
}
