//! What a request was about, and how sizes are printed.

use alloc::{borrow::ToOwned, boxed::Box, string::String};
use core::fmt;

use super::{JobId, TubeName};

/// What a request was about: with its command it identifies, among many calls, the one that an error belongs to.
///
/// ```
/// use beanstalk_proto::{CommandError, Error, JobId, Subject};
///
/// /// Returns the job that a call was about, if it was about one.
/// fn job_of(error: &Error) -> Option<JobId> {
///     match error {
///         Error::Command { subject: Subject::Job(id), .. }
///         | Error::TimedOut { subject: Subject::Job(id), .. } => Some(*id),
///         _ => None,
///     }
/// }
///
/// let (subject, error) = (Subject::Job(JobId(7)), CommandError::NotFound);
/// let error = Error::Command { command: "delete", subject, error };
/// assert_eq!(job_of(&error), Some(JobId(7)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// Nothing beyond the command itself.
    #[default]
    None,
    /// A job.
    Job(JobId),
    /// A tube.
    Tube(TubeName),
    /// A new job with a body of so many bytes.
    Body(usize),
    /// A raw line.
    Line(Box<str>),
}

/// Follows a command's name in a message: a space and the job or tube, or nothing.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None | Self::Body(_) => Ok(()),
            Self::Job(id) => write!(f, " {id}"),
            Self::Tube(tube) => write!(f, " {tube}"),
            Self::Line(line) => write!(f, " {:?}", shortened(line)),
        }
    }
}

/// A number of bytes, as a person reads it: `70,000 bytes`.
pub(crate) struct Bytes(pub(crate) u64);

impl Bytes {
    pub(crate) const fn of(bytes: usize) -> Self {
        Self(bytes as u64)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = alloc::format!("{}", self.0);
        for (at, digit) in digits.char_indices() {
            let comma = if at > 0 && digits.len().saturating_sub(at) % 3 == 0 { "," } else { "" };
            write!(f, "{comma}{digit}")?;
        }
        f.write_str(if self.0 == 1 { " byte" } else { " bytes" })
    }
}

/// A text for a message: whole unless it is longer than any line of the protocol.
pub(crate) fn shortened(text: &str) -> String {
    /// Bytes shown at most.
    const SHOWN: usize = 224;
    match text.char_indices().map(|(at, _)| at).take_while(|&at| at <= SHOWN).last() {
        Some(at) if text.len() > SHOWN => alloc::format!("{}…", text.get(..at).unwrap_or_default()),
        _ => text.to_owned(),
    }
}
