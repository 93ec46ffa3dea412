//! The short way of a request that is alone: sent on an idle connection, and its reply read at once.
//!
//! ```text
//!   is_idle ──▶ send_alone ──▶ transmit ──▶ line_written_out ──▶ receive_buf_alone ──▶ received_alone ──▶ the result
//!                                 │ not all of it written                │ not drained        │ not whole, or not alone
//!                                 ▼                                      ▼                    ▼
//!                            transmitted, transmit, receive_buf, received, and the ticket's poll_reply
//! ```
//!
//! It does what the functions below it do, for the case that nearly every call is: nothing to wait behind, one piece to write,
//! and a reply that comes in one piece and is all that comes. At every step the connection is as they would leave it, so that a
//! driver can go on with them. Nothing of it is for applications, so it is hidden from the documentation.

use alloc::{boxed::Box, vec::Vec};
use core::{marker::PhantomData, mem};

use super::{Connection, Stream, Ticket, slot::State};
use crate::{
    error::{DecodeError, Error, SendError},
    reply::{Head, Reply, ReplyKind, ReplySet},
    request::{Encoder, Request},
    table::Kind,
    types::{Job, JobId},
};

/// A claim to the reply of the one request that was sent on an idle connection.
#[doc(hidden)]
#[derive(Debug)]
pub struct Alone<R> {
    pub(super) seq: u64,
    request: PhantomData<fn() -> R>,
}

impl<R> Alone<R> {
    #[inline(always)]
    const fn new(seq: u64) -> Self {
        Self { seq, request: PhantomData }
    }
}

impl Connection {
    /// Whether nothing is in flight, queued or parked, and any request can be sent.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let nothing = self.slots.len() == 0 && self.transmit.queued() == 0 && self.parked.is_empty();
        nothing && matches!(self.stream, Stream::Open) && self.takes_one
    }

    /// As [`Connection::send`], on a connection that [is idle](Connection::is_idle), for drivers that send a request and look for its
    /// reply in one function. The error is boxed, so that what nearly always comes back is a number.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    #[doc(hidden)]
    #[inline(always)]
    pub fn send_alone<R: Request>(&mut self, request: R) -> Result<Alone<R>, Box<SendError>> {
        let expect = request.expect();
        let mut encoder = Encoder::new(&mut self.transmit);
        if let Err(error) = request.encode(&mut encoder) {
            return Err(self.refused(error));
        }
        if let Err(error) = encoder.finish() {
            return Err(self.refused(error));
        }
        let has_body = encoder.commit();
        if expect.kind == Some(Kind::Quit) {
            self.stream = Stream::Quitting;
        }
        Ok(Alone::new(self.push_slot(expect, has_body)))
    }

    /// The ticket of a request that was sent alone.
    #[doc(hidden)]
    pub fn ticket_of<R: Request>(&self, alone: &Alone<R>) -> Ticket<R::Reply> {
        Ticket::new(self.identity, alone.seq, R::decode)
    }

    /// As [`Connection::transmitted`] and [`Connection::flushed`], for all that waits.
    #[doc(hidden)]
    #[inline(always)]
    pub fn line_written_out(&mut self) {
        self.transmit.advance_line();
        self.flushed = self.transmit.end();
    }

    /// As [`Connection::receive_buf`], for the start of a reply. `None` if there is something before it.
    #[doc(hidden)]
    #[inline(always)]
    pub fn receive_buf_alone(&mut self) -> Option<&mut [u8]> {
        self.framer.fresh_buf()
    }

    /// As [`Connection::received`]; and takes the reply to the one request in flight, if it is all that was received. If it is
    /// not, [`Connection::poll_reply`] tells more.
    ///
    /// A driver that waits for one reply at a time nearly always comes through here, so it does next to nothing. The error is
    /// boxed for the same reason as in [`Connection::send_alone`].
    #[doc(hidden)]
    #[inline(always)]
    pub fn received_alone<R: Request>(&mut self, n: usize, alone: &Alone<R>) -> Option<Result<R::Reply, Box<Error>>> {
        let Some((head, len)) = self.only_head(n, alone.seq) else {
            self.received(n);
            return None;
        };
        let id = JobId(head.number);
        // These answer nearly everything; where the word is known, nothing is made of it but the result.
        let result = if is_plain(&head) && len == n {
            match head.kind {
                ReplyKind::Inserted => R::decode(Reply::Inserted(id)),
                ReplyKind::Deleted => R::decode(Reply::Deleted),
                _ => decode_head::<R>(head, Vec::new()),
            }
        } else {
            let Some(body) = self.only_body(head, len, n, alone.seq) else {
                self.received(n);
                return None;
            };
            match head.kind {
                ReplyKind::Reserved => R::decode(Reply::Reserved(Job { id, body })),
                _ => decode_head::<R>(head, body),
            }
        };
        match result {
            Ok(reply) => Some(Ok(reply)),
            Err(error) => Some(Err(self.decode_failed(alone.seq, error))),
        }
    }

    /// The reply line to the only request in flight, if it begins what was just read and may answer it. If it is all of it, both
    /// are over and done with.
    #[inline(always)]
    fn only_head(&mut self, n: usize, seq: u64) -> Option<(Head, usize)> {
        let slot = self.slots.only(seq)?;
        let (head, len) = Head::parse(self.framer.fresh(n)?)?;
        if !slot.direct.contains(head.kind) || !matches!(slot.state, State::Waiting) {
            return None;
        }
        if is_plain(&head) && len == n {
            mem::forget(mem::take(&mut slot.state));
            self.slots.only_leaves();
        }
        Some((head, len))
    }

    /// The body behind the line, if it is here whole and nothing is behind it. Then the request is over and done with.
    #[inline(never)]
    fn only_body(&mut self, head: Head, len: usize, n: usize, seq: u64) -> Option<Vec<u8>> {
        // Nothing else is untaken where a request is alone, so the limit on that allows any one reply.
        let limit = self.config.limits.reply_body;
        let body = self.framer.fresh(n)?.get(len..)?.strip_suffix(b"\r\n")?;
        let slot = self.slots.only(seq)?;
        let fits = head.kind.has_body() && body.len() as u64 == head.bytes && body.len() <= limit;
        if !fits || slot.id.is_some_and(|id| id.0 != head.number) {
            return None;
        }
        mem::forget(mem::take(&mut slot.state));
        self.slots.only_leaves();
        Some(body.to_vec())
    }

    /// The error of a request of the table, whose slot has just left.
    #[cold]
    fn decode_failed(&self, seq: u64, error: DecodeError) -> Box<Error> {
        let kind = self.slots.left(seq).and_then(|slot| slot.kind);
        Box::new(Error::from_decode(kind.map(Kind::word).unwrap_or_default(), error))
    }
}

/// Whether the line is all there is of the reply.
#[inline(always)]
fn is_plain(head: &Head) -> bool {
    ReplySet::PLAIN.contains(head.kind)
}

#[inline(never)]
fn decode_head<R: Request>(head: Head, body: Vec<u8>) -> Result<R::Reply, DecodeError> {
    R::decode(head.into_reply(&[], body))
}
