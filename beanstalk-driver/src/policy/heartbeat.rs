//! When to touch a job, so that its time to run never ends while its handler runs.
//!
//! ```text
//!               a third of 1 s            reply                     reply: the ttr
//!   Heartbeat ──────────────────▶ Touch ───────▶ Learn (stats-job) ────────────────┐
//!                                   ▲                                              │
//!                                   └──────── a third of the ttr after the last ◀──┘
//! ```
//!
//! How long a job may be held has to be asked of the server, and most jobs are done before it matters. So a job counts as one
//! of the shortest ttr there is, one second, and the server is asked only once it is held for longer than a third of
//! that: a short job costs no command. The first beat is a touch, not the question, since for a job of one second there
//! is no time for both.
//!
//! A touch renews the ttr when the server reads it, which is not before it was sent: so the time it was sent is what
//! counts here, and a slow reply only makes the next touch come early. A touch thus has two thirds of the ttr to get
//! through.

use core::time::Duration;

use beanstalk_proto::{Instant, stats::JobStats};

/// The shortest time to run: the server makes 0 into 1.
const SHORTEST: Duration = Duration::from_secs(1);

/// What to send for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// `touch`; then [`Heartbeat::handle_touched`].
    Touch,
    /// `stats-job`; then [`Heartbeat::handle_stats`].
    Learn,
}

/// The heartbeat of one job that is held.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    ttr: Duration,
    learned: bool,
    /// When the ttr began to run last, at the earliest.
    renewed: Instant,
    due: Instant,
    next: Beat,
    /// When the beat was sent that has no reply yet.
    sent: Option<Instant>,
}

