//! What happened, as a number by which two runs are compared, and as text for whoever must find out why.

use std::collections::VecDeque;

use beanstalk_proto::Instant;

/// Lines kept for a report.
const KEPT: usize = 160;

/// A record of one run.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    events: u64,
    told: Option<VecDeque<(Instant, String)>>,
}

impl Trace {
    /// An empty one. Text costs time, so it is only written down on request: a seed can be run again.
    pub(super) fn new(tell: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, events: 0, told: tell.then(VecDeque::new) }
    }

    /// Notes something.
    pub(super) fn note(&mut self, now: Instant, what: &str, link: u64, bytes: &[u8]) {
        self.events += 1;
        self.mix(&now.as_nanos().to_le_bytes());
        self.mix(what.as_bytes());
        self.mix(&link.to_le_bytes());
        self.mix(bytes);
        if let Some(told) = &mut self.told {
            if told.len() == KEPT {
                told.pop_front();
            }
            let shown = &bytes[..bytes.len().min(150)];
            let seconds = now.as_nanos() as f64 / 1e9;
            told.push_back((now, format!("{seconds:12.6} link {link:3} {what:14} {}", shown.escape_ascii())));
        }
    }

    /// Two runs in which the same happened at the same time have the same.
    pub(super) fn hash(&self) -> u64 {
        self.hash ^ self.events
    }

    /// The last of what happened.
    pub(super) fn text(&self) -> String {
        self.told().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The same, line by line, and when it was.
    pub(super) fn told(&self) -> impl Iterator<Item = &(Instant, String)> {
        self.told.iter().flatten()
    }

    /// FNV-1a.
    fn mix(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
