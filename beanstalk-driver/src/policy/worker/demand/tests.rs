use alloc::{vec, vec::Vec};
use core::time::Duration;

use super::{Demand, HEDGE, KEEP, Permit, Stage};
use crate::policy::hash;
use beanstalk_proto::Instant;

const FREE: Stage = Stage::Free { connected: true };
const AWAY: Stage = Stage::Free { connected: false };

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// A slot takes a job from reserve to handler.
fn take(demand: &mut Demand, slot: u64, now: Instant) {
    assert_eq!(demand.poll_permit(slot, FREE, now), Permit::Go);
    assert_eq!(demand.poll_permit(slot, Stage::Asking, now), Permit::Go);
    assert_eq!(demand.poll_permit(slot, Stage::Holding, now), Permit::Go);
    assert_eq!(demand.poll_permit(slot, Stage::Running, now), Permit::Go);
}

#[test]
fn nothing_is_reserved_while_nobody_waits_and_no_more_than_is_awaited() {
    let mut demand = Demand::new(None, true);
    let slots = [0; 3].map(|server| demand.add_slot(server));
    for slot in slots {
        assert_eq!(demand.poll_permit(slot, FREE, at(0)), Permit::Wait(None));
        assert_eq!(demand.poll_permit(slot, AWAY, at(0)), Permit::Wait(None), "nor is a connection made");
        demand.poll_permit(slot, FREE, at(0));
    }
    demand.set_waiting(2, at(5));
    assert_eq!(demand.poll_wakes(), slots[..2]);
    take(&mut demand, slots[0], at(5));
    demand.set_waiting(1, at(5));
    assert_eq!(demand.poll_permit(slots[1], FREE, at(5)), Permit::Go);
    assert_eq!(demand.poll_permit(slots[2], FREE, at(5)), Permit::Wait(None));
    // Its call is dropped before it was sent.
    demand.set_waiting(0, at(6));
    assert_eq!(demand.poll_permit(slots[1], FREE, at(6)), Permit::Wait(None));
}

#[test]
fn a_limit_counts_handlers_and_one_that_ends_frees_its_slot_first() {
    let mut demand = Demand::new(Some(2), false);
    let slots = [0; 3].map(|server| demand.add_slot(server));
    take(&mut demand, slots[0], at(0));
    take(&mut demand, slots[1], at(0));
    assert_eq!(demand.poll_permit(slots[2], FREE, at(0)), Permit::Wait(None));
    // It reserves again with what finishes its job, so nobody else is woken for it.
    assert_eq!(demand.poll_permit(slots[1], FREE, at(9)), Permit::Go);
    take(&mut demand, slots[1], at(9));
    demand.poll_wakes();
    demand.remove_slot(slots[0], at(10));
    assert_eq!(demand.poll_wakes(), [slots[2]], "a slot that ends leaves room");
    assert_eq!(demand.poll_permit(slots[2], FREE, at(10)), Permit::Go);
}

#[test]
fn full_servers_take_turns_and_an_empty_one_keeps_nobody_waiting() {
    let mut demand = Demand::new(Some(1), false);
    let [a, b] = [0, 1].map(|server| demand.add_slot(server));
    for slot in [a, b] {
        demand.poll_permit(slot, AWAY, at(0));
    }
    take(&mut demand, a, at(0));
    assert_eq!(demand.poll_permit(b, FREE, at(0)), Permit::Wait(None));
    // The handler ends: it is the turn of the other server.
    let until = at(3) + HEDGE;
    assert_eq!(demand.poll_permit(a, FREE, at(3)), Permit::Wait(Some(until)));
    assert_eq!(demand.poll_wakes(), [b]);
    assert_eq!(demand.poll_permit(b, FREE, at(3)), Permit::Go);
    assert_eq!(demand.poll_permit(b, Stage::Asking, at(3)), Permit::Go);
    // That is empty, so after a while the first is asked as well.
    assert_eq!(demand.poll_permit(a, FREE, at(4)), Permit::Wait(Some(until)));
    let mut now = until;
    for _ in 0..3 {
        take(&mut demand, a, now);
        now = now + Duration::from_millis(1);
        assert_eq!(demand.poll_permit(a, FREE, now), Permit::Go, "the other is asked already");
    }
}

