//! The embedded server on real sockets: its life, its clock, and what it puts up with.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    time::Duration,
};

use beanstalk_server::{EmbeddedServer, proto::Dialect};

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Client(TcpStream);

impl Client {
    fn connect(server: &EmbeddedServer) -> Self {
        let stream = TcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, reply: &str) {
        let mut bytes = vec![0; reply.len()];
        self.0.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), reply);
    }

    #[track_caller]
    fn ask(&mut self, text: &str, reply: &str) {
        self.send(text);
        self.expect(reply);
    }

    /// Whether the server has closed this connection.
    fn is_at_end(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(n) => n == 0,
            Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        }
    }
}

#[test]
fn several_servers_are_independent() {
    let _bound = beanstalk_watchdog::bound();
    let servers = [(); 3].map(|()| EmbeddedServer::start().unwrap());
    for server in &servers {
        Client::connect(server).ask("put 0 0 60 1\r\nx\r\n", "INSERTED 1\r\n");
    }
    let ids: std::collections::BTreeSet<_> = servers.iter().map(|server| server.stats().id.unwrap()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn dropping_a_server_closes_its_connections_and_its_port() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let addr = server.addr().to_owned();
    let mut waiting = Client::connect(&server);
    waiting.ask("use a\r\n", "USING a\r\n");
    waiting.send("reserve\r\n");
    drop(server);
    assert!(waiting.is_at_end());
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn a_listener_that_is_open_already_is_served_and_outlives_the_server() {
    let _bound = beanstalk_watchdog::bound();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let builder = EmbeddedServer::builder().tcp_listener(listener);
    for _ in 0..2 {
        let server = builder.clone().start().unwrap();
        assert_eq!(server.socket_addr(), Some(addr));
        Client::connect(&server).ask("put 0 0 60 1\r\nx\r\n", "INSERTED 1\r\n");
    }
    assert!(TcpStream::connect(addr).is_ok());
    drop(builder);
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn statistics_are_typed_and_cost_no_command() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::builder().max_job_size(10).dialect(Dialect::V1_12).start().unwrap();
    let mut client = Client::connect(&server);
    client.ask("use a\r\nput 5 100 60 1\r\nx\r\n", "USING a\r\nINSERTED 1\r\n");
    client.ask("put 0 0 60 11\r\n01234567890\r\n", "JOB_TOO_BIG\r\n");
    let stats = server.stats();
    assert_eq!((stats.current_jobs_delayed, stats.cmd_stats, stats.max_job_size), (Some(1), Some(0), Some(10)));
    assert_eq!(stats.version.as_deref(), Some("1.12"));
    assert_eq!(server.stats_job(1).unwrap().pri.unwrap().0, 5);
    assert_eq!(server.stats_job(2), None);
    assert_eq!(server.list_tubes(), ["default", "a"]);
    assert_eq!(server.stats_tube(&server.list_tubes()[1]).unwrap().total_jobs, Some(1));
    assert_eq!(server.stats_tube("a").unwrap().current_using, Some(1));
    assert_eq!((server.stats_tube("b"), server.stats_tube("no name")), (None, None));
}

#[test]
fn drain_mode_can_be_entered_and_left() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::builder().draining(true).start().unwrap();
    let mut client = Client::connect(&server);
    client.ask("put 0 0 60 1\r\nx\r\n", "DRAINING\r\n");
    server.set_draining(false);
    client.ask("put 0 0 60 1\r\nx\r\n", "INSERTED 2\r\n");
}

#[test]
fn an_hour_of_the_servers_time_takes_no_time() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::builder().paused_clock().start().unwrap();
    let mut client = Client::connect(&server);
    client.ask("put 0 3600 60 1\r\nx\r\n", "INSERTED 1\r\n");
    client.send("reserve\r\n");
    server.clock().advance(Duration::from_secs(3599));
    assert_eq!(server.stats().current_waiting, Some(1));
    server.clock().advance(Duration::from_secs(1));
    client.expect("RESERVED 1 1\r\nx\r\n");
    // Each step happens at its own moment: the warning comes before the job expires.
    client.send("reserve\r\n");
    server.clock().advance(Duration::from_secs(3600));
    client.expect("DEADLINE_SOON\r\n");
    assert_eq!(server.stats_job(1).unwrap().timeouts, Some(1));
    assert_eq!(server.clock().now(), Duration::from_secs(7200));
}

