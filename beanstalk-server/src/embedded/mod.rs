//! The engine on real sockets, in a thread of its own.

mod builder;
mod clock;
mod control;
mod event_loop;
mod facts;
mod listener;
mod log;
mod net;
mod peer;
#[cfg(unix)]
mod socket_file;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use beanstalk_proto::{
    Instant, JobId, TubeName,
    stats::{JobStats, ServerStats, TubeStats},
};
use mio::Waker;

pub use self::builder::Builder;
use self::{
    control::{Request, Watcher},
    listener::Address,
};
use crate::engine::Engine;

/// A server in this process, for as long as this value lives.
///
/// Dropping it closes every connection and waits for its thread to end. Several servers are independent of each other.
///
/// ```
/// use beanstalk_server::EmbeddedServer;
/// use std::{io::{Read, Write}, net::TcpStream};
///
/// let server = EmbeddedServer::start()?;
/// let mut client = TcpStream::connect(server.addr())?;
/// client.write_all(b"put 0 0 60 5\r\nhello\r\n")?;
/// let mut reply = [0; 12];
/// client.read_exact(&mut reply)?;
/// assert_eq!(&reply, b"INSERTED 1\r\n");
/// assert_eq!(server.stats().current_jobs_ready, Some(1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct EmbeddedServer {
    address: Address,
    addr: String,
    requests: Sender<Request>,
    waker: Waker,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl EmbeddedServer {
    /// Starts a server with the defaults, on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If the system has no socket or thread to spare.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Returns a builder, for another server than the default one.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns where it listens, as clients of this project take it: `127.0.0.1:34567` or `unix:/path`.
    #[must_use]
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Returns where it listens, unless that is a Unix socket.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Tcp(address) => Some(address),
            #[cfg(unix)]
            Address::Unix(_) => None,
        }
    }

    /// Returns what `stats` would report now. It does not count as a command.
    ///
    /// # Panics
    ///
    /// As all methods here, if the server's thread has ended because the system failed it.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.look(|engine, now| engine.stats(now))
    }

    /// Returns what `stats-tube` would report now: `None` if there is no such tube.
    #[must_use]
    pub fn stats_tube(&self, tube: impl AsRef<str>) -> Option<TubeStats> {
        let tube = TubeName::new(tube.as_ref()).ok()?;
        self.look(move |engine, now| engine.stats_tube(now, &tube))
    }

    /// Returns what `stats-job` would report now: `None` if there is no such job.
    #[must_use]
    pub fn stats_job(&self, id: impl Into<JobId>) -> Option<JobStats> {
        let id = id.into();
        self.look(move |engine, now| engine.stats_job(now, id))
    }

    /// Returns the tubes that exist now, in the order in which `list-tubes` has them.
    #[must_use]
    pub fn list_tubes(&self) -> Vec<TubeName> {
        self.look(|engine, _| engine.list_tubes())
    }

    /// Enters or leaves drain mode, in which `put` is refused with `DRAINING`.
    pub fn set_draining(&self, draining: bool) {
        self.look(move |engine, _| engine.set_draining(draining));
    }

    /// Returns the server's clock.
    #[must_use]
    pub fn clock(&self) -> Clock<'_> {
        Clock { server: self }
    }

    /// Returns once the server has dealt with all that clients have sent to it so far, and waits for more.
    pub fn settle(&self) {
        self.ask(|done| Request::Settle(Some(done)));
    }

    /// Waits until there is no work left: no job is ready, none is reserved, and the server has nothing to do. Delayed
    /// and buried jobs may be left: they wait for time to pass or for a kick.
    ///
    /// # Errors
    ///
    /// [`StillBusy`] when the timeout, in real time, has passed.
    pub fn wait_until_idle(&self, timeout: Duration) -> Result<(), StillBusy> {
        self.wait_until(timeout, |stats| stats.current_jobs_ready == Some(0) && stats.current_jobs_reserved == Some(0))
    }

    /// Waits until the statistics are as a test wants them.
    ///
    /// # Errors
    ///
    /// [`StillBusy`] when the timeout, in real time, has passed.
    pub fn wait_until(
        &self,
        timeout: Duration,
        condition: impl FnMut(&ServerStats) -> bool + Send + 'static,
    ) -> Result<(), StillBusy> {
        let (done, answer) = mpsc::channel();
        let waiting = Arc::new(());
        let watcher = Watcher { condition: Box::new(condition), done, waiting: Arc::downgrade(&waiting) };
        self.send(Request::Watch(watcher));
        match answer.recv_timeout(timeout) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(StillBusy { stats: Box::new(self.stats()) }),
            Err(RecvTimeoutError::Disconnected) => panic!("{ENDED}"),
        }
    }

    /// Stops the server, as dropping it does, and returns how it ended.
    ///
    /// # Errors
    ///
    /// What the system failed it with, if it had ended before.
    pub fn stop(mut self) -> io::Result<()> {
        self.end().map_or(Ok(()), |ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    /// Ends the thread, and gives what it ended with; nothing if it was ended before.
    fn end(&mut self) -> Option<thread::Result<io::Result<()>>> {
        let thread = self.thread.take()?;
        // If it has ended already, this is not received.
        let _ = self.requests.send(Request::Stop);
        Some(match self.waker.wake() {
            Ok(()) => thread.join(),
            Err(error) => Ok(Err(error)),
        })
    }

    fn look<T: Send + 'static>(&self, look: impl FnOnce(&mut Engine, Instant) -> T + Send + 'static) -> T {
        self.ask(|answer| {
            Request::Engine(Box::new(move |engine, now| {
                // The owner waits for it, unless its thread was unwound.
                let _ = answer.send(look(engine, now));
            }))
        })
    }

    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> T {
        let (sender, answer) = mpsc::channel();
        self.send(request(sender));
        answer.recv().expect(ENDED)
    }

    fn send(&self, request: Request) {
        self.requests.send(request).expect(ENDED);
        self.waker.wake().expect("the system can wake a thread");
    }
}

