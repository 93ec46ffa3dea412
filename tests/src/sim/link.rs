//! One connection through the network: two pipes, and what stands at their ends.
//!
//! ```text
//!   client ── write ──▶ [ flight: packets, each with its time ] ── arrive ──▶ [ held ] ── read ──▶ server
//!   client ◀── read ── [ held ] ◀── arrive ── [ flight ] ◀────────────────────────────── write ── server
//! ```

use std::{collections::VecDeque, task::Waker};

use beanstalk_proto::{Instant, server};
use beanstalk_server::engine::ConnId;

/// Names a link; never used again.
pub(super) type LinkId = u64;

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What crosses a pipe.
#[derive(Debug)]
pub(super) enum Packet {
    /// Bytes.
    Data(Vec<u8>),
    /// The end of the stream.
    Fin,
}

/// One direction of a link.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// What is under way, in order.
    pub(super) flight: VecDeque<(Instant, Packet)>,
    /// When the last of it arrives.
    pub(super) last: Instant,
    /// What has arrived and was not read.
    pub(super) held: VecDeque<u8>,
    /// Bytes in flight or held.
    pub(super) bytes: usize,
    /// The end has arrived.
    pub(super) fin: bool,
    /// Nothing that is written arrives any more.
    pub(super) broken: bool,
    /// Who waits for bytes.
    pub(super) reader: Option<Waker>,
    /// Who waits for room.
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    /// Bytes that it takes without anybody reading.
    pub(super) const CAPACITY: usize = 6000;

    /// Bytes that it would take now.
    pub(super) fn room(&self) -> usize {
        if self.broken { usize::MAX } else { Self::CAPACITY.saturating_sub(self.bytes) }
    }

    /// Takes the first bytes that were held, at most so many.
    pub(super) fn take(&mut self, n: usize, out: &mut [u8]) -> usize {
        let n = n.min(out.len()).min(self.held.len());
        for (slot, byte) in out.iter_mut().zip(self.held.drain(..n)) {
            *slot = byte;
        }
        self.bytes -= n;
        n
    }

    /// Loses what is under way; what comes later as well.
    pub(super) fn cut(&mut self) {
        self.flight.clear();
        self.bytes = self.held.len();
        self.broken = true;
    }
}

/// The server's end.
#[derive(Debug)]
pub(super) struct ServerEnd {
    /// What the engine calls it.
    pub(super) id: ConnId,
    /// Its half of the protocol.
    pub(super) connection: server::Connection,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// To the server.
    pub(super) up: Pipe,
    /// To the client.
    pub(super) down: Pipe,
    /// The client has let go of it.
    pub(super) abandoned: bool,
    /// What the client does with it fails.
    pub(super) reset: bool,
    /// Until when something on it took longer than on a good connection.
    pub(super) rough_until: Instant,
    /// Which task's it is.
    pub(super) task: u64,
    /// `None` before it is accepted, and once the server is done with it.
    pub(super) server: Option<ServerEnd>,
}

impl Link {
    /// One of its pipes.
    pub(super) fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
