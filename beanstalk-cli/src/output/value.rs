//! Rows of named values.

use std::{borrow::Cow, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use beanstalk_sync::{JobId, TubeName};

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Not there: an older server does not send it, or it does not apply.
    None,
    Text(String),
    Count(u64),
    /// A whole number of seconds.
    Seconds(u64),
    Flag(bool),
    /// A job's body.
    Body(Vec<u8>),
}

/// The fields of one thing, in the order in which they are printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row(Vec<(Cow<'static, str>, Value)>);

impl Row {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    #[must_use]
    pub(crate) fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// With a field that stands first, if there is something to put there.
    #[must_use]
    pub(crate) fn first(mut self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(0, (name.into(), value.into()));
        }
        self
    }

    pub(crate) fn fields(&self) -> &[(Cow<'static, str>, Value)] {
        &self.0
    }

    pub(crate) fn get(&self, name: &str) -> &Value {
        self.0.iter().find(|(field, _)| field == name).map_or(&Value::None, |(_, value)| value)
    }

    pub(super) fn body(&self) -> Option<&[u8]> {
        self.0.iter().find_map(|(_, value)| match value {
            Value::Body(body) => Some(&**body),
            _ => None,
        })
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        for (name, value) in &self.0 {
            object.insert(name.to_string(), value.to_json());
            if let Value::Body(body) = value {
                object.insert("text".into(), std::str::from_utf8(body).ok().into());
            }
        }
        object.into()
    }
}

impl Value {
    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::None => serde_json::Value::Null,
            Self::Text(text) => text.as_str().into(),
            Self::Count(number) | Self::Seconds(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Body(body) => BASE64_STANDARD.encode(body).into(),
        }
    }

    /// On one line, and without a tab of its own.
    pub(super) fn plain(&self) -> Cow<'_, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            // What a server sends may be meant for a terminal.
            Self::Text(text) if text.contains(char::is_control) => printable(text.as_bytes()).into(),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Count(number) | Self::Seconds(number) => number.to_string().into(),
            Self::Flag(flag) => flag.to_string().into(),
            Self::Body(body) => printable(body).into(),
        }
    }

    /// For people.
    pub(super) fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::None => Cow::Borrowed("-"),
            Self::Seconds(seconds) => span(*seconds).into(),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "yes" } else { "no" }),
            other => other.plain(),
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Seconds(_))
    }
}

/// A body on one line: text as it is, but control characters, backslashes and what is not UTF-8 escaped.
pub(crate) fn printable(body: &[u8]) -> String {
    let mut line = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' | '\t' | '\r' | '\n' => line.extend(c.escape_default()),
                c if c.is_ascii_control() => line.push_str(&format!("\\x{:02x}", u32::from(c))),
                c if c.is_control() => line.extend(c.escape_unicode()),
                c => line.push(c),
            }
        }
        line.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    line
}

/// A time as people write it: `45s`, `2m05s`, `3h10m`, `12d4h`.
pub(crate) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&TubeName> for Value {
    fn from(tube: &TubeName) -> Self {
        Self::Text(tube.to_string())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Count(number)
    }
}

impl From<JobId> for Value {
    fn from(id: JobId) -> Self {
        Self::Count(id.0)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Seconds(duration.as_secs())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_the_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3599, "59m59s"),
            (3600, "1h00m"),
            (86_399, "23h59m"),
            (90_000, "1d01h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_body_takes_one_line_and_can_be_read_back_by_eye() {
        assert_eq!(printable("zażółć 🦀\n\\\u{1b}[31m".as_bytes()), "zażółć 🦀\\n\\\\\\x1b[31m");
        assert_eq!(printable(b"a\xffb\x00\xc2"), "a\\xffb\\x00\\xc2");
    }
}
