//! How simulated clients behave.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use beanstalk_driver::{Block, Driver, PollTransport};
use beanstalk_proto::{
    Command, Error, Instant, Lost, Reply, Subject,
    client::{Connection, Ticket},
};

use super::{
    client::{Called, Client, REPLY_TIMEOUT},
    link::LinkId,
    stream::Stream,
    world::MAX_JOB_SIZE,
};

/// What a client is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// One call at a time, as a blocking caller.
    OneByOne,
    /// Batches of mixed commands, and requests whose replies it takes later.
    Pipelined,
    /// No driver at all: a loop of its own around the state machine.
    OwnLoop,
}

impl Style {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::OneByOne, Self::Pipelined, Self::OwnLoop];
}

/// Works until it is stopped, over as many connections as that takes.
pub(super) async fn live(mut client: Client, style: Style) {
    while !client.is_finishing() {
        client.rest().await;
        client.held.clear();
        if style == Style::OwnLoop {
            own_loop(&mut client).await;
            continue;
        }
        let Some((link, mut driver)) = client.sim.clone().connect(client.config) else { continue };
        while !client.is_finishing() && !client.rng.one_in(60) {
            let fatal = match style {
                Style::Pipelined if client.rng.one_in(2) => batch(&mut client, link, &mut driver).await,
                Style::Pipelined if client.rng.one_in(2) => later(&mut client, link, &mut driver).await,
                _ => one(&mut client, link, &mut driver).await,
            };
            if fatal {
                break;
            }
            if client.rng.one_in(4) {
                client.rest().await;
            }
        }
        if client.is_finishing() {
            client.finale(link, driver).await;
        } else if client.rng.one_in(2) {
            let _ = driver.disconnect().await;
        }
    }
}

/// One call. Says whether it was the last.
async fn one(client: &mut Client, link: LinkId, driver: &mut Driver<Stream>) -> bool {
    let command = if client.rng.one_in(3) { client.reserve() } else { client.command() };
    let called = client.call(link, driver, command).await;
    if let Called::Told(Ok(_)) = called {
        // Most jobs are done, so that there are never too many.
        if client.held.len() > 2 || client.rng.one_in(3) {
            if let Some(id) = client.held.pop() {
                return client.call(link, driver, Command::Delete { id }).await.is_fatal();
            }
        }
    }
    called.is_fatal()
}

/// A pipeline, perhaps not to its end.
async fn batch(client: &mut Client, link: LinkId, driver: &mut Driver<Stream>) -> bool {
    let commands: Vec<_> = (0..client.rng.between(2, 14))
        .map(|_| if client.rng.one_in(8) { client.reserve_for_a_while() } else { client.command() })
        .collect();
    let wanted = if client.rng.one_in(4) { client.rng.index(commands.len()) } else { commands.len() };
    let sim = client.sim.clone();
    let asked = sim.now();
    // Which of them were taken out, in order, and what they are in the log.
    let places = std::cell::RefCell::new(Vec::new());
    let log = std::rc::Rc::clone(&client.log);
    let noted = commands.into_iter().inspect(|command| {
        let waits = matches!(command, Command::Reserve | Command::ReserveWithTimeout { .. });
        places.borrow_mut().push((!waits).then(|| log.borrow_mut().ask(link, command.clone())));
    });
    let mut results = driver.call_all(noted);
    let mut fatal = false;
    for taken in 0..wanted {
        let (begun, stalled) = {
            let world = sim.world();
            (world.now, world.stalled)
        };
        let Some(result) = results.next().await else {
            sim.world().violate(format!("link {link}: a pipeline ended after {taken} results, before its {wanted}th"));
            return true;
        };
        client.check_time(begun, stalled, "one of a pipeline");
        fatal |= matches!(&result, Err(error) if error.is_fatal());
        let at = places.borrow().get(taken).copied();
        let Some(at) = at else {
            // After a failure what is left is not looked at any more.
            if !fatal {
                sim.world().violate(format!("link {link}: a result for a request that was never made"));
            }
            continue;
        };
        client.told(link, at, asked, &result);
    }
    fatal
}

/// Requests that are sent first, and whose replies are taken later and in any order, or never.
async fn later(client: &mut Client, link: LinkId, driver: &mut Driver<Stream>) -> bool {
    let mut tickets = Vec::new();
    let asked = client.sim.now();
    for _ in 0..client.rng.between(1, 6) {
        let command = if client.rng.one_in(6) { client.reserve_for_a_while() } else { client.command() };
        let at = client.ask(link, &command);
        match driver.send(command).await {
            Ok(ticket) => tickets.push((at, ticket)),
            Err(error) => {
                let fatal = error.is_fatal();
                client.told(link, at, asked, &Err(error));
                if fatal {
                    return true;
                }
            }
        }
    }
    let mut fatal = false;
    while !tickets.is_empty() {
        let (at, ticket) = tickets.swap_remove(client.rng.index(tickets.len()));
        if client.rng.one_in(5) {
            driver.abandon(ticket);
            continue;
        }
        let result = driver.reply(ticket).await;
        fatal |= matches!(&result, Err(error) if error.is_fatal());
        client.told(link, at, asked, &result);
    }
    fatal
}

impl Client {
    /// A reserve that others may stand behind.
    fn reserve_for_a_while(&mut self) -> Command {
        Command::ReserveWithTimeout { timeout: self.rng.below(2) as u32 }
    }
}

