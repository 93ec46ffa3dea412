//! A session over connections that break.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use beanstalk_proto::{
    CommandError, Delete, Put, Quit, Raw, Request, Reserve, ReserveWithTimeout, StatsTube, Subject, TubeName, Use,
    Wait, Watch,
};

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn tube(name: &str) -> TubeName {
    TubeName::new(name).expect("a tube name")
}

const NOT_SENT: Error = Error::Closed { lost: Lost::NotSent };
const UNKNOWN: Error = Error::Closed { lost: Lost::Unknown };

fn connected(config: &SessionConfig) -> Session {
    let mut session = Session::new(config, Tubes::default(), 1);
    session.handle_connected(at(0));
    session
}

fn events(session: &mut Session) -> Vec<Event> {
    core::iter::from_fn(|| session.poll_event()).collect()
}

/// Connects and replays; gives what was replayed.
fn restore(session: &mut Session, call: &Call, now: &mut Instant) -> Vec<Command> {
    let mut replayed = Vec::new();
    loop {
        match session.poll_step(call, *now) {
            Step::Connect => session.handle_connected(*now),
            Step::Replay(command) => {
                replayed.push(command);
                session.handle_replayed();
            }
            Step::WaitUntil(at) => *now = at,
            Step::Ready => return replayed,
            Step::GiveUp => panic!("it gave up"),
        }
    }
}

#[test]
fn tubes_are_restored_before_anything_else() {
    let mut session = connected(&SessionConfig::default());
    let mut call = Call::new(&Use::new("out"), at(0));
    assert_eq!(session.handle_result(&mut call, Ok(()), at(0)), Next::Return);
    let mut call = Call::new(&Watch::new("in"), at(0));
    assert_eq!(session.handle_result(&mut call, Ok(()), at(0)), Next::Return);
    let mut call = Call::new(&Raw::new("ignore default"), at(0));
    assert_eq!(session.handle_result(&mut call, Ok(()), at(0)), Next::Return);
    assert_eq!(events(&mut session), [Event::Connected, Event::Restored]);
    assert_eq!(session.connections(), 1);

    let mut now = at(5);
    let mut call = Call::new(&Put::of("x"), now);
    assert_eq!(session.handle_result(&mut call, Err(&NOT_SENT), now), Next::Repeat);
    let replayed = restore(&mut session, &call, &mut now);
    let tubes = [
        Command::Use { tube: tube("out") },
        Command::Watch { tube: tube("in") },
        Command::Ignore { tube: tube("default") },
    ];
    assert_eq!(replayed, tubes);
    assert_eq!(session.connections(), 2);
    let told = events(&mut session);
    assert!(matches!(
        &told[..],
        [Event::Lost { .. }, Event::Retrying { attempt: 1, .. }, Event::Connected, Event::Restored]
    ));
}

#[test]
fn a_selection_that_was_refused_is_not_remembered() {
    let mut session = connected(&SessionConfig::default());
    let mut call = Call::new(&Watch::new("in"), at(0));
    let refusal = Error::Command { command: "watch", subject: Subject::None, error: CommandError::OutOfMemory };
    assert_eq!(session.handle_result(&mut call, Err(&refusal), at(0)), Next::Return);
    assert_eq!(*session.tubes(), Tubes::default());
    assert_eq!(session.poll_step(&call, at(0)), Step::Ready);
}

#[test]
fn a_step_that_was_broken_off_is_returned_again() {
    let mut session = Session::new(&SessionConfig::default(), Tubes::watching([tube("in")]), 1);
    let call = Call::new(&Put::of("x"), at(0));
    assert_eq!([session.poll_step(&call, at(0)), session.poll_step(&call, at(0))], [Step::Connect, Step::Connect]);
    session.handle_connected(at(0));
    let replay = session.poll_step(&call, at(0));
    assert_eq!(replay, Step::Replay(Command::Watch { tube: tube("in") }));
    assert_eq!(session.poll_step(&call, at(0)), replay);
}