#[test]
fn a_job_beyond_what_is_wanted_is_kept_for_a_second_and_then_given_back() {
    let mut demand = Demand::new(None, true);
    let [a, b] = [0, 1].map(|server| demand.add_slot(server));
    demand.set_waiting(1, at(0));
    assert_eq!(demand.poll_permit(a, FREE, at(0)), Permit::Go);
    demand.poll_permit(a, Stage::Asking, at(0));
    assert_eq!(demand.poll_permit(b, FREE, at(30)), Permit::Go, "the first has not answered");
    demand.poll_permit(b, Stage::Asking, at(30));
    assert_eq!(demand.poll_permit(a, Stage::Holding, at(40)), Permit::Go);
    demand.set_waiting(0, at(40));
    demand.poll_permit(a, Stage::Running, at(40));
    let keep_until = at(40) + KEEP;
    assert_eq!(demand.poll_permit(b, Stage::Holding, at(50)), Permit::Wait(Some(keep_until)));
    demand.poll_wakes();
    // It is the next call's, before anything is reserved.
    demand.set_waiting(1, at(60));
    assert_eq!(demand.poll_wakes(), [b]);
    assert_eq!(demand.poll_permit(a, FREE, at(60)), Permit::Wait(None));
    assert_eq!(demand.poll_permit(b, Stage::Holding, at(60)), Permit::Go);
    demand.set_waiting(0, at(60));
    demand.poll_permit(b, Stage::Running, at(60));
    // Another, which nobody comes for; and one that comes later still.
    demand.poll_permit(a, Stage::Holding, at(70));
    let keep_until = at(60) + KEEP;
    assert_eq!(demand.poll_permit(a, Stage::Holding, at(70)), Permit::Wait(Some(keep_until)));
    assert_eq!(demand.poll_permit(a, Stage::Holding, keep_until), Permit::GiveBack);
    assert_eq!(demand.poll_permit(b, Stage::Holding, keep_until), Permit::GiveBack);
}

#[test]
fn a_server_that_is_away_takes_no_turn() {
    let mut demand = Demand::new(Some(1), false);
    let [a, away] = [0, 1].map(|server| demand.add_slot(server));
    demand.poll_permit(away, AWAY, at(0));
    for now in [1, 2, 3].map(at) {
        take(&mut demand, a, now);
        demand.poll_permit(away, AWAY, now);
    }
    demand.poll_permit(a, FREE, at(4));
    demand.poll_permit(away, FREE, at(5));
    assert_eq!(demand.turn(1), Some(1), "it is back");
}

#[test]
fn a_slot_that_ends_leaves_what_the_others_of_its_server_are_at() {
    let mut demand = Demand::new(None, true);
    let [gone, a, b] = [0; 3].map(|server| demand.add_slot(server));
    demand.remove_slot(gone, at(0));
    demand.set_waiting(1, at(0));
    assert_eq!(demand.poll_permit(a, FREE, at(0)), Permit::Go);
    demand.poll_permit(a, Stage::Asking, at(0));
    assert_eq!(demand.poll_permit(b, FREE, at(0)), Permit::Wait(None), "its server is asked already");
    for slot in [a, b] {
        demand.remove_slot(slot, at(1));
    }
    assert!(demand.servers.is_empty(), "no slot, no server: {demand:?}");
}

#[test]
fn a_job_that_may_begin_begins_though_its_call_has_taken_it_by_then() {
    let mut demand = Demand::new(None, true);
    let slot = demand.add_slot(0);
    demand.set_waiting(1, at(0));
    demand.poll_permit(slot, FREE, at(0));
    demand.poll_permit(slot, Stage::Asking, at(0));
    assert_eq!(demand.poll_permit(slot, Stage::Holding, at(1)), Permit::Go);
    demand.set_waiting(0, at(1));
    assert_eq!(demand.poll_permit(slot, Stage::Holding, at(1)), Permit::Go);
}

