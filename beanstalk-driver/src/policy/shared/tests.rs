use alloc::vec::Vec;

use super::*;
use beanstalk_proto::{CommandError, Delete, Lost, Peek, Put, Subject};

const PATIENCE: Duration = Duration::from_secs(30);

fn machine(config: SharedConfig) -> Shared {
    Shared::new(config.patience(PATIENCE), 7)
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn closed(lost: Lost) -> Error {
    Error::Closed { lost }
}

#[test]
fn it_connects_at_once_and_after_a_loss_when_a_delay_has_passed() {
    let mut shared = machine(SharedConfig::default());
    assert_eq!(shared.poll_driver(at(1)), DriverStep::Connect);
    shared.handle_connected(at(1));
    assert_eq!(shared.poll_driver(at(1)), DriverStep::Drive);
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        shared.handle_lost(&closed(Lost::Unknown), at(1));
        if let DriverStep::WaitUntil(until) = shared.poll_driver(at(1)) {
            assert_eq!(shared.poll_driver(until), DriverStep::Connect);
            longest = longest.max(until.saturating_duration_since(at(1)));
        }
    }
    assert!(longest > Duration::from_secs(1) && longest <= Duration::from_secs(10), "{longest:?}");
}

#[test]
fn an_answer_makes_the_delays_short_again_and_each_event_is_observed_once() {
    let mut shared = machine(SharedConfig::default());
    let mut attempts = Vec::new();
    for answers in [false, false, true, false] {
        assert!(!shared.is_connected(at(1)));
        shared.handle_connected(at(1));
        assert!(shared.is_connected(at(1)));
        if answers {
            shared.handle_answer();
        }
        shared.handle_lost(&closed(Lost::Unknown), at(1));
        while let Some(event) = shared.observe_event() {
            if let Event::Retrying { attempt, .. } = event {
                attempts.push(*attempt);
            }
        }
    }
    assert_eq!(attempts, [1, 2, 1, 2]);
}

#[test]
fn a_call_waits_for_a_connection_as_long_as_its_patience() {
    let mut shared = machine(SharedConfig::default());
    let call = shared.begin(&Put::of("x"), at(10));
    assert_eq!(shared.poll_call(&call, at(39)), CallStep::Wait);
    assert_eq!(shared.patience_ends(&call), Some(at(40)));
    assert_eq!(shared.poll_call(&call, at(40)), CallStep::GiveUp);
    shared.handle_connected(at(41));
    assert_eq!(shared.poll_call(&call, at(41)), CallStep::Send, "it is here, late as it is");
}

#[test]
fn one_loss_is_one_failure_however_many_calls_it_broke_off() {
    let mut shared = machine(SharedConfig::default());
    shared.handle_connected(at(1));
    shared.handle_lost(&closed(Lost::Unknown), at(2));
    let mut events = Vec::new();
    for _ in 0..100 {
        let mut call = shared.begin(&Peek::new(1), at(1));
        assert_eq!(shared.handle_broken_off(&mut call, &closed(Lost::Unknown), at(2)), Next::Repeat);
        events.extend(core::iter::from_fn(|| shared.poll_event()));
    }
    assert!(matches!(events[2..], [Event::Lost { .. }, Event::Retrying { attempt: 1, .. }]), "{events:?}");
}

#[test]
fn what_is_repeated_depends_on_the_request_and_on_what_can_have_become_of_it() {
    let timed_out =
        Error::TimedOut { command: "peek", subject: Subject::None, waited: Duration::ZERO, lost: Lost::NotSent };
    for repeat_puts in [false, true] {
        let shared = machine(SharedConfig::default().repeat_puts(repeat_puts));
        let repeats = |mut call, error: &Error| shared.handle_broken_off(&mut call, error, at(2)) == Next::Repeat;
        let read = || shared.begin(&Peek::new(1), at(1));
        let put = || shared.begin(&Put::of("x"), at(1));
        let delete = || shared.begin(&Delete::new(1), at(1));
        assert!(repeats(read(), &closed(Lost::Unknown)) && repeats(read(), &closed(Lost::NotSent)));
        assert!(repeats(put(), &closed(Lost::NotSent)));
        assert_eq!(repeats(put(), &closed(Lost::Unknown)), repeat_puts);
        assert!(!repeats(delete(), &closed(Lost::NotSent)) && !repeats(delete(), &closed(Lost::Unknown)));
        assert!(!repeats(read(), &timed_out), "its time is over");
        let refused = Error::Command { command: "peek", subject: Subject::None, error: CommandError::NotFound };
        assert!(!repeats(read(), &refused));
    }
}

#[test]
fn what_waits_is_counted_and_a_single_large_body_may_wait() {
    let mut shared = machine(SharedConfig::default().waiting(2, 10));
    shared.enter(100).unwrap();
    assert_eq!(shared.enter(1), Err(Full::WaitingBytes { bytes: 100, limit: 10 }));
    shared.enter(0).unwrap();
    assert_eq!(shared.enter(0), Err(Full::Waiting { limit: 2 }));
    shared.leave(100);
    shared.enter(10).unwrap();
    shared.leave(0);
    shared.leave(10);
    shared.enter(7).unwrap();
    shared.enter(3).unwrap();
}

#[test]
fn what_is_no_outage_ends_the_client_and_so_does_a_loss_where_it_does_not_reconnect() {
    let mut shared = machine(SharedConfig::default());
    let refused = Error::Command { command: "auth", subject: Subject::None, error: CommandError::UnknownCommand };
    shared.handle_lost(&refused, at(1));
    assert_eq!(shared.poll_driver(at(100)), DriverStep::End);

    let mut shared = machine(SharedConfig::default().reconnect(None));
    shared.handle_connected(at(1));
    shared.handle_lost(&closed(Lost::Unknown), at(1));
    assert!(shared.has_ended());
    let call = shared.begin(&Put::of("x"), at(2));
    assert_eq!(shared.poll_call(&call, at(2)), CallStep::GiveUp);
    assert!(SharedConfig::default().reconnect(Backoff { first: PATIENCE, max: Duration::ZERO }).check().is_err());
}
