//! What the program ends with: exit codes, and errors with what to do about them.

use std::{error, fmt, io, iter, process::ExitCode};

use beanstalk_sync::{
    ArgumentError, CommandError, ConnectError, Error, GreetingError,
    rustls::{self, AlertDescription, CertificateError},
};

/// How the program ends. The numbers are part of its interface and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything was done.
    Done = 0,
    /// This machine failed: a file cannot be read, a command cannot be started.
    Local = 1,
    /// Wrong usage; nothing was sent. Also what clap ends with.
    Usage = 2,
    /// The server answered with an error reply.
    Refused = 3,
    /// `NOT_FOUND`: no such job or tube, or not in a state that the command applies to.
    NotFound = 4,
    /// No connection, one that broke, or no reply in time.
    Unreachable = 5,
    /// Some of it was done, and some was not.
    Partial = 6,
    /// No job came in time.
    Nothing = 7,
    /// `--read-only` forbids it, or it was not confirmed.
    NotAllowed = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table for `--help`, the man page and the README.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  this machine failed: a file cannot be read, a command cannot be started
  2  wrong usage; nothing was sent
  3  the server refused it
  4  not found: no such job or tube, or not in a state that the command applies to
  5  unreachable: no connection, one that broke, or no reply in time
  6  partial success: some of it was done, and some was not
  7  no job came in time
  8  not allowed: --read-only forbids it, or it was not confirmed";

/// Why something was not done, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) text: String,
    pub(crate) help: Option<String>,
}

pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// What failed, of a file or a command on this machine.
    pub(crate) fn local(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Exit::Local, format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Output whose reader is gone is no failure: the program ends as if all had been read.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::local("standard output", &error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(exit_of(&error), text_of(&error));
        match help_for(&error) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<ArgumentError> for Failure {
    fn from(error: ArgumentError) -> Self {
        Error::from(error).into()
    }
}

fn text_of(error: &Error) -> String {
    match GreetingError::of(error) {
        Some(refused) => {
            format!("connect {}: the server answered {} to {}", refused.node, refused.answer, refused.command)
        }
        None => {
            let mut text = error.to_string();
            // What a program would do about it: our options are given as help.
            if let Some(end) =
                ["; if that is right, set TlsOptions", "; set TlsOptions"].iter().find_map(|advice| text.find(advice))
            {
                text.truncate(end);
            }
            text
        }
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Argument(_) => Exit::Usage,
        Error::Command { error: CommandError::NotFound, .. } => Exit::NotFound,
        Error::Command { .. } | Error::Buried(_) | Error::ReplyTooBig { .. } | Error::Stats { .. } => Exit::Refused,
        Error::UseRefused { .. } | Error::NotHeld { .. } => Exit::Refused,
        error if GreetingError::of(error).is_some() => Exit::Refused,
        _ => Exit::Unreachable,
    }
}

/// What TLS failed with, if it did.
fn tls(error: &Error) -> Option<&rustls::Error> {
    let find = |error| {
        iter::successors(Some(error), |error: &&(dyn error::Error + 'static)| error.source())
            .find_map(<dyn error::Error>::downcast_ref)
    };
    match error {
        Error::Io { error, .. } => find(error),
        error => ConnectError::of(error)?.attempts().find_map(|attempt| find(&attempt.error)),
    }
}

fn help_for_tls(error: &rustls::Error) -> Option<&'static str> {
    use CertificateError::{BadSignature, NotValidForName, NotValidForNameContext, UnknownIssuer};
    Some(match error {
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => "--ca FILE trusts its issuer, and no other",
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the name in -s beanstalks://NAME has to be one that the certificate is for"
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) => "--cert FILE and --key FILE are the certificate that is shown to the server, and its key",
        _ => return None,
    })
}

/// Of a server that ends the connection without a word, or with a reply to no request.
const NOT_ADMITTED: &str =
    "is that a beanstalkd? One with TLS is -s beanstalks://HOST, and one with tokens wants --token-file FILE";

fn help_for(error: &Error) -> Option<&'static str> {
    if let Some(tls) = tls(error) {
        return help_for_tls(tls);
    }
    if GreetingError::of(error).is_some() {
        return Some("--token-file FILE or BEANSTALK_TOKEN holds the token, for servers that have tokens");
    }
    Some(match error {
        Error::Connect { .. } => {
            "is a beanstalkd running there? -s ENDPOINT or BEANSTALK_URL is where it is looked for"
        }
        Error::TimedOut { .. } => "--timeout SECONDS gives the server longer",
        Error::Closed { .. } | Error::Io { .. } => "the server went away; is it still running?",
        Error::Protocol { .. } => NOT_ADMITTED,
        Error::Buried(_) => "the server is short of memory; kick-job makes the job ready once there is some",
        Error::Command { command, error, .. } => match (error, *command) {
            (CommandError::JobTooBig, _) => "beanstalkd -z BYTES sets how long a body may be",
            (CommandError::Draining, _) => "the server is to be shut down: put it on another one",
            (CommandError::OutOfMemory, _) => "the server is short of memory: delete jobs, or put it on another one",
            (CommandError::BadFormat | CommandError::UnknownCommand, "reserve-job") => {
                "it takes beanstalkd 1.12 or later"
            }
            (CommandError::NotFound, "delete") => "`stats-job ID` shows whether it is held by a worker",
            (CommandError::NotFound, "reserve-job") => {
                "a job that a worker holds cannot be reserved; `stats-job ID` shows its state"
            }
            (CommandError::NotFound, "kick-job") => {
                "only a buried or delayed job can be kicked; `stats-job ID` shows its state"
            }
            (CommandError::NotFound, "stats-tube" | "pause-tube") => {
                "a tube exists while it has jobs or a connection uses or watches it; `list-tubes` shows them all"
            }
            (CommandError::NotFound, "peek-ready" | "peek-delayed" | "peek-buried") => {
                "-t TUBE chooses the tube; `tubes` shows what is in each"
            }
            (CommandError::NotIgnored, _) => "a connection watches one tube at least",
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit, Exit::Done);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit, Exit::Local);
    }

    #[test]
    fn the_documented_exit_codes_are_those_in_use() {
        use Exit::*;
        let all = [Done, Local, Usage, Refused, NotFound, Unreachable, Partial, Nothing, NotAllowed];
        for exit in all {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", exit as u8)), "{exit:?} is not documented");
        }
        assert_eq!(EXIT_CODES.lines().count(), all.len() + 1);
    }
}
