//! What becomes of calls whose connection broke under them, of some before it was even seen to break.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    time::Duration,
};

use beanstalk_driver::{ConnectOptions, Flushed};
use beanstalk_proto::{
    ArgumentError, Command, Delete, Encoder, Error, Expect, JobId, Kind, Lost, Put, PutOutcome, Request,
    client::{Config, Timeout},
};

use crate::{
    client::{
        Call, DELAY, REPLY, Shared, answer, client, commands, config, connected, is_waiting, pass, peek, put, result,
    },
    executor::settle,
    virtual_runtime::{Virtual, elsewhere},
    wire::Wire,
};

fn delete(client: &Shared, id: u64) -> Call<'_, ()> {
    Box::pin(client.call(Delete::new(id)))
}

#[test]
fn what_was_on_an_earlier_connection_is_answered_or_reported_whenever_its_caller_comes() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    let (mut answered, mut written) = (peek(&client, 7), delete(&client, 8));
    assert!(is_waiting(&mut answered));
    runtime.run();
    wire.world().silent = true;
    assert!(is_waiting(&mut written));
    runtime.run();
    wire.world().capacity = 0;
    let (mut queued, mut repeated) = (delete(&client, 9), put(&client, "a"));
    assert!(is_waiting(&mut queued) && is_waiting(&mut repeated));
    let next = runtime.offer();
    wire.hang_up();
    runtime.run();
    pass(&runtime, DELAY);
    assert_eq!(runtime.attempts(), 2, "the next connection is there");
    assert!(matches!(result(&mut written), Err(Error::Closed { lost: Lost::Unknown })));
    assert!(matches!(result(&mut queued), Err(Error::Closed { lost: Lost::NotSent })));
    assert_eq!(result(&mut answered).unwrap().id, JobId(7));
    answer(&runtime, &mut repeated).unwrap().inserted().unwrap();
    assert_eq!(commands(&next), ["use a", "put"]);
}

#[test]
fn a_request_that_was_not_flushed_is_sent_on_the_next_connection_if_that_is_safe() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().capacity = 0;
    let mut put: Call<'_, Flushed<PutOutcome>> = Box::pin(client.send_in("a", Put::of("x")));
    let mut delete: Call<'_, Flushed<()>> = Box::pin(client.send(Delete::new(4)));
    assert!(is_waiting(&mut put) && is_waiting(&mut delete));
    let next = runtime.offer();
    wire.hang_up();
    runtime.run();
    assert!(matches!(result(&mut delete), Err(Error::Closed { lost: Lost::NotSent })));
    assert!(is_waiting(&mut put), "it is in line for the next");
    pass(&runtime, DELAY);
    let reply = answer(&runtime, &mut put).unwrap();
    assert!(settle(pin!(reply)).unwrap().is_ok());
    assert_eq!(commands(&next), ["use a", "put"]);
}

#[test]
fn a_call_that_a_refusal_broke_off_fails_with_that() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let (mut written, mut queued) = (peek(&client, 1), delete(&client, 2));
    assert!(is_waiting(&mut written));
    runtime.run();
    wire.world().capacity = 0;
    assert!(is_waiting(&mut queued));
    wire.world().refuses = true;
    wire.advance(Duration::ZERO);
    runtime.run();
    for (error, lost) in
        [(result(&mut written).unwrap_err(), Lost::Unknown), (result(&mut queued).unwrap_err(), Lost::NotSent)]
    {
        assert!(error.is_refusal() && error.lost() == Some(lost), "{error:?}");
    }
}

/// A request that panics while it writes itself.
#[derive(Clone)]
struct Panics;

impl Request for Panics {
    type Reply = ();

    fn expect(&self) -> Expect {
        Expect::of(Kind::Delete)
    }

    fn encode(self, _: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        resume_unwind(Box::new("as it was told"))
    }

    fn decode(reply: beanstalk_proto::Reply) -> Result<(), beanstalk_proto::DecodeError> {
        Delete::decode(reply)
    }
}

#[test]
fn behind_a_request_that_panicked_calls_wait_for_another_connection() {
    let runtime = Virtual::default();
    let (client, _wire) = connected(&runtime, config());
    let mut panics: Call<'_, ()> = Box::pin(client.call(Panics));
    assert!(catch_unwind(AssertUnwindSafe(|| is_waiting(&mut panics))).is_err());
    let mut read = peek(&client, 7);
    assert!(is_waiting(&mut read), "nobody has seen yet that the connection has ended");
    runtime.offer();
    runtime.run();
    pass(&runtime, DELAY);
    assert_eq!(answer(&runtime, &mut read).unwrap().id, JobId(7));
}

