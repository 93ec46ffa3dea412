//! Many commands in flight on a connection, and on two at once.

use alloc::collections::VecDeque;
use core::{
    future::poll_fn,
    mem,
    task::{Context, Poll},
};

use crate::{
    driver::{Driver, PollTransport},
    policy::{Machine, Moving, Side},
};
use beanstalk_proto::{Error, Expect, Kind, Lost, Reply, client::Ticket};

/// Commands in flight at most, unless another number is given: so many fill a connection to a server that is a few milliseconds away.
pub(super) const WINDOW: usize = 512;

/// A connection, and the commands of a machine on it.
pub(super) struct Lane<'d, T: PollTransport> {
    driver: &'d mut Driver<T>,
    entries: VecDeque<Entry>,
    window: usize,
}

enum Entry {
    Sent(Ticket<Reply>),
    Refused(Error),
}

impl<'d, T: PollTransport> Lane<'d, T> {
    /// Waits until there is room for a command: what was abandoned before may take all of it.
    pub(super) async fn open(driver: &'d mut Driver<T>, window: usize) -> Result<Self, Error> {
        driver.make_room(Expect::of(Kind::Stats)).await?;
        Ok(Self { driver, entries: VecDeque::new(), window })
    }

    /// What it is about, while no command is in flight.
    pub(super) const fn driver(&mut self) -> &mut Driver<T> {
        self.driver
    }

    /// Sends commands until the window is full. While it is more than half full it does nothing, so that they go out many to a write.
    fn fill(&mut self, machine: &mut impl Machine, side: Side) {
        if self.entries.len() > self.window / 2 {
            return;
        }
        while self.entries.len() < self.window && (self.entries.is_empty() || self.driver.has_room_for_any()) {
            let Some(command) = machine.next_command(side) else { return };
            let sent = self.driver.start(command);
            self.entries.push_back(sent.map_or_else(Entry::Refused, Entry::Sent));
        }
    }

    /// Takes the results that are here.
    fn take(&mut self, machine: &mut Moving<'_>, side: Side, cx: &mut Context<'_>) -> bool {
        let mut taken = false;
        while machine.takes(side) && self.is_here() {
            match self.poll_next(cx) {
                Poll::Ready(result) => machine.handle_reply(side, result),
                Poll::Pending => return taken,
            }
            taken = true;
        }
        taken
    }

    /// Whether the oldest command's result is here.
    fn is_here(&self) -> bool {
        match self.entries.front() {
            Some(Entry::Sent(ticket)) => self.driver.is_here(ticket),
            Some(Entry::Refused(_)) => true,
            None => false,
        }
    }

    /// Moves bytes until the result of the oldest command is here. There is one.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Error>> {
        let result = match self.entries.front_mut() {
            Some(Entry::Sent(ticket)) => match self.driver.poll_reply(ticket, cx) {
                Poll::Ready(result) => result,
                Poll::Pending => return Poll::Pending,
            },
            Some(Entry::Refused(error)) => Err(mem::replace(error, Error::ReserveWaiting)),
            None => Err(Error::Closed { lost: Lost::NotSent }),
        };
        self.entries.pop_front();
        Poll::Ready(result)
    }

    /// Sends what the machine wants, and gives it a result. `false` at the end.
    pub(super) async fn step(&mut self, machine: &mut impl Machine) -> bool {
        poll_fn(|cx| {
            self.fill(machine, Side::From);
            if self.entries.is_empty() {
                return Poll::Ready(false);
            }
            self.poll_next(cx).map(|result| {
                machine.handle_reply(Side::From, result);
                true
            })
        })
        .await
    }
}

/// Sends what a move wants on both, and gives it results. `false` at the end.
pub(super) async fn step_both<F: PollTransport, T: PollTransport>(
    from: &mut Lane<'_, F>,
    to: &mut Lane<'_, T>,
    machine: &mut Moving<'_>,
) -> bool {
    poll_fn(|cx| {
        from.fill(machine, Side::From);
        to.fill(machine, Side::To);
        if from.entries.is_empty() && to.entries.is_empty() {
            return Poll::Ready(false);
        }
        let mut moved = from.take(machine, Side::From, cx) | to.take(machine, Side::To, cx);
        if moved {
            return Poll::Ready(true);
        }
        // Over a transport that blocks each waits until its own has come: the one that is written to last would wait for nothing.
        if !to.entries.is_empty() {
            moved |= to.poll_one(machine, Side::To, cx);
        }
        if !from.entries.is_empty() && machine.takes(Side::From) {
            moved |= from.poll_one(machine, Side::From, cx);
        }
        if moved { Poll::Ready(true) } else { Poll::Pending }
    })
    .await
}

impl<T: PollTransport> Lane<'_, T> {
    fn poll_one(&mut self, machine: &mut Moving<'_>, side: Side, cx: &mut Context<'_>) -> bool {
        match self.poll_next(cx) {
            Poll::Ready(result) => {
                machine.handle_reply(side, result);
                true
            }
            Poll::Pending => false,
        }
    }
}

/// What is in flight is finished by the next call on the connection, and its results are dropped.
impl<T: PollTransport> Drop for Lane<'_, T> {
    fn drop(&mut self) {
        for entry in self.entries.drain(..) {
            if let Entry::Sent(ticket) = entry {
                self.driver.abandon(ticket);
            }
        }
    }
}
