//! The driver over a transport that does anything: short reads and writes, Pending anywhere, errors, ends, bytes of nobody's, more
//! reported than there was room for, panics; while calls are polled as often as the fuzzer likes, and dropped.
//!
//! The server gets whole commands, each once and in order. Every call gets the reply that the server gave to it. A future is pending
//! only while a read is, so that it is woken; a poll comes to an end. Once the transport has failed, ended, reported too much or
//! panicked, the connection has ended, every call is ready with an error, and nothing more is written. On an honest transport at last,
//! polled only when a read or the timer would wake it, every call ends, and so does the connection.

mod wire;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_driver::Driver;
use beanstalk_proto::{
    Command, Error, JobId, Priority, Reply,
    client::{Config, Connection, Limits, Ticket, Timeout},
};

use self::wire::{LARGE, Wire, answer_to, body_to_put, job};
use crate::source::Source;

const MOST_STEPS: usize = 200;

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let limits =
        Limits { in_flight: source.pick(&[1, 3, 100]), queued: source.pick(&[1, 100, 20_000]), ..Limits::default() };
    let wire = Wire::new(source);
    let connection = Connection::new(Config { limits, ..Config::default() });
    let mut run = Run { driver: Driver::new(connection, wire.clone()), wire, numbers: 0, tickets: Vec::new() };
    for _ in 0..MOST_STEPS {
        if run.wire.0.borrow().source.is_empty() {
            break;
        }
        run.step();
    }
    run.finish();
}

struct Run<'a> {
    driver: Driver<Wire<'a>>,
    wire: Wire<'a>,
    numbers: u32,
    tickets: Vec<(Ticket<Reply>, Command)>,
}

/// Polls without end: for as long as something wakes the future.
const PATIENT: usize = usize::MAX;
/// How often a patient caller's timer goes off before its call is over.
const MOST_TIMERS: usize = 100;

impl<'a> Run<'a> {
    fn u8(&self) -> u8 {
        self.wire.0.borrow_mut().source.u8()
    }

    fn step(&mut self) {
        let (what, polls) = (self.u8(), usize::from(self.u8() % 8));
        match what % 12 {
            0..4 => {
                let command = self.command();
                self.call(command, polls);
            }
            4 | 5 => {
                let command = self.command();
                let driver = &mut self.driver;
                if let Some(Some(result)) = poll(&self.wire, polls, driver.send(command.clone())) {
                    match result {
                        Ok(ticket) => self.tickets.push((ticket, command)),
                        Err(error) => self.check_error(&error),
                    }
                }
            }
            6 => {
                if let Some((ticket, command)) = self.tickets.pop() {
                    let polled = poll(&self.wire, polls, self.driver.reply(ticket));
                    self.check(polled, &command);
                }
            }
            7 => {
                let (one, two) = (self.command(), self.command());
                let polled = poll(&self.wire, polls, self.driver.call_both(one.clone(), two.clone()));
                match polled {
                    Some(Some(Ok((first, second)))) => {
                        self.check(Some(Some(first)), &one);
                        self.check(Some(Some(second)), &two);
                    }
                    Some(Some(Err(error))) => self.check_error(&error),
                    _ => {}
                }
            }
            8 => self.call_all(polls),
            9 => {
                self.wire.advance(u64::from(self.u8()) * 40);
                let jobs = self.u8();
                self.wire.0.borrow_mut().no_jobs = jobs & 1 == 1;
            }
            10 => {
                let driver = &mut self.driver;
                let closed = poll(&self.wire, 1, async move { driver.is_closed() });
                if closed == Some(Some(true)) {
                    assert!(self.may_have_ended(), "it has ended for no reason");
                }
            }
            _ => {
                if let Some((ticket, _)) = self.tickets.pop() {
                    self.driver.abandon(ticket);
                }
                self.driver.set_timeout(Timeout::After(Duration::from_millis(1 + u64::from(self.u8()) * 40)));
                for orphan in self.driver.take_orphaned() {
                    self.check_reply(&Reply::Reserved(orphan), &Command::Reserve);
                }
            }
        }
        self.check_end();
    }

    fn command(&mut self) -> Command {
        self.numbers += 1;
        let n = self.numbers;
        match self.u8() % 8 {
            0 | 1 => Command::Kick { bound: n },
            2 | 3 => Command::Peek { id: JobId(n.into()) },
            4 | 5 => {
                // Rarely, since that costs as much as a whole input.
                let delay = if self.u8() == 7 { LARGE } else { 0 };
                Command::Put { priority: Priority(n), delay, ttr: 1, body: body_to_put(n, delay) }
            }
            6 => Command::Reserve,
            _ => Command::ReserveWithTimeout { timeout: n % 3 },
        }
    }

    fn call(&mut self, command: Command, polls: usize) {
        let polled = poll(&self.wire, polls, self.driver.call(command.clone()));
        self.check(polled, &command);
    }