#[test]
fn a_running_clock_can_be_advanced_too() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let mut client = Client::connect(&server);
    client.ask("put 0 0 600 1\r\nx\r\nreserve\r\n", "INSERTED 1\r\nRESERVED 1 1\r\nx\r\n");
    server.clock().advance(Duration::from_secs(600));
    client.ask("delete 1\r\n", "DELETED\r\n");
    assert_eq!(server.stats().job_timeouts, Some(1));
}

#[test]
fn a_timeout_fires_without_anybodys_help() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    Client::connect(&server).ask("reserve-with-timeout 1\r\n", "TIMED_OUT\r\n");
}

#[test]
fn waiting_until_the_work_is_done() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let mut client = Client::connect(&server);
    client.ask("put 0 0 60 1\r\nx\r\nput 0 900 60 1\r\ny\r\n", "INSERTED 1\r\nINSERTED 2\r\n");
    let busy = server.wait_until_idle(Duration::from_millis(20)).unwrap_err();
    assert_eq!(busy.stats.current_jobs_ready, Some(1));
    assert!(busy.to_string().contains("1 jobs ready"), "{busy}");

    let worker = std::thread::spawn({
        let mut worker = Client::connect(&server);
        move || {
            worker.ask("reserve\r\n", "RESERVED 1 1\r\nx\r\n");
            worker.ask("delete 1\r\n", "DELETED\r\n");
        }
    });
    server.wait_until_idle(PATIENCE).unwrap();
    worker.join().unwrap();
    server.wait_until(PATIENCE, |stats| stats.cmd_delete == Some(1)).unwrap();
}

#[test]
fn a_panic_in_a_condition_fails_the_test_that_gave_it_and_no_other() {
    let _bound = beanstalk_watchdog::bound();
    let panicked = std::panic::catch_unwind(|| {
        let server = EmbeddedServer::start().unwrap();
        server.wait_until(PATIENCE, |_| panic!("the test's own"))
    });
    assert!(panicked.is_err());
}

#[test]
fn an_end_by_panic_is_reported_as_an_end() {
    let _bound = beanstalk_watchdog::bound();
    let (ended, end) = std::sync::mpsc::channel();
    let started = EmbeddedServer::builder().start_and(move |result| ended.send(result.is_err()).unwrap()).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let server = started;
        server.wait_until(PATIENCE, |_| panic!("the test's own"))
    }));
    assert!(panicked.is_err());
    assert_eq!(end.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn a_settled_server_has_dealt_with_all_that_was_sent() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let mut client = Client::connect(&server);
    for n in 1..=50 {
        client.send(&"put 0 0 60 1\r\nx\r\n".repeat(20));
        server.settle();
        assert_eq!(server.stats().total_jobs, Some(20 * n));
    }
}

#[test]
fn the_end_of_the_input_ends_a_waiting_reserve_with_unread_commands_behind_it() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let mut client = Client::connect(&server);
    // More than one read takes.
    client.send(&format!("reserve\r\n{}", "use a\r\n".repeat(5000)));
    server.settle();
    assert_eq!(server.stats().cmd_use, Some(0));
    client.0.shutdown(Shutdown::Write).unwrap();
    client.expect("TIMED_OUT\r\n");
    client.expect(&"USING a\r\n".repeat(5000));
    assert!(client.is_at_end());
}

