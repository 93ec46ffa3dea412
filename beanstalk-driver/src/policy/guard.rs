//! Running what is not ours: handlers, listeners, and the values that they leave behind.
//!
//! Nothing of it may end what runs it. A panic is caught, and so is a second one from dropping what the first one was
//! raised with; an error that can't be written is described.

use alloc::{boxed::Box, string::String};
use core::{any::Any, error::Error, fmt::Display, fmt::Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a function, and returns what it panicked with, if it did.
///
/// # Errors
///
/// The message of the panic, if it has one.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(message)
}

/// Causes of an error that are written; no chain that ends is as long.
const MOST_CAUSES: usize = 64;

/// Returns the text of an error and of the chain of its sources, separated by `: `; writing any of these may fail or panic. A source that
/// what is written so far has in its words is not repeated, as many errors contain the text of their source.
pub fn describe_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    write_guarded(&mut text, error);
    for cause in chain(error).skip(1) {
        let mut of_cause = String::new();
        write_guarded(&mut of_cause, cause);
        if !has_words(&text, &of_cause) {
            text.push_str(": ");
            text.push_str(&of_cause);
        }
    }
    text
}

/// Whether a text has these words in it, whatever their case. The number that an error of the system ends with is none of them.
fn has_words(text: &str, words: &str) -> bool {
    let words = words.split(" (os error ").next().unwrap_or_default().to_lowercase();
    let text = text.to_lowercase();
    let within_word = |beside: Option<char>| beside.is_some_and(char::is_alphanumeric);
    text.match_indices(&words).any(|(at, _)| {
        let (before, behind) = (text.get(..at), text.get(at.saturating_add(words.len())..));
        !within_word(before.and_then(|before| before.chars().next_back()))
            && !within_word(behind.and_then(|behind| behind.chars().next()))
    })
}

/// Returns an error and the chain of its sources; any of these may panic when it is asked for its own.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    core::iter::successors(Some(error), |&error| guarded(|| error.source()).ok().flatten())
        .take(MOST_CAUSES.saturating_add(1))
}

/// A value of the application's, whose panic is caught if dropping it panics.
#[derive(Debug)]
pub struct Foreign<T>(Option<T>);

impl<T> Foreign<T> {
    /// Keeps it until this is dropped.
    pub const fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Returns what is guarded.
    pub const fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Drop for Foreign<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        let _panicked = guarded(|| drop(value));
    }
}

fn write_guarded(text: &mut String, error: &(impl Display + ?Sized)) {
    let failure = match guarded(|| write!(text, "{error}")) {
        Ok(Ok(())) => return,
        Ok(Err(_)) => String::from("its Display failed"),
        Err(panic) => alloc::format!("its Display panicked: {panic}"),
    };
    let separator = if text.is_empty() { "" } else { " " };
    text.push_str(&alloc::format!("{separator}(the handler's error can't be shown: {failure})"));
}

