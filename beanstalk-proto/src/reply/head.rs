//! One reply line, parsed in one pass over its word and digits.

use alloc::vec::Vec;

use super::{
    ProtocolError, Reply, ReplyKind,
    kinds::{Shape, reply_table},
    line::check_start,
};
use crate::{
    scan,
    types::{Excerpt, Job, JobId, TubeName},
};

/// The line of a reply of the protocol, parsed: its kind and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: ReplyKind,
    /// The job id or the count; 0 where there is neither.
    pub(crate) number: u64,
    /// The length of the body that follows; 0 where none does.
    pub(crate) bytes: u64,
}

/// A number below 32 for the first four bytes of a line: another one for each word, so that one jump leads to what the line
/// must be. The factor was found by trial; were two words to share a number, the compiler would call an arm unreachable.
const fn tag(first: [u8; 4]) -> u32 {
    u32::from_le_bytes(first).wrapping_mul(0x6f2c_3755) >> 27
}

impl Head {
    /// One pass over a line that is probably complete: its head, and its length with CRLF. `None` is a line that is not
    /// complete, not well formed, or not of the protocol: its end decides which.
    #[inline]
    pub(crate) fn parse(input: &[u8]) -> Option<(Self, usize)> {
        let (head, rest) = Self::split_prefix(input)?;
        Some((head, input.len().wrapping_sub(rest.len())))
    }

    /// Parses a complete line, given with its CRLF. `None` is a word that is not of the protocol.
    pub(crate) fn parse_complete(line: &[u8]) -> Result<Option<Self>, ProtocolError> {
        if let Some((head, len)) = Self::parse(line) {
            if len == line.len() {
                return Ok(Some(head));
            }
        }
        check_other(line.strip_suffix(b"\r\n").unwrap_or(line)).map(|()| None)
    }

    /// The job whose body follows.
    pub(crate) const fn id(&self) -> Option<JobId> {
        match self.kind {
            ReplyKind::Reserved | ReplyKind::Found => Some(JobId(self.number)),
            _ => None,
        }
    }
}

/// Emits what goes through the list of replies by their words.
macro_rules! by_word {
    ($($(#[$doc:meta])* $kind:ident $(($value:ty))? $word:literal $shape:ident $(if $byte:literal at $at:literal)?;)*) => {
        /// The number of each word.
        #[allow(non_upper_case_globals, reason = "they go by the names of the kinds")]
        mod tags {
            $(pub(super) const $kind: u32 = super::tag_of($word);)*
        }

        impl Head {
            /// As [`Head::parse`], with what is behind the line.
            #[inline(always)]
            pub(super) fn split_prefix(input: &[u8]) -> Option<(Self, &[u8])> {
                let has = |at: usize, byte: u8| input.get(at) == Some(&byte);
                match tag(*input.first_chunk()?) {
                    $(tags::$kind $(if has($at, $byte))? => read(input, ReplyKind::$kind),)*
                    _ => read(input, ReplyKind::Ok),
                }
            }

            /// The reply, with the name in its line, given without its CRLF and checked when that was parsed, or its body, if one belongs to it.
            #[inline(always)]
            pub(crate) fn into_reply(self, line: &[u8], body: Vec<u8>) -> Reply {
                match self.kind { $(ReplyKind::$kind => reply!($kind $shape self line body)),* }
            }
        }
    };
}

/// The number of a word. `OK` has those that are left, whichever digit comes after it.
const fn tag_of(word: &str) -> u32 {
    match word.as_bytes() {
        [a, b, c, d, ..] => tag([*a, *b, *c, *d]),
        // None that a line can have, so that the arm is left out.
        _ => u32::MAX,
    }
}

/// The reply of a kind, out of its head and what belongs to it.
macro_rules! reply {
    ($kind:ident Nothing $head:ident $line:ident $body:ident) => {
        Reply::$kind
    };
    ($kind:ident Number $head:ident $line:ident $body:ident) => {
        Reply::$kind($head.number.into())
    };
    ($kind:ident Name $head:ident $line:ident $body:ident) => {
        Reply::$kind(TubeName::from_checked(name_in($line)))
    };
    ($kind:ident Job $head:ident $line:ident $body:ident) => {
        Reply::$kind(Job { id: JobId($head.number), body: $body })
    };
    ($kind:ident Length $head:ident $line:ident $body:ident) => {
        Reply::$kind($body)
    };
}

reply_table!(by_word);

/// The name in a `USING` line, given without its CRLF.
#[inline(always)]
pub(crate) fn name_in(line: &[u8]) -> &[u8] {
    line.get("USING ".len()..).unwrap_or_default()
}

/// Refuses a line, given without its CRLF, that [`Head::parse`] could not read although its word is of the protocol, and a record of
/// TLS.
pub(super) fn check_other(line: &[u8]) -> Result<(), ProtocolError> {
    check_start(line)?;
    let word = scan::word(line);
    match word.is_empty() || ReplyKind::is_word(word) {
        true => Err(ProtocolError::Malformed { line: Excerpt::new(line) }),
        false => Ok(()),
    }
}

/// The id or count, the length of the body, and what is behind the line.
type Values<'a> = (u64, u64, &'a [u8]);

/// Reads a line of this kind, if it is one.
#[inline(always)]
fn read(input: &[u8], kind: ReplyKind) -> Option<(Head, &[u8])> {
    let rest = input.strip_prefix(kind.start())?;
    let (number, bytes, rest) = match kind.shape() {
        Shape::Nothing => (0, 0, rest),
        Shape::Number => number(input, rest)?,
        Shape::Job => job(input, rest)?,
        Shape::Length => length(input, rest).map(|(bytes, rest)| (0, bytes, rest))?,
        Shape::Name => name(rest)?,
    };
    Some((Head { kind, number, bytes }, rest))
}

#[inline(always)]
fn number<'a>(input: &[u8], rest: &'a [u8]) -> Option<Values<'a>> {
    let (number, rest) = scan::number_in_line(input, rest)?;
    Some((number, 0, behind_line_end(rest)?))
}

