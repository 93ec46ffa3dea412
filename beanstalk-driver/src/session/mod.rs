//! A client that outlives its connections: carries out what [`policy::Session`](crate::policy::Session) decides.

use alloc::boxed::Box;
use core::{fmt, mem, time::Duration};

mod held;
mod next_job;
mod reserved;
mod sent;

use crate::runtime::{Runtime, has_ended};
use crate::{
    connect::{ConnectOptions, Endpoint, Route},
    driver::Driver,
    observe, policy,
    policy::{Call, Event, IDLE, Next, Selection, SessionConfig, Step, Tubes},
};
use beanstalk_proto::{Command, Error, Instant, Lost, Request, client::Timeout};
pub use held::JobHandle;
pub use next_job::NextJob;
pub use reserved::ReservedJob;
pub use sent::Sent;

type OnEvent = Box<dyn FnMut(&Event) + Send>;

/// A client that connects again when its connection breaks, uses and watches the same tubes as before, and repeats what is
/// safe to repeat.
///
/// Every command of the protocol is a method. [`policy`](crate::policy) has the rules by which they are repeated:
/// reads, tube selections and reserves always, puts only if they were not sent, what is about a job by its number never. A reserve
/// is repeated with what is left of its timeout; what it may cost a job that the old connection has got is described there, too.
/// Jobs that are held go with the connection; [`Session::next_job`] gives handles that keep track of it.
///
/// Whatever breaks is noticed by the next call: nothing happens while none is awaited. A reply that does not come in time
/// counts as a broken connection.
pub struct Session<R: Runtime> {
    runtime: R,
    route: Route,
    options: ConnectOptions,
    machine: policy::Session,
    client: Option<Driver<R::Transport>>,
    on_event: Option<OnEvent>,
    /// When the last call ended.
    last: Instant,
    reclaim_jobs: bool,
    /// A selection whose call was dropped: the server may have agreed to it or not.
    dangling: Option<Selection>,
    /// What the next call may take.
    timeout: Timeout,
    /// When the next reserve of [`Session::next_job`] may be sent.
    reserve_from: Instant,
}

impl<R: Runtime> fmt::Debug for Session<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, machine, .. } = self;
        f.debug_struct("Session").field("server", route.endpoint()).field("machine", machine).finish_non_exhaustive()
    }
}

