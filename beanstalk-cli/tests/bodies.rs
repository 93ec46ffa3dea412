//! Bodies go in by every way and come out as they were.

mod support;

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use support::Server;

/// Every byte there is, and what text forms would change.
fn every_byte() -> Vec<u8> {
    (0..=255).chain(*b"\r\n\r\n\0").collect()
}

fn output(mut command: Command, input: &[u8]) -> (Vec<u8>, i32) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    match child.stdin.take().expect("it was asked for").write_all(input) {
        // What it refuses it does not read to the end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.expect("it reads"),
    }
    let output = child.wait_with_output().expect("it ends");
    (output.stdout, output.status.code().expect("it ends by itself"))
}

#[test]
fn standard_input_and_files_are_put_byte_for_byte() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let file = std::env::temp_dir().join(format!("beanstalk-cli-body-{}", std::process::id()));
    fs::write(&file, every_byte()).expect("there is room");
    let path = file.to_str().expect("it is text");

    assert_eq!(output(server.command(&["put", "-o", "plain"]), &every_byte()), (b"1\n".to_vec(), 0));
    assert_eq!(output(server.command(&["put", "-o", "plain", "-"]), &every_byte()), (b"2\n".to_vec(), 0));
    assert_eq!(output(server.command(&["put", "-o", "plain", "-f", path]), b""), (b"3\n".to_vec(), 0));
    fs::remove_file(&file).expect("it is there");
    for id in ["1", "2", "3"] {
        assert_eq!(output(server.command(&["peek", id, "--raw"]), b"").0, every_byte(), "job {id}");
    }
}

#[test]
fn what_one_call_prints_another_can_put() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    output(server.command(&["put"]), &every_byte());
    let (json, _) = output(server.command(&["peek-ready", "-o", "json"]), b"");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    let base64 = json["body"].as_str().expect("a body");
    assert_eq!(json["text"], serde_json::Value::Null, "it is not text");
    assert_eq!(output(server.command(&["put", "--base64", "-t", "b", "-o", "plain"]), base64.as_bytes()).1, 0);
    assert_eq!(output(server.command(&["peek", "2", "--raw"]), b"").0, every_byte());
}

#[test]
fn each_line_is_a_job_and_none_waits_for_the_next() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let mut child = server
        .command(&["put", "--lines", "-o", "plain"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("it was asked for");
    let mut ids = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
    for (line, id) in [("one\n", "1"), ("two\r\n", "2"), ("\n", "3")] {
        input.write_all(line.as_bytes()).expect("it reads");
        assert_eq!(ids.next().expect("a line").expect("it can be read"), id, "while its input is open");
    }
    input.write_all(b"no line end").expect("it reads");
    drop(input);
    assert_eq!(ids.next().expect("a line").expect("it can be read"), "4");
    assert!(child.wait().expect("it ends").success());
    for (id, body) in [("1", "one"), ("2", "two"), ("3", ""), ("4", "no line end")] {
        assert_eq!(output(server.command(&["peek", id, "--raw"]), b"").0, body.as_bytes());
    }
}

#[test]
fn a_body_that_is_too_long_does_not_keep_the_others_out() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let long = "x".repeat(70_000);
    let input = format!("short\n{long}\nlast\n");
    let (ids, exit) = output(server.command(&["put", "--lines", "-o", "plain"]), input.as_bytes());
    assert_eq!(exit, 6, "partial success");
    assert_eq!(String::from_utf8_lossy(&ids).lines().count(), 2);
    assert_eq!(output(server.command(&["put"]), long.as_bytes()).1, 3, "refused");
}

#[test]
fn input_without_an_end_is_read_no_further_than_a_body_can_be() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let endless = || fs::File::open("/dev/zero").expect("it is there");
    for (args, name) in [
        (&["put"][..], "standard input"),
        (&["put", "-"], "standard input"),
        (&["put", "--base64"], "standard input"),
        (&["put", "-f", "/dev/zero"], "/dev/zero"),
    ] {
        let output = server.command(args).stdin(endless()).output().expect("it starts");
        assert_eq!(output.status.code(), Some(3), "refused: {args:?}");
        let error = String::from_utf8(output.stderr).expect("it is text");
        let wanted = format!("error: {name}: a body has more than the 65535 bytes that the server takes\n");
        assert!(error.starts_with(&wanted) && error.contains("beanstalkd -z BYTES"), "{error}");
    }
    // A line, too, of which the first error is there while it is still being read.
    let mut child =
        server.command(&["put", "--lines"]).stdin(endless()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut error = String::new();
    BufReader::new(child.stderr.take().expect("it was asked for")).read_line(&mut error).expect("it can be read");
    child.kill().and_then(|()| child.wait()).expect("it runs until then");
    assert!(error.contains("standard input: a body has more than"), "{error}");
}

