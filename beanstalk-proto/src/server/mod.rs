//! The server's side of a connection: bytes in, commands out; replies in, bytes out.
//!
//! A [`Connection`] does no I/O and has no jobs. A driver follows one rule: **after every call that changes
//! it, take events until there are none, write what [`Connection::transmit`] holds, and read only while
//! [`Connection::wants_input`] is true.** The server's side has no timeouts of its own: how long a command may stay unanswered is the
//! server's business.
//!
//! ```text
//!            ┌────────────────────────── respond ──────────────────────────┐
//!            ▼                                                             │
//!   ┌──── Line ── a command without a body ─────────────▶ Command ──▶ Unanswered
//!   │      │ │ └─ a line that makes no sense ───────────▶ Refused ──────▲ ▲
//!   │      │ └─── more than 224 bytes ──▶ Skip ── CRLF ─▶ Refused ──────┤ │
//!   │      └───── put ─▶ PutAnnounced ─┬▶ Body ── CRLF ─▶ Command ──────┼─┘
//!   │                                  │      └ no CRLF ▶ Refused ──────┤
//!   │                                  └▶ Discard (too big) ▶ Refused ──┘
//!   └ quit, or the input has ended ─▶ Closing ── everything was written ─▶ Closed
//! ```
//!
//! It parses nothing while a command is unanswered, as beanstalkd does not; but it takes input until its buffer is full (8 KiB), so that the end of
//! a peer shows while its reserve waits. While more bytes wait to be written than [`Config::max_backlog`] it takes none: a peer that
//! does not read its replies is not listened to.
//!
//! ```
//! use beanstalk_proto::{Command, JobId, Reply, server::{Config, Connection, Event}};
//!
//! let mut connection = Connection::new(Config::default());
//! let bytes = b"delete 7\r\n";
//! connection.receive_buf()[..bytes.len()].copy_from_slice(bytes);
//! connection.received(bytes.len());
//!
//! assert_eq!(connection.poll_event(), Some(Event::Command(Command::Delete { id: JobId(7) })));
//! connection.respond(Reply::NotFound);
//! assert_eq!(connection.transmit().collect::<Vec<_>>().concat(), b"NOT_FOUND\r\n");
//! ```

use alloc::vec::Vec;
use core::mem;

use crate::{
    command::{self, Command, Dialect, Line, Refused},
    frame::Framer,
    reply::{MAX_LINE, Reply},
    table::Kind,
    transmit::{Segments, Transmit},
};

/// A server's limits for one connection, and the release that it speaks as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The longest body taken, in bytes: 65535 unless changed, and at most 2^30 on real servers. A longer one is thrown
    /// away as it arrives and refused with `JOB_TOO_BIG`.
    pub max_job_size: u32,
    /// While more bytes than this wait to be written, nothing is read or parsed: 256 KiB unless changed. One reply may
    /// go over it, so that a large job can be sent at all.
    pub max_backlog: usize,
    /// The release to read numbers like.
    pub dialect: Dialect,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_job_size: 65535, max_backlog: 256 * 1024, dialect: Dialect::default() }
    }
}

/// What a peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The line of a `put` was read and its body is on the way. Not to be answered: [`Event::Command`] or
    /// [`Event::Refused`] follows, or the connection ends.
    ///
    /// beanstalkd counts the command now, and unless the job is too big, gives it an id and makes the connection a
    /// producer.
    PutAnnounced {
        /// Whether the body is over [`Config::max_job_size`] and is being thrown away.
        too_big: bool,
    },
    /// A whole command. It must be answered, now or later, with [`Connection::respond`].
    Command(Command),
    /// A command that cannot be run. It must be answered: with the reply that is in it, or, by a proxy that has passed the line on, with what came
    /// back.
    Refused(Refused),
    /// The peer will send nothing more. Comes once, also while a command is unanswered: a reserve that waits is to be
    /// answered with `TIMED_OUT`. Commands that arrived before the end may still follow.
    HalfClosed,
    /// The connection is over and everything was written: close the transport. Nothing follows.
    Closed,
}

/// What the connection waits for.
#[derive(Debug)]
enum State {
    Line,
    /// The rest of a line that is too long.
    Skip,
    /// The body of this `put`.
    Body(Command),
    /// The rest of a body that is too big.
    Discard,
    /// The answer to a command.
    Unanswered,
    /// The transport, to write what is left.
    Closing,
    Closed,
}

