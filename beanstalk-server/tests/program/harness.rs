//! The two programs, and how to run them.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::installed::installed;

/// Longer than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// This crate's program, or the one that it behaves like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program(&'static Path);

pub(crate) fn ours() -> Program {
    Program(Path::new(env!("CARGO_BIN_EXE_beanstalk-server")))
}

/// Ours, and beanstalkd where it is installed.
pub(crate) fn each() -> impl Iterator<Item = Program> {
    [Some(ours()), installed().map(Program)].into_iter().flatten()
}

impl Program {
    pub(crate) fn path(self) -> &'static Path {
        self.0
    }

    pub(crate) fn command(self, args: &[&str]) -> Command {
        let mut command = Command::new(self.0);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which has to come.
    pub(crate) fn run(self, args: &[&str]) -> Output {
        run(self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// On a port of its own.
    pub(crate) fn start(self, args: &[&str]) -> Running {
        self.start_at(&["-l", "127.0.0.1", "-p", "0"], args)
    }

    pub(crate) fn start_at(self, place: &[&str], args: &[&str]) -> Running {
        Self::where_it_prints(self.command(place).args(args).stderr(Stdio::null()))
    }

    /// Starts a command that becomes one of the programs, and finds out from it where it listens: a port that was
    /// chosen beforehand may belong to another test by the time it is bound.
    pub(crate) fn where_it_prints(command: &mut Command) -> Running {
        // With -V it prints where it listens: "bind 127.0.0.1:11300", and beanstalkd "bind 3 127.0.0.1:11300".
        let mut child = command.arg("-V").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let bound = lines.map_while(Result::ok).find(|line| line.starts_with("bind "));
        let address = bound.and_then(|line| Some(line.rsplit_once(' ')?.1.to_owned()));
        // beanstalkd prints it before it does so.
        Running { child, address: address.expect("it prints where it listens") }.once_it_listens()
    }

    /// Starts a command that serves at an address, and waits until it does.
    pub(crate) fn serve(command: &mut Command, address: String) -> Running {
        Running { child: command.spawn().unwrap(), address }.once_it_listens()
    }
}

/// Whom descriptors are for, as a shell says it that becomes the server.
pub(crate) const FOR_IT: &str = "LISTEN_PID=$$";

/// A command that gets a descriptor as its third, and variables.
pub(crate) fn handed(program: Program, descriptor: impl Into<OwnedFd>, variables: &str, args: &[&str]) -> Command {
    let script = format!("exec 3<&0 </dev/null; export {variables}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(program.path()).args(args);
    command.stdin(Stdio::from(descriptor.into())).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end, which has to come.
pub(crate) fn run(command: &mut Command) -> Output {
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("{command:?} does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.wait_with_output().unwrap()
}

/// A running server, ended with the test.
pub(crate) struct Running {
    pub(crate) child: Child,
    /// `127.0.0.1:11300`, or the path of a Unix socket.
    pub(crate) address: String,
}

/// A connection of either family.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Running {
    fn once_it_listens(mut self) -> Self {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = self.connect() {
            assert_eq!(self.child.try_wait().unwrap(), None, "it has ended");
            assert!(Instant::now() < until, "it does not listen: {error}");
            std::thread::sleep(Duration::from_millis(1));
        }
        self
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        if self.address.contains('/') {
            let stream = UnixStream::connect(self.address.trim_start_matches("unix:"))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            return Ok(Box::new(stream));
        }
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Box::new(stream))
    }

    /// Sends text on a connection of its own, and gives the first line that comes back, without its line end.
    pub(crate) fn ask(&self, text: &str) -> String {
        let mut stream = self.connect().unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The value of a key of its statistics.
    pub(crate) fn stat(&self, key: &str) -> String {
        let mut stream = self.connect().unwrap();
        stream.write_all(b"stats\r\nquit\r\n").unwrap();
        let mut stats = String::new();
        stream.read_to_string(&mut stats).unwrap();
        let value = stats.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("{key} in {stats}")).to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
