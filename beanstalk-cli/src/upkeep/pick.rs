//! Which jobs are meant: by state, age, priority, id, and what their bodies hold.

use std::time::Duration;

use beanstalk_sync::{FoundJob, JobFilter, JobId, Priority, Queue, stats::JobState};
use clap::{Args, ValueEnum};
use regex::bytes::Regex;

use crate::{
    exit::{Failure, Outcome},
    options::parse_seconds,
};

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which jobs (all of these conditions must hold)")]
pub(crate) struct Pick {
    /// Jobs in this state; repeat it for any of several
    #[arg(long, value_enum, value_name = "STATE")]
    state: Vec<State>,
    /// Jobs whose bodies contain this text
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Jobs whose bodies match this regular expression
    #[arg(long, value_name = "REGEX")]
    regex: Option<Regex>,
    /// Jobs whose bodies are JSON and hold this value in this field, as in user.id=7; a field alone has to be there
    #[arg(long, value_name = "FIELD[=VALUE]", value_parser = parse_field)]
    json: Vec<Field>,
    /// Jobs that were put at least this long ago
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    older: Option<u32>,
    /// Jobs that were put less than this long ago
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    younger: Option<u32>,
    /// Jobs with a priority in this range, as in 0-1023, or of this priority
    #[arg(long, value_name = "PRI[-PRI]", value_parser = parse_priorities)]
    pri: Option<(u32, u32)>,
    /// Jobs from this id on
    #[arg(long, value_name = "ID")]
    pub(super) from: Option<JobId>,
    /// Jobs up to this id
    #[arg(long, value_name = "ID")]
    pub(super) to: Option<JobId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Ready,
    Reserved,
    Delayed,
    Buried,
}

/// A path into a JSON document, and the value that has to be there.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    pointer: String,
    value: Option<String>,
}

impl Pick {
    /// Whether every job is meant.
    pub(super) fn is_all(&self) -> bool {
        !self.needs_body()
            && self.older.is_none()
            && self.younger.is_none()
            && self.pri.is_none()
            && self.from.is_none()
            && self.to.is_none()
    }

    pub(super) const fn needs_body(&self) -> bool {
        self.text.is_some() || self.regex.is_some() || !self.json.is_empty()
    }

    pub(super) fn matches(&self, job: &FoundJob) -> bool {
        let age = |seconds: u32| job.stats.age.is_some_and(|age| age >= Duration::from_secs(seconds.into()));
        (self.state.is_empty() || self.state.iter().any(|state| state.is(&job.state)))
            && self.older.is_none_or(age)
            && self.younger.is_none_or(|seconds| !age(seconds))
            && self.pri.is_none_or(|(from, to)| {
                job.stats.pri.is_some_and(|Priority(priority)| (from..=to).contains(&priority))
            })
            && self.from.is_none_or(|from| job.id >= from)
            && self.to.is_none_or(|to| job.id <= to)
            && (!self.needs_body() || job.body.as_deref().is_some_and(|body| self.matches_body(body)))
    }

    /// As [`Pick::matches`], of jobs that are not reserved.
    pub(super) fn matches_queued(&self, job: &FoundJob) -> bool {
        job.state != JobState::Reserved && self.matches(job)
    }

