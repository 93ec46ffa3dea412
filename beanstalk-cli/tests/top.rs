//! `top` in a real pseudo-terminal of 80 by 24.

mod support;

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use beanstalk_server::EmbeddedServer;
use beanstalk_sync::{Client, JobId, Put, Use};
use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::Server;
use vt100::Parser;

const LONG: Duration = Duration::from_secs(60);

/// The program on a terminal, and what stands there.
struct Top {
    child: Child,
    keys: File,
    screen: Arc<(Mutex<Parser>, Condvar)>,
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
        let screen = Arc::new((Mutex::new(Parser::new(24, 80, 0)), Condvar::new()));
        let (mut output, shared) = (master.try_clone().expect("there are descriptors"), Arc::clone(&screen));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Until its end, when a read fails.
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                shared.0.lock().expect("nobody panics").process(&buffer[..n]);
                shared.1.notify_all();
            }
        });
        Self { child, keys: master, screen }
    }

    /// Waits until the screen is as it should be, and returns what stands on it.
    #[track_caller]
    fn wait(&self, what: &str, mut is: impl FnMut(&vt100::Screen) -> bool) -> String {
        let screen = self.screen.0.lock().expect("nobody panics");
        let (screen, timeout) =
            self.screen.1.wait_timeout_while(screen, LONG, |parser| !is(parser.screen())).expect("nobody panics");
        let text = screen.screen().contents();
        assert!(!timeout.timed_out(), "{what:?} is not on\n{text}");
        text
    }

    #[track_caller]
    fn until(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contents().contains(text))
    }

    #[track_caller]
    fn until_gone(&self, text: &str) -> String {
        self.wait(text, |screen| !screen.contents().contains(text))
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
    }

    /// The program ends by itself, and leaves the terminal as it was.
    fn end(mut self) {
        assert!(self.child.wait().expect("it ends").success());
        self.wait("the screen before", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(server: &Server) -> Client {
    Client::connect(&server.endpoint()).expect("it listens")
}

fn goes_down_to_bodies_and_acts(server: &Server) {
    let mut client = client(server);
    client.use_tube("mails").expect("it is a tube");
    for n in 1..=60 {
        let body = if n == 60 { br#"{"to":"alice"}"#.to_vec() } else { format!("body {n}").into_bytes() };
        client.call(Put::of(body).ttr(600_u32)).expect("it is put").inserted().expect("there is memory");
    }
    client.reserve_job(2).expect("it is there");
    client.bury(2, 7).expect("it is held");

    let mut top = Top::start(server, &[]);
    top.until("mails");
    top.press("j\r");
    // Those next in line come first, and the others follow by their ids.
    let listed = top.until("60 jobs");
    let ids: Vec<&str> = listed.lines().skip(5).take(18).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(ids[..5], ["1", "2", "3", "4", "5"], "{listed}");
    top.press("G");
    top.until("alice");
    top.press("\r");
    top.until("14 bytes as text");
    top.press("m");
    top.until("\"to\": \"alice\"");
    top.press("m");
    top.until("7b 22 74 6f 22 3a");
    top.press("\x1b[D");
    top.until("60 jobs");

    // Each action is asked about, and done.
    top.press("d");
    top.until("delete job 60?");
    top.press("n");
    top.until("nothing was done");
    top.press("dy");
    top.until("job 60 deleted");
    top.until_gone("alice");
    top.press("by");
    top.until("job 59 buried");
    top.press("gjKy");
    top.until("job 2 kicked");
    top.press("p\x7f\x7f1h\r");
    top.until("pause mails for 3600 s?");
    top.press("y");
    top.until("mails is paused for 3600 s");
    top.press("ihello top\ry");
    top.until("put job ");
    top.press("q");
    top.end();

    let stats = client.stats_tube("mails").expect("it is there");
    assert_eq!((stats.current_jobs_ready, stats.current_jobs_buried), (Some(59), Some(1)));
    assert_eq!(stats.pause, Some(Duration::from_secs(3600)));
    let put = client.stats_tube("mails").expect("it is there").total_jobs;
    assert_eq!(put, Some(61));
}

#[test]
fn from_servers_to_bodies_and_every_action() {
    let _bound = beanstalk_watchdog::bound();
    goes_down_to_bodies_and_acts(&Server::embedded());
    if let Some(server) = Server::real() {
        goes_down_to_bodies_and_acts(&server);
    }
}

#[test]
fn a_restart_is_survived_and_shown() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().expect("it starts");
    let address = server.addr().to_owned();
    let server = Server::Embedded(server);
    let (_, put) = client(&server).call_both(Use::new("before"), Put::of("x")).expect("it can be sent");
    put.expect("it is put").inserted().expect("there is memory");
    let mut top = Top::start(&server, &[]);
    top.until("before");
    drop(server);
    top.until("DOWN");
    let server = support::again_at(&address);
    top.until("restarted");
    top.until_gone("before");
    assert_eq!(server.stats_job(JobId(1)), None);
    top.press("q");
    top.end();
}

#[test]
fn ten_thousand_tubes_are_sorted_filtered_and_gone_through() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let mut client = client(&server);
    let tubes: Vec<_> = (0..10_000).map(|n| format!("tube-{n:05}")).collect();
    for tube in &tubes {
        let (used, put) = client.call_both(Use::new(&**tube), Put::of("x")).expect("it can be sent");
        used.expect("it is used");
        put.expect("it is put").inserted().expect("there is memory");
    }
    let mut top = Top::start(&server, &[]);
    top.until("tubes 10001");
    top.press("G");
    top.until("tube-09999");
    top.press("/77\r");
    top.until("tube-00077");
    top.press("s");
    top.until("tube-00177");
    top.press("\r");
    top.until("› tube-00077  1 job");
    top.press("q");
    top.end();
}

#[test]
fn sigterm_leaves_the_terminal_as_it_was() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    client(&server).put(0, 0, 60, "read only").expect("it is put").inserted().expect("there is memory");
    let mut top = Top::start(&server, &["--read-only"]);
    top.until("read-only");
    top.press("\r");
    top.until("read only");
    top.press("d");
    top.until("--read-only forbids it");
    let Server::Embedded(embedded) = &server else { unreachable!("it is embedded") };
    assert_eq!(embedded.stats().cmd_put, Some(1), "no probe was put");
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
