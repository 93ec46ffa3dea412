//! The arguments of a command line, each read as beanstalkd reads it.

use alloc::vec::Vec;

use super::Kind;
use crate::types::{Dialect, JobId, Priority, TubeName, is_name_byte};

/// A timeout that never ends, in [`Command::ReserveWithTimeout`](crate::Command::ReserveWithTimeout): only
/// [`Dialect::V1_12`] reads one (from `-1`).
pub const TIMEOUT_FOREVER: u32 = u32::MAX;

/// The arguments of a command line, read from the front. `None` is what the server answers with `BAD_FORMAT`.
pub(crate) struct Args<'a> {
    rest: &'a [u8],
    kind: Kind,
    dialect: Dialect,
    /// How long the body is that follows the line.
    pub(crate) body: Option<u32>,
    /// Whether the server's counter of the command goes up although the line is refused.
    pub(crate) counted: bool,
}

impl<'a> Args<'a> {
    pub(crate) const fn new(rest: &'a [u8], kind: Kind, dialect: Dialect) -> Self {
        Self { rest, kind, dialect, body: None, counted: false }
    }

    pub(crate) fn pri(&mut self) -> Option<Priority> {
        self.secs().map(Priority)
    }

    /// A number of 32 bits.
    pub(crate) fn secs(&mut self) -> Option<u32> {
        u32::try_from(self.unsigned()?).ok()
    }

    pub(crate) fn id(&mut self) -> Option<JobId> {
        self.unsigned().map(JobId)
    }

    pub(crate) fn body(&mut self) -> Option<Vec<u8>> {
        self.body = self.secs();
        self.body.map(|_| Vec::new())
    }

    /// The timeout of a reserve. What follows the number is not looked at.
    pub(crate) fn timeout(&mut self) -> Option<u32> {
        let seconds = match self.dialect {
            Dialect::V1_13 => self.secs().filter(|&seconds| i32::try_from(seconds).is_ok()),
            Dialect::V1_12 => self.signed_timeout(),
        };
        self.rest = &[];
        seconds
    }

    /// `(int)strtol(…)`: no number is 0, what is negative once cut to 32 bits waits without end, what overflows 64 bits is
    /// refused.
    fn signed_timeout(&mut self) -> Option<u32> {
        let (negative, magnitude, _) = self.strto();
        let limit = u64::from(negative).saturating_add(i64::MAX.unsigned_abs());
        let magnitude = magnitude.filter(|&magnitude| magnitude <= limit)?;
        let cut = low_32_bits(negative, magnitude);
        Some(if i32::try_from(cut).is_ok() { cut } else { TIMEOUT_FOREVER })
    }

    /// `(unsigned)strtoul(…)`: signs, wrapping and trailing bytes are accepted, an overflow of 64 bits is not.
    pub(crate) fn bound(&mut self) -> Option<u32> {
        let (negative, magnitude, digits) = self.strto();
        self.rest = &[];
        magnitude.filter(|_| digits > 0).map(|magnitude| low_32_bits(negative, magnitude))
    }

    /// A tube name. `pause-tube` alone skips spaces before it, and has an argument behind it.
    pub(crate) fn tube(&mut self) -> Option<TubeName> {
        if self.kind != Kind::PauseTube {
            return TubeName::from_bytes(core::mem::take(&mut self.rest)).ok();
        }
        self.skip(|byte| byte == b' ');
        let name = self.skip(is_name_byte);
        let tube = TubeName::from_bytes(name).ok();
        if tube.is_none() && !name.is_empty() {
            // The server reads the delay first, and counts the command, before it looks at the name.
            self.counted = self.secs().is_some() && self.rest.is_empty();
        }
        tube
    }

    /// Ends the line: whether bytes follow the last argument of a `put`, which the server notices only after it has looked at the size.
    pub(crate) fn finish(&self) -> Option<bool> {
        let trailing = !self.rest.is_empty();
        match self.kind {
            Kind::Put => Some(trailing),
            Kind::Quit => Some(false),
            _ => (!trailing).then_some(false),
        }
    }

    /// `strtoumax`, but refusing a sign: leading spaces and zeros are accepted, an overflow of 64 bits is not.
    fn unsigned(&mut self) -> Option<u64> {
        self.skip(|byte| byte == b' ');
        let digits = self.skip(|byte| byte.is_ascii_digit());
        value_of(digits).filter(|_| !digits.is_empty())
    }

    /// What `strtol` and `strtoul` read: sign, magnitude (`None` if it overflows) and how many digits.
    fn strto(&mut self) -> (bool, Option<u64>, usize) {
        self.skip(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
        let sign = match self.rest {
            [sign @ (b'+' | b'-'), rest @ ..] => {
                self.rest = rest;
                *sign
            }
            _ => b'+',
        };
        let digits = self.skip(|byte| byte.is_ascii_digit());
        (sign == b'-', value_of(digits), digits.len())
    }

    /// Takes bytes from the front while they are wanted.
    fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest;
        let end = rest.iter().position(|&byte| !wanted(byte)).unwrap_or(rest.len());
        let (taken, rest) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        self.rest = rest;
        taken
    }
}

/// The low 32 bits of a number with this sign, as a C cast keeps them.
const fn low_32_bits(negative: bool, magnitude: u64) -> u32 {
    (if negative { magnitude.wrapping_neg() } else { magnitude }) as u32
}

/// The value of digits, leading zeros or not; `None` if it overflows 64 bits.
fn value_of(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(digit.wrapping_sub(b'0').into()))
}
