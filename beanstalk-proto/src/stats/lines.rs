//! The outer layer of a body: its first line, its lines, and where a line splits.

use super::StatsError;
use crate::types::Excerpt;

/// How every body begins.
pub(super) const START: &[u8] = b"---\n";

/// How an item of a list begins.
pub(super) const ITEM: &[u8] = b"- ";

/// The lines after the first, without their line feeds. The last line may lack its own: the length of the body was
/// announced, so nothing was cut off.
pub(super) fn lines(body: &[u8]) -> Result<impl Iterator<Item = &[u8]>, StatsError> {
    let Some(rest) = body.strip_prefix(START) else {
        return Err(StatsError::Start { start: Excerpt::new(body) });
    };
    Ok(rest.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line)))
}

/// Splits a line at the first `: `, or where it ends with the colon of a key without a value. The value may be any
/// bytes: whether they are text is said together with the key.
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
