//! How long a caller waits.

use core::time::Duration;

use beanstalk_proto::Instant;

/// How long a call waits for a server; for as long as it takes, if that is not bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(pub(super) Option<Duration>);

impl Patience {
    /// When it ends for a call that began at `since`.
    pub(super) fn ends(self, since: Instant) -> Option<Instant> {
        self.0.map(|patience| since + patience)
    }

    /// How long connecting may take: what is left, if the timeout is not shorter. With a patience of zero nothing is waited
    /// for, and what is healthy is connected to within the timeout.
    pub(super) fn connect_timeout(self, since: Instant, now: Instant, timeout: Option<Duration>) -> Option<Duration> {
        let left = self.ends(since).filter(|&ends| ends > since).map(|ends| ends.saturating_duration_since(now));
        [timeout, left].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connecting_takes_no_longer_than_the_timeout_nor_than_what_is_left() {
        let seconds = Duration::from_secs;
        let at = |n| Instant::ZERO + seconds(n);
        let after = |patience, now, timeout| Patience(patience).connect_timeout(at(10), at(now), timeout);
        assert_eq!(after(None, 11, None), None);
        assert_eq!(after(None, 11, Some(seconds(5))), Some(seconds(5)));
        assert_eq!(after(Some(seconds(3)), 10, None), Some(seconds(3)));
        assert_eq!(after(Some(seconds(3)), 12, Some(seconds(5))), Some(seconds(1)));
        assert_eq!(after(Some(seconds(3)), 12, Some(seconds(0))), Some(seconds(0)));
        assert_eq!(after(Some(seconds(3)), 20, Some(seconds(5))), Some(seconds(0)));
        assert_eq!(after(Some(seconds(0)), 10, Some(seconds(5))), Some(seconds(5)));
    }
}
