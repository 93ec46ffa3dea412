//! The server's time: the system's, moved on or stopped as a test likes.

use std::time::{Duration, Instant as SystemInstant};

use beanstalk_proto::Instant;

#[derive(Debug)]
pub(super) struct Clock {
    /// When the server's time was zero, had it never been moved or stopped.
    origin: SystemInstant,
    /// By how much it was moved on.
    ahead: Duration,
    /// The time at which it stands, if it does.
    paused_at: Option<Instant>,
}

impl Clock {
    pub(super) fn new(paused: bool) -> Self {
        let paused_at = paused.then_some(Instant::ZERO);
        Self { origin: SystemInstant::now(), ahead: Duration::ZERO, paused_at }
    }

    pub(super) fn now(&self) -> Instant {
        self.paused_at.unwrap_or_else(|| Instant::ZERO + self.origin.elapsed() + self.ahead)
    }

    /// How long to sleep until a time; without end if the clock stands.
    pub(super) fn until(&self, time: Instant) -> Option<Duration> {
        match self.paused_at {
            Some(now) => (time <= now).then_some(Duration::ZERO),
            None => Some(time.saturating_duration_since(self.now())),
        }
    }

    /// Moves the time on to a later one.
    pub(super) fn advance_to(&mut self, time: Instant) {
        match &mut self.paused_at {
            Some(now) => *now = (*now).max(time),
            None => self.ahead += time.saturating_duration_since(self.now()),
        }
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        let now = self.now();
        if paused {
            self.paused_at = Some(now);
        } else if self.paused_at.take().is_some() {
            self.origin = SystemInstant::now();
            self.ahead = now.saturating_duration_since(Instant::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_clock_moves_only_when_it_is_moved() {
        let mut clock = Clock::new(true);
        let hour = Instant::ZERO + Duration::from_secs(3600);
        assert_eq!(clock.now(), Instant::ZERO);
        assert_eq!(clock.until(hour), None);
        clock.advance_to(hour);
        assert_eq!(clock.now(), hour);
        assert_eq!(clock.until(hour), Some(Duration::ZERO));
    }

    #[test]
    fn a_clock_that_goes_on_again_does_not_jump() {
        let mut clock = Clock::new(true);
        let hour = Instant::ZERO + Duration::from_secs(3600);
        clock.advance_to(hour);
        clock.set_paused(false);
        assert!(clock.now() >= hour);
        assert!(clock.now() < hour + Duration::from_secs(3600));
        clock.advance_to(clock.now() + Duration::from_secs(7200));
        assert!(clock.now() >= hour + Duration::from_secs(7200));
    }
}
