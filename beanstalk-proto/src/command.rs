//! What a server receives: command lines, parsed the way beanstalkd parses them.
//!
//! The commands themselves come from the [table](crate::Kind). This is how a server reads their lines, quirks
//! included: words match by prefix, numbers may have leading spaces and zeros, `kick` and (in old releases)
//! `reserve-with-timeout` go through C's `strtoul` and `strtol`.

use alloc::vec::Vec;

pub(crate) use crate::table::Command;
use crate::{
    error::ArgumentError,
    reply::Reply,
    request::{Encoder, Request},
    scan,
    table::Kind,
    transmit::Transmit,
    types::{JobId, Priority, TubeName},
};

/// Which release of beanstalkd a server speaks as. What a client can see changed between these two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// beanstalkd 1.12, as Debian ships it: names in statistics are not quoted; `reserve-with-timeout` reads its number
    /// signed and leniently (`-1` waits for ever, no number is 0).
    V1_12,
    /// beanstalkd 1.13 and later.
    #[default]
    V1_13,
}

/// A timeout that never ends, in [`Command::ReserveWithTimeout`]: only [`Dialect::V1_12`] reads one (from `-1`).
pub const TIMEOUT_FOREVER: u32 = u32::MAX;

/// A command line that was read: the command, and whether a body follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) command: Command,
    /// How long the body is that follows; the command's own is empty until it came.
    pub(crate) body: Option<u32>,
    /// Whether bytes follow the last argument of a `put`; the server notices only after it has looked at the size.
    pub(crate) trailing: bool,
}

/// A command line that the server refuses, and what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The command it begins like, if it does like any.
    pub kind: Option<Kind>,
    /// `BAD_FORMAT` or `UNKNOWN_COMMAND`; from a connection also `EXPECTED_CRLF` or `JOB_TOO_BIG`, of a body.
    pub reply: Reply,
    /// Whether the server's counter of that command goes up all the same.
    pub counted: bool,
}

impl Refused {
    pub(crate) const fn bad_format() -> Self {
        Self { kind: None, reply: Reply::BadFormat, counted: false }
    }
}

/// The command that a server takes a line for. beanstalkd matches by prefix: `quitx` is `quit`.
fn kind_of_line(line: &[u8]) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| line.starts_with(kind.prefix().as_bytes()))
}

impl Command {
    /// Parses a command line, given without its CRLF, as a current server does. The body of a `put` is empty.
    ///
    /// # Errors
    ///
    /// What the server would answer.
    pub fn parse_line(line: &[u8]) -> Result<Self, Refused> {
        parse(line, Dialect::default()).and_then(|line| match line.trailing {
            true => Err(Refused { kind: Some(line.command.kind()), ..Refused::bad_format() }),
            false => Ok(line.command),
        })
    }

    /// Appends the command as a client sends it.
    ///
    /// # Errors
    ///
    /// [`ArgumentError`] for a value that no client can say, such as a reserve timeout over 2^31-1 s.
    pub fn encode_to(self, out: &mut Vec<u8>) -> Result<(), ArgumentError> {
        let mut transmit = Transmit::default();
        let mut encoder = Encoder::new(&mut transmit);
        self.encode(&mut encoder)?;
        encoder.finish()?;
        encoder.commit();
        for segment in transmit.segments() {
            out.extend_from_slice(segment);
        }
        Ok(())
    }

    /// Fills in the body of a `put`, once it has arrived.
    pub(crate) fn set_body(&mut self, arrived: Vec<u8>) {
        if let Self::Put { body, .. } = self {
            *body = arrived;
        }
    }
}

/// Reads a command line, given without its CRLF.
pub(crate) fn parse(line: &[u8], dialect: Dialect) -> Result<Line, Refused> {
    if memchr::memchr(0, line).is_some() {
        return Err(Refused::bad_format());
    }
    let Some(kind) = kind_of_line(line) else {
        return Err(Refused { reply: Reply::UnknownCommand, ..Refused::bad_format() });
    };
    let rest = line.get(kind.prefix().len()..).unwrap_or_default();
    let mut args = Args { rest, kind, dialect, body: None };
    Command::parse_args(kind, &mut args).map_err(|refused| Refused { kind: Some(kind), ..refused })
}

