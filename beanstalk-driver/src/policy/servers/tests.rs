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
fn one_that_drains_is_left_out_until_a_probe_is_answered() {
    let (mut servers, ids) = set(2);
    assert_eq!(servers.handle_result(ids[0], Err(&DRAINING), at(0), at(0)), Next::Repeat);
    assert!(!servers.is_healthy(ids[0]));
    assert_eq!([pick(&mut servers, None, at(0)), pick(&mut servers, None, at(0))], [ids[1]; 2]);
    assert_eq!(servers.poll_probe(at(0)), None);
    assert_eq!([servers.poll_probe(at(1000)), servers.poll_probe(at(1000))], [Some(ids[0]), None]);
    assert_eq!([pick(&mut servers, None, at(1000)), pick(&mut servers, None, at(1000))], [ids[1]; 2]);
    servers.handle_probed(ids[0], Ok(()), at(1000), at(1001));
    assert!(servers.is_healthy(ids[0]));
    let later: Vec<_> = (0..2).map(|_| pick(&mut servers, None, at(1001))).collect();
    assert!(later.contains(&ids[0]));
}

#[test]
fn one_that_failed_is_out_for_as_long_as_its_failure_took() {
    let (mut servers, ids) = set(2);
    assert_eq!(servers.handle_result(ids[0], Err(&UNKNOWN), at(0), at(30_000)), Next::Return);
    assert_eq!(servers.poll_probe(at(59_999)), None);
    assert_eq!(servers.poll_probe(at(60_000)), Some(ids[0]));
    servers.handle_probed(ids[0], Err(&UNKNOWN), at(60_000), at(100_000));
    assert_eq!(servers.poll_probe(at(139_999)), None);
    assert_eq!(servers.poll_probe(at(200_000)), Some(ids[0]));
    // A job is asked of it if there is no other, probe or not; if it takes that, the probe has nothing more to say.
    assert_eq!(servers.handle_result(ids[1], Err(&NOT_SENT), at(200_000), at(200_000)), Next::Repeat);
    assert_eq!(pick(&mut servers, None, at(200_000)), ids[0]);
    assert_eq!(servers.handle_result(ids[0], Ok(()), at(200_000), at(200_001)), Next::Return);
    servers.handle_probed(ids[0], Err(&UNKNOWN), at(200_000), at(205_000));
    assert!(servers.is_healthy(ids[0]));
}

#[test]
fn a_break_that_many_jobs_report_is_counted_once() {
    let (mut servers, ids) = set(2);
    servers.handle_result(ids[0], Err(&UNKNOWN), at(0), at(10));
    let probed_at = |servers: &Servers| servers.servers[0].out_until;
    let until = probed_at(&servers);
    assert_eq!(servers.servers[0].delays.attempts(), 1);
    for began in 0..=10 {
        assert_eq!(servers.handle_result(ids[0], Err(&NOT_SENT), at(began), at(20)), Next::Repeat);
        assert_eq!(servers.handle_result(ids[0], Err(&UNKNOWN), at(began), at(20)), Next::Return);
        // An answer that was on its way when another put was refused.
        assert_eq!(servers.handle_result(ids[0], Ok(()), at(began), at(20)), Next::Return);
    }
    assert_eq!((servers.servers[0].delays.attempts(), probed_at(&servers)), (1, until));
    servers.handle_result(ids[0], Err(&UNKNOWN), at(11), at(20));
    assert_eq!(servers.servers[0].delays.attempts(), 2);
    assert_eq!(servers.handle_result(ids[0], Ok(()), at(21), at(22)), Next::Return);
    assert!(servers.is_healthy(ids[0]));
}

