//! One reply line, parsed in one pass over its word and digits.

use alloc::vec::Vec;

use super::{MAX_LINE, Reply, ReplyKind};
use crate::{
    error::{Excerpt, ProtocolError},
    scan,
    types::{Job, JobId, TubeName},
};

/// The line of a reply of the protocol, parsed: what it says and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: ReplyKind,
    /// The job id or the count; 0 where there is neither.
    pub(crate) number: u64,
    /// The length of the body that follows; 0 where none does.
    pub(crate) bytes: u64,
}

/// What one pass over the start of a buffer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A complete line and its length with CRLF.
    Head(Head, usize),
    /// Not complete, not well formed, or not a word of the protocol: find the line's end to tell which.
    Unclear,
}

/// Builds the number that [`Head::parse`] dispatches on from the first four bytes of a word.
const fn tag(word: &[u8; 4]) -> u32 {
    u32::from_be_bytes(*word)
}

macro_rules! tags {
    ($($name:ident $word:literal)*) => { $(const $name: u32 = tag($word);)* };
}

tags! {
    INSE b"INSE" BURI b"BURI" USIN b"USIN" RESE b"RESE" DEAD b"DEAD" TIME b"TIME" DELE b"DELE" RELE b"RELE"
    TOUC b"TOUC" WATC b"WATC" NOT_ b"NOT_" FOUN b"FOUN" KICK b"KICK" PAUS b"PAUS" EXPE b"EXPE" JOB_ b"JOB_"
    DRAI b"DRAI" OUT_ b"OUT_" INTE b"INTE" BAD_ b"BAD_" UNKN b"UNKN"
}

impl Head {
    /// One pass over a line that is probably complete.
    #[inline]
    pub(crate) fn parse(input: &[u8]) -> Parsed {
        Self::one_pass(input).unwrap_or(Parsed::Unclear)
    }

    #[inline(always)]
    fn one_pass(input: &[u8]) -> Option<Parsed> {
        let first = u32::from_be_bytes(*input.first_chunk::<4>()?);
        let mut line = Line { input, at: 0 };
        match first {
            INSE => line.with_number(b"INSERTED", ReplyKind::Inserted),
            RESE => line.with_job(b"RESERVED", ReplyKind::Reserved),
            DELE => line.bare(b"DELETED\r\n", ReplyKind::Deleted),
            FOUN => line.with_job(b"FOUND", ReplyKind::Found),
            RELE => line.bare(b"RELEASED\r\n", ReplyKind::Released),
            TOUC => line.bare(b"TOUCHED\r\n", ReplyKind::Touched),
            TIME => line.bare(b"TIMED_OUT\r\n", ReplyKind::TimedOut),
            USIN => line.with_name(b"USING ", ReplyKind::Using),
            WATC => line.with_number(b"WATCHING", ReplyKind::Watching),
            BURI => match line.clone().bare(b"BURIED\r\n", ReplyKind::Buried) {
                None => line.with_number(b"BURIED", ReplyKind::BuriedId),
                bare => bare,
            },
            KICK => match line.clone().bare(b"KICKED\r\n", ReplyKind::Kicked) {
                None => line.with_number(b"KICKED", ReplyKind::KickedCount),
                bare => bare,
            },
            NOT_ => match line.clone().bare(b"NOT_FOUND\r\n", ReplyKind::NotFound) {
                None => line.bare(b"NOT_IGNORED\r\n", ReplyKind::NotIgnored),
                bare => bare,
            },
            DEAD => line.bare(b"DEADLINE_SOON\r\n", ReplyKind::DeadlineSoon),
            PAUS => line.bare(b"PAUSED\r\n", ReplyKind::Paused),
            EXPE => line.bare(b"EXPECTED_CRLF\r\n", ReplyKind::ExpectedCrlf),
            JOB_ => line.bare(b"JOB_TOO_BIG\r\n", ReplyKind::JobTooBig),
            DRAI => line.bare(b"DRAINING\r\n", ReplyKind::Draining),
            OUT_ => line.bare(b"OUT_OF_MEMORY\r\n", ReplyKind::OutOfMemory),
            INTE => line.bare(b"INTERNAL_ERROR\r\n", ReplyKind::InternalError),
            BAD_ => line.bare(b"BAD_FORMAT\r\n", ReplyKind::BadFormat),
            UNKN => line.bare(b"UNKNOWN_COMMAND\r\n", ReplyKind::UnknownCommand),
            _ => {
                line.word(b"OK")?;
                let bytes = line.length()?;
                line.end(Self { kind: ReplyKind::Ok, number: 0, bytes })
            }
        }
    }