#[test]
fn a_turn_that_is_not_taken_is_over_in_its_time() {
    let mut demand = Demand::new(None, true);
    let slots @ [a, _] = [0, 1].map(|server| demand.add_slot(server));
    for slot in slots {
        assert_eq!(demand.poll_permit(slot, FREE, at(0)), Permit::Wait(None));
    }
    demand.set_waiting(1, at(5));
    let until = at(5) + HEDGE;
    assert_eq!(demand.poll_permit(a, FREE, at(5)), Permit::Wait(Some(until)));
    assert_eq!(demand.poll_permit(a, FREE, until), Permit::Go);
}

#[test]
fn a_server_that_is_asked_for_enough_has_no_turn() {
    let mut demand = Demand::new(None, true);
    let [a, b, c, other] = [0, 0, 0, 1].map(|server| demand.add_slot(server));
    // After the other server's job it is the turn of the first.
    demand.set_waiting(1, at(0));
    take(&mut demand, other, at(0));
    demand.set_waiting(0, at(0));
    assert_eq!(demand.poll_permit(other, FREE, at(1)), Permit::Wait(None));
    demand.set_waiting(2, at(10));
    for slot in [a, b] {
        assert_eq!(demand.poll_permit(slot, FREE, at(10)), Permit::Go);
        demand.poll_permit(slot, Stage::Asking, at(10));
    }
    assert_eq!(demand.poll_permit(c, FREE, at(10)), Permit::Wait(None));
    // One of its two has a job that is the next call's; for the call after that, the other one is asked still.
    demand.set_waiting(0, at(11));
    assert!(matches!(demand.poll_permit(b, Stage::Holding, at(11)), Permit::Wait(Some(_))));
    demand.set_waiting(2, at(12));
    assert_eq!(demand.poll_permit(other, FREE, at(12)), Permit::Go);
}

#[test]
fn a_slot_is_woken_when_another_leaves_what_it_was_at_and_by_nothing_else() {
    let mut demand = Demand::new(None, true);
    let [a, b] = [0, 1].map(|server| demand.add_slot(server));
    demand.set_waiting(1, at(0));
    assert_eq!(demand.poll_permit(a, FREE, at(0)), Permit::Go);
    demand.poll_permit(a, Stage::Asking, at(0));
    assert_eq!(demand.poll_permit(b, FREE, at(0)), Permit::Wait(Some(at(0) + HEDGE)));
    demand.poll_wakes();
    demand.poll_permit(a, Stage::Asking, at(1));
    demand.set_waiting(1, at(1));
    assert!(demand.poll_wakes().is_empty(), "nothing has changed");
    // The connection on which a job was asked for breaks.
    demand.poll_permit(a, AWAY, at(2));
    assert_eq!(demand.poll_wakes(), [b]);

    // One that connects has ended.
    let mut demand = Demand::new(None, true);
    let [a, b] = [0; 2].map(|server| demand.add_slot(server));
    demand.set_waiting(1, at(0));
    assert_eq!(demand.poll_permit(a, AWAY, at(0)), Permit::Go);
    assert_eq!(demand.poll_permit(b, AWAY, at(0)), Permit::Wait(None));
    demand.poll_wakes();
    demand.remove_slot(a, at(1));
    assert_eq!(demand.poll_wakes(), [b]);

    // A job that was there for the next call is gone before it begins.
    let mut demand = Demand::new(None, true);
    let [a, b] = [0; 2].map(|server| demand.add_slot(server));
    demand.set_waiting(1, at(0));
    demand.poll_permit(a, FREE, at(0));
    demand.poll_permit(a, Stage::Asking, at(0));
    demand.set_waiting(0, at(1));
    assert!(matches!(demand.poll_permit(a, Stage::Holding, at(1)), Permit::Wait(Some(_))));
    assert_eq!(demand.poll_permit(b, FREE, at(1)), Permit::Wait(None));
    demand.set_waiting(1, at(2));
    assert_eq!(demand.poll_wakes(), [a]);
    demand.poll_permit(a, AWAY, at(3));
    assert_eq!(demand.poll_wakes(), [b]);
}

