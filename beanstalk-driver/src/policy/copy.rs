//! One error for several calls.

#[cfg(feature = "std")]
use alloc::string::ToString;

#[cfg(feature = "std")]
use beanstalk_proto::TlsError;
use beanstalk_proto::{Error, Lost};

/// As many errors as there are calls that fail with it.
pub(crate) fn copy_of(error: &Error) -> Error {
    match error {
        Error::Argument(error) => error.clone().into(),
        Error::Connect(why) => why.clone().into(),
        Error::Command { command, subject, error } => {
            Error::Command { command, subject: subject.clone(), error: *error }
        }
        Error::TimedOut { command, subject, waited, lost } => {
            Error::TimedOut { command, subject: subject.clone(), waited: *waited, lost: *lost }
        }
        Error::Protocol { error, lost } => Error::Protocol { error: error.clone(), lost: *lost },
        #[cfg(feature = "std")]
        Error::Io { error, lost } => {
            let error = match (error.raw_os_error(), TlsError::of(error)) {
                (Some(code), _) => std::io::Error::from_raw_os_error(code),
                (None, Some(tls)) => {
                    std::io::Error::new(error.kind(), TlsError::new(&tls.to_string(), tls.is_refusal(), None))
                }
                (None, None) => std::io::Error::new(error.kind(), error.to_string()),
            };
            Error::Io { error, lost: *lost }
        }
        error => Error::Closed { lost: error.lost().unwrap_or(Lost::Unknown) },
    }
}
