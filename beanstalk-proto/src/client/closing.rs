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
    error::{Error, Lost},
    reply::Reply,
    table::{Kind, Quit},
    time::Instant,
};

/// How the stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server ended it.
    ByPeer,
    /// The transport failed.
    Failed,
    /// The server did not end it in time after it was asked to.
    Late,
}

/// How far an end in order has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Closing {
    /// When the server is late to end it.
    pub(super) until: Option<Instant>,
    /// The server would not read a `quit`, so the transport's writing half is to be closed.
    half_close: bool,
}

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
            Stream::Ended(_) | Stream::Poisoned(_) => return,
            Stream::Open | Stream::Quitting if waits => self.closing.half_close = true,
            Stream::Open => self.write(Quit::new()),
            Stream::Quitting => {}
        }
        self.stream = Stream::Quitting;
        self.closing.until = self.closing.until.or(self.patience.from(self.clock.now));
    }

    /// Whether the writing half of the transport should be closed now: everything was written, and this is how to end it.
    #[must_use]
    pub const fn wants_half_close(&self) -> bool {
        let flushed = self.flushed == self.transmit.end();
        self.closing.half_close && flushed && !self.is_ended()
    }

    /// Reports that the writing half of the transport was closed.
    pub const fn half_closed(&mut self) {
        self.closing.half_close = false;
    }

    /// Ready once the connection has ended.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the server did not end it in time, [`Error::Closed`] if the transport failed, or [`Error::Protocol`].
    pub fn poll_closed(&self) -> Poll<Result<(), Error>> {
        let lost = Lost::Unknown;
        match &self.stream {
            Stream::Open | Stream::Quitting => Poll::Pending,
            Stream::Ended(End::ByPeer) => Poll::Ready(Ok(())),
            Stream::Ended(End::Failed) => Poll::Ready(Err(Error::Closed { lost })),
            Stream::Ended(End::Late) => Poll::Ready(Err(Error::TimedOut { lost })),
            Stream::Poisoned(error) => Poll::Ready(Err(Error::Protocol { error: error.clone(), lost })),
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
            if slot.kind == Some(Kind::Quit) && slot.sent.end <= written {
                self.answer(Reply::Closed);
            }
        }
        self.stream = Stream::Ended(End::ByPeer);
    }

    /// Reports that the transport has failed: whatever has no reply by now fails with [`Error::Closed`]. Afterwards poll the tickets.
    pub fn abort(&mut self) {
        if !self.is_ended() {
            self.stream = Stream::Ended(End::Failed);
        }
    }
}
