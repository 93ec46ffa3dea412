//! Servers to try the program on.
#![allow(dead_code, unreachable_pub, clippy::print_stderr, reason = "each test program uses a part")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

pub mod front;

use beanstalk_server::EmbeddedServer;

/// The program under test.
pub const BEANSTALK: &str = env!("CARGO_BIN_EXE_beanstalk");

/// A server of one of the two kinds, for as long as it lives.
pub enum Server {
    Embedded(EmbeddedServer),
    Real { child: Child, socket: PathBuf, directory: PathBuf },
}

/// An embedded server where there was one. What another test forks has the socket of that one for a moment after its end.
pub fn again_at(address: &str) -> EmbeddedServer {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match EmbeddedServer::builder().listen(address).start() {
            Ok(server) => return server,
            Err(error) => assert!(Instant::now() < until, "{address}: {error}"),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

impl Server {
    pub fn embedded() -> Self {
        Self::Embedded(EmbeddedServer::start().expect("a server can be started"))
    }

    /// A real beanstalkd, if there is one: that of `BEANSTALKD`, or on the path. With `BEANSTALK_REQUIRE_SERVER` there has to be one.
    pub fn real() -> Option<Self> {
        let program = env::var_os("BEANSTALKD").map(PathBuf::from).or_else(|| on_path("beanstalkd"));
        let Some(program) = program else {
            assert!(env::var_os("BEANSTALK_REQUIRE_SERVER").is_none(), "there is no beanstalkd");
            eprintln!("there is no beanstalkd: not tried with one");
            return None;
        };
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir().join(format!("beanstalk-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).expect("there is a place for a socket");
        let socket = directory.join("s");
        let child = Command::new(program)
            .arg("-l")
            .arg(format!("unix:{}", socket.display()))
            .stdout(Stdio::null())
            .spawn()
            .expect("beanstalkd starts");
        let until = Instant::now() + Duration::from_secs(60);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "beanstalkd does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Some(Self::Real { child, socket, directory })
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        match self {
            Self::Embedded(server) => server.addr().into(),
            Self::Real { socket, .. } => format!("unix:{}", socket.display()),
        }
    }

    /// The program, with this server for a default.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = beanstalk(args);
        command.env("BEANSTALK_URL", self.endpoint());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Real { child, directory, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// The program, with nothing set from outside.
pub fn beanstalk(args: &[&str]) -> Command {
    let mut command = Command::new(BEANSTALK);
    command.args(args).env_remove("BEANSTALK_URL").env_remove("BEANSTALK_TOKEN").env("NO_COLOR", "1");
    command
}

/// The verbs, as `--help` lists them.
pub fn verbs() -> Vec<String> {
    let output = beanstalk(&["--help"]).output().expect("it runs");
    let help = String::from_utf8(output.stdout).expect("it is text");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    commands.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

fn on_path(name: &str) -> Option<PathBuf> {
    let found = env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.or_else(|| Some(PathBuf::from("/usr/sbin").join(name)).filter(|path| Path::is_file(path)))
}
