//! What clients do at their ends of links, and their timers.

use std::task::Waker;

use beanstalk_proto::Instant;

use super::{
    link::{LinkId, Way},
    world::{Happening, Timer, TimerId, World},
};

impl World {
    /// The client writes; `None` is for "not now", an error for a connection that is gone.
    pub(super) fn client_write(&mut self, link: LinkId, bytes: &[u8], waker: &Waker) -> Result<Option<usize>, ()> {
        let Some(end) = self.links.get_mut(&link) else { return Err(()) };
        if end.reset {
            return Err(());
        }
        if end.up.room() == 0 {
            end.up.writer = Some(waker.clone());
            return Ok(None);
        }
        Ok(Some(self.write(link, Way::Up, bytes)))
    }

    /// The client reads.
    pub(super) fn client_read(&mut self, link: LinkId, out: &mut [u8], waker: &Waker) -> Result<Option<usize>, ()> {
        let most = self.piece();
        let Some(end) = self.links.get_mut(&link) else { return Err(()) };
        let read = end.down.take(most, out);
        match () {
            () if read > 0 => {
                self.turns.push(link);
                self.trace.note(self.now, "client reads", link, &out[..read]);
                self.plan(self.now, Happening::Arrive(link, Way::Up));
                Ok(Some(read))
            }
            () if end.reset => Err(()),
            () if end.down.fin => {
                self.ends += 1;
                if self.ends > 1000 {
                    self.violate(format!("link {link}: a client reads on and on behind the end"));
                    return Ok(None);
                }
                Ok(Some(0))
            }
            () => {
                end.down.reader = Some(waker.clone());
                Ok(None)
            }
        }
    }

    /// The client closes its writing half.
    pub(super) fn client_fin(&mut self, link: LinkId) {
        self.fin(link, Way::Up);
    }

    /// The client lets go of its connection: in order, or as a process that is killed.
    pub(super) fn client_close(&mut self, link: LinkId) {
        self.trace.note(self.now, "client closes", link, b"");
        if self.faults && self.rng.one_in(3) {
            self.reset(link);
        } else {
            self.fin(link, Way::Up);
        }
        if let Some(end) = self.links.get_mut(&link) {
            end.abandoned = true;
            end.down.cut();
            end.down.held.clear();
            end.down.bytes = 0;
        }
        self.plan(self.now, Happening::Arrive(link, Way::Up));
        self.forget(link);
    }

    /// A timer that was never set.
    pub(super) fn new_timer(&mut self) -> TimerId {
        self.numbered += 1;
        self.timers.insert(self.numbered, Timer::default());
        self.numbered
    }

    /// Sets a timer, whatever it was set to.
    pub(super) fn set_timer(&mut self, timer: TimerId, at: Instant) {
        self.timers.insert(timer, Timer { at, waker: None });
        self.plan(at, Happening::Timer(timer));
    }

    /// Whether a timer has gone off; if not, whom to wake.
    pub(super) fn timer_is_due(&mut self, timer: TimerId, waker: &Waker) -> bool {
        let now = self.now;
        self.timers.get_mut(&timer).is_none_or(|timer| {
            timer.waker = Some(waker.clone());
            timer.at <= now
        })
    }

    /// Forgets a timer.
    pub(super) fn drop_timer(&mut self, timer: TimerId) {
        self.timers.remove(&timer);
    }
}
