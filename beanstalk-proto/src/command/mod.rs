//! What a server receives: command lines, parsed the way beanstalkd parses them.
//!
//! The commands themselves come from the [table](crate::Kind), their arguments are read by `Args`. This is how a server reads
//! their lines, quirks included: words match by prefix, numbers may have leading spaces and zeros, `kick` and (in old releases)
//! `reserve-with-timeout` go through C's `strtoul` and `strtol`. A client uses it to find out what a server will take a
//! [raw](Raw) line for.

mod raw;

use alloc::vec::Vec;

pub use raw::Raw;

use crate::{
    reply::Reply,
    request::{Args, Kind},
};
pub(crate) use crate::{table::Command, types::Dialect};

/// A command line that was read: the command, and whether a body follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) command: Command,
    /// How long the body is that follows; the command's own is empty until it came.
    pub(crate) body: Option<u32>,
    /// Whether bytes follow the last argument of a `put`; the server notices only after it has looked at the size.
    pub(crate) trailing: bool,
}

/// A command line that the server answers with an error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The command it begins like, if it does like any.
    pub kind: Option<Kind>,
    /// `BAD_FORMAT` or `UNKNOWN_COMMAND`; from a connection also `EXPECTED_CRLF` or `JOB_TOO_BIG`, of a body.
    pub reply: Reply,
    /// Whether the server's counter of that command goes up nevertheless.
    pub counted: bool,
    /// The line, without its CRLF, if a connection has read one: for a proxy that passes on commands it does not recognise. Empty if it was too
    /// long, or if it is the body that was refused.
    pub line: Vec<u8>,
}

impl Refused {
    pub(crate) const fn bad_format() -> Self {
        Self { kind: None, reply: Reply::BadFormat, counted: false, line: Vec::new() }
    }

    pub(crate) fn of_line(self, line: &[u8]) -> Self {
        Self { line: line.to_vec(), ..self }
    }
}

/// The command that a server takes a line for. beanstalkd matches by prefix: `quitx` is `quit`.
fn kind_of_line(line: &[u8]) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| line.starts_with(kind.prefix().as_bytes()))
}

impl Command {
    /// Parses a command line, given without its CRLF, as a current server does. The body of a `put` is empty.
    ///
    /// # Errors
    ///
    /// What the server would answer.
    pub fn parse_line(line: &[u8]) -> Result<Self, Refused> {
        parse(line, Dialect::default()).and_then(|line| match line.trailing {
            true => Err(Refused { kind: Some(line.command.kind()), ..Refused::bad_format() }),
            false => Ok(line.command),
        })
    }

    /// Fills in the body of a `put`, once it has arrived.
    pub(crate) fn set_body(&mut self, arrived: Vec<u8>) {
        if let Self::Put { body, .. } = self {
            *body = arrived;
        }
    }
}

/// Reads a command line, given without its CRLF.
pub(crate) fn parse(line: &[u8], dialect: Dialect) -> Result<Line, Refused> {
    if memchr::memchr(0, line).is_some() {
        return Err(Refused::bad_format());
    }
    let Some(kind) = kind_of_line(line) else {
        return Err(Refused { reply: Reply::UnknownCommand, ..Refused::bad_format() });
    };
    let rest = line.get(kind.prefix().len()..).unwrap_or_default();
    let mut args = Args::new(rest, kind, dialect);
    match Command::parse_args(kind, &mut args).zip(args.finish()) {
        Some((command, trailing)) => Ok(Line { command, body: args.body, trailing }),
        None => Err(Refused { kind: Some(kind), counted: args.counted, ..Refused::bad_format() }),
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
