//! Who gets which job.

use crate::harness::Server;

fn put(server: &mut Server, client: beanstalk_server::engine::ConnId, pri: u32, body: &str) -> String {
    server.exchange(client, &format!("put {pri} 0 60 {}\n{body}", body.len()))
}

#[test]
fn the_smallest_priority_goes_first_and_then_the_smallest_id() {
    let mut server = Server::new();
    let client = server.connect();
    for (pri, body) in [(5, "a"), (1, "b"), (5, "c"), (0, "d"), (u32::MAX, "e"), (1, "f")] {
        put(&mut server, client, pri, body);
    }
    let order: Vec<String> = (0..6).map(|_| server.exchange(client, "reserve")).collect();
    assert_eq!(
        order.concat(),
        "RESERVED 4 1\nd\nRESERVED 2 1\nb\nRESERVED 6 1\nf\nRESERVED 1 1\na\nRESERVED 3 1\nc\nRESERVED 5 1\ne\n"
    );
}

#[test]
fn the_best_job_of_all_watched_tubes_is_taken() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "use a\nput 7 0 60 1\nx\nuse b\nput 3 0 60 1\ny\nuse c\nput 1 0 60 1\nz\nwatch a\nwatch b");
    assert_eq!(server.exchange(client, "reserve"), "RESERVED 2 1\ny\n");
    assert_eq!(server.exchange(client, "reserve"), "RESERVED 1 1\nx\n");
    assert_eq!(server.exchange(client, "reserve-with-timeout 0"), "TIMED_OUT\n");
}

#[test]
fn a_released_job_sorts_by_its_old_id() {
    let mut server = Server::new();
    let client = server.connect();
    put(&mut server, client, 1, "a");
    put(&mut server, client, 1, "b");
    server.exchange(client, "reserve");
    assert_eq!(server.exchange(client, "release 1 1 0\nreserve"), "RELEASED\nRESERVED 1 1\na\n");
}

#[test]
fn four_waiting_reserves_are_served_one_two_four_three() {
    let mut server = Server::new();
    let producer = server.connect();
    let waiting = server.connect_all::<4>();
    for client in waiting {
        assert_eq!(server.exchange(client, "reserve"), "");
    }
    let mut order = Vec::new();
    for _ in 0..4 {
        put(&mut server, producer, 0, "x");
        order.extend((0..4).filter(|&n| !server.hear(waiting[n]).is_empty()).map(|n| n + 1));
    }
    assert_eq!(order, [1, 2, 4, 3]);
}

#[test]
fn a_connection_that_waits_for_several_tubes_is_served_once() {
    let mut server = Server::new();
    let producer = server.connect();
    let [both, other] = server.connect_all();
    server.exchange(both, "watch a\nwatch b\nreserve");
    server.exchange(other, "watch b\nreserve");
    assert_eq!(
        server.exchange(producer, "use a\nput 0 0 60 1\nx\nuse b\nput 0 0 60 1\ny"),
        "USING a\nINSERTED 1\nUSING b\nINSERTED 2\n"
    );
    assert_eq!(server.hear(both), "RESERVED 1 1\nx\n");
    assert_eq!(server.hear(other), "RESERVED 2 1\ny\n");
}

#[test]
fn tubes_that_wake_together_give_their_best_job_first() {
    let mut server = Server::new();
    let [client, waiting] = server.connect_all();
    server.exchange(client, "use a\nput 5 0 60 1\nx\nuse b\nput 3 0 60 1\ny\npause-tube a 10\npause-tube b 10");
    server.exchange(waiting, "watch a\nwatch b\nreserve");
    server.advance_secs(10);
    assert_eq!(server.hear(waiting), "RESERVED 2 1\ny\n");
    assert_eq!(server.exchange(waiting, "reserve"), "RESERVED 1 1\nx\n");
}

#[test]
fn of_equal_priorities_the_smallest_id_of_all_tubes_goes_first() {
    // The second job's tube is older, and watched first; once the tubes wake together, once they are ready.
    for pauses in ["", "\npause-tube a 10\npause-tube b 10"] {
        let mut server = Server::new();
        let [client, waiting] = server.connect_all();
        server.exchange(client, "use a\nuse b\nwatch a");
        server.exchange(client, &format!("put 3 0 60 1\nx\nuse a\nput 3 0 60 1\ny{pauses}"));
        let at_once = server.exchange(waiting, "watch a\nignore default\nwatch b\nreserve\nreserve");
        server.advance_secs(10);
        assert_eq!(
            format!("{at_once}{}", server.hear(waiting)),
            "WATCHING 2\nWATCHING 1\nWATCHING 2\nRESERVED 1 1\nx\nRESERVED 2 1\ny\n",
            "{pauses:?}"
        );
    }
}

