//! A client that tasks share, and that connects again: in virtual time.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use beanstalk_driver::policy::Event;
use beanstalk_proto::{
    Delete, Error, Full, JobId, Kind, Lost, Peek, Put, PutOutcome,
    client::{Config, Limits, Timeout},
};

use crate::{
    client::{
        Call, DELAY, PATIENCE, REPLY, Shared, answer, client, commands, config, connected, is_waiting, pass, peek, put,
        result,
    },
    executor::{Asleep, settle},
    virtual_runtime::{Virtual, elsewhere},
    wire::Wire,
};

#[test]
fn calls_wait_while_the_server_is_away_and_go_out_in_their_order_when_it_is_back() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.hang_up();
    runtime.run();
    let mut calls: Vec<_> = (0..3).map(|id| peek(&client, id)).collect();
    let mut late_put = put(&client, "a");
    assert!(calls.iter_mut().all(is_waiting) && is_waiting(&mut late_put));
    pass(&runtime, Duration::from_secs(10));
    assert!(runtime.attempts() > 50, "it goes on trying: {}", runtime.attempts());
    let wire = runtime.offer();
    pass(&runtime, DELAY);
    assert!(is_waiting(&mut late_put), "it is not its turn");
    for (id, call) in (0..).zip(&mut calls) {
        assert_eq!(answer(&runtime, call).unwrap().id, JobId(id));
    }
    answer(&runtime, &mut late_put).unwrap().inserted().unwrap();
    assert_eq!(commands(&wire), ["peek", "peek", "peek", "use a", "put"]);
}

#[test]
fn patience_ends_with_why_there_is_no_connection_and_nothing_was_sent() {
    let runtime = Virtual::default();
    let client = client(&runtime, config());
    let mut call = put(&client, "a");
    assert!(is_waiting(&mut call));
    runtime.run();
    pass(&runtime, PATIENCE - DELAY);
    assert!(is_waiting(&mut call), "it has more patience");
    let mut hasty = Box::pin(async { client.with_timeout(Timeout::After(DELAY)).call(Peek::new(1)).await });
    assert!(settle(hasty.as_mut()).is_none());
    pass(&runtime, DELAY);
    for error in [result(&mut call).unwrap_err(), settle(hasty.as_mut()).expect("it is over").unwrap_err()] {
        assert!(
            matches!(&error, Error::Io { error, lost: Lost::NotSent }
            if error.kind() == std::io::ErrorKind::ConnectionRefused),
            "{error}"
        );
    }
}

#[test]
fn what_was_sent_when_the_connection_broke_is_repeated_only_if_that_is_safe() {
    for repeat_puts in [false, true] {
        let runtime = Virtual::default();
        let (client, wire) = connected(&runtime, config().repeat_puts(repeat_puts));
        wire.world().silent = true;
        let (mut read, mut write) = (peek(&client, 7), put(&client, "a"));
        let mut delete: Call<'_, ()> = Box::pin(client.call(Delete::new(4)));
        assert!(is_waiting(&mut read) && is_waiting(&mut write) && is_waiting(&mut delete));
        runtime.run();
        wire.hang_up();
        runtime.run();
        assert!(is_waiting(&mut read));
        let next = runtime.offer();
        assert!(matches!(result(&mut delete), Err(Error::Closed { lost: Lost::Unknown })));
        if repeat_puts {
            assert!(is_waiting(&mut write));
        } else {
            assert!(matches!(result(&mut write), Err(Error::Closed { lost: Lost::Unknown })));
        }
        pass(&runtime, DELAY);
        assert_eq!(answer(&runtime, &mut read).unwrap().id, JobId(7));
        if repeat_puts {
            answer(&runtime, &mut write).unwrap().inserted().unwrap();
        }
        assert_eq!(next.count(Kind::Put), usize::from(repeat_puts));
        assert_eq!(next.count(Kind::Delete), 0);
    }
}

#[test]
fn a_put_that_may_have_run_is_not_reported_as_not_sent_by_a_later_attempt() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    let endless = Config { reply_timeout: None, ..Config::default() };
    let config = config().repeat_puts(true);
    let client = Shared::on(runtime.clone(), "queue".parse().unwrap(), config, endless).unwrap();
    wire.world().silent = true;
    let mut call = put(&client, "a");
    assert!(is_waiting(&mut call));
    runtime.run();
    assert!(is_waiting(&mut call), "it has sent");
    pass(&runtime, PATIENCE - 5 * DELAY);
    let next = runtime.offer();
    next.world().capacity = 0;
    wire.hang_up();
    runtime.run();
    assert!(is_waiting(&mut call));
    pass(&runtime, 2 * DELAY);
    assert!(is_waiting(&mut call), "its second attempt waits to be written");
    pass(&runtime, 10 * DELAY);
    next.hang_up();
    runtime.run();
    let error = result(&mut call).unwrap_err();
    assert_eq!((wire.count(Kind::Use), next.count(Kind::Use)), (1, 0), "the put behind it may have been read");
    assert!(matches!(error, Error::Closed { lost: Lost::Unknown }), "{error:?}");
}

