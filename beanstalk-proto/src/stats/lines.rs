//! The outer layer of a body: its first line, its lines, and where a line splits.

use super::StatsError;
use crate::types::Excerpt;

/// How every body begins.
pub(super) const START: &[u8] = b"---\n";

/// How an item of a list begins.
pub(super) const ITEM: &[u8] = b"- ";

/// The lines after the first, without their line feeds. The last line may lack its own: the length of the body was
/// announced, so nothing was cut off.
pub(super) fn lines(body: &[u8]) -> Result<Lines<'_>, StatsError> {
    match body.strip_prefix(START) {
        Some(rest) => Ok(Lines { rest }),
        None => Err(StatsError::Start { start: Excerpt::new(body) }),
    }
}

/// The lines of a body that are still to be read.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// Takes the next line if it begins with this key, and returns its value.
    ///
    /// Servers write keys in one order, so that most of a body is read without a search for the key.
    pub(super) fn value_of(&mut self, key: &str) -> Option<&'a [u8]> {
        let value = self.rest.strip_prefix(key.as_bytes())?.strip_prefix(b": ")?;
        self.rest = value;
        self.next().or(Some(b""))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line)
    }
}

/// Splits a line at the first `: `, or where it ends with the colon of a key without a value. The value may be any
/// bytes: whether they are text is checked later, where the error can name the key.
pub(super) fn key_and_value(line: &[u8]) -> Result<(&str, &[u8]), StatsError> {
    let malformed = || StatsError::Line { line: Excerpt::new(line) };
    let (key, value) = split(line).ok_or_else(malformed)?;
    match core::str::from_utf8(key) {
        Ok(key) if !key.is_empty() => Ok((key, value)),
        _ => Err(malformed()),
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    match line.windows(2).position(|pair| pair == b": ") {
        Some(at) => {
            let (key, rest) = line.split_at_checked(at)?;
            Some((key, rest.strip_prefix(b": ")?))
        }
        None => Some((line.strip_suffix(b":")?, b"")),
    }
}

/// Takes quotes off if both are there.
pub(super) fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}
