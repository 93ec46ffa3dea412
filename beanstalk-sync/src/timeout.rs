//! A stream's timeout, set only when it has to change.

use std::{io, time::Duration};

/// The shortest timeout that a socket takes: the nearest to not waiting at all.
const SHORTEST: u64 = 1_000;
/// How much too long something may take if that spares setting the timeout.
const SLACK: u64 = 1_000_000;
/// To wait longer than the timeout is to begin again each time that it passes: that costs nothing, from here on.
const LONG: u64 = 1_000_000_000;

/// For as long as it takes.
pub(crate) const ENDLESS: u64 = u64::MAX;

/// The timeout of reads, or that of writes: the shortest and the longest wait, in nanoseconds, that it will do for.
#[derive(Debug)]
pub(crate) struct Timeout {
    shortest: u64,
    longest: u64,
}

impl Default for Timeout {
    /// It is unknown, and will do for none.
    fn default() -> Self {
        Self { shortest: ENDLESS, longest: 0 }
    }
}

impl Timeout {
    /// Whether it will do for waiting so many nanoseconds.
    #[inline(always)]
    pub(crate) fn suits(&self, left: u64) -> bool {
        self.shortest <= left && left <= self.longest
    }

    /// Sets it to that.
    #[cold]
    pub(crate) fn set(&mut self, left: u64, set: impl FnOnce(Option<Duration>) -> io::Result<()>) -> io::Result<()> {
        // Rounded up, so that what is asked for again a moment later is the same.
        let rounded = if left < SLACK { left.max(SHORTEST) } else { left.div_ceil(SLACK).saturating_mul(SLACK) };
        set(if left == ENDLESS { None } else { Some(Duration::from_nanos(rounded)) })?;
        let timeout = if left == ENDLESS { ENDLESS } else { rounded };
        self.shortest = timeout.saturating_sub(SLACK);
        self.longest = if timeout >= LONG { ENDLESS } else { timeout };
        Ok(())
    }
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test asserts what it counts on")]

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    fn nanos(duration: Duration) -> u64 {
        u64::try_from(duration.as_nanos()).unwrap_or(ENDLESS)
    }

    #[test]
    fn a_timeout_is_set_only_when_it_has_to_change() {
        let mut timeout = Timeout::default();
        for (left, sets) in [
            (Some(5 * S - MS / 50), Some(Some(5 * S))),
            // A moment later, the same; and waiting longer is beginning again.
            (Some(5 * S - MS / 100), None),
            (None, None),
            (Some(60 * S), None),
            // Shorter has to be set, and what is too short to begin again with.
            (Some(20 * MS), Some(Some(20 * MS))),
            (Some(5 * S), Some(Some(5 * S))),
            (Some(Duration::ZERO), Some(Some(MS / 1000))),
            (Some(MS / 3), Some(Some(MS / 3))),
            (None, Some(None)),
            (None, None),
        ] {
            let left = left.map_or(ENDLESS, nanos);
            let mut was_set = None;
            if !timeout.suits(left) {
                timeout
                    .set(left, |timeout| {
                        was_set = Some(timeout);
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!(was_set, sets, "for {left} ns");
        }
        assert!(!Timeout::default().suits(0) && !Timeout::default().suits(ENDLESS), "it is unknown");
        let failed = timeout.set(nanos(S), |_| Err(io::ErrorKind::Other.into()));
        assert!(failed.is_err() && timeout.suits(ENDLESS), "what could not be set is not");
    }
}