#[test]
fn a_put_that_was_not_written_is_sent_on_the_next_connection_and_a_delete_is_not() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    // It was idle: the end is noticed before anything is written.
    pass(&runtime, Duration::from_secs(1));
    let (mut write, mut delete) = (put(&client, "a"), Box::pin(client.call(Delete::new(4))) as Call<'_, ()>);
    assert!(is_waiting(&mut write) && is_waiting(&mut delete));
    wire.hang_up();
    let next = runtime.offer();
    runtime.run();
    assert!(is_waiting(&mut write));
    assert!(matches!(result(&mut delete), Err(Error::Closed { lost: Lost::NotSent })));
    pass(&runtime, DELAY);
    answer(&runtime, &mut write).unwrap().inserted().unwrap();
    assert_eq!(wire.count(Kind::Put), 0);
    assert_eq!(commands(&next), ["use a", "put"]);
}

#[test]
fn a_late_reply_breaks_the_connection_whether_or_not_somebody_waits_for_it() {
    for abandoned in [false, true] {
        let runtime = Virtual::default();
        let (client, wire) = connected(&runtime, config());
        wire.world().silent = true;
        let mut first = peek(&client, 1);
        assert!(is_waiting(&mut first));
        pass(&runtime, REPLY / 2);
        let (mut second, mut read) = (put(&client, "a"), peek(&client, 3));
        assert!(is_waiting(&mut second) && is_waiting(&mut read));
        let first = if abandoned { None } else { Some(first) };
        let next = runtime.offer();
        pass(&runtime, REPLY / 2);
        if let Some(mut first) = first {
            assert!(matches!(result(&mut first), Err(Error::TimedOut { lost: Lost::Unknown, .. })));
        }
        let error = result(&mut second).unwrap_err();
        assert!(matches!(error, Error::Closed { lost: Lost::Unknown }), "{error}");
        assert!(is_waiting(&mut read));
        pass(&runtime, DELAY);
        assert_eq!(answer(&runtime, &mut read).unwrap().id, JobId(3), "what only reads is repeated");
        assert_eq!(commands(&next), ["peek"]);
    }
}

#[test]
fn who_is_in_a_hurry_gives_up_alone() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let hasty = client.with_timeout(Timeout::After(DELAY));
    let (mut hurried, mut patient) = (peek(&hasty, 1), peek(&client, 2));
    assert!(is_waiting(&mut hurried) && is_waiting(&mut patient));
    runtime.run();
    pass(&runtime, DELAY);
    let error = result(&mut hurried).unwrap_err();
    assert!(matches!(error, Error::TimedOut { lost: Lost::Unknown, waited: DELAY, .. }), "{error}");
    wire.speak();
    runtime.run();
    assert_eq!(result(&mut patient).unwrap().id, JobId(2));
    assert_eq!(runtime.attempts(), 1);
}

#[test]
fn what_waits_is_bounded_in_calls_and_bytes() {
    let runtime = Virtual::default();
    let body = [0; 600];
    let limited = client(&runtime, config().waiting(3, 1000));
    let put = |bytes| Box::pin(limited.call_in("a", Put::of(&body[..bytes]))) as Call<'_, PutOutcome>;
    let mut first = put(600);
    assert!(is_waiting(&mut first));
    let error = result(&mut put(401)).unwrap_err();
    assert!(matches!(error, Error::Full(Full::WaitingBytes { bytes: 600, limit: 1000 })), "{error}");
    let mut second = put(400);
    let mut third = peek(&limited, 1);
    assert!(is_waiting(&mut second) && is_waiting(&mut third));
    let error = result(&mut peek(&limited, 2)).unwrap_err();
    assert!(matches!(error, Error::Full(Full::Waiting { limit: 3 })) && error.lost() == Some(Lost::NotSent), "{error}");
    drop(second);
    assert!(is_waiting(&mut put(400)), "a place is free");
}

#[test]
fn a_single_body_over_the_bound_may_wait() {
    let runtime = Virtual::default();
    let limited = client(&runtime, config().waiting(3, 1000));
    let mut large = Box::pin(limited.call_in("a", Put::of(vec![0; 2000]))) as Call<'_, PutOutcome>;
    assert!(is_waiting(&mut large));
    assert!(matches!(result(&mut put(&limited, "a")), Err(Error::Full(Full::WaitingBytes { .. }))));
}

