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

    /// What it looks like.
    const FORM: Form;

    /// Reads it; its quotes are off.
    fn read(text: &str) -> Option<Self::Value>;

    /// Appends it, without quotes.
    fn write(value: &Self::Value, out: &mut Vec<u8>);
}

/// What a value looks like.
#[derive(PartialEq)]
pub(super) enum Form {
    /// A number, or a truth value.
    Number,
    /// Text without quotes.
    Bare,
    /// Text that is quoted from this release on.
    Quoted(Dialect),
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
    let quotes: &[u8] = if matches!(C::FORM, Form::Quoted(from) if dialect >= from) { b"\"" } else { b"" };
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(quotes);
    C::write(value, out);
    out.extend_from_slice(quotes);
    out.push(b'\n');
}

/// Defines kinds of values: what each is here, what to call it where a text is none, what it looks like, and how it is read and written.
macro_rules! codecs {
    ($($(#[$doc:meta])* $name:ident: $value:ty = $expected:expr, $form:expr,
       read($text:ident) $read:expr, write($given:ident, $out:ident) $write:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Codec for $name {
            type Value = $value;
            const EXPECTED: &'static str = $expected;
            const FORM: Form = $form;

            fn read($text: &str) -> Option<$value> {
                $read
            }

            fn write($given: &$value, $out: &mut Vec<u8>) {
                $write;
            }
        }
    )*};
}

const TEXT: &str = "text in UTF-8";

codecs! {
    /// A number.
    Count: u64 = "a number that fits 64 bits", Form::Number,
        read(text) number(text.as_bytes()),
        write(count, out) push_decimal(out, *count);

    /// A job's id.
    Job: JobId = "a job id", Form::Number,
        read(text) Count::read(text).map(JobId),
        write(id, out) push_decimal(out, id.0);

    /// A job's priority.
    Pri: Priority = "a number that fits 32 bits", Form::Number,
        read(text) Some(Priority(Count::read(text)?.try_into().ok()?)),
        write(priority, out) push_decimal(out, priority.0.into());

    /// Whole seconds. The server floors.
    Seconds: Duration = "a number of seconds", Form::Number,
        read(text) Count::read(text).map(Duration::from_secs),
        write(duration, out) push_decimal(out, duration.as_secs());

    /// Whole seconds until or since an instant. A negative number means that it is already past (or not yet reached), and
    /// so no time at all.
    SecondsOrPast: Duration = Seconds::EXPECTED, Form::Number,
        read(text) match text.strip_prefix('-') {
            Some(past) => Count::read(past).map(|_| Duration::ZERO),
            None => Seconds::read(text),
        },
        write(duration, out) Seconds::write(duration, out);

    /// Seconds, a point, and six digits; one to nine are read.
    Micros: Duration = "seconds with a decimal fraction", Form::Number,
        read(text) read_fraction(text),
        write(duration, out) {
            push_decimal(out, duration.as_secs());
            out.extend_from_slice(alloc::format!(".{:06}", duration.subsec_micros()).as_bytes());
        };

    /// `true` or `false`.
    Flag: bool = "true or false", Form::Number,
        read(text) text.parse().ok(),
        write(flag, out) out.extend_from_slice(if *flag { b"true" } else { b"false" });

    /// The name of a tube.
    Tube: TubeName = "a tube name", Text::FORM,
        read(text) TubeName::from_bytes(text.as_bytes()).ok(),
        write(tube, out) out.extend_from_slice(tube.as_bytes());

    /// The state of a job: a word.
    State: JobState = TEXT, Form::Bare,
        read(text) Some(JobState::from(text)),
        write(state, out) write_text(state.as_str(), out);

    /// Text that is never quoted.
    BareText: Box<str> = TEXT, Form::Bare,
        read(text) Some(text.into()),
        write(text, out) write_text(text, out);

    /// Text that is quoted from 1.13 on.
    Text: Box<str> = TEXT, Form::Quoted(Dialect::V1_13),
        read(text) Some(text.into()),
        write(text, out) write_text(text, out);

    /// Text that is quoted by every release we speak as.
    QuotedText: Box<str> = TEXT, Form::Quoted(Dialect::V1_12),
        read(text) Some(text.into()),
        write(text, out) write_text(text, out);
}

fn read_fraction(text: &str) -> Option<Duration> {
    /// The most digits whose unit is still a whole number of nanoseconds.
    const DIGITS: usize = 9;
    let Some((seconds, fraction)) = text.split_once('.') else { return Seconds::read(text) };
    if fraction.is_empty() || fraction.len() > DIGITS || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(core::iter::repeat(b'0')).take(DIGITS);
    let nanos =
        digits.fold(0_u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0'))));
    Seconds::read(seconds)?.checked_add(Duration::from_nanos(nanos.into()))
}

/// Appends text, which must not end its line.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend(text.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
}
