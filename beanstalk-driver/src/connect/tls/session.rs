//! TLS on one connection: between what a client reads and writes, and what goes over the stream.
//!
//! ```text
//!   handshake ──▶ open ── close ──▶ closed for writing
//!       │          │ the peer's close_notify: reads give 0
//!       └──────────┴── it fails, or the stream ends without close_notify: an error, and the same again
//! ```
//!
//! All methods take the stream, and pass on that it would block: what was accepted stays here until then.

use std::{
    io::{self, IoSlice, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::ClientConnection;

use super::error;

/// Whether the server's hello has come, for a caller that gives a handshake up, and with it the session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicBool>);

impl Progress {
    /// Adds to the error of a handshake how far it came, if its time was up.
    pub(crate) fn explain(&self, failed: io::Error) -> io::Error {
        match (failed.kind(), self.0.load(Ordering::Relaxed)) {
            (io::ErrorKind::TimedOut, true) => error::unfinished(),
            (io::ErrorKind::TimedOut, false) => error::unanswered(),
            _ => failed,
        }
    }
}

/// The state of TLS on one connection, for a binding's streams.
#[derive(Debug)]
pub struct TlsSession {
    connection: ClientConnection,
    /// The stream has ended.
    ended: bool,
    progress: Progress,
}

impl TlsSession {
    pub(super) fn new(connection: ClientConnection) -> Self {
        Self { connection, ended: false, progress: Progress::default() }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Shakes hands. Call it again if it would block.
    ///
    /// # Errors
    ///
    /// Those of the stream, and of the handshake.
    pub fn handshake(&mut self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.flush(stream)?;
            if self.connection.is_handshaking() {
                self.receive(stream)?;
                self.progress.0.store(self.connection.protocol_version().is_some(), Ordering::Relaxed);
            }
        }
        self.flush(stream)
    }

    /// Reads what the peer has written; 0 is an end in order.
    ///
    /// # Errors
    ///
    /// Those of the stream; [`io::ErrorKind::UnexpectedEof`] if it ended without `close_notify`.
    pub fn read(&mut self, stream: &mut (impl Read + Write), buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(error::truncated()),
                read => return read,
            }
            if self.connection.wants_write() {
                // An answer to the peer, or what was accepted before. Whether it goes out must not keep us from reading.
                let _later = self.send(stream);
            }
            self.receive(stream)?;
        }
    }

    /// Accepts bytes to be written, and writes what can be. Not all may be written yet: see [`TlsSession::flush`].
    ///
    /// # Errors
    ///
    /// Those of the stream. If it would block nothing was accepted.
    pub fn write(&mut self, stream: &mut (impl Read + Write), bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush(stream)?;
        let accepted = self.connection.writer().write_vectored(bufs)?;
        match self.flush(stream) {
            Err(error) if !blocks(&error) => Err(error),
            _ => Ok(accepted),
        }
    }

    /// Writes what was accepted.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn flush(&mut self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        match self.send(stream) {
            Err(error) if !blocks(&error) => Err(self.cause(stream, error)),
            sent => sent,
        }
    }

    /// Announces to the peer that nothing follows. Call it again if it would block.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn close(&mut self, stream: &mut impl Write) -> io::Result<()> {
        self.connection.send_close_notify();
        self.send(stream)
    }

    fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(stream)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        stream.flush()
    }

    fn receive(&mut self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        if self.ended {
            return Err(error::truncated());
        }
        self.ended = self.connection.read_tls(stream)? == 0;
        if let Err(failed) = self.connection.process_new_packets() {
            // The peer gets the reason, if it still reads.
            let _told = self.send(stream);
            return Err(error::explain(failed));
        }
        match self.ended && self.connection.is_handshaking() {
            true => Err(error::closed_early()),
            false => Ok(()),
        }
    }

    /// A peer that refuses us sends the reason before it closes, and what we write then fails first.
    fn cause(&mut self, stream: &mut (impl Read + Write), failed: io::Error) -> io::Error {
        let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted];
        if gone.contains(&failed.kind()) {
            while !self.ended {
                match self.connection.read_tls(stream) {
                    Ok(0) => self.ended = true,
                    Ok(_) => match self.connection.process_new_packets() {
                        Ok(_) => {}
                        Err(why) => return error::explain(why),
                    },
                    Err(_) => break,
                }
            }
        }
        failed
    }
}

fn blocks(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