    fn call_all(&mut self, polls: usize) {
        // One that waits for a job would keep the rest from being sent.
        let commands: Vec<_> =
            (0..self.u8() % 5).map(|_| self.command()).filter(|command| !is_reserve(command)).collect();
        let mut all = self.driver.call_all(commands.clone().into_iter());
        let mut results = Vec::new();
        for _ in 0..=commands.len() {
            match poll(&self.wire, polls, all.next()) {
                Some(Some(Some(result))) => results.push(result),
                Some(Some(None)) => {
                    assert_eq!(results.len(), commands.len(), "a request without a result");
                    break;
                }
                _ => break,
            }
        }
        drop(all);
        assert!(results.len() <= commands.len(), "more results than requests");
        for (result, command) in results.into_iter().zip(commands) {
            self.check(Some(Some(result)), &command);
        }
    }

    /// The result of a call, if it had one.
    fn check(&self, polled: Option<Option<Result<Reply, Error>>>, command: &Command) {
        match polled {
            Some(Some(Ok(reply))) => self.check_reply(&reply, command),
            Some(Some(Err(error))) => self.check_error(&error),
            _ => {}
        }
    }

    fn check_reply(&self, reply: &Reply, command: &Command) {
        if self.wire.0.borrow().garbled {
            return;
        }
        match (reply, is_reserve(command)) {
            (Reply::Reserved(given), true) => assert_eq!(*given, job(given.id.0)),
            (Reply::TimedOut, true) => {}
            (reply, _) => assert_eq!(*reply, answer_to(command), "another's reply"),
        }
    }

    fn check_error(&self, error: &Error) {
        match error {
            // On a whole connection only what is late, or was never sent.
            Error::TimedOut { .. } | Error::Full(_) | Error::ReserveWaiting => {}
            Error::Command { .. } => assert!(self.wire.0.borrow().garbled, "{error}"),
            error => assert!(self.may_have_ended(), "{error}"),
        }
    }

    fn may_have_ended(&self) -> bool {
        let world = self.wire.0.borrow();
        world.broken || world.garbled
    }

    /// What has broken stays so: no call waits, and nothing is written.
    fn check_end(&mut self) {
        if !self.wire.0.borrow().misused && !self.driver.is_ended() {
            return;
        }
        self.wire.0.borrow_mut().honest = true;
        let written = self.wire.0.borrow().written;
        let number = self.numbers;
        let polled = poll(&self.wire, 1, self.driver.call(Command::Kick { bound: number + 1 }));
        assert!(matches!(polled, Some(Some(Err(_)))), "{polled:?} on a connection that has ended");
        assert_eq!(self.wire.0.borrow().written, written, "written behind the end");
        assert!(self.driver.is_ended());
    }

    /// An honest transport at last: everything ends.
    fn finish(mut self) {
        {
            let mut world = self.wire.0.borrow_mut();
            (world.honest, world.no_jobs) = (true, false);
        }
        for (ticket, command) in std::mem::take(&mut self.tickets) {
            let polled = poll(&self.wire, PATIENT, self.driver.reply(ticket));
            // What looked like a job that is still to come keeps a reserve waiting.
            let waits = self.wire.0.borrow().garbled && is_reserve(&command);
            assert!(waits || matches!(polled, Some(Some(_))), "{command:?} is not answered");
            self.check(polled, &command);
        }
        self.numbers += 1;
        let last = Command::Kick { bound: self.numbers };
        let polled = poll(&self.wire, PATIENT, self.driver.call(last.clone()));
        assert!(matches!(polled, Some(Some(_))), "a call that nothing keeps waiting waits");
        if !self.may_have_ended() {
            assert!(matches!(polled, Some(Some(Ok(_) | Err(Error::TimedOut { .. })))), "{polled:?}");
        }
        self.check(polled, &last);
        let ended = self.driver.is_ended();
        let end = poll(&self.wire, PATIENT, self.driver.disconnect());
        match end {
            Some(Some(Ok(()))) => {}
            Some(Some(Err(error))) => assert!(ended || self.wire.0.borrow().garbled, "{error}"),
            other => panic!("{other:?}: it does not come to an end"),
        }
    }
}

fn is_reserve(command: &Command) -> bool {
    matches!(command, Command::Reserve | Command::ReserveWithTimeout { .. })
}

/// Polls a future so many times, or for as long as something wakes it. `None` if the transport made it panic.
fn poll<T>(wire: &Wire<'_>, polls: usize, future: impl Future<Output = T>) -> Option<Option<T>> {
    let mut future = pin!(future);
    let mut timers = 0;
    for _ in 0..polls {
        {
            let mut world = wire.0.borrow_mut();
            (world.calls, world.read_pending, world.timer_pending) = (0, false, false);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        wire.expect_no_panic();
        match polled {
            Ok(Poll::Ready(output)) => return Some(Some(output)),
            Ok(Poll::Pending) => assert!(wire.0.borrow().read_pending, "it waits, and no read will wake it"),
            Err(panic) if wire.0.borrow().misused => {
                drop(panic);
                return None;
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
        if polls == PATIENT {
            // Nothing is on its way, so that only time can wake it.
            if !wire.0.borrow().timer_pending {
                break;
            }
            wire.pass_to_timer();
            timers += 1;
            assert!(timers < MOST_TIMERS, "it never ends");
        }
    }
    Some(None)
}