/// One connection, seen from the server: received bytes and replies go in, commands and bytes to send come out.
///
/// The page of [the module](self) has the rule that a driver follows, the states, and an example.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    state: State,
    input: Framer,
    /// The input has ended.
    eof: bool,
    /// ... and this was not returned yet.
    eof_untold: bool,
    transmit: Transmit,
    /// Where reply lines are put together.
    line: Vec<u8>,
}

impl Connection {
    /// Makes a connection that was just accepted.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Line,
            input: Framer::default(),
            eof: false,
            eof_untold: false,
            transmit: Transmit::default(),
            line: Vec::new(),
        }
    }

    /// Returns whether bytes should be read from the transport. If not, [`receive_buf`](Self::receive_buf) may be empty. Also while a command is
    /// unanswered, until the buffer is full.
    ///
    /// Ask again after `poll_event`, `respond` and `transmitted`.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let reads = !matches!(self.state, State::Closing | State::Closed) && !self.input.is_full();
        reads && !self.eof && !self.is_backlogged()
    }

    /// Returns where the next bytes from the transport go: the connection's own buffer, or for a large body the place where it
    /// will stay.
    #[must_use]
    pub fn receive_buf(&mut self) -> &mut [u8] {
        self.input.receive_buf()
    }

    /// Reports that `n` bytes were written to what [`receive_buf`](Self::receive_buf) has lent.
    ///
    /// # Panics
    ///
    /// With debug assertions, if it has lent less, or the read was reported before. Without, that ends the connection: what was read is
    /// unknown.
    pub fn received(&mut self, n: usize) {
        if !self.input.received(n) {
            self.overreported(n);
        }
    }

    /// Hands over bytes that the transport has read to a place of its own, as many as there is room for, and returns how many.
    #[must_use]
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let n = self.input.copy(bytes);
        self.received(n);
        n
    }

    /// Reports that the peer will send nothing more. What has arrived before counts first.
    pub fn received_eof(&mut self) {
        self.eof_untold |= !self.eof;
        self.eof = true;
    }

    /// Reports that the transport has failed: [`Event::Closed`] comes next, and nothing after it.
    pub fn abort(&mut self) {
        if !matches!(self.state, State::Closed) {
            self.transmit = Transmit::default();
            self.state = State::Closing;
        }
    }

    #[cold]
    fn overreported(&mut self, n: usize) {
        debug_assert!(false, "{n} bytes were reported where there was less room");
        self.abort();
    }

    /// Returns what the peer did next, as far as it is known and may be looked at.
    ///
    /// Poll again after `received`, `received_eof`, `respond` and `transmitted`, and until there is nothing.
    pub fn poll_event(&mut self) -> Option<Event> {
        if mem::take(&mut self.eof_untold) && !matches!(self.state, State::Closing | State::Closed) {
            return Some(Event::HalfClosed);
        }
        if !matches!(self.state, State::Closing) && self.is_backlogged() {
            return None;
        }
        let event = match self.state {
            State::Line => self.poll_line(),
            State::Skip => self.poll_skip(),
            State::Body(_) | State::Discard => self.poll_body(),
            State::Unanswered | State::Closed => return None,
            State::Closing => None,
        };
        if event.is_none() && self.eof {
            // What is left is not a whole command and never will be.
            self.state = State::Closing;
        }
        match self.state {
            State::Closing if self.transmit.unwritten() == 0 => {
                self.state = State::Closed;
                Some(Event::Closed)
            }
            _ => event,
        }
    }

    /// Answers the command that [`poll_event`](Self::poll_event) gave last. Does nothing if none is unanswered.
    ///
    /// A large body moves into the outbound queue and is written from there.
    pub fn respond(&mut self, reply: Reply) {
        if !matches!(self.state, State::Unanswered) {
            return;
        }
        self.state = State::Line;
        self.line.clear();
        reply.encode_line(&mut self.line);
        self.transmit.push_line(&self.line);
        if let Some(body) = reply.into_body() {
            self.transmit.push_body(body);
        }
    }

    /// Returns whether a command waits for its answer.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Unanswered)
    }

    /// Returns whether [`Event::Closed`] was given.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns what waits to be written, in order, for one vectored write.
    #[must_use]
    pub fn transmit(&self) -> Segments<'_> {
        self.transmit.segments()
    }

    /// Returns whether something waits to be written.
    #[must_use]
    pub const fn wants_transmit(&self) -> bool {
        self.transmit.queued() > 0
    }

    /// Reports that the first `n` bytes of [`transmit`](Self::transmit), or of what [`take_transmit`](Self::take_transmit) gave, were written.
    ///
    /// # Panics
    ///
    /// With debug assertions, if there are not so many. Without, that ends the connection.
    pub fn transmitted(&mut self, n: usize) {
        if !self.transmit.advance(n) {
            self.overreported(n);
        }
    }

    /// Takes the next bytes to be written, for I/O that wants to own them: a large body in its own allocation, or all lines and small
    /// bodies up to one. `None` if there are none. Report them with [`transmitted`](Self::transmitted) when they are written.
    pub fn take_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.take()
    }

    /// Returns how many bytes were not written yet.
    #[must_use]
    pub const fn backlog(&self) -> usize {
        self.transmit.unwritten()
    }

    const fn is_backlogged(&self) -> bool {
        self.transmit.unwritten() > self.config.max_backlog
    }

    fn poll_line(&mut self) -> Option<Event> {
        let Some(len) = self.input.find_line() else {
            if self.input.unread().len() < MAX_LINE {
                return None;
            }
            self.state = State::Skip;
            return self.poll_skip();
        };
        if len > MAX_LINE {
            self.input.consume(len);
            return Some(self.refuse(Refused::bad_format()));
        }
        let line = self.input.unread().get(..len.saturating_sub(2)).unwrap_or_default();
        let parsed = command::parse(line, self.config.dialect).map_err(|refused| refused.of_line(line));
        let line = match &parsed {
            Ok(Line { trailing: true, .. }) => line.to_vec(),
            _ => Vec::new(),
        };
        self.input.consume(len);
        Some(match parsed {
            Err(refused) => self.refuse(refused),
            Ok(Line { command: Command::Quit, .. }) => {
                self.state = State::Closing;
                return None;
            }
            Ok(Line { command, body: None, .. }) => {
                self.state = State::Unanswered;
                Event::Command(command)
            }
            Ok(Line { body: Some(bytes), .. }) if bytes > self.config.max_job_size => {
                self.input.start_body(bytes.into(), false);
                self.state = State::Discard;
                Event::PutAnnounced { too_big: true }
            }
            // The server looks at the size first.
            Ok(Line { command, trailing: true, .. }) => {
                self.refuse(Refused { kind: Some(command.kind()), counted: true, line, ..Refused::bad_format() })
            }
            Ok(Line { command, body: Some(bytes), .. }) => {
                self.input.start_body(bytes.into(), true);
                self.state = State::Body(command);
                Event::PutAnnounced { too_big: false }
            }
        })
    }

    /// Drops a line that is too long, but for a CR that its LF may follow.
    fn poll_skip(&mut self) -> Option<Event> {
        if let Some(len) = self.input.find_line() {
            self.input.consume(len);
            return Some(self.refuse(Refused::bad_format()));
        }
        let unread = self.input.unread();
        let kept = usize::from(unread.last() == Some(&b'\r'));
        let dropped = unread.len().saturating_sub(kept);
        self.input.consume(dropped);
        None
    }

    fn poll_body(&mut self) -> Option<Event> {
        let whole = self.input.poll_body()?;
        Some(match mem::replace(&mut self.state, State::Unanswered) {
            State::Body(mut command) if whole.trailer_ok => {
                command.set_body(whole.bytes);
                Event::Command(command)
            }
            State::Body(_) => self.refuse_put(Reply::ExpectedCrlf),
            _ => self.refuse_put(Reply::JobTooBig),
        })
    }

    fn refuse_put(&mut self, reply: Reply) -> Event {
        self.refuse(Refused { kind: Some(Kind::Put), reply, ..Refused::bad_format() })
    }

    fn refuse(&mut self, refused: Refused) -> Event {
        self.state = State::Unanswered;
        Event::Refused(refused)
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
mod tests;
