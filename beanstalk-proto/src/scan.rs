//! Finding the end of a line, and strict decimal numbers.

use alloc::vec::Vec;

use crate::{
    error::{Excerpt, ProtocolError},
    reply::MAX_LINE,
};

/// The longest body that the protocol can announce: its lengths are numbers of 32 bits.
pub(crate) const MAX_LENGTH: u64 = u32::MAX as u64;

/// Where a search for CR LF stopped, so that no byte is looked at twice however the input is split.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineSearch {
    searched: usize,
}

impl LineSearch {
    /// The length of the line at the start of `input`, without its CRLF. Call again with the same bytes and more.
    pub(crate) fn find(&mut self, input: &[u8]) -> Option<usize> {
        let rest = input.get(self.searched..)?;
        for cr in memchr::memchr_iter(b'\r', rest) {
            let cr = self.searched.saturating_add(cr);
            match input.get(cr.saturating_add(1)) {
                Some(b'\n') => {
                    self.searched = 0;
                    return Some(cr);
                }
                Some(_) => {}
                // The next byte decides; start again at this CR.
                None => {
                    self.searched = cr;
                    return None;
                }
            }
        }
        self.searched = input.len();
        None
    }

    /// Whether bytes were searched already, so that the line was not complete before.
    pub(crate) const fn is_resuming(self) -> bool {
        self.searched > 0
    }
}

/// The first line of `input` without its CRLF, `None` if it is not complete.
pub(crate) fn first_line(input: &[u8]) -> Result<Option<&[u8]>, ProtocolError> {
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

/// A number as the protocol writes it: digits only, no leading zero, at most 2^64-1; and how many digits it took.
#[inline]
pub(crate) fn number_prefix(input: &[u8]) -> Option<(u64, usize)> {
    let mut number: u64 = 0;
    let mut digits: usize = 0;
    for &byte in input {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // Nineteen digits always fit; the check costs only from there on.
        number = match digits {
            0..19 => number.wrapping_mul(10).wrapping_add(u64::from(digit)),
            _ => number.checked_mul(10)?.checked_add(u64::from(digit))?,
        };
        digits = digits.wrapping_add(1);
    }
    let canonical = digits == 1 || (digits > 1 && input.first() != Some(&b'0'));
    canonical.then_some((number, digits))
}

/// A number and nothing else.
pub(crate) fn number(input: &[u8]) -> Option<u64> {
    number_prefix(input).filter(|&(_, digits)| digits == input.len()).map(|(number, _)| number)
}

/// How many digits a number has.
#[inline]
pub(crate) fn digits(number: u64) -> usize {
    match number {
        0..=9 => 1,
        10..=99 => 2,
        100..=999 => 3,
        1000..=9999 => 4,
        _ => (number.ilog10() as usize).saturating_add(1),
    }
}

/// Writes a number into the place for its digits.
#[inline]
pub(crate) fn write_decimal(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        #[allow(clippy::cast_possible_truncation, reason = "a remainder of 10 fits a byte")]
        {
            *digit = b'0' | (number % 10) as u8;
        }
        number /= 10;
    }
}

/// Appends the digits of a number.
pub(crate) fn push_decimal(out: &mut Vec<u8>, number: u64) {
    let start = out.len();
    out.resize(start.saturating_add(digits(number)), 0);
    write_decimal(out.get_mut(start..).unwrap_or_default(), number);
}

/// Appends a space and the digits of a number.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.push(b' ');
    push_decimal(out, number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_split_between_cr_and_lf_is_found_when_the_lf_comes() {
        let mut search = LineSearch::default();
        assert_eq!(search.find(b"DELETED\r"), None);
        assert_eq!(search.find(b"DELETED\r\nX"), Some(7));
    }

    #[test]
    fn a_lone_cr_or_lf_does_not_end_a_line() {
        let mut search = LineSearch::default();
        assert_eq!(search.find(b"a\rb\nc\r\r"), None);
        assert_eq!(search.find(b"a\rb\nc\r\r\n"), Some(6));
    }

    #[test]
    fn numbers_are_canonical_and_fit_64_bits() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for bad in
            [&b""[..], b"00", b"01", b"+1", b"-1", b" 1", b"1 ", b"18446744073709551616", b"99999999999999999999"]
        {
            assert_eq!(number(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn digits_are_what_the_standard_library_writes() {
        for number in [0, 9, 10, 99, 12345, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(out, alloc::format!("{number}").as_bytes());
        }
    }
}
