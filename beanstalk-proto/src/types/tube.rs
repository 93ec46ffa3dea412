//! The names of tubes, checked and as they are given.

use alloc::{borrow::Cow, boxed::Box, string::String};
use core::{borrow::Borrow, fmt, ops::Deref, str::FromStr};

use super::{ArgumentError, TubeNameError, TubeNameRule};

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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "String"))]
pub struct TubeName(Box<str>);

impl TubeName {
    /// The longest name the server takes, in bytes.
    pub const MAX_LEN: usize = 200;

    /// Checks a name and keeps it.
    ///
    /// # Errors
    ///
    /// A [`TubeNameError`] with the rule that the name breaks.
    pub fn new(name: impl Into<Box<str>>) -> Result<Self, TubeNameError> {
        let name = name.into();
        Self::check(name.as_bytes())?;
        Ok(Self(name))
    }

    /// Checks a name that came as bytes.
    pub(crate) fn from_bytes(name: &[u8]) -> Result<Self, TubeNameError> {
        Self::check(name)?;
        Ok(Self::from_checked(name))
    }

    /// Keeps a name that has passed [`TubeName::check`]. Every allowed byte is ASCII, so that the mask changes nothing; it
    /// spares looking at every byte once more.
    #[inline]
    pub(crate) fn from_checked(name: &[u8]) -> Self {
        let mut text = String::with_capacity(name.len());
        text.extend(name.iter().map(|byte| char::from(byte & 0x7f)));
        Self(text.into())
    }

    /// The name that input starts with, and what is behind it.
    #[inline]
    pub(crate) fn split_prefix(input: &[u8]) -> Option<(&[u8], &[u8])> {
        let start = input.get(..=Self::MAX_LEN).unwrap_or(input);
        let len = start.iter().position(|&byte| !is_name_byte(byte))?;
        if len == 0 || input.first() == Some(&b'-') {
            return None;
        }
        input.split_at_checked(len)
    }

    /// Checks whether these bytes are a tube name.
    pub(crate) fn check(name: &[u8]) -> Result<(), TubeNameError> {
        let rule = match name.iter().position(|&byte| !is_name_byte(byte)) {
            _ if name.is_empty() => TubeNameRule::Empty,
            _ if name.len() > Self::MAX_LEN => TubeNameRule::TooLong { bytes: name.len() },
            _ if name.starts_with(b"-") => TubeNameRule::LeadingHyphen,
            // What stands before it is ASCII, so this is where its character begins.
            Some(at) => {
                let rest = String::from_utf8_lossy(name.get(at..).unwrap_or_default());
                TubeNameRule::BadCharacter { found: rest.chars().next().unwrap_or_default(), at }
            }
            None => return Ok(()),
        };
        Err(TubeNameError { name: String::from_utf8_lossy(name).into(), rule })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether a byte may stand in a tube name.
#[inline]
pub(crate) fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Every byte there is, and whether it may stand in a tube name.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut byte = 0u8;
    while let [entry, tail @ ..] = rest {
        *entry = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'+' | b'/' | b';' | b'.' | b'$' | b'_' | b'(' | b')');
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    table
};

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
///
/// ```
/// use beanstalk_proto::{ArgumentError, TubeArg, TubeName, Use};
///
/// // A command takes each of these, and so can a function of your own.
/// let tube = TubeName::new("emails")?;
/// let uses = [Use::new("emails"), Use::new(String::from("emails")), Use::new(&tube)];
/// # let _ = uses;
///
/// fn check<'a>(tube: impl Into<TubeArg<'a>>) -> Result<TubeName, ArgumentError> {
///     tube.into().to_name()
/// }
/// assert_eq!(check("emails")?, tube);
/// # Ok::<(), ArgumentError>(())
/// ```
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

    /// Returns the text as it was given, checked or not.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text, or a [`TubeName`].
impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for TubeArg<'a> {
    fn from(name: &'a T) -> Self {
        Self(Cow::Borrowed(name.as_ref()))
    }
}

impl From<String> for TubeArg<'_> {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl From<TubeName> for TubeArg<'_> {
    fn from(name: TubeName) -> Self {
        Self(Cow::Owned(name.0.into()))
    }
}
