//! Reading the lines of an export.

use alloc::{boxed::Box, format, vec::Vec};
use core::{str, time::Duration};

use super::export::{ExportedJob, HEADER};
use beanstalk_proto::{JobId, Priority, TubeName, stats::JobState};

/// The longest body that any server can be set to take.
const LONGEST: usize = 1 << 30;

/// A line of an export, without its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Header,
    /// A job without its body, and how long that is.
    Job(ExportedJob, usize),
    End(u64),
}

impl Line {
    /// The longest line there is, with room for any tube and any numbers.
    pub(crate) const MAX: usize = 400;

    /// Reads a line; what is wrong with it if that fails.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Box<str>> {
        if line == HEADER {
            return Ok(Self::Header);
        }
        let wrong = |what: &str| Box::from(format!("{what} in \"{}\"", line.escape_ascii()));
        let text = str::from_utf8(line).map_err(|_| wrong("there are bytes that are not text"))?;
        let mut words = text.split(' ');
        let line = match words.next() {
            Some("beanstalk-export") => return Err(wrong("the format's version is not 1")),
            Some("job") => {
                let mut word = |what: &str| words.next().ok_or_else(|| wrong(&format!("there is no {what}")));
                let id = number(word("id")?, &wrong)?;
                let state = match JobState::from(word("state")?) {
                    JobState::Invalid | JobState::Unknown(_) => return Err(wrong("the state is not one of the four")),
                    state => state,
                };
                let priority = number(word("priority")?, &wrong)?;
                let (delay, ttr) = (number(word("delay")?, &wrong)?, number(word("ttr")?, &wrong)?);
                let tube = TubeName::new(word("tube")?).map_err(|error| wrong(&format!("{error}")))?;
                let length = number(word("length")?, &wrong)?;
                if length > LONGEST {
                    return Err(wrong("the body is longer than any server takes"));
                }
                let seconds = |seconds: u32| Duration::from_secs(seconds.into());
                let job = ExportedJob {
                    id: JobId(id),
                    tube,
                    state,
                    priority: Priority(priority),
                    delay: seconds(delay),
                    ttr: seconds(ttr),
                    body: Vec::new(),
                };
                Self::Job(job, length)
            }
            Some("end") => Self::End(number(words.next().unwrap_or_default(), &wrong)?),
            _ => return Err(wrong("there is no line of an export")),
        };
        match words.next() {
            None => Ok(line),
            Some(_) => Err(wrong("there is something behind the end of the line")),
        }
    }
}

fn number<T: str::FromStr>(word: &str, wrong: &impl Fn(&str) -> Box<str>) -> Result<T, Box<str>> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.parse().ok().filter(|_| digits);
    number.ok_or_else(|| wrong(&format!("{word:?} is not a valid number here")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job() -> impl Strategy<Value = ExportedJob> {
        let states = Vec::from([JobState::Ready, JobState::Delayed, JobState::Reserved, JobState::Buried]);
        let numbers = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>());
        (numbers, proptest::sample::select(states), "[a-z(][a-z-]{0,199}", any::<Vec<u8>>()).prop_map(
            |((id, priority, delay, ttr), state, tube, body)| ExportedJob {
                id: JobId(id),
                tube: TubeName::new(tube).expect("a tube name"),
                state,
                priority: Priority(priority),
                delay: Duration::from_secs(delay.into()),
                ttr: Duration::from_secs(ttr.into()),
                body,
            },
        )
    }

    proptest! {
        #[test]
        fn a_line_is_read_as_it_was_written(job in job()) {
            let mut out = Vec::new();
            job.encode(&mut out);
            let end = out.iter().position(|&byte| byte == b'\n').expect("a line");
            prop_assert!(end < Line::MAX);
            let bare = ExportedJob { body: Vec::new(), ..job.clone() };
            prop_assert_eq!(Line::parse(&out[..end]), Ok(Line::Job(bare, job.body.len())));
            prop_assert_eq!(&out[end + 1..out.len() - 1], &job.body[..]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), line in "(job|end)( [-0-9a-z.]{0,12}){0,9}") {
            let _ = (Line::parse(&bytes), Line::parse(line.as_bytes()));
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        for (line, problem) in [
            ("beanstalk-export 2", "version is not 1"),
            ("job", "there is no id"),
            ("job 1 asleep 0 0 1 t 0", "not one of the four"),
            ("job 1 ready 0 0 1 -t 0", "it starts with '-'"),
            ("job 1 ready 0 0 4294967296 t 0", "\"4294967296\" is not a valid number"),
            ("job 1 ready +1 0 1 t 0", "\"+1\" is not a valid number"),
            ("job 1 ready 0 0 1 t 1073741825", "longer than any server takes"),
            ("job 1 ready 0 0 1 t 0 0", "something behind the end"),
            ("end", "\"\" is not a valid number"),
            ("", "no line of an export"),
        ] {
            let error = Line::parse(line.as_bytes()).expect_err(line);
            assert!(error.contains(problem), "{line}: {error}");
        }
        assert!(matches!(Line::parse(b"job 1 ready 0 0 1 t 1073741824"), Ok(Line::Job(_, LONGEST))));
    }
}
