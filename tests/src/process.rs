//! Servers that are processes of their own.

use std::{
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::bare::Bare;

/// How long a server may take to be ready.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How far a server is. Several together are as far as the least of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// As where its port is taken.
    Ended,
    Starting,
    Ready,
}

/// Waits until this is ready; `false` if it has ended.
pub(crate) fn becomes_ready(mut state: impl FnMut() -> State) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match state() {
            State::Starting => thread::sleep(Duration::from_millis(1)),
            state => return state == State::Ready,
        }
    }
    false
}

/// A server, killed by its own process id on drop: it finishes nothing.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts it. What it prints goes there.
    pub(crate) fn start(command: &mut Command, prints: impl Into<Stdio>) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(prints);
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// How far it is, as this tells that it is ready.
    pub(crate) fn state(&mut self, ready: impl Fn() -> bool) -> State {
        match self.0.try_wait() {
            Ok(None) if ready() => State::Ready,
            Ok(None) => State::Starting,
            _ => State::Ended,
        }
    }

    /// Waits until this very process answers at its address; `false` if it has ended.
    pub(crate) fn answers(&mut self, address: &str) -> bool {
        let pid = format!("pid: {}", self.0.id());
        let answers = || {
            if let Some(path) = address.strip_prefix("unix:") {
                return UnixStream::connect(path).is_ok();
            }
            let stats = Bare::connect(address).and_then(|mut bare| bare.stats("stats"));
            stats.is_ok_and(|stats| stats.lines().any(|line| line == pid))
        };
        becomes_ready(|| self.state(answers))
    }

    /// Makes it take no more jobs.
    pub(crate) fn drain(&self) {
        let pid = Pid::from_raw(self.0.id().try_into().expect("a process id"));
        kill(pid, Signal::SIGUSR1).expect("the server to be signalled");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        assert!(ended.is_ok() || thread::panicking(), "process {} was not killed: {ended:?}", self.0.id());
    }
}
