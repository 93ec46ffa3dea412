//! One client of the event loop: its socket, its protocol state, and what the system has reported of the socket.

use std::io::{self, ErrorKind, IoSlice};

use beanstalk_proto::server::Connection;

use super::net::Stream;
use crate::engine::ConnId;

/// Pieces handed to one write.
const PIECES: usize = 32;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: ConnId,
    pub(super) connection: Connection,
    pub(super) stream: Stream,
    /// The system may have bytes to read; it signals only changes, so this stays until a read finds nothing.
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The system has reported that the peer will send nothing more; there may still be bytes to read before that.
    pub(super) read_closed: bool,
    /// It is in the queue of those that have something to do.
    pub(super) queued: bool,
}

/// The result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Some(usize),
    None,
}

impl Peer {
    pub(super) fn new(id: ConnId, connection: Connection, stream: Stream) -> Self {
        Self { id, connection, stream, readable: true, writable: true, read_closed: false, queued: false }
    }

    /// Whether a read could bring the connection on.
    pub(super) fn can_read(&self) -> bool {
        self.readable && self.connection.wants_input()
    }

    /// Whether its next command must wait until a reply was written: a peer that sends no more may read no more either, and
    /// the system reports that for what is written. As beanstalkd, which writes each reply before the next command, the
    /// server runs nothing for a peer that has been reported gone.
    pub(super) fn may_be_gone(&self) -> bool {
        self.read_closed && self.connection.backlog() > 0
    }

    /// Reads once.
    pub(super) fn read(&mut self) -> io::Result<Progress> {
        let buf = self.connection.receive_buf();
        let room = buf.len();
        loop {
            match self.stream.read(self.connection.receive_buf()) {
                Ok(0) => {
                    self.readable = false;
                    self.read_closed = true;
                    self.connection.received_eof();
                    return Ok(Progress::None);
                }
                Ok(n) => {
                    self.connection.received(n);
                    // A short read emptied the socket, and what comes later is signalled; but not an end that is there
                    // already. Where the system must be asked again to signal at all, it is asked.
                    if cfg!(unix) && n < room && !self.read_closed {
                        self.readable = false;
                    }
                    return Ok(Progress::Some(n));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(Progress::None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.writable && self.connection.backlog() > 0 {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let mut filled = 0;
            for (slot, piece) in pieces.iter_mut().zip(self.connection.transmit()) {
                *slot = IoSlice::new(piece);
                filled += 1;
            }
            match self.stream.write_vectored(&pieces[..filled]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.connection.transmitted(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
