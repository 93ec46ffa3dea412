//! A task: a future on a thread of its own, which waits for the future's socket, waker and timer at once.
//!
//! ```text
//!            poll, pending             compare and set
//!   Polled ───────────────▶ (nothing) ────────────────▶ Waiting ── event, timer ──▶ Polled
//!     ▲                         │ a handler is to run      │ woken: the poll is ended
//!     │                         ▼                          ▼
//!     └──── it has ended ── Handling ── woken: the keeper is ──▶ Woken ──▶ Polled
//!                                        to poll at once
//! ```

use std::{
    cell::RefCell,
    fmt,
    future::{Future, poll_fn},
    io,
    os::fd::RawFd,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Poll, Wake, Waker},
    thread,
    time::Instant,
};

use mio::{Events, Interest, Registry, Token, unix::SourceFd};

use super::{
    keeper::{self, Keeper, Kept},
    lock, wait,
};

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Box<dyn FnOnce() + Send>;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

const POLLED: u8 = 0;
const WAITING: u8 = 1;
const HANDLING: u8 = 2;
const WOKEN: u8 = 3;

thread_local! {
    /// The task that this thread polls.
    static POLLING: RefCell<Option<Arc<Core>>> = const { RefCell::new(None) };
}

/// What a task's threads, its socket and its wakers share.
pub(super) struct Core {
    state: AtomicU8,
    registry: Registry,
    waker: mio::Waker,
    /// How often something has happened to the socket.
    turn: AtomicU64,
    /// The last turn in which its peer has ended the connection.
    closed: AtomicU64,
    /// What is to be run once the future is let go.
    handler: Mutex<Option<Handler>>,
    /// Odd while a handler runs.
    run: AtomicU64,
    keeper: Arc<Keeper>,
}

impl Core {
    /// The task whose future this thread polls.
    pub(super) fn current() -> io::Result<Arc<Self>> {
        let current = POLLING.with_borrow(Clone::clone);
        current.ok_or_else(|| io::Error::other("no task of this runtime is polled here"))
    }