    fn matches_body(&self, body: &[u8]) -> bool {
        let contains = |text: &str| text.is_empty() || body.windows(text.len()).any(|window| window == text.as_bytes());
        self.text.as_deref().is_none_or(contains)
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(body))
            && (self.json.is_empty()
                || serde_json::from_slice(body).is_ok_and(|json| self.json.iter().all(|field| field.is_in(&json))))
    }

    /// For the library's functions, which take jobs that are not reserved.
    pub(super) fn filter(&self) -> Outcome<JobFilter<'static>> {
        let mut queues = Vec::new();
        for state in &self.state {
            queues.push(match state {
                State::Ready => Queue::Ready,
                State::Delayed => Queue::Delayed,
                State::Buried => Queue::Buried,
                State::Reserved => {
                    return Err(Failure::usage("a job that is reserved is its worker's")
                        .help("--state ready, delayed and buried can be chosen here"));
                }
            });
        }
        let filter = JobFilter::new(if queues.is_empty() { &Queue::ALL } else { &queues });
        if self.is_all() {
            return Ok(filter);
        }
        let pick = self.clone();
        let filter = match (self.from, self.to) {
            (None, None) => filter,
            (from, Some(to)) => filter.range(from.unwrap_or(JobId(1))..=to),
            // The function leaves out those before it.
            (Some(_), None) => filter,
        };
        Ok(match self.needs_body() {
            true => filter.matching_with_body(move |job| pick.matches(job)),
            false => filter.matching(move |job| pick.matches(job)),
        })
    }

    /// As in "all jobs" and "the jobs that match".
    pub(super) fn describe(&self) -> String {
        let which = if self.is_all() { "all" } else { "the matching" };
        let states: Vec<_> = self.state.iter().map(|state| state.word()).collect();
        match states.is_empty() {
            true => format!("{which} jobs"),
            false => format!("{which} {} jobs", states.join(" and ")),
        }
    }
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Reserved => "reserved",
            Self::Delayed => "delayed",
            Self::Buried => "buried",
        }
    }

    fn is(self, state: &JobState) -> bool {
        state.as_str() == self.word()
    }
}

impl Field {
    fn is_in(&self, json: &serde_json::Value) -> bool {
        match (json.pointer(&self.pointer), &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(serde_json::Value::String(found)), Some(value)) => found == value,
            (Some(found), Some(value)) => {
                serde_json::from_str(value).is_ok_and(|value: serde_json::Value| *found == value)
            }
        }
    }
}

fn parse_field(text: &str) -> Result<Field, String> {
    let (path, value) = match text.split_once('=') {
        Some((path, value)) => (path, Some(value.to_owned())),
        None => (text, None),
    };
    if path.is_empty() {
        return Err("the field is missing, as in user.id=7".into());
    }
    let escaped = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    Ok(Field { pointer: path.split('.').map(escaped).collect(), value })
}

fn parse_priorities(text: &str) -> Result<(u32, u32), String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from <= to => Ok((from, to)),
        _ => Err("a priority or a range of them, as in 0-1023".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(field: &str, body: &str) -> bool {
        Pick { json: vec![parse_field(field).expect("a field")], ..Pick::default() }.matches_body(body.as_bytes())
    }

    #[test]
    fn fields_are_compared_as_what_they_are() {
        let body = r#"{"user":{"id":7,"name":"7","tags":["a","b"],"on":true},"a/b~c":null}"#;
        for field in ["user.id=7", "user.name=7", "user.tags.1=b", "user.on=true", "user.tags", "a/b~c=null", "a/b~c"] {
            assert!(matches(field, body), "{field}");
        }
        for field in ["user.id=8", "user.id=7x", "user.tags.2", "user.on=1", "id=7", "user.tags=a"] {
            assert!(!matches(field, body), "{field}");
        }
        assert!(!matches("user", "no JSON"));
    }

    #[test]
    fn text_and_patterns_are_looked_for_in_any_bytes() {
        let pick = |text: &str| Pick { text: Some(text.into()), ..Pick::default() };
        assert!(
            pick("b").matches_body(b"\xffab\x00") && pick("").matches_body(b"") && !pick("x").matches_body(b"\xff")
        );
        let regex = Pick { regex: Some(Regex::new("^a.c$").expect("a pattern")), ..Pick::default() };
        assert!(regex.matches_body(b"abc") && !regex.matches_body(b"xabc"));
    }

    #[test]
    fn priorities_are_one_or_a_range() {
        assert_eq!(parse_priorities("5"), Ok((5, 5)));
        assert_eq!(parse_priorities("0-1023"), Ok((0, 1023)));
        for bad in ["", "5-", "-5", "5-1", "x", "4294967296"] {
            assert!(parse_priorities(bad).is_err(), "{bad}");
        }
    }
}