#[test]
fn a_call_gives_up_when_its_patience_ends_and_the_session_goes_on() {
    let config = SessionConfig { patience: Some(Duration::from_secs(1)), ..SessionConfig::default() };
    let mut session = connected(&config);
    session.handle_lost(&UNKNOWN, at(0));
    let call = Call::new(&Put::of("x"), at(0));
    let mut now = at(0);
    while session.poll_step(&call, now) != Step::GiveUp {
        match session.poll_step(&call, now) {
            Step::Connect => session.handle_lost(&NOT_SENT, now),
            Step::WaitUntil(until) => now = until,
            step => panic!("{step:?}"),
        }
        assert!(now <= at(1000));
    }
    assert_eq!(now, at(1000));
    let call = Call::new(&Put::of("x"), now);
    restore(&mut session, &call, &mut now);
}

#[test]
fn an_attempt_to_connect_takes_no_longer_than_the_patience_that_is_left() {
    let config = SessionConfig { patience: Some(Duration::from_secs(3)), ..SessionConfig::default() };
    let session = Session::new(&config, Tubes::default(), 1);
    let call = Call::new(&Put::of("x"), at(0));
    let within = |now| session.connect_timeout(&call, Some(Duration::from_secs(2)), at(now));
    assert_eq!([0, 1000, 2500].map(within), [2000, 2000, 500].map(|millis| Some(Duration::from_millis(millis))));
}

#[test]
fn a_connection_that_is_closed_from_here_is_no_loss_and_the_next_is_made_after_a_delay() {
    let backoff = Backoff { first: Duration::from_secs(60), max: Duration::from_secs(60) };
    let mut session = Session::new(&SessionConfig::default().reconnect(backoff), Tubes::default(), 1);
    assert!(!session.is_up());
    session.handle_closed(at(0));
    assert_eq!(session.link_step(at(0)), Step::Connect, "there was none");
    session.handle_connected(at(0));
    assert!(session.is_up());
    session.handle_closed(at(0));
    assert!(!session.is_up() && matches!(session.link_step(at(0)), Step::WaitUntil(_)));
    assert_eq!(events(&mut session), [Event::Connected, Event::Restored]);
}

#[test]
fn a_read_that_breaks_off_again_and_again_fails_with_its_own_error_in_the_end() {
    let config = SessionConfig { patience: Some(Duration::from_secs(1)), ..SessionConfig::default() };
    let mut session = connected(&config);
    let mut call = Call::new(&StatsTube::new("default"), at(0));
    assert_eq!(session.handle_result(&mut call, Err(&UNKNOWN), at(999)), Next::Repeat);
    session.handle_connected(at(999));
    assert_eq!(session.handle_result(&mut call, Err(&UNKNOWN), at(1000)), Next::Return);
}

#[test]
fn without_reconnecting_a_broken_connection_ends_the_session() {
    let config = SessionConfig { reconnect: None, ..SessionConfig::default() };
    let mut session = connected(&config);
    let mut call = Call::new(&StatsTube::new("default"), at(0));
    assert_eq!(session.handle_result(&mut call, Err(&NOT_SENT), at(0)), Next::Return);
    assert_eq!(session.poll_step(&call, at(0)), Step::GiveUp);
    assert_eq!(events(&mut session).last(), Some(&Event::Ended));
}

#[test]
fn quit_ends_the_session() {
    let mut session = connected(&SessionConfig::default());
    let mut call = Call::new(&Quit::new(), at(0));
    assert_eq!(session.handle_result(&mut call, Ok(()), at(0)), Next::Return);
    assert_eq!(session.poll_step(&call, at(0)), Step::GiveUp);
}

#[test]
fn a_server_that_answers_nothing_is_asked_ever_more_rarely_until_it_answers() {
    let mut session = Session::new(&SessionConfig::default(), Tubes::default(), 1);
    let attempts = |session: &mut Session| {
        events(session).iter().rev().find_map(|event| match event {
            Event::Retrying { attempt, .. } => Some(*attempt),
            _ => None,
        })
    };
    for attempt in 1..6 {
        session.handle_connected(at(0));
        session.handle_lost(&UNKNOWN, at(0));
        assert_eq!(attempts(&mut session), Some(attempt));
    }
    session.handle_connected(at(0));
    let mut call = Call::new(&Put::of("x"), at(0));
    assert_eq!(session.handle_result(&mut call, Ok(()), at(0)), Next::Return);
    session.handle_lost(&UNKNOWN, at(0));
    assert_eq!(attempts(&mut session), Some(1), "an answer makes the delays short again");
    session.handle_lost(&UNKNOWN, at(0));
    session.handle_connected(at(0));
    session.handle_lost(&UNKNOWN, at(60_000));
    assert_eq!(attempts(&mut session), Some(1), "and so does a connection that lasted");
}