#[test]
fn a_job_whose_reader_is_gone_is_not_deleted() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    output(server.command(&["put"]), &[b'x'; 60_000]);
    let mut child = server
        .command(&["reserve", "--delete", "--raw"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    child.wait().expect("it ends");
    let Server::Embedded(server) = &server else { unreachable!("it is embedded") };
    server
        .wait_until(std::time::Duration::from_secs(60), |stats| stats.current_jobs_ready == Some(1))
        .expect("it is back");
}

/// Has the program print to somebody who has gone already, and returns its exit code.
fn unread(mut command: Command, input: &[u8]) -> i32 {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    drop(child.stdout.take());
    child.stdin.take().expect("it was asked for").write_all(input).expect("it reads");
    child.wait().expect("it ends").code().expect("it ends by itself")
}

#[test]
fn everything_is_done_though_nobody_reads_of_it() {
    let _bound = beanstalk_watchdog::bound();
    const JOBS: usize = 3000;
    let server = Server::embedded();
    let lines: String = (1..=JOBS).map(|n| format!("{n}\n")).collect();
    for form in ["table", "json", "jsonl", "plain"] {
        let args = ["put", "--lines", "-t", form, "-o", form];
        assert_eq!(unread(server.command(&args), lines.as_bytes()), 0, "{form}");
        let stats = beanstalk_sync::Client::connect(&server.endpoint()).and_then(|mut client| client.stats_tube(form));
        assert_eq!(stats.expect("it is there").current_jobs_ready, Some(JOBS as u64), "{form}");
    }
    // Nor does it make a success of what was none.
    let ids: Vec<String> = (1..=JOBS + 1).map(|id| id.to_string()).collect();
    let args: Vec<&str> = ["delete", "99999999"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    assert_eq!(unread(server.command(&args), b""), 6);
    let (left, _) = output(server.command(&["list-tubes", "-o", "plain"]), b"");
    assert!(!String::from_utf8_lossy(&left).contains("table"), "all of the first tube are deleted");
}

#[test]
fn what_a_server_sends_does_nothing_to_a_terminal() {
    let _bound = beanstalk_watchdog::bound();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("it connects");
            let body = "---\nhostname: \"a\u{1b}]0;b\u{7}\"\nother: \u{9b}2J\n";
            let _ = BufReader::new(&stream).read_line(&mut String::new());
            let _ = write!(stream, "OK {}\r\n{body}\r\n", body.len());
        }
    });
    for form in ["table", "json", "jsonl", "plain"] {
        let mut command = support::beanstalk(&["stats", "-o", form]);
        command.env("BEANSTALK_URL", &endpoint);
        let (text, exit) = output(command, b"");
        let text = String::from_utf8(text).expect("it is text");
        assert_eq!(exit, 0, "{text}");
        // JSON leaves those beyond ASCII to its reader.
        let is_control = |c: char| if form.starts_with("json") { c.is_ascii_control() } else { c.is_control() };
        assert!(!text.contains(|c: char| is_control(c) && !matches!(c, '\n' | '\t')), "{form}: {text:?}");
    }
}

#[test]
fn a_job_whose_priority_is_not_known_keeps_it() {
    let _bound = beanstalk_watchdog::bound();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = listener.local_addr().expect("an address").to_string();
    let (says, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it connects");
        for line in BufReader::new(stream.try_clone().expect("a socket")).lines().map_while(Result::ok) {
            let answer = match line.split(' ').next() {
                Some("stats-job") => "OUT_OF_MEMORY\r\n",
                Some("reserve-job") => "RESERVED 7 1\r\nx\r\n",
                _ => "BURIED\r\n",
            };
            let _ = (says.send(line), stream.write_all(answer.as_bytes()));
        }
    });
    let mut command = support::beanstalk(&["bury", "7"]);
    command.env("BEANSTALK_URL", &endpoint).stderr(Stdio::null());
    assert_eq!(output(command, b"").1, 3);
    assert_eq!(said.iter().collect::<Vec<_>>(), ["stats-job 7"]);
}
