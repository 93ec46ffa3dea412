//! The values that travel: tube names, job ids, priorities, whole seconds, bodies.

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::{borrow::Borrow, fmt, ops::Deref, str::FromStr, str::Utf8Error, time::Duration};

use crate::error::{ArgumentError, TubeNameError};

/// The name of a tube: 1 to 200 bytes of `A-Z a-z 0-9 - + / ; . $ _ ( )`, not starting with `-`.
///
/// A value of this type is a valid name, so it cannot carry a space or a line end into a command.
///
/// ```
/// use beanstalk_proto::TubeName;
///
/// let tube: TubeName = "emails.outgoing".parse()?;
/// assert_eq!(tube.as_str(), "emails.outgoing");
/// assert!(TubeName::new("two words").is_err());
/// assert!(TubeName::new("x\r\ndelete 1").is_err());
/// # Ok::<(), beanstalk_proto::TubeNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TubeName(Box<str>);

impl TubeName {
    /// The longest name the server takes, in bytes.
    pub const MAX_LEN: usize = 200;

    /// Checks a name and keeps it.
    ///
    /// # Errors
    ///
    /// A [`TubeNameError`] that says which rule the name breaks.
    pub fn new(name: impl Into<Box<str>>) -> Result<Self, TubeNameError> {
        let name = name.into();
        Self::check(name.as_bytes())?;
        Ok(Self(name))
    }

    /// Checks a name that came as bytes.
    pub(crate) fn from_bytes(name: &[u8]) -> Result<Self, TubeNameError> {
        Self::check(name)?;
        // Every allowed byte is ASCII, so this cannot fail after the check.
        let name = core::str::from_utf8(name).map_err(|_| TubeNameError::BadByte { byte: 0, at: 0 })?;
        Ok(Self(name.into()))
    }

    /// Says whether these bytes are a tube name, and if not, why.
    pub(crate) fn check(name: &[u8]) -> Result<(), TubeNameError> {
        if name.is_empty() {
            return Err(TubeNameError::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(TubeNameError::TooLong { bytes: name.len() });
        }
        if name.first() == Some(&b'-') {
            return Err(TubeNameError::LeadingHyphen);
        }
        match name.iter().position(|&byte| !is_name_byte(byte)) {
            Some(at) => Err(TubeNameError::BadByte { byte: name.get(at).copied().unwrap_or(0), at }),
            None => Ok(()),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Says whether a byte may stand in a tube name.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-+/;.$_()".contains(&byte)
}

impl Default for TubeName {
    /// `default`: the tube every new connection uses and watches.
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for TubeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TubeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TubeName({:?})", &*self.0)
    }
}

impl FromStr for TubeName {
    type Err = TubeNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<&str> for TubeName {
    type Error = TubeNameError;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl TryFrom<String> for TubeName {
    type Error = TubeNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl Deref for TubeName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for TubeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TubeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for TubeName {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for TubeName {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

/// A tube argument: `&str`, `String`, [`TubeName`] or a reference to one.
///
/// Text is checked when the request is queued; a bad name is an [`ArgumentError`] and nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TubeArg<'a>(Cow<'a, str>);

impl TubeArg<'_> {
    /// Checks the name and keeps it.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Tube`] if it is not a tube name.
    pub fn to_name(&self) -> Result<TubeName, ArgumentError> {
        Ok(TubeName::new(&*self.0)?)
    }

    /// The text as it was given, checked or not.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for TubeArg<'a> {
    fn from(name: &'a str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl<'a> From<&'a String> for TubeArg<'a> {
    fn from(name: &'a String) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl From<String> for TubeArg<'_> {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl<'a> From<&'a TubeName> for TubeArg<'a> {
    fn from(name: &'a TubeName) -> Self {
        Self(Cow::Borrowed(name.as_str()))
    }
}

impl From<TubeName> for TubeArg<'_> {
    fn from(name: TubeName) -> Self {
        Self(Cow::Owned(name.0.into()))
    }
}

/// The number the server gave a job: unique in that server, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl From<u64> for JobId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl From<JobId> for u64 {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for JobId {
    type Err = core::num::ParseIntError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        id.parse().map(Self)
    }
}

/// How urgent a job is: 0 is the most urgent, 2^32-1 the least.
///
/// [`Priority::default`] is 1024, the first value the server no longer counts as "urgent" in its statistics; it
/// leaves room on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u32);

impl Priority {
    /// 0: served before everything else.
    pub const MOST_URGENT: Self = Self(0);
    /// 2^32-1: served after everything else.
    pub const LEAST_URGENT: Self = Self(u32::MAX);
    /// Jobs with a priority below this value count as "urgent" in the statistics.
    pub const URGENT_BELOW: Self = Self(1024);
}

impl Default for Priority {
    /// 1024.
    fn default() -> Self {
        Self::URGENT_BELOW
    }
}

impl From<u32> for Priority {
    fn from(priority: u32) -> Self {
        Self(priority)
    }
}

impl From<Priority> for u32 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How many jobs a `kick` may make ready at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound(pub u32);

impl From<u32> for Bound {
    fn from(bound: u32) -> Self {
        Self(bound)
    }
}

/// A duration as the protocol says it: whole seconds.
///
/// Made from a number of seconds or from a [`Duration`], which is rounded **up**, so that nothing becomes shorter
/// than asked for (and half a second does not become "none"). Whether it fits the command is checked when the
/// request is queued: at most 2^32-1 s, a reserve timeout at most 2^31-1 s.
///
/// ```
/// use beanstalk_proto::Seconds;
/// use core::time::Duration;
///
/// assert_eq!(Seconds::from(30).get(), 30);
/// assert_eq!(Seconds::from(Duration::from_millis(1500)).get(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(u64);

impl Seconds {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// The number of seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u32> for Seconds {
    fn from(seconds: u32) -> Self {
        Self(seconds.into())
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)))
    }
}

/// A job body on its way out: borrowed, or owned and then moved to the transport without being copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Bytes that are copied into the outbound queue, once.
    Borrowed(&'a [u8]),
    /// Bytes that move; a large one is written from this very allocation.
    Owned(Vec<u8>),
}

impl Body<'_> {
    /// The longest body the protocol has room for on any server: 2^30 bytes. Most servers are set to far less
    /// (65535 unless told otherwise) and answer `JOB_TOO_BIG` above it.
    pub const MAX_LEN: usize = 1 << 30;
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for Body<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Body<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Body<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a> From<&'a str> for Body<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a String> for Body<'a> {
    fn from(text: &'a String) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl From<Vec<u8>> for Body<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes)
    }
}

impl From<String> for Body<'_> {
    fn from(text: String) -> Self {
        Self::Owned(text.into_bytes())
    }
}

impl<'a> From<Cow<'a, [u8]>> for Body<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => Self::Borrowed(bytes),
            Cow::Owned(bytes) => Self::Owned(bytes),
        }
    }
}