#[test]
fn each_connection_is_sent_the_tube_anew() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    answer(&runtime, &mut put(&client, "a")).unwrap().inserted().unwrap();
    wire.hang_up();
    runtime.run();
    let next = runtime.offer();
    pass(&runtime, DELAY);
    for tube in ["a", "default", "a"] {
        answer(&runtime, &mut put(&client, tube)).unwrap().inserted().unwrap();
    }
    assert_eq!(commands(&next), ["use a", "put", "use default", "put", "use a", "put"]);
}

#[test]
fn whoever_calls_starts_the_driver_where_it_is_gone() {
    let runtime = Virtual::default();
    let (client, _wire) = connected(&runtime, config());
    let mut broken_off = peek(&client, 1);
    assert!(is_waiting(&mut broken_off));
    runtime.shut_down();
    let next = runtime.offer();
    assert!(is_waiting(&mut broken_off), "it begins anew");
    assert_eq!(runtime.tasks(), 1);
    pass(&runtime, DELAY);
    assert_eq!(answer(&runtime, &mut broken_off).unwrap().id, JobId(1));
    assert_eq!(commands(&next), ["peek"]);
}

#[test]
fn a_driver_that_came_to_stand_still_on_another_runtime_is_replaced_by_who_waited_before() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.hang_up();
    runtime.run();
    let mut here = peek(&client, 1);
    assert!(is_waiting(&mut here));
    runtime.shut_down();
    let mut there = peek(&client, 2);
    elsewhere(|| assert!(is_waiting(&mut there), "it starts the driver, which is not polled"));
    assert!(is_waiting(&mut here));
    runtime.advance(Duration::from_secs(1));
    assert!(is_waiting(&mut here));
    assert_eq!(runtime.tasks(), 2, "another takes over");
    runtime.offer();
    pass(&runtime, DELAY);
    assert_eq!(answer(&runtime, &mut here).unwrap().id, JobId(1));
}

#[test]
fn a_call_whose_driver_nobody_polls_is_over_in_time() {
    let wire = Wire::new();
    let runtime = Virtual::by(&wire);
    let (client, driver) = Shared::over(runtime.clone(), Config::default(), wire.clone());
    let hasty = client.with_timeout(Timeout::After(DELAY));
    let (mut hurried, mut patient) = (peek(&hasty, 1), peek(&client, 2));
    assert!(is_waiting(&mut hurried) && is_waiting(&mut patient));
    runtime.advance(DELAY);
    assert!(matches!(result(&mut hurried), Err(Error::TimedOut { .. })));
    assert!(is_waiting(&mut patient));
    runtime.advance(REPLY);
    assert!(matches!(result(&mut patient), Err(Error::TimedOut { .. })));
    drop(driver);
}

#[test]
fn a_request_is_flushed_before_its_reply_is_awaited() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    wire.world().flush_blocked = true;
    let mut sent = pin!(client.send_in("a", Put::of("x")));
    assert!(settle(sent.as_mut()).is_none());
    runtime.run();
    assert!(settle(sent.as_mut()).is_none(), "it is not flushed");
    wire.world().flush_blocked = false;
    wire.advance(Duration::ZERO);
    runtime.run();
    // The driver looks again when it is woken.
    let mut reply = match settle(sent.as_mut()) {
        Some(reply) => reply.unwrap(),
        None => panic!("it was flushed"),
    };
    assert!(settle(pin!(&mut reply)).is_none());
    wire.speak();
    runtime.run();
    settle(pin!(&mut reply)).unwrap().unwrap().inserted().unwrap();
}

#[test]
fn without_reconnecting_a_broken_connection_ends_the_client() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config().reconnect(None));
    assert!(!client.is_closed());
    let mut closed = pin!(client.closed());
    assert!(settle(closed.as_mut()).is_none());
    wire.hang_up();
    runtime.run();
    assert!(client.is_closed() && settle(closed.as_mut()).is_some());
    assert!(matches!(result(&mut peek(&client, 1)), Err(Error::Closed { lost: Lost::NotSent })));
    assert_eq!((runtime.attempts(), runtime.tasks()), (1, 0));
}

#[test]
fn a_client_that_is_disconnected_ends_in_order_for_all_its_handles() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    let (other, mut call) = (client.clone(), peek(&client, 1));
    assert!(is_waiting(&mut call));
    let mut over = pin!(other.disconnect());
    assert!(settle(over.as_mut()).is_none());
    runtime.run();
    assert!(settle(over).is_some());
    assert_eq!(result(&mut call).unwrap().id, JobId(1), "what was sent is answered");
    assert!(wire.world().closed, "the server has read the quit");
    assert!(matches!(result(&mut peek(&client, 1)), Err(Error::Closed { lost: Lost::NotSent })));
    assert_eq!(runtime.tasks(), 0);
}

