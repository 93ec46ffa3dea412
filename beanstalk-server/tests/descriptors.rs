//! A server that runs out of file descriptors goes on, and accepts again when there are some.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
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
    let program = env!("CARGO_BIN_EXE_beanstalk-server");
    let command = format!("ulimit -n {DESCRIPTORS} && exec '{program}' -V -l 127.0.0.1 -p 0");
    let mut command =
        Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(command.stdout.take().unwrap());
    let _server = Server(command);
    let bound = printed.lines().map_while(Result::ok).find_map(|line| Some(line.strip_prefix("bind ")?.to_owned()));
    let address = bound.expect("it prints where it listens");
    let connect = || TcpStream::connect(&address);
    let mut first = connect().unwrap();
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
