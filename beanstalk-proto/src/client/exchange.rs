//! The short way of a request: sent on an idle connection, written at once, and its reply read at once, by a driver that does nothing
//! else meanwhile.
//!
//! ```text
//!   is_idle ──▶ begin_exchange ──▶ exchange_line ──▶ exchange_written ──▶ receive_buf_alone ──▶ received_in_exchange ──▶ the result
//!                    │                   │ not all of it written                   │ not drained            │ not whole, or another reply
//!                    └───────────────────┴───────────────────┬─────────────────────┴────────────────────────┘
//!                                                            ▼
//!                                           leave_exchange: a queue, a slot and a ticket
//! ```
//!
//! Whoever waits for the reply where the request was sent needs no slot to find it by, nor a queue for what is written in one
//! piece, nor more than the one reply that nearly always comes. If anything else happens, and be it that nobody waits any more,
//! [`Connection::leave_exchange`] makes up for all of that, and the connection is as if the request had been sent with
//! [`Connection::send`]. Nothing of it is for applications, so it is hidden from the documentation.
//!
//! While an exchange goes on the stream counts as ended. Nobody sees that, unless the driver panics between its steps, or the future
//! of a call is neither polled nor dropped: then nobody knows what of the request was written, and nothing may follow it.

use alloc::{boxed::Box, vec::Vec};
use core::{marker::PhantomData, mem};

use super::{Connection, Stream, Ticket};
use crate::{
    error::{DecodeError, Error, SendError},
    reply::{Head, ReplySet},
    request::{Echo, Encoder, Expect, Request, Wait},
    table::Kind,
    transmit::Segments,
    types::JobId,
};

/// A request that is not in a slot, nor queued unless it is long. It is over with its result, or becomes a [`Ticket`].
#[doc(hidden)]
#[derive(Debug)]
#[must_use = "it ends with its reply, or with `leave_exchange`"]
pub struct Exchange<R> {
    expect: Expect,
    has_body: bool,
    /// The length of the request, if it is all in the line; otherwise it is queued.
    line: Option<usize>,
    request: PhantomData<fn() -> R>,
}

impl<R> Exchange<R> {
    /// How long the server may wait before it answers.
    #[inline(always)]
    #[doc(hidden)]
    #[must_use]
    pub const fn wait(&self) -> Wait {
        self.expect.wait
    }

    /// Moves it out of where it is.
    #[doc(hidden)]
    pub fn take(&mut self) -> Self {
        let nothing =
            Self { expect: Expect::new("", ReplySet::EMPTY), has_body: false, line: None, request: PhantomData };
        mem::replace(self, nothing)
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

    /// Writes a request to the line, on a connection that [is idle](Connection::is_idle). One that the line has no room for is
    /// queued. The error is boxed, so that what nearly always comes back stays in registers.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    #[doc(hidden)]
    #[inline(always)]
    pub fn begin_exchange<R: Request>(&mut self, request: R) -> Result<Exchange<R>, Box<SendError>> {
        let expect = request.expect();
        let mut encoder = Encoder::new(&mut self.transmit);
        if let Err(error) = request.encode(&mut encoder) {
            return Err(self.refused(error));
        }
        if let Err(error) = encoder.finish() {
            return Err(self.refused(error));
        }
        let (has_body, line) = encoder.commit_unless_in_line();
        self.change_stream(Stream::Ended);
        Ok(Exchange { expect, has_body, line, request: PhantomData })
    }

    /// The request, if it is all in one place.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    pub fn exchange_line<R>(&self, exchange: &Exchange<R>) -> Option<&[u8]> {
        self.transmit.line.0.get(..exchange.line?)
    }

    /// The request, and how long it is.
    #[inline(always)]
    #[doc(hidden)]
    #[must_use]
    pub fn exchange_transmit<R>(&self, exchange: &Exchange<R>) -> (Segments<'_>, usize) {
        match self.exchange_line(exchange) {
            Some(line) => (Segments::line(line), line.len()),
            None => (self.transmit(), self.queued()),
        }
    }

    /// Takes note that the request was written, all of it, and flushed.
    #[doc(hidden)]
    #[inline(always)]
    pub fn exchange_written<R>(&mut self, exchange: &Exchange<R>) {
        if exchange.line.is_none() {
            self.transmit.advance_all();
            self.flushed = self.transmit.end();
        }
    }

    /// As [`Connection::receive_buf`], for the start of a reply. `None` if there is something before it.
    #[doc(hidden)]
    #[inline(always)]
    pub fn receive_buf_alone(&mut self) -> Option<&mut [u8]> {
        self.framer.fresh_buf()
    }

    /// The result, if the `n` bytes that were read to [`Connection::receive_buf_alone`] are the reply that nearly always comes, and
    /// all of it. If they are not, nothing has happened: [leave](Connection::leave_exchange) the exchange, say what was written,
    /// and then that so much was [received](Connection::received).
    #[doc(hidden)]
    #[inline(always)]
    pub fn received_in_exchange<R: Request>(
        &mut self,
        n: usize,
        exchange: &Exchange<R>,
    ) -> Option<Result<R::Reply, Box<Error>>> {
        let usual = R::usual(&exchange.expect)?;
        let input = self.framer.lent(n)?;
        let (head, len) = Head::parse_as(usual, input)?;
        let result = if usual.has_body() {
            let body = self.body_in_exchange(head, input.get(len..)?, &exchange.expect.echo)?;
            R::decode(head.into_reply(&[], body))
        } else if len == n {
            R::decode(head.into_plain_reply())
        } else {
            return None;
        };
        self.change_stream(Stream::Open);
        match result {
            Ok(reply) => Some(Ok(reply)),
            Err(error) => Some(Err(decode_failed(&exchange.expect, error))),
        }
    }

    /// The body, if it is here whole and nothing is behind it.
    #[inline(always)]
    fn body_in_exchange(&self, head: Head, rest: &[u8], echo: &Echo) -> Option<Vec<u8>> {
        if let Echo::Id(JobId(id)) = echo {
            if *id != head.number {
                return None;
            }
        }
        let (body, line_end) = rest.split_last_chunk()?;
        // Nothing else is untaken where a request is alone, so the limit on that allows any one reply.
        let fits = body.len() as u64 == head.bytes && body.len() <= self.config.limits.reply_body;
        if fits && line_end == b"\r\n" { Some(body.to_vec()) } else { None }
    }

    /// Gives the request the slot, and the place in the queue, that it would have had from the start. Nothing of it was written
    /// yet, as far as the connection knows.
    #[doc(hidden)]
    #[inline(never)]
    pub fn leave_exchange<R: Request>(&mut self, exchange: Exchange<R>) -> Ticket<R::Reply> {
        let Exchange { expect, has_body, line, .. } = exchange;
        if let Some(len) = line {
            self.transmit.commit_line(len);
        }
        self.change_stream(if expect.kind == Some(Kind::Quit) { Stream::Quitting } else { Stream::Open });
        let seq = self.push_slot(expect, has_body);
        Ticket::new(self.identity, seq, R::decode)
    }

    /// Goes from one state of the stream to another, neither of them poisoned: there is nothing to drop.
    #[inline(always)]
    fn change_stream(&mut self, stream: Stream) {
        mem::forget(mem::replace(&mut self.stream, stream));
    }
}

#[cold]
fn decode_failed(expect: &Expect, error: DecodeError) -> Box<Error> {
    Box::new(Error::from_decode(expect.command, expect.about(), error))
}
