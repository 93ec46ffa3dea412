//! Finding the end of a line, and strict decimal numbers.

use alloc::vec::Vec;

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

/// The first word of a line.
pub(crate) fn word(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b' ').next().unwrap_or_default()
}

/// A number as the protocol writes it, and what is behind it: digits only, no leading zero, at most 2^64-1. A zero ends the
/// number, so that what is behind it may be a digit: for no caller that is right.
#[inline(never)]
pub(crate) fn number_prefix(input: &[u8]) -> Option<(u64, &[u8])> {
    let (first, mut rest) = input.split_first()?;
    let mut number = match first {
        b'0' => return Some((0, rest)),
        b'1'..=b'9' => u64::from(first.wrapping_sub(b'0')),
        _ => return None,
    };
    while let Some((byte @ b'0'..=b'9', behind)) = rest.split_first() {
        number = number.checked_mul(10)?.checked_add(byte.wrapping_sub(b'0').into())?;
        rest = behind;
    }
    Some((number, rest))
}

/// As [`number_prefix`] of `rest`, which is the end of `line`: all digits at once, if there are less than eight.
#[inline(always)]
pub(crate) fn number_in_line<'a>(line: &[u8], rest: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let eight = match rest.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        // Take the last eight bytes there are, and drop those in front: that leaves zeros behind.
        None => {
            let last = line.last_chunk::<8>().map_or(0, |last| u64::from_le_bytes(*last));
            let missing = 8u32.wrapping_sub(rest.len() as u32).wrapping_mul(8);
            last.checked_shr(missing).unwrap_or(0)
        }
    };
    match short_number(eight) {
        Some((number, digits)) => Some((number, rest.get(digits..)?)),
        None => number_prefix(rest),
    }
}

/// The number that eight bytes begin with, the first of them in the lowest place, and how many digits it has; unless all
/// eight are digits, or the first is a zero or none.
#[inline(always)]
fn short_number(eight: u64) -> Option<(u64, usize)> {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    if !matches!(eight.to_le_bytes()[0], b'1'..=b'9') {
        return None;
    }
    // What each digit stands for; every other byte is more than nine.
    let values = eight ^ each(b'0');
    // The highest bit of each byte that is more than nine. (Where a sum runs over, it spoils only bytes behind one of these.)
    let others = (values | values.wrapping_add(each(0x80 - 10))) & each(0x80);
    if others == 0 {
        return None;
    }
    let bits = others.trailing_zeros() & !7;
    // Zeros in front, and the last digit in the highest place; then neighbours are joined to two, four and eight digits.
    let ones = values.wrapping_shl(64u32.wrapping_sub(bits));
    let twos = ones.wrapping_mul(10).wrapping_add(ones >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = twos.wrapping_mul(100).wrapping_add(twos >> 16) & 0x0000_ffff_0000_ffff;
    let number = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    Some((number, (bits / 8) as usize))
}

/// A number and nothing else.
pub(crate) fn number(input: &[u8]) -> Option<u64> {
    number_prefix(input).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

/// The longest number: that of 2^64-1.
pub(crate) const MAX_DIGITS: usize = 20;

/// Every number of two digits. A `static`, so that there is one of it wherever numbers are written.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [*b"00"; 100];
    let mut rest: &mut [[u8; 2]] = &mut pairs;
    let (mut tens, mut ones) = (b'0', b'0');
    while let [first, tail @ ..] = rest {
        *first = [tens, ones];
        rest = tail;
        (tens, ones) = if ones == b'9' { (tens.wrapping_add(1), b'0') } else { (tens, ones.wrapping_add(1)) };
    }
    pairs
};

/// The two digits of a number below 100.
#[inline(always)]
fn pair(number: u64) -> [u8; 2] {
    #[allow(clippy::cast_possible_truncation, reason = "it is less than 100")]
    PAIRS.get(number as usize).copied().unwrap_or_default()
}

/// Writes a number to the start of its place, and returns how many digits it has. Most arguments have one to four.
#[inline(always)]
pub(crate) fn write_decimal(place: &mut [u8; MAX_DIGITS], number: u64) -> usize {
    if number < 100 {
        write_short_decimal(place, number)
    } else if number < 10_000 {
        // A hundredth, for numbers up to 43,698.
        let hundreds = number.wrapping_mul(5243) >> 19;
        let digits = write_short_decimal(place, hundreds);
        if let Some(last) = place.get_mut(digits..).and_then(<[u8]>::first_chunk_mut) {
            *last = pair(number.wrapping_sub(hundreds.wrapping_mul(100)));
        }
        digits.wrapping_add(2)
    } else {
        write_long_decimal(place, number)
    }
}

/// One or two digits.
#[inline(always)]
fn write_short_decimal(place: &mut [u8; MAX_DIGITS], number: u64) -> usize {
    let [tens, ones] = pair(number);
    if number < 10 {
        place[0] = ones;
        1
    } else {
        [place[0], place[1]] = [tens, ones];
        2
    }
}

/// The last four digits behind all the others.
#[inline(never)]
fn write_long_decimal(place: &mut [u8; MAX_DIGITS], number: u64) -> usize {
    let (first, last) = (number / 10_000, number % 10_000);
    let digits = write_decimal(place, first);
    if let Some([a, b, c, d]) = place.get_mut(digits..).and_then(<[u8]>::first_chunk_mut) {
        [*a, *b] = pair(last / 100);
        [*c, *d] = pair(last % 100);
    }
    digits.wrapping_add(4)
}

/// Appends the digits of a number.
pub(crate) fn push_decimal(out: &mut Vec<u8>, number: u64) {
    let mut place = [0; MAX_DIGITS];
    let digits = write_decimal(&mut place, number);
    out.extend_from_slice(place.get(..digits).unwrap_or_default());
}

/// Appends a space and the digits of a number.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.push(b' ');
    push_decimal(out, number);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test asserts what it counts on")]

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
    fn a_number_in_a_line_is_the_same_wherever_it_stands_and_whatever_is_around_it() {
        for digits in 0..=21 {
            for first in [b'0', b'1', b'9', b'/', b':', b' ', 0, 0xb0, 0xff] {
                let mut number: Vec<u8> = (0..digits).map(|digit| b'0' + digit % 10).collect();
                if let Some(byte) = number.first_mut() {
                    *byte = first;
                }
                for behind in [&b""[..], b"\r", b"\r\n", b" 0\r\n", b"/", b":::::::::", b"\xff\x80\x00\xb5123456789"] {
                    for before in [&b""[..], b"OK ", b"INSERTED "] {
                        let line = [before, &number, behind].concat();
                        let rest = &line[before.len()..];
                        assert_eq!(number_in_line(&line, rest), number_prefix(rest), "{}", line.escape_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn digits_are_what_the_standard_library_writes() {
        let long = [12_345, 100_000, 99_999_999, 100_000_000, u64::from(u32::MAX), u64::MAX];
        for number in (0..=10_010).chain(long) {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(out, alloc::format!("{number}").as_bytes());
        }
    }
}
