//! A server that runs out of file descriptors goes on, and accepts again when there are some.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);
const DESCRIPTORS: usize = 40;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a command, and gives the line it is answered with.
fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"list-tube-used\r\n").unwrap();
    answer(stream)
}

fn answer(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer in time");
    line
}

#[test]
fn running_out_of_file_descriptors_ends_nothing() {
    let _bound = beanstalk_watchdog::bound();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap().port();
    let program = env!("CARGO_BIN_EXE_beanstalk-server");
    let command = format!("ulimit -n {DESCRIPTORS} && exec '{program}' -l 127.0.0.1 -p {port}");
    let _server = Server(Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).spawn().unwrap());
    let connect = || TcpStream::connect(("127.0.0.1", port));
    let until = Instant::now() + PATIENCE;
    let mut first = loop {
        match connect() {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < until, "it does not listen: {error}"),
        }
    };
    assert_eq!(ask(&mut first), "USING default\r\n");

    // Twice as many as it can accept; the rest wait in the system's queue.
    let crowd: Vec<TcpStream> = (0..2 * DESCRIPTORS).map(|_| connect().unwrap()).collect();
    for mut stream in &crowd {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"list-tube-used\r\n").unwrap();
    }
    // Who is connected is served, now that nobody else can be.
    for _ in 0..100 {
        assert_eq!(ask(&mut first), "USING default\r\n");
    }
    // And as one leaves, the next is served: in the end everybody was.
    for stream in crowd {
        assert_eq!(answer(&stream), "USING default\r\n");
    }
    assert_eq!(ask(&mut first), "USING default\r\n");
}