#[test]
fn a_connection_without_an_answer_proves_itself_by_lasting_longer_than_the_longest_delay() {
    let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(4) };
    for (lasts, attempt) in [(4000, 2), (4001, 1)] {
        let mut session = connected(&SessionConfig { reconnect: Some(backoff), ..SessionConfig::default() });
        session.handle_lost(&UNKNOWN, at(0));
        session.handle_connected(at(10_000));
        events(&mut session);
        session.handle_lost(&UNKNOWN, at(10_000 + lasts));
        assert!(
            matches!(events(&mut session)[..], [_, Event::Retrying { attempt: told, .. }] if told == attempt),
            "{lasts} ms"
        );
    }
}

#[test]
fn what_may_have_run_before_is_not_reported_as_not_sent_whatever_ends_it() {
    let session = connected(&SessionConfig::default());
    let mut call = Call::new(&Put::of("x"), at(0)).repeat_puts(true);
    assert_eq!(call.fails_with(NOT_SENT).lost(), Some(Lost::NotSent));
    assert_eq!(session.handle_broken_off(&mut call, &UNKNOWN, at(1)), Next::Repeat);
    for error in [NOT_SENT, UNKNOWN, Error::ReserveWaiting] {
        assert_eq!(call.fails_with(error).lost(), Some(Lost::Unknown));
    }
    let refused = Error::Command { command: "put", subject: Subject::None, error: CommandError::Draining };
    assert_eq!(call.fails_with(refused).lost(), None, "the server has answered");
}

#[test]
fn what_the_session_cannot_name_is_never_repeated() {
    let mut session = connected(&SessionConfig::default());
    let mut call = Call::new(&Raw::new("freeze 1"), at(0));
    assert_eq!(session.handle_result(&mut call, Err(&NOT_SENT), at(0)), Next::Return);
}

/// How long a reserve waits that is sent now.
fn sent(call: &mut Call, seconds: u32, now: Instant) -> Wait {
    call.attempt(&ReserveWithTimeout::new(seconds), now).expect().wait
}

#[test]
fn a_reserve_is_repeated_with_what_is_left_of_its_timeout() {
    let mut call = Call::new(&ReserveWithTimeout::new(10), at(0));
    // Its time begins when it is sent.
    for (now, left) in [(5000, 10), (5000, 10), (5001, 10), (14_000, 1), (14_999, 1), (15_000, 0), (60_000, 0)] {
        assert_eq!(sent(&mut call, 10, at(now)), Wait::Seconds(left), "at {now} ms");
    }
    let line = beanstalk_proto::encode(call.attempt(&ReserveWithTimeout::new(10), at(13_000)));
    assert_eq!(line.unwrap(), b"reserve-with-timeout 2\r\n");
    let mut forever = Call::new(&Reserve::new(), at(0));
    for now in [0, 60_000] {
        assert_eq!(beanstalk_proto::encode(forever.attempt(&Reserve::new(), at(now))).unwrap(), b"reserve\r\n");
    }
}

#[test]
fn the_patience_of_a_reserve_begins_when_its_connection_breaks_or_its_timeout_ends() {
    let config = SessionConfig { patience: Some(Duration::from_secs(1)), ..SessionConfig::default() };
    let mut call = Call::new(&ReserveWithTimeout::new(10), at(0));
    sent(&mut call, 10, at(0));
    let mut session = connected(&config);
    assert_eq!(session.handle_result(&mut call, Err(&UNKNOWN), at(9000)), Next::Repeat);
    assert_ne!(session.poll_step(&call, at(9999)), Step::GiveUp);
    assert_eq!(session.poll_step(&call, at(10_000)), Step::GiveUp);
    session.handle_connected(at(9999));
    assert_eq!(session.handle_result(&mut call, Err(&UNKNOWN), at(10_999)), Next::Repeat);
    session.handle_connected(at(10_999));
    assert_eq!(session.handle_result(&mut call, Err(&UNKNOWN), at(11_000)), Next::Return);
    let given_up = call.given_up(Some(NOT_SENT));
    assert_eq!(given_up.lost(), Some(Lost::Unknown), "it may have run on the first connection");
}

