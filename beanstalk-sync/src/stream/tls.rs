//! TLS over a stream, as a stream of its own.

use std::{
    io::{self, IoSlice, Read, Write},
    time::{Duration, Instant},
};

use beanstalk_driver::TlsSession;

use super::{Io, Stream};
use crate::{timeout::is_timeout, transport::Transport};

/// TLS over a stream.
#[derive(Debug)]
pub(super) struct Tls {
    session: TlsSession,
    pub(super) below: Stream,
}

impl Stream {
    /// Shakes hands within this time, and speaks TLS from then on.
    pub(crate) fn secure(mut self, mut session: TlsSession, within: Option<Duration>) -> io::Result<Self> {
        let deadline = within.and_then(|within| Instant::now().checked_add(within));
        let timeout = within.map(|within| within.max(Duration::from_millis(1)));
        self.set_read_timeout(timeout)?;
        self.set_write_timeout(timeout)?;
        self.set_deadline(deadline);
        loop {
            match session.handshake(&mut self) {
                Ok(()) => break,
                Err(error) if is_timeout(&error) => {
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Whoever reads and writes from here on sets the timeouts it needs.
        self.set_deadline(None);
        Ok(Self::new(Io::Tls(Box::new(Tls { session, below: self }))))
    }
}

impl Read for Tls {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.session.read(&mut self.below, buf)
    }
}

impl Write for Tls {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.session.write(&mut self.below, bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.session.flush(&mut self.below)
    }
}

impl Transport for Tls {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.below.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.below.set_write_timeout(timeout)
    }

    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.below.set_deadline(deadline);
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.session.close(&mut self.below)?;
        self.below.shutdown_write()
    }
}
