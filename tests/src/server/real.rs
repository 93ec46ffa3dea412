//! A beanstalkd process for one test.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Options, Place};
use crate::{bare::Bare, port};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// The beanstalkd to run: the one that `BEANSTALKD` names, else the first in `PATH`, else `/usr/bin/beanstalkd`.
///
/// Where there is none, the scenarios for it are ignored, loudly; with `BEANSTALK_REQUIRE_SERVER=1` that is a failure.
pub fn installed() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let found = find();
            if found.is_none() {
                assert_ne!(
                    env::var("BEANSTALK_REQUIRE_SERVER").as_deref(),
                    Ok("1"),
                    "BEANSTALK_REQUIRE_SERVER=1, and there is no beanstalkd: install it or name it in BEANSTALKD"
                );
                let _ = writeln!(
                    io::stderr(),
                    "\n*** NO BEANSTALKD FOUND: the half of these tests that needs a real server is ignored. ***\n\
                     *** Install beanstalkd, or name its program in the environment variable BEANSTALKD.  ***\n"
                );
            }
            found
        })
        .as_deref()
}

fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("BEANSTALKD").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "BEANSTALKD names {}, which is no file", named.display());
        return Some(named);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = PathBuf::from("/usr/bin");
    env::split_paths(&path).chain([usual]).map(|directory| directory.join("beanstalkd")).find(|file| file.is_file())
}

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
