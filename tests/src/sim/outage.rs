//! Servers that die and come back.

use beanstalk_proto::Instant;

use super::{
    link::{LinkId, Way},
    world::{Happening, World},
};

/// How a server went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// Its process was killed: connections are reset, and new ones refused.
    Killed,
    /// Its machine is gone: nothing is sent any more.
    Vanished,
}

impl World {
    /// The server dies. What it did has happened; what it was about to say may be heard or not.
    pub(super) fn die(&mut self, outage: Outage) {
        self.trace.note(self.now, "server dies", 0, &[outage as u8]);
        self.outage = Some(outage);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            if let Some(server) = self.links.get_mut(&link).and_then(|end| end.server.take()) {
                self.gone(link, server.id);
                self.engine.disconnect(self.now, server.id);
            }
            match outage {
                Outage::Killed => {
                    let told = self.now + self.delay();
                    self.plan(told, Happening::Died(link));
                }
                Outage::Vanished => {
                    if let Some(end) = self.links.get_mut(&link) {
                        end.pipe(Way::Up).cut();
                        end.pipe(Way::Down).broken = true;
                    }
                }
            }
            self.forget(link);
        }
        // Nobody is there to hear them.
        while self.engine.poll_reply().is_some() {}
    }

    /// The server is there again, with its jobs or without, which are then given.
    pub(super) fn revive(&mut self, remembers: bool) -> Vec<Vec<u8>> {
        self.trace.note(self.now, "server is back", 0, &[u8::from(remembers)]);
        self.outage = None;
        if remembers {
            return Vec::new();
        }
        self.engine = Self::empty_engine(self.now);
        self.ledger.forget()
    }

    /// Whether everything between a client and the server has been as it should be for the time since `since`.
    pub(super) fn was_good_since(&self, link: LinkId, since: Instant) -> bool {
        self.links.get(&link).is_some_and(|end| {
            let broken = end.up.broken || end.down.broken || end.up.fin || end.down.fin;
            !broken && !end.reset && !end.abandoned && end.server.is_some() && end.rough_until <= since
        })
    }

    /// A task does nothing for a while: no better than a slow network.
    pub(super) fn stall(&mut self, task: u64, until: Instant) {
        for end in self.links.values_mut().filter(|end| end.task == task) {
            end.rough_until = end.rough_until.max(until);
        }
    }
}