/// A job as the server hands it out: its id and its body, any bytes at all.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Job {
    /// The id, for `delete`, `release`, `bury`, `touch`.
    pub id: JobId,
    /// The body, byte for byte as it was put.
    pub body: Vec<u8>,
}

impl Job {
    /// The body as text.
    ///
    /// # Errors
    ///
    /// The place of the first byte that is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(&self.body)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// As much of a body as helps in a log line.
        const SHOWN: usize = 64;
        let shown = self.body.get(..SHOWN).unwrap_or(&self.body);
        let rest = if self.body.len() > SHOWN { "…" } else { "" };
        write!(f, "Job({}, {} bytes, \"{}{rest}\")", self.id, self.body.len(), shown.escape_ascii())
    }
}

/// What became of a `put`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PutOutcome {
    /// `INSERTED <id>`: the job is in the tube.
    Inserted(JobId),
    /// `BURIED <id>`: the server had no memory to grow the ready queue; the job exists, buried, until it is kicked.
    Buried(JobId),
}

impl PutOutcome {
    /// The job's id, whichever way it went.
    #[must_use]
    pub const fn id(self) -> JobId {
        match self {
            Self::Inserted(id) | Self::Buried(id) => id,
        }
    }

    /// Whether the job was buried instead of queued.
    #[must_use]
    pub const fn is_buried(self) -> bool {
        matches!(self, Self::Buried(_))
    }
}

/// What became of a `release`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseOutcome {
    /// `RELEASED`: the job is ready, or delayed.
    Released,
    /// `BURIED`: the server had no memory to grow the queue; the job is buried.
    Buried,
}

/// What came of waiting for a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reserved {
    /// `RESERVED`: the job is this connection's until its time to run is over.
    Job(Job),
    /// `TIMED_OUT`: no job came in time.
    TimedOut,
    /// `DEADLINE_SOON`: a job this connection holds already has less than a second left. Finish it or `touch` it;
    /// the reserve has ended.
    DeadlineSoon,
}

impl Reserved {
    /// The job, if there is one.
    #[must_use]
    pub fn job(self) -> Option<Job> {
        match self {
            Self::Job(job) => Some(job),
            Self::TimedOut | Self::DeadlineSoon => None,
        }
    }
}
