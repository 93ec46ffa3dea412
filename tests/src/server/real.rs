//! A beanstalkd process for one test.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Options, Place, installed};
use crate::{bare::Bare, port};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed, by its own id, on drop.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    pub(super) fn drain(&self) {
        let pid = Pid::from_raw(self.0.id().try_into().expect("a process id"));
        kill(pid, Signal::SIGUSR1).expect("the server to be signalled");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a beanstalkd. Between finding a free port and listening on it somebody else may take it: then another is tried.
pub(super) fn start(options: Options, socket: Option<&Path>) -> (String, Process) {
    let program = installed().expect("a beanstalkd");
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let (flags, address) = listen_flags(options.place, socket);
        let mut command = Command::new(program);
        command.args(flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(size) = options.max_job_size {
            command.args(["-z", &size.to_string()]);
        }
        let mut process = Process(command.spawn().expect("beanstalkd to start"));
        if listens(&mut process, options.place, &address, socket, until) {
            return (address, process);
        }
    }
    panic!("beanstalkd did not listen within {PATIENCE:?}");
}

fn listen_flags(place: Place, socket: Option<&Path>) -> (Vec<String>, String) {
    let host = match place {
        Place::V4 => "127.0.0.1",
        Place::V6 => "::1",
        Place::Unix => {
            let address = format!("unix:{}", socket.expect("a path").display());
            return (vec!["-l".into(), address.clone()], address);
        }
    };
    let port = port::unused(host);
    let address = if place == Place::V6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    (vec!["-l".into(), host.into(), "-p".into(), port.to_string()], address)
}

/// Waits until this very process answers; `false` if it has ended, as it does where its port is taken.
fn listens(process: &mut Process, place: Place, address: &str, socket: Option<&Path>, until: Instant) -> bool {
    let pid = format!("pid: {}", process.0.id());
    while Instant::now() < until && matches!(process.0.try_wait(), Ok(None)) {
        let answers = match place {
            Place::Unix => socket.is_some_and(|path| std::os::unix::net::UnixStream::connect(path).is_ok()),
            Place::V4 | Place::V6 => Bare::connect(address)
                .and_then(|mut bare| bare.stats("stats"))
                .is_ok_and(|stats| stats.lines().any(|line| line == pid)),
        };
        if answers {
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    false
}
