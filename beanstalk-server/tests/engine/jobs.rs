//! delete, release, bury, kick, touch and peek.

use crate::harness::{Server, value};

#[test]
fn anybody_may_delete_what_is_not_held_and_only_the_holder_what_is() {
    let mut server = Server::new();
    let [client, other] = server.connect_all();
    server.exchange(
        client,
        "put 0 0 60 1\nx\nput 0 100 60 1\ny\nput 1 0 60 1\nz\nput 2 0 60 1\nw\nreserve\nreserve\nbury 3 0",
    );
    assert_eq!(server.exchange(other, "delete 1"), "NOT_FOUND\n");
    assert_eq!(server.exchange(client, "delete 1\ndelete 1"), "DELETED\nNOT_FOUND\n");
    assert_eq!(
        server.exchange(other, "delete 2\ndelete 3\ndelete 4\ndelete 4"),
        "DELETED\nDELETED\nDELETED\nNOT_FOUND\n"
    );
    let stats = server.exchange(client, "stats-tube default");
    assert_eq!((value(&stats, "cmd-delete"), value(&stats, "total-jobs")), ("4", "4"));
}

#[test]
fn release_bury_and_touch_are_for_the_holder_only() {
    let mut server = Server::new();
    let [client, other] = server.connect_all();
    server.exchange(client, "put 0 0 60 1\nx");
    for command in ["release 1 0 0", "bury 1 0", "touch 1"] {
        assert_eq!(server.exchange(client, command), "NOT_FOUND\n", "{command} of a ready job");
    }
    server.exchange(client, "reserve");
    for command in ["release 1 0 0", "bury 1 0", "touch 1"] {
        assert_eq!(server.exchange(other, command), "NOT_FOUND\n", "{command} by another");
    }
    assert_eq!(server.exchange(client, "touch 1\nbury 1 9\nbury 1 9"), "TOUCHED\nBURIED\nNOT_FOUND\n");
}

#[test]
fn a_job_counts_as_held_or_buried_for_as_long_as_it_is() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 60 1\nx\nput 0 0 60 1\ny\nput 0 0 60 1\nz\nreserve\nreserve\nreserve");
    for (command, held, buried) in [
        ("touch 1", "3", "0"),
        ("release 1 0 0", "2", "0"),
        ("bury 2 0", "1", "1"),
        ("delete 3", "0", "1"),
        ("reserve-job 1", "1", "1"),
        ("bury 1 0", "0", "2"),
        ("kick-job 2", "0", "1"),
        ("delete 1", "0", "0"),
    ] {
        server.exchange(client, command);
        for stats in ["stats", "stats-tube default"] {
            let counts = server.exchange(client, stats);
            let counts = (value(&counts, "current-jobs-reserved"), value(&counts, "current-jobs-buried"));
            assert_eq!(counts, (held, buried), "{command}: {stats}");
        }
    }
}

#[test]
fn buried_jobs_are_kicked_in_the_order_of_burying_and_before_delayed_ones() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 60 1\na\nput 0 0 60 1\nb\nput 0 0 60 1\nc\nput 0 100 60 1\nd");
    server.exchange(client, "reserve\nreserve\nreserve\nbury 3 0\nbury 1 0\nbury 2 0");
    assert_eq!(server.exchange(client, "peek-buried"), "FOUND 3 1\nc\n");
    assert_eq!(server.exchange(client, "kick 1\npeek-ready\npeek-buried"), "KICKED 1\nFOUND 3 1\nc\nFOUND 1 1\na\n");
    assert_eq!(server.exchange(client, "kick 100"), "KICKED 2\n");
    assert_eq!(server.exchange(client, "kick 100"), "KICKED 1\n");
    assert_eq!(server.exchange(client, "kick 100"), "KICKED 0\n");
    let stats = server.exchange(client, "stats-job 4");
    assert_eq!((value(&stats, "kicks"), value(&stats, "delay"), value(&stats, "state")), ("1", "100", "ready"));
}

#[test]
fn kick_acts_on_the_tube_in_use() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "use a\nput 0 100 60 1\nx");
    assert_eq!(server.exchange(client, "use b\nkick 1\nuse a\nkick 1"), "USING b\nKICKED 0\nUSING a\nKICKED 1\n");
}

#[test]
fn kick_job_takes_buried_and_delayed_jobs_only() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 60 1\nx\nput 0 100 60 1\ny");
    assert_eq!(server.exchange(client, "kick-job 1\nkick-job 2\nkick-job 3"), "NOT_FOUND\nKICKED\nNOT_FOUND\n");
    server.exchange(client, "reserve");
    assert_eq!(server.exchange(client, "kick-job 1\nbury 1 0\nkick-job 1"), "NOT_FOUND\nBURIED\nKICKED\n");
}

#[test]
fn a_kicked_job_goes_to_whoever_waits() {
    let mut server = Server::new();
    let [client, waiting] = server.connect_all();
    server.exchange(client, "put 0 100 60 1\nx");
    server.exchange(waiting, "reserve");
    assert_eq!(server.exchange(client, "kick 1"), "KICKED 1\n");
    assert_eq!(server.hear(waiting), "RESERVED 1 1\nx\n");
}

#[test]
fn peek_finds_a_job_in_any_state_and_tube() {
    let mut server = Server::new();
    let [client, other] = server.connect_all();
    server.exchange(client, "use a\nput 0 0 60 1\nx\nreserve-job 1");
    assert_eq!(server.exchange(other, "peek 1\npeek 2"), "FOUND 1 1\nx\nNOT_FOUND\n");
    assert_eq!(server.exchange(other, "peek-ready\npeek-delayed\npeek-buried"), "NOT_FOUND\nNOT_FOUND\nNOT_FOUND\n");
}

#[test]
fn a_jobs_life_is_counted() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 5 0 9 1\nx\nreserve\nrelease 1 6 0\nreserve\nbury 1 7\nkick 1\nreserve");
    server.advance_secs(9);
    assert_eq!(
        server.exchange(client, "stats-job 1"),
        "OK 145\n---\nid: 1\ntube: \"default\"\nstate: ready\npri: 7\nage: 9\ndelay: 0\nttr: 9\ntime-left: 0\nfile: 0\n\
         reserves: 3\ntimeouts: 1\nreleases: 1\nburies: 1\nkicks: 1\n\n"
    );
}
