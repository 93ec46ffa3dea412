//! The short way of a call: one write, and one read that brings the reply.
//!
//! ```text
//!   write ──▶ flush ──▶ read ──▶ the result
//!     │ not all │ failed  │ late, failed, not whole, or another reply than nearly always
//!     └─────────┴────┬────┘
//!                    ▼
//!          leave: a ticket, and the loop of `wait.rs`
//! ```

use std::{
    io,
    task::Poll,
    time::{Duration, Instant},
};

use beanstalk_proto::{
    Error, Request,
    client::{Exchange, Ticket},
};

use crate::{client::Client, transport::Transport, wire::base};

/// How far an exchange came that goes on otherwise.
enum Came {
    /// The transport would not be set to the reply timeout.
    Unsettled(io::Error),
    /// One write is over.
    Wrote(io::Result<usize>),
    /// All was written, but not flushed.
    Unflushed(io::Error),
    /// All was written and flushed; something else has to be read first.
    Flushed,
    /// All was written and flushed, and one read is over.
    Read(io::Result<usize>),
}

impl<T: Transport> Client<T> {
    /// Writes the request, and reads its reply. The read waits no longer than any request that was just sent may take, so nothing
    /// need be known of deadlines, nor of the time, before it.
    #[inline(always)]
    pub(crate) fn exchange<R: Request>(&mut self, exchange: Exchange<R>) -> Result<R::Reply, Error> {
        if !self.wire.is_settled() {
            if let Err(error) = self.wire.settle(&self.connection) {
                return self.leave(exchange, Came::Unsettled(error));
            }
        }
        let (wrote, len) = match self.connection.exchange_line(&exchange) {
            Some(line) => (self.wire.transport.write(line), line.len()),
            None => (self.wire.write_once(&self.connection), self.connection.queued()),
        };
        match wrote {
            Ok(n) if n == len => {}
            wrote => return self.leave(exchange, Came::Wrote(wrote)),
        }
        if let Err(error) = self.wire.transport.flush() {
            return self.leave(exchange, Came::Unflushed(error));
        }
        self.connection.exchange_written(&exchange);
        let Some(buf) = self.connection.receive_buf_alone() else {
            return self.leave(exchange, Came::Flushed);
        };
        let read = self.wire.transport.read(buf);
        if let Ok(n) = read {
            match self.connection.received_in_exchange(n, &exchange) {
                Some(Ok(reply)) => return Ok(reply),
                Some(Err(error)) => return Err(*error),
                None => {}
            }
        }
        self.leave(exchange, Came::Read(read))
    }

    /// Goes on with a request as with any other.
    #[cold]
    #[inline(never)]
    fn leave<R: Request>(&mut self, exchange: Exchange<R>, came: Came) -> Result<R::Reply, Error> {
        let mut ticket = self.connection.leave_exchange(exchange);
        match self.waited(came) {
            Ok(waited) => match self.connection.poll_reply(&mut ticket) {
                Poll::Ready(result) => result,
                Poll::Pending => self.wait_on(ticket, waited),
            },
            Err(error) => Err(self.broken(ticket, error)),
        }
    }

    /// Waits for the reply to a request, when so much of the time that it may take is over at least.
    fn wait_on<R>(&mut self, ticket: Ticket<R>, waited: Duration) -> Result<R, Error> {
        let now = Instant::now();
        self.wait(ticket, now.checked_sub(waited).unwrap_or(now), now)
    }

    /// Tells the connection how far it came, and says how much is over of the time that the reply may take.
    fn waited(&mut self, came: Came) -> io::Result<Duration> {
        match came {
            Came::Unsettled(error) => Err(error),
            Came::Wrote(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Came::Wrote(Ok(n)) => {
                self.connection.transmitted(n);
                Ok(Duration::ZERO)
            }
            Came::Wrote(Err(error)) => self.unless_in_time(error),
            Came::Unflushed(error) => {
                self.connection.transmitted(usize::MAX);
                self.unless_in_time(error)
            }
            Came::Flushed => {
                self.written_out();
                Ok(Duration::ZERO)
            }
            Came::Read(read) => {
                self.written_out();
                match read {
                    Ok(0) => self.connection.received_eof(),
                    Ok(n) => self.connection.received(n),
                    Err(error) => return self.unless_in_time(error),
                }
                Ok(Duration::ZERO)
            }
        }
    }

    fn written_out(&mut self) {
        self.connection.transmitted(usize::MAX);
        self.connection.flushed();
    }

    /// What is over of the time that a reply may take, after something took as long as its timeout, or was interrupted.
    fn unless_in_time(&self, error: io::Error) -> io::Result<Duration> {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(base(&self.connection).unwrap_or_default()),
            io::ErrorKind::Interrupted => Ok(Duration::ZERO),
            _ => Err(error),
        }
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
                        assert!(client.connection.is_idle());
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
