//! One connection for many tasks: what of it is not I/O.
//!
//! ```text
//!   task ── call ──▶ ┌───────────────────────┐
//!   task ── call ──▶ │ room ▶ the connection │ ◀── write, flush, read ── SharedDriver ◀──▶ stream
//!   task ◀─ reply ── │        answers        │
//!                    └───────────────────────┘
//! ```
//!
//! Calls queue their requests in the connection themselves, under a lock, and the driver, a future of its own, writes
//! what has gathered: many calls, one write. Two lines of waiting calls are kept. **Room** holds those that a limit keeps
//! from sending; they go first come, first served. **Answers** holds those that have been sent; replies come in that
//! order, so the front of the line is always the next to be answered, and the first to be late.
//!
//! # The tube in use
//!
//! Tasks share the connection, and so the one tube it uses. A call about a tube therefore brings its tube with it: `use`
//! is sent just ahead of the command, in the same step, unless the tube is in use already. Should a `use` be refused, the
//! calls that relied on it learn in which tube their command ran instead, and what it did there.

mod driver;
mod line;

pub use driver::SharedDriver;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    mem,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::driver::{Driver, PollTransport};
use beanstalk_proto::{
    Argument, ArgumentError, CommandError, Error, Expect, Instant, Instead, Job, Kind, Lost, Reply, Request, SendError,
    Sharing, TubeArg, TubeName, Use, Wait,
    client::{Config, Connection, SendOptions, Ticket, TicketId, Timeout},
};
use line::Line;

/// A connection that tasks share: cheap to clone, one clone for each task.
///
/// Calls make progress only while its [`SharedDriver`] is polled.
#[derive(Debug)]
pub struct Shared {
    state: Arc<SharedState>,
    /// What each call may take.
    timeout: Timeout,
}

impl Shared {
    /// A fresh connection over this transport, and the future that moves its bytes.
    pub fn new<T: PollTransport>(config: Config, transport: T) -> (Self, SharedDriver<T>) {
        Self::of(Driver::new(Connection::new(config), transport))
    }

    /// A connection that uses the tube `default` and on which nothing is in flight, and the future that moves its bytes.
    pub fn of<T: PollTransport>(driver: Driver<T>) -> (Self, SharedDriver<T>) {
        let (connection, link) = driver.into_parts();
        let clock = Box::new(link.transport.clock());
        let state = State {
            connection,
            handles: 1,
            driver: None,
            woken: Vec::new(),
            room: Line::default(),
            answers: Line::default(),
            next_in_room: 0,
            used: Some(Arc::new(Used { tube: TubeName::default(), refused: OnceLock::new() })),
            confirmed: TubeName::default(),
            uses: VecDeque::new(),
        };
        let state = Arc::new(SharedState { state: Mutex::new(state), clock });
        let driver = SharedDriver::new(Arc::clone(&state), link);
        (Self { state, timeout: Timeout::Default }, driver)
    }

    /// Returns a handle of the same connection whose calls have so long for their replies, and for finding room before.
    #[must_use]
    pub fn with_timeout(&self, timeout: Timeout) -> Self {
        let mut handle = self.clone();
        handle.timeout = timeout;
        handle
    }

    /// Sends a request that has nothing to do with the connection's tubes, and waits for its reply.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::NotShareable`] if it waits or depends on a tube; everything that [`Error`] lists.
    pub async fn call<R: Request>(&self, request: R) -> Result<R::Reply, Error> {
        self.run(None, request).await
    }

    /// Sends a request about the tube in use, with `use` ahead of it if another is in use, and waits for its reply.
    ///
    /// # Errors
    ///
    /// As [`Shared::call`], and [`Error::UseRefused`].
    pub async fn call_in<R: Request>(&self, tube: impl Argument<TubeArg<'_>>, request: R) -> Result<R::Reply, Error> {
        let tube = tube.into_argument().to_name()?;
        self.run(Some(tube), request).await
    }

    /// See [`Connection::take_orphaned`].
    pub fn take_orphaned(&self) -> Vec<Job> {
        self.state.with(|state| state.connection.take_orphaned())
    }