    /// Parses a complete line, given with its CRLF. `None` is a word that is not of the protocol.
    pub(crate) fn parse_complete(line: &[u8]) -> Result<Option<Self>, ProtocolError> {
        if let Parsed::Head(head, len) = Self::parse(line) {
            if len == line.len() {
                return Ok(Some(head));
            }
        }
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let word = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        match word.is_empty() || ReplyKind::ALL.iter().any(|kind| kind.word().as_bytes() == word) {
            true => Err(ProtocolError::Malformed { line: Excerpt::new(line) }),
            false => Ok(None),
        }
    }

    /// The reply, if the line is all there is of it.
    #[inline(always)]
    pub(crate) fn into_plain_reply(self) -> Reply {
        match self.into_reply(&[], Vec::new()) {
            Some(reply) => reply,
            None => Reply::InternalError,
        }
    }

    /// Joins line and body. `None` cannot happen for a line that was parsed: its name was checked.
    #[inline(always)]
    pub(crate) fn into_reply(self, line: &[u8], body: Vec<u8>) -> Option<Reply> {
        let id = JobId(self.number);
        Some(match self.kind {
            ReplyKind::Inserted => Reply::Inserted(id),
            ReplyKind::Buried => Reply::Buried,
            ReplyKind::BuriedId => Reply::BuriedId(id),
            ReplyKind::Using => Reply::Using(TubeName::from_bytes(line.strip_prefix(b"USING ")?).ok()?),
            ReplyKind::Reserved => Reply::Reserved(Job { id, body }),
            ReplyKind::DeadlineSoon => Reply::DeadlineSoon,
            ReplyKind::TimedOut => Reply::TimedOut,
            ReplyKind::Deleted => Reply::Deleted,
            ReplyKind::Released => Reply::Released,
            ReplyKind::Touched => Reply::Touched,
            ReplyKind::Watching => Reply::Watching(self.number),
            ReplyKind::NotIgnored => Reply::NotIgnored,
            ReplyKind::Found => Reply::Found(Job { id, body }),
            ReplyKind::Kicked => Reply::Kicked,
            ReplyKind::KickedCount => Reply::KickedCount(self.number),
            ReplyKind::Ok => Reply::Ok(body),
            ReplyKind::Paused => Reply::Paused,
            ReplyKind::NotFound => Reply::NotFound,
            ReplyKind::ExpectedCrlf => Reply::ExpectedCrlf,
            ReplyKind::JobTooBig => Reply::JobTooBig,
            ReplyKind::Draining => Reply::Draining,
            ReplyKind::OutOfMemory => Reply::OutOfMemory,
            ReplyKind::InternalError => Reply::InternalError,
            ReplyKind::BadFormat => Reply::BadFormat,
            ReplyKind::UnknownCommand => Reply::UnknownCommand,
        })
    }
}

/// A cursor over a line that may not be complete. Every method gives up with `None`.
#[derive(Clone)]
struct Line<'a> {
    input: &'a [u8],
    at: usize,
}

impl Line<'_> {
    #[inline]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        let rest = self.input.get(self.at..)?;
        rest.starts_with(word).then(|| self.at = self.at.saturating_add(word.len()))
    }

    #[inline(always)]
    fn number(&mut self) -> Option<u64> {
        self.word(b" ")?;
        let (number, digits) = scan::number_prefix(self.input.get(self.at..)?)?;
        self.at = self.at.saturating_add(digits);
        Some(number)
    }

    /// The length of a body: a number of 32 bits.
    #[inline]
    fn length(&mut self) -> Option<u64> {
        self.number().filter(|&bytes| bytes <= scan::MAX_LENGTH)
    }

    #[inline(always)]
    fn end(&mut self, head: Head) -> Option<Parsed> {
        self.word(b"\r\n")?;
        Some(Parsed::Head(head, self.at))
    }

    #[inline]
    fn bare(mut self, line: &[u8], kind: ReplyKind) -> Option<Parsed> {
        self.word(line)?;
        Some(Parsed::Head(Head { kind, number: 0, bytes: 0 }, self.at))
    }

    #[inline(always)]
    fn with_number(&mut self, word: &[u8], kind: ReplyKind) -> Option<Parsed> {
        self.word(word)?;
        let number = self.number()?;
        self.end(Head { kind, number, bytes: 0 })
    }

    #[inline]
    fn with_job(&mut self, word: &[u8], kind: ReplyKind) -> Option<Parsed> {
        self.word(word)?;
        let number = self.number()?;
        let bytes = self.length()?;
        self.end(Head { kind, number, bytes })
    }

    fn with_name(&mut self, word: &[u8], kind: ReplyKind) -> Option<Parsed> {
        self.word(word)?;
        let rest = self.input.get(self.at..)?;
        let rest = rest.get(..rest.len().min(MAX_LINE))?;
        let len = memchr::memchr(b'\r', rest)?;
        TubeName::check(rest.get(..len)?).ok()?;
        self.at = self.at.saturating_add(len);
        self.end(Head { kind, number: 0, bytes: 0 })
    }
}
