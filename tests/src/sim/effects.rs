//! What the server did, for those who count, one effect after the other.

use std::mem;

use beanstalk_proto::{Instant, JobId, TubeName};

use super::{
    ledger::{Ledger, State},
    link::LinkId,
};

/// Something that the server did, for those who count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) what: EffectKind,
    /// On whose behalf.
    pub(super) link: LinkId,
    pub(super) id: JobId,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EffectKind {
    /// A job was put into this tube.
    Inserted(TubeName),
    Reserved,
    Touched,
    Deleted,
    Released,
    Buried,
    /// Its ttr, which began anew then, is over.
    Expired(Instant),
}

impl Ledger {
    /// Writes an effect down.
    pub(super) fn note(&mut self, what: EffectKind, link: LinkId, id: JobId) {
        if let (Some(effects), Some(job)) = (&mut self.effects, self.jobs.get(&id)) {
            effects.push(Effect { what, link, id, body: job.body.clone() });
        }
    }

    /// The server begins anew with nothing; gives the bodies of what is gone.
    pub(super) fn forget(&mut self) -> Vec<Vec<u8>> {
        self.paused.clear();
        self.early.clear();
        self.known.clear();
        mem::take(&mut self.jobs).into_values().map(|job| job.body).collect()
    }

    /// The bodies of all jobs there are, and whether they are buried.
    pub(super) fn bodies(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.jobs.values().map(|job| (job.body.as_slice(), matches!(job.state, State::Buried { .. })))
    }
}