#[test]
fn what_answers_probes_and_takes_no_jobs_is_probed_ever_more_rarely() {
    let (mut servers, ids) = set(2);
    let (mut now, mut probes) = (at(0), 0);
    servers.handle_result(ids[0], Err(&DRAINING), now, now);
    while now < at(600_000) {
        now = now + Duration::from_millis(10);
        if let Some(id) = servers.poll_probe(now) {
            probes += 1;
            servers.handle_probed(id, Ok(()), now, now);
            while pick(&mut servers, None, now) != id {}
            servers.handle_result(id, Err(&DRAINING), now, now);
        }
    }
    assert!((10..60).contains(&probes), "{probes} probes in ten minutes");
}

#[test]
fn a_put_that_may_have_arrived_does_not_go_to_another_server() {
    let (mut servers, ids) = set(2);
    assert_eq!(servers.handle_result(ids[0], Err(&UNKNOWN), at(0), at(0)), Next::Return);
    assert!(!servers.is_healthy(ids[0]));
    assert_eq!(servers.handle_result(ids[1], Err(&NOT_SENT), at(0), at(0)), Next::Repeat);
}

#[test]
fn a_job_that_is_at_fault_itself_costs_no_server_its_health() {
    let (mut servers, ids) = set(1);
    assert_eq!(servers.handle_result(ids[0], Err(&TOO_BIG), at(0), at(0)), Next::Return);
    assert!(servers.is_healthy(ids[0]));
}

#[test]
fn when_all_are_out_a_job_waits_for_the_first_and_then_gives_up() {
    let (mut servers, ids) = set(2);
    let mut now = at(0);
    loop {
        match servers.pick(None, at(0), now) {
            Pick::Server(id) => assert_eq!(servers.handle_result(id, Err(&NOT_SENT), now, now), Next::Repeat),
            Pick::WaitUntil(until) => {
                assert!(until > now && until <= at(5000));
                now = until;
            }
            Pick::GiveUp => break,
        }
    }
    assert_eq!(now, at(5000), "its patience is used to the end");
    assert_eq!(servers.poll_probe(now), None, "none is healthy, so none is probed aside");
    assert!(ids.iter().all(|&id| !servers.is_healthy(id)));
}

#[test]
fn without_patience_a_job_is_offered_to_all_that_are_healthy_and_waits_for_none() {
    let mut servers = Servers::new(Backoff::default(), Some(Duration::ZERO), 7);
    let ids = ["a:1", "b:1"].map(|name| servers.add(name));
    for (n, id) in ids.into_iter().enumerate() {
        let now = at(n as u64);
        assert_eq!(servers.connect_timeout(at(0), Some(Duration::from_secs(5)), now), Some(Duration::from_secs(5)));
        assert_eq!(servers.pick(None, at(0), now), Pick::Server(id));
        servers.handle_result(id, Err(&NOT_SENT), now, now);
    }
    assert_eq!(servers.pick(None, at(0), at(2)), Pick::GiveUp);
}

/// As a server whose certificate is not accepted.
fn refusal() -> Error {
    Error::Protocol { error: beanstalk_proto::ProtocolError::Tls, lost: Lost::NotSent }
}

#[test]
fn one_that_refuses_is_left_alone_until_it_is_added_again() {
    let (mut servers, ids) = set(2);
    assert_eq!(servers.handle_result(ids[0], Err(&refusal()), at(0), at(0)), Next::Return);
    assert!(!servers.is_healthy(ids[0]) && !servers.all_refuse());
    assert_eq!(servers.poll_probe(at(600_000)), None);
    // Nor is it asked while the other is away: that will come back.
    servers.handle_result(ids[1], Err(&UNKNOWN), at(600_000), at(600_000));
    assert!(matches!(servers.pick(None, at(600_000), at(600_000)), Pick::WaitUntil(_)));
    assert_eq!(pick(&mut servers, None, at(601_000)), ids[1]);
    servers.handle_result(ids[1], Ok(()), at(601_000), at(601_000));
    // A probe finds out whether somebody has put it right.
    assert_eq!(servers.add("10.0.0.0:11300"), ids[0]);
    assert_eq!(servers.poll_probe(at(601_000)), Some(ids[0]));
    servers.handle_probed(ids[0], Err(&refusal()), at(601_000), at(601_001));
    assert_eq!(servers.poll_probe(at(1_200_000)), None);
    servers.add("10.0.0.0:11300");
    assert_eq!(servers.poll_probe(at(1_200_000)), Some(ids[0]));
    servers.handle_probed(ids[0], Ok(()), at(1_200_000), at(1_200_001));
    assert!(servers.is_healthy(ids[0]));
}

