//! Calls over a transport that follows a script.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test asserts what it counts on")]

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use beanstalk_sync::{Client, Error, JobId, Lost, PutOutcome, Transport};

/// A transport that follows its script, and then works.
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
                    assert_eq!(client.stream().written, [line.as_bytes(), &body, b"\r\n"].concat(), "{pieces:?}");
                }
            }
        }
    }
}

#[test]
fn a_failure_of_the_transport_shows_whether_the_request_can_have_run() {
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
        let written = client.stream().written.clone();
        assert!(matches!(client.delete(2), Err(Error::Closed { lost: Lost::NotSent })));
        assert_eq!(client.stream().written, written);
    }
}