impl<R: Runtime> Session<R> {
    /// Connects to `host:port`, `[v6]:port` or `unix:/path`, once, with the default configurations.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, [`Error::Connect`] if no server answers there in time.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        Self::connect_with(address, ConnectOptions::default()).await
    }

    /// Connects once, with options for every connection of the session.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, there is no connection.
    ///
    /// # Errors
    ///
    /// As [`Session::connect`].
    pub async fn connect_with(address: &str, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        let mut session = Self::new(address, SessionConfig::default(), options)?;
        session.client = Some(session.runtime.connect(&session.route, &session.options).await?);
        session.machine.handle_connected(session.runtime.now());
        Ok(session)
    }

    /// Returns a session that connects with its first call.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address, and for a first delay that is longer than the longest.
    pub fn new(address: &str, session: SessionConfig, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        session.check()?;
        let (runtime, options) = (R::default(), options.into());
        let fresh = Tubes::greeted(&options.greeting);
        Ok(Self {
            route: address.parse()?,
            machine: policy::Session::new(&session, fresh.clone(), runtime.seed()).greeted(fresh),
            options,
            runtime,
            client: None,
            on_event: None,
            last: Instant::ZERO,
            reclaim_jobs: false,
            dangling: None,
            timeout: Timeout::Default,
            reserve_from: Instant::ZERO,
        })
    }

    /// Calls this with what happens to the connection.
    #[must_use]
    pub fn on_event(mut self, on_event: impl FnMut(&Event) + Send + 'static) -> Self {
        self.on_event = Some(Box::new(on_event));
        self.report_events();
        self
    }

    /// Sets whether job handles take their job back by themselves after the connection broke, as [`JobHandle::reclaim`] does. Not
    /// unless changed.
    #[must_use]
    pub fn reclaim_jobs(mut self, reclaim: bool) -> Self {
        self.reclaim_jobs = reclaim;
        self
    }

    /// Sends a request and waits for its reply, connecting first if there is need.
    ///
    /// The request is kept until its reply is here, in case it has to be repeated: a body that is borrowed is not copied for
    /// that.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the request may still run, and its reply is dropped. A `use`,
    /// `watch` or `ignore` that is dropped is undone by the next call. A waiting reserve is taken over by the next one, and a
    /// job that comes without a caller is kept for it, as long as the connection lasts.
    ///
    /// # Errors
    ///
    /// Everything that [`Error`] lists. When no connection comes about in time, what the last attempt failed with.
    pub async fn call<Q: Request + Clone>(&mut self, request: Q) -> Result<Q::Reply, Error> {
        self.call_on(None, request).await
    }

    /// Gives the one call that is made on what this returns so long for its reply, in place of
    /// [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout); `None` waits as long as it takes. As there, what a `reserve` may wait for a job is added to it. A call
    /// that is repeated has so long each time, and connecting takes what it takes.
    ///
    /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
    #[must_use = "it counts for the call that is made on what this returns"]
    pub fn timeout(&mut self, timeout: impl Into<Option<Duration>>) -> &mut Self {
        self.timeout = Timeout::of(timeout);
        self
    }

    /// Returns whether there is no connection now: looks at what is here, and waits for nothing. The next call makes one.
    pub fn is_closed(&mut self) -> bool {
        if self.client.as_mut().is_some_and(Driver::is_closed) {
            self.lose(&Error::Closed { lost: Lost::NotSent });
            self.report_events();
        }
        self.client.is_none()
    }

    /// Waits until the connection has ended, and returns what ended it; at once, if there is none. The next call makes another.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn closed(&mut self) -> Error {
        let Some(client) = &mut self.client else { return Error::Closed { lost: Lost::NotSent } };
        let error = client.closed().await;
        self.lose(&error);
        self.report_events();
        error
    }

    /// Returns how many connections there were so far. Jobs reserved on an earlier one are held no more.
    #[must_use]
    pub const fn connections(&self) -> u64 {
        self.machine.connections()
    }

    /// Returns the tubes that it uses and watches, on every connection.
    #[must_use]
    pub const fn tubes(&self) -> &Tubes {
        self.machine.tubes()
    }

    /// Returns the server.
    #[must_use]
    pub const fn server(&self) -> &Endpoint {
        self.route.endpoint()
    }

    pub(super) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// Returns whether there is a connection, as far as is known.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    pub(super) const fn reclaims_jobs(&self) -> bool {
        self.reclaim_jobs
    }

    /// Calls, but not on another connection than this one, if one is given: then it fails with [`Error::Closed`].
    pub(super) async fn call_on<Q: Request + Clone>(&mut self, on: Option<u64>, request: Q) -> Result<Q::Reply, Error> {
        let mut call = Call::new(&request, self.runtime.now());
        let selection = Selection::of(&request);
        let timeout = mem::take(&mut self.timeout);
        let mut cause = None;
        self.notice_the_end().await;
        loop {
            self.prepare(&call, &mut cause).await?;
            let gone = on.is_some_and(|connection| connection != self.connections());
            let (Some(client), false) = (&mut self.client, gone) else {
                return Err(Error::Closed { lost: Lost::NotSent });
            };
            self.dangling.clone_from(&selection);
            let attempt = call.attempt(&request, self.runtime.now());
            client.set_timeout(timeout);
            let result = client.call(attempt).await;
            self.dangling = None;
            let next = self.settle(&mut call, result.as_ref().map(drop));
            match next {
                Next::Return => return result.map_err(|error| call.fails_with(error)),
                Next::Repeat => cause = result.err(),
            }
        }
    }

    /// Notes the result of an attempt.
    fn settle(&mut self, call: &mut Call, result: Result<(), &Error>) -> Next {
        self.last = self.runtime.now();
        let next = self.machine.handle_result(call, result, self.last);
        // Only once the connection is dropped is it true that what was not sent never will be.
        if self.machine.poll_step(call, self.last) != Step::Ready {
            self.client = None;
        }
        self.report_events();
        next
    }

    /// Does what must be done before a request can be sent.
    async fn prepare(&mut self, call: &Call, cause: &mut Option<Error>) -> Result<(), Error> {
        loop {
            self.report_events();
            match self.machine.poll_step(call, self.runtime.now()) {
                Step::Ready => match self.undo() {
                    Some(undo) => {
                        if let Err(error) = self.send_command(undo).await {
                            // Only a broken connection makes it right by itself.
                            self.lose(&error);
                            *cause = Some(error);
                        } else {
                            self.dangling = None;
                        }
                    }
                    None => return Ok(()),
                },
                Step::Connect => {
                    (self.client, self.dangling) = (None, None);
                    let timeout = self.options.config.connect_timeout;
                    let timeout = self.machine.connect_timeout(call, timeout, self.runtime.now());
                    let options = self.options.clone().connect_timeout(timeout);
                    match self.runtime.connect(&self.route, &options).await {
                        Ok(client) => {
                            self.client = Some(client);
                            self.machine.handle_connected(self.runtime.now());
                        }
                        Err(error) => {
                            self.lose(&error);
                            *cause = Some(error);
                        }
                    }
                }
                Step::Replay(command) => match self.send_command(command).await {
                    Ok(()) => self.machine.handle_replayed(),
                    Err(error) => {
                        self.lose(&error);
                        *cause = Some(error);
                    }
                },
                Step::WaitUntil(until) => self.runtime.sleep(until).await,
                Step::GiveUp => return Err(call.given_up(cause.take())),
            }
        }
    }

    /// A connection that ended unnoticed would take a request, and whether it has run could not be known.
    async fn notice_the_end(&mut self) {
        let idle = self.runtime.now().saturating_duration_since(self.last) >= IDLE;
        let Some(client) = self.client.as_mut().filter(|_| idle) else { return };
        if has_ended::<R>(client).await {
            self.lose(&Error::Closed { lost: Lost::NotSent });
        }
    }

    fn lose(&mut self, error: &Error) {
        self.client = None;
        self.dangling = None;
        self.machine.handle_lost(error, self.runtime.now());
    }

    async fn send_command(&mut self, command: Command) -> Result<(), Error> {
        match &mut self.client {
            Some(client) => client.call(command).await.map(drop),
            None => Err(Error::Closed { lost: Lost::NotSent }),
        }
    }

    /// What undoes a selection that was dropped. The machine has not seen it, so what it remembers is what was before.
    fn undo(&self) -> Option<Command> {
        let tubes = self.tubes();
        match self.dangling.as_ref()? {
            Selection::Use(_) => Some(Command::Use { tube: tubes.used().clone() }),
            Selection::Watch(tube) if !tubes.watched().contains(tube) => Some(Command::Ignore { tube: tube.clone() }),
            Selection::Ignore(tube) if tubes.watched().contains(tube) => Some(Command::Watch { tube: tube.clone() }),
            Selection::Watch(_) | Selection::Ignore(_) => None,
        }
    }

    fn report_events(&mut self) {
        if observe::IS_ON {
            while let Some(event) = self.machine.observe_event() {
                observe::connection(observe::Client::Session, Some(self.route.endpoint()), event);
            }
        }
        // Kept until there is a listener.
        let Some(on_event) = &mut self.on_event else { return };
        while let Some(event) = self.machine.poll_event() {
            // One that panics shall not take with it what the call has come to.
            let _panicked = policy::guarded(|| on_event(&event));
        }
    }
}

macro_rules! session_methods {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        impl<R: Runtime> Session<R> {
            $(
                $(#[$doc])*
                ///
                /// # Cancel safety
                ///
                /// As [`Session::call`].
                pub async fn $method$(<$lt>)?(
                    &mut self $($(, $arg: impl beanstalk_proto::Argument<crate::__argument!($ty $($of)?)>)+)?
                ) -> Result<$reply, Error> {
                    self.call(beanstalk_proto::$name::new($($($arg),+)?)).await
                }
            )*
        }
    };
}

beanstalk_proto::command_table!(session_methods);