#[test]
fn where_all_refuse_jobs_that_were_there_give_up_and_later_ones_ask_again_after_a_delay() {
    let (mut servers, ids) = set(2);
    servers.handle_result(ids[0], Err(&refusal()), at(0), at(0));
    servers.handle_result(ids[1], Err(&refusal()), at(0), at(0));
    assert!(servers.all_refuse());
    assert_eq!(servers.pick(None, at(0), at(1)), Pick::GiveUp);
    assert_eq!(servers.poll_probe(at(600_000)), None);
    // Delays have no lower bound.
    match servers.pick(None, at(1), at(1)) {
        Pick::WaitUntil(until) => assert!(until > at(1) && until <= at(1000)),
        pick => assert!(matches!(pick, Pick::Server(_))),
    }
    let asked = pick(&mut servers, None, at(1000));
    servers.handle_result(asked, Ok(()), at(1000), at(1000));
    assert!(servers.is_healthy(asked) && !servers.all_refuse());
    // An outage is one, though the server had refused before.
    let other = if asked == ids[0] { ids[1] } else { ids[0] };
    servers.add(if other == ids[0] { "10.0.0.0:11300" } else { "10.0.0.1:11300" });
    assert_eq!(servers.poll_probe(at(2000)), Some(other));
    servers.handle_probed(other, Err(&NOT_SENT), at(2000), at(2000));
    assert_eq!(servers.poll_probe(at(600_000)), Some(other));
}

#[test]
fn when_its_patience_is_over_a_job_is_not_even_offered_to_a_healthy_server() {
    let (mut servers, ids) = set(1);
    for (now, pick, limit) in [(4999, Pick::Server(ids[0]), 1), (5000, Pick::GiveUp, 0)] {
        assert_eq!(servers.pick(None, at(0), at(now)), pick);
        assert_eq!(servers.wait_limit(at(0), at(now)), Some(Duration::from_millis(limit)));
    }
}

#[test]
fn a_set_without_servers_or_with_delays_that_shrink_is_refused() {
    let (servers, _) = set(1);
    assert_eq!(servers.check(), Ok(()));
    let shrinking = Backoff { first: Duration::from_secs(2), max: Duration::from_secs(1) };
    let mut servers = Servers::new(shrinking, None, 7);
    for setting in ["servers", "backoff"] {
        assert!(servers.check().is_err_and(|error| format!("{error}").contains(setting)), "{setting}");
        servers.add("a:1");
    }
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
    assert_eq!([ids[0], ids[1], again].map(|id| format!("{id}")), ["0", "1", "2"]);
    assert_eq!(servers.handle_result(ids[1], Err(&UNKNOWN), at(0), at(0)), Next::Return);
    assert!(servers.is_healthy(again));
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
            false => prop_assert_eq!(servers.handle_result(gone, Err(&DRAINING), at(0), at(0)), Next::Repeat),
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
            servers.handle_result(id, Err(&DRAINING), at(0), at(0));
        }
        let healthy = ids.iter().filter(|&&id| servers.is_healthy(id)).count();
        for _ in 0..healthy * 3 {
            pick(&mut servers, None, at(0));
        }
        let mut turns: Vec<_> = (0..healthy).map(|_| pick(&mut servers, None, at(0))).collect();
        turns.sort_unstable();
        turns.dedup();
        prop_assert_eq!(turns.len(), healthy);
    }
}
