//! What is behind an error of the transport.

use std::{boxed::Box, io};

/// What TLS failed with: the [inner error](std::io::Error::get_ref) of an [`Error::Io`](super::Error::Io), or of an attempt to connect.
///
/// ```
/// use std::io;
///
/// use beanstalk_proto::{Error, Lost, TlsError};
///
/// /// Returns whether somebody has to look at the certificates.
/// fn is_certificate(error: &io::Error) -> bool {
///     TlsError::of(error).is_some_and(TlsError::is_refusal)
/// }
///
/// # let expired = TlsError::new("the certificate has expired", true, None);
/// # let error = io::Error::other(expired);
/// assert!(is_certificate(&error));
/// // A call that fails with it reports the same.
/// assert!(Error::Io { error, lost: Lost::NotSent }.is_refusal());
/// assert!(!is_certificate(&io::ErrorKind::TimedOut.into()));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct TlsError {
    text: Box<str>,
    refusal: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TlsError {
    /// Makes an error with this text. A `refusal` is one that connecting again would meet again, for example of a certificate.
    #[must_use]
    pub fn new(text: &str, refusal: bool, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { text: text.into(), refusal, source }
    }

    /// Returns what TLS failed with, if that is what an error of the transport is.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// Returns whether one side refused the other, or they do not speak the same, so that connecting again would fail in the same way.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        self.refusal
    }
}