    async fn run<R: Request>(&self, tube: Option<TubeName>, request: R) -> Result<R::Reply, Error> {
        let expect = request.expect();
        check_shareable(&expect, tube.is_some())?;
        let mut request = Some(request);
        let waited = self.state.duration_of(self.timeout);
        let until = waited.map(|waited| (self.state.clock)() + waited);
        let waited = waited.unwrap_or_default();
        let mut turn = Turn { state: &self.state, number: None, timeout: self.timeout, waited, until };
        let (ticket, used) = poll_fn(|cx| turn.poll(&expect, tube.as_ref(), &mut request, cx)).await?;
        drop(turn);
        let mut waiting = Waiting { state: &self.state, ticket: Some(ticket) };
        let reply = poll_fn(|cx| waiting.poll(cx)).await?;
        match used.as_ref().and_then(|used| used.refused.get().map(|refusal| (used, refusal))) {
            Some((used, (error, ran_in))) => Err(Error::UseRefused {
                tube: used.tube.clone(),
                error: *error,
                ran_in: ran_in.clone(),
                reply: Box::new(reply),
            }),
            None => R::decode(reply).map_err(|error| Error::from_decode(expect.command(), expect.about(), error)),
        }
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        self.state.with(|state| state.handles = state.handles.saturating_add(1));
        Self { state: Arc::clone(&self.state), timeout: self.timeout }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.state.with(|state| {
            state.handles = state.handles.saturating_sub(1);
            if state.handles == 0 {
                state.wake_driver();
            }
        });
    }
}

fn check_shareable(expect: &Expect, in_tube: bool) -> Result<(), ArgumentError> {
    let sharing = expect.kind().map_or(Sharing::AsIs, beanstalk_proto::Kind::sharing);
    let instead = match (sharing, expect.kind()) {
        (Sharing::AsIs, _) if expect.waits() == Wait::No => return Ok(()),
        (Sharing::InTube(_), _) if in_tube && expect.waits() == Wait::No => return Ok(()),
        (Sharing::InTube(method), _) => Instead::InTube(method),
        (_, Some(Kind::Use | Kind::ListTubeUsed)) => Instead::TubeOfEachCall,
        (_, Some(Kind::Quit)) => Instead::Drop,
        _ => Instead::Client,
    };
    Err(ArgumentError::NotShareable { command: expect.command(), instead })
}

/// A `use` that was sent, for the calls that rely on it.
#[derive(Debug)]
struct Used {
    tube: TubeName,
    /// If the server refused: what it said, and the tube that stayed in use.
    refused: OnceLock<(CommandError, TubeName)>,
}

struct SharedState {
    state: Mutex<State>,
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState").field("state", &self.state).finish_non_exhaustive()
    }
}

impl SharedState {
    /// Does something under the lock, and wakes whom it concerns when the lock is free again.
    fn with<X>(&self, act: impl FnOnce(&mut State) -> X) -> X {
        let mut state = self.state.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            // Somebody's request panicked while it wrote itself: half of it may be queued.
            let mut state = poisoned.into_inner();
            state.connection.abort();
            state
        });
        let result = act(&mut state);
        let woken = mem::take(&mut state.woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        result
    }

    fn duration_of(&self, timeout: Timeout) -> Option<Duration> {
        match timeout {
            Timeout::Default => self.with(|state| state.connection.config().reply_timeout),
            Timeout::None => None,
            Timeout::After(timeout) => Some(timeout),
        }
    }
}

struct State {
    connection: Connection,
    /// How many [`Shared`] there are.
    handles: usize,
    /// The driver, if it sleeps.
    driver: Option<Waker>,
    /// Whom to wake once the lock is free.
    woken: Vec<Waker>,
    /// Calls whose requests were not sent yet.
    room: Line<u64>,
    /// Calls that wait for their replies.
    answers: Line<TicketId>,
    next_in_room: u64,
    /// The tube in use once everything sent has been answered; `None` if that is unknown.
    used: Option<Arc<Used>>,
    /// The tube in use as far as replies have come.
    confirmed: TubeName,
    /// Each `use` that was sent and not answered yet.
    uses: VecDeque<(Ticket<()>, Arc<Used>)>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl State {
    fn wake_driver(&mut self) {
        self.woken.extend(self.driver.take());
    }

    /// Queues a request, and a `use` ahead of it if it needs one. One request over the limits is let pass: who calls
    /// this has made sure that there was room.
    #[allow(clippy::type_complexity, reason = "two results that are taken apart at once")]
    fn send<R: Request>(
        &mut self,
        now: Instant,
        tube: Option<&TubeName>,
        request: R,
        timeout: Timeout,
    ) -> Result<(Ticket<Reply>, Option<Arc<Used>>), SendError> {
        self.wake_driver();
        let used = match tube {
            Some(tube) => Some(self.use_tube(now, tube, timeout)?),
            None => None,
        };
        let ticket = self.send_now(now, request, timeout)?;
        self.answers.push(ticket.id(), None, None);
        Ok((ticket.untyped(), used))
    }

    fn send_now<R: Request>(
        &mut self,
        now: Instant,
        request: R,
        timeout: Timeout,
    ) -> Result<Ticket<R::Reply>, SendError> {
        self.connection.send_with(now, request, SendOptions::default().timeout(timeout).beyond_limits())
    }

    fn use_tube(&mut self, now: Instant, tube: &TubeName, timeout: Timeout) -> Result<Arc<Used>, SendError> {
        if let Some(used) = self.used.as_ref().filter(|used| used.tube == *tube) {
            return Ok(Arc::clone(used));
        }
        let ticket = self.send_now(now, Use::new(tube), timeout)?;
        let used = Arc::new(Used { tube: tube.clone(), refused: OnceLock::new() });
        self.uses.push_back((ticket, Arc::clone(&used)));
        self.used = Some(Arc::clone(&used));
        Ok(used)
    }

    /// Takes the answers to `use` as they come; they are here before those of the commands behind them.
    fn settle_uses(&mut self) {
        while let Some((ticket, used)) = self.uses.front_mut() {
            match self.connection.poll_reply(ticket) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => self.confirmed = used.tube.clone(),
                Poll::Ready(Err(Error::Command { error, .. })) => {
                    let _first = used.refused.set((error, self.confirmed.clone()));
                    if self.used.as_ref().is_some_and(|last| Arc::ptr_eq(last, used)) {
                        self.used = None;
                    }
                }
                // The connection has ended; so do the calls that rely on it.
                Poll::Ready(Err(_)) => {}
            }
            self.uses.pop_front();
        }
    }

