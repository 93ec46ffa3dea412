//! The list of known failures: trials that are required to fail until the fault they show is mended.
//!
//! A line of the list reads `binary trial reason`. Empty lines, and those that begin with `#`, are comments.

use libtest_mimic::Failed;

const LIST: &str = include_str!("../known-failures.txt");

/// A trial that has to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known<'a> {
    binary: &'a str,
    pub(crate) trial: &'a str,
    reason: &'a str,
}

impl Known<'_> {
    /// Turns a trial's result into that of a trial that has to fail.
    pub(crate) fn judge(self, result: Result<(), Failed>) -> Result<(), Failed> {
        match result {
            Err(_) => Ok(()),
            Ok(()) => Err(format!(
                "it is a known failure ({}), and it passes: delete its line from tests/known-failures.txt",
                self.reason
            )
            .into()),
        }
    }
}

/// Returns what the checked-in list has for a test binary.
pub(crate) fn listed(binary: &str) -> Vec<Known<'static>> {
    of(binary, LIST)
}

/// Returns what a list has for a test binary.
pub(crate) fn of<'a>(binary: &str, list: &'a str) -> Vec<Known<'a>> {
    parse(list).into_iter().filter(|known| known.binary == binary).collect()
}

fn parse(list: &str) -> Vec<Known<'_>> {
    let lines = list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parts = lines.map(|line| {
        let mut parts = line.splitn(3, char::is_whitespace);
        match (parts.next(), parts.next(), parts.next().map(str::trim)) {
            (Some(binary), Some(trial), Some(reason)) if !reason.is_empty() => Known { binary, trial, reason },
            _ => panic!("known-failures.txt: not `binary trial reason`: {line}"),
        }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_line_names_a_binary_a_trial_and_a_reason() {
        let known = Known { binary: "work", trial: "tokio::real::x", reason: "it is not mended" };
        assert_eq!(parse("# why\n\n  work tokio::real::x  it is not mended \n"), [known]);
    }

    #[test]
    #[should_panic(expected = "not `binary trial reason`: work tokio::real::x")]
    fn a_line_without_a_reason_is_rejected() {
        parse("work tokio::real::x");
    }

    #[test]
    fn each_line_of_the_list_names_a_binary_that_reads_it() {
        for known in parse(LIST) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(known.binary).with_extension("rs");
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(source.contains("runner::main("), "no test binary reads the line of {known:?}");
        }
    }
}
