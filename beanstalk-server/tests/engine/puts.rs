//! put: what it takes, what it refuses, and what it costs an id.

use beanstalk_proto::server::Config;

use crate::harness::{Server, value};

#[test]
fn a_body_over_the_maximum_is_refused_without_spending_an_id() {
    let mut server = Server::with(Config { max_job_size: 3, ..Config::default() });
    let client = server.connect();
    assert_eq!(server.exchange(client, "put 0 0 60 4\nabcd"), "JOB_TOO_BIG\n");
    assert_eq!(server.exchange(client, "put 0 0 60 3\nabc"), "INSERTED 1\n");
    let stats = server.exchange(client, "stats");
    assert_eq!((value(&stats, "cmd-put"), value(&stats, "total-jobs")), ("2", "1"));
    assert_eq!(value(&stats, "max-job-size"), "3");
}

#[test]
fn a_job_too_big_makes_no_producer() {
    let mut server = Server::with(Config { max_job_size: 3, ..Config::default() });
    let client = server.connect();
    server.exchange(client, "put 0 0 60 4\nabcd");
    assert_eq!(value(&server.exchange(client, "stats"), "current-producers"), "0");
}

#[test]
fn a_put_that_fails_for_its_line_end_spends_an_id() {
    let mut server = Server::new();
    let client = server.connect();
    server.send(client, b"put 0 0 60 1\r\nxyz");
    assert_eq!(server.hear(client), "EXPECTED_CRLF\n");
    assert_eq!(server.exchange(client, "put 0 0 60 1\nx"), "INSERTED 2\n");
    let stats = server.exchange(client, "stats");
    assert_eq!((value(&stats, "cmd-put"), value(&stats, "total-jobs")), ("2", "1"));
}

#[test]
fn a_put_counts_and_spends_its_id_when_its_line_arrives() {
    let mut server = Server::new();
    let [slow, quick] = server.connect_all();
    server.send(slow, b"put 0 0 60 5\r\nhel");
    let stats = server.exchange(quick, "stats");
    assert_eq!((value(&stats, "cmd-put"), value(&stats, "current-producers")), ("1", "1"));
    // Until it is complete nobody else sees it.
    assert_eq!(server.exchange(quick, "peek 1\nput 0 0 60 1\nx"), "NOT_FOUND\nINSERTED 2\n");
    server.advance_secs(3);
    server.send(slow, b"lo\r\n");
    assert_eq!(server.hear(slow), "INSERTED 1\n");
    // Its age counts from the line.
    assert_eq!(value(&server.exchange(quick, "stats-job 1"), "age"), "3");
}

#[test]
fn a_connection_that_ends_in_a_body_leaves_no_job() {
    let mut server = Server::new();
    let [slow, other] = server.connect_all();
    server.send(slow, b"put 0 0 60 5\r\nhel");
    server.half_close(slow);
    assert!(!server.is_connected(slow));
    assert_eq!(server.exchange(other, "put 0 0 60 1\nx"), "INSERTED 2\n");
    assert_eq!(value(&server.exchange(other, "stats"), "current-jobs-ready"), "1");
}

#[test]
fn drain_mode_refuses_jobs_and_nothing_else() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 60 1\nx");
    server.engine.set_draining(true);
    assert_eq!(server.exchange(client, "put 0 0 60 1\ny"), "DRAINING\n");
    assert_eq!(
        server.exchange(client, "reserve\nrelease 1 0 0\nreserve"),
        "RESERVED 1 1\nx\nRELEASED\nRESERVED 1 1\nx\n"
    );
    let stats = server.exchange(client, "stats");
    assert_eq!((value(&stats, "draining"), value(&stats, "cmd-put")), ("true", "2"));
    server.engine.set_draining(false);
    // The refused put spent an id.
    assert_eq!(server.exchange(client, "put 0 0 60 1\nz"), "INSERTED 3\n");
}

#[test]
fn a_put_with_trailing_bytes_counts_and_its_body_is_read_as_commands() {
    let mut server = Server::new();
    let client = server.connect();
    assert_eq!(server.exchange(client, "put 0 0 60 14 x\nlist-tube-used"), "BAD_FORMAT\nUSING default\n");
    let stats = server.exchange(client, "stats");
    assert_eq!((value(&stats, "cmd-put"), value(&stats, "current-producers")), ("1", "0"));
}

#[test]
fn urgent_jobs_are_ready_ones_below_1024() {
    let mut server = Server::new();
    let client = server.connect();
    let urgent = |server: &mut Server| {
        let stats = server.exchange(client, "stats");
        let tube = server.exchange(client, "stats-tube default");
        assert_eq!(value(&stats, "current-jobs-urgent"), value(&tube, "current-jobs-urgent"));
        value(&stats, "current-jobs-urgent").to_owned()
    };
    server.exchange(client, "put 1023 0 60 1\nx\nput 1024 0 60 1\ny\nput 0 100 60 1\nz");
    assert_eq!(urgent(&mut server), "1");
    server.exchange(client, "reserve");
    assert_eq!(urgent(&mut server), "0");
    server.exchange(client, "release 1 1024 0");
    assert_eq!(urgent(&mut server), "0");
    server.exchange(client, "kick-job 3");
    assert_eq!(urgent(&mut server), "1");
    server.exchange(client, "delete 2");
    assert_eq!(urgent(&mut server), "1");
    server.exchange(client, "delete 3");
    assert_eq!(urgent(&mut server), "0");
}
