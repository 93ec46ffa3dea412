//! Why there is no connection.

use alloc::sync::Arc;
use core::{error::Error, fmt};

/// Why there is no connection, so that nothing was sent.
///
/// What connecting failed with is for whoever connects to define. The crate `beanstalk-driver`, and the clients that it is for, define a
/// `ConnectError`, which names everything that was tried, and a `GreetingError`; each has a function `of` that finds it in an error.
///
/// ```
/// use beanstalk_proto::{Error, Lost, NotConnected};
///
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("connect queue-1:11300: connection refused")]
/// # struct Why;
/// # let error = Error::from(NotConnected::new(Why, false));
/// let Error::Connect(not_connected) = &error else { panic!("another error") };
/// assert_eq!(not_connected.to_string(), "connect queue-1:11300: connection refused");
/// // An outage, and nothing was sent: to try again later is safe, and may help.
/// assert!(!not_connected.is_refusal());
/// assert_eq!(error.lost(), Some(Lost::NotSent));
/// ```
#[derive(Clone, Debug)]
pub struct NotConnected {
    why: Arc<dyn Error + Send + Sync>,
    refused: bool,
}

impl NotConnected {
    /// Makes one of what connecting failed with. `refused` is whether one side refuses the other: see
    /// [`Error::is_refusal`](super::Error::is_refusal).
    pub fn new(why: impl Error + Send + Sync + 'static, refused: bool) -> Self {
        Self { why: Arc::new(why), refused }
    }

    /// Returns what connecting failed with.
    #[must_use]
    pub fn why(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.why
    }

    /// Returns whether one side refuses the other, so that connecting again would fail in the same way.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        self.refused
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

/// Its source is that of what connecting failed with.
impl Error for NotConnected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}
