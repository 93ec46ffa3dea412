//! The program's description of itself: completions for shells, and its man page.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{
    app::App,
    exit::{Exit, Outcome},
};

/// Print completions for a shell
///
/// bash: beanstalk completions bash > ~/.local/share/bash-completion/completions/beanstalk
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the man page
///
/// beanstalk man | man -l -
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The verb whose page to print, instead of the whole program's
    verb: Option<String>,
}

impl Completions {
    pub(crate) fn run(self, app: &mut App, mut cli: Command) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli, "beanstalk", &mut script);
        app.printer.bytes(&script)?;
        Ok(Exit::Done)
    }
}

impl Man {
    pub(crate) fn run(self, app: &mut App, mut cli: Command) -> Outcome {
        cli.build();
        let command = match &self.verb {
            None => cli,
            Some(verb) => match cli.find_subcommand(verb) {
                Some(command) => command.clone(),
                None => {
                    return Err(crate::exit::Failure::usage(format!("{verb:?} is not a verb"))
                        .help("beanstalk help shows them all"));
                }
            },
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        app.printer.bytes(&page)?;
        Ok(Exit::Done)
    }
}
