//! `top` in a real pseudo-terminal.

mod support;

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::Server;

const LONG: Duration = Duration::from_secs(60);

/// The program on a terminal of 80 by 24, and what it has written so far.
struct Top {
    child: Child,
    keys: File,
    written: Arc<(Mutex<String>, Condvar)>,
}

impl Top {
    fn start(server: &Server, args: &[&str]) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("there are pseudo-terminals");
        let (master, slave) = (File::from(pty.master), File::from(pty.slave));
        let stdio = || Stdio::from(slave.try_clone().expect("there are descriptors"));
        let all: Vec<&str> = ["top", "-i", "50ms"].iter().chain(args).copied().collect();
        let mut command = server.command(&all);
        let child =
            command.env("TERM", "xterm").stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().expect("it starts");
        drop(command);
        let written = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (mut output, shared) = (master.try_clone().expect("there are descriptors"), Arc::clone(&written));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Until its end, when a read fails.
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                shared.0.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&buffer[..n]));
                shared.1.notify_all();
            }
        });
        Self { child, keys: master, written }
    }

    /// Waits until it has written this.
    fn until(&self, text: &str) {
        let written = self.written.0.lock().expect("nobody panics");
        let (written, timeout) =
            self.written.1.wait_timeout_while(written, LONG, |written| !written.contains(text)).expect("nobody panics");
        assert!(!timeout.timed_out(), "{text:?} is not in {written:?}");
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
    }

    fn end(mut self) {
        assert!(self.child.wait().expect("it ends").success());
        self.until("\u{1b}[?1049l");
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(server: &Server, args: &[&str]) {
    assert!(server.command(args).stdout(Stdio::null()).status().expect("it runs").success());
}

fn kicks_and_quits(server: &Server) {
    run(server, &["put", "-t", "mails", "hello top"]);
    run(server, &["bury", "1"]);
    let mut top = Top::start(server, &[]);
    top.until("\u{1b}[?1049h");
    top.until("mails");
    // The second tube, and into it, to its job, which is buried.
    top.press("j\r");
    top.until("hello top");
    top.press("Ky");
    top.until("job 1 kicked");
    top.press("q");
    top.end();
    run(server, &["reserve-with-timeout", "0", "-t", "mails"]);
}

#[test]
fn a_buried_job_is_found_and_kicked() {
    let _bound = beanstalk_watchdog::bound();
    kicks_and_quits(&Server::embedded());
    if let Some(server) = Server::real() {
        kicks_and_quits(&server);
    }
}

#[test]
fn sigterm_leaves_the_terminal_as_it_was() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let top = Top::start(&server, &["--read-only"]);
    top.until("read-only");
    top.until("default");
    kill(Pid::from_raw(top.child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
    top.end();
}

#[test]
fn without_a_terminal_it_does_not_start() {
    let _bound = beanstalk_watchdog::bound();
    let output = support::beanstalk(&["top"]).stdin(Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("top needs a terminal"));
}
