//! `beanstalk-server`: an in-memory server with beanstalkd's own flags, for tests and development.

// They panic where they cannot print.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![warn(clippy::needless_pass_by_value)]

#[cfg(unix)]
mod activation;
mod args;
mod output;

use std::{io, process::ExitCode};

use args::{Options, Parsed};
use beanstalk_server::{Builder, EmbeddedServer};
use output::{print, warn};

/// What beanstalkd exits with when it cannot listen.
const CANNOT_LISTEN: u8 = 111;

fn main() -> ExitCode {
    let options = match args::parse(lexopt::Parser::from_env()) {
        Ok(Parsed::Run(options)) => options,
        Ok(Parsed::Print(text)) => {
            print(format_args!("{text}"));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            warn(format_args!("{error}\n\n{}", args::USAGE));
            return ExitCode::from(args::USAGE_ERROR);
        }
    };
    if options.verbosity > 0 {
        print(format_args!("pid {}\n", std::process::id()));
    }
    match builder(&options).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn(format_args!("cannot serve at {}: {error}", options.address()));
            ExitCode::from(CANNOT_LISTEN)
        }
    }
}

/// What the options ask for, at the socket that was handed over or else at the address in them.
fn builder(options: &Options) -> io::Result<Builder> {
    let builder = EmbeddedServer::builder()
        .max_job_size(options.max_job_size)
        .dialect(options.dialect)
        .verbosity(options.verbosity);
    #[cfg(unix)]
    if let Some(inherited) = activation::inherited()? {
        for option in options.place() {
            warn(format_args!("inherited listen socket; ignoring option: {option}"));
        }
        return Ok(match inherited {
            activation::Inherited::Tcp(listener) => builder.tcp_listener(listener),
            activation::Inherited::Unix(listener) => builder.unix_listener(listener),
        });
    }
    Ok(builder.listen(options.address()))
}

/// Serves until SIGTERM or SIGINT. SIGUSR1 starts drain mode.
#[cfg(unix)]
fn serve(builder: Builder) -> io::Result<()> {
    use signal_hook::{
        consts::{SIGINT, SIGTERM, SIGUSR1},
        iterator::Signals,
    };

    // Before the server starts: from then on they may be sent.
    let mut signals = Signals::new([SIGUSR1, SIGTERM, SIGINT])?;
    let handle = signals.handle();
    let server = builder.start_and(move |_| handle.close())?;
    for signal in signals.forever() {
        match signal {
            SIGUSR1 => server.set_draining(true),
            _ => break,
        }
    }
    server.stop()
}

/// Serves until the process is ended.
#[cfg(not(unix))]
fn serve(builder: Builder) -> io::Result<()> {
    let (ended, end) = std::sync::mpsc::channel();
    let server = builder.start_and(move |_| drop(ended))?;
    // It never sends; the channel closes when the server ends.
    let _: Result<(), _> = end.recv();
    server.stop()
}