#[test]
fn an_end_in_order_is_reported_as_that_and_as_no_loss() {
    let runtime = Virtual::default();
    let (client, _wire) = connected(&runtime, config());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    client.on_event(move |event| events.lock().unwrap().push(event.clone()));
    let mut over = pin!(client.disconnect());
    assert!(settle(over.as_mut()).is_none());
    runtime.run();
    assert!(settle(over).is_some());
    assert_eq!(*heard.lock().unwrap(), [Event::Connected, Event::Restored, Event::Ended]);
}

#[test]
fn a_client_that_has_connected_calls_on_that_connection() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    let client = runtime.by_default(|| settle(pin!(Shared::connect("queue", Config::default()))));
    let client = client.expect("it is there").unwrap();
    assert_eq!(answer(&runtime, &mut peek(&client, 1)).unwrap().id, JobId(1));
    assert_eq!((runtime.attempts(), wire.count(Kind::Peek)), (1, 1));
}

#[test]
fn a_call_that_is_in_flight_when_its_client_is_disconnected_ends_in_its_own_time() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let hasty = client.with_timeout(Timeout::After(DELAY));
    let mut call = Asleep::new(hasty.call(Peek::new(1)));
    runtime.run();
    let mut over = pin!(client.disconnect());
    assert!(settle(over.as_mut()).is_none());
    runtime.run();
    pass(&runtime, DELAY);
    let error = call.wake_up().expect("its time is over").unwrap_err();
    assert!(matches!(error, Error::TimedOut { lost: Lost::Unknown, waited: DELAY, .. }), "{error}");
}

#[test]
fn a_client_that_is_disconnected_ends_with_the_runtime_of_its_task() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let mut over = pin!(client.disconnect());
    assert!(settle(over.as_mut()).is_none());
    let mut call = peek(&client, 1);
    assert!(is_waiting(&mut call));
    runtime.shut_down();
    assert!(settle(over).is_some(), "it waits for a task that is gone");
    assert!(matches!(result(&mut call), Err(Error::Closed { .. })));
    assert!(client.is_closed() && runtime.tasks() == 0);
}

#[test]
fn the_task_ends_with_the_last_handle_connected_or_not() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    drop(client);
    runtime.run();
    assert!(wire.world().closed && runtime.tasks() == 0);

    let runtime = Virtual::default();
    let away = client_that_waits(&runtime);
    assert_eq!(runtime.tasks(), 1);
    drop(away);
    runtime.run();
    assert_eq!(runtime.tasks(), 0);
}

fn client_that_waits(runtime: &Virtual) -> Shared {
    let client = client(runtime, config());
    assert!(is_waiting(&mut peek(&client, 1)));
    runtime.run();
    client
}

#[test]
fn a_listener_hears_of_connections_and_may_call_or_panic() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (events, handle) = (Arc::clone(&heard), client.clone());
    client.on_event(move |event| {
        assert!(!handle.is_closed());
        events.lock().unwrap().push(event.clone());
        std::panic::resume_unwind(Box::new("as it was told"));
    });
    wire.hang_up();
    runtime.run();
    let _next = runtime.offer();
    pass(&runtime, DELAY);
    let heard = heard.lock().unwrap();
    let [Event::Connected, Event::Restored, Event::Lost { .. }, Event::Retrying { attempt: 1, .. }, rest @ ..] =
        &heard[..]
    else {
        panic!("{heard:?}")
    };
    assert_eq!(rest, [Event::Connected, Event::Restored]);
}

#[test]
fn the_room_on_a_connection_is_for_each_connection() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    let limits = Limits { in_flight: 2, ..Limits::default() };
    let limited = Config { limits, ..Config::default() };
    let client = Shared::on(runtime.clone(), "queue".parse().unwrap(), config(), limited).unwrap();
    wire.world().silent = true;
    let mut calls: Vec<_> = (0..4).map(|id| peek(&client, id)).collect();
    assert!(calls.iter_mut().all(is_waiting));
    for _ in 0..4 {
        runtime.run();
        assert!(calls.iter_mut().all(is_waiting));
    }
    assert_eq!(wire.count(Kind::Peek), 1, "the server has read the first only");
    let next = runtime.offer();
    wire.hang_up();
    runtime.run();
    for _ in 0..10 {
        assert!(calls.iter_mut().all(is_waiting) || next.count(Kind::Peek) > 0);
        pass(&runtime, DELAY);
        calls.retain_mut(|call| settle(call.as_mut()).is_none());
    }
    assert!(calls.is_empty(), "all were repeated");
    assert_eq!(next.count(Kind::Peek), 4);
}
