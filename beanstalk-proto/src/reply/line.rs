//! Lines as such, before anyone looks at their words.

use super::ProtocolError;
use crate::{
    scan::LineSearch,
    types::{ArgumentError, Excerpt},
};

/// The longest line of the protocol, in either direction, CRLF included.
pub const MAX_LINE: usize = 224;

/// The first line of `input` without its CRLF, `None` if it is not complete.
pub(super) fn first_line(input: &[u8]) -> Result<Option<&[u8]>, ProtocolError> {
    let window = input.get(..MAX_LINE).unwrap_or(input);
    match LineSearch::default().find(window).and_then(|len| window.get(..len)) {
        Some(line) => Ok(Some(line)),
        None => check_unfinished(window).map(|()| None),
    }
}

/// How a record of TLS begins that reports why there will be no session; no reply does.
const TLS_ALERT: &[u8] = &[21, 3];

/// Refuses what begins a record of TLS. What comes with a line's end is no other than what comes before it.
pub(super) fn check_start(input: &[u8]) -> Result<(), ProtocolError> {
    if input.starts_with(TLS_ALERT) { Err(ProtocolError::Tls) } else { Ok(()) }
}

/// Refuses the beginning of a line that can become none, given what has come of it.
pub(crate) fn check_unfinished(input: &[u8]) -> Result<(), ProtocolError> {
    check_start(input)?;
    if input.len() < MAX_LINE {
        return Ok(());
    }
    Err(ProtocolError::LineTooLong { line: Excerpt::new(input), limit: MAX_LINE })
}

/// Checks a line that was written elsewhere: not empty, short enough, and nothing in it that would end it.
pub(crate) fn check_line(line: &[u8]) -> Result<(), ArgumentError> {
    if line.is_empty() {
        return Err(ArgumentError::Shape("the line is empty"));
    }
    let bytes = line.len().saturating_add(2);
    if bytes > MAX_LINE {
        return Err(ArgumentError::LineTooLong { bytes, limit: MAX_LINE });
    }
    match line.iter().enumerate().find(|(_, byte)| matches!(byte, b'\r' | b'\n' | 0)) {
        Some((at, &byte)) => Err(ArgumentError::BadByte { byte, at }),
        None => Ok(()),
    }
}