/// Returns the message of a panic.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = String::from(text.unwrap_or("a panic without a message"));
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // There may be a third one in it, and so on: it leaks.
        core::mem::forget(second);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{ConnectAttempt, ConnectError, ConnectPhase};
    use alloc::{string::ToString, vec::Vec};
    use beanstalk_proto::{
        CommandError, Error as BeanstalkError, JobId, Lost, ProtocolError, Reply, Subject, TubeName, stats::StatsError,
    };
    use core::fmt;
    use std::{io, panic::resume_unwind};

    /// Panics when it is dropped, with another of its kind.
    #[derive(Debug)]
    struct Hydra(u32);

    impl Error for Hydra {}

    impl Drop for Hydra {
        fn drop(&mut self) {
            resume_unwind(Box::new(Hydra(self.0 + 1)));
        }
    }

    impl fmt::Display for Hydra {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            match self.0 {
                0 => Ok(()),
                1 => Err(fmt::Error),
                _ => resume_unwind(Box::new("no")),
            }
        }
    }

    #[test]
    fn a_panic_is_returned_as_its_message() {
        assert_eq!(guarded(|| 5), Ok(5));
        let panic = |payload: Box<dyn Any + Send>| guarded::<()>(|| resume_unwind(payload));
        assert_eq!(panic(Box::new("static")), Err("static".into()));
        assert_eq!(panic(Box::new(String::from("owned"))), Err("owned".into()));
        assert_eq!(panic(Box::new(5)), Err("a panic without a message".into()));
        assert_eq!(panic(Box::new(Hydra(0))), Err("a panic without a message".into()));
    }

    /// An error and its sources.
    #[derive(Debug)]
    struct Chain(&'static str, Option<Box<Chain>>);

    impl fmt::Display for Chain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                "" => resume_unwind(Box::new("no")),
                text => f.write_str(text),
            }
        }
    }

    impl Error for Chain {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            if self.0 == "last" {
                resume_unwind(Box::new("no"));
            }
            self.1.as_deref().map(|error| error as _)
        }
    }

    #[test]
    fn an_error_is_described_with_its_whole_chain_and_nothing_twice() {
        let chain = |texts: &[&'static str]| {
            let chain = texts.iter().rev().fold(None, |cause, text| Some(Box::new(Chain(text, cause))));
            describe_chain(&*chain.expect("an error"))
        };
        assert_eq!(chain(&["sending", "connecting", "refused"]), "sending: connecting: refused");
        assert_eq!(chain(&["sending: refused", "refused"]), "sending: refused");
        assert_eq!(chain(&["sending: refused; it may have run", "refused"]), "sending: refused; it may have run");
        assert_eq!(chain(&["it is unused", "used"]), "it is unused: used");
        assert_eq!(
            chain(&["sending", "", "refused"]),
            "sending: (the handler's error can't be shown: its Display panicked: no): refused"
        );
        assert_eq!(chain(&["sending", "last", "refused"]), "sending: last");
    }

    #[test]
    fn what_caused_an_error_of_ours_is_its_source_and_is_described_once() {
        let refused = || io::Error::from_raw_os_error(111);
        let attempt = |error| ConnectAttempt::new("queue:11300", ConnectPhase::Connect, error);
        let (subject, lost) = (Subject::Job(JobId(7)), Lost::Unknown);
        for error in [
            BeanstalkError::Protocol { error: ProtocolError::Tls, lost },
            BeanstalkError::Io { error: refused(), lost },
            BeanstalkError::Command { command: "delete", subject: subject.clone(), error: CommandError::NotFound },
            BeanstalkError::Stats { command: "stats-job", subject, error: StatsError::Missing { key: "pri" }.into() },
            BeanstalkError::UseRefused {
                tube: TubeName::default(),
                error: CommandError::OutOfMemory,
                ran_in: TubeName::default(),
                reply: Reply::Deleted.into(),
            },
            ConnectError::new(attempt(refused()), Vec::new()).into(),
            ConnectError::new(attempt(io::ErrorKind::TimedOut.into()), Vec::from([attempt(refused())])).into(),
        ] {
            let cause = error.source().unwrap_or_else(|| panic!("no source: {error}")).to_string();
            assert_ne!(cause, error.to_string());
            assert_eq!(describe_chain(&error), error.to_string());
        }
    }

    #[test]
    fn an_error_is_described_whatever_it_does() {
        assert_eq!(describe_chain(&Chain("plain", None)), "plain");
        let texts = [0, 1, 2].map(|n| {
            let hydra = Foreign::new(Hydra(n));
            describe_chain(hydra.get().expect("it is kept"))
        });
        assert_eq!(texts[0], "half");
        assert!(texts[1].starts_with("half (") && texts[1].contains("its Display failed"), "{}", texts[1]);
        assert!(texts[2].starts_with("half (") && texts[2].contains("its Display panicked: no"), "{}", texts[2]);
    }
}
