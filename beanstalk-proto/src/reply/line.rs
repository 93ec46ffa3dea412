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
        None if window.len() >= MAX_LINE => Err(line_too_long(window)),
        None => Ok(None),
    }
}

pub(crate) fn line_too_long(line: &[u8]) -> ProtocolError {
    ProtocolError::LineTooLong { line: Excerpt::new(line), limit: MAX_LINE }
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
