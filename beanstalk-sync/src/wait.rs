//! How a blocking client waits: for room, for a reply, for what may lie unread; and what it does when that takes too long.
//!
//! ```text
//!             ┌──────────────────────────────────────────────────┐
//!             ▼                                                  │
//!   look for the reply ── no ──▶ is a read due? ── no ──▶ write or read, no longer than what is left
//!             │ yes                   │ yes                      │
//!             ▼                       ▼                          │
//!           done             read, and let time count ───────────┘
//! ```

use std::{io, task::Poll, time::Duration};

use beanstalk_proto::{
    Error, Expect, Lost, Request, SendError,
    client::{SendOptions, Ticket},
};

use crate::{
    client::Client,
    transport::Transport,
    wire::{NOW, TURN, Wrote},
};

impl<T: Transport> Client<T> {
    /// Queues a request, once there is room for it.
    #[inline]
    pub(crate) fn queue<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        if self.connection.check_send(&request.expect()).is_err() {
            self.make_room(&request.expect())?;
        }
        self.send_now(request)
    }

    /// Queues a request however much is queued.
    pub(crate) fn send_now<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, Error> {
        if self.wire.is_lost() {
            self.connection.abort();
        }
        Ok(self.connection.send_with(self.wire.now(), request, SendOptions::default().beyond_limits())?)
    }

    /// Waits until sending makes sense, or no waiting will help.
    pub(crate) fn make_room(&mut self, expect: &Expect) -> Result<(), Error> {
        let until = self.connection.config().reply_timeout.map(|timeout| self.wire.now() + timeout);
        loop {
            let left = until.map(|until| until.saturating_duration_since(self.wire.now()));
            let moves = self.connection.wants_transmit() || self.connection.awaits_reply();
            let moved = match self.connection.check_send(expect) {
                Err(SendError::Full(_)) if moves && left != Some(Duration::ZERO) => {
                    self.wire.exchange(&mut self.connection, left).map(|()| true)
                }
                // Its job may be here, unread.
                Err(SendError::ReserveWaiting) => self.wire.read_once(&mut self.connection, Some(NOW)),
                _ => Ok(false),
            };
            match moved {
                Ok(true) => {}
                Ok(false) => return Ok(self.connection.check_send(expect)?),
                Err(error) => return Err(self.failed(error, Lost::NotSent)),
            }
        }
    }

    /// Waits for the reply.
    pub(crate) fn wait<R>(&mut self, mut ticket: Ticket<R>) -> Result<R, Error> {
        loop {
            if let Poll::Ready(result) = self.connection.poll_reply(&mut ticket) {
                return result;
            }
            if let Err(error) = self.advance() {
                return Err(self.broken(ticket, error));
            }
        }
    }

    /// Moves bytes, or time.
    pub(crate) fn advance(&mut self) -> io::Result<()> {
        self.move_on(false)
    }

    /// As [`Client::advance`], for whoever waits for nothing but that what is queued is written.
    pub(crate) fn write_out(&mut self) -> io::Result<()> {
        self.move_on(true)
    }

    fn move_on(&mut self, only_write: bool) -> io::Result<()> {
        let now = self.wire.now();
        let left = self.connection.poll_timeout().map(|at| at.saturating_duration_since(now));
        if self.connection.wants_read() || left == Some(Duration::ZERO) {
            self.wire.read_once(&mut self.connection, Some(NOW))?;
            self.connection.handle_timeout(now);
            return Ok(());
        }
        if !only_write {
            return self.wire.exchange(&mut self.connection, left);
        }
        match self.wire.write_some(&mut self.connection, left)? {
            Wrote::All | Wrote::Some => Ok(()),
            // The server may have to be read from before it reads on.
            Wrote::Nothing => self.wire.read_once(&mut self.connection, Some(TURN)).map(|_| ()),
        }
    }

    #[cold]
    pub(crate) fn broken<R>(&mut self, ticket: Ticket<R>, error: io::Error) -> Error {
        let error = self.failed(error, self.connection.lost(&ticket));
        self.connection.abandon(ticket);
        error
    }

    pub(crate) fn failed(&mut self, error: io::Error, lost: Lost) -> Error {
        self.connection.abort();
        Error::Io { error, lost }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it counts on")]

    use std::{
        collections::VecDeque,
        io::{Read, Write},
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use beanstalk_proto::{JobId, Lost, PutOutcome};

    use super::*;

    /// A transport that does what it is told, and then works.
    #[derive(Default)]
    struct Script {
        writes: VecDeque<Step>,
        flushes: VecDeque<Step>,
        reads: VecDeque<Step>,
        written: Vec<u8>,
        reply: &'static [u8],
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        AtMost(usize),
        Fail(io::ErrorKind),
        Panic,
    }

    /// How many bytes to move of so many.
    fn step(steps: &mut VecDeque<Step>, len: usize) -> io::Result<usize> {
        match steps.pop_front() {
            None => Ok(len),
            Some(Step::AtMost(most)) => Ok(len.min(most)),
            Some(Step::Fail(kind)) => Err(kind.into()),
            Some(Step::Panic) => panic!("as it was told"),
        }
    }

    impl Read for Script {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = step(&mut self.reads, buf.len().min(self.reply.len()))?;
            buf[..n].copy_from_slice(&self.reply[..n]);
            self.reply = &self.reply[n..];
            Ok(n)
        }
    }

    impl Write for Script {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let n = step(&mut self.writes, buf.len())?;
            self.written.extend_from_slice(&buf[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            step(&mut self.flushes, 0).map(|_| ())
        }
    }

    impl Transport for Script {
        fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }
    }

    fn client(writes: &[Step], flushes: &[Step], reads: &[Step], reply: &'static [u8]) -> Client<Script> {
        let [writes, flushes, reads] = [writes, flushes, reads].map(|steps| steps.iter().copied().collect());
        Client::from_stream(Script { writes, flushes, reads, written: Vec::new(), reply })
    }

    #[test]
    fn a_call_that_moves_in_pieces_is_the_same_call() {
        let again = Step::Fail(io::ErrorKind::Interrupted);
        for pieces in [&[][..], &[again], &[Step::AtMost(1)], &[Step::AtMost(5), again, Step::AtMost(9), again]] {
            for fallible in [&[][..], &[again]] {
                for body in [vec![b'x'; 10], vec![b'x'; 300], vec![b'x'; 10_000]] {
                    for (reply, outcome) in [
                        (&b"INSERTED 12345678\r\n"[..], PutOutcome::Inserted(JobId(12_345_678))),
                        (b"BURIED 7\r\n", PutOutcome::Buried(JobId(7))),
                    ] {
                        let mut client = client(pieces, fallible, pieces, reply);
                        assert_eq!(client.put(1, 0, 60, body.clone()).unwrap(), outcome, "{pieces:?}");
                        let line = format!("put 1 0 60 {}\r\n", body.len());
                        assert_eq!(client.get_ref().written, [line.as_bytes(), &body, b"\r\n"].concat(), "{pieces:?}");
                        assert_eq!(client.connection.in_flight(), 0);
                    }
                }
            }
        }
    }

    #[test]
    fn a_transport_that_fails_says_whether_the_request_can_have_run() {
        let fail = [Step::Fail(io::ErrorKind::BrokenPipe)];
        for (mut client, told) in [
            (client(&fail, &[], &[], b""), Lost::NotSent),
            (client(&[], &fail, &[], b""), Lost::Unknown),
            (client(&[], &[], &fail, b""), Lost::Unknown),
        ] {
            match client.delete(1) {
                Err(Error::Io { lost, .. }) => assert_eq!(lost, told),
                other => panic!("{other:?}"),
            }
            assert!(matches!(client.delete(2), Err(Error::Closed { lost: Lost::NotSent })));
        }
        let mut ended = client(&[], &[], &[], b"");
        assert!(matches!(ended.delete(1), Err(Error::Closed { lost: Lost::Unknown })));
    }

    #[test]
    fn nothing_is_sent_behind_a_call_that_panicked() {
        for mut client in [client(&[Step::Panic], &[], &[], b""), client(&[], &[], &[Step::Panic], b"DELETED\r\n")] {
            assert!(catch_unwind(AssertUnwindSafe(|| client.delete(1))).is_err());
            let written = client.get_ref().written.clone();
            assert!(matches!(client.delete(2), Err(Error::Closed { lost: Lost::NotSent })));
            assert_eq!(client.get_ref().written, written);
        }
    }
}