#[test]
fn once_a_client_ends_in_order_what_comes_is_refused_and_does_not_wait_for_the_end() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let mut sent = peek(&client, 1);
    assert!(is_waiting(&mut sent));
    let mut over = pin!(client.disconnect());
    assert!(settle(over.as_mut()).is_none());
    runtime.run();
    assert!(matches!(result(&mut peek(&client, 2)), Err(Error::Closed { lost: Lost::NotSent })));
    assert!(is_waiting(&mut sent), "it has its time");
    wire.speak();
    runtime.run();
    assert_eq!(result(&mut sent).unwrap().id, JobId(1));
    assert!(settle(over).is_some());
}

#[test]
fn who_gives_up_before_the_first_attempt_to_connect_is_over_was_just_late() {
    let runtime = Virtual::default();
    let hasty = client(&runtime, config()).with_timeout(Timeout::After(DELAY));
    let mut call = peek(&hasty, 1);
    assert!(is_waiting(&mut call));
    runtime.advance(DELAY);
    let error = result(&mut call).unwrap_err();
    assert!(matches!(error, Error::TimedOut { lost: Lost::NotSent, waited: DELAY, .. }), "{error:?}");
}

#[test]
fn a_connection_that_was_greeted_is_sent_the_tube_whichever_that_is() {
    let runtime = Virtual::default();
    let options = ConnectOptions::new().greeting(Command::Use { tube: "greeted".parse().unwrap() });
    let client = Shared::on(runtime.clone(), "queue".parse().unwrap(), config(), options).unwrap();
    // The runtime sends no greetings.
    let wire = runtime.offer();
    answer(&runtime, &mut put(&client, "default")).unwrap().inserted().unwrap();
    assert_eq!(commands(&wire), ["use default", "put"]);
}

#[test]
fn the_clocks_of_a_runtime_and_of_its_transport_may_differ() {
    let (wire, clock) = (Wire::new(), Wire::new());
    clock.advance(Duration::from_secs(3600));
    let (client, mut driver) = Shared::over(Virtual::by(&clock), Config::default(), wire.clone());
    wire.world().silent = true;
    let mut call = peek(&client, 1);
    for (time, is_late) in [(Duration::ZERO, false), (REPLY - DELAY, false), (DELAY, true)] {
        clock.advance(time);
        wire.advance(time);
        assert!(is_waiting(&mut call));
        assert!(settle(pin!(&mut driver)).is_none());
        if is_late {
            assert!(matches!(result(&mut call), Err(Error::TimedOut { .. })));
        }
    }
}

#[test]
fn a_driver_that_has_nothing_to_do_does_not_stand_still() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let mut call = peek(&client, 1);
    assert!(is_waiting(&mut call));
    runtime.run();
    // Its future goes to another runtime, whose tasks wait for it there.
    for _ in 0..3 {
        elsewhere(|| assert!(is_waiting(&mut call)));
        assert_eq!(runtime.tasks(), 1, "another has taken over");
        runtime.run();
        runtime.advance(Duration::from_secs(1));
    }
    wire.speak();
    runtime.run();
    assert_eq!(elsewhere(|| result(&mut call)).unwrap().id, JobId(1));
}

#[test]
fn a_driver_that_was_replaced_while_it_was_connected_ends_when_its_runtime_goes_on() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let mut call = peek(&client, 1);
    elsewhere(|| assert!(is_waiting(&mut call)));
    let next = runtime.offer();
    runtime.advance(Duration::from_secs(1));
    elsewhere(|| assert!(is_waiting(&mut call)));
    assert_eq!(runtime.tasks(), 2, "another takes over");
    pass(&runtime, DELAY);
    assert_eq!(runtime.tasks(), 1);
    assert_eq!(elsewhere(|| answer(&runtime, &mut call)).unwrap().id, JobId(1));
    assert_eq!(commands(&next), ["peek"]);
}

#[test]
fn where_a_reply_may_take_as_long_as_it_takes_a_call_waits_for_a_driver_that_nobody_polls() {
    let wire = Wire::new();
    let endless = Config { reply_timeout: None, ..Config::default() };
    let (client, mut driver) = Shared::over(Virtual::by(&wire), endless, wire.clone());
    let mut call = peek(&client, 1);
    for _ in 0..3 {
        assert!(is_waiting(&mut call));
        wire.advance(Duration::from_secs(3600));
    }
    assert!(settle(pin!(&mut driver)).is_none());
    assert_eq!(result(&mut call).unwrap().id, JobId(1));
}
