//! Who is woken when: a call that waits is not polled before.

use std::time::Duration;

use beanstalk_driver::SharedDriver;
use beanstalk_proto::{
    Error, JobId, Lost, Peek, Put,
    client::{Config, Limits},
};

use crate::{
    client::{Shared, config, connected, is_waiting, limited, peek},
    executor::Asleep,
    virtual_runtime::Virtual,
    wire::Wire,
};

/// A client on a connection with so much room, and the driver of that.
fn over(wire: &Wire, in_flight: usize) -> (Shared, SharedDriver<Virtual, Wire>) {
    let limits = Limits { in_flight, ..Limits::default() };
    Shared::over(Virtual::by(wire), Config { limits, ..Config::default() }, wire.clone())
}

#[test]
fn who_is_first_in_line_is_woken_when_there_is_room_and_nobody_before_or_behind() {
    let runtime = Virtual::default();
    let (client, wire) = limited(&runtime, Limits { in_flight: 1, ..Limits::default() });
    wire.world().silent = true;
    let mut sent = Asleep::new(client.call(Peek::new(1)));
    let (mut first, second) = (Asleep::new(client.call(Peek::new(2))), Asleep::new(client.call(Peek::new(3))));
    runtime.run();
    assert!(!first.is_woken(), "a request is in flight, and there is room for one");
    wire.speak();
    runtime.run();
    assert!(!first.is_woken(), "its reply was not claimed");
    assert_eq!(sent.wake_up().unwrap().unwrap().id, JobId(1));
    assert!(!second.is_woken());
    assert!(first.wake_up().is_none());
    runtime.run();
    assert_eq!(first.wake_up().unwrap().unwrap().id, JobId(2));
    assert!(second.is_woken());
}

#[test]
fn who_is_first_in_line_is_woken_when_what_was_queued_is_written_and_not_before() {
    let runtime = Virtual::default();
    let (client, wire) = limited(&runtime, Limits { queued: b"peek 1\r\n".len(), ..Limits::default() });
    wire.world().capacity = 0;
    let (_sent, mut first) = (Asleep::new(client.call(Peek::new(1))), Asleep::new(client.call(Peek::new(2))));
    runtime.run();
    assert!(!first.is_woken(), "as much is queued as may be");
    wire.world().capacity = usize::MAX;
    wire.advance(Duration::ZERO);
    runtime.run();
    assert!(first.wake_up().is_none());
    runtime.run();
    assert_eq!(first.wake_up().unwrap().unwrap().id, JobId(2));
}

#[test]
fn who_is_in_line_is_woken_when_there_is_no_connection_any_more() {
    let wire = Wire::new();
    wire.world().silent = true;
    let (client, driver) = over(&wire, 1);
    let (mut sent, mut first) = (Asleep::new(client.call(Peek::new(1))), Asleep::new(client.call(Peek::new(2))));
    let mut second = Asleep::new(client.call(Peek::new(3)));
    let mut driver = Asleep::new(driver);
    wire.hang_up();
    assert!(driver.wake_up().is_some());
    assert!(matches!(sent.wake_up(), Some(Err(Error::Closed { lost: Lost::Unknown }))));
    for in_line in [&mut first, &mut second] {
        assert!(matches!(in_line.wake_up(), Some(Err(Error::Closed { lost: Lost::NotSent }))));
    }
}

#[test]
fn who_waits_until_a_request_is_flushed_is_woken_when_it_is() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    wire.world().flush_blocked = true;
    let mut sent = Asleep::new(client.send_in("a", Put::of("x")));
    runtime.run();
    assert!(sent.wake_up().is_none(), "it is written and not flushed");
    wire.world().flush_blocked = false;
    wire.advance(Duration::ZERO);
    runtime.run();
    assert!(sent.wake_up().expect("it is flushed").is_ok());
}

#[test]
fn who_waits_for_the_end_is_woken_by_it_and_forgotten_when_it_goes_away() {
    let wire = Wire::new();
    let (client, driver) = over(&wire, 1);
    let (mut closed, gone) = (Asleep::new(client.closed()), Asleep::new(client.closed()));
    assert!(!gone.leaves_its_waker());
    let mut driver = Asleep::new(driver);
    wire.hang_up();
    assert!(driver.wake_up().is_some());
    assert!(closed.wake_up().is_some());
}

#[test]
fn the_driver_is_woken_by_the_last_handle_that_goes_and_by_none_before() {
    let wire = Wire::new();
    let (client, driver) = over(&wire, 1);
    let mut driver = Asleep::new(driver);
    drop(client.clone());
    assert!(!driver.is_woken());
    drop(client);
    assert!(driver.wake_up().expect("it has ended").is_ok());
}

#[test]
fn who_waits_where_the_driver_runs_sets_no_timer() {
    let runtime = Virtual::default();
    let (client, wire) = connected(&runtime, config());
    wire.world().silent = true;
    let mut call = peek(&client, 1);
    assert!(is_waiting(&mut call));
    runtime.run();
    assert!(is_waiting(&mut call));
    assert_eq!(runtime.sleepers(), 0);
}
