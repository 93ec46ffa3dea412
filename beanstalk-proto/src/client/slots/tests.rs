//! How much memory the requests in flight take, which shows nowhere else.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test asserts what it counts on"
)]

use super::*;
use crate::{client::slot::Patience, request::Expect, table::Kind, time::Instant};

fn push(slots: &mut Slots) -> u64 {
    let owner = slots.end.wrapping_add(1);
    let sent = Sent { owner, at: Instant::ZERO, patience: Patience::ENDLESS, body_at: 0, end: 0 };
    let (expected, rare) = Expected::of(Expect::of(Kind::Kick));
    slots.push(expected, rare, sent)
}

fn in_flight(count: usize) -> Slots {
    let mut slots = Slots::default();
    for _ in 0..count {
        push(&mut slots);
    }
    slots
}

/// Claims the reply at the front, as it comes.
fn claim(slots: &mut Slots) {
    slots.answered();
    slots.answered_front(slots.front).expect("it is answered").state = State::Free;
    slots.front_leaves();
}

#[test]
fn a_long_ring_is_given_back_when_nothing_is_in_flight_and_a_short_one_is_kept() {
    for (count, before, after) in [(KEPT, KEPT, KEPT), (KEPT + 1, 2 * KEPT, 0)] {
        let mut slots = in_flight(count);
        for left in (0..count).rev() {
            assert_eq!(slots.ring.len(), before);
            claim(&mut slots);
            assert_eq!(slots.len(), left);
        }
        assert_eq!(slots.ring.len(), after);

        let mut slots = in_flight(count);
        (0..count).for_each(|_| slots.answered());
        for _ in 0..count {
            assert_eq!(slots.ring.len(), before);
            slots.free(slots.front);
        }
        assert_eq!(slots.ring.len(), after);
    }
}

#[test]
fn a_reply_that_nobody_claims_does_not_lengthen_the_ring() {
    let mut slots = in_flight(1);
    slots.answered();
    for _ in 1..100 {
        let place = push(&mut slots);
        slots.answered();
        slots.free(place);
        assert_eq!((slots.ring.len(), slots.len()), (FIRST, 1));
    }
}
