//! Commands that run: their input, their end, and ending those that are left.

use std::{
    collections::HashSet,
    ffi::OsString,
    fmt,
    io::Write,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, Stdio},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::exit::Failure;

/// How long a command has between SIGTERM and SIGKILL.
const LAST: Duration = Duration::from_secs(1);

/// The commands that run now.
#[derive(Debug, Default)]
pub(super) struct Running {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Each leads a process group of its own, so that a Ctrl-C is for this program alone.
    groups: HashSet<i32>,
    /// No command starts any more.
    ending: bool,
    broken: Option<Failure>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Status(i32),
    Signal(i32),
    /// It was not started, as the program is ending.
    NotStarted,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::NotStarted => f.write_str("not started"),
        }
    }
}

impl Running {
    /// Runs a command with this on its standard input, and waits for its end. What it prints goes where this program's output goes.
    pub(super) fn run<'a>(
        &self,
        command: &[OsString],
        input: &[u8],
        variables: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Result<Ended, Failure> {
        let Some((program, args)) = command.split_first() else { return Ok(Ended::NotStarted) };
        let (mut child, group) = {
            // Locked, so that it is either not started or among those that are ended.
            let mut state = self.lock();
            if state.ending {
                return Ok(Ended::NotStarted);
            }
            let child = Command::new(program)
                .args(args)
                .envs(variables)
                .stdin(Stdio::piped())
                .process_group(0)
                .spawn()
                .map_err(|error| Failure::local(format_args!("cannot run {}", program.to_string_lossy()), &error))?;
            let group = child.id().cast_signed();
            state.groups.insert(group);
            (child, group)
        };
        // In a thread of its own: a command may end without having read all, and leave its input open to another.
        if let Some(mut stdin) = child.stdin.take() {
            let input = input.to_vec();
            thread::spawn(move || stdin.write_all(&input));
        }
        let status = child.wait();
        self.lock().groups.remove(&group);
        self.changed.notify_all();
        let status = status.map_err(|error| Failure::local(program.to_string_lossy(), &error))?;
        Ok(match status.code() {
            Some(code) => Ended::Status(code),
            None => Ended::Signal(status.signal().unwrap_or(0)),
        })
    }

    /// Notes why no command can be run.
    pub(super) fn broke(&self, failure: Failure) {
        self.lock().broken.get_or_insert(failure);
    }

    pub(super) fn broken(&self) -> Option<Failure> {
        self.lock().broken.clone()
    }

    /// Ends all commands: asks them to, and then makes them. None starts afterwards.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ending = true;
        signal(&state, Signal::SIGTERM);
        let waited = self.changed.wait_timeout_while(state, LAST, |state| !state.groups.is_empty());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        signal(&state, Signal::SIGKILL);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// To the commands and what they have started.
fn signal(state: &State, signal: Signal) {
    for group in &state.groups {
        // One that is gone by now needs none.
        let _ = killpg(Pid::from_raw(*group), signal);
    }
}
