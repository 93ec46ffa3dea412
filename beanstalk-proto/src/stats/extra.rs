//! Keys that have no field.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{StatsError, lines};
use crate::types::Excerpt;

/// Keys and values that have no field of their own, in the server's order: what a later release, or a fork, sends.
///
/// A value is read without its quotes, if it has a pair, and written again exactly as it came. Kept as the lines they
/// came in, so that a body of many small lines takes no more memory than its bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// `key: value` lines, each ended by a line feed.
    lines: String,
}

impl Extra {
    /// Reads any body of `key: value` lines (without the CR LF that follows it): the statistics of a command that has no
    /// name here.
    ///
    /// ```
    /// use beanstalk_proto::stats::Extra;
    ///
    /// let stats = Extra::decode(b"---\nshape: round\nshape: \"oval\"\n")?;
    /// assert!(stats.iter().eq([("shape", "round"), ("shape", "oval")]));
    /// # Ok::<(), beanstalk_proto::stats::StatsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StatsError::Start`], and [`StatsError::Line`] for a line without a key or that is not UTF-8.
    pub fn decode(body: &[u8]) -> Result<Self, StatsError> {
        let mut all = Self::default();
        for line in lines::lines(body)? {
            let (key, value) = lines::key_and_value(line)?;
            all.keep(key, value)?;
        }
        Ok(all)
    }

    /// Returns the value of a key; of its first line, if it has several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|&(known, _)| known == key).map(|(_, value)| value)
    }

    /// Returns all keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines
            .split_terminator('\n')
            .filter_map(|line| line.split_once(": "))
            .map(|(key, value)| (key, lines::unquoted(value)))
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line at the end. Quotes that the server should send are part of `value`.
    ///
    /// # Errors
    ///
    /// [`StatsError::Line`] for what would not be read back as this key and this value: a key that is empty or holds
    /// `: `, or a line feed in either.
    pub fn push(&mut self, key: &str, value: &str) -> Result<(), StatsError> {
        if key.is_empty() || key.contains(": ") || key.contains('\n') {
            return Err(StatsError::Line { line: Excerpt::new(key.as_bytes()) });
        }
        if value.contains('\n') {
            return Err(StatsError::Line { line: Excerpt::new(value.as_bytes()) });
        }
        for part in [key, ": ", value, "\n"] {
            self.lines.push_str(part);
        }
        Ok(())
    }

    /// Adds a line that came.
    pub(super) fn keep(&mut self, key: &str, value: &[u8]) -> Result<(), StatsError> {
        match core::str::from_utf8(value) {
            Ok(value) => self.push(key, value),
            Err(_) => Err(StatsError::Line { line: Excerpt::new(&[key.as_bytes(), b": ", value].concat()) }),
        }
    }

    /// Appends the lines, except those whose key is one of `fields`.
    pub(super) fn encode(&self, fields: &[&str], out: &mut Vec<u8>) {
        for line in self.lines.split_inclusive('\n') {
            if line.split_once(": ").is_some_and(|(key, _)| !fields.contains(&key)) {
                out.extend_from_slice(line.as_bytes());
            }
        }
    }
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
