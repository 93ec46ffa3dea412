//! How bytes cross the world, and what becomes of them on the way.

use std::{task::Waker, time::Duration};

use beanstalk_proto::{Instant, server::Event};

use super::{
    link::{LinkId, Packet, Way},
    world::{Happening, World},
};

/// What takes longer than this on its way is not taken for a good connection's.
const GOOD: Duration = Duration::from_millis(100);

/// How bad things are while they are bad: each goes wrong once in so many times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// A packet is very late.
    pub(super) late: u64,
    /// A connection is refused.
    pub(super) refused: u64,
    /// Of so many connections three are reset after a while, and two cut in one direction.
    pub(super) five_break: u64,
    /// In so many milliseconds, at the latest.
    pub(super) within: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self { late: 40, refused: 8, five_break: 8, within: 20_000 }
    }
}

impl World {
    /// How much moves at once.
    pub(super) fn piece(&mut self) -> usize {
        match self.faults {
            true => match self.rng.below(4) {
                0 => self.rng.between(1, 8) as usize,
                1 => self.rng.between(1, 300) as usize,
                _ => usize::MAX,
            },
            false => usize::MAX,
        }
    }

    /// Sends bytes on their way, as many as there is room for and the network likes, in packets.
    pub(super) fn write(&mut self, link: LinkId, way: Way, bytes: &[u8]) -> usize {
        let piece = self.piece();
        let Some(end) = self.links.get_mut(&link) else { return bytes.len() };
        let pipe = end.pipe(way);
        if pipe.broken {
            return bytes.len();
        }
        let n = bytes.len().min(piece).min(pipe.room());
        let mut rest = &bytes[..n];
        while !rest.is_empty() {
            let cut = self.piece().min(rest.len());
            let at = self.now + self.delay();
            let (packet, later) = rest.split_at(cut);
            self.send(link, way, at, Packet::Data(packet.to_vec()));
            rest = later;
        }
        n
    }

    pub(super) fn fin(&mut self, link: LinkId, way: Way) {
        let at = self.now + self.delay();
        self.send(link, way, at, Packet::Fin);
    }

    pub(super) fn send(&mut self, link: LinkId, way: Way, at: Instant, packet: Packet) {
        let now = self.now;
        let Some(end) = self.links.get_mut(&link) else { return };
        if end.pipe(way).broken {
            return;
        }
        let at = at.max(end.pipe(way).last);
        if at > now + GOOD {
            end.rough_until = end.rough_until.max(at);
        }
        let pipe = end.pipe(way);
        pipe.last = at;
        pipe.bytes += if let Packet::Data(bytes) = &packet { bytes.len() } else { 0 };
        pipe.flight.push_back((at, packet));
        self.plan(at, Happening::Arrive(link, way));
    }

    pub(super) fn arrive(&mut self, link: LinkId, way: Way) {
        let now = self.now;
        let Some(end) = self.links.get_mut(&link) else { return };
        // Nothing arrives before the connection does.
        if way == Way::Up && end.server.is_none() {
            return;
        }
        let pipe = end.pipe(way);
        while pipe.flight.front().is_some_and(|(at, _)| *at <= now) {
            match pipe.flight.pop_front() {
                Some((_, Packet::Data(bytes))) => pipe.held.extend(bytes),
                Some((_, Packet::Fin)) => pipe.fin = true,
                None => {}
            }
        }
        pipe.reader.take().map(Waker::wake).unwrap_or_default();
        let fin = pipe.fin;
        if way == Way::Up {
            let waiting = end.server.as_ref().filter(|server| fin && server.connection.is_unanswered());
            if let Some(id) = waiting.map(|server| server.id) {
                // The system tells of it although nobody reads.
                self.engine.handle_event(now, id, Event::HalfClosed);
                self.deliver(None);
            }
            self.turns.push(link);
        }
    }

    /// The client's end fails now; the server hears of it later, and until then believes that all is well.
    pub(super) fn reset(&mut self, link: LinkId) {
        self.trace.note(self.now, "reset", link, b"");
        let (told, kept) = (self.now + self.delay(), self.rng.one_in(2));
        let Some(end) = self.links.get_mut(&link) else { return };
        end.reset = true;
        end.up.cut();
        end.down.cut();
        if !kept {
            end.down.held.clear();
            end.down.bytes = 0;
        }
        for waker in [end.up.writer.take(), end.down.reader.take()].into_iter().flatten() {
            waker.wake();
        }
        let told = told.max(end.up.last);
        self.plan(told, Happening::ServerReset(link));
    }

    pub(super) fn cut(&mut self, link: LinkId, way: Way) {
        self.trace.note(self.now, "cut", link, &[way as u8]);
        if self.links.get(&link).is_some_and(|end| !end.abandoned && !end.reset) {
            self.fin(link, way);
            if let Some(end) = self.links.get_mut(&link) {
                let pipe = end.pipe(way);
                pipe.broken = true;
                pipe.writer.take().map(Waker::wake).unwrap_or_default();
            }
        }
    }

    pub(super) fn forget(&mut self, link: LinkId) {
        if self.links.get(&link).is_some_and(|end| end.abandoned && end.server.is_none() && end.up.broken) {
            self.links.remove(&link);
        }
    }
}
