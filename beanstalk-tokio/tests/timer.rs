//! The one timer of a connection wakes whoever waits, however the waiting came about. Time is tokio's paused clock.
#![allow(clippy::unwrap_used)]

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_tests::watchdog;
use beanstalk_tokio::{Client, Config, Error, Reserved};
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    time::{Instant, timeout},
};

const REPLY: Duration = Duration::from_secs(5);
/// Longer than any call here may take.
const LONG: Duration = Duration::from_secs(60);

/// A client of a server that takes everything and never answers, which is the other end.
fn mute() -> (Client<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 16);
    (Client::from_stream_with(near, Config { reply_timeout: Some(REPLY), ..Config::default() }), far)
}

/// Waits for a call that began at `start`, and makes sure that it is late, neither sooner nor later than it should be.
async fn assert_late<T>(start: Instant, call: impl Future<Output = Result<T, Error>>) {
    let result = timeout(LONG, call).await.unwrap();
    let took = start.elapsed();
    assert!(matches!(result, Err(Error::TimedOut { .. })));
    assert!(took >= REPLY && took < REPLY + Duration::from_millis(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_late_call_fails_at_its_own_time() {
    let _bound = watchdog::bound();
    let (mut client, _far) = mute();
    for _ in 0..3 {
        assert_late(Instant::now(), client.delete(1)).await;
        // The timer that was set is over.
        tokio::time::advance(REPLY * 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_set_for_an_earlier_call_ends_no_later_one_early() {
    let _bound = watchdog::bound();
    let (mut client, _far) = mute();
    for _ in 0..3 {
        assert!(timeout(REPLY / 2, client.delete(1)).await.is_err());
    }
    assert_late(Instant::now(), client.delete(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_set_for_a_reserve_lets_no_later_call_wait_for_longer() {
    let _bound = watchdog::bound();
    let (mut client, mut far) = mute();
    {
        let mut reserve = pin!(client.reserve_with_timeout(30));
        assert!(poll_fn(|cx| Poll::Ready(reserve.as_mut().poll(cx))).await.is_pending());
        far.write_all(b"TIMED_OUT\r\n").await.unwrap();
        assert_eq!(reserve.await.unwrap(), Reserved::TimedOut);
    }
    assert_late(Instant::now(), client.delete(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_call_fails_whose_task_changed_since_the_timer_was_set() {
    let _bound = watchdog::bound();
    let (mut client, _far) = mute();
    let mut call = pin!(client.delete(1));
    let start = Instant::now();
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_late(start, call).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_call_fails_that_began_when_its_task_had_used_up_its_share_of_time() {
    let _bound = watchdog::bound();
    let (mut client, _far) = mute();
    let mut call = pin!(client.delete(1));
    let (send, mut receive) = mpsc::unbounded_channel();
    (0..1000).for_each(|n| send.send(n).unwrap());
    let mut exhausted = false;
    let late = poll_fn(|cx| {
        while !exhausted {
            exhausted = receive.poll_recv(cx).is_pending();
        }
        call.as_mut().poll(cx)
    });
    assert_late(Instant::now(), late).await;
    let left = receive.poll_recv(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(left, Poll::Ready(Some(_))), "nothing was used up");
}
