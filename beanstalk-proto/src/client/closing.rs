//! Ending a connection in order.
//!
//! ```text
//!            nothing waits                                 the server closes
//!   close ──────────────────▶ quit is queued ───────────────────────────────────▶ ended: Ok
//!     │ a reserve waits                                         ▲    │
//!     └──▶ wants_half_close ── half_closed ─────────────────────┘    └ it does not in time: TimedOut
//! ```

use core::task::Poll;

use super::{Connection, Stream};
use crate::{
    error::{Error, Lost, Subject},
    reply::{ProtocolError, Reply},
    table::{Kind, Quit},
    time::Instant,
};

/// How far an end in order has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Closing {
    /// When the server is late to end it.
    pub(super) until: Option<Instant>,
    /// The server would not read a `quit`, so the transport's writing half is to be closed.
    half_close: bool,
    /// That was done.
    half_closed: bool,
}

/// Step 6, close; and the two ways in which a transport ends by itself.
impl Connection {
    /// Begins to end the connection: go on as before until [`Connection::poll_closed`] is ready, then close the transport. What is in flight may
    /// still be answered; nothing more can be sent.
    ///
    /// A `quit` is queued, or if the server waits in a reserve and would not read it, the writing half of the transport is to be closed:
    /// see [`Connection::wants_half_close`]. The server has [`Config::reply_timeout`](super::Config::reply_timeout) to end it.
    pub fn close(&mut self, now: Instant) {
        self.clock.set(now);
        let waits = self.slots.pending_waits().next().is_some();
        match self.stream {
            Stream::Open | Stream::Quitting if waits => self.closing.half_close = !self.closing.half_closed,
            Stream::Open => self.write(Quit::new()),
            Stream::Quitting => {}
            _ => return,
        }
        self.stream = Stream::Quitting;
        self.closing.until = self.closing.until.or(self.patience.from(self.clock.now));
        self.renew_due();
    }

    /// Returns whether the writing half of the transport should be closed now: everything was written, and this is how to end it.
    #[must_use]
    pub const fn wants_half_close(&self) -> bool {
        let flushed = self.flushed == self.transmit.end();
        self.closing.half_close && flushed && !self.is_ended()
    }

    /// Reports that the writing half of the transport was closed.
    pub const fn half_closed(&mut self) {
        (self.closing.half_close, self.closing.half_closed) = (false, true);
    }

    /// Ready once the connection has ended.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the server did not end it in time, [`Error::Closed`] if the transport failed, or [`Error::Protocol`].
    pub fn poll_closed(&self) -> Poll<Result<(), Error>> {
        let lost = Lost::Unknown;
        match self.stream {
            Stream::EndedByPeer => Poll::Ready(Ok(())),
            Stream::EndedLate => {
                let waited = self.config.reply_timeout.unwrap_or_default();
                Poll::Ready(Err(Error::TimedOut { command: Kind::Quit.word(), subject: Subject::None, waited, lost }))
            }
            _ => self.end(lost).map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }

    /// The error of a request that the end of the stream leaves without a reply, if it has ended.
    #[cold]
    pub(super) fn end(&self, lost: Lost) -> Option<Error> {
        match &self.poison {
            Some(error) => Some(Error::Protocol { error: ProtocolError::clone(error), lost }),
            None => self.is_ended().then_some(Error::Closed { lost }),
        }
    }

    /// Reports that the peer has closed its half: what is here counts, and whatever has no reply then fails with
    /// [`Error::Closed`]. Afterwards poll the tickets.
    pub fn received_eof(&mut self) {
        if self.is_ended() {
            return;
        }
        let written = self.transmit.written();
        if let Some(slot) = self.slots.next_pending() {
            if slot.expected.kind == Some(Kind::Quit) && slot.sent.end <= written {
                self.answer(Reply::Closed);
            }
        }
        self.ends(Stream::EndedByPeer);
    }

    /// Reports that the transport has failed: whatever has no reply by now fails with [`Error::Closed`]. Afterwards poll the tickets.
    pub fn abort(&mut self) {
        if !self.is_ended() {
            self.ends(Stream::Failed);
        }
    }
}
