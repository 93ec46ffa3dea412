//! The transport under a client, and the moves that are made on it: write what is queued, read once.

use std::{
    io::{self, IoSlice},
    time::{Duration, Instant},
};

use beanstalk_proto::{Segments, client::Connection};

use crate::transport::Transport;

/// While requests and replies cross, a write that finds no room for so long is followed by a read.
pub(crate) const TURN: Duration = Duration::from_millis(2);
/// The shortest timeout that a socket takes: the nearest to not waiting at all.
pub(crate) const NOW: Duration = Duration::from_micros(1);
/// How much too long a read may wait if that spares setting the timeout.
const SLACK: Duration = Duration::from_millis(1);
/// Pieces of the outbound queue for one write.
const PIECES: usize = 16;

/// A transport, and what is known of its timeouts, so that they are set only when they change.
#[derive(Debug)]
pub(crate) struct Wire<T> {
    pub(crate) transport: T,
    /// The timeouts that the transport has now; the outer `None` is "not set yet".
    read_timeout: Option<Option<Duration>>,
    write_timeout: Option<Option<Duration>>,
    /// What the core's clock counts from.
    epoch: Instant,
    /// The transport was called and did not return: what it has read or written is unknown.
    is_lost: bool,
}

/// How much of what was queued was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// All of it, and flushed.
    All,
    /// Some of it: there may be room for more.
    Some,
    /// Nothing: there was no room in time.
    Nothing,
}

impl<T: Transport> Wire<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, read_timeout: None, write_timeout: None, epoch: Instant::now(), is_lost: false }
    }

    pub(crate) fn now(&self) -> beanstalk_proto::Instant {
        beanstalk_proto::Instant::ZERO + self.epoch.elapsed()
    }

    pub(crate) const fn is_lost(&self) -> bool {
        self.is_lost
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.read_timeout != Some(timeout) {
            self.transport.set_read_timeout(timeout)?;
            self.read_timeout = Some(timeout);
        }
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.write_timeout != Some(timeout) {
            self.transport.set_write_timeout(timeout)?;
            self.write_timeout = Some(timeout);
        }
        Ok(())
    }

    /// Writes once what is queued; if that was all, reads once. While the transport takes no more, it only reads.
    pub(crate) fn exchange(&mut self, connection: &mut Connection, left: Option<Duration>) -> io::Result<()> {
        let timeout = match self.write_some(connection, left)? {
            // Whoever waits looks at the clock before the next write.
            Wrote::Some => return Ok(()),
            Wrote::Nothing => Some(TURN),
            Wrote::All => within(connection, left),
        };
        self.read_once(connection, timeout).map(|_| ())
    }

    /// Writes once, and flushes if nothing is queued then.
    pub(crate) fn write_some(&mut self, connection: &mut Connection, left: Option<Duration>) -> io::Result<Wrote> {
        if connection.wants_transmit() {
            // Alone, a request can wait for room. Among others it cannot: the server may be waiting for us to read.
            self.set_write_timeout(match connection.in_flight() {
                0 | 1 => within(connection, left),
                _ => Some(TURN),
            })?;
            match self.write_once(connection) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => connection.transmitted(n),
                Err(error) if is_timeout(&error) => return Ok(Wrote::Nothing),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if connection.wants_transmit() {
                return Ok(Wrote::Some);
            }
        }
        if connection.wants_flush() {
            match self.transport.flush() {
                Ok(()) => connection.flushed(),
                Err(error) if is_timeout(&error) => return Ok(Wrote::Nothing),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Wrote::Some),
                Err(error) => return Err(error),
            }
        }
        Ok(Wrote::All)
    }

    /// Writes once, as many pieces as there are.
    #[inline(never)]
    pub(crate) fn write_once(&mut self, connection: &Connection) -> io::Result<usize> {
        self.is_lost = true;
        let segments = connection.transmit();
        let wrote = match (segments.line_and_body(), segments.single()) {
            (Some(pieces), _) => self.transport.write_vectored(&pieces.map(IoSlice::new)),
            (None, Some(piece)) => self.transport.write(piece),
            (None, None) => self.write_gathered(segments),
        };
        self.is_lost = false;
        wrote.and_then(|n| within_room(n, connection.queued()))
    }

    #[inline(never)]
    fn write_gathered(&mut self, segments: Segments<'_>) -> io::Result<usize> {
        let (pieces, count) = segments.io_slices::<PIECES>();
        self.transport.write_vectored(pieces.get(..count).unwrap_or_default())
    }

    /// Reads once; `false` if nothing came in time.
    pub(crate) fn read_once(&mut self, connection: &mut Connection, timeout: Option<Duration>) -> io::Result<bool> {
        if connection.is_ended() {
            return Ok(false);
        }
        self.set_read_timeout(timeout)?;
        let buf = connection.receive_buf();
        let room = buf.len();
        self.is_lost = true;
        let read = self.transport.read(buf);
        self.is_lost = false;
        match read.and_then(|n| within_room(n, room)) {
            Ok(0) => connection.received_eof(),
            Ok(n) => connection.received(self.now(), n),
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// The reply timeout, as a socket takes it: never zero.
pub(crate) fn base(connection: &Connection) -> Option<Duration> {
    connection.config().reply_timeout.map(|timeout| timeout.max(NOW))
}

/// The timeout for waiting so long. The base is set once; longer waits loop on it, and ones that are next to as long may last as
/// long.
fn within(connection: &Connection, left: Option<Duration>) -> Option<Duration> {
    match (left, base(connection)) {
        (Some(left), Some(base)) if left.saturating_add(SLACK) < base => Some(left.max(NOW)),
        (Some(_), Some(base)) => Some(base),
        (left, base) => left.or(base),
    }
}

/// A transport that reports more than it was given room for is broken.
fn within_room(n: usize, room: usize) -> io::Result<usize> {
    match n <= room {
        true => Ok(n),
        false => Err(io::Error::other(format!("the transport reported {n} bytes where it was given {room}"))),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