#[test]
fn commands_behind_a_waiting_reserve_are_answered_after_it() {
    let mut server = Server::new();
    let [waiting, producer] = server.connect_all();
    assert_eq!(server.exchange(waiting, "reserve\ndelete 1\nlist-tube-used"), "");
    put(&mut server, producer, 0, "x");
    assert_eq!(server.hear(waiting), "RESERVED 1 1\nx\nDELETED\nUSING default\n");
}

#[test]
fn the_end_of_the_input_ends_a_waiting_reserve_and_those_behind_it() {
    let mut server = Server::new();
    let client = server.connect();
    assert_eq!(
        server.exchange(client, "reserve\nlist-tube-used\nreserve-with-timeout 9\nput 0 0 60 1\nx\nreserve\nreserve"),
        ""
    );
    server.half_close(client);
    assert_eq!(server.hear(client), "TIMED_OUT\nUSING default\nTIMED_OUT\nINSERTED 1\nRESERVED 1 1\nx\nTIMED_OUT\n");
    assert!(!server.is_connected(client));
}

#[test]
fn reserve_job_takes_what_is_ready_delayed_or_buried_whatever_is_watched_or_paused() {
    let mut server = Server::new();
    let [client, other] = server.connect_all();
    server.exchange(
        client,
        "use a\nput 0 0 60 1\nx\nput 0 100 60 1\ny\nput 0 0 60 1\nz\nreserve-job 3\nbury 3 0\npause-tube a 100",
    );
    for (id, body) in [(1, "x"), (2, "y"), (3, "z")] {
        assert_eq!(server.exchange(other, &format!("reserve-job {id}")), format!("RESERVED {id} 1\n{body}\n"));
        assert_eq!(server.exchange(client, &format!("reserve-job {id}")), "NOT_FOUND\n");
        assert_eq!(server.exchange(other, &format!("reserve-job {id}")), "NOT_FOUND\n");
    }
    assert_eq!(server.exchange(other, "reserve-job 4"), "NOT_FOUND\n");
}

#[test]
fn jobs_of_a_connection_that_goes_are_ready_in_the_order_it_got_them() {
    let mut server = Server::new();
    let client = server.connect();
    for pri in [3, 2, 1] {
        put(&mut server, client, pri, "x");
    }
    // Held in the order 1, 3, 2.
    server.exchange(client, "reserve-job 1\nreserve-job 3\nreserve-job 2");
    let waiting = server.connect_all::<3>();
    for other in waiting {
        server.exchange(other, "reserve");
    }
    server.disconnect(client);
    // The places are taken 1, 2, 3 when nobody comes in between.
    let served: Vec<String> = waiting.iter().map(|&other| server.hear(other)).collect();
    assert_eq!(served.concat(), "RESERVED 1 1\nx\nRESERVED 3 1\nx\nRESERVED 2 1\nx\n");
}

#[test]
fn the_order_of_jobs_put_back_does_not_depend_on_their_deadlines() {
    let mut server = Server::new();
    let client = server.connect();
    server.exchange(client, "put 0 0 100 1\nx\nput 0 0 50 1\ny\nreserve-job 1\nreserve-job 2");
    let waiting = server.connect_all::<2>();
    for other in waiting {
        server.exchange(other, "reserve");
    }
    server.disconnect(client);
    let served: Vec<String> = waiting.iter().map(|&other| server.hear(other)).collect();
    assert_eq!(served.concat(), "RESERVED 1 1\nx\nRESERVED 2 1\ny\n");
}

#[test]
fn quit_makes_held_jobs_ready_at_once() {
    let mut server = Server::new();
    let [client, other] = server.connect_all();
    put(&mut server, client, 0, "x");
    server.exchange(client, "reserve");
    server.exchange(other, "reserve");
    server.send(client, b"quit\r\nlist-tubes\r\n");
    assert!(!server.is_connected(client));
    assert_eq!(server.hear(other), "RESERVED 1 1\nx\n");
}
