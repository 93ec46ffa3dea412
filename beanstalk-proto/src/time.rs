//! Points in time, given from outside.

use core::{ops::Add, time::Duration};

/// A point in time: nanoseconds since a moment the caller chose.
///
/// The core has no clock. Its driver passes the time in, from `std::time::Instant`, a timer of a
/// microcontroller, or a test's imagination. Arithmetic saturates: 2^64 ns are 584 years.
///
/// ```
/// use beanstalk_proto::Instant;
/// use std::time::Duration;
///
/// let epoch = std::time::Instant::now(); // of a connection, kept beside it
/// let now = Instant::ZERO + epoch.elapsed();
/// let due = now + Duration::from_secs(5);
/// assert_eq!(due.saturating_duration_since(now), Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment the caller counts from.
    pub const ZERO: Self = Self(0);

    /// Returns the point `nanos` nanoseconds after [`Instant::ZERO`].
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns nanoseconds since [`Instant::ZERO`].
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns how long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}
