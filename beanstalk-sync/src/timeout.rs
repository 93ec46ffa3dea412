//! A socket's timeout, set only when it has to change.

use std::{
    io,
    time::{Duration, Instant},
};

/// The shortest timeout that a socket takes: the nearest to not waiting at all.
const SHORTEST: Duration = Duration::from_micros(1);
/// How much too long something may take if that spares setting the timeout.
const SLACK: Duration = Duration::from_millis(1);
/// To wait longer than the timeout is to begin again each time that it passes: that costs nothing, from here on.
const LONG: Duration = Duration::from_secs(1);

/// The timeout of reads, or that of writes; the outer `None` is "not known yet".
#[derive(Debug)]
pub(crate) struct Timeout(Option<Option<Duration>>);

impl Timeout {
    /// That of a stream of which nothing is known.
    pub(crate) const NEW: Self = Self(None);

    /// Reads or writes once, until the deadline at most: at least once, without waiting, if that has passed already.
    #[inline]
    pub(crate) fn within<S, R>(
        &mut self,
        deadline: Option<Instant>,
        stream: &mut S,
        set: impl Fn(&mut S, Option<Duration>) -> io::Result<()>,
        mut act: impl FnMut(&mut S) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if let Some(timeout) = self.change(left) {
                set(stream, timeout)?;
                self.0 = Some(timeout);
            }
            match act(stream) {
                Err(error) if is_timeout(&error) => {
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        return Err(error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// The timeout to set before waiting so long, if the one that is set won't do.
    #[inline]
    fn change(&self, left: Option<Duration>) -> Option<Option<Duration>> {
        match (self.0, left) {
            (Some(Some(set)), None) if set >= LONG => None,
            (Some(None), None) => None,
            (Some(Some(set)), Some(left)) if set <= left.saturating_add(SLACK) && set >= left.min(LONG) => None,
            (_, None) => Some(None),
            (_, Some(left)) => Some(Some(rounded(left))),
        }
    }
}

/// Rounded up, so that what is asked for again a moment later is the same.
fn rounded(left: Duration) -> Duration {
    if left < SLACK {
        return left.max(SHORTEST);
    }
    let millis = left.as_millis().saturating_add(u128::from(left.subsec_nanos() % 1_000_000 != 0));
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it counts on")]

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_timeout_is_set_only_when_it_has_to_change() {
        let mut timeout = Timeout::NEW;
        for (left, set) in [
            (Some(5 * S - MS / 50), Some(Some(5 * S))),
            // A moment later, the same; and waiting longer is beginning again.
            (Some(5 * S - MS / 100), None),
            (None, None),
            (Some(60 * S), None),
            // Shorter has to be set, and what is too short to begin again with.
            (Some(20 * MS), Some(Some(20 * MS))),
            (Some(5 * S), Some(Some(5 * S))),
            (Some(Duration::ZERO), Some(Some(SHORTEST))),
            (Some(MS / 3), Some(Some(MS / 3))),
            (None, Some(None)),
            (None, None),
            (Some(Duration::MAX), Some(Some(Duration::from_millis(u64::MAX)))),
        ] {
            assert_eq!(timeout.change(left), set, "{left:?} after {timeout:?}");
            if set.is_some() {
                timeout.0 = set;
            }
        }
    }

    #[test]
    fn what_takes_several_timeouts_ends_at_the_deadline_and_not_before() {
        let (mut timeout, mut tries) = (Timeout(Some(Some(LONG))), 0);
        let start = Instant::now();
        let deadline = start + 3 * MS;
        let result = timeout.within(
            Some(deadline),
            &mut (),
            |(), _| Ok(()),
            |()| {
                tries += 1;
                std::thread::sleep(MS);
                Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock))
            },
        );
        assert!(is_timeout(&result.unwrap_err()) && tries > 0 && start.elapsed() >= 3 * MS, "{tries} tries");
        // One that has passed is one try.
        tries = 0;
        let again = timeout.within(
            Some(deadline),
            &mut (),
            |(), _| Ok(()),
            |()| {
                tries += 1;
                Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))
            },
        );
        assert!(again.is_err() && tries == 1);
    }
}