/// How the attempt at a request ended.
fn broken() -> impl Strategy<Value = Error> {
    let lost = prop_oneof![Just(Lost::NotSent), Just(Lost::Unknown)];
    (0..2, lost).prop_map(|(which, lost)| match which {
        0 => Error::Closed { lost },
        _ => Error::TimedOut { command: "test", subject: Subject::None, waited: Duration::ZERO, lost },
    })
}

fn any_command() -> impl Strategy<Value = Command> {
    let id = beanstalk_proto::JobId(1);
    let commands = [
        Command::Put { priority: 1.into(), delay: 0, ttr: 1, body: Vec::new() },
        Command::Peek { id },
        Command::PeekReady,
        Command::ReserveWithTimeout { timeout: 1 },
        Command::ReserveJob { id },
        Command::Delete { id },
        Command::Release { id, priority: 1.into(), delay: 0 },
        Command::Bury { id, priority: 1.into() },
        Command::Touch { id },
        Command::Kick { bound: 1 },
        Command::KickJob { id },
        Command::StatsJob { id },
        Command::Use { tube: tube("a") },
        Command::Ignore { tube: tube("a") },
        Command::Quit,
    ];
    proptest::sample::select(Vec::from(commands))
}

proptest! {
    #[test]
    fn what_may_have_run_is_never_repeated_unless_that_changes_nothing(command in any_command(), error in broken()) {
        let mut session = connected(&SessionConfig::default());
        let mut call = Call::new(&command, at(0));
        if session.handle_result(&mut call, Err(&error), at(1)) == Next::Repeat {
            let harmless = matches!(
                command.kind(),
                Kind::Peek
                    | Kind::PeekReady
                    | Kind::StatsJob
                    | Kind::Use
                    | Kind::Watch
                    | Kind::Ignore
                    | Kind::ReserveWithTimeout
            );
            prop_assert!(harmless || error.lost() == Some(Lost::NotSent));
            prop_assert!(matches!(error, Error::Closed { .. }), "what timed out is not broken off");
            let by_id = matches!(
                command.kind(),
                Kind::Delete | Kind::Release | Kind::Bury | Kind::Touch | Kind::KickJob | Kind::ReserveJob
            );
            prop_assert!(!by_id, "the id may stand for another job");
        }
        prop_assert!(session.poll_step(&call, at(1)) != Step::Ready, "the connection is not used again");
    }
}

#[test]
fn a_put_that_was_not_sent_is_repeated_and_a_delete_is_not() {
    let mut session = connected(&SessionConfig::default());
    let mut put = Call::new(&Put::of("x"), at(0));
    assert_eq!(session.handle_result(&mut put, Err(&NOT_SENT), at(0)), Next::Repeat);
    assert_eq!(session.handle_result(&mut put, Err(&UNKNOWN), at(0)), Next::Return);
    let mut delete = Call::new(&Delete::new(1), at(0));
    assert_eq!(session.handle_result(&mut delete, Err(&NOT_SENT), at(0)), Next::Return);
}

#[test]
fn whoever_observes_events_takes_none_from_the_listener() {
    let mut session = connected(&SessionConfig::default());
    let mut observed = Vec::new();
    while let Some(event) = session.observe_event() {
        observed.push(event.clone());
    }
    assert!(!observed.is_empty() && session.observe_event().is_none());
    assert_eq!(session.poll_event().as_ref(), observed.first());
    session.end();
    assert_eq!(session.observe_event(), Some(&Event::Ended));
    assert_eq!(events(&mut session).last(), Some(&Event::Ended));
    // The oldest of too many go, observed or not.
    for _ in 0..100 {
        session.report(Event::Connected);
    }
    assert_eq!(core::iter::from_fn(|| session.observe_event().cloned()).count(), Session::MAX_EVENTS);
}
