//! The arguments of a command line, each read as beanstalkd reads it.

use alloc::vec::Vec;

use super::Kind;
use crate::{
    scan,
    types::{Dialect, JobId, Priority, TubeName, is_name_byte},
};

/// A timeout that never ends, in [`Command::ReserveWithTimeout`](crate::Command::ReserveWithTimeout): only
/// [`Dialect::V1_12`] reads one (from `-1`).
pub const TIMEOUT_FOREVER: u32 = u32::MAX;

/// What the server answers with `BAD_FORMAT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadFormat {
    /// Whether the server's counter of the command goes up nevertheless.
    pub(crate) counted: bool,
}

impl BadFormat {
    const UNCOUNTED: Self = Self { counted: false };
}

/// What is behind the last argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// How long the body is that follows the line.
    pub(crate) body: Option<u32>,
    /// Whether bytes follow the last argument of a `put`; the server notices only after it has looked at the size.
    pub(crate) trailing: bool,
}

/// The arguments of a command line, read from the front.
pub(crate) struct Args<'a> {
    rest: &'a [u8],
    kind: Kind,
    dialect: Dialect,
    body: Option<u32>,
}

impl<'a> Args<'a> {
    pub(crate) const fn new(rest: &'a [u8], kind: Kind, dialect: Dialect) -> Self {
        Self { rest, kind, dialect, body: None }
    }

    pub(crate) fn pri(&mut self) -> Result<Priority, BadFormat> {
        self.secs().map(Priority)
    }

    /// A number of 32 bits.
    pub(crate) fn secs(&mut self) -> Result<u32, BadFormat> {
        u32::try_from(self.unsigned()?).map_err(|_| BadFormat::UNCOUNTED)
    }

    pub(crate) fn id(&mut self) -> Result<JobId, BadFormat> {
        self.unsigned().map(JobId)
    }

    pub(crate) fn body(&mut self) -> Result<Vec<u8>, BadFormat> {
        self.body = Some(self.secs()?);
        Ok(Vec::new())
    }

    /// The timeout of a reserve. What follows the number is not looked at.
    pub(crate) fn timeout(&mut self) -> Result<u32, BadFormat> {
        let seconds = match self.dialect {
            Dialect::V1_13 => self.secs().ok().filter(|&seconds| i32::try_from(seconds).is_ok()),
            Dialect::V1_12 => self.signed_timeout(),
        };
        self.rest = &[];
        seconds.ok_or(BadFormat::UNCOUNTED)
    }

    /// `(int)strtol(…)`: no number is 0, what is negative once cut to 32 bits waits without end, what overflows 64 bits is
    /// refused.
    fn signed_timeout(&mut self) -> Option<u32> {
        let (negative, magnitude, _) = self.strto();
        let limit = u64::from(negative).saturating_add(i64::MAX.unsigned_abs());
        let magnitude = magnitude.filter(|&magnitude| magnitude <= limit)?;
        let value = if negative { magnitude.wrapping_neg() } else { magnitude };
        let cut = low_32_bits(value);
        Some(if i32::try_from(cut).is_ok() { cut } else { TIMEOUT_FOREVER })
    }

    /// `(unsigned)strtoul(…)`: signs, wrapping and trailing bytes are accepted, an overflow of 64 bits is not.
    pub(crate) fn bound(&mut self) -> Result<u32, BadFormat> {
        let (negative, magnitude, digits) = self.strto();
        self.rest = &[];
        match magnitude {
            Some(magnitude) if digits > 0 => {
                Ok(low_32_bits(if negative { magnitude.wrapping_neg() } else { magnitude }))
            }
            _ => Err(BadFormat::UNCOUNTED),
        }
    }

    /// A tube name. `pause-tube` alone skips spaces before it, and has an argument behind it.
    pub(crate) fn tube(&mut self) -> Result<TubeName, BadFormat> {
        if self.kind != Kind::PauseTube {
            let name = core::mem::take(&mut self.rest);
            return TubeName::from_bytes(name).map_err(|_| BadFormat::UNCOUNTED);
        }
        self.skip(|byte| byte == b' ');
        let name = self.skip(is_name_byte);
        if name.is_empty() {
            return Err(BadFormat::UNCOUNTED);
        }
        // The server reads the delay first, and counts the command, before it looks at the name.
        TubeName::from_bytes(name).map_err(|_| match self.secs() {
            Ok(_) if self.rest.is_empty() => BadFormat { counted: true },
            _ => BadFormat::UNCOUNTED,
        })
    }

    /// Ends the line.
    pub(crate) fn finish(&self) -> Result<End, BadFormat> {
        let trailing = !self.rest.is_empty();
        match self.kind {
            Kind::Put => Ok(End { body: self.body, trailing }),
            Kind::Quit => Ok(End { body: None, trailing: false }),
            _ if trailing => Err(BadFormat::UNCOUNTED),
            _ => Ok(End { body: None, trailing }),
        }
    }

    /// `strtoumax`, but refusing a sign: leading spaces and zeros are accepted, an overflow of 64 bits is not.
    fn unsigned(&mut self) -> Result<u64, BadFormat> {
        self.skip(|byte| byte == b' ');
        let digits = self.skip(|byte| byte.is_ascii_digit());
        value_of(digits).filter(|_| !digits.is_empty()).ok_or(BadFormat::UNCOUNTED)
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

/// The low 32 bits, as a C cast keeps them.
fn low_32_bits(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The value of digits, leading zeros or not; `None` if it overflows 64 bits.
fn value_of(digits: &[u8]) -> Option<u64> {
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    match digits.get(zeros..) {
        None | Some([]) => Some(0),
        Some(significant) => scan::number(significant),
    }
}