/// A connection without a driver.
struct Loop {
    connection: Connection,
    stream: Stream,
}

/// One connection's life, without a driver.
async fn own_loop(client: &mut Client) {
    let Some(stream) = Stream::connect(&client.sim) else { return };
    let link = stream.link();
    let mut own = Loop { connection: Connection::new(client.config), stream };
    let mut tickets: Vec<(Option<usize>, Instant, Ticket<Reply>)> = Vec::new();
    while !own.connection.is_ended() && !client.is_finishing() && !client.rng.one_in(100) {
        if client.rng.one_in(2) {
            let command = if client.rng.one_in(6) { client.reserve() } else { client.command() };
            let (at, asked) = (client.ask(link, &command), client.sim.now());
            match own.connection.send(own.stream.now(), command) {
                Ok(ticket) => tickets.push((at, asked, ticket)),
                Err(error) => client.told(link, at, asked, &Err(error)),
            }
            own.check_limits(client);
        } else if !tickets.is_empty() {
            let (at, asked, ticket) = tickets.swap_remove(client.rng.index(tickets.len()));
            let mut wait = Wait { ticket: Some(ticket), until: None };
            let after = match client.rng.below(5) {
                0 => Duration::ZERO,
                1 => Duration::from_millis(client.rng.between(1, 1000)),
                _ => Duration::from_secs(3600),
            };
            let sim = client.sim.clone();
            let result = match after.is_zero() {
                true => None,
                false => sim.cancel(poll_fn(|cx| own.poll_reply(&mut wait, cx)), after, u64::MAX).await,
            };
            if let Some(ticket) = wait.ticket {
                own.connection.abandon(ticket);
            }
            if let Some(result) = result {
                client.told(link, at, asked, &result);
            }
        } else {
            client.rest().await;
        }
    }
    for (_, _, ticket) in tickets {
        own.connection.abandon(ticket);
    }
    if client.is_finishing() && !own.connection.is_ended() {
        let Loop { connection, stream } = own;
        client.finale(link, Driver::new(connection, stream)).await;
    }
}

impl Loop {
    /// Writes what it can, and reads once.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let Self { connection, stream } = self;
        let mut moved = false;
        while connection.wants_transmit() && !connection.is_ended() {
            match stream.poll_write(cx, Block::No, connection.transmit()) {
                Poll::Ready(Ok(0)) => connection.received_eof(),
                Poll::Ready(Ok(n)) => connection.transmitted(n),
                Poll::Ready(Err(())) => return Poll::Ready(Err(())),
                Poll::Pending => break,
            }
            moved = true;
        }
        connection.flushed();
        if connection.is_ended() {
            return Poll::Ready(Ok(()));
        }
        match stream.poll_read(cx, Block::No, connection.receive_buf()) {
            Poll::Ready(Ok(0)) => connection.received_eof(),
            Poll::Ready(Ok(n)) => connection.received(stream.now(), n),
            Poll::Ready(Err(())) => return Poll::Ready(Err(())),
            Poll::Pending if moved => {}
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }

    fn poll_reply(&mut self, wait: &mut Wait, cx: &mut Context<'_>) -> Poll<Result<Reply, Error>> {
        loop {
            let Some(ticket) = &mut wait.ticket else { return Poll::Pending };
            if let Poll::Ready(result) = self.connection.poll_reply(ticket) {
                wait.ticket = None;
                return Poll::Ready(result);
            }
            match self.poll_io(cx) {
                Poll::Ready(Ok(())) if !self.connection.wants_read() => continue,
                Poll::Ready(Err(())) => {
                    self.connection.abort();
                    continue;
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            let now = self.stream.now();
            // Nor does it wait for a job without end.
            let until = *wait.until.get_or_insert(now + 2 * REPLY_TIMEOUT);
            let at = self.connection.poll_timeout().unwrap_or(until);
            if self.connection.wants_read() || at <= now {
                self.connection.handle_timeout(now);
                if self.connection.poll_timeout().is_some() {
                    continue;
                }
            }
            if now >= until && self.connection.poll_timeout().is_none() {
                let Some(ticket) = wait.ticket.take() else { return Poll::Pending };
                self.connection.abandon(ticket);
                return Poll::Ready(Err(Error::TimedOut {
                    command: "reserve",
                    subject: Subject::None,
                    waited: REPLY_TIMEOUT,
                    lost: Lost::Unknown,
                }));
            }
            self.stream.set_timer(at.max(now));
            ready!(self.stream.poll_timer(cx));
        }
    }

    /// What the connection holds is what it was allowed.
    fn check_limits(&self, client: &Client) {
        let (limits, requests, bytes) = (client.config.limits, self.connection.in_flight(), self.connection.queued());
        // One request may go over, and one of the connection's own for each of the caller's.
        if requests > 2 * limits.in_flight || bytes > limits.queued + 2 * MAX_JOB_SIZE as usize {
            let what = format!("link {}: {requests} requests and {bytes} bytes", self.stream.link());
            client.sim.world().violate(what);
        }
    }
}

/// The wait for one reply.
struct Wait {
    ticket: Option<Ticket<Reply>>,
    /// Until when it waits for what takes as long as it takes.
    until: Option<Instant>,
}