    /// Has the task polled when something happens to this socket. Returns the turn.
    pub(super) fn register(&self, socket: RawFd) -> io::Result<u64> {
        self.registry.register(&mut SourceFd(&socket), SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        Ok(self.turn.load(Ordering::Relaxed))
    }

    /// Has it polled for that no more.
    pub(super) fn deregister(&self, socket: RawFd) {
        // It fails if the task is gone, and with it the list.
        let _gone = self.registry.deregister(&mut SourceFd(&socket));
    }

    /// Whether this thread polls the task's future.
    pub(super) fn is_polled_here(&self) -> bool {
        POLLING.with_borrow(|polling| polling.as_ref().is_some_and(|polling| ptr::eq(Arc::as_ptr(polling), self)))
    }

    /// What is the same for as long as nothing can have come on a socket that joined in this turn. `None` once a peer has ended its
    /// connection since: of that the system reports no more.
    pub(super) fn turn(&self, joined: u64) -> Option<u64> {
        (self.closed.load(Ordering::Relaxed) <= joined).then(|| self.turn.load(Ordering::Relaxed))
    }

    /// The handler that runs now, if one does.
    pub(super) fn run(&self) -> u64 {
        self.run.load(Ordering::SeqCst)
    }

    /// Whether the future is to be polled at once.
    pub(super) fn is_woken(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WOKEN
    }

    /// Ends the wait of whoever polls, if somebody does.
    fn interrupt(&self) -> u8 {
        let before = self.state.swap(WOKEN, Ordering::SeqCst);
        if before == WAITING {
            // It fails if the queue of events is gone, and with it whoever waits.
            let _gone = self.waker.wake();
        }
        before
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("state", &self.state).field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl Wake for Core {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.interrupt() == HANDLING {
            self.keeper.look();
        }
    }
}

/// A future with its socket.
pub(super) struct Task {
    pub(super) core: Arc<Core>,
    waker: Waker,
    moving: Mutex<Moving>,
}

impl Kept for Task {
    fn run(&self) -> u64 {
        self.core.run()
    }

    fn is_woken(&self) -> bool {
        self.core.is_woken()
    }

    fn keep(&self, run: u64) {
        self.poll_until_handler(run);
    }
}

/// What polls and waits.
struct Moving {
    /// None once it has ended.
    body: Option<Body>,
    poll: mio::Poll,
    events: Events,
}

/// What has become of a task.
enum Step {
    /// Something has happened.
    Again,
    Handle(Handler),
    End,
}

impl Task {
    /// Runs a future to its end on a thread of its own. Without one it is dropped.
    pub(super) fn spawn(body: Body, keeper: &Arc<Keeper>) {
        let keeper = Arc::clone(keeper);
        let _thread = thread::Builder::new().name("beanstalk".into()).spawn(move || {
            if let Ok(task) = Self::new(body, keeper) {
                Arc::new(task).work();
            }
        });
    }

    fn new(body: Body, keeper: Arc<Keeper>) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let core = Arc::new(Core {
            state: AtomicU8::new(POLLED),
            registry: poll.registry().try_clone()?,
            waker: mio::Waker::new(poll.registry(), WAKER)?,
            turn: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            handler: Mutex::default(),
            run: AtomicU64::new(0),
            keeper,
        });
        let moving = Mutex::new(Moving { body: Some(body), poll, events: Events::with_capacity(4) });
        Ok(Self { waker: Waker::from(Arc::clone(&core)), core, moving })
    }

    /// The task's thread.
    fn work(self: Arc<Self>) {
        let mut watch = None;
        while let Some(handler) = self.poll_until_handler(self.core.run()) {
            watch.get_or_insert_with(|| self.core.keeper.watch(Arc::clone(&self) as Arc<dyn Kept>));
            self.core.run.fetch_add(1, Ordering::SeqCst);
            match self.core.state.compare_exchange(POLLED, HANDLING, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => self.core.keeper.handler_begins(),
                Err(_) => self.core.keeper.look(),
            }
            handler();
            self.core.run.fetch_add(1, Ordering::SeqCst);
            self.core.interrupt();
        }
    }

    /// Polls the future until it has ended, until a handler is to be run, or until another one runs than this.
    fn poll_until_handler(&self, run: u64) -> Option<Handler> {
        let mut moving = lock(&self.moving);
        loop {
            self.core.state.store(POLLED, Ordering::SeqCst);
            // Looked at after that, or the end of a handler would come unnoticed in between.
            if self.core.run() != run {
                return None;
            }
            match self.step(&mut moving) {
                Step::Again => {}
                Step::Handle(handler) => return Some(handler),
                Step::End => return None,
            }
        }
    }

    /// Polls the future once; if it is pending, waits until it is woken.
    fn step(&self, moving: &mut Moving) -> Step {
        let Some(mut body) = moving.body.take() else { return Step::End };
        let outer = POLLING.replace(Some(Arc::clone(&self.core)));
        let polled = wait::poll(&self.waker, |cx| body.as_mut().poll(cx));
        POLLING.set(outer);
        let Err(wake_at) = polled else { return Step::End };
        moving.body = Some(body);
        if !keeper::is_handling(self.core.run()) {
            if let Some(handler) = lock(&self.core.handler).take() {
                return Step::Handle(handler);
            }
        }
        self.wait(moving, wake_at);
        Step::Again
    }

    fn wait(&self, Moving { poll, events, .. }: &mut Moving, until: Option<Instant>) {
        let core = &self.core;
        if core.state.compare_exchange(POLLED, WAITING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return;
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // What ends a wait early, for example a signal, is looked at as if something had happened.
        let _interrupted = poll.poll(events, left);
        for event in events.iter().filter(|event| event.token() == SOCKET) {
            let turn = core.turn.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            if event.is_read_closed() || event.is_error() {
                core.closed.store(turn, Ordering::Relaxed);
            }
        }
    }
}

/// The future of what a handler comes to. The task that polls it has its thread run the handler once the task is let go.
pub(super) fn run_aside<T: Send + 'static>(
    handler: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send + 'static {
    let mut handler = Some(handler);
    let outcome = Arc::new(Mutex::new(None));
    // The thread that has run it polls the task, so nobody has to be woken.
    poll_fn(move |_| {
        if let Some(handler) = handler.take() {
            let outcome = Arc::clone(&outcome);
            let handler: Handler = Box::new(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| wait::block_on(handler)));
                *lock(&outcome) = Some(ended);
            });
            match Core::current() {
                Ok(core) => *lock(&core.handler) = Some(handler),
                Err(_) => handler(),
            }
        }
        match lock(&outcome).take() {
            None => Poll::Pending,
            Some(Ok(output)) => Poll::Ready(output),
            Some(Err(panic)) => resume_unwind(panic),
        }
    })
}
