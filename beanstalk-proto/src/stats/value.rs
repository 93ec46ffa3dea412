//! How each kind of value is written. The table of keys names one of these for each key.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

use super::{JobState, StatsError, lines::unquoted};
use crate::{
    scan::{number, push_decimal},
    types::{Dialect, Excerpt, JobId, Priority, TubeName},
};

/// A kind of value, in both directions.
pub(super) trait Codec {
    /// What it is here.
    type Value;

    /// What it is, for the message about a value that is not.
    const EXPECTED: &'static str;

    /// Whether this release puts quotes around it.
    fn is_quoted(_dialect: Dialect) -> bool {
        false
    }

    /// Reads it; its quotes are off.
    fn read(text: &str) -> Option<Self::Value>;

    /// Appends it, without quotes.
    fn write(value: &Self::Value, out: &mut Vec<u8>);
}

/// Reads the value of a key into its field, which must not have one yet.
pub(super) fn read<C: Codec>(field: &mut Option<C::Value>, key: &'static str, value: &[u8]) -> Result<(), StatsError> {
    if field.is_some() {
        return Err(StatsError::Repeated { key, value: Excerpt::new(value) });
    }
    let read = core::str::from_utf8(value).ok().and_then(|text| C::read(unquoted(text)));
    if read.is_none() {
        return Err(StatsError::Value { key, expected: C::EXPECTED, value: Excerpt::new(value) });
    }
    *field = read;
    Ok(())
}

/// A value as text, without quotes.
pub(super) fn text<C: Codec>(value: &C::Value) -> String {
    let mut out = Vec::new();
    C::write(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends the line of a key that has a value.
pub(super) fn write<C: Codec>(value: Option<&C::Value>, key: &str, dialect: Dialect, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    let quotes: &[u8] = if C::is_quoted(dialect) { b"\"" } else { b"" };
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(quotes);
    C::write(value, out);
    out.extend_from_slice(quotes);
    out.push(b'\n');
}

/// A number.
pub(super) struct Count;

impl Codec for Count {
    type Value = u64;
    const EXPECTED: &'static str = "a number that fits 64 bits";

    fn read(text: &str) -> Option<u64> {
        number(text.as_bytes())
    }

    fn write(value: &u64, out: &mut Vec<u8>) {
        push_decimal(out, *value);
    }
}

/// A job's id.
pub(super) struct Job;

impl Codec for Job {
    type Value = JobId;
    const EXPECTED: &'static str = "a job id";

    fn read(text: &str) -> Option<JobId> {
        Count::read(text).map(JobId)
    }

    fn write(value: &JobId, out: &mut Vec<u8>) {
        push_decimal(out, value.0);
    }
}

/// A job's priority.
pub(super) struct Pri;

impl Codec for Pri {
    type Value = Priority;
    const EXPECTED: &'static str = "a number that fits 32 bits";

    fn read(text: &str) -> Option<Priority> {
        Some(Priority(Count::read(text)?.try_into().ok()?))
    }

    fn write(value: &Priority, out: &mut Vec<u8>) {
        push_decimal(out, value.0.into());
    }
}

/// Whole seconds. The server floors.
pub(super) struct Seconds;

impl Codec for Seconds {
    type Value = Duration;
    const EXPECTED: &'static str = "a number of seconds";

    fn read(text: &str) -> Option<Duration> {
        Count::read(text).map(Duration::from_secs)
    }

    fn write(value: &Duration, out: &mut Vec<u8>) {
        push_decimal(out, value.as_secs());
    }
}

/// Whole seconds until or since an instant. A negative number means that it is already past (or not yet reached), and
/// so no time at all.
pub(super) struct SecondsOrPast;

impl Codec for SecondsOrPast {
    type Value = Duration;
    const EXPECTED: &'static str = Seconds::EXPECTED;

    fn read(text: &str) -> Option<Duration> {
        match text.strip_prefix('-') {
            Some(past) => Count::read(past).map(|_| Duration::ZERO),
            None => Seconds::read(text),
        }
    }

    fn write(value: &Duration, out: &mut Vec<u8>) {
        Seconds::write(value, out);
    }
}

/// Seconds, a point, and six digits; one to nine are read.
pub(super) struct Micros;

impl Codec for Micros {
    type Value = Duration;
    const EXPECTED: &'static str = "seconds with a decimal fraction";

    fn read(text: &str) -> Option<Duration> {
        /// The most digits whose unit is still a whole number of nanoseconds.
        const DIGITS: usize = 9;
        let Some((seconds, fraction)) = text.split_once('.') else { return Seconds::read(text) };
        if fraction.is_empty() || fraction.len() > DIGITS || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = fraction.bytes().chain(core::iter::repeat(b'0')).take(DIGITS);
        let nanos = digits
            .fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0'))));
        Seconds::read(seconds)?.checked_add(Duration::from_nanos(nanos.into()))
    }

    fn write(value: &Duration, out: &mut Vec<u8>) {
        push_decimal(out, value.as_secs());
        out.extend_from_slice(alloc::format!(".{:06}", value.subsec_micros()).as_bytes());
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Codec for Flag {
    type Value = bool;
    const EXPECTED: &'static str = "true or false";

    fn read(text: &str) -> Option<bool> {
        text.parse().ok()
    }

    fn write(value: &bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if *value { b"true" } else { b"false" });
    }
}

/// The name of a tube.
pub(super) struct Tube;

impl Codec for Tube {
    type Value = TubeName;
    const EXPECTED: &'static str = "a tube name";

    fn is_quoted(dialect: Dialect) -> bool {
        Text::is_quoted(dialect)
    }

    fn read(text: &str) -> Option<TubeName> {
        TubeName::from_bytes(text.as_bytes()).ok()
    }

    fn write(value: &TubeName, out: &mut Vec<u8>) {
        out.extend_from_slice(value.as_bytes());
    }
}

/// The state of a job: a word.
pub(super) struct State;

impl Codec for State {
    type Value = JobState;
    const EXPECTED: &'static str = BareText::EXPECTED;

    fn read(text: &str) -> Option<JobState> {
        Some(JobState::from(text))
    }

    fn write(value: &JobState, out: &mut Vec<u8>) {
        write_text(value.as_str(), out);
    }
}

/// Text that is never quoted.
pub(super) struct BareText;

impl Codec for BareText {
    type Value = Box<str>;
    const EXPECTED: &'static str = "text in UTF-8";

    fn read(text: &str) -> Option<Box<str>> {
        Some(text.into())
    }

    fn write(value: &Box<str>, out: &mut Vec<u8>) {
        write_text(value, out);
    }
}

/// Text that is quoted from 1.13 on.
pub(super) struct Text;

impl Codec for Text {
    type Value = Box<str>;
    const EXPECTED: &'static str = BareText::EXPECTED;

    fn is_quoted(dialect: Dialect) -> bool {
        dialect >= Dialect::V1_13
    }

    fn read(text: &str) -> Option<Box<str>> {
        BareText::read(text)
    }

    fn write(value: &Box<str>, out: &mut Vec<u8>) {
        write_text(value, out);
    }
}

/// Text that is quoted by every release we speak as.
pub(super) struct QuotedText;

impl Codec for QuotedText {
    type Value = Box<str>;
    const EXPECTED: &'static str = BareText::EXPECTED;

    fn is_quoted(_dialect: Dialect) -> bool {
        true
    }

    fn read(text: &str) -> Option<Box<str>> {
        BareText::read(text)
    }

    fn write(value: &Box<str>, out: &mut Vec<u8>) {
        write_text(value, out);
    }
}

/// Appends text, which must not end its line.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend(text.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
}