impl Heartbeat {
    /// Makes one for a job that was reserved now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let mut heartbeat =
            Self { ttr: SHORTEST, learned: false, renewed: now, due: now, next: Beat::Touch, sent: None };
        heartbeat.schedule();
        heartbeat
    }

    /// Returns the beat to send now, if it is time for one. There is no other until its reply was handled.
    pub fn poll_beat(&mut self, now: Instant) -> Option<Beat> {
        if self.sent.is_some() || now < self.due {
            return None;
        }
        self.sent = Some(now);
        Some(self.next)
    }

    /// Returns when to ask [`Heartbeat::poll_beat`] next; `None` while a reply is awaited.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        match self.sent {
            Some(_) => None,
            None => Some(self.due),
        }
    }

    /// Reports that the reply was `TOUCHED`.
    pub fn handle_touched(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.renewed = sent;
        }
        self.schedule();
        if !self.learned {
            self.next = Beat::Learn;
            self.due = self.renewed;
        }
    }

    /// Reports the job's statistics, requested by a beat or for another reason.
    pub fn handle_stats(&mut self, stats: &JobStats) {
        self.sent = None;
        if let Some(ttr) = stats.ttr {
            self.ttr = ttr.max(SHORTEST);
            self.learned = true;
        }
        self.schedule();
    }

    /// Reports that the server refused the beat, but not because the job is gone: it is tried again soon.
    pub fn handle_refused(&mut self, now: Instant) {
        self.sent = None;
        self.schedule();
        self.due = self.due.max(now + self.part(12));
    }

    /// Reports that the server has answered `DEADLINE_SOON`: a job that this connection holds has less than a second left.
    pub fn handle_deadline_soon(&mut self, now: Instant) {
        self.next = Beat::Touch;
        self.due = now;
    }

    /// Returns when the ttr ends at the earliest.
    #[must_use]
    pub fn expires(&self) -> Instant {
        self.renewed + self.ttr
    }

    fn schedule(&mut self) {
        self.next = Beat::Touch;
        self.due = self.renewed + self.part(3);
    }

    fn part(&self, parts: u32) -> Duration {
        self.ttr.checked_div(parts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn stats(ttr: u64) -> JobStats {
        JobStats { ttr: Some(Duration::from_secs(ttr)), ..JobStats::default() }
    }

    proptest! {
        // The tightest case is a ttr of 1 s: touch, its reply, question, answer and touch within it are five trips.
        #[test]
        fn while_touches_get_through_in_time_the_job_never_expires(
            ttr in 1_u64..100, trips in proptest::collection::vec(0_u64..199, 8..80),
        ) {
            let mut trips = trips.into_iter();
            let mut deadline = ttr * 1000;
            let mut now = trips.next().unwrap_or(0);
            let mut heartbeat = Heartbeat::new(at(now));
            while let Some(due) = heartbeat.due() {
                now = now.max(due.as_nanos().div_ceil(1_000_000));
                let Some(beat) = heartbeat.poll_beat(at(now)) else { panic!("a beat that is due did not come") };
                prop_assert_eq!(heartbeat.poll_beat(at(now)), None, "one beat at a time");
                let (Some(there), Some(back)) = (trips.next(), trips.next()) else { break };
                now += there;
                prop_assert!(now < deadline, "expired at {} ms, it is {}", deadline, now);
                if beat == Beat::Touch {
                    deadline = now + ttr * 1000;
                }
                now += back;
                match beat {
                    Beat::Touch => heartbeat.handle_touched(),
                    Beat::Learn => heartbeat.handle_stats(&stats(ttr)),
                }
                prop_assert!(heartbeat.expires() <= at(deadline), "it believes in more time than there is");
            }
        }
    }

    #[test]
    fn the_server_is_asked_once_and_then_touched_each_third_of_the_ttr() {
        let mut heartbeat = Heartbeat::new(at(0));
        assert_eq!(heartbeat.poll_beat(at(333)), None);
        assert_eq!(heartbeat.poll_beat(at(334)), Some(Beat::Touch));
        heartbeat.handle_touched();
        assert_eq!(heartbeat.poll_beat(at(335)), Some(Beat::Learn));
        heartbeat.handle_stats(&stats(60));
        for touch in [20_334, 40_334, 60_334] {
            assert_eq!(heartbeat.poll_beat(at(touch - 1)), None);
            assert_eq!(heartbeat.poll_beat(at(touch)), Some(Beat::Touch));
            heartbeat.handle_touched();
            assert_eq!(heartbeat.expires(), at(touch + 60_000));
        }
    }

    #[test]
    fn deadline_soon_makes_the_touch_due_at_once_but_not_a_second_one() {
        let mut heartbeat = Heartbeat::new(at(0));
        heartbeat.handle_stats(&stats(60));
        heartbeat.handle_deadline_soon(at(100));
        assert_eq!(heartbeat.poll_beat(at(100)), Some(Beat::Touch));
        heartbeat.handle_deadline_soon(at(101));
        assert_eq!((heartbeat.poll_beat(at(101)), heartbeat.due()), (None, None));
    }

    #[test]
    fn a_refused_touch_is_repeated_soon_but_not_at_once() {
        let mut heartbeat = Heartbeat::new(at(0));
        heartbeat.handle_stats(&stats(12));
        assert_eq!(heartbeat.poll_beat(at(5000)), Some(Beat::Touch));
        heartbeat.handle_refused(at(5000));
        assert_eq!(heartbeat.poll_beat(at(5999)), None);
        assert_eq!(heartbeat.poll_beat(at(6000)), Some(Beat::Touch));
    }

    #[test]
    fn while_the_ttr_cannot_be_learned_the_job_is_touched_as_one_of_a_second() {
        let mut heartbeat = Heartbeat::new(at(0));
        assert_eq!(heartbeat.poll_beat(at(400)), Some(Beat::Touch));
        heartbeat.handle_touched();
        assert_eq!(heartbeat.poll_beat(at(400)), Some(Beat::Learn));
        heartbeat.handle_refused(at(410));
        assert_eq!(heartbeat.poll_beat(at(700)), None);
        assert_eq!(heartbeat.poll_beat(at(734)), Some(Beat::Touch));
    }
}
