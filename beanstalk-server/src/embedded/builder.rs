//! What a server is started with, and its start.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
};

use beanstalk_proto::{Dialect, server};
use mio::{Poll, Waker};

use super::{
    EmbeddedServer,
    clock::Clock,
    event_loop::{EventLoop, WAKER},
    listener::{Listener, Place},
    log::Log,
};
use crate::engine::{Engine, Facts, Settings};

/// What an [`EmbeddedServer`] is started with.
///
/// ```
/// use beanstalk_server::EmbeddedServer;
/// use std::time::Duration;
///
/// // Small jobs only, and time stands still until the test moves it.
/// let server = EmbeddedServer::builder().max_job_size(1024).paused_clock().start()?;
/// assert_eq!(server.stats().max_job_size, Some(1024));
/// server.clock().advance(Duration::from_secs(60));
/// assert_eq!(server.clock().now(), Duration::from_secs(60));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    place: Place,
    config: server::Config,
    draining: bool,
    paused: bool,
    verbosity: u8,
}

impl Default for Builder {
    fn default() -> Self {
        let config = server::Config::default();
        Self { place: Place::Address("127.0.0.1:0".into()), config, draining: false, paused: false, verbosity: 0 }
    }
}

impl Builder {
    /// Sets where it listens: `host:port`, `[v6]:port` or `unix:path`. Port 0 takes one that is free. Without this it listens
    /// on a free port of 127.0.0.1.
    ///
    /// A socket that a killed server left at the path is replaced. Where one still listens, starting fails with
    /// [`AddrInUse`](io::ErrorKind::AddrInUse); where another kind of file is, with
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists). At the end the socket is removed, unless another one has taken
    /// its place.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.place = Place::Address(address.into());
        self
    }

    /// Accepts connections from a listener that is open already, instead of at an address: one that a service manager
    /// hands over, for instance. Its settings stay as they are. Clones of this builder start servers that share it.
    pub fn tcp_listener(mut self, listener: std::net::TcpListener) -> Self {
        self.place = Place::Tcp(Arc::new(listener));
        self
    }

    /// Accepts connections from a Unix listener that is open already, as [`tcp_listener`](Self::tcp_listener) does. Its
    /// file is left where it is at the end.
    #[cfg(unix)]
    pub fn unix_listener(mut self, listener: std::os::unix::net::UnixListener) -> Self {
        self.place = Place::Unix(Arc::new(listener));
        self
    }

    /// Takes bodies of so many bytes: 65535 unless changed, and never more than 2^30.
    pub fn max_job_size(mut self, bytes: u32) -> Self {
        self.config.max_job_size = bytes.min(Settings::MAX_JOB_SIZE);
        self
    }

    /// Speaks as another release of beanstalkd than 1.13.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = dialect;
        self
    }

    /// Stops reading from a peer while more bytes than this wait to be written to it: 256 KiB unless changed.
    pub fn max_backlog(mut self, bytes: usize) -> Self {
        self.config.max_backlog = bytes;
        self
    }

    /// Starts in drain mode: `put` is refused with `DRAINING`.
    pub fn draining(mut self, draining: bool) -> Self {
        self.draining = draining;
        self
    }

    /// Starts with a clock that stands still, and moves only when a test [advances](crate::Clock::advance) it.
    pub fn paused_clock(mut self) -> Self {
        self.paused = true;
        self
    }

    /// Prints connections to standard output (from 1), and commands and replies (from 2).
    pub fn verbosity(mut self, verbosity: u8) -> Self {
        self.verbosity = verbosity;
        self
    }

    /// Starts the server. It takes connections from now on.
    ///
    /// # Errors
    ///
    /// If it cannot listen there.
    pub fn start(self) -> io::Result<EmbeddedServer> {
        self.start_and(|_| {})
    }

    /// Starts the server, and calls `ended` on its thread when it has ended, however that came about: a panic is an
    /// error.
    ///
    /// # Errors
    ///
    /// If it cannot listen there.
    pub fn start_and(self, ended: impl FnOnce(&io::Result<()>) + Send + 'static) -> io::Result<EmbeddedServer> {
        let listener = Listener::open(&self.place)?;
        let address = listener.address()?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (requests, received) = mpsc::channel();
        let clock = Clock::new(self.paused);
        let settings = Settings {
            max_job_size: self.config.max_job_size,
            dialect: self.config.dialect,
            facts: Facts::of_this_process(),
        };
        let mut engine = Engine::new(clock.now(), settings);
        engine.set_draining(self.draining);
        let log = Log { verbosity: self.verbosity };
        log.listening(&address);
        let event_loop = EventLoop::new(poll, listener, received, engine, clock, self.config, log)?;
        let thread = thread::Builder::new().name("beanstalk-server".into()).spawn(move || {
            // A program that waits for this would never return if a panic ended the thread without it. Nothing of the
            // event loop is looked at afterwards.
            match panic::catch_unwind(AssertUnwindSafe(|| event_loop.run())) {
                Ok(result) => {
                    ended(&result);
                    result
                }
                Err(payload) => {
                    ended(&Err(io::Error::other("the server's thread has panicked")));
                    panic::resume_unwind(payload)
                }
            }
        })?;
        Ok(EmbeddedServer { addr: address.to_string(), address, requests, waker, thread: Some(thread) })
    }
}
