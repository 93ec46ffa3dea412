//! The little of HTTP that a scrape takes: a GET a connection.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Scraper, text::CONTENT_TYPE};
use crate::{
    exit::{Failure, Outcome},
    report::Report,
};

/// How long a request may take to come, and its answer to be read.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the head of a request may be.
const HEAD: u64 = 16 * 1024;
/// Connections at a time; more are refused.
const CONNECTIONS: usize = 16;

/// Answers until the process ends.
pub(super) fn serve(address: SocketAddr, scraper: Scraper, report: Report) -> Outcome {
    let listener = TcpListener::bind(address).map_err(|error| {
        Failure::local(format_args!("cannot listen on {address}"), &error)
            .help("--listen ADDRESS:PORT chooses another place")
    })?;
    let address = listener.local_addr().map_err(|error| Failure::local(address, &error))?;
    report.note(&format!("metrics at http://{address}/metrics"));
    let (scraper, report, open) = (Arc::new(scraper), Arc::new(report), Arc::new(AtomicUsize::new(0)));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            // The peer is gone already, or there are no descriptors left for the moment.
            Err(_) => {
                thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        let (scraper, report, open) = (Arc::clone(&scraper), Arc::clone(&report), Arc::clone(&open));
        if open.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::AcqRel);
            let _ = answer(&stream, "503 Service Unavailable", "text/plain", "too many scrapes at a time\n", false);
            continue;
        }
        thread::spawn(move || {
            // A client that goes away early has no use for an error.
            let _ = talk(&stream, &scraper, &report);
            open.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

/// A stream with a deadline for all of it, however little moves each time.
struct Bounded<'s> {
    stream: &'s TcpStream,
    until: Instant,
}

impl<'s> Bounded<'s> {
    fn new(stream: &'s TcpStream, patience: Duration) -> Self {
        Self { stream, until: Instant::now() + patience }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buf)
    }
}

impl Write for Bounded<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn talk(stream: &TcpStream, scraper: &Scraper, report: &Report) -> io::Result<()> {
    let mut input = BufReader::new(Bounded::new(stream, PATIENCE).take(HEAD));
    let mut request = String::new();
    input.read_line(&mut request)?;
    // Read to its end: what a client still sends when the connection is closed can cost it the answer.
    let mut line = String::new();
    loop {
        line.clear();
        match input.read_line(&mut line)? {
            0 => {
                return answer(
                    stream,
                    "431 Request Header Fields Too Large",
                    "text/plain",
                    "no end of the request\n",
                    false,
                );
            }
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let head = method == "HEAD";
    match path.split('?').next().unwrap_or_default() {
        _ if !head && method != "GET" => {
            answer(stream, "405 Method Not Allowed", "text/plain", "only GET is answered\n", false)
        }
        "/metrics" => answer(stream, "200 OK", CONTENT_TYPE, &scraper.text(report), head),
        "/" => answer(stream, "200 OK", "text/html; charset=utf-8", "<a href=\"/metrics\">metrics</a>\n", head),
        _ => answer(stream, "404 Not Found", "text/plain", "the metrics are at /metrics\n", head),
    }
}

fn answer(stream: &TcpStream, status: &str, kind: &str, body: &str, head: bool) -> io::Result<()> {
    let length = body.len();
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let mut text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
    );
    if !head {
        text.push_str(body);
    }
    Bounded::new(stream, PATIENCE).write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_dribbles_has_no_more_time_than_others() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
        let (stream, _) = listener.accept().expect("it has connected");
        let patience = Duration::from_millis(200);
        // A byte each time that is far from over, until the other end has given up.
        let dribble = thread::spawn(move || {
            for _ in 0..500 {
                thread::sleep(patience / 20);
                if (&client).write_all(b"x").is_err() {
                    return;
                }
            }
        });
        let start = Instant::now();
        let error = BufReader::new(Bounded::new(&stream, patience)).read_line(&mut String::new()).expect_err("no line");
        let took = start.elapsed();
        drop(stream);
        dribble.join().expect("it ends well");
        assert!(matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{error}");
        assert!(took >= patience && took < 10 * patience, "{took:?}");
    }
}
