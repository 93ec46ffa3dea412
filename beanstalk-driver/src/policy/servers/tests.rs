//! Jobs among servers that fail.

use alloc::{format, vec::Vec};

use proptest::prelude::*;

use super::*;
use beanstalk_proto::Subject;

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

const DRAINING: Error = Error::Command { command: "put", subject: Subject::None, error: CommandError::Draining };
const TOO_BIG: Error = Error::Command { command: "put", subject: Subject::None, error: CommandError::JobTooBig };
const NOT_SENT: Error = Error::Closed { lost: Lost::NotSent };
const UNKNOWN: Error = Error::Closed { lost: Lost::Unknown };

fn set(n: usize) -> (Servers, Vec<ServerId>) {
    let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
    let mut servers = Servers::new(backoff, Some(Duration::from_secs(5)), 7);
    let ids = (0..n).map(|n| servers.add(&format!("10.0.0.{n}:11300"))).collect();
    (servers, ids)
}

fn pick(servers: &mut Servers, key: Option<&str>, now: Instant) -> ServerId {
    match servers.pick(key.map(str::as_bytes), now, now) {
        Pick::Server(id) => id,
        pick => panic!("{pick:?}"),
    }
}

#[test]
fn healthy_servers_take_turns() {
    let (mut servers, ids) = set(3);
    let turns: Vec<_> = (0..6).map(|_| pick(&mut servers, None, at(0))).collect();
    assert_eq!(turns, [ids[0], ids[1], ids[2], ids[0], ids[1], ids[2]]);
}

#[test]
fn one_that_drains_is_left_out_until_its_delay_has_passed() {
    let (mut servers, ids) = set(2);
    assert_eq!(servers.handle_result(ids[0], Err(&DRAINING), at(0)), Next::Repeat);
    assert!(!servers.is_healthy(ids[0], at(0)));
    assert_eq!([pick(&mut servers, None, at(0)), pick(&mut servers, None, at(0))], [ids[1]; 2]);
    assert!(servers.is_healthy(ids[0], at(1000)));
    let later: Vec<_> = (0..2).map(|_| pick(&mut servers, None, at(1000))).collect();
    assert!(later.contains(&ids[0]));
}

#[test]
fn a_put_that_may_have_arrived_does_not_go_to_another_server() {
    let (mut servers, ids) = set(2);
    assert_eq!(servers.handle_result(ids[0], Err(&UNKNOWN), at(0)), Next::Return);
    assert!(!servers.is_healthy(ids[0], at(0)));
    assert_eq!(servers.handle_result(ids[1], Err(&NOT_SENT), at(0)), Next::Repeat);
}

#[test]
fn a_job_that_is_at_fault_itself_costs_no_server_its_health() {
    let (mut servers, ids) = set(1);
    assert_eq!(servers.handle_result(ids[0], Err(&TOO_BIG), at(0)), Next::Return);
    assert!(servers.is_healthy(ids[0], at(0)));
}

#[test]
fn when_all_are_out_a_job_waits_for_the_first_and_then_gives_up() {
    let (mut servers, ids) = set(2);
    let mut now = at(0);
    loop {
        match servers.pick(None, at(0), now) {
            Pick::Server(id) => assert_eq!(servers.handle_result(id, Err(&NOT_SENT), now), Next::Repeat),
            Pick::WaitUntil(until) => {
                assert!(until > now && until <= at(5000));
                now = until;
            }
            Pick::GiveUp => break,
        }
    }
    assert!(ids.iter().all(|&id| !servers.is_healthy(id, now)));
}

#[test]
fn without_servers_it_gives_up_at_once() {
    assert_eq!(set(0).0.pick(None, at(0), at(0)), Pick::GiveUp);
}

#[test]
fn a_server_that_comes_back_under_its_name_is_another_one() {
    let (mut servers, ids) = set(2);
    assert_eq!(servers.add("10.0.0.1:11300"), ids[1]);
    assert!(servers.remove(ids[1]));
    assert!(!servers.remove(ids[1]));
    assert_eq!(pick(&mut servers, None, at(0)), ids[0]);
    let again = servers.add("10.0.0.1:11300");
    assert!(!ids.contains(&again));
    assert_eq!(servers.handle_result(ids[1], Err(&UNKNOWN), at(0)), Next::Return);
    assert!(servers.is_healthy(again, at(0)));
}

#[test]
fn where_keys_belong_never_changes() {
    let (mut servers, ids) = set(4);
    let places = ["", "a", "b", "user:1", "user:2", "user:3", "käse"].map(|key| {
        let id = pick(&mut servers, Some(key), at(0));
        ids.iter().position(|&other| other == id)
    });
    // Computed by another program.
    assert_eq!(places, [3, 3, 1, 3, 2, 2, 3].map(Some), "programs of different releases must agree");
}

#[test]
fn keys_spread_evenly() {
    let (mut servers, ids) = set(4);
    let places: Vec<_> = (0..4000).map(|n| pick(&mut servers, Some(&format!("key {n}")), at(0))).collect();
    for id in ids {
        let share = places.iter().filter(|&&place| place == id).count();
        assert!((900..1100).contains(&share), "server {id} has {share} of 4000 keys");
    }
}

proptest! {
    #[test]
    fn when_a_server_goes_only_its_own_keys_move(
        n in 2..8_usize, gone: prop::sample::Index, keys in proptest::collection::vec(".*", 1..50), removed: bool,
    ) {
        let (mut servers, ids) = set(n);
        let before: Vec<_> = keys.iter().map(|key| pick(&mut servers, Some(key), at(0))).collect();
        let gone = ids[gone.index(n)];
        match removed {
            true => prop_assert!(servers.remove(gone)),
            false => prop_assert_eq!(servers.handle_result(gone, Err(&DRAINING), at(0)), Next::Repeat),
        }
        for (key, before) in keys.iter().zip(before) {
            let after = pick(&mut servers, Some(key), at(0));
            prop_assert!(after != gone && (before == gone || before == after));
        }
    }

    #[test]
    fn turns_go_to_every_healthy_server_alike(n in 1..8_usize, out in proptest::collection::vec(any::<bool>(), 8)) {
        let (mut servers, ids) = set(n);
        for (&id, _) in ids.iter().zip(out).filter(|(_, out)| *out) {
            servers.handle_result(id, Err(&DRAINING), at(0));
        }
        let healthy = ids.iter().filter(|&&id| servers.is_healthy(id, at(0))).count();
        for _ in 0..healthy * 3 {
            pick(&mut servers, None, at(0));
        }
        let mut turns: Vec<_> = (0..healthy).map(|_| pick(&mut servers, None, at(0))).collect();
        turns.sort_unstable();
        turns.dedup();
        prop_assert_eq!(turns.len(), healthy);
    }
}