    /// Wakes those whose replies are here, and who is first in line if there is room.
    fn wake_answered(&mut self) {
        self.settle_uses();
        self.answers.release(|id| self.connection.is_ready(id), &mut self.woken);
        match self.connection.is_ended() {
            true => self.room.release(|_| true, &mut self.woken),
            false => self.wake_room(),
        }
    }

    /// When the connection is given up, for no reply came in twice the time that the next may take: nobody has to wait for it.
    fn silent_until(&self) -> Option<Instant> {
        Some(self.connection.reply_due()? + self.connection.config().reply_timeout?)
    }

    fn wake_room(&mut self) {
        let limits = self.connection.config().limits;
        if self.connection.in_flight() < limits.in_flight && self.connection.queued() < limits.queued {
            self.room.wake_first(&mut self.woken);
        }
    }
}

/// A call that has not sent its request yet. Leaves the line when it is dropped.
struct Turn<'h> {
    state: &'h SharedState,
    number: Option<u64>,
    timeout: Timeout,
    /// As long as that is, and when it is over.
    waited: Duration,
    until: Option<Instant>,
}

impl Turn<'_> {
    #[allow(clippy::type_complexity, reason = "two results that are taken apart at once")]
    fn poll<R: Request>(
        &mut self,
        expect: &Expect,
        tube: Option<&TubeName>,
        request: &mut Option<R>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Ticket<Reply>, Option<Arc<Used>>), Error>> {
        let now = (self.state.clock)();
        self.state.with(|state| {
            if self.number.is_some() && self.until.is_some_and(|until| until <= now) {
                let (command, subject, lost) = (expect.command(), expect.about(), Lost::NotSent);
                return Poll::Ready(Err(Error::TimedOut { command, subject, waited: self.waited, lost }));
            }
            let first = state.room.first().is_none_or(|first| Some(first) == self.number);
            match (state.connection.check_send(expect), first) {
                (Err(SendError::Full(_)), _) | (Ok(()), false) => {}
                (Err(error), _) => return Poll::Ready(Err(error.into())),
                (Ok(()), true) => {
                    let Some(request) = request.take() else { return Poll::Pending };
                    return Poll::Ready(state.send(now, tube, request, self.timeout).map_err(Error::from));
                }
            }
            match self.number {
                Some(number) => state.room.wait(number, cx.waker()),
                None => {
                    let number = state.next_in_room;
                    state.next_in_room = number.saturating_add(1);
                    state.room.push(number, self.until, Some(cx.waker().clone()));
                    self.number = Some(number);
                    // It has the timer.
                    state.wake_driver();
                }
            }
            Poll::Pending
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.state.with(|state| {
                state.room.leave(number);
                state.wake_room();
            });
        }
    }
}

/// A call whose request was sent. Abandons it when it is dropped.
struct Waiting<'h> {
    state: &'h SharedState,
    ticket: Option<Ticket<Reply>>,
}

impl Waiting<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Error>> {
        let Some(ticket) = &mut self.ticket else { return Poll::Pending };
        let id = ticket.id();
        let result = self.state.with(|state| match state.connection.poll_reply(ticket) {
            Poll::Ready(result) => {
                state.answers.leave(id);
                state.wake_room();
                Poll::Ready(result)
            }
            Poll::Pending => {
                state.answers.wait(id, cx.waker());
                Poll::Pending
            }
        });
        if let Poll::Ready(Ok(_)) = result {
            self.ticket = None;
        }
        result
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.state.with(|state| {
                state.answers.leave(ticket.id());
                state.connection.abandon(ticket);
                state.wake_room();
            });
        }
    }
}