/// The arguments of a command line, read from the front.
pub(crate) struct Args<'a> {
    rest: &'a [u8],
    kind: Kind,
    dialect: Dialect,
    body: Option<u32>,
}

impl<'a> Args<'a> {
    pub(crate) fn pri(&mut self) -> Result<Priority, Refused> {
        self.secs().map(Priority)
    }

    /// A number of 32 bits.
    pub(crate) fn secs(&mut self) -> Result<u32, Refused> {
        u32::try_from(self.unsigned()?).map_err(|_| Refused::bad_format())
    }

    pub(crate) fn id(&mut self) -> Result<JobId, Refused> {
        self.unsigned().map(JobId)
    }

    pub(crate) fn body(&mut self) -> Result<Vec<u8>, Refused> {
        self.body = Some(self.secs()?);
        Ok(Vec::new())
    }

    /// The timeout of a reserve. What follows the number is not looked at.
    pub(crate) fn timeout(&mut self) -> Result<u32, Refused> {
        let seconds = match self.dialect {
            Dialect::V1_13 => self.secs().ok().filter(|&seconds| i32::try_from(seconds).is_ok()),
            Dialect::V1_12 => self.signed_timeout(),
        };
        self.rest = &[];
        seconds.ok_or(Refused::bad_format())
    }

    /// `(int)strtol(…)`: no number is 0, what is negative once cut to 32 bits waits for ever, what overflows 64 bits is
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
    pub(crate) fn bound(&mut self) -> Result<u32, Refused> {
        let (negative, magnitude, digits) = self.strto();
        self.rest = &[];
        match magnitude {
            Some(magnitude) if digits > 0 => {
                Ok(low_32_bits(if negative { magnitude.wrapping_neg() } else { magnitude }))
            }
            _ => Err(Refused::bad_format()),
        }
    }

    /// A tube name. `pause-tube` alone skips spaces before it, and has an argument behind it.
    pub(crate) fn tube(&mut self) -> Result<TubeName, Refused> {
        if self.kind != Kind::PauseTube {
            let name = core::mem::take(&mut self.rest);
            return TubeName::from_bytes(name).map_err(|_| Refused::bad_format());
        }
        self.skip(|byte| byte == b' ');
        let name = self.skip(crate::types::is_name_byte);
        if name.is_empty() {
            return Err(Refused::bad_format());
        }
        // The server reads the delay first, and counts the command, before it looks at the name.
        TubeName::from_bytes(name).map_err(|_| match self.secs() {
            Ok(_) if self.rest.is_empty() => Refused { counted: true, ..Refused::bad_format() },
            _ => Refused::bad_format(),
        })
    }

    /// Ends the line.
    pub(crate) fn finish(&mut self, command: Command) -> Result<Line, Refused> {
        let trailing = !self.rest.is_empty();
        match self.kind {
            Kind::Put => Ok(Line { command, body: self.body, trailing }),
            Kind::Quit => Ok(Line { command, body: None, trailing: false }),
            _ if trailing => Err(Refused::bad_format()),
            _ => Ok(Line { command, body: None, trailing }),
        }
    }

