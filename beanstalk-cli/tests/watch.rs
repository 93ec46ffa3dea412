//! `tubes --watch` goes on by itself, also while a server is away.

mod support;

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
};

use beanstalk_server::EmbeddedServer;
use beanstalk_sync::Client;
use support::Server;

/// Ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tables_follow_one_another_and_an_outage_ends_nothing() {
    let _bound = beanstalk_watchdog::bound();
    let server = EmbeddedServer::start().expect("it starts");
    let address = server.addr().to_owned();
    let server = Server::Embedded(server);
    let mut child = server
        .command(&["tubes", "--watch", "20ms", "-o", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut errors = BufReader::new(child.stderr.take().expect("it was asked for"));
    let _child = Ended(child);
    let mut lines = output.lines().map(|line| line.expect("it is text"));
    let mut until = |text: &str| assert!(lines.any(|line| line.contains(text)), "it ended without {text:?}");
    until(r#""tube":"default""#);
    let put = |tube: &str| {
        let mut client = Client::connect(&address).expect("it listens");
        client.use_tube(tube).expect("it is a tube");
        client.put(0, 0, 60, "x").expect("it is put").inserted().expect("there is memory");
    };
    put("later");
    until(r#""tube":"later","ready":1"#);

    drop(server);
    let mut error = String::new();
    errors.read_line(&mut error).expect("it is text");
    assert!(error.starts_with("error: "), "{error}");
    // Whoever reads nothing on would stop it in the end.
    std::thread::spawn(move || errors.read_to_end(&mut Vec::new()));
    let _server = support::again_at(&address);
    put("again");
    until(r#""tube":"again","ready":1"#);
}
