//! What happens by itself: delays and pauses end, held jobs expire, reserves have waited long enough.

use beanstalk_proto::{Instant, Reply};

use crate::{Key, Model, SECOND};

impl Model {
    /// What is due happens: delays that end, pauses that end, then what concerns each connection.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = now.as_nanos();
        while let Some((until, id)) = self.first_delayed(|_| true) {
            if until > now {
                break;
            }
            self.make_ready(now, id);
        }
        for at in 0..self.tubes.len() {
            if self.tubes[at].pause.is_some_and(|pause| pause.until <= now) {
                self.tubes[at].pause = None;
                self.serve_waiters(now);
            }
        }
        while let Some((_, key)) = self
            .conns
            .iter()
            .filter_map(|conn| Some((self.tick(conn.key)?, conn.key)))
            .min()
            .filter(|&(at, _)| at <= now)
        {
            self.tick_conn(now, key);
        }
    }

    /// When something happens by itself next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let delays = self.first_delayed(|_| true).map(|(until, _)| until);
        let pauses = self.tubes.iter().filter_map(|tube| Some(tube.pause?.until)).min();
        let ticks = self.conns.iter().filter_map(|conn| self.tick(conn.key)).min();
        [delays, pauses, ticks].into_iter().flatten().min().map(Instant::from_nanos)
    }

    /// When something happens to a connection: a held job expires, or while it waits, that is a second away; or it has waited
    /// long enough.
    fn tick(&self, key: Key) -> Option<u64> {
        let conn = self.conns.iter().find(|conn| conn.key == key)?;
        let deadline = self.held(key).map(|(until, ..)| until).min();
        match conn.waits {
            None => deadline,
            Some(until) => deadline.map(|deadline| deadline.saturating_sub(SECOND)).into_iter().chain(until).min(),
        }
    }

    fn tick_conn(&mut self, now: u64, key: Key) {
        let soon = self.deadline_soon(now, key);
        while let Some((until, _, id)) = self.held(key).min() {
            if until > now {
                break;
            }
            self.timeouts += 1;
            self.job(id).timeouts += 1;
            // This connection may get it again, if it waits.
            self.make_ready(now, id);
        }
        let Some(until) = self.conn(key).waits else { return };
        if soon || until.is_some_and(|until| until <= now) {
            self.stop_waiting(key);
            self.reply(key, if soon { Reply::DeadlineSoon } else { Reply::TimedOut });
        }
    }

    pub(crate) fn deadline_soon(&self, now: u64, key: Key) -> bool {
        self.held(key).any(|(until, ..)| now >= until.saturating_sub(SECOND))
    }
}