    /// `strtoumax`, but refusing a sign: leading spaces and zeros are accepted, an overflow of 64 bits is not.
    fn unsigned(&mut self) -> Result<u64, Refused> {
        self.skip(|byte| byte == b' ');
        let digits = self.skip(|byte| byte.is_ascii_digit());
        value_of(digits).filter(|_| !digits.is_empty()).ok_or(Refused::bad_format())
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

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    fn command(line: &str) -> Command {
        Command::parse_line(line.as_bytes()).unwrap_or_else(|refused| panic!("{line:?}: {refused:?}"))
    }

    #[track_caller]
    fn refused(line: &str, reply: &Reply, counted: bool) {
        for dialect in [Dialect::V1_12, Dialect::V1_13] {
            match parse(line.as_bytes(), dialect) {
                Err(refused) => assert_eq!((&refused.reply, refused.counted), (reply, counted), "{line:?}"),
                Ok(parsed) => panic!("{line:?} is {parsed:?}"),
            }
        }
    }

    fn tube(name: &str) -> TubeName {
        TubeName::new(name).unwrap()
    }

    #[test]
    fn every_command_without_arguments_is_its_word_alone() {
        for kind in Kind::ALL.iter().filter(|kind| !kind.prefix().ends_with(' ') && **kind != Kind::PauseTube) {
            assert_eq!(command(kind.word()).kind(), *kind);
        }
    }

    #[test]
    fn a_word_is_matched_by_its_beginning() {
        for line in [
            "reservex",
            "statsx",
            "list-tubesx",
            "peek-readyx",
            "stats-tube",
            "reserve-job",
            "reserve-with-timeout",
            "stats ",
        ] {
            refused(line, &Reply::BadFormat, false);
        }
        for line in [
            "put",
            "peek",
            "use",
            "delete",
            "kick",
            "kick-job",
            "watch",
            "",
            " ",
            "STATS",
            " stats",
            "qui",
            "list-tube",
            "stat",
        ] {
            refused(line, &Reply::UnknownCommand, false);
        }
        for line in ["quit", "quitx", "quit now"] {
            assert_eq!(command(line), Command::Quit);
        }
    }

    #[test]
    fn a_nul_anywhere_is_a_bad_format_of_no_command() {
        for line in ["stats\0", "\0", "nonsense\0", "quit\0"] {
            refused(line, &Reply::BadFormat, false);
        }
    }

    #[test]
    fn numbers_may_have_leading_spaces_and_zeros_and_nothing_else() {
        for line in ["delete 7", "delete   7", "delete 007", "delete  00000000000000000000007"] {
            assert_eq!(command(line), Command::Delete { id: JobId(7) });
        }
        assert_eq!(command("delete 18446744073709551615"), Command::Delete { id: JobId(u64::MAX) });
        for number in ["", "x", "+7", "-7", "7 ", "7x", "\t7", "18446744073709551616", "7.0", "0x7", "7 8"] {
            refused(&format!("delete {number}"), &Reply::BadFormat, false);
        }
        assert_eq!(
            command("release  01 4294967295  0"),
            Command::Release { id: JobId(1), priority: Priority(u32::MAX), delay: 0 }
        );
        refused("release 1 4294967296 0", &Reply::BadFormat, false);
        refused("release 1 2", &Reply::BadFormat, false);
        refused("release 1x2 3", &Reply::BadFormat, false);
    }

    #[test]
    fn a_put_says_how_long_its_body_is_and_trailing_bytes_are_left_to_the_caller() {
        let line = |text: &str| parse(text.as_bytes(), Dialect::V1_13).unwrap();
        let put = Command::Put { priority: Priority(1), delay: 2, ttr: 3, body: Vec::new() };
        assert_eq!(line("put 1 2 3 4"), Line { command: put.clone(), body: Some(4), trailing: false });
        assert_eq!(line("put 1 2 3 4 "), Line { command: put.clone(), body: Some(4), trailing: true });
        assert_eq!(line("put 1 2 3 4x"), Line { command: put, body: Some(4), trailing: true });
        for bad in ["put ", "put 1", "put 1 2 3", "put 1 2 3 ", "put 1 2 3 4294967296", "put 1 2 3 -4", "put a b c d"] {
            refused(bad, &Reply::BadFormat, false);
        }
    }

    #[test]
    fn a_tube_name_stands_alone_but_for_pause_tube() {
        let long = "x".repeat(200);
        assert_eq!(command(&format!("use {long}")), Command::Use { tube: tube(&long) });
        for name in ["", " a", "a ", "a b", "-a", "a,b", "\u{e9}", &"x".repeat(201)] {
            for word in ["use", "watch", "ignore", "stats-tube"] {
                refused(&format!("{word} {name}"), &Reply::BadFormat, false);
            }
        }
        for line in ["pause-tube a 1", "pause-tubea 1", "pause-tube   a   01"] {
            assert_eq!(command(line), Command::PauseTube { tube: tube("a"), delay: 1 });
        }
        for line in
            ["pause-tube", "pause-tube ", "pause-tube a", "pause-tube a,1", "pause-tube a 1 ", "pause-tube a -1"]
        {
            refused(line, &Reply::BadFormat, false);
        }
    }

    #[test]
    fn pause_tube_counts_before_it_looks_at_the_name() {
        refused("pause-tube -a 1", &Reply::BadFormat, true);
        refused(&format!("pause-tube {} 1", "x".repeat(201)), &Reply::BadFormat, true);
        refused("pause-tube -a", &Reply::BadFormat, false);
        refused("pause-tube -a 1x", &Reply::BadFormat, false);
    }

    #[test]
    fn the_bound_of_a_kick_is_what_strtoul_makes_of_it() {
        let bounds = [
            ("0", 0),
            ("1x", 1),
            ("1 2", 1),
            ("\t 5", 5),
            ("+3", 3),
            ("-1", u32::MAX),
            ("-4294967295", 1),
            ("4294967296", 0),
            ("4294967297", 1),
            ("18446744073709551615", u32::MAX),
            ("-18446744073709551615", 1),
        ];
        for (text, bound) in bounds {
            assert_eq!(command(&format!("kick {text}")), Command::Kick { bound }, "{text}");
        }
        for bad in ["", "x", "-", "+-1", "18446744073709551616", "-18446744073709551616"] {
            refused(&format!("kick {bad}"), &Reply::BadFormat, false);
        }
    }

    /// What a line is read as by each release; `None` is a bad format.
    #[track_caller]
    fn timeouts(text: &str, v1_12: Option<u32>, v1_13: Option<u32>) {
        let line: String = format!("reserve-with-timeout {text}");
        for (dialect, expected) in [(Dialect::V1_12, v1_12), (Dialect::V1_13, v1_13)] {
            let timeout = match parse(line.as_bytes(), dialect) {
                Ok(Line { command: Command::ReserveWithTimeout { timeout }, .. }) => Some(timeout),
                Ok(other) => panic!("{other:?}"),
                Err(refused) => {
                    assert_eq!(refused.reply, Reply::BadFormat);
                    None
                }
            };
            assert_eq!(timeout, expected, "{text:?} as {dialect:?}");
        }
    }

    #[test]
    fn the_timeout_of_a_reserve_depends_on_the_release() {
        const FOREVER: Option<u32> = Some(TIMEOUT_FOREVER);
        timeouts("0", Some(0), Some(0));
        timeouts(" 007", Some(7), Some(7));
        timeouts("0garbage", Some(0), Some(0));
        timeouts("1 2", Some(1), Some(1));
        timeouts("2147483647", Some(2_147_483_647), Some(2_147_483_647));
        timeouts("2147483648", FOREVER, None);
        timeouts("4294967295", FOREVER, None);
        timeouts("4294967296", Some(0), None);
        timeouts("9223372036854775807", FOREVER, None);
        timeouts("9223372036854775808", None, None);
        timeouts("-1", FOREVER, None);
        timeouts("-4294967297", FOREVER, None);
        timeouts("-4294967296", Some(0), None);
        timeouts("-9223372036854775808", Some(0), None);
        timeouts("-9223372036854775809", None, None);
        timeouts("+5", Some(5), None);
        timeouts("\t5", Some(5), None);
        timeouts("x", Some(0), None);
        timeouts("", Some(0), None);
        timeouts("-", Some(0), None);
    }
}