#[test]
fn of_several_jobs_that_are_there_as_many_may_begin_as_are_wanted() {
    let mut demand = Demand::new(None, true);
    let slots @ [a, b] = [0, 0].map(|server| demand.add_slot(server));
    demand.set_waiting(2, at(0));
    for slot in slots {
        assert_eq!(demand.poll_permit(slot, FREE, at(0)), Permit::Go);
        demand.poll_permit(slot, Stage::Asking, at(0));
    }
    demand.set_waiting(0, at(1));
    for slot in slots {
        assert!(matches!(demand.poll_permit(slot, Stage::Holding, at(1)), Permit::Wait(Some(_))));
    }
    demand.poll_wakes();
    demand.set_waiting(1, at(2));
    assert_eq!(demand.poll_wakes(), [a]);
    demand.set_waiting(2, at(2));
    assert_eq!(demand.poll_wakes(), [b]);
}

/// Slots, calls and answers in any order: what is counted is what is there, and nobody is forgotten who may go on.
#[test]
fn whatever_happens_limits_hold_and_no_slot_is_forgotten() {
    for seed in 0..300_u64 {
        let mut random = hash::scatter(seed);
        let mut below = |most: u64| {
            random = hash::scatter(random);
            random.checked_rem(most).unwrap_or(0)
        };
        let (limit, awaited) = ((below(2) == 0).then(|| 1 + below(4) as usize), below(2) == 0);
        if limit.is_none() && !awaited {
            continue;
        }
        let mut demand = Demand::new(limit, awaited);
        let mut slots: Vec<(u64, Stage, Permit)> = vec![];
        for server in 0..1 + below(3) {
            for _ in 0..1 + below(3) {
                slots.push((demand.add_slot(server), AWAY, Permit::Go));
            }
        }
        let (mut now, mut calls, mut woken) = (at(0), 0, (0..slots.len()).collect::<Vec<_>>());
        for _ in 0..300 {
            now = now + Duration::from_millis(below(15));
            if awaited && below(4) == 0 {
                calls = below(4) as usize;
                demand.set_waiting(calls, now);
            }
            woken.push(below(slots.len() as u64) as usize);
            for number in demand.poll_wakes() {
                woken.push(slots.iter().position(|(slot, ..)| *slot == number).unwrap());
            }
            for which in core::mem::take(&mut woken) {
                let (slot, stage, permit) = &mut slots[which];
                *permit = demand.poll_permit(*slot, *stage, now);
                *stage = match (*stage, *permit) {
                    (AWAY, Permit::Go) if below(2) == 0 => FREE,
                    (FREE, Permit::Go) => Stage::Asking,
                    (Stage::Asking, _) if below(2) == 0 => Stage::Holding,
                    (Stage::Asking, _) if below(9) == 0 => AWAY,
                    (Stage::Holding, Permit::Go) => {
                        calls = calls.saturating_sub(1);
                        if awaited {
                            demand.set_waiting(calls, now);
                        }
                        Stage::Running
                    }
                    (Stage::Holding, Permit::GiveBack) => AWAY,
                    (Stage::Running, _) if below(3) == 0 => FREE,
                    (stage, _) => stage,
                };
                let _ = demand.poll_permit(*slot, *stage, now);
            }
            let running = slots.iter().filter(|(_, stage, _)| *stage == Stage::Running).count();
            assert!(limit.is_none_or(|limit| running <= limit), "seed {seed}");
        }
        // Everybody who is woken goes on, and in the end somebody asks if a job is wanted.
        calls = 1;
        if awaited {
            demand.set_waiting(calls, now);
        }
        for _ in 0..50 {
            now = now + HEDGE;
            for (slot, stage, _) in &mut slots {
                if matches!(stage, Stage::Running | Stage::Holding) {
                    *stage = FREE;
                }
                if demand.poll_permit(*slot, *stage, now) == Permit::Go {
                    *stage = if *stage == AWAY { FREE } else { Stage::Asking };
                }
            }
        }
        assert!(slots.iter().any(|(_, stage, _)| *stage == Stage::Asking), "seed {seed}: {demand:?}");
    }
}