const ENDED: &str = "the server's thread has ended";

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        match self.end() {
            // A panic while another unwinds would abort the process, with all its other tests.
            Some(Err(panic)) if !thread::panicking() => std::panic::resume_unwind(panic),
            // There is no caller left to report it to.
            _ => {}
        }
    }
}

impl fmt::Debug for EmbeddedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedServer").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// A server's clock, as [`EmbeddedServer::clock`] gives it.
///
/// It runs with the system's, unless it is paused. Advancing it is what waiting would be, without the waiting: delays
/// pass, held jobs expire, reserves time out, each at its own moment and in order.
///
/// ```
/// use beanstalk_server::EmbeddedServer;
/// use beanstalk_sync::Client;
/// use std::time::Duration;
///
/// let server = EmbeddedServer::start()?;
/// let mut client = Client::connect(server.addr())?;
/// client.put(0, 3600, 60, "in an hour")?.inserted()?;
/// assert_eq!(server.stats().current_jobs_ready, Some(0));
///
/// server.clock().advance(Duration::from_secs(3600));
/// assert_eq!(server.stats().current_jobs_ready, Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    server: &'a EmbeddedServer,
}

impl Clock<'_> {
    /// Returns the server's time: how long it has been running, by its own clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.server.look(|_, now| now.saturating_duration_since(Instant::ZERO))
    }

    /// Lets time go by: first the server deals with all that clients have sent so far, then everything that is due
    /// happens, and its replies are on their way when this returns.
    pub fn advance(&self, by: Duration) {
        self.server.ask(|done| Request::Advance(by, done));
    }

    /// Stops the clock, for a test that wants to own time.
    pub fn pause(&self) {
        self.server.send(Request::Pause(true));
        self.server.settle();
    }

    /// Lets the clock run again, from the time at which it stands.
    pub fn resume(&self) {
        self.server.send(Request::Pause(false));
        self.server.settle();
    }
}

/// The server was not as it should have become when the timeout was over.
#[derive(Clone, Debug)]
pub struct StillBusy {
    /// How it was then.
    pub stats: Box<ServerStats>,
}

impl fmt::Display for StillBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<u64>| count.unwrap_or(0);
        write!(
            f,
            "the server is still busy: {} jobs ready, {} reserved, {} delayed, {} buried; {} connections, {} waiting",
            count(self.stats.current_jobs_ready),
            count(self.stats.current_jobs_reserved),
            count(self.stats.current_jobs_delayed),
            count(self.stats.current_jobs_buried),
            count(self.stats.current_connections),
            count(self.stats.current_waiting),
        )
    }
}

impl std::error::Error for StillBusy {}
