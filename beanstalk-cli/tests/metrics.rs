//! `metrics` as Prometheus meets it.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use support::Server;

struct Exporter {
    child: Child,
    address: String,
}

impl Exporter {
    fn start(url: &str, args: &[&str]) -> Self {
        let all: Vec<&str> = ["metrics", "--listen", "127.0.0.1:0"].iter().chain(args).copied().collect();
        let mut child =
            support::beanstalk(&all).env("BEANSTALK_URL", url).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().expect("it was asked for")).read_line(&mut line).expect("it can be read");
        let address = line.trim().strip_prefix("note: metrics at http://").and_then(|url| url.strip_suffix("/metrics"));
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is text");
        answer
    }

    fn scrape(&self) -> String {
        self.ask("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put(server: &Server, tube: &str) {
    assert!(server.command(&["put", "-t", tube, "x"]).stdout(Stdio::null()).status().expect("it runs").success());
}

#[test]
fn each_scrape_asks_anew_and_a_server_that_is_down_takes_nothing_from_the_others() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let other = Server::embedded();
    let exporter = Exporter::start(&format!("{} {}", server.endpoint(), other.endpoint()), &[]);
    put(&server, "mails");
    let first = exporter.scrape();
    assert!(first.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{first}");
    let ready = |count: u32| {
        format!("beanstalkd_tube_jobs{{server=\"{}\",tube=\"mails\",state=\"ready\"}} {count}\n", server.endpoint())
    };
    assert!(first.contains(&ready(1)), "{first}");
    put(&server, "mails");
    let down = other.endpoint();
    drop(other);
    let second = exporter.scrape();
    assert!(second.contains(&ready(2)), "{second}");
    assert!(second.contains(&format!("beanstalkd_up{{server=\"{down}\"}} 0\n")), "{second}");
    assert!(second.contains(&format!("beanstalkd_up{{server=\"{}\"}} 1\n", server.endpoint())), "{second}");
}

#[test]
fn what_is_no_scrape_is_answered_with_the_reason() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let exporter = Exporter::start(&server.endpoint(), &[]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "200 OK"),
        ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200 OK"),
        ("GET /other HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405 Method Not Allowed"),
        ("\r\n\r\n", "405 Method Not Allowed"),
    ] {
        let answer = exporter.ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
    }
    let head = exporter.ask("HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n", "x".repeat(20_000));
    // What is over the limit is not read, so the answer may get lost; the next scrape gets its own.
    let mut stream = TcpStream::connect(&exporter.address).expect("it listens");
    let _ = stream.write_all(long.as_bytes());
    drop(stream);
    assert!(exporter.scrape().starts_with("HTTP/1.1 200"));
}

#[test]
fn ten_thousand_tubes_are_one_scrape() {
    let _bound = beanstalk_watchdog::bound();
    const TUBES: usize = 10_000;
    let server = Server::embedded();
    let mut client = beanstalk_sync::Client::connect(&server.endpoint()).expect("it listens");
    for tube in 0..TUBES {
        let name = format!("tube-{tube}");
        // A job each, so that the tube stays.
        let (used, put) =
            client.call_both(beanstalk_sync::Use::new(&*name), beanstalk_sync::Put::of("x")).expect("it can be sent");
        used.expect("it is used");
        put.expect("it is put").inserted().expect("there is memory");
    }
    let exporter = Exporter::start(&server.endpoint(), &[]);
    let start = Instant::now();
    let answer = exporter.scrape();
    let took = start.elapsed();
    assert_eq!(answer.matches("beanstalkd_tube_urgent_jobs{").count(), TUBES + 1, "all, and default");
    // A second is what it takes at most where nothing else runs and it is optimized; this is neither.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
