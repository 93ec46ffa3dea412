//! Errors on standard error, and the exit code of several of them.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use anstyle::{AnsiColor, Style};

use crate::{
    exit::{Exit, Failure},
    output::Colour,
};

/// Prints errors: what failed, and what to do about it. The same advice is given once.
#[derive(Debug)]
pub(crate) struct Report {
    colour: bool,
    advised: Mutex<Vec<String>>,
}

impl Report {
    pub(crate) fn new(colour: Colour) -> Self {
        Self { colour: colour.on(&io::stderr()), advised: Mutex::default() }
    }

    pub(crate) fn print(&self, failure: &Failure) {
        if failure.text.is_empty() {
            return;
        }
        let (error, help) = match self.colour {
            true => (AnsiColor::Red.on_default().bold(), AnsiColor::Cyan.on_default()),
            false => (Style::new(), Style::new()),
        };
        // Where standard error cannot be written to, nothing can be reported; the exit code remains.
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "{error}error:{error:#} {}", failure.text);
        let mut advised = self.advised.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(advice) = &failure.help
            && !advised.contains(advice)
        {
            let _ = writeln!(stderr, "{help}help:{help:#} {advice}");
            advised.push(advice.clone());
        }
    }

    /// What is no error but worth knowing.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "note: {text}");
    }
}

/// How many of several things were done.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    report: &'a Report,
    done: usize,
    failed: Option<Exit>,
}

impl<'a> Tally<'a> {
    pub(crate) const fn new(report: &'a Report) -> Self {
        Self { report, done: 0, failed: None }
    }

    pub(crate) const fn done(&mut self) {
        self.done += 1;
    }

    /// Reports a failure and goes on.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.report.print(&failure);
        // Of several kinds the worst: what cannot be reached before what is not there.
        self.failed = Some(match self.failed {
            None => failure.exit,
            Some(exit) if exit == failure.exit => exit,
            Some(_) => Exit::Partial,
        });
    }

    /// Done if nothing failed, partial if some did, and if nothing was done what they failed with.
    pub(crate) const fn exit(&self) -> Exit {
        match self.failed {
            None => Exit::Done,
            Some(_) if self.done > 0 => Exit::Partial,
            Some(exit) => exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_things_come_to() {
        let report = Report::new(Colour::Never);
        let fail = |exit| Failure::new(exit, "");
        let mut tally = Tally::new(&report);
        assert_eq!(tally.exit(), Exit::Done);
        tally.failed(fail(Exit::NotFound));
        assert_eq!(tally.exit(), Exit::NotFound);
        tally.failed(fail(Exit::NotFound));
        assert_eq!(tally.exit(), Exit::NotFound, "all for the same reason");
        tally.failed(fail(Exit::Refused));
        assert_eq!(tally.exit(), Exit::Partial, "for different reasons");
        let mut tally = Tally::new(&report);
        tally.done();
        tally.failed(fail(Exit::NotFound));
        assert_eq!(tally.exit(), Exit::Partial);
    }
}