#[inline(always)]
fn job<'a>(input: &[u8], rest: &'a [u8]) -> Option<Values<'a>> {
    let (number, rest) = scan::number_in_line(input, rest)?;
    let (b' ', bytes) = rest.split_first()? else { return None };
    length(input, bytes).map(|(bytes, rest)| (number, bytes, rest))
}

/// The length of a body, which ends a line: a number of 32 bits.
#[inline(always)]
fn length<'a>(input: &[u8], rest: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (bytes, rest) = match rest.split_first() {
        Some((b'0', rest)) => (0, rest),
        _ => scan::number_in_line(input, rest)?,
    };
    if bytes > scan::MAX_LENGTH {
        return None;
    }
    Some((bytes, behind_line_end(rest)?))
}

#[inline(always)]
fn name(rest: &[u8]) -> Option<Values<'_>> {
    let (_, rest) = TubeName::split_prefix(rest)?;
    Some((0, 0, behind_line_end(rest)?))
}

#[inline(always)]
fn behind_line_end(rest: &[u8]) -> Option<&[u8]> {
    let (line_end, behind) = rest.split_first_chunk()?;
    if line_end == b"\r\n" { Some(behind) } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test asserts what it counts on")]

    use super::*;

    #[test]
    fn every_length_behind_ok_is_read() {
        for bytes in (0..20).chain([u64::from(u32::MAX)]) {
            let line = alloc::format!("OK {bytes}\r\n");
            let head = Head { kind: ReplyKind::Ok, number: 0, bytes };
            assert_eq!(Head::parse(line.as_bytes()), Some((head, line.len())), "{line}");
        }
    }

    #[test]
    fn no_other_line_takes_the_place_of_a_word_that_shares_its_number() {
        for kind in ReplyKind::ALL {
            let mut line = [kind.word().as_bytes(), b" 1 0\r\n"].concat();
            for at in 0..kind.word().len() {
                for byte in 0..=u8::MAX {
                    let good = core::mem::replace(&mut line[at], byte);
                    let parsed = Head::parse(&line).map(|(head, _)| head.kind.word());
                    assert!(parsed.is_none_or(|word| line.starts_with(word.as_bytes())), "{}", line.escape_ascii());
                    line[at] = good;
                }
            }
        }
    }
}