#[test]
fn a_peer_that_never_reads_is_not_served_without_end() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::builder().max_backlog(10_000).start().unwrap();
    let mut deaf = Client::connect(&server);
    deaf.ask(&format!("put 0 0 60 60000\r\n{}\r\n", "x".repeat(60_000)), "INSERTED 1\r\n");
    // It asks for far more than sockets and server hold, until the server does not listen any more.
    deaf.0.set_nonblocking(true).unwrap();
    let mut asked = 0;
    let mut refused = 0;
    while refused < 3 {
        match deaf.0.write(b"peek 1\r\n") {
            Ok(n) => asked += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                server.settle();
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let peeks = server.stats().cmd_peek.unwrap();
    assert!(peeks < asked as u64 / 8, "{peeks} of {} were answered", asked / 8);
    // Others are served meanwhile.
    Client::connect(&server).ask("delete 1\r\n", "DELETED\r\n");
}

#[test]
fn a_flood_from_one_does_not_starve_another() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let flood = Client::connect(&server).0;
    let mut writer = flood.try_clone().unwrap();
    let mut reader = flood.try_clone().unwrap();
    let flooding = std::thread::spawn(move || {
        let lines = b"nonsense\r\n".repeat(1000);
        while writer.write_all(&lines).is_ok() {}
    });
    let reading = std::thread::spawn(move || {
        let mut buf = vec![0; 1 << 16];
        while reader.read(&mut buf).is_ok_and(|n| n > 0) {}
    });
    let mut client = Client::connect(&server);
    for n in 1..=200 {
        client.ask("put 0 0 60 1\r\nx\r\n", &format!("INSERTED {n}\r\n"));
    }
    flood.shutdown(Shutdown::Both).unwrap();
    flooding.join().unwrap();
    reading.join().unwrap();
}

#[test]
fn peers_that_vanish_in_the_middle_of_things_leave_nothing_behind() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    for text in ["put 0 0 60 100\r\nhalf", "use a\r\nres", "watch b\r\nreserve\r\n", "put 0 0 60 99999\r\nxx", "x"] {
        for _ in 0..20 {
            Client::connect(&server).send(text);
        }
    }
    server
        .wait_until(PATIENCE, |stats| stats.total_connections == Some(100) && stats.current_connections == Some(0))
        .unwrap();
    let stats = server.stats();
    assert_eq!((stats.current_tubes, stats.current_waiting, stats.total_jobs), (Some(1), Some(0), Some(0)));
    assert_eq!((stats.current_producers, stats.current_workers), (Some(0), Some(0)));
}

#[test]
fn large_bodies_go_in_and_out_unchanged() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::builder().max_job_size(1 << 26).start().unwrap();
    let mut client = Client::connect(&server);
    let body: String = (0..20_000_000_u32).map(|n| char::from(b'!' + (n % 89) as u8)).collect();
    client.ask(&format!("put 0 0 60 {}\r\n{body}\r\n", body.len()), "INSERTED 1\r\n");
    client.ask("reserve\r\n", &format!("RESERVED 1 {}\r\n{body}\r\n", body.len()));
    client.ask("peek 1\r\n", &format!("FOUND 1 {}\r\n{body}\r\n", body.len()));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A path of this test's own.
    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("beanstalk-{}-{name}.sock", std::process::id()))
    }

    #[test]
    fn a_unix_socket_is_made_replaced_and_removed() {
        let _bound = beanstalk_watchdog::bound();
        let path = path("socket");
        // What a server that was killed leaves behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let address = format!("unix:{}", path.display());
        let server = EmbeddedServer::builder().listen(&address).start().unwrap();
        assert_eq!(server.addr(), address);
        assert_eq!(server.socket_addr(), None);
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"list-tube-used\r\nquit\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "USING default\r\n");
        drop(server);
        assert!(!path.exists());
    }

    #[test]
    fn another_file_at_the_path_is_left_alone() {
        let _bound = beanstalk_watchdog::bound();
        let path = path("file");
        std::fs::write(&path, "mine").unwrap();
        let error = EmbeddedServer::builder().listen(format!("unix:{}", path.display())).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_path_where_one_listens_is_refused_and_stays_his() {
        let path = path("taken");
        let address = format!("unix:{}", path.display());
        let first = EmbeddedServer::builder().listen(&address).start().unwrap();
        let error = EmbeddedServer::builder().listen(&address).start().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        assert!(UnixStream::connect(&path).is_ok());
        drop(first);
        EmbeddedServer::builder().listen(&address).start().unwrap();
    }

    #[test]
    fn a_server_removes_no_socket_but_its_own() {
        let path = path("two");
        let address = format!("unix:{}", path.display());
        let first = EmbeddedServer::builder().listen(&address).start().unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = EmbeddedServer::builder().listen(&address).start().unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
        drop(second);
        assert!(!path.exists());
    }
}
