//! use, watch, ignore, and how long tubes exist.

use crate::harness::{Server, value};

/// A list, without its frame.
fn names(reply: &str) -> Vec<&str> {
    reply.lines().filter_map(|line| line.strip_prefix("- ")).collect()
}

#[test]
fn a_new_connection_uses_and_watches_default() {
    let mut server = Server::new();
    let client = server.connect();
    assert_eq!(server.exchange(client, "list-tube-used"), "USING default\n");
    assert_eq!(server.exchange(client, "list-tubes-watched"), "OK 14\n---\n- default\n\n");
}

#[test]
fn a_tube_exists_while_it_is_used_watched_or_has_jobs() {
    let mut server = Server::new();
    let [client, other] = server.connect_all();
    assert_eq!(names(&server.exchange(client, "use a\nlist-tubes")), ["default", "a"]);
    assert_eq!(value(&server.exchange(client, "stats"), "current-tubes"), "2");
    assert_eq!(names(&server.exchange(client, "watch a\nuse default\nlist-tubes")), ["default", "a"]);
    server.exchange(other, "use a\nput 0 0 60 1\nx\nuse default");
    assert_eq!(names(&server.exchange(client, "ignore a\nlist-tubes")), ["default", "a"]);
    assert_eq!(names(&server.exchange(client, "delete 1\nlist-tubes")), ["default"]);
    assert_eq!(server.exchange(client, "stats-tube a"), "NOT_FOUND\n");
}

#[test]
fn a_tube_that_comes_back_has_forgotten_its_pause_and_its_counters() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "use a\nput 0 0 60 1\nx\ndelete 1\npause-tube a 100\nuse default\nuse a");
    let stats = server.exchange(client, "stats-tube a");
    for key in ["pause", "pause-time-left", "cmd-pause-tube", "cmd-delete", "total-jobs"] {
        assert_eq!(value(&stats, key), "0", "{key}");
    }
    assert_eq!(server.engine.poll_timeout(), None);
}

#[test]
fn the_last_tube_moves_into_the_place_of_one_that_goes() {
    let mut server = Server::new();
    let [client, other] = server.connect_all();
    server.exchange(client, "watch a\nwatch b\nwatch c\nwatch d");
    assert_eq!(names(&server.exchange(other, "list-tubes")), ["default", "a", "b", "c", "d"]);
    assert_eq!(names(&server.exchange(client, "ignore a\nlist-tubes-watched")), ["default", "d", "b", "c"]);
    assert_eq!(names(&server.exchange(other, "list-tubes")), ["default", "d", "b", "c"]);
    // A connection that goes lets go of its tubes in an order of its own: default, c, b, d.
    server.exchange(other, "watch e\nwatch f");
    server.disconnect(client);
    assert_eq!(names(&server.exchange(other, "list-tubes")), ["default", "f", "e"]);
    assert_eq!(server.engine.list_tubes(), ["default", "f", "e"]);
}

#[test]
fn watching_twice_changes_nothing_and_the_last_tube_cannot_be_ignored() {
    let mut server = Server::new();
    let client = server.connect();
    assert_eq!(server.exchange(client, "watch a\nwatch a"), "WATCHING 2\nWATCHING 2\n");
    assert_eq!(server.exchange(client, "ignore nowhere"), "WATCHING 2\n");
    assert_eq!(
        server.exchange(client, "ignore default\nignore default\nignore a"),
        "WATCHING 1\nWATCHING 1\nNOT_IGNORED\n"
    );
    assert_eq!(names(&server.exchange(client, "list-tubes-watched")), ["a"]);
}

#[test]
fn a_connection_can_watch_very_many_tubes() {
    let mut server = Server::new();
    let [client, producer] = server.connect_all();
    for n in 0..200 {
        assert_eq!(server.exchange(client, &format!("watch t{n}")), format!("WATCHING {}\n", n + 2));
    }
    for n in (0..200).step_by(2) {
        server.exchange(client, &format!("ignore t{n}"));
        assert_eq!(server.exchange(client, &format!("watch t{}", n + 1)), format!("WATCHING {}\n", 200 - n / 2));
    }
    server.exchange(client, "reserve");
    assert_eq!(
        server.exchange(producer, "use t0\nput 0 0 60 1\nx\nuse t199\nput 0 0 60 1\ny"),
        "USING t0\nINSERTED 1\nUSING t199\nINSERTED 2\n"
    );
    assert_eq!(server.hear(client), "RESERVED 2 1\ny\n");
}

#[test]
fn users_and_watchers_are_counted() {
    let mut server = Server::new();
    let [one, two] = server.connect_all();
    server.exchange(one, "use a\nwatch a");
    server.exchange(two, "use a\nwatch a\nreserve");
    let stats = server.exchange(one, "stats-tube a");
    assert_eq!(value(&stats, "current-using"), "2");
    assert_eq!(value(&stats, "current-watching"), "2");
    assert_eq!(value(&stats, "current-waiting"), "1");
    server.disconnect(two);
    let stats = server.exchange(one, "stats-tube a");
    assert_eq!(value(&stats, "current-using"), "1");
    assert_eq!(value(&stats, "current-watching"), "1");
    assert_eq!(value(&stats, "current-waiting"), "0");
    let stats = server.exchange(one, "use b\nwatch b\nignore default\nstats-tube default");
    assert_eq!(value(&stats, "current-using"), "0");
    assert_eq!(value(&stats, "current-watching"), "0");
}
